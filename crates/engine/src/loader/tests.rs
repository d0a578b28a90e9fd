use super::*;
use crate::workspace::{Workspace, WorkspaceOptions};
use ba_agent_core::agents::InstallTarget;
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
    assert_eq!(names(&loaded.listed), ["mine", "office:pdf", "ours"]);
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
    assert_eq!(names(&loaded.listed), ["far", "near", "project:far"]);
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

/// What an index on the disk answers is what the files say, whatever happened to either.
#[test]
fn the_index_changes_no_answer() {
    let place = Place::new();
    for n in 0..5 {
        place.skill(&format!("project/.claude/skills/s{n}"), "Of the project. Use it always.");
    }
    place.write("project/.claude/skills/broken/SKILL.md", "---\nname: [\n---\n");
    let summary = |loaded: &LoadedSkills| {
        let listed: Vec<(String, String)> =
            loaded.listed.iter().map(|one| (one.qualified.clone(), one.facts.description.clone())).collect();
        let omitted: Vec<String> =
            loaded.omitted.iter().map(|one| format!("{} {}", one.name, one.detail)).collect();
        (listed, omitted, loaded.findings.clone())
    };
    let cold = summary(&place.load(None));
    let files = || {
        let index = place.dir.path().join(".cache/index");
        let all = walkdir::WalkDir::new(index).into_iter().map(Result::unwrap);
        all.filter(|entry| entry.file_type().is_file()).map(walkdir::DirEntry::into_path).collect::<Vec<_>>()
    };
    assert_eq!(files().len(), 1);
    assert_eq!(summary(&place.load(None)), cold);
    place.skill("project/.claude/skills/s1", "Another text of another length. Use it.");
    std::fs::remove_dir_all(place.dir.path().join("project/.claude/skills/s2")).unwrap();
    place.skill("project/.claude/skills/broken", "It is mended. Use it always.");
    let changed = summary(&place.load(None));
    assert_eq!((changed.0.len(), changed.1.len()), (5, 0));
    assert!(changed.0.iter().any(|(name, text)| name == "s1" && text.starts_with("Another")));
    for damage in [&b""[..], b"garbage", &[0xff; 4000]] {
        std::fs::write(&files()[0], damage).unwrap();
        assert_eq!(summary(&place.load(None)), changed);
    }
    // Where nothing can be kept everything is read.
    std::fs::remove_dir_all(place.dir.path().join(".cache")).unwrap();
    std::fs::write(place.dir.path().join(".cache"), "in the way").unwrap();
    assert_eq!(summary(&place.load(None)), changed);
}

/// Folders as they lie for several agents, and what each of them takes.
#[test]
fn each_agent_has_its_own_folders_order_and_depth() {
    let place = Place::new();
    for folder in [
        ".claude/skills/same",
        ".codex/skills/same",
        ".agents/skills/same",
        ".gemini/skills/same",
        "project/.claude/skills/same",
        "project/.agents/skills/same",
        "project/.agents/skills/deep/below/nested",
        "project/.gemini/skills/same",
        "project/.goose/skills/same",
        "project/skills/same",
    ] {
        place.skill(folder, &format!("In {folder}. Use it."));
    }
    let of = |agent: &str| {
        let loaded = place.load(Some(agent));
        let listed = loaded.listed.iter().map(|one| {
            let from = one.facts.description.trim_start_matches("In ").trim_end_matches(". Use it.");
            from.to_owned()
        });
        listed.collect::<Vec<_>>()
    };
    assert_eq!(of("claude-code"), [".claude/skills/same"]);
    // Nothing of a project's before its user trusts it.
    assert_eq!(of("gemini-cli"), [".agents/skills/same"]);
    let trusted = format!(r#"{{"{}": "TRUST_FOLDER"}}"#, place.env.cwd.display());
    place.write(".gemini/trustedFolders.json", &trusted);
    assert_eq!(of("gemini-cli"), ["project/.agents/skills/same"]);
    assert_eq!(of("goose"), ["project/.agents/skills/same"]);
    assert_eq!(of("openclaw")[0], "project/skills/same");
    assert_eq!(
        of("codex"),
        [
            "project/.agents/skills/deep/below/nested",
            "project/.agents/skills/same",
            ".agents/skills/same",
            ".codex/skills/same"
        ]
    );
    assert!(place.load(Some("opencode")).findings[0].message.contains("now one, now another"));
}

#[test]
fn codex_is_told_by_another_file_what_only_a_person_starts() {
    let place = Place::new();
    place.skill("project/.agents/skills/open", "Anybody starts it. Use it.");
    place.write(
        "project/.agents/skills/by-hand/SKILL.md",
        "---\nname: by-hand\ndescription: What it does.\n---\nx\n",
    );
    place.write(
        "project/.agents/skills/by-hand/agents/openai.yaml",
        "policy:\n  allow_implicit_invocation: false\n",
    );
    let loaded = place.load(Some("codex"));
    assert_eq!(names(&loaded.listed), ["open"]);
    assert_eq!(loaded.omitted[0].reason, OmitReason::ModelInvocation);
    assert!(loaded.find_skill("by-hand").is_ok(), "a person may");
}

#[test]
fn plugins_of_claude_code_are_read_where_it_installed_them() {
    let place = Place::new();
    place.skill("plugins-cache/office/1.0/skills/pdf", "Of a plugin. Use it.");
    place.skill("plugins-cache/off/1.0/skills/gone", "Of a plugin. Use it.");
    let at = |name: &str| place.dir.path().join("plugins-cache").join(name).join("1.0").display().to_string();
    let record = serde_json::json!({ "version": 2, "plugins": {
        "office@market": [{ "scope": "user", "installPath": at("office") }],
        "off@market": [{ "scope": "user", "installPath": at("off") }],
    }});
    place.write(".claude/plugins/installed_plugins.json", &record.to_string());
    place.write(".claude/settings.json", r#"{"enabledPlugins": {"off@market": false}}"#);
    assert_eq!(names(&place.load(None).listed), ["office:pdf"]);
    assert_eq!(names(&place.load(Some("claude-code")).listed), ["office:pdf"]);
    assert!(place.load(Some("codex")).listed.is_empty());
}

#[test]
fn a_project_names_no_folder_outside_of_itself_through_a_link() {
    let place = Place::new();
    place.skill("outside/skills/secret", "Not of this project. Use it.");
    place.skill("project/team/ours", "Of the project. Use it.");
    place.write(
        "project/.ba-agent/config.yaml",
        "loader: {scan_sources: [{path: ./team, priority: 70}, {path: ./link}]}\n",
    );
    #[cfg(unix)]
    std::os::unix::fs::symlink("../outside/skills", place.dir.path().join("project/link")).unwrap();
    let loaded = place.load(None);
    assert_eq!(names(&loaded.listed), ["ours"]);
    assert_eq!((loaded.listed[0].origin, loaded.listed[0].priority), (SkillOrigin::Extra, 70));
    assert!(!cfg!(unix) || loaded.findings[0].message.contains("outside"));
}

/// A cap on what is looked through, and links that lead back: every skill once, in bounded time.
#[cfg(unix)]
#[test]
fn links_that_lead_back_end_somewhere() {
    let place = Place::new();
    place.skill("project/.agents/skills/deep/below/one", "It is found once. Use it.");
    let at = |path: &str| place.dir.path().join("project/.agents/skills").join(path);
    for (target, link) in
        [("..", "deep/up"), (".", "deep/here"), ("../..", "deep/below/top"), ("loop", "loop")]
    {
        std::os::unix::fs::symlink(target, at(link)).unwrap();
    }
    let loaded = place.load(Some("codex"));
    assert_eq!(names(&loaded.listed), ["one"]);
    assert!(loaded.omitted.is_empty());
}

#[test]
fn a_skill_that_needs_one_that_is_not_here_is_left_out_and_says_so() {
    let place = Place::new();
    place.skill("project/.claude/skills/report", "It needs another one. Use it.");
    let entry = |name: &str, more: &str| {
        format!(
            r#""{name}":{{"digest":"sha256:{0}","files":{{}},"installed_at":"2026-01-01T00:00:00Z","kind":"local","mode":"copy","pin":{{}},"source":"./x","targets":["claude-code"]{more}}}"#,
            "0".repeat(64)
        )
    };
    let need = |optional: &str, kind: &str| {
        entry(
            "report",
            &format!(r#","dependencies":[{{"at":"SKILL.md:3","kind":"{kind}","name":"charts"{optional}}}]"#),
        )
    };
    let write = |skills: &str| {
        place.write(
            "project/config/skills_registry.json",
            &format!(r#"{{"schema_version":"1.1","skills":{{{skills}}}}}"#),
        );
    };
    write(&need("", "declared"));
    let loaded = place.load(None);
    assert_eq!((loaded.omitted[0].reason, loaded.listed.len()), (OmitReason::Dependency, 0));
    assert!(loaded.omitted[0].detail.contains("`charts`"));
    for (optional, kind) in [(r#","optional":true"#, "declared"), ("", "link")] {
        write(&need(optional, kind));
        assert_eq!(names(&place.load(None).listed), ["report"], "{optional} {kind}");
    }
    write(&need("", "declared"));
    place.skill("project/.claude/skills/charts", "It is needed. Use it.");
    assert_eq!(names(&place.load(None).listed), ["charts", "report"]);
}

/// Numbers that are the same each time.
struct Dice(u64);

impl Dice {
    fn roll(&mut self, sides: u64) -> u64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % sides
    }

    fn one<'a>(&mut self, all: &[&'a str]) -> &'a str {
        all[usize::try_from(self.roll(all.len() as u64)).unwrap()]
    }
}

const NAMES: [&str; 5] = ["a", "b", "c", "user:a", "p:b"];
const FOLDERS: [&str; 5] = [
    ".claude/skills",
    "project/.claude/skills",
    "project/plugins/p/skills",
    "project/plugins/q/skills",
    ".claude/other",
];

impl Place {
    /// Sources with skills in every state, links between them, and registries that record some.
    #[cfg(unix)]
    fn of_chance(seed: u64) -> Self {
        use std::os::unix::fs::symlink;
        let (place, mut dice) = (Self::new(), Dice(seed));
        let at = |path: &str| place.dir.path().join(path);
        for _ in 0..dice.roll(14) {
            let (folder, name) = (dice.one(&FOLDERS), dice.one(&NAMES));
            let (other, twin) = (dice.one(&FOLDERS), dice.one(&NAMES));
            let (here, there) = (format!("{folder}/{name}"), format!("{other}/{twin}"));
            if at(&here).symlink_metadata().is_ok() {
                continue;
            }
            std::fs::create_dir_all(at(folder)).unwrap();
            let text =
                |more: &str| format!("---\nname: x\ndescription: What it does. When.\n{more}---\n\n{more}\n");
            match dice.roll(12) {
                0 => drop(place.write(&format!("{here}/SKILL.md"), "---\nname: [\n---\n")),
                1 => drop(place.write(&format!("{here}/skill.md"), &text(""))),
                2 => {
                    drop(place.write(&format!("{here}/SKILL.md"), &text("disable-model-invocation: true\n")))
                }
                3 => drop(
                    place.write(&format!("{here}/SKILL.md"), &text("requires: {bins: [no-such-program]}\n")),
                ),
                4 | 5 => symlink(at(&there), at(&here)).unwrap(),
                6 => {
                    std::fs::create_dir_all(at(&here)).unwrap();
                    symlink(at(&there).join("SKILL.md"), at(&here).join("SKILL.md")).unwrap();
                }
                7 => {
                    std::fs::create_dir_all(at(&here)).unwrap();
                    let _ = std::fs::hard_link(at(&there).join("SKILL.md"), at(&here).join("SKILL.md"));
                }
                8 => drop(place.write(&here, "no folder")),
                n => drop(place.write(&format!("{here}/SKILL.md"), &text(&format!("tags: [t{n}]\n")))),
            }
        }
        if dice.roll(5) == 0 {
            let _ = symlink(at(FOLDERS[0]), at(FOLDERS[1]));
        }
        if dice.roll(3) == 0 {
            let scan = format!(
                "loader:\n  scan_sources:\n    - path: ~/.claude/other\n      priority: {}\n",
                dice.roll(120)
            );
            let more = if dice.roll(3) == 0 { "      recursive: true\n" } else { "" };
            place.write(".config/ba-agent/config.yaml", &format!("{scan}{more}"));
        }
        for file in [".config/ba-agent/skills_registry.json", "project/config/skills_registry.json"] {
            place.write(file, &registry_of_chance(&mut dice));
        }
        place
    }
}

fn registry_of_chance(dice: &mut Dice) -> String {
    let mut skills = Vec::new();
    for name in ["a", "b", "c"].into_iter().filter(|_| dice.roll(2) == 0).collect::<Vec<_>>() {
        let digest = dice.one(&["0", "1", "f"]).repeat(64);
        let targets = dice.one(&[r#""claude-code""#, r#""codex","claude-code""#, r#""codex""#]);
        let (needed, kind) = (dice.one(&["a", "b", "c", "gone"]), dice.one(&["declared", "link"]));
        let more = match dice.roll(4) {
            0 => r#","enabled":false"#.to_owned(),
            1 => format!(r#","dependencies":[{{"at":"SKILL.md:3","kind":"{kind}","name":"{needed}"}}]"#),
            2 => r#","category":"core""#.to_owned(),
            _ => String::new(),
        };
        skills.push(format!(
            r#""{name}":{{"digest":"sha256:{digest}","files":{{}},"installed_at":"2026-01-01T00:00:00Z","kind":"local","mode":"copy","pin":{{}},"source":"./x","targets":[{targets}]{more}}}"#
        ));
    }
    format!(r#"{{"schema_version":"1.1","skills":{{{}}}}}"#, skills.join(","))
}

/// Whatever lies where: one skill, looked up by its name, is what it is among all of them.
#[cfg(unix)]
#[test]
fn a_skill_that_is_looked_up_is_the_one_that_is_found_among_all() {
    let wanted =
        ["a", "b", "c", "user:a", "project:a", "p:b", "q:c", "extra:a", "plugin:b", " a ", "gone", "x:y:z"];
    let (mut found, mut near) = (0, 0);
    for seed in 0..80 {
        let place = Place::of_chance(seed);
        let workspace = Workspace::new(place.env.clone(), WorkspaceOptions::default());
        let counting = Counting::default();
        let session = workspace.open_unrepaired(&counting).unwrap();
        for agent in [None, Some("claude-code"), Some("codex")] {
            let agent = agent.map(|id| ba_agent_core::agents::find_agent(id).unwrap());
            let all = load_skills(&session, agent).unwrap();
            for name in wanted {
                let expected = all.find_skill(name).ok();
                let one = find_loaded_skill(&session, agent, name).unwrap();
                assert_eq!(one.as_ref(), expected, "seed {seed}, {agent:?}, `{name}`");
                found += usize::from(one.is_some());
                let Some(looked_up) = look_up_skills(&session, agent, name).unwrap() else { continue };
                near += 1;
                // Why it is not offered is the same too, as far as what it needs is looked up.
                let reason = |loaded: &LoadedSkills, skill: &LoadedSkill| {
                    let same = |one: &&OmittedSkill| one.skill.as_deref() == Some(skill);
                    loaded.omitted.iter().find(same).map(|one| (one.reason, one.detail.clone()))
                };
                if let Some(skill) = expected {
                    assert_eq!(reason(&looked_up, skill), reason(&all, skill), "seed {seed}, `{name}`");
                }
            }
        }
    }
    assert!(found > 100 && near > 800, "{found} were found, {near} of them looked up");
}
