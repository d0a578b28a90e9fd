//! The readers of hostile bytes, one function each: any bytes go in, and a panic says that
//! something is not as promised. Not in the crate that others use: it is there for the tests,
//! which run each over its seeds and what is near them, and for `fuzz/`, which is built with
//! `--cfg fuzzing`.

mod seeds;

use std::borrow::Cow;

use url::Url;

use crate::activation::{PlaceholderValues, SkillBody, fill_placeholders, find_dynamic, split_arguments};
use crate::catalog::{
    self as market, Catalog, CatalogDialect, CatalogEntry, CatalogFormat, EntryRequirement, EntryScan,
    EntrySource, PluginManifest,
};
use crate::dependency::{DependencyFiles, SkillFolders, read_needs};
use crate::diff as lines;
use crate::digest::Digest;
use crate::discover;
use crate::error::is_unprintable;
use crate::follow_up::{FollowUpQuestion, decide_follow_up, message_terms};
use crate::hook::{
    HookAgent, HookAnswer, HookInput, HookState, find_forbidden, find_hooks, install_hooks, uninstall_hooks,
};
use crate::interop as locks;
use crate::json_edit::{read_commented_json, remove_member, set_member};
use crate::listing::{FileEntry, Limits, Listing, Node};
use crate::path::RelPath;
use crate::recommend::{RequestWords, SkillRules, UserProfile, requested_text};
use crate::registry::{Registry, RegistrySummary};
use crate::remote_registry::derived::{CataloguePointer, VersionIndex, derive_all_files, parse_catalogue};
use crate::remote_registry::{
    RegistryDescription, ScopedName, VersionChange, change_version, parse_revocations, parse_version_index,
    write_revocations, write_version_index,
};
use crate::search::{self as find, SearchDocument, SearchQuery};
use crate::skill::{self, Finding, Profile, SkillName};
use crate::skill_yaml::{markdown_of_yaml, yaml_of_markdown};
use crate::source::{Reference, Request, Source};
use crate::transcript::{TranscriptAgent, TranscriptReader};
use crate::transparency_log::{
    Checkpoint, LogEdge, LogEvent, LogTile, SignedNote, VerifierKey, read_bundle, read_event, write_bundle,
    write_event,
};
use crate::usage::{UsageSums, UseEvent};

/// A name, what it does with bytes, and what a fuzzer may begin with.
pub type Target = (&'static str, fn(&[u8]), fn() -> Vec<Vec<u8>>);

/// All targets, in the order of their names.
pub const TARGETS: &[Target] = &[
    ("activation", activation, seeds::activation),
    ("dependencies", dependencies, seeds::dependencies),
    ("diff", diff, seeds::diff),
    ("hook", hook, seeds::hook),
    ("interop", interop, seeds::interop),
    ("json_edit", json_edit, seeds::json_edit),
    ("manifest", manifest, seeds::manifest),
    ("marketplace", marketplace, seeds::marketplace),
    ("registry", registry, seeds::registry),
    ("remote_registry", remote_registry, seeds::remote_registry),
    ("search", search, seeds::search),
    ("search_index", search_index, seeds::search_index),
    ("skill_yaml", skill_yaml, seeds::skill_yaml),
    ("source", source, seeds::source),
    ("transcript", transcript, seeds::transcript),
    ("transparency_log", transparency_log, seeds::transparency_log),
    ("yaml", yaml, seeds::yaml),
];

/// A path of a tree, or `""` for its top.
fn assert_inside(path: &str) {
    assert!(path.is_empty() || RelPath::parse(path.as_bytes()).is_ok(), "`{path}` is no path of a tree");
}

/// Findings can be printed, and stand in the text.
fn assert_findings(findings: &[Finding], text: &[u8]) {
    let lines = text.iter().filter(|byte| **byte == b'\n').count() + 1;
    for finding in findings {
        let Finding { file, line, column, message, help, .. } = finding;
        assert!(![file, message, help].into_iter().any(|text| text.contains(is_unprintable)), "{finding}");
        assert!((1..=lines + 1).contains(line) && *column >= 1, "{finding}: {lines} lines");
    }
}

/// A body, arguments and a value, with zero bytes between them: what was put in stands in the text
/// as it is, and without placeholders nothing changes.
pub fn activation(data: &[u8]) {
    let mut texts: Vec<Cow<'_, str>> =
        data.splitn(3, |byte| *byte == 0).map(String::from_utf8_lossy).collect();
    texts.resize(3, Cow::Borrowed(""));
    let (body, arguments, value) = (&texts[0], &texts[1], &texts[2]);
    let input = serde_json::json!({ "key": value });
    let names = ["name".to_owned(), "n-2".to_owned()];
    let values = PlaceholderValues {
        arguments: Some(arguments),
        names: &names,
        input: input.as_object(),
        base_dir: "/base",
        project_dir: Some("/project"),
        session: None,
        plugin_root: None,
    };
    let _ = fill_placeholders(body, &values);
    let around = fill_placeholders("<$ARGUMENTS>{input.key}<{baseDir}>", &values).text;
    assert_eq!(around, format!("<{arguments}>{value}</base>"));
    let plain: String = body.chars().filter(|c| !matches!(c, '$' | '{')).collect();
    let nothing = PlaceholderValues::default();
    assert_eq!(fill_placeholders(&plain, &nothing).text, plain);
    let words = split_arguments(arguments);
    assert!(words.iter().map(String::len).sum::<usize>() <= arguments.len());
    let lines = body.matches('\n').count() + 1;
    assert!(find_dynamic(body, 1).iter().all(|one| (1..=lines).contains(&one.line)));
    let document = skill::read_manifest(skill::MANIFEST, None, data, Profile::Install, &Limits::default());
    if let Some(body) = SkillBody::of(&document, data) {
        assert!(data.ends_with(body.text.as_bytes()));
    }
    let terms = message_terms(body);
    let earlier = [message_terms(arguments)];
    let question =
        FollowUpQuestion { message: body, is_active: true, terms: &terms, earlier: &earlier, caller: None };
    assert!((0.5..=1.0).contains(&decide_follow_up(&question).confidence));
}

/// Settings of another program: what is put into them is there, and all else is as before.
pub fn json_edit(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else { return };
    let value = serde_json::json!({"command": "x", "args": ["y"]});
    let Ok(before) = read_commented_json(text) else {
        assert!(set_member(text, &["a", "b"], &value).is_err(), "what is not JSON was changed");
        return;
    };
    let Ok(new) = set_member(text, &["a", "b"], &value) else { return };
    let new = new.unwrap_or_else(|| text.to_owned());
    let mut after = read_commented_json(&new).unwrap_or_else(|fault| panic!("{fault}"));
    assert_eq!(after["a"]["b"], value);
    let removed = remove_member(&new, &["a", "b"]);
    assert!(removed.is_ok_and(|text| text.is_some_and(|text| read_commented_json(&text).is_ok())));
    if let (Some(after), Some(before)) = (after.as_object_mut(), before.as_object()) {
        let others = after.iter().filter(|(key, _)| *key != "a");
        assert!(others.eq(before.iter().filter(|(key, _)| *key != "a")), "something else was changed");
    }
}

/// What an agent tells a hook, a command for its shell, its settings, rules and profiles: all that a
/// hook reads. An entry that was put into settings is there, and gone when it was taken out.
pub fn hook(data: &[u8]) {
    let text = String::from_utf8_lossy(data);
    if let Ok(input) = HookInput::parse(data, None) {
        let _ = find_forbidden(&input, ["rm -rf", "shell_exec", "database_write", &*text]);
        let _ = (input.loaded_skill(), input.has_failed());
        let _ = HookAnswer::Deny(input.prompt.clone()).to_json(input.agent, input.event);
    }
    let command = serde_json::json!({"hook_event_name": "PreToolUse", "tool_name": "Bash", "tool_input": {"command": text}});
    let input = HookInput::parse(command.to_string().as_bytes(), None).expect("it is what an agent tells");
    let _ = find_forbidden(&input, ["rm -rf", "git push --force", &*text]);
    for agent in HookAgent::ALL {
        if let Ok(Some(with)) = install_hooks(agent, &text, "ba-agent") {
            assert_eq!(find_hooks(agent, &with, "ba-agent"), Ok(HookState::Installed), "{with}");
            let without = uninstall_hooks(&with).expect("it was read before").expect("it has our entry");
            assert_eq!(find_hooks(agent, &without, "ba-agent"), Ok(HookState::Absent), "{without}");
        }
    }
    let request = RequestWords::of(&requested_text(&text));
    if let Ok(rules) = SkillRules::parse(&text) {
        let _ = rules.find_match("pdf", &request, &["a/b.ts".to_owned()]);
    }
    let _ = UserProfile::parse(&text);
}

/// Transcripts of agents and our own log: no use is counted twice.
pub fn transcript(data: &[u8]) {
    for agent in TranscriptAgent::ALL {
        let mut sums = UsageSums::default();
        let mut reader = TranscriptReader::new(agent);
        let uses: Vec<_> =
            data.split(|byte| *byte == b'\n').flat_map(|line| reader.read_line(line)).collect();
        uses.iter().for_each(|one| {
            sums.add_event(&one.event);
            assert!(!sums.add_event(&one.event), "it counts once");
            let line = one.event.to_line();
            assert!(UseEvent::parse_line(line.trim_end().as_bytes()).is_some(), "{line}");
        });
    }
    data.split(|byte| *byte == b'\n').for_each(|line| drop(UseEvent::parse_line(line)));
}

/// The files of a remote registry: what is read is written as the same bytes, and nothing that is
/// derived of it leads out of the registry.
pub fn remote_registry(data: &[u8]) {
    if let Ok(description) = RegistryDescription::parse(data) {
        assert_eq!(RegistryDescription::parse(&description.to_bytes()).as_ref(), Ok(&description));
        assert_inside(&description.blobs.path_of(&Digest::of(data)));
    }
    if let Ok(revocations) = parse_revocations(data) {
        let written = write_revocations(&revocations);
        assert_eq!(write_revocations(&parse_revocations(&written).unwrap_or_default()), written);
    }
    let _ = (CataloguePointer::parse(data), parse_catalogue(data));
    let Ok(name) = "@acme/pdf-tables".parse::<ScopedName>() else { return };
    let Ok(index) = VersionIndex::parse(&name, data.to_vec()) else { return };
    let written = write_version_index(&index.versions);
    assert_eq!(parse_version_index(&name, &written).as_ref(), Ok(&index.versions));
    for version in &index.versions {
        let yank = VersionChange::Yank { reason: Some("x".to_owned()) };
        if let Ok(Some(changed)) = change_version(&name, data, &version.version, &yank) {
            let read = parse_version_index(&name, &changed).unwrap_or_default();
            assert_eq!(read.len(), index.versions.len(), "a yank loses no version");
        }
    }
    let skills = std::iter::once((name, index)).collect();
    for file in derive_all_files(&RegistryDescription::new("team"), &skills) {
        assert_inside(&file.path);
    }
}

/// A `skill.yaml`, or a `SKILL.md`: what can be read is not lost there and back.
pub fn skill_yaml(data: &[u8]) {
    let text = String::from_utf8_lossy(data);
    if let Ok(manifest) = markdown_of_yaml(&text) {
        let back = yaml_of_markdown(manifest.as_bytes(), &Limits::default());
        if let Ok(back) = back {
            assert_eq!(markdown_of_yaml(&back).as_ref(), Ok(&manifest), "{back}");
        }
    }
    let _ = yaml_of_markdown(data, &Limits::default());
}

/// A `SKILL.md` under each profile: what it says of itself, what is found, and the name that
/// it gets.
pub fn manifest(data: &[u8]) {
    for profile in [Profile::Install, Profile::Lint, Profile::Upload] {
        let document =
            skill::read_manifest(skill::MANIFEST, Some("folder"), data, profile, &Limits::default());
        assert_findings(&document.findings, data);
        let body = skill::check_body(skill::MANIFEST, data, document.body_starts_line, &[], profile);
        assert_findings(&body, data);
        let written = document.frontmatter.as_ref().and_then(|front| front.name.as_deref());
        let name = skill::given_name(written, None, "source");
        assert_eq!(name.as_str().parse::<SkillName>().as_ref(), Ok(&name));
        let Some(front) = document.frontmatter else { continue };
        front.entrypoint.as_deref().into_iter().for_each(assert_inside);
        let is_sound =
            skill::worst_severity(&document.findings).is_none_or(|worst| worst < skill::Severity::Error);
        assert!(!is_sound || !front.description.is_empty(), "without an error there is a description");
    }
    let findings = skill::check_text("references/x.md", data, Profile::Install);
    assert_findings(&findings, data);
}

/// A manifest, the `skill.yaml`, `apm.yml` and `plugin.json` beside it, with zero bytes between them:
/// every needed skill has a name, every folder is one of the source, every range is one.
pub fn dependencies(data: &[u8]) {
    let mut texts: Vec<&[u8]> = data.splitn(4, |byte| *byte == 0).collect();
    texts.resize(4, b"");
    let path = |text: &str| RelPath::parse(text.as_bytes()).unwrap_or(RelPath::ROOT);
    let (own, apm, plugin) = (path("skills/me"), path("apm.yml"), path("plugin.json"));
    let folders: SkillFolders = ["skills/me", "skills/other", "far/other"].map(path).into_iter().collect();
    let files = DependencyFiles {
        manifest_name: "SKILL.md",
        manifest: texts[0],
        skill_yaml: Some(texts[1]),
        apm: Some((&apm, texts[2])),
        plugin: Some((&plugin, texts[3])),
    };
    let needs = read_needs(&files, "me", &own, &folders);
    for need in &needs.skills {
        assert!(need.record.name.parse::<SkillName>().is_ok() && need.record.name != "me", "{need:?}");
        assert!(need.record.range.as_ref().is_none_or(|range| range.parse::<semver::VersionReq>().is_ok()));
        assert!(need.record.source.as_ref().is_none_or(|source| Request::parse(source).is_ok()), "{need:?}");
        assert!(need.folder.as_ref().is_none_or(|folder| *folder != own), "{need:?}");
    }
    assert!(needs.faults.iter().all(|fault| !fault.contains(is_unprintable)), "{needs:?}");
}

/// Lines of YAML in a frontmatter that is sound without them: as [`manifest`].
pub fn yaml(data: &[u8]) {
    let (head, tail) = (b"---\nname: folder\ndescription: Does it.\n", b"\n---\n\nDo it.\n");
    manifest(&[head, data, tail].concat());
}

/// What a person types or a file names as a source: a line for it, then one each for `--ref`
/// and `--subdirectory`. Its canonical text means the same, and so does that of every part.
pub fn source(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else { return };
    let mut lines = text.splitn(3, '\n');
    let (text, reference, folder) = (lines.next().unwrap_or_default(), lines.next(), lines.next());
    let _ = Request::bare_name(text);
    if let Ok(request) = Request::parse(text) {
        assert_canonical(&request);
        if let Ok(with) = request.with_flags(reference, None, folder) {
            assert_canonical(&with);
        }
    }
    if let Some(Ok(reference)) = reference.map(Reference::parse) {
        assert_eq!(Reference::parse(&reference.to_string()).as_ref(), Ok(&reference));
    }
}

fn assert_canonical(request: &Request) {
    let text = request.to_string();
    assert_eq!(Request::parse(&text).as_ref(), Ok(request), "{text}");
    assert!(!text.contains(is_unprintable) && !text.starts_with('-'), "{text:?}");
    request.subdirectory.iter().for_each(|folder| assert_inside(folder.as_str()));
    let source = request.source.to_string();
    assert_eq!(source.parse::<Source>().as_ref(), Ok(&request.source), "{source}");
    assert!(request.source.is_same_as(&request.source));
    let name = skill::given_name(None, request.source.default_skill_name(), "source");
    assert!(name.as_str().parse::<SkillName>().is_ok());
    let _ = request.source.display_name();
}

/// A registry: what is written of it is read as the same, and stays so.
pub fn registry(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else { return };
    let Ok(registry) = Registry::parse(text, "registry") else { return };
    let written = registry.to_text();
    let again = Registry::parse(&written, "registry").expect("what is written can be read");
    assert_eq!(again, registry);
    assert_eq!(again.to_text(), written);
    for entry in registry.skills.values() {
        let _ = (entry.pin.to_revision(), entry.pin.short_text(), entry.source.parse::<Source>());
        let _ = entry.reference.as_ref().map(crate::registry::ReferenceRecord::to_reference);
    }
    let overview = RegistrySummary::parse(text, "registry").expect("a part of what can be read");
    assert_eq!(overview.skills.len(), registry.skills.len());
}

/// A byte of choices, then a catalogue, a `plugin.json` or a well-known index: no path leads
/// out, and none that comes from elsewhere names a place of this machine.
pub fn marketplace(data: &[u8]) {
    let Some((choices, text)) = data.split_first() else { return };
    let Ok(text) = std::str::from_utf8(text) else { return };
    let dialect = if choices & 4 == 0 { CatalogDialect::Claude } else { CatalogDialect::Codex };
    let manner = CatalogFormat { dialect, named: choices & 8 == 0, official: choices & 16 == 0 };
    match choices & 3 {
        0 | 1 => {
            assert_findings(
                &market::check_catalog(text, "marketplace.json", manner, Some(&|path| path.len() % 2 == 0)),
                text.as_bytes(),
            );
            if let Ok(catalogue) = Catalog::parse(text, "marketplace.json", manner) {
                assert_catalogue(&catalogue);
            }
        }
        2 => {
            let (manifest, findings) = PluginManifest::read(text, "plugin.json");
            assert_findings(&findings, text.as_bytes());
            let Some(manifest) = manifest else { return };
            manifest.skills.iter().flatten().for_each(|path| assert_inside(path.as_str()));
            let root = EntrySource::Relative { path: RelPath::ROOT };
            assert_skills(&CatalogEntry::from_index("p", None, root), Some(&manifest));
        }
        _ => {
            let url = Url::parse("https://example.com/.well-known/agent-skills/index.json");
            let served = market::read_well_known(text, &url.expect("a URL"));
            served.iter().for_each(|served| assert_catalogue(&served.catalogue));
        }
    }
}

fn assert_catalogue(catalogue: &Catalog) {
    let names = catalogue.plugins.iter().map(|plugin| &plugin.name).chain(catalogue.renames.keys());
    for name in names {
        let _ = catalogue.find_entry(name);
    }
    for plugin in &catalogue.plugins {
        plugin.skills.iter().flatten().for_each(|path| assert_inside(path.as_str()));
        assert_skills(plugin, None);
        let Ok(source) = plugin.usable_source() else { continue };
        match source.to_requirement(false) {
            Ok(EntryRequirement::Inside(path)) => assert_inside(path.as_str()),
            Ok(EntryRequirement::Elsewhere { request, .. }) => assert_elsewhere(&request),
            Ok(EntryRequirement::Npm { .. }) | Err(_) => {}
        }
    }
}

/// What a catalogue of another machine may name.
fn assert_elsewhere(request: &Request) {
    let address = match &request.source {
        Source::Git { url } | Source::Served { url } => url,
        Source::Archive { location } => location,
        Source::Github { .. } | Source::Gitlab { .. } | Source::Bitbucket { .. } => return,
        other => panic!("`{other}` is a place of this machine"),
    };
    let is_scp = matches!(request.source, Source::Git { .. })
        && address.split_once(':').is_some_and(|(host, _)| host.contains('@') && !host.contains('/'));
    let is_url = address.starts_with("https://") || address.starts_with("ssh://");
    assert!(is_url || is_scp, "`{address}` is a place of this machine");
}

/// The skills that an entry has in a small tree are folders of it.
fn assert_skills(plugin: &CatalogEntry, manifest: Option<&PluginManifest>) {
    let listing = Listing::new(
        ["SKILL.md", "a/SKILL.md", "skills/b/SKILL.md", "skills/c/skill.md"]
            .map(|path| FileEntry {
                path: RelPath::parse(path.as_bytes()).expect("a sound path"),
                node: Node::File { executable: false },
                size: 1,
                slot: 0,
            })
            .into(),
    );
    for root in [RelPath::ROOT, RelPath::ROOT.child("skills")] {
        let top = RelPath::ROOT;
        let scan = EntryScan { listing: &listing, root: &root, top: &top, is_marketplace: plugin.strict };
        let Ok(found) = market::resolve_skills(plugin, manifest, scan) else { continue };
        for folder in &found.folders {
            assert_inside(folder.as_str());
            assert!(listing.has_folder(folder), "{folder}");
        }
        let mut skills = discover::find_skills(&listing, &root);
        discover::include_listed(&listing, &found.folders, &mut skills);
    }
}

/// A byte of choices, then a lock file of another tool, or what it wrote into a manifest: what is
/// imported can be asked for.
pub fn interop(data: &[u8]) {
    let Some((choices, text)) = data.split_first() else { return };
    let Ok(text) = std::str::from_utf8(text) else { return };
    let file = ["skills-lock.json", ".skill-lock.json", "apm.lock.yaml"][usize::from(choices % 3)];
    let _ = locks::read_installed_plugins("installed_plugins.json", text);
    let _ = locks::read_known_marketplaces("known_marketplaces.json", text);
    let limits = Limits::default();
    let _ = locks::differs_by_gh_metadata_alone(text.as_bytes(), text.as_bytes(), &limits);
    let front =
        skill::read_manifest("SKILL.md", None, text.as_bytes(), Profile::Install, &limits).frontmatter;
    if let Some(Ok(named)) = front.and_then(|front| locks::read_gh_metadata("pdf", &front)) {
        assert_canonical(&named.request);
    }
    let Ok(import) = locks::read_lock_file(file, text) else { return };
    import.skills.iter().for_each(|skill| assert_canonical(&skill.request));
}

/// A query, a line feed, then texts of documents: what matches is a part of the text.
pub fn search(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else { return };
    let (query, texts) = text.split_once('\n').unwrap_or((text, text));
    let query = SearchQuery::parse(query);
    let document = |text| SearchDocument {
        name: Cow::Borrowed("name"),
        description: Cow::Borrowed(text),
        ..SearchDocument::default()
    };
    let documents: Vec<SearchDocument<'_>> = texts.lines().map(document).collect();
    let index = find::build_index(&documents);
    let Some(index) = find::SearchIndex::read(&index) else { panic!("a new index cannot be read") };
    for hit in find::rank_documents(&[index], &query).hits {
        assert!(hit.score.is_finite() && hit.at < documents.len());
    }
    for range in query.matched_ranges(texts) {
        assert!(texts.get(range).is_some_and(|part| !part.is_empty()));
    }
    find::suggest_words(&documents, texts);
}

/// What stands behind the checksum of a search index: whatever it says, nothing panics.
pub fn search_index(data: &[u8]) {
    find::read_anything(data);
}

/// Two files, the first of half the bytes: their diff can be printed.
pub fn diff(data: &[u8]) {
    let (old, new) = data.split_at(data.len() / 2);
    for (old, new) in [(old, new), (data, new), (old, data)] {
        let text = lines::unified_diff("SKILL.md", old, new);
        assert_eq!(text.is_empty(), old == new);
        assert!(!text.contains(|c| is_unprintable(c) && c != '\n' && c != '\t'), "{text:?}");
    }
}

/// A file of a log: whatever is read of it is written alike, and no path leads elsewhere.
pub fn transparency_log(data: &[u8]) {
    if let Ok(note) = SignedNote::parse(data) {
        assert_eq!(SignedNote::parse(note.to_string().as_bytes()), Ok(note.clone()));
        if let Ok(checkpoint) = note.text().parse::<Checkpoint>() {
            assert!(note.text().starts_with(&checkpoint.to_string()));
            // Tiles of the right length and any content make no tree.
            let read =
                |tile: &LogTile| Ok(data.iter().copied().cycle().take(32 * tile.width as usize).collect());
            let edge = LogEdge::read(&checkpoint, &mut { read });
            assert!(edge.is_ok() == (checkpoint.size == 0));
        }
    }
    if let Ok(leaves) = read_bundle(data)
        && let Ok(bytes) = write_bundle(leaves)
    {
        assert_eq!(bytes, data);
    }
    if let Ok(Some(event)) = read_event(data) {
        let bytes = write_event(&event).map(|bytes| read_event(&bytes));
        assert!(bytes.is_err() || bytes == Ok(Ok(Some(event))));
    }
    let text = String::from_utf8_lossy(data);
    if let Ok(tile) = text.parse::<LogTile>() {
        assert_eq!(tile.to_string(), text);
        assert_inside(&text);
    }
    if let Ok(key) = text.parse::<VerifierKey>() {
        assert_eq!(key.to_string().parse(), Ok(key));
    }
    if let Ok(event) = LogEvent::publication(&text)
        && let Ok(bytes) = write_event(&event)
    {
        assert_eq!(read_event(&bytes), Ok(Some(event)));
    }
}

#[cfg(test)]
mod tests {
    #[test]
    fn every_target_runs_over_its_seeds_and_what_is_near_them() {
        ba_agent_test_support::run_near_seeds(super::TARGETS);
    }
}
