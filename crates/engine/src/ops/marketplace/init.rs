//! `marketplace init`: a catalogue out of a folder of skills, or one brought up to date.

use std::path::{Path, PathBuf};

use serde_json::Value;

use crate::fetch::local;
use crate::workspace::{Observer, Workspace};
use ba_agent_core::catalog::{
    Catalog, CatalogChange, CatalogFormat, CatalogHead, CatalogSkill, MANIFESTS, MAX_BYTES, empty_catalog,
    update_catalog,
};
use ba_agent_core::discover::{self, FoundSkill, UnnamedSkill};
use ba_agent_core::error::{Result, error, printable};
use ba_agent_core::listing::Limits;
use ba_agent_core::package::Package;
use ba_agent_core::path::RelPath;
use ba_agent_core::skill::{self, Frontmatter, Profile, Severity, SkillName};
use ba_agent_net::git_config::GitConfig;
use ba_agent_system::env::Env;
use ba_agent_system::fsx;

/// The catalogue that is wanted.
#[derive(Debug, Default)]
pub struct CatalogInitOptions {
    /// The folder of skills, from the working directory.
    pub dir: PathBuf,
    /// What the catalogue says of itself; what is absent stays as it is, and for a new one is
    /// taken from the folder and the user's git configuration.
    pub head: CatalogHead,
    /// Write nothing: say only what would change.
    pub check: bool,
    /// Replace a file that is not a catalogue.
    pub force: bool,
}

/// A folder whose skill is not valid, seen from that of the catalogue, and the first reason.
pub(super) type LeftOutSkill = (String, String);

/// What was done, or is to be done.
#[derive(Debug)]
pub struct CatalogInitReport {
    /// The file, as the person would name it.
    pub file: PathBuf,
    pub name: String,
    pub entries: usize,
    /// Nothing where it is current.
    pub changes: Vec<CatalogChange>,
    pub left_out: Vec<LeftOutSkill>,
    pub written: bool,
}

/// Writes `.claude-plugin/marketplace.json` for the skills of a folder, or brings it up to date:
/// an entry for each skill that no other entry has, and none for a skill that is gone.
///
/// # Errors
/// `NotFound` for a folder without a skill; `Usage` where nobody says who owns it, and for a name
/// that a marketplace cannot have; `Conflict` for a file that is not a catalogue, for one
/// that lies outside of the folder, and for two entries of one name; `Failed` for what cannot be
/// read or written.
pub fn init(
    workspace: &Workspace,
    options: &CatalogInitOptions,
    observer: &dyn Observer,
) -> Result<CatalogInitReport> {
    let settings = workspace.settings()?;
    let folder = workspace.env().absolute(&options.dir);
    let package = local::open_folder(&folder, &[], &settings.limits)?;
    let file = folder.join(MANIFESTS[0].0);
    check_inside(&folder, &file, &options.dir)?;
    let (mut document, is_new) = read_document(&file, options)?;
    let (skills, left_out) = find_catalog_skills(&package, &folder, &settings.limits)?;
    if skills.is_empty() {
        let shown = printable(&options.dir.to_string_lossy(), false);
        return Err(error!(NotFound, "there is no valid skill in `{shown}`")
            .hint("make a new skill with `ba-agent skill init NAME`, or see what is wrong with `ba-agent skill validate`"));
    }
    let head = complete_head(&document, options, &folder, workspace.env(), observer)?;
    let present = if is_new { None } else { Some(parse_present(&document, &file)?) };
    let read = present.as_ref().map(|catalogue| (catalogue, &package.listing));
    let changes = update_catalog(&mut document, &head, &skills, read)?;
    let written = !options.check && !changes.is_empty();
    if written {
        write_document(&file, &document)?;
    }
    Ok(CatalogInitReport {
        file: options.dir.join(MANIFESTS[0].0),
        name: document["name"].as_str().unwrap_or_default().to_owned(),
        entries: document["plugins"].as_array().map_or(0, Vec::len),
        changes,
        left_out,
        written,
    })
}

/// Checks that writing the file writes into the folder: a project may have put a link in its way.
fn check_inside(folder: &Path, file: &Path, shown: &Path) -> Result<()> {
    let real = fsx::real_path(folder);
    if fsx::real_path(fsx::parent(file)).starts_with(&real) && fsx::real_path(file).starts_with(&real) {
        return Ok(());
    }
    let shown = printable(&shown.join(MANIFESTS[0].0).to_string_lossy(), false);
    Err(error!(Conflict, "`{shown}` leads out of its folder through a link").hint("remove the link first"))
}

/// The catalogue that is there, or an empty one.
fn read_document(file: &Path, options: &CatalogInitOptions) -> Result<(Value, bool)> {
    let Some(bytes) = fsx::read_plain_file(file, MAX_BYTES)? else { return Ok((empty_catalog(), true)) };
    match serde_json::from_slice::<Value>(&bytes) {
        Ok(document) if document.get("plugins").is_some_and(Value::is_array) => Ok((document, false)),
        _ if options.force => Ok((empty_catalog(), true)),
        read => {
            let shown = printable(&options.dir.join(MANIFESTS[0].0).to_string_lossy(), false);
            let error = error!(Conflict, "`{shown}` is not a catalogue, so it is not changed")
                .hint("move it away, or replace it with `--force`");
            Err(match read {
                Err(cause) => error.cause(cause),
                Ok(_) => error.cause("expected an object with a list `plugins`"),
            })
        }
    }
}

fn parse_present(document: &Value, file: &Path) -> Result<Catalog> {
    let manner = CatalogFormat::of(MANIFESTS[0].0, false);
    let mut named = document.clone();
    // What is missing is written in a moment; it must not keep the entries from being read.
    for (key, value) in [("name", serde_json::json!("x")), ("owner", serde_json::json!({ "name": "x" }))] {
        if let Some(top) = named.as_object_mut() {
            top.entry(key).or_insert(value);
        }
    }
    Catalog::parse(&named.to_string(), &file.to_string_lossy(), manner)
}

/// The skills that are offered to others, each with a name of its own. What lies in hidden
/// folders at the top is there for the project's own agents, and counts where there is nothing else.
fn find_catalog_skills(
    package: &Package,
    folder: &Path,
    limits: &Limits,
) -> Result<(Vec<CatalogSkill>, Vec<LeftOutSkill>)> {
    let found = discover::find_skills(&package.listing, &RelPath::ROOT);
    let offered: Vec<&FoundSkill> = found.iter().filter(|one| one.offered).collect();
    let is_open = |one: &&&FoundSkill| !one.folder.as_str().starts_with('.');
    let open: Vec<&FoundSkill> = offered.iter().filter(is_open).copied().collect();
    let chosen = if open.is_empty() { offered } else { open };
    let mut read: Vec<(&FoundSkill, Frontmatter)> = Vec::new();
    let mut left_out = Vec::new();
    for one in chosen {
        match read_frontmatter(package, one, limits)? {
            Ok(front) => read.push((one, front)),
            Err(reason) => left_out.push((one.folder.to_string(), reason)),
        }
    }
    let source_name = folder.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
    let unnamed: Vec<UnnamedSkill<'_>> = read
        .iter()
        .map(|(one, front)| UnnamedSkill { folder: &one.folder, written: front.name.as_deref() })
        .collect();
    let names = discover::name_all(&unnamed, &source_name);
    let skills = read.iter().zip(names).map(|((one, front), (name, _))| CatalogSkill {
        folder: one.folder.clone(),
        name: name.to_string(),
        description: front.description.split_whitespace().collect::<Vec<_>>().join(" "),
        version: front.version.clone(),
    });
    Ok((skills.collect(), left_out))
}

/// What a skill says of itself, or the first reason why it cannot be installed.
fn read_frontmatter(
    package: &Package,
    one: &FoundSkill,
    limits: &Limits,
) -> Result<std::result::Result<Frontmatter, String>> {
    let path = one.manifest_path();
    let Some(entry) = package.listing.entry_at(&path) else { return Ok(Err("its SKILL.md is gone".into())) };
    if entry.size > limits.manifest {
        return Ok(Err(format!("its SKILL.md has more than {} bytes", limits.manifest)));
    }
    let bytes = package.read(entry)?;
    let name = one.folder.last_name();
    let document = skill::read_manifest(&one.manifest, name, &bytes, Profile::Install, limits);
    let fault = document.findings.iter().find(|finding| finding.severity == Severity::Error);
    Ok(match (fault, document.frontmatter) {
        (None, Some(front)) => Ok(front),
        (fault, _) => {
            Err(fault.map_or_else(|| "it has no frontmatter".to_owned(), |fault| fault.message.clone()))
        }
    })
}

/// Name and owner of a catalogue that has none: the folder's name, the user of git.
fn complete_head(
    document: &Value,
    options: &CatalogInitOptions,
    folder: &Path,
    env: &Env,
    observer: &dyn Observer,
) -> Result<CatalogHead> {
    let mut head = options.head.clone();
    if head.name.is_none() && document.get("name").and_then(Value::as_str).is_none() {
        let real = fsx::real_path(folder);
        let name = real.file_name().and_then(|name| SkillName::nearest_to(&name.to_string_lossy()));
        head.name = name.map(|name| name.as_str().replace('_', "-"));
    }
    let Some(name) = head.name.as_deref().or_else(|| document.get("name").and_then(Value::as_str)) else {
        return Err(error!(Usage, "the marketplace needs a name").hint("write `--name NAME`"));
    };
    super::check_name(name)?;
    if ba_agent_core::catalog::is_reserved_name(name) {
        let text = format!("`{name}` is a name that Anthropic keeps to itself: Claude Code refuses it");
        observer.notice(crate::workspace::Notice::Warning(&text));
    }
    if head.owner.is_none() && document.pointer("/owner/name").and_then(Value::as_str).is_none() {
        let git = GitConfig::load(env)?;
        let value = |key| git.last_text_of_key("user", key).map(str::to_owned);
        head.owner = value("name");
        head.email = head.email.or_else(|| value("email"));
        if head.owner.is_none() {
            return Err(error!(Usage, "the marketplace has no owner")
                .hint("write `--owner NAME`, or set your name with `git config --global user.name NAME`"));
        }
    }
    Ok(head)
}

fn write_document(file: &Path, document: &Value) -> Result<()> {
    let mut text = serde_json::to_string_pretty(document)
        .map_err(|e| error!(Failed, "the catalogue cannot be written").cause(e))?;
    text.push('\n');
    let made = fsx::create_folders(fsx::parent(file))?;
    let written = fsx::write_atomic(file, text.as_bytes());
    if written.is_err() {
        fsx::remove_empty(&made);
    }
    written
}
