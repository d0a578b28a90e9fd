//! The engine as a caller without a command line has it: every command called as a function, one
//! after another and from two threads, over one workspace of one process.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

use super::activate::{ActivateOptions, activate, parse_input};
use super::adopt::{AdoptOptions, adopt};
use super::agents::list_agents;
use super::ask::{Ask, Attendance, CautionedUpdate, ShowDiff, Unattended, UpdateOffer};
use super::config::{begin_edit, change_setting, find_setting, finish_edit, list_settings};
use super::context::{ContextOptions, describe_context};
use super::deactivate::deactivate;
use super::deps::list_dependencies;
use super::diff::diff;
use super::disable::{DisableOptions, disable};
use super::doctor::doctor;
use super::enable::{EnableOptions, enable};
use super::export::export;
use super::gather::Offer;
use super::history::list_changes;
use super::hook::{hook_agent, hook_status, install_hook, run_hook, uninstall_hook};
use super::init::{InitOptions, init};
use super::install::{InstallOptions, InstallReport, install};
use super::list::list;
use super::login::{LoginOptions, Secret, login, logout, whoami};
use super::marketplace::{self, AddOptions, CatalogHead, CatalogInitOptions};
use super::mcp::config::{ConfigOptions, configure};
use super::mcp::{ActivateCall, ReadCall, ServiceOptions, SkillService};
use super::outdated::{State, outdated};
use super::pack::{PackOptions, pack};
use super::path::{find_paths, find_version_path};
use super::pin::{PinOptions, pin, unpin};
use super::publish::{PublishOptions, PublishOutcome, publish};
use super::recommend::{RecommendOptions, recommend};
use super::registry::{self, AddRegistryOptions, MirrorOptions};
use super::restore::{RestoreOptions, restore, restore_all};
use super::rollback::{RollbackOptions, rollback};
use super::search::{SearchOptions, search};
use super::self_version::find_version;
use super::show::{ShowOptions, show, show_file};
use super::tree::list_tree;
use super::uninstall::{UninstallOptions, uninstall, uninstall_from_targets};
use super::update::{UpdateOptions, UpdateReport, update};
use super::usage::{UsageOptions, usage};
use super::use_version::{UseOptions, use_version};
use super::validate::{ValidateOptions, validate};
use super::verify::verify;
use super::versions::list_versions;
use super::watch::{WatchOptions, watch};
use super::why::explain_need;
use super::yank::{YankOptions, yank};
use super::{cache, plan::Action};
use super::{edit, open};
use crate::fetch::testing::Bench;
use crate::workspace::{Notice, Observer, Workspace, WorkspaceOptions};
use ba_agent_core::catalog::KnownCatalog;
use ba_agent_core::digest::Digest;
use ba_agent_core::error::{Kind, Result, error};
use ba_agent_core::skill::{Profile, Severity};
use ba_agent_core::usage::UsageChannel;
use ba_agent_system::progress::Progress;
use ba_agent_test_support::Repo;

/// Remembers what commands tell.
#[derive(Default)]
struct Heard(Mutex<Vec<String>>);

impl Progress for Heard {
    fn begin(&self, _: &str) {}
    fn advance(&self, _: u64, _: Option<u64>) {}
}

impl Observer for Heard {
    fn notice(&self, notice: Notice<'_>) {
        self.0.lock().unwrap().push(format!("{notice:?}"));
    }
}

/// A project beside a repository of two skills.
struct Caller {
    bench: Bench,
    repo: Repo,
    project: PathBuf,
    workspace: Workspace,
    heard: Heard,
}

fn manifest(name: &str, text: &str) -> String {
    format!("---\nname: {name}\ndescription: Reads and writes {name} files. Use for {name}.\n---\n\n{text}\n")
}

impl Caller {
    fn new() -> Self {
        let bench = Bench::new();
        let project = bench.home.path().join("project");
        std::fs::create_dir_all(project.join(".claude")).unwrap();
        let options = WorkspaceOptions { project: Some(project.clone()), ..WorkspaceOptions::default() };
        let workspace = Workspace::new(bench.env.clone(), options);
        let repo = bench.repository("skills.git");
        let mut caller = Self { bench, repo, project, workspace, heard: Heard::default() };
        caller.publish("first");
        caller
    }

    /// Both skills with another text, as a new commit.
    fn publish(&mut self, text: &str) {
        let parent = self.repo.repository.refname_to_id("refs/heads/main");
        let (pdf, docx) = (manifest("pdf", text), manifest("docx", text));
        let files = [("pdf/SKILL.md", pdf.as_bytes()), ("docx/SKILL.md", docx.as_bytes())];
        let commit = self.repo.commit(&files, &parent.into_iter().collect::<Vec<_>>());
        self.repo.set("refs/heads/main", commit);
    }

    fn manifest_of(&self, skill: &str) -> PathBuf {
        self.project.join(".claude/skills").join(skill).join("SKILL.md")
    }

    fn install(&self, source: &str, skills: &[&str]) -> Result<InstallReport> {
        let options = InstallOptions {
            sources: vec![source.to_owned()],
            skills: skills.iter().map(|skill| (*skill).to_owned()).collect(),
            ..InstallOptions::default()
        };
        install(&self.workspace, &options, &mut Unattended::default(), &self.heard)
    }

    fn update(&self) -> Result<UpdateReport> {
        update(&self.workspace, &UpdateOptions::default(), &mut Unattended::default(), &self.heard)
    }

    fn installed(&self) -> Vec<(String, &'static str)> {
        let report = list(&self.workspace, true, &self.heard).unwrap();
        report.read().unwrap().skills.map(|skill| (skill.name.to_string(), skill.state.unwrap())).collect()
    }
}

fn names(names: &[&str]) -> Vec<String> {
    names.iter().map(|name| (*name).to_owned()).collect()
}

#[test]
fn commands_about_marketplaces_are_functions() {
    let caller = Caller::new();
    let (workspace, heard) = (&caller.workspace, &caller.heard);
    let options =
        AddOptions { name: Some("acme".into()), source: caller.repo.file_url(), ..AddOptions::default() };
    let added = marketplace::add(workspace, &options, heard).unwrap();
    assert_eq!((added.fetched.skills, added.fetched.catalogue.plugins.len()), (2, 2));
    assert_eq!((added.name.as_str(), added.scope), ("acme", "project"), "the workspace names its project");
    let unknown = marketplace::add_known(workspace, &names(&["antropic"]), &AddOptions::default(), heard);
    assert_eq!(unknown.unwrap_err().kind, Kind::NotFound);
    assert!(marketplace::list_known(workspace, heard).unwrap().iter().all(|one| one.registered_as.is_none()));
    let rows = marketplace::list(workspace, heard).unwrap();
    assert_eq!((rows.len(), rows[0].name.as_str(), rows[0].entries), (1, "acme", Some(2)));
    assert_eq!(marketplace::show(workspace, "acme", Some("pdf"), heard).unwrap().1.len(), 1);
    assert_eq!(marketplace::validate(workspace, &["acme".into()], heard).unwrap().len(), 1);
    let found = || {
        let options = SearchOptions { text: "pdf".into(), limit: 5, ..SearchOptions::default() };
        search(workspace, &options, &mut Unattended::default(), heard).unwrap().answer.found
    };
    assert_eq!(found()[0].install.as_deref(), Some("pdf@acme"));
    marketplace::set_enabled(workspace, &names(&["acme"]), false, heard).unwrap();
    assert!(found().is_empty());
    marketplace::set_enabled(workspace, &names(&["acme"]), true, heard).unwrap();
    let updated = marketplace::update(workspace, &[], heard).unwrap();
    assert!(updated.failed.is_empty() && !updated.updated[0].changed);
    assert_eq!(caller.install("pdf@acme", &[]).unwrap().skills[0].action, Action::Add);
    marketplace::remove(workspace, &names(&["acme"]), heard).unwrap();
    assert!(marketplace::list(workspace, heard).unwrap().is_empty());
    assert_eq!(caller.installed(), [("pdf".to_owned(), "ok")]);
}

#[test]
fn commands_about_skills_are_functions() {
    let mut caller = Caller::new();
    let url = caller.repo.file_url();
    let several = caller.install(&url, &[]).unwrap_err();
    assert_eq!(several.kind, Kind::Usage, "nobody can be asked which: {several:?}");
    assert_eq!(caller.install(&url, &["pdf", "docx"]).unwrap().skills.len(), 2);
    assert!(caller.heard.0.lock().unwrap().iter().any(|notice| notice.starts_with("Resolved")));
    let (workspace, heard) = (&caller.workspace, &caller.heard);
    let ok = [("docx".to_owned(), "ok"), ("pdf".to_owned(), "ok")];
    assert_eq!(caller.installed(), ok);
    let views = |what: &str| {
        let options = ShowOptions { what: what.to_owned(), ..ShowOptions::default() };
        show(workspace, &options, heard).unwrap()
    };
    assert!(views("pdf")[0].installed && !views(&url)[1].installed);
    let of_pdf = ShowOptions { what: "pdf".into(), ..ShowOptions::default() };
    let read = show_file(workspace, &of_pdf, "SKILL.md", heard).unwrap();
    assert_eq!(read, std::fs::read(caller.manifest_of("pdf")).unwrap());
    let paths = find_paths(workspace, &names(&["pdf"]), heard).unwrap();
    assert_eq!(paths[0].path.join("SKILL.md"), caller.manifest_of("pdf"));
    let page = open::find_page(workspace, &of_pdf, heard);
    assert_eq!(page.unwrap_err().kind, Kind::NotFound, "a repository of this machine has no page");
    let mut seen = PathBuf::new();
    let mut look = |file: &std::path::Path| {
        seen = file.to_path_buf();
        Ok(())
    };
    assert!(!edit::edit(workspace, "pdf", &mut look, heard).unwrap().changed);
    assert_eq!(seen, caller.manifest_of("pdf").canonicalize().unwrap());
    assert!(verify(workspace, &[], heard).unwrap().skills.iter().all(|one| one.faults.is_empty()));

    std::fs::write(caller.manifest_of("pdf"), manifest("pdf", "edited")).unwrap();
    assert_eq!(verify(workspace, &names(&["pdf"]), heard).unwrap().skills[0].faults.len(), 1);
    assert_eq!(diff(workspace, "pdf", heard).unwrap().files.len(), 1);
    let remove = |force| {
        uninstall(workspace, &UninstallOptions { names: names(&["pdf"]), force, prune: false }, heard)
    };
    assert_eq!(remove(false).unwrap_err().kind, Kind::Conflict);
    assert_eq!(restore_all(workspace, RestoreOptions::default(), heard).unwrap_err().kind, Kind::Conflict);
    let put_back = |agrees| restore(workspace, &names(&["pdf"]), false, &mut Unattended { agrees }, heard);
    assert_eq!(put_back(false).unwrap_err().kind, Kind::Conflict);
    assert_eq!(put_back(true).unwrap().faults.values().map(Vec::len).sum::<usize>(), 1);
    assert_eq!(caller.installed(), ok);
    std::fs::write(caller.manifest_of("pdf"), manifest("pdf", "edited again")).unwrap();
    let options = RestoreOptions { force: true, ..RestoreOptions::default() };
    assert_eq!(restore_all(workspace, options, heard).unwrap().skills.len(), 2);
    assert_eq!(caller.installed(), ok);

    assert_eq!(list_tree(workspace, heard).unwrap().roots, ["docx", "pdf"]);
    assert_eq!(list_dependencies(workspace, "pdf", heard).unwrap().order, ["pdf"]);
    assert!(explain_need(workspace, "pdf", heard).unwrap().asked);

    let context = || describe_context(workspace, &ContextOptions::default(), heard).unwrap();
    assert_eq!(context().skills.iter().map(|skill| &*skill.name).collect::<Vec<_>>(), ["docx", "pdf"]);
    assert!(context().skills[0].digest.is_some() && context().omitted.is_empty());
    let options = DisableOptions { names: names(&["pdf"]), ..DisableOptions::default() };
    assert!(!disable(workspace, &options, heard).unwrap().skills[0].entry.enabled);
    assert!(!caller.manifest_of("pdf").exists());
    assert_eq!(
        context().omitted.iter().map(|one| (&*one.name, one.reason.name())).collect::<Vec<_>>(),
        [("pdf", "disabled")]
    );
    let options = EnableOptions { names: names(&["pdf"]), ..EnableOptions::default() };
    let enabled = enable(workspace, &options, heard).unwrap();
    assert!(enabled.skills[0].entry.enabled && enabled.pulled.is_empty());
    assert_eq!(caller.installed(), ok);

    let options = ActivateOptions {
        input: Some(parse_input("{\"a\":1}").unwrap()),
        session: Some("one".into()),
        ..ActivateOptions::of("pdf", UsageChannel::Mcp)
    };
    let activated = activate(workspace, &options, heard).unwrap();
    assert_eq!((activated.skill_name.as_str(), activated.light, activated.messages.len()), ("pdf", false, 2));
    assert!(activate(workspace, &options, heard).unwrap().light);
    assert!(deactivate(workspace, "pdf", "one", heard).unwrap().session.active.is_empty());
    assert_eq!(deactivate(workspace, "pdf", "one", heard).unwrap_err().kind, Kind::NotFound);
    let options = RecommendOptions { text: "use the pdf skill".into(), limit: 3, ..Default::default() };
    let found = recommend(workspace, &options, heard).unwrap();
    assert!((found.recommendations[0].score - 1.0).abs() < 0.001 && found.considered > 0);
    let agent = hook_agent("claude-code").unwrap();
    assert!(install_hook(workspace, agent, "ba-agent", heard).unwrap().changed);
    let used = br#"{"hook_event_name":"PostToolUse","session_id":"s","tool_name":"Skill","tool_input":{"skill":"pdf"}}"#;
    assert_eq!(run_hook(workspace, Some(agent), used, heard).unwrap(), None);
    assert_eq!(usage(workspace, &UsageOptions::default(), heard).unwrap().skills[0].name, "pdf");
    assert!(uninstall_hook(workspace, agent, "ba-agent", heard).unwrap().changed);
    assert!(!hook_status(workspace, &[agent], "ba-agent", heard).unwrap()[0].changed);

    let options = PinOptions { name: "pdf".into(), ..PinOptions::default() };
    assert!(pin(workspace, &options, heard).unwrap().skills[0].entry.pinned);
    caller.publish("second");
    let (workspace, heard) = (&caller.workspace, &caller.heard);
    let report = outdated(workspace, &[], heard).unwrap();
    let states: Vec<State> = report.statuses.iter().map(|one| one.state).collect();
    assert_eq!((report.behind, states), (1, vec![State::Behind, State::Held]));
    assert_eq!(caller.update().unwrap().skills.len(), 1);
    assert!(!unpin(workspace, "pdf", heard).unwrap().skills[0].entry.pinned);
    let updated = caller.update().unwrap();
    assert_eq!((updated.skills.len(), updated.changes.len(), updated.looked_at), (1, 1, 2));
    let text = || std::fs::read_to_string(caller.manifest_of("pdf")).unwrap();
    assert!(text().contains("second"));
    rollback(workspace, &RollbackOptions::default(), &mut Unattended::default(), heard).unwrap();
    assert!(text().contains("first"));
    let options = UpdateOptions { names: names(&["pdf"]), keep: true, ..UpdateOptions::default() };
    update(workspace, &options, &mut Unattended::default(), heard).unwrap();
    let listed = list_versions(workspace, "pdf", heard).unwrap().versions;
    assert_eq!(
        listed.iter().map(|one| (one.active, one.cached)).collect::<Vec<_>>(),
        [(true, true), (false, true)]
    );
    let first = find_version_path(workspace, "pdf", &listed[1].version, heard).unwrap().path;
    assert!(std::fs::read_to_string(first.join("SKILL.md")).unwrap().contains("first"));
    let options = UseOptions { name: "pdf".into(), version: listed[1].version.clone(), force: false };
    assert!(use_version(workspace, &options, heard).unwrap().skills[0].entry.pinned);
    assert!(text().contains("first"));
    rollback(workspace, &RollbackOptions::default(), &mut Unattended::default(), heard).unwrap();
    rollback(workspace, &RollbackOptions::default(), &mut Unattended::default(), heard).unwrap();
    assert_eq!(list_changes(workspace, heard).unwrap()[0].command, "rollback");
}

#[test]
fn commands_about_files_and_the_cache_are_functions() {
    let caller = Caller::new();
    let (workspace, heard) = (&caller.workspace, &caller.heard);
    let options = InitOptions {
        name: Some("own-skill".into()),
        from: None,
        dir: caller.project.join("src"),
        description: "Does what nobody else does. Use when that is wanted.".into(),
    };
    let made = init(workspace, &options, heard).unwrap();
    let options = ValidateOptions { paths: vec![made.folder], profile: Profile::Lint };
    let checked = validate(workspace, &options).unwrap();
    assert_eq!((checked.len(), checked[0].name.as_deref()), (1, Some("own-skill")));
    caller.install(&caller.repo.file_url(), &["pdf"]).unwrap();
    let lock = caller.project.join("skills-lock.json");
    let exported = export(workspace, Some(lock.clone()), heard).unwrap();
    assert!(exported.left_out.is_empty() && exported.text.contains("pdf"));
    let options = UninstallOptions { names: names(&["pdf"]), force: false, prune: false };
    assert_eq!(uninstall(workspace, &options, heard).unwrap().skills[0].action, Action::Remove);
    let options = InstallOptions { from: Some(lock), ..InstallOptions::default() };
    install(workspace, &options, &mut Unattended::default(), heard).unwrap();
    assert_eq!(caller.installed(), [("pdf".to_owned(), "ok")]);
    let lying = caller.project.join(".claude/skills/own-skill");
    std::fs::create_dir_all(&lying).unwrap();
    std::fs::copy(caller.project.join("src/own-skill/SKILL.md"), lying.join("SKILL.md")).unwrap();
    let options = AdoptOptions { all: true, ..AdoptOptions::default() };
    let adopted = adopt(workspace, &options, &mut Unattended::default(), heard).unwrap();
    assert_eq!((adopted.skills.len(), adopted.skills[0].entry.kind.as_str()), (1, "own"));
    let options = UninstallOptions { names: names(&["own-skill"]), force: false, prune: false };
    uninstall(workspace, &options, heard).unwrap();
    let report = doctor(workspace, true, heard).unwrap();
    assert_eq!((report.scope, report.examination.wrong()), ("project", 0));

    assert!(cache::find_cache_dir(workspace).unwrap().starts_with(caller.bench.home.path()));
    assert_eq!(cache::measure_cache(workspace).unwrap().held.trees, 2);
    let refused = cache::clear_cache(workspace, &mut Unattended::default()).unwrap_err();
    assert_eq!(refused.kind, Kind::Usage);
    assert_eq!(cache::clear_cache(workspace, &mut Unattended { agrees: true }).unwrap().left.trees, 0);
    assert_eq!(cache::prune_cache(workspace, Some(0)).unwrap().removed.trees, 0);
}

#[test]
fn the_version_is_told_by_a_function() {
    let caller = Caller::new();
    let report = find_version(&caller.workspace, false, &caller.heard).unwrap();
    assert_eq!((report.version, report.latest), (env!("CARGO_PKG_VERSION"), None));
    let options = WorkspaceOptions { offline: true, ..WorkspaceOptions::default() };
    let offline = Workspace::new(caller.bench.env.clone(), options);
    assert_eq!(find_version(&offline, true, &caller.heard).unwrap_err().kind, Kind::Network);
}

#[test]
fn a_catalogue_is_made_by_a_function() {
    let caller = Caller::new();
    let (workspace, heard) = (&caller.workspace, &caller.heard);
    let dir = caller.project.join("shop");
    let options = InitOptions { name: Some("own-skill".into()), dir: dir.clone(), ..InitOptions::default() };
    init(workspace, &options, heard).unwrap();
    let make = |owner: Option<&str>, check| {
        let head = CatalogHead { owner: owner.map(str::to_owned), ..CatalogHead::default() };
        let options = CatalogInitOptions { dir: dir.clone(), head, check, force: false };
        marketplace::init(workspace, &options, heard)
    };
    assert_eq!(make(None, false).unwrap_err().kind, Kind::Usage, "nobody owns it");
    assert!(!make(Some("A"), true).unwrap().written);
    let report = make(Some("A"), false).unwrap();
    assert_eq!((report.entries, report.name.as_str(), report.written), (1, "shop", true));
    assert!(make(None, true).unwrap().changes.is_empty());
    let options =
        AddOptions { name: Some("shop".into()), source: dir.display().to_string(), ..AddOptions::default() };
    assert_eq!(marketplace::add(workspace, &options, heard).unwrap().fetched.skills, 1);
}

#[test]
fn a_skill_is_packed_by_a_function() {
    let caller = Caller::new();
    let (workspace, heard) = (&caller.workspace, &caller.heard);
    let options = InitOptions {
        name: Some("own-skill".into()),
        dir: caller.project.join("src"),
        ..InitOptions::default()
    };
    init(workspace, &options, heard).unwrap();
    let folder = caller.project.join("src/own-skill");
    let options = |force| PackOptions {
        path: folder.clone(),
        output: Some(caller.project.clone()),
        format: None,
        profile: Profile::Lint,
        limit: Severity::Error,
        force,
    };
    let packed = pack(workspace, &options(false)).unwrap().archive.unwrap();
    assert_eq!((packed.files, packed.unchanged), (1, false));
    assert!(pack(workspace, &options(false)).unwrap().archive.unwrap().unchanged);
    let archive = caller.project.join("own-skill.skill");
    assert_eq!(Digest::of(&std::fs::read(&archive).unwrap()), packed.integrity);
    let options = InstallOptions {
        sources: vec![archive.to_string_lossy().into_owned()],
        integrity: Some(packed.integrity.to_string()),
        ..InstallOptions::default()
    };
    install(workspace, &options, &mut Unattended::default(), heard).unwrap();
    assert_eq!(caller.installed(), [("own-skill".to_owned(), "ok")]);
}

#[test]
fn publishing_and_registries_are_functions() {
    let caller = Caller::new();
    let (workspace, heard) = (&caller.workspace, &caller.heard);
    let folder = caller.bench.home.path().join("own-skill");
    std::fs::create_dir_all(&folder).unwrap();
    std::fs::write(folder.join("SKILL.md"), manifest("own-skill", "Do it.")).unwrap();
    let place = caller.bench.home.path().join("published").to_string_lossy().into_owned();
    let options = PublishOptions {
        path: folder,
        name: Some("@acme".to_owned()),
        to: Some(place.clone()),
        ..PublishOptions::default()
    };
    let declined = publish(workspace, &options, &mut |_| Ok(false), heard).unwrap();
    assert_eq!(declined.outcome, PublishOutcome::Declined);
    let mut seen = Vec::new();
    let mut approve = |plan: &super::publish::PublishPlan| {
        seen.push(plan.line.version.to_string());
        Ok(true)
    };
    let published = publish(workspace, &options, &mut approve, heard).unwrap();
    assert_eq!((published.outcome, seen), (PublishOutcome::Published, vec!["0.1.0".to_owned()]));
    assert_eq!(registry::check_registry(workspace, &place, heard).unwrap().faults, []);
    assert!(registry::build_registry(workspace, &place, heard).unwrap().written.is_empty());
    let copy = caller.bench.home.path().join("copy").to_string_lossy().into_owned();
    let mirror = MirrorOptions { source: place.clone(), dest: copy, ..MirrorOptions::default() };
    assert_eq!(registry::mirror_registry(workspace, &mirror, heard).unwrap().archives, 1);
    let what = "@acme/own-skill@0.1.0".to_owned();
    let options = YankOptions { what, to: Some(place), ..YankOptions::default() };
    assert!(yank(workspace, &options, heard).unwrap().changed);
}

/// Who watches is told until it says that it has seen enough, or the time is over.
#[test]
fn what_happens_is_told_by_a_function() {
    let caller = Caller::new();
    caller.install(&caller.repo.file_url(), &["pdf"]).unwrap();
    let (workspace, heard) = (&caller.workspace, &caller.heard);
    let options = WatchOptions { agent: None, time: Some(std::time::Duration::ZERO) };
    watch(workspace, &options, &mut |event| panic!("{event:?}"), heard).unwrap();
    let stopping = Stopping(AtomicUsize::new(0));
    let stopped = watch(workspace, &WatchOptions::default(), &mut |_| true, &stopping).unwrap_err();
    assert_eq!(stopped.kind, Kind::Interrupted);
    let unknown = WatchOptions { agent: Some("./folder".into()), ..WatchOptions::default() };
    assert_eq!(watch(workspace, &unknown, &mut |_| true, heard).unwrap_err().kind, Kind::Usage);
}

/// One workspace serves a process that lives long: what others change between two commands is
/// seen, settings as well as the registry and the disk.
#[test]
fn what_changed_between_two_commands_is_seen() {
    let caller = Caller::new();
    caller.install(&caller.repo.file_url(), &["pdf"]).unwrap();
    assert_eq!(caller.installed(), [("pdf".to_owned(), "ok")]);
    let other = Workspace::new(
        caller.bench.env.clone(),
        WorkspaceOptions { project: Some(caller.project.clone()), ..WorkspaceOptions::default() },
    );
    let options = UninstallOptions { names: names(&["pdf"]), force: false, prune: false };
    uninstall(&other, &options, &caller.heard).unwrap();
    assert!(caller.installed().is_empty());
    std::fs::create_dir_all(caller.project.join(".ba-agent")).unwrap();
    std::fs::write(caller.project.join(".ba-agent/config.yaml"), "skills:\n  registry: other.json\n")
        .unwrap();
    caller.install(&caller.repo.file_url(), &["docx"]).unwrap();
    assert!(caller.project.join("other.json").is_file());
    // A skills folder that becomes a link to another one while the process lives.
    let skills = caller.project.join(".claude/skills");
    std::fs::rename(&skills, caller.project.join("elsewhere")).unwrap();
    #[cfg(unix)]
    {
        std::os::unix::fs::symlink("../elsewhere", &skills).unwrap();
        caller.install(&caller.repo.file_url(), &["pdf"]).unwrap();
        assert!(caller.project.join("elsewhere/pdf/SKILL.md").is_file());
    }
}

/// Says stop from the `n`th time on that it is asked.
struct Stopping(AtomicUsize);

impl Progress for Stopping {
    fn begin(&self, _: &str) {}
    fn advance(&self, _: u64, _: Option<u64>) {}
    fn check_cancelled(&self) -> Result<()> {
        let ends =
            self.0.fetch_update(Ordering::SeqCst, Ordering::SeqCst, |left| left.checked_sub(1)).is_err();
        if ends { Err(error!(Interrupted, "the caller said stop")) } else { Ok(()) }
    }
}

impl Observer for Stopping {
    fn notice(&self, notice: Notice<'_>) {
        assert!(!format!("{notice:?}").contains("killed"), "{notice:?}");
    }
}

fn picture(root: &Path) -> BTreeMap<PathBuf, Vec<u8>> {
    let mut out = BTreeMap::new();
    for entry in walkdir::WalkDir::new(root).into_iter().map(|entry| entry.unwrap()) {
        let bytes =
            if entry.file_type().is_file() { std::fs::read(entry.path()).unwrap() } else { Vec::new() };
        out.insert(entry.path().to_owned(), bytes);
    }
    out
}

impl Caller {
    /// Stops a command at every place where it asks, until it is through: the project is as it was
    /// each time, and nobody finds anything to repair. How often it was stopped.
    fn stopped<T: std::fmt::Debug>(&self, command: impl Fn(&Stopping) -> Result<T>) -> usize {
        let before = picture(&self.project);
        for asked in 0.. {
            match command(&Stopping(AtomicUsize::new(asked))) {
                Ok(_) => return asked,
                Err(error) => assert_eq!(error.kind, Kind::Interrupted, "{error:?}"),
            }
            assert_eq!(picture(&self.project), before, "stopped at {asked}");
            assert_eq!(doctor(&self.workspace, false, &self.heard).unwrap().examination.wrong(), 0);
        }
        0
    }
}

/// A process that lives long ends one of its commands: the old state stays, whatever was done.
#[test]
fn a_caller_that_says_stop_gets_the_old_state() {
    let mut caller = Caller::new();
    let url = caller.repo.file_url();
    let installing = InstallOptions {
        sources: vec![url.clone()],
        skills: names(&["pdf", "docx"]),
        ..InstallOptions::default()
    };
    let ask = &mut Unattended::default;
    let stops = |caller: &Caller, least: usize, stopped: usize| {
        assert!(stopped >= least, "asked {stopped} times alone");
        let report = verify(&caller.workspace, &[], &caller.heard).unwrap();
        assert!(report.skills.iter().all(|one| one.faults.is_empty()), "{report:?}");
    };
    let workspace = caller.workspace.clone();
    let options = AddOptions { name: Some("acme".into()), source: url, ..AddOptions::default() };
    stops(&caller, 0, caller.stopped(|observer| marketplace::add(&workspace, &options, observer)));
    stops(&caller, 4, caller.stopped(|observer| install(&workspace, &installing, &mut ask(), observer)));
    let restored = |observer: &Stopping| restore_all(&workspace, RestoreOptions::default(), observer);
    std::fs::remove_dir_all(caller.project.join(".claude/skills/pdf")).unwrap();
    let stopped = {
        // What is missing is missed by the doctor, too.
        let before = picture(&caller.project);
        let mut asked = 0;
        while let Err(error) = restored(&Stopping(AtomicUsize::new(asked))) {
            assert_eq!(
                (error.kind, picture(&caller.project) == before),
                (Kind::Interrupted, true),
                "{error:?}"
            );
            asked += 1;
        }
        asked
    };
    stops(&caller, 2, stopped);
    stops(&caller, 2, caller.stopped(|observer| verify(&workspace, &[], observer)));
    caller.publish("second");
    stops(&caller, 1, caller.stopped(|observer| outdated(&workspace, &[], observer)));
    stops(&caller, 1, caller.stopped(|observer| marketplace::update(&workspace, &[], observer)));
    let updating = UpdateOptions::default();
    stops(&caller, 4, caller.stopped(|observer| update(&workspace, &updating, &mut ask(), observer)));
    assert!(std::fs::read_to_string(caller.manifest_of("pdf")).unwrap().contains("second"));
    stops(
        &caller,
        2,
        caller.stopped(|observer| rollback(&workspace, &RollbackOptions::default(), &mut ask(), observer)),
    );
    let removing = UninstallOptions { names: names(&["pdf"]), force: false, prune: false };
    stops(&caller, 1, caller.stopped(|observer| uninstall(&workspace, &removing, observer)));
    assert_eq!(caller.installed(), [("docx".to_owned(), "ok")]);
}

/// In the middle of a change, not only that it was stopped.
#[test]
fn who_stops_a_change_is_told_what_became_of_it() {
    let caller = Caller::new();
    let told = |skills: &[&str]| {
        let options = InstallOptions {
            sources: vec![caller.repo.file_url()],
            skills: names(skills),
            ..InstallOptions::default()
        };
        let mut told = Vec::new();
        for asked in 0.. {
            let stopping = Stopping(AtomicUsize::new(asked));
            match install(&caller.workspace, &options, &mut Unattended::default(), &stopping) {
                Ok(_) => break,
                Err(error) => told.extend(error.causes.last().cloned()),
            }
        }
        told.dedup();
        told
    };
    assert_eq!(told(&["pdf"]), ["1 skill was being changed: it is as it was before"]);
    let removing = UninstallOptions { names: names(&["pdf"]), force: false, prune: false };
    uninstall(&caller.workspace, &removing, &caller.heard).unwrap();
    assert_eq!(told(&["pdf", "docx"]), ["2 skills were being changed: each is as it was before"]);
}

#[test]
fn two_threads_share_a_workspace() {
    let caller = Caller::new();
    let url = caller.repo.file_url();
    std::thread::scope(|scope| {
        let run = |skill: &'static str| {
            let (workspace, url) = (&caller.workspace, &url);
            scope.spawn(move || {
                let heard = Heard::default();
                let options = InstallOptions {
                    sources: vec![url.clone()],
                    skills: names(&[skill]),
                    ..InstallOptions::default()
                };
                install(workspace, &options, &mut Unattended::default(), &heard).unwrap();
                assert!(verify(workspace, &names(&[skill]), &heard).unwrap().skills[0].faults.is_empty());
            })
        };
        let threads = [run("pdf"), run("docx")];
        threads.into_iter().for_each(|thread| thread.join().unwrap());
    });
    assert_eq!(caller.installed(), [("docx".to_owned(), "ok"), ("pdf".to_owned(), "ok")]);
}

#[test]
fn a_workspace_can_be_shared_and_sent() {
    fn check<T: Send + Sync>() {}
    check::<Workspace>();
}

#[test]
fn a_skill_leaves_one_of_its_agents() {
    let caller = Caller::new();
    let (workspace, heard) = (&caller.workspace, &caller.heard);
    let options = InstallOptions {
        sources: vec![caller.repo.file_url()],
        skills: names(&["pdf"]),
        agents: names(&["claude-code", "codex"]),
        ..InstallOptions::default()
    };
    install(workspace, &options, &mut Unattended::default(), heard).unwrap();
    let report = list_agents(workspace).unwrap();
    assert!(
        report.agents.iter().any(|agent| agent.id == "claude-code" && agent.is_default && agent.in_project)
    );
    let options = UninstallOptions { names: names(&["pdf"]), force: false, prune: false };
    uninstall_from_targets(workspace, &options, &names(&["claude-code"]), heard).unwrap();
    assert!(!caller.project.join(".claude/skills/pdf").exists());
    assert!(caller.project.join(".agents/skills/pdf/SKILL.md").is_file());
}

/// Edits a file of a skill while it is asked about it.
struct Meddling(PathBuf);

impl Ask for Meddling {
    fn choose_skills(&mut self, _: &str, offers: &[Offer]) -> Result<Vec<usize>> {
        Ok((0..offers.len()).collect())
    }

    fn choose_catalogs(&mut self, _: &[KnownCatalog]) -> Result<Vec<usize>> {
        Ok(Vec::new())
    }

    fn choose_updates(&mut self, _: &[UpdateOffer<'_>]) -> Result<Vec<usize>> {
        Ok(Vec::new())
    }

    fn attendance(&self) -> Attendance {
        Attendance::Person
    }

    fn approve_update(&mut self, _: &CautionedUpdate<'_>) -> Result<bool> {
        Ok(true)
    }

    fn confirm(&mut self, _: &str) -> Result<bool> {
        Ok(true)
    }

    fn consent(&mut self, _: &str, diff: Option<ShowDiff<'_>>) -> Result<bool> {
        assert!(diff.unwrap()()?.iter().any(|diff| diff.contains("+by hand")));
        std::fs::write(&self.0, manifest("pdf", "by somebody else")).unwrap();
        Ok(true)
    }
}

/// What is recorded is what a person has agreed to, or nothing.
#[test]
fn a_skill_that_changes_while_it_is_adopted_is_not_recorded() {
    let caller = Caller::new();
    let folder = caller.manifest_of("pdf").parent().unwrap().to_owned();
    std::fs::create_dir_all(&folder).unwrap();
    std::fs::write(caller.manifest_of("pdf"), manifest("pdf", "by hand")).unwrap();
    let options = AdoptOptions { source: Some(caller.repo.file_url()), ..AdoptOptions::default() };
    let error = adopt(&caller.workspace, &options, &mut Meddling(caller.manifest_of("pdf")), &caller.heard);
    let error = error.unwrap_err();
    assert_eq!(
        (error.kind, error.message.contains("was changed while")),
        (Kind::Conflict, true),
        "{error:?}"
    );
    assert!(caller.installed().is_empty());
    assert!(std::fs::read_to_string(caller.manifest_of("pdf")).unwrap().contains("by somebody else"));
    // Nobody changes it now.
    let agreed = AdoptOptions { what: names(&["pdf"]), ..options };
    adopt(&caller.workspace, &agreed, &mut Unattended { agrees: true }, &caller.heard).unwrap();
    assert_eq!(caller.installed(), [("pdf".to_owned(), "edited")]);
}

#[test]
fn settings_are_functions() {
    let caller = Caller::new();
    let (workspace, heard) = (&caller.workspace, &caller.heard);
    assert!(list_settings(workspace).unwrap().iter().any(|one| one.key == "agents"));
    assert!(change_setting(workspace, "agents", Some(&names(&["codex"])), heard).unwrap().changed);
    assert_eq!(find_setting(workspace, "agents").unwrap().value.as_deref(), Some("codex"));
    let edited = begin_edit(workspace, heard).unwrap();
    std::fs::write(&edited.copy, "skills:\n  agents: [cursor]\n").unwrap();
    assert!(finish_edit(workspace, edited).unwrap());
    assert!(change_setting(workspace, "agents", None, heard).unwrap().changed);
}

#[test]
fn registries_are_functions() {
    let caller = Caller::new();
    let (workspace, heard) = (&caller.workspace, &caller.heard);
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("registry.json"), "{\"schema\":1,\"name\":\"team\"}").unwrap();
    let address = folder.path().display().to_string();
    let options = AddRegistryOptions { address, serves: names(&["@team"]), ..AddRegistryOptions::default() };
    assert!(registry::add(workspace, &options, heard).unwrap().changed);
    assert!(!registry::add(workspace, &options, heard).unwrap().changed);
    assert_eq!(registry::list(workspace, heard).unwrap()[0].name, "team");
    assert_eq!(registry::show(workspace, "team", heard).unwrap().description.name, "team");
    let token = Some(Secret::new("bar_1"));
    let options = LoginOptions { registry: Some("team".to_owned()), token };
    assert_eq!(login(workspace, &options, heard).unwrap_err().kind, Kind::Usage, "a folder wants no token");
    assert_eq!(whoami(workspace, None, heard).unwrap_err().kind, Kind::Auth);
    assert!(!logout(workspace, None, heard).unwrap().logged_out);
    let source = "@team/missing".to_owned();
    let options = InstallOptions { sources: vec![source], ..InstallOptions::default() };
    let error = install(workspace, &options, &mut Unattended::default(), heard).unwrap_err();
    assert_eq!(error.kind, Kind::NotFound, "{error:?}");
    assert_eq!(registry::remove(workspace, "team", heard).unwrap().name, "team");
}

#[test]
fn a_server_asks_functions() {
    let caller = Caller::new();
    caller.install(&caller.repo.file_url(), &["pdf"]).unwrap();
    let service =
        SkillService::open(&caller.workspace, &ServiceOptions::default(), Box::new(Heard::default()))
            .unwrap();
    assert_eq!(service.list_skills(None, None).unwrap().items[0].name, "pdf");
    assert_eq!(service.search_skills("pdf", Some(1)).unwrap()[0].name, "pdf");
    assert_eq!(service.schema_names().unwrap(), ["pdf"]);
    assert_eq!(service.nearest_names("pfd", 3), ["pdf"]);
    assert!(service.instructions().unwrap().contains("(the registry records 1)"));
    let call = ActivateCall { name: "pdf".to_owned(), ..ActivateCall::default() };
    assert!(service.activate(&call).unwrap().content.starts_with("<skill_content name=\"pdf\">"));
    let wanted = ReadCall { name: "pdf".to_owned(), path: "SKILL.md".to_owned(), ..ReadCall::default() };
    assert_eq!(service.read_skill_file(&wanted).unwrap().state, "verified");
    assert!(service.has_activated());
    let entry = service.list_entries(None).unwrap().items.remove(0);
    assert_eq!(service.find_entry(&entry.uri).unwrap(), entry);
    let bytes = service.read_resource(&entry.uri).unwrap().bytes;
    assert_eq!(format!("sha256:{}", Digest::of(&bytes).as_hex()), entry.files[0].digest);
    assert_eq!(service.read_directory("skill://pdf", None).unwrap()[0].name, "SKILL.md");
    assert_eq!(service.look_for_changes().unwrap().skills, [""; 0]);
    std::fs::write(caller.manifest_of("pdf"), manifest("pdf", "Other words.")).unwrap();
    assert_eq!(service.look_for_changes().unwrap().skills, ["skill://pdf/SKILL.md"]);
    let options = ConfigOptions {
        agent: "opencode".to_owned(),
        command: vec!["ba-agent".to_owned(), "mcp".to_owned()],
        write: true,
    };
    assert!(configure(&caller.workspace, &options, &caller.heard).unwrap().changed);
    assert!(!configure(&caller.workspace, &options, &caller.heard).unwrap().changed);
}
