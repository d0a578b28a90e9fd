//! A cloned project is as hostile as a source. A generator makes contents of projects: old
//! journals and locks, registries, settings, marketplaces, links at every place that is written
//! or read, pipes, sockets, endless and enormous files. Every command runs in them, with the
//! user's own settings and tokens in force, and whatever the project says
//!
//! * a tree outside of the project and the user's home stay as they are, to the last byte,
//!   mode, link and time; nothing is linked out of the project; the cache keeps what it has;
//! * no token and no variable reaches the host that the project names for everything;
//! * no command takes 256 MiB, hangs, panics, ends with a status that no page names, or prints
//!   a control character.
//!
//! `BA_AGENT_SEED=N` runs one combination again.
#![cfg(unix)]

use std::collections::{BTreeMap, BTreeSet};
use std::io::Read as _;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _, symlink};
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::dice::{Dice, figure, on_all_processors, times};
use crate::env::{TestEnv, copy_tree, skill_md};
use ba_agent_test_support::server::{Play, Server};

/// What must not leave this machine: tokens, variables and the user's files begin with it.
const CANARY: &str = "CanaryThatNobodyMaySee";
const MEMORY_LIMIT: u64 = 256 << 20;
/// Far more than any command needs on a busy machine.
const TIME_LIMIT: Duration = Duration::from_secs(60);

/// The commands, each as it is typed.
const COMMANDS: [&str; 147] = [
    "skill list",
    "skill adopt --all --yes",
    "skill adopt --all --dry-run --offline",
    "skill adopt new --force",
    "skill adopt pdf --source ./local/pdf --json",
    "skill list --check --json",
    "skill list --offline",
    "skill install",
    "skill install --yes --force",
    "skill install --frozen",
    "skill install --frozen --offline",
    "skill install --dry-run",
    "skill install acme/skills --all --yes",
    "skill install gitlab:acme/skills --all",
    "skill install bitbucket:acme/skills --all",
    "skill install ./local/pdf --force --yes",
    "skill install ./local/other",
    "skill install ./local/other --agent codex --agent claude-code --copy",
    "skill install ./local/other --link",
    "skill install ./local --all",
    "skill install ./local/kit.zip --force",
    "skill install file://PROJECT/local/vendor.git --all --force",
    "skill install builtin:skill-finder",
    "skill install kit@evil",
    "skill install packed@evil --yes",
    "skill install inside@evil --all",
    "skill install pdf",
    "skill install --from skills-lock.json",
    "skill install --from installed_plugins.json --yes",
    "marketplace add --from known_marketplaces.json",
    "skill update --yes",
    "skill update --dry-run",
    "skill update --dry-run --diff",
    "skill update pdf --force --yes",
    "skill context",
    "skill context --json --active pdf",
    "skill context --for codex --query tables",
    "skill context --for claude-code --strict --format xml",
    "skill outdated --json",
    "skill outdated --all --offline",
    "skill uninstall pdf",
    "skill uninstall pdf --force --yes",
    "skill uninstall pdf --agent codex",
    "skill deps pdf --json",
    "skill tree --strict",
    "skill tree --json",
    "skill why pdf --json",
    "skill uninstall --prune",
    "skill uninstall pdf --prune --json",
    "skill disable pdf",
    "skill disable pdf --agent codex --json",
    "skill enable pdf --json",
    "skill versions pdf --json",
    "skill use pdf --version latest --json",
    "skill use pdf --version 1.0.0 --force",
    "agents --all --json",
    "config list --json",
    "config get github_url",
    "config set agents codex",
    "config unset registry",
    "skill search pdf",
    "skill search --json",
    "skill recommend pdf --file local/pdf/SKILL.md --json",
    "skill usage --import claude-code,codex --json",
    "hook status --json",
    "hook install --agent claude-code",
    "hook install --agent codex,gemini-cli --json",
    "hook uninstall --agent claude-code,codex,gemini-cli",
    "hook run --agent claude-code",
    "skill show pdf --json",
    "skill show pdf",
    "skill show pdf --file SKILL.md",
    "skill activate pdf --session s --json",
    "skill activate pdf --arguments $(id) --verify",
    "skill activate pdf --session s --message again --for codex",
    "skill deactivate pdf --session s",
    "skill path pdf",
    "skill path pdf --version 1.0.0",
    "skill open pdf --print",
    "skill open pdf",
    "skill edit pdf",
    "skill show acme/skills --json",
    "skill show kit@evil",
    "skill watch --for 0 --json",
    "skill verify",
    "skill verify --json",
    "skill diff pdf --stat",
    "skill diff pdf",
    "skill pin pdf",
    "skill unpin pdf",
    "skill restore pdf --yes",
    "skill restore pdf --yes --offline --json",
    "skill rollback",
    "skill rollback --yes --offline",
    "skill history --json",
    "skill export",
    "skill validate .",
    "skill validate .claude/skills/pdf --json",
    "skill init fresh",
    "skill pack .claude/skills/pdf --force",
    "skill pack local/other --output packed.tar.gz --force",
    "skill pack .",
    "skill publish .claude/skills/pdf --as @acme --to ./published --yes",
    "skill publish local/other --as @acme --to . --yes",
    "skill publish local/other --as @acme --to ./local --dry-run --json",
    "skill yank @acme/pdf@1.0.0 --to ./published",
    "registry build .",
    "registry check . --json",
    "registry mirror . ./copied",
    "registry mirror ./local ./published",
    "mcp",
    "mcp config --agent claude-code --write",
    "mcp config --agent codex --write --json",
    "mcp config --agent gemini-cli --write",
    "mcp config --agent opencode",
    "registry list --json",
    "registry show evil",
    "registry remove evil",
    "skill install @acme/pdf",
    "skill install evil:@evil/pdf --yes",
    "whoami evil",
    "skill follow @acme/pdf",
    "skill following --json",
    "skill unfollow @acme/pdf",
    "marketplace list",
    "marketplace list --json",
    "marketplace update",
    "marketplace show evil --json",
    "marketplace add more ./local --scope project",
    "marketplace add more acme/skills --scope project",
    "marketplace remove evil",
    "marketplace validate .",
    "marketplace init . --owner Somebody --force",
    "marketplace init ./local --owner Somebody",
    "marketplace init --check --json",
    "marketplace disable evil",
    "doctor",
    "doctor --json",
    "doctor --fix --yes",
    "skill verify --output-format github",
    "skill validate . --output-format github",
    "self version",
    "self version --check --offline",
    "cache size",
    "cache prune",
    "man pages",
    "skill update pdf --source ./local/other",
];

/// One way to be hostile; it writes into the project.
type Ingredient = (&'static str, fn(&World, &mut Dice));

const INGREDIENTS: [Ingredient; 19] = [
    ("an old journal", old_journal),
    ("an old lock behind a link", old_lock),
    ("a registry", registry),
    ("a registry of many faults", registry),
    ("settings", settings),
    ("settings of limits", settings),
    ("settings of the loader", loader_settings),
    ("rules for skills", skill_rules),
    ("a marketplaces file", marketplaces),
    ("a link at a place of ours", link),
    ("a second link at a place of ours", link),
    ("a file that is none", special_file),
    ("an enormous file", enormous_file),
    ("a repository of odd files", odd_repository),
    ("names with control characters", control_characters),
    ("a repository's own configuration", git_configuration),
    ("another tool's lock file", foreign_lock),
    ("skills that are in no registry", unmanaged),
    ("leftovers of a killed command", leftovers),
];

/// The user's machine, with a project on it whose content changes with each combination.
struct World {
    env: TestEnv,
    /// The host that the project names; it must not learn anything.
    listener: Server,
    /// The host of the user's own settings.
    own_host: Server,
    /// Outside and home, as they must stay.
    before: BTreeMap<String, String>,
    cached: BTreeSet<PathBuf>,
}

impl World {
    fn new() -> Self {
        let env = TestEnv::new();
        let (listener, own_host) = (Server::start_bare(&env.root()), Server::start_bare(&env.root()));
        listener.require_basic("bm9ib2R5OmtuZXc=");
        let packument = json!({ "name": "kit", "dist-tags": { "latest": "1.0.0" }, "versions": {} });
        listener.play("/npm/", Play::Bytes("application/json", packument.to_string().into()));
        own_host.play("/", Play::Status(404));
        outside(&env);
        env.leave_to_the_test("project/config/skills_registry.json");
        let url = own_host.url();
        env.write(
            "settings/config.yaml",
            format!(
                "skills:\n  github_url: {url}\n  gitlab_url: {url}\n  bitbucket_url: {url}\n  npm_url: {url}\n  \
                 auth:\n    github_token: {CANARY}Github\n    gitlab_token: ${{SECRET}}\n    bitbucket_token: {CANARY}Bitbucket\n"
            ),
        );
        env.write("home/.netrc", format!("machine 127.0.0.1 login me password {CANARY}Netrc\n"));
        let header = format!("[http \"{url}/\"]\n\textraHeader = X-Secret: {CANARY}Header\n");
        env.write("home/.gitconfig", header);
        let mut world = Self { env, listener, own_host, before: BTreeMap::new(), cached: BTreeSet::new() };
        world.prepare();
        world
    }

    /// A sound project with one skill and a history, kept in `sound` to begin from.
    fn prepare(&mut self) {
        self.env.skill("project/local/pdf").file("references/more.md", "More.\n");
        self.env.skill("project/local/other").executable("scripts/run.sh", "#!/bin/sh\n");
        // What a project may hold beside folders: an archive, and a repository without a work tree.
        self.env.zip("project/local/kit.zip", &self.env.path("project/local/pdf"));
        drop(self.env.git_repo("project/local/vendor.git", &self.env.path("project/local/other")));
        for args in [
            "skill install ./local/other",
            "skill uninstall other",
            "skill install ./local/pdf --agent claude-code --agent codex",
            "marketplace add evil ./local --scope project",
        ] {
            let args: Vec<&str> = args.split(' ').collect();
            let output = self.command(&args).output().unwrap();
            assert!(output.status.success(), "{args:?}: {}", String::from_utf8_lossy(&output.stderr));
        }
        for folder in ["project", "data"] {
            copy_tree(&self.env.path(folder), &self.env.path(&format!("sound/{folder}")));
        }
        self.before = self.canaries();
        self.cached = files(&self.env.path("cache"));
    }

    fn command(&self, args: &[&str]) -> std::process::Command {
        let project = self.env.path("project").display().to_string();
        let args: Vec<String> = args.iter().map(|arg| arg.replace("PROJECT", &project)).collect();
        let args: Vec<&str> = args.iter().map(String::as_str).collect();
        let mut command = self.env.command(&args);
        let variables =
            ["GITHUB_TOKEN", "GH_TOKEN", "GITLAB_TOKEN", "BITBUCKET_TOKEN", "NPM_TOKEN", "SECRET"];
        command.envs(variables.map(|name| (name, format!("{CANARY}{name}"))));
        command.env("BA_AGENT_DATA_DIR", self.env.path("data")).env("BA_AGENT_LOCK_TIMEOUT", "1");
        command
    }

    /// The project as it was before anybody was hostile.
    fn reset(&self) {
        for folder in ["project", "data"] {
            std::fs::remove_dir_all(self.env.path(folder)).unwrap();
            copy_tree(&self.env.path(&format!("sound/{folder}")), &self.env.path(folder));
        }
        self.listener.forget_requests();
    }

    fn canaries(&self) -> BTreeMap<String, String> {
        let folders = ["outside", "home", "settings"].into_iter();
        folders.flat_map(|folder| exact_picture(&self.env.path(folder))).collect()
    }

    fn in_project(&self, below: &str) -> PathBuf {
        self.env.path("project").join(below)
    }

    /// Makes room for something at a place of the project.
    fn clear(&self, below: &str) -> PathBuf {
        let path = self.in_project(below);
        // A link further up was somebody else's idea: what is behind it stays.
        let mut folder = self.in_project("");
        for part in Path::new(below).parent().into_iter().flat_map(Path::components) {
            folder.push(part);
            if folder.symlink_metadata().is_ok_and(|meta| !meta.is_dir()) {
                std::fs::remove_file(&folder).unwrap();
            }
        }
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        match path.symlink_metadata() {
            Ok(meta) if meta.is_dir() => std::fs::remove_dir_all(&path).unwrap(),
            Ok(_) => std::fs::remove_file(&path).unwrap(),
            Err(_) => {}
        }
        path
    }

    fn put(&self, below: &str, text: impl AsRef<[u8]>) {
        std::fs::write(self.clear(below), text).unwrap();
    }

    fn outside(&self, below: &str) -> String {
        self.env.path("outside").join(below).display().to_string()
    }

    /// Places that a project has no business with.
    fn foreign_places(&self) -> Vec<String> {
        let mut places: Vec<String> =
            ["", "skills", "skills/pdf", "pdf", "notes.txt", "run.sh", "new", "new/deeper", "registry.json"]
                .map(|below| self.outside(below))
                .into();
        let home = self.env.home().display().to_string();
        places
            .extend(["", "/.bashrc", "/.ssh", "/.ssh/id", "/.claude"].map(|below| format!("{home}{below}")));
        places.push(self.env.path("settings").display().to_string());
        places
    }
}

/// The user's own files, beside the project and in the home.
fn outside(env: &TestEnv) {
    for (path, text) in [
        ("outside/notes.txt", "notes"),
        ("outside/run.sh", "#!/bin/sh\n"),
        ("outside/registry.json", r#"{"schema_version":"1.0","skills":{}}"#),
        ("outside/skills/pdf/mine.md", "mine"),
        ("home/.bashrc", "alias ll='ls -l'\n"),
        ("home/.ssh/id", "key"),
        ("home/.claude/skills/own/SKILL.md", "own"),
    ] {
        env.write(path, format!("{text}\n# {CANARY}File\n"));
    }
    env.skill("outside/pdf");
    env.skill("outside/skills/pdf");
    std::fs::create_dir(env.path("outside/empty")).unwrap();
    symlink("notes.txt", env.path("outside/link")).unwrap();
    symlink("nowhere", env.path("outside/dangling")).unwrap();
    for (path, mode) in [("outside/notes.txt", 0o600), ("outside/run.sh", 0o755), ("home/.ssh", 0o700)] {
        std::fs::set_permissions(env.path(path), std::fs::Permissions::from_mode(mode)).unwrap();
    }
}

/// Every path below a folder with its mode, time, inode and content.
fn exact_picture(root: &Path) -> BTreeMap<String, String> {
    let mut out = BTreeMap::new();
    let mut stack = vec![root.to_path_buf()];
    while let Some(at) = stack.pop() {
        let meta = at.symlink_metadata().unwrap();
        let content = if meta.is_symlink() {
            std::fs::read_link(&at).unwrap().display().to_string()
        } else if meta.is_dir() {
            stack.extend(std::fs::read_dir(&at).unwrap().map(|entry| entry.unwrap().path()));
            String::new()
        } else {
            String::from_utf8_lossy(&std::fs::read(&at).unwrap()).into_owned()
        };
        let line =
            format!("{:o} {} {}.{} {content}", meta.mode(), meta.ino(), meta.mtime(), meta.mtime_nsec());
        out.insert(at.display().to_string(), line);
    }
    out
}

fn files(root: &Path) -> BTreeSet<PathBuf> {
    let walk = walkdir::WalkDir::new(root).into_iter().filter_map(Result::ok);
    walk.filter(|entry| entry.file_type().is_file()).map(walkdir::DirEntry::into_path).collect()
}

/// Links below the skill folders of the project that lead out of it.
fn links_out(world: &World) -> BTreeSet<PathBuf> {
    let project = world.in_project("");
    let walk = walkdir::WalkDir::new(&project).max_depth(5).into_iter().filter_map(Result::ok);
    let links = walk.filter(|entry| entry.path_is_symlink()).map(walkdir::DirEntry::into_path);
    links.filter(|link| link.canonicalize().is_ok_and(|real| !real.starts_with(&project))).collect()
}

fn old_journal(world: &World, dice: &mut Dice) {
    let victim = dice.pick(&world.foreign_places()).clone();
    let payload = world.in_project("payload").display().to_string();
    world.put("payload", "owned");
    let skills = world.in_project(".claude/skills").display().to_string();
    let swap = json!({ "place": victim, "new": null, "old": payload });
    let journal = match dice.roll(5) {
        0 => {
            json!({ "phase": "staging", "stagings": { skills: victim }, "made": [], "swaps": [], "registry_before": null, "registry_after": "" })
        }
        1 => {
            json!({ "phase": "swapping", "stagings": {}, "made": [], "swaps": [swap], "registry_before": null, "registry_after": "x" })
        }
        2 => {
            json!({ "phase": "swapping", "stagings": { skills: victim.clone() }, "made": [victim], "swaps": [], "registry_before": null, "registry_after": "x", "history": victim })
        }
        3 => {
            json!({ "staging": "../../../outside", "phase": "staging", "registry": victim, "registry_before": null, "registry_after": "", "made": 9,
            "roots": [{ "target": "claude-code", "place": victim, "made": 9 }], "swaps": [{ "root": 0, "name": "pdf", "staged": 0, "had": 1 }], "history": 1 })
        }
        _ => Value::String("x".repeat(100)),
    };
    let places = [
        "config/.skills_registry.journal",
        "config/.skills_registry.json.journal",
        "config/skills_registry.journal",
        ".ba-agent/journal",
        ".ba-agent/workspaces/0/journal",
    ];
    world.put(dice.pick::<&str>(&places), journal.to_string());
}

fn old_lock(world: &World, dice: &mut Dice) {
    for below in
        ["config/.skills_registry.lock", "config/.skills_marketplaces.lock", "config/.lock", ".ba-agent/lock"]
    {
        let victim = dice.pick(&world.foreign_places()).clone();
        symlink(victim, world.clear(below)).unwrap();
    }
}

/// What a record may say that it should not.
fn evil_values(world: &World, dice: &mut Dice) -> Vec<(&'static str, Value)> {
    let listener = world.listener.other_name();
    let foreign = dice.pick(&world.foreign_places()).clone();
    let climbing = format!("../outside/{}", dice.pick(&["skills", "new", "pdf", ""]));
    let sha = "3f2a1c9d8e7b6a5f4e3d2c1b0a9f8e7d6c5b4a39";
    vec![
        ("source", json!(foreign)),
        ("source", json!(climbing)),
        ("source", json!(format!("git+{listener}/acme/skills"))),
        ("source", json!(format!("{listener}/${{SECRET}}/x.zip"))),
        ("source", json!(format!("{listener}/files/x.zip"))),
        ("source", json!("github:acme/${SECRET}")),
        ("source", json!("ext::sh -c touch$IFS/tmp/never")),
        ("source", json!("\u{1b}]0;title\u{7}\u{1b}[31m./local/pdf")),
        ("kind", json!("github")),
        ("kind", json!("git")),
        ("kind", json!("served")),
        ("mode", json!("live")),
        ("mode", json!("copy")),
        ("mode", json!("\u{1b}[2J")),
        ("targets", json!([foreign])),
        ("targets", json!([format!("./{climbing}"), "claude-code"])),
        ("targets", json!(["~/.claude/skills", "\u{1b}[31m"])),
        ("targets", json!((0..3000).map(|n| format!("./t{n}/skills")).collect::<Vec<_>>())),
        ("path", json!("../../outside/pdf")),
        ("path", json!(foreign)),
        (
            "files",
            json!({ "../../../outside/notes.txt": format!("100644 {}", "0".repeat(64)), "SKILL.md": "x" }),
        ),
        ("files", json!({ "\u{1b}[31m\u{202e}.md": format!("120000 {}", "0".repeat(64)) })),
        ("digest", json!("sha256:../../../outside/notes.txt")),
        ("digest", json!(format!("sha256:{}", "0".repeat(64)))),
        ("pin", json!({ "commit": sha, "ref": "\u{1b}[31mmain" })),
        ("pin", json!({ "archive": "sha256:../../x", "commit": "../../../outside" })),
        ("pin", json!({})),
        ("reference", json!({ "branch": "--upload-pack=touch /tmp/never" })),
        ("reference", json!({ "range": ">=0" })),
        ("version", json!("1.0\u{1b}]8;;http://x\u{7}")),
        ("description", json!("\u{1b}[31mred\u{202e}\u{85}".repeat(9))),
        ("alias_of", json!("../../outside")),
        ("allowed", json!(["\u{1b}[31m"])),
        ("marketplace", json!({ "name": "../../outside", "entry": "\u{1b}[31m" })),
        ("installed_at", json!("\u{1b}[31mnow")),
    ]
}

fn registry(world: &World, dice: &mut Dice) {
    let text = std::fs::read_to_string(world.env.path("sound/project/config/skills_registry.json")).unwrap();
    let mut document: Value = serde_json::from_str(&text).unwrap();
    let sound = document["skills"]["pdf"].clone();
    let foreign = dice.pick(&["skills/pdf", "pdf", "empty", ""]);
    let linked = json!({ "source": world.outside(foreign), "kind": "local", "mode": "live", "pin": {} });
    let names = ["pdf", "other", "new", "../../outside/pdf", "\u{1b}[31mred", "a/b", ".", "con", "CLAUDE"];
    for _ in 0..1 + dice.roll(3) {
        let mut entry = sound.clone();
        if dice.one_in(4) {
            // A link to a folder of the user's, as `install --link` records it.
            entry.as_object_mut().unwrap().extend(linked.as_object().unwrap().clone());
        }
        for _ in 0..1 + dice.roll(2) {
            let values = evil_values(world, dice);
            let (key, value) = dice.pick(&values).clone();
            entry[key] = value;
        }
        document["skills"][*dice.pick(&names)] = entry;
    }
    let text = document.to_string();
    let text = match dice.roll(12) {
        0 => format!("<<<<<<< HEAD\n{text}\n=======\n{text}\n>>>>>>> \u{1b}[31mother\n"),
        1 => "[".repeat(200_000),
        2 => text.replace("\"1.1\"", "\"99.0\\u001b[31m\""),
        3 => text.chars().take(text.chars().count() / 2).collect(),
        _ => text,
    };
    world.put("config/skills_registry.json", text);
    // What would be behind the places that it names.
    if dice.one_in(2) {
        let skills = world.in_project(".claude/skills");
        // A link there was somebody else's idea: what is behind it stays.
        if skills.canonicalize().is_ok_and(|real| real == skills) {
            let _ = std::fs::remove_dir_all(skills.join("pdf"));
        }
    }
}

fn settings(world: &World, dice: &mut Dice) {
    let listener = world.listener.other_name();
    let foreign = dice.pick(&world.foreign_places()).clone();
    let lines = [
        format!("github_url: {listener}"),
        format!("github_url: {listener}/${{SECRET}}"),
        format!("gitlab_url: {listener}"),
        format!("gitlab_url: {listener}/${{GITHUB_TOKEN}}"),
        format!("bitbucket_url: {listener}"),
        format!("npm_url: {listener}/npm"),
        format!("npm_url: {listener}/npm/${{SECRET}}"),
        format!("github_url: {}", world.own_host.url()),
        format!("install_dir: {foreign}"),
        "install_dir: ../outside/skills".into(),
        "install_dir: .claude/../../outside".into(),
        "install_dir: ${HOME}/.claude/skills".into(),
        "install_dir: .".into(),
        format!("registry: {foreign}"),
        "registry: ../outside/registry.json".into(),
        "registry: ${SECRET}.json".into(),
        "registry: .git/config".into(),
        format!("agents: [\"{foreign}\"]"),
        "agents: [./../outside/skills, codex]".into(),
        "agents: [\"\\e[31m\"]".into(),
        "agents: [\"${SECRET}\"]".into(),
        "cache_limit: 1".into(),
        "cache_limit: 0".into(),
        "cache_limit: ${SECRET}".into(),
        format!("ca_file: {foreign}"),
        "allow_http: true".into(),
        "require_reachable: false".into(),
        "auth: { github_token: \"${SECRET}\" }".into(),
        "auth: { gitlab_token: own }".into(),
        "limits: { file: 900GiB, total: 900GiB, files: 9999999 }".into(),
        "limits: { manifest: 1 }".into(),
        "\"\\e[31munknown\": 1".into(),
        "allow_linked_targets: true".into(),
        format!("allow_linked_targets: [\"{foreign}\", \"/\"]"),
    ];
    let mut text = "skills:\n".to_owned();
    let chosen: BTreeSet<usize> = (0..1 + dice.roll(3)).map(|_| dice.roll(lines.len())).collect();
    for line in chosen {
        text += &format!("  {}\n", lines[line]);
    }
    match dice.roll(12) {
        0 => {
            text = format!(
                "a: &a [x,x,x,x,x,x,x,x,x]\nb: &b [*a,*a,*a,*a,*a,*a,*a,*a,*a]\nc: &c [*b,*b,*b,*b,*b,*b,*b,*b,*b]\nd: [*c,*c,*c,*c,*c,*c,*c,*c]\n{text}"
            )
        }
        1 => text = "[".repeat(100_000),
        2 => text.push_str("\u{1b}[31m: x\n"),
        _ => {}
    }
    world.put(".ba-agent/config.yaml", text);
}

/// Where skills are looked for, and what active ones may do.
fn loader_settings(world: &World, dice: &mut Dice) {
    let foreign = dice.pick(&world.foreign_places()).clone();
    let lines = [
        format!("loader: {{scan_sources: [{{path: \"{foreign}\", recursive: true}}]}}"),
        "loader: {scan_sources: [{path: /, recursive: true}]}".into(),
        "loader: {scan_sources: [{path: ~/.ssh, priority: 900}]}".into(),
        "loader: {scan_sources: [{path: ./../outside/skills}]}".into(),
        "loader: {scan_sources: [{path: /proc, recursive: true}, {path: /dev}]}".into(),
        "loader: {scan_sources: [{path: \"${HOME}/.claude\"}]}".into(),
        "loader: {scan_sources: [{path: ./local, priority: -9223372036854775808, recursive: true}]}".into(),
        "loader: {scan_sources: [{path: ./loop, recursive: true}]}".into(),
        format!("loader: {{scan_sources: [{}{{path: ./local}}]}}", "{path: ./local}, ".repeat(5_000)),
        "loader: {max_workers: 100000, keep_versions: 9999}".into(),
        "loader: {context_budget: {total_chars: 99999999999, max_active: 9999999}}".into(),
        "loader: {context_budget: {metadata_ratio: .nan, buffer_ratio: -1}}".into(),
        "loader: {dependency: {allow_sources: [\"*\"], resolution_timeout: 18446744073709551615}}".into(),
        "runtime: {hot_swap: {watch_interval: 0, version_overlap: 18446744073709551615}}".into(),
        "runtime: {permissions: {default_allow: [shell_exec, \"Bash(*)\"], require_approval: []}}".into(),
        "runtime: {skill_permissions: {pdf: {allowed_tools: [\"Bash(*)\"], forbidden_operations: []}}}"
            .into(),
        "runtime: {skill_permissions: {\"../x\": {forbidden_operations: [\"\\e[31m\", \"(((((\"]}}}".into(),
        "monitoring: {usage_log: true}".into(),
        "\"\\e[31mloader\": 1".into(),
    ];
    let text = format!("{}\n", dice.pick(&lines));
    let file = if dice.one_in(2) { "claude-skills-loader-config.yaml" } else { ".ba-agent/config.yaml" };
    world.put(file, text);
    if dice.one_in(3) {
        symlink("..", world.clear("loop/again")).unwrap();
        symlink(foreign, world.clear("loop/away")).unwrap();
    }
}

/// Patterns that take for ever in an engine that backtracks, and more of them than anybody has.
fn skill_rules(world: &World, dice: &mut Dice) {
    let pattern = *dice.pick(&[
        "(x+x+)+y",
        "(a|a)*b",
        "((((a{1,99}){1,99}){1,99}){1,99})",
        "(.*){50}q",
        "(",
        "\u{1b}[31m",
        "(?i)(?:a|b|\\w)+$",
    ]);
    let patterns = vec![pattern; 1 + dice.roll(5_000)];
    let paths = vec![format!("{}x", "*".repeat(500)); 1 + dice.roll(300)];
    let rule = json!({
        "promptTriggers": { "keywords": ["\u{1b}[2J", "pdf"], "intentPatterns": patterns },
        "fileTriggers": { "pathPatterns": paths, "contentPatterns": [pattern] },
    });
    let rules = json!({ "skills": { "pdf": rule.clone(), "\u{1b}[31m": rule.clone(), "../../x": rule } });
    let text = if dice.one_in(8) { "[".repeat(100_000) } else { rules.to_string() };
    world.put(".claude/skills/skill-rules.json", text);
}

fn marketplaces(world: &World, dice: &mut Dice) {
    let listener = world.listener.other_name();
    let foreign = dice.pick(&world.foreign_places()).clone();
    let sources = [
        json!(foreign),
        json!("../outside"),
        json!("./local"),
        json!(listener),
        json!(format!("{listener}/marketplace.json")),
        json!(format!("{listener}/${{SECRET}}/marketplace.json")),
        json!(format!("git+{listener}/acme/market")),
        json!("github:acme/market"),
        json!("github:acme/${SECRET}"),
        json!("\u{1b}[31m"),
        json!(3),
    ];
    let manifests = [json!(null), json!("../../outside/notes.txt"), json!(foreign), json!("\u{1b}[31m.json")];
    let mut document = json!({ "schema_version": "1.0", "marketplaces": {} });
    for name in ["evil", "../../outside", "\u{1b}[31m"].into_iter().take(1 + dice.roll(3)) {
        document["marketplaces"][name] = json!({
            "source": dice.pick(&sources), "manifest": dice.pick(&manifests), "enabled": true,
            "pin": { "commit": "../../../outside" }, "fetched_at": "2026-01-02T03:04:05Z",
        });
    }
    world.put("config/skills_marketplaces.json", document.to_string());
    // A catalogue in the project, for entries that lead elsewhere.
    let mut packed = json!({ "source": "npm", "package": "kit" });
    if dice.one_in(2) {
        packed["registry"] = json!(format!("{listener}/npm/${{SECRET}}"));
    } else {
        settings(world, dice);
    }
    let plugins = json!([
        { "name": "inside", "source": "./../../outside" },
        { "name": "kit", "source": { "source": "url", "url": format!("{listener}/${{SECRET}}/kit.git") } },
        { "name": "packed", "source": packed },
        { "name": "pdf", "source": foreign, "skills": ["../../../outside/skills/pdf"], "description": "\u{1b}[31mred" },
    ]);
    let catalogue = json!({ "name": "evil", "owner": { "name": "\u{1b}[31m" }, "plugins": plugins });
    world.put("local/.claude-plugin/marketplace.json", catalogue.to_string());
}

/// Where a project may have something that we read or write.
const PLACES: [&str; 26] = [
    ".claude",
    ".claude/skills",
    ".claude/skills/pdf",
    ".claude/skills/other",
    ".claude/skills/pdf/SKILL.md",
    ".claude/skills/pdf/references",
    ".agents",
    ".agents/skills",
    ".agents/skills/pdf",
    "config",
    "config/skills_registry.json",
    "config/skills_marketplaces.json",
    "config/.skills_registry.json.new",
    "config/skills_registry.json.new",
    "config/.skills_marketplaces.json.new",
    ".ba-agent",
    ".ba-agent/config.yaml",
    "local",
    "local/pdf",
    "local/pdf/SKILL.md",
    "local/kit.zip",
    "skills-lock.json",
    "fresh",
    "pages/ba-agent.1",
    "pages/ba-agent-skill.1",
    ".git",
];

fn link(world: &World, dice: &mut Dice) {
    let mut target = dice.pick(&world.foreign_places()).clone();
    let below = *dice.pick(&PLACES);
    if dice.one_in(3) {
        // The same, as a repository would hold it.
        let up = "../".repeat(below.matches('/').count() + 1);
        let root = world.env.root().display().to_string();
        target = format!("{up}{}", target.trim_start_matches(&root).trim_start_matches('/'));
    } else if dice.one_in(8) {
        target = Path::new(below).file_name().unwrap().to_str().unwrap().to_owned();
    }
    symlink(target, world.clear(below)).unwrap();
}

fn special_file(world: &World, dice: &mut Dice) {
    let files: Vec<&str> =
        PLACES.into_iter().filter(|place| place.contains('.') && *place != ".git").collect();
    let below = *dice.pick(&files);
    let path = world.clear(below);
    match dice.roll(5) {
        0 => std::fs::create_dir(&path).unwrap(),
        1 => {
            // The socket stays when its listener is gone. Its address may be too long.
            let short = world.env.path("s");
            let _ = std::fs::remove_file(&short);
            drop(std::os::unix::net::UnixListener::bind(&short).unwrap());
            std::fs::rename(short, &path).unwrap();
        }
        2 if below.ends_with("SKILL.md") || below.ends_with("config.yaml") => {
            // Only at places that are never written: nobody may replace a device.
            symlink("/dev/zero", &path).unwrap();
        }
        _ => make_fifo(&path),
    }
}

/// One file of the bare repository, an object or one that git is led by, is something else.
fn odd_repository(world: &World, dice: &mut Dice) {
    let root = world.in_project("");
    let mut all: Vec<String> = files(&world.in_project("local/vendor.git"))
        .iter()
        .map(|file| file.strip_prefix(&root).unwrap().display().to_string())
        .collect();
    all.extend(
        ["packed-refs", "refs/heads/other", "commondir"].map(|name| format!("local/vendor.git/{name}")),
    );
    let path = world.clear(dice.pick::<String>(&all));
    match dice.roll(5) {
        0 => std::fs::create_dir(&path).unwrap(),
        1 => symlink("/dev/zero", &path).unwrap(),
        2 => std::fs::File::create(&path).unwrap().set_len(1 << 40).unwrap(),
        3 => std::fs::write(&path, "ref: refs/heads/\u{1b}[31m\n").unwrap(),
        _ => make_fifo(&path),
    }
}

fn make_fifo(path: &Path) {
    rustix::fs::mkfifoat(rustix::fs::CWD, path, rustix::fs::Mode::from_raw_mode(0o644)).unwrap();
}

fn enormous_file(world: &World, dice: &mut Dice) {
    let files = [
        "config/skills_registry.json",
        "config/skills_marketplaces.json",
        ".ba-agent/config.yaml",
        ".claude/skills/pdf/SKILL.md",
        ".claude/skills/pdf/big.bin",
        "local/other/big.bin",
        "local/pdf/SKILL.md",
        "local/.claude-plugin/marketplace.json",
        "skills-lock.json",
        "config/.skills_registry.journal",
    ];
    // What is hashed as a whole takes seconds, so it comes seldom and is not larger than needed.
    let is_hashed = |below: &str| below.ends_with("big.bin") || below.starts_with(".claude");
    let below = (0..3).map(|_| *dice.pick(&files)).find(|below| !is_hashed(below)).unwrap_or(files[4]);
    let is_hashed = is_hashed(below);
    // Holes take no room on the disk.
    let size = if is_hashed { 300 << 20 } else { 1 << 40 };
    std::fs::File::create(world.clear(below)).unwrap().set_len(size).unwrap();
}

fn control_characters(world: &World, dice: &mut Dice) {
    let names =
        ["\u{1b}[31mred.md", "\u{1b}]0;title\u{7}", "a\u{202e}b", "line\nbreak", "\u{9b}31m", "bell\u{7}"];
    for folder in [".claude/skills", ".claude/skills/pdf", "local", "local/pdf", "config", ".agents/skills"] {
        let name = dice.pick::<&str>(&names);
        let path = world.in_project(folder).join(name);
        // A link further up was somebody else's idea: what is behind it stays.
        let is_inside =
            world.in_project(folder).canonicalize().is_ok_and(|real| real == world.in_project(folder));
        if dice.one_in(2) {
            world.put(&format!("{folder}/{name}/SKILL.md"), skill_md(name, "\u{1b}[31mRed."));
        } else if is_inside && path.parent().is_some_and(Path::is_dir) && !path.exists() {
            std::fs::write(path, "\u{1b}[31mred\n").unwrap();
        }
    }
    let text = "---\nname: \"\\e[31mred\"\ndescription: \"\\e]0;title\\a \\u202e\"\nversion: \"\\e[0m\"\nallowed-tools: \"Bash(\\e[31m)\"\n---\n\u{1b}[31m\n";
    world.put(dice.pick::<&str>(&["local/pdf/SKILL.md", ".claude/skills/pdf/SKILL.md"]), text);
}

/// A clone does not bring it; a project that is unpacked from an archive does.
fn git_configuration(world: &World, _: &mut Dice) {
    let listener = world.listener.other_name();
    let own = world.own_host.url();
    let helper = format!("!touch {}", world.outside("new"));
    world.put(
        ".git/config",
        format!(
            "[core]\n\tfsmonitor = \"{helper}\"\n\tsshCommand = \"{helper}\"\n[credential]\n\thelper = \"{helper}\"\n\
             [url \"{listener}/\"]\n\tinsteadOf = {own}/\n[http]\n\tproxy = {listener}\n\textraHeader = \"X-Evil: 1\"\n"
        ),
    );
    world.put(".git/HEAD", "ref: refs/heads/main\n");
}

fn foreign_lock(world: &World, dice: &mut Dice) {
    let listener = world.listener.other_name();
    let foreign = dice.pick(&world.foreign_places()).clone();
    let source = dice
        .pick(&[foreign.as_str(), "../outside/pdf", "acme/${SECRET}", "acme/skills", "\u{1b}[31m"])
        .to_owned();
    let kind = *dice.pick(&["local", "github", "git"]);
    let source = if kind == "git" { format!("{listener}/{source}") } else { source.to_owned() };
    let entry = json!({ "source": source, "sourceType": kind, "skillPath": "../../outside/pdf/SKILL.md", "computedHash": "x" });
    let document =
        json!({ "version": 1, "skills": { "pdf": entry, "\u{1b}[31m": entry, "../../outside": entry } });
    world.put("skills-lock.json", document.to_string());
    let apm = format!(
        "lockfile_version: \"2\"\ndependencies:\n  - repo_url: {listener}/acme/skills\n    deployed_files: [.claude/skills/new]\n  - source: local\n    local_path: {foreign:?}\n    deployed_files: [.claude/skills/pdf]\n"
    );
    if dice.one_in(2) {
        world.put("apm.lock.yaml", apm);
    }
    let project = world.in_project("").display().to_string();
    let installed = json!([{ "scope": "project", "projectPath": project, "installPath": foreign, "gitCommitSha": "../../x" }]);
    let plugins =
        json!({ "kit@evil": installed, "\u{1b}[31m@../../outside": installed, "inside@evil": installed });
    world.put("installed_plugins.json", json!({ "version": 2, "plugins": plugins }).to_string());
    let git = json!({ "source": { "source": "git", "url": format!("{listener}/acme/skills") }, "installLocation": foreign });
    let folder = json!({ "source": { "source": "directory", "path": foreign } });
    let known = json!({ "evil": git, "more": git, "../../outside": folder, "\u{1b}[31m": folder });
    world.put("known_marketplaces.json", known.to_string());
}

/// What somebody or another tool may have put into skills folders, with everything that should not
/// be followed, read or recorded.
fn unmanaged(world: &World, dice: &mut Dice) {
    for name in ["new", "other", "linked", "\u{1b}[31m"] {
        let folder = *dice.pick(&[".claude/skills", ".agents/skills", ".windsurf/skills"]);
        let at = format!("{folder}/{name}");
        let victim = dice.pick(&world.foreign_places()).clone();
        let says = match dice.roll(3) {
            0 => format!("metadata:\n  local-path: {victim:?}\n"),
            1 => format!("metadata:\n  github-repo: {}/acme/skills\n", world.listener.other_name()),
            _ => String::new(),
        };
        match dice.roll(6) {
            0 => symlink(victim, world.clear(&at)).unwrap(),
            1 => {
                world.put(&format!("{at}/notes.md"), "notes");
                symlink(victim, world.clear(&format!("{at}/SKILL.md"))).unwrap();
            }
            2 => {
                world.put(&format!("{at}/SKILL.md"), skill_md("new", "Does new. Use it for new."));
                symlink(victim, world.clear(&format!("{at}/secret"))).unwrap();
            }
            3 => {
                world.put(&format!("{at}/SKILL.md"), skill_md("new", "Does new. Use it for new."));
                make_fifo(&world.clear(&format!("{at}/pipe")));
            }
            _ => {
                let text = skill_md("new", "Does new. Use it for new.");
                world.put(&format!("{at}/SKILL.md"), text.replacen("name: ", &format!("{says}name: "), 1));
            }
        }
    }
}

fn leftovers(world: &World, dice: &mut Dice) {
    for folder in [".claude/skills", ".agents/skills", "config", ".claude"] {
        for name in [".ba-agent-0", ".ba-agent-staging", ".ba-agent-1-0"] {
            let victim = dice.pick(&world.foreign_places()).clone();
            let folder = world.in_project(folder);
            let is_inside = folder.canonicalize().is_ok_and(|real| real == folder);
            if is_inside && dice.one_in(2) {
                let _ = symlink(victim, folder.join(name));
            }
        }
    }
}

/// What became of a command.
struct Ended {
    status: Option<i32>,
    stdout: Vec<u8>,
    stderr: Vec<u8>,
    /// The most memory it was seen to hold.
    memory: u64,
}

/// Runs a command, and stops it where it takes too much memory or time.
fn run(world: &World, args: &[&str]) -> Result<Ended, String> {
    let mut command = world.command(args);
    let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let (mut out, mut err) = (child.stdout.take().unwrap(), child.stderr.take().unwrap());
    std::thread::scope(|scope| {
        let drain = |stream: &mut dyn std::io::Read| {
            let mut bytes = Vec::new();
            let _ = stream.take(64 << 20).read_to_end(&mut bytes);
            bytes
        };
        let stdout = scope.spawn(move || drain(&mut out));
        let stderr = scope.spawn(move || drain(&mut err));
        let (begin, mut memory, mut pause) = (Instant::now(), 0, Duration::from_micros(500));
        let status = loop {
            memory = memory.max(peak_memory(child.id()));
            if let Some(status) = child.try_wait().unwrap() {
                break status;
            }
            if memory > MEMORY_LIMIT || begin.elapsed() > TIME_LIMIT {
                let _ = child.kill();
                let _ = child.wait();
                return Err(format!("stopped after {:?} with {} MiB", begin.elapsed(), memory >> 20));
            }
            std::thread::sleep(pause);
            pause = (pause * 5 / 4).min(Duration::from_millis(5));
        };
        let (stdout, stderr) = (stdout.join().unwrap(), stderr.join().unwrap());
        Ok(Ended { status: status.code(), stdout, stderr, memory })
    })
}

/// The most memory that a running process held at once; 0 where the system does not say.
pub(crate) fn peak_memory(pid: u32) -> u64 {
    let text = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
    let line = text.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap_or("0 kB");
    line.trim().trim_end_matches("kB").trim().parse::<u64>().unwrap_or(0) << 10
}

/// A character that a terminal would obey, or that turns text around.
fn control_character(text: &[u8]) -> Option<char> {
    let text = String::from_utf8_lossy(text);
    let obeyed =
        |c: &char| (c.is_control() && !matches!(c, '\n' | '\t')) || ('\u{202a}'..='\u{202e}').contains(c);
    text.chars().find(obeyed)
}

/// Runs one command in a project with these ingredients; what it broke.
fn attack(world: &World, ingredients: &[(usize, u64)], args: &[&str]) -> Result<u64, String> {
    let prepare = || {
        for (which, seed) in ingredients {
            INGREDIENTS[*which].1(world, &mut Dice::new(*seed));
        }
    };
    attack_in(world, prepare, args)
}

/// Runs one command in one hostile project; what it broke, or the memory that it took.
fn attack_in(world: &World, prepare: impl FnOnce(), args: &[&str]) -> Result<u64, String> {
    world.reset();
    prepare();
    let links = links_out(world);
    let ended = run(world, args)?;
    let printed = String::from_utf8_lossy(&[&ended.stdout[..], &ended.stderr].concat()).into_owned();
    let fail = |text: String| {
        Err(format!("{text}\nstatus {:?}\n{}", ended.status, printed.chars().take(2000).collect::<String>()))
    };
    if !ended.status.is_some_and(|status| (0..=8).contains(&status)) || printed.contains("panicked") {
        return fail("the status is none of the documented ones".into());
    }
    if let Some(path) = changed(&world.before, &world.canaries()) {
        return fail(format!("outside of the project: {path}"));
    }
    if let Some(link) = links_out(world).difference(&links).next() {
        return fail(format!("`{}` leads out of the project now", link.display()));
    }
    let gone = world.cached.iter().find(|file| !file.exists());
    if let Some(gone) = gone.filter(|_| !args.contains(&"remove")) {
        return fail(format!("`{}` is gone from the cache", gone.display()));
    }
    // A patch for `git apply` is bytes, not text,
    // and so is a file of a skill in a pipe.
    let is_exact = args.get(1) == Some(&"diff") || args.contains(&"--file");
    let text = if is_exact { &ended.stderr[..] } else { printed.as_bytes() };
    if let Some(c) = control_character(text) {
        return fail(format!("it printed {c:?}"));
    }
    for seen in world.listener.seen() {
        let told = format!(
            "{} {} {:?} {}",
            seen.method,
            seen.target,
            seen.headers,
            String::from_utf8_lossy(&seen.body)
        );
        if told.contains(CANARY) || !seen.header("authorization").is_empty() {
            return fail(format!("the project's host was told: {told}"));
        }
    }
    Ok(ended.memory)
}

fn changed(before: &BTreeMap<String, String>, now: &BTreeMap<String, String>) -> Option<String> {
    let path = before.keys().chain(now.keys()).find(|path| before.get(*path) != now.get(*path))?;
    Some(format!("`{path}` was {:?} and is {:?}", before.get(path), now.get(path)))
}

#[test]
fn no_command_in_a_hostile_project_harms_its_user() {
    let only: Option<usize> = std::env::var("BA_AGENT_SEED").ok().map(|seed| seed.parse().unwrap());
    let total = only.map_or(times(1_152, 30_000), |_| 1);
    let most = AtomicUsize::new(0);
    let result = on_all_processors(total, World::new, |world, number| {
        let seed = only.unwrap_or(number);
        let mut dice = Dice::new(seed as u64);
        // Every command with every ingredient in turn, and some more beside it.
        let args: Vec<&str> = COMMANDS[seed % COMMANDS.len()].split(' ').collect();
        let mut ingredients = vec![(seed / COMMANDS.len()) % INGREDIENTS.len()];
        ingredients.extend((0..dice.roll(3)).map(|_| dice.roll(INGREDIENTS.len())));
        let mut ingredients: Vec<(usize, u64)> =
            ingredients.into_iter().map(|which| (which, dice.roll(1 << 30) as u64)).collect();
        let mut fault = match attack(world, &ingredients, &args) {
            Ok(memory) => {
                most.fetch_max(usize::try_from(memory).unwrap(), Ordering::SeqCst);
                return Ok(());
            }
            Err(fault) => fault,
        };
        // What is not needed for the fault is left out. A harmed world is made anew.
        let mut at = 0;
        while at < ingredients.len() && ingredients.len() > 1 {
            *world = World::new();
            let mut fewer = ingredients.clone();
            fewer.remove(at);
            match attack(world, &fewer, &args) {
                Ok(_) => at += 1,
                Err(text) => (ingredients, fault) = (fewer, text),
            }
        }
        *world = World::new();
        let names: Vec<&str> = ingredients.iter().map(|(which, _)| INGREDIENTS[*which].0).collect();
        Err(format!(
            "BA_AGENT_SEED={seed}: `{}` in a project with {}\n{fault}",
            args.join(" "),
            names.join(" and ")
        ))
    });
    if let Err(text) = result {
        panic!("{text}");
    }
    let more = format!(
        "{} commands, {} kinds of content, at most {} MiB",
        COMMANDS.len(),
        INGREDIENTS.len(),
        most.into_inner() >> 20
    );
    figure("commands in hostile projects", total, total, &more);
}

/// Whatever a command reads of a project, it looks at the size first.
#[test]
fn no_command_reads_an_enormous_file_whole() {
    let files = [
        "local/pdf/SKILL.md",
        "local/pdf/references/more.md",
        ".claude/skills/pdf/SKILL.md",
        ".claude/skills/pdf/references/more.md",
        ".claude/skills/pdf/new.bin",
        "local/.claude-plugin/marketplace.json",
        "local/kit.zip",
        "local/vendor.git/config",
        "local/vendor.git/HEAD",
        "local/vendor.git/packed-refs",
        "local/vendor.git/refs/heads/main",
        "skills-lock.json",
    ];
    let result = on_all_processors(files.len() * COMMANDS.len(), World::new, |world, number| {
        let (file, line) = (files[number / COMMANDS.len()], COMMANDS[number % COMMANDS.len()]);
        let args: Vec<&str> = line.split(' ').collect();
        // A hole of a terabyte: no room on the disk, and more than any memory.
        let prepare = || std::fs::File::create(world.clear(file)).unwrap().set_len(1 << 40).unwrap();
        let result = attack_in(world, prepare, &args);
        result.map(|_| ()).map_err(|text| format!("`{line}` with an enormous {file}\n{text}"))
    });
    if let Err(text) = result {
        panic!("{text}");
    }
}
