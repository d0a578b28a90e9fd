use super::*;
use crate::workspace::{Workspace, WorkspaceOptions};
use ba_agent_core::error::Kind;
use ba_agent_system::env::Env;
use ba_agent_test_support::Counting;

/// A home with a project in it.
struct Place {
    dir: tempfile::TempDir,
    env: Env,
}

impl Place {
    fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let mut env = Env::isolated(dir.path(), &[]);
        env.cwd = dir.path().join("project");
        std::fs::create_dir_all(env.cwd.join(".git")).unwrap();
        Self { dir, env }
    }

    fn write(&self, path: &str, text: &str) -> PathBuf {
        let file = self.dir.path().join(path);
        std::fs::create_dir_all(file.parent().unwrap()).unwrap();
        std::fs::write(&file, text).unwrap();
        file
    }

    fn skill(&self, folder: &str, description: &str) -> PathBuf {
        let name = folder.rsplit('/').next().unwrap();
        let text = format!("---\nname: {name}\ndescription: {description}\n---\n\n# {name}\n\nDo it.\n");
        self.write(&format!("{folder}/SKILL.md"), &text)
    }

    fn load(&self, agent: Option<&str>) -> LoadedSkills {
        let options = WorkspaceOptions::default();
        let workspace = Workspace::new(self.env.clone(), options);
        let counting = Counting::default();
        let session = workspace.open_unrepaired(&counting).unwrap();
        let agent = agent.map(|id| match InstallTarget::parse(id).unwrap() {
            InstallTarget::Agent(agent) => agent,
            InstallTarget::Folder(_) => panic!("{id}"),
        });
        load_skills(&session, agent).unwrap()
    }
}

fn names(skills: &[LoadedSkill]) -> Vec<&str> {
    skills.iter().map(|skill| skill.qualified.as_str()).collect()
}

#[test]
fn the_four_sources_are_read_in_their_order() {
    let place = Place::new();
    place.skill(".claude/skills/mine", "Of the user. Use it always.");
    place.skill("project/.claude/skills/ours", "Of the project. Use it always.");
    place.skill("project/plugins/office/skills/pdf", "Of a plugin. Use it always.");
    let loaded = place.load(None);
    assert_eq!(names(&loaded.listed), ["mine", "ours", "office:pdf"]);
    assert_eq!(loaded.find_skill("project:ours").unwrap().origin, SkillOrigin::Project);
    assert_eq!(loaded.find_skill("pdf").unwrap().qualified, "office:pdf");
    assert!(loaded.findings.is_empty() && loaded.omitted.is_empty() && loaded.conflicts.is_empty());
}

#[test]
fn a_project_version_of_a_skill_stands_for_it_and_another_one_beside_it() {
    let place = Place::new();
    let body: String = (0..20).map(|n| format!("line {n}\n")).collect();
    let text = |name: &str, more: &str| {
        format!("---\nname: {name}\ndescription: What it does. When.\n---\n{body}{more}")
    };
    for (name, of_project) in [("near", "one line more\n".to_owned()), ("far", "other\n".repeat(60))] {
        place.write(&format!(".claude/skills/{name}/SKILL.md"), &text(name, ""));
        place.write(&format!("project/.claude/skills/{name}/SKILL.md"), &text(name, &of_project));
    }
    let loaded = place.load(None);
    assert_eq!(names(&loaded.listed), ["far", "project:far", "near"]);
    assert_eq!(loaded.find_skill("near").unwrap().origin, SkillOrigin::Project);
    assert_eq!(loaded.find_skill("far").unwrap().origin, SkillOrigin::User);
    assert_eq!(loaded.find_skill("user:near").unwrap().origin, SkillOrigin::User);
    assert_eq!(loaded.conflicts.len(), 2);
}

#[test]
fn a_name_that_there_is_none_of_or_several_is_said() {
    let place = Place::new();
    place.skill("project/plugins/a/skills/pdf", "Of a plugin. Use it always.");
    place.skill("project/plugins/b/skills/pdf", "Of a plugin. Use it always.");
    let loaded = place.load(None);
    let unknown = loaded.find_skill("a:pdg").unwrap_err();
    assert!(unknown.kind == Kind::NotFound && unknown.hints[0].contains("a:pdf"), "{unknown:?}");
    let ambiguous = loaded.find_skill("pdf").unwrap_err();
    assert!(
        ambiguous.kind == Kind::NotFound && ambiguous.hints[0].contains("`a:pdf` or `b:pdf`"),
        "{ambiguous:?}"
    );
}

#[cfg(unix)]
#[test]
fn what_cannot_be_read_is_named_and_stops_nothing() {
    let place = Place::new();
    place.skill("project/.claude/skills/good", "Of the project. Use it always.");
    place.write("project/.claude/skills/broken/SKILL.md", "---\nname: [\n---\n");
    let pipe = place.dir.path().join("project/.claude/skills/pipe/SKILL.md");
    std::fs::create_dir_all(pipe.parent().unwrap()).unwrap();
    std::process::Command::new("mkfifo").arg(&pipe).status().unwrap();
    let huge = place.write("project/.claude/skills/huge/SKILL.md", "");
    std::fs::File::options().write(true).open(&huge).unwrap().set_len(100 << 20).unwrap();
    std::os::unix::fs::symlink("..", place.dir.path().join("project/.claude/skills/loop")).unwrap();
    std::os::unix::fs::symlink("good", place.dir.path().join("project/.claude/skills/twin")).unwrap();
    let loaded = place.load(None);
    assert_eq!(names(&loaded.listed), ["good"]);
    let mut left: Vec<&str> = loaded.omitted.iter().map(|one| one.name.as_str()).collect();
    left.sort_unstable();
    assert_eq!(left, ["broken", "huge", "pipe"]);
    assert_eq!(loaded.findings.len(), 3);
}
