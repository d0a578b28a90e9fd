//! What is published: whether it may be, and what its line says. The same for who publishes and
//! for the server that takes it, which believes nothing and looks for itself.

use jiff::Timestamp;
use semver::{Version, VersionReq};

use super::description::PublishingLimits;
use super::published_version::{LINE_FORM, PublishedDependency, PublishedSource, PublishedVersion};
use super::scoped_name::ScopedName;
use crate::dependency::{DependencyFiles, SkillFolders, SkillNeed, read_needs};
use crate::digest::Digest;
use crate::error::{Result, error, printable};
use crate::listing::{FileEntry, Limits, Node, check_portable};
use crate::package::{Package, PackageDir};
use crate::path::RelPath;
use crate::skill::{self, Finding, MANIFEST, Profile, Severity, SkillManifest};
use crate::text::shorten_text;
use crate::version::parse_label;

/// The file beside a manifest that says of other programs what a skill needs.
const SKILL_YAML: &str = "skill.yaml";

/// Who publishes what, and when.
#[derive(Debug, Clone)]
pub struct Publication<'a> {
    pub name: &'a ScopedName,
    pub version: &'a Version,
    /// The bytes of the archive, as they are served.
    pub archive: &'a [u8],
    pub published_at: Timestamp,
    /// Who publishes it.
    pub by: Option<&'a str>,
    pub source: Option<PublishedSource>,
}

/// The findings about a skill under the name and version that it would be published as. One of
/// [`Severity::Error`] blocks; the others are shown.
///
/// The skill lies at the top of `package`. It must keep the open specification to the letter, say
/// the same name and, if it says one, the same version, and hold no hidden text, private key or
/// token.
///
/// # Errors
/// Those of reading its files.
pub fn check_publication(
    package: &Package,
    name: &ScopedName,
    version: &Version,
    limits: &PublishingLimits,
) -> Result<Vec<Finding>> {
    let root = RelPath::ROOT;
    let skill = package.dir(&root);
    let entries = skill.entries();
    let limits = reading_limits(limits);
    let mut findings = skill::check_files(&entries, Profile::Lint);
    if let Err(error) = check_portable(&entries, &limits) {
        findings.push(skill::not_installable(&error.message));
        return Ok(findings);
    }
    for entry in entries.iter().filter(|entry| matches!(entry.node, Node::File { .. })) {
        let bytes = skill.read(entry)?;
        if entry.path.as_str() == MANIFEST {
            findings.splice(0..0, check_manifest(&bytes, &entries, name, version, &limits));
        } else {
            findings.extend(skill::check_text(entry.path.as_str(), &bytes, Profile::Lint));
        }
        findings.extend(skill::check_secrets(entry.path.as_str(), &bytes, Profile::Lint));
        findings.extend(skill::find_credentials(entry.path.as_str(), &bytes));
    }
    if !entries.iter().any(|entry| entry.path.as_str() == MANIFEST) {
        findings.push(blocking_finding("published-manifest", 1, "there is no SKILL.md".to_owned(), ""));
    }
    for finding in &mut findings {
        // What somebody installs from elsewhere may be strange; what is published stays for ever.
        if matches!(finding.code, "secret-file" | "bidi-control-in-file") {
            finding.severity = Severity::Error;
        }
    }
    Ok(findings)
}

fn reading_limits(limits: &PublishingLimits) -> Limits {
    Limits {
        unpacked: limits.unpacked,
        file: limits.unpacked,
        skill_files: limits.files,
        ..Limits::default()
    }
}

fn check_manifest(
    bytes: &[u8],
    entries: &[FileEntry],
    name: &ScopedName,
    version: &Version,
    limits: &Limits,
) -> Vec<Finding> {
    let own = name.name().as_str();
    let manifest = skill::read_manifest(MANIFEST, None, bytes, Profile::Lint, limits);
    let mut findings = manifest.findings;
    findings.extend(skill::check_body(MANIFEST, bytes, manifest.body_starts_line, entries, Profile::Lint));
    let Some(front) = manifest.frontmatter else { return findings };
    if front.name.as_deref().is_some_and(|written| written != own) {
        let written = printable(&shorten_text(front.name.as_deref().unwrap_or_default(), 80), false);
        findings.push(blocking_finding(
            "published-name",
            line_of_key(bytes, "name"),
            format!("the skill calls itself `{written}`, expected `{own}`"),
            "publish it under the name that it has, or change its `name`",
        ));
    }
    if let Some(label) = front.version.as_deref().filter(|label| parse_label(label).as_ref() != Some(version))
    {
        let label = printable(&shorten_text(label, 80), false);
        findings.push(blocking_finding(
            "published-version",
            line_of_key(bytes, "version"),
            format!("the skill calls itself version `{label}`, expected `{version}`"),
            "change its `version`, or leave it out: the registry says which version it is",
        ));
    }
    findings
}

fn blocking_finding(code: &'static str, line: usize, message: String, help: &str) -> Finding {
    let (file, help) = (MANIFEST.to_owned(), help.to_owned());
    Finding { code, severity: Severity::Error, file, line, column: 1, message, help }
}

/// The line on which a key of the frontmatter stands, by its text.
fn line_of_key(bytes: &[u8], key: &str) -> usize {
    let text = String::from_utf8_lossy(bytes);
    let is_key = |line: &str| {
        line.trim_start().strip_prefix(key).is_some_and(|rest| rest.trim_start().starts_with(':'))
    };
    text.lines().position(is_key).map_or(1, |at| at + 1)
}

/// The line of a published skill, which lies at the top of `package`: all of it is computed here
/// out of the files.
///
/// # Errors
/// `Invalid` where its `SKILL.md` cannot be read; those of reading its files.
pub fn describe_publication(package: &Package, publication: Publication<'_>) -> Result<PublishedVersion> {
    let root = RelPath::ROOT;
    let skill = package.dir(&root);
    let entries = skill.entries();
    let manifest = entries.iter().find(|entry| entry.path.as_str() == MANIFEST);
    let bytes = manifest.map(|entry| skill.read(entry)).transpose()?.unwrap_or_default();
    let SkillManifest { frontmatter, findings, .. } =
        skill::read_manifest(MANIFEST, None, &bytes, Profile::Lint, &Limits::default());
    let Some(front) = frontmatter else {
        let first = findings.first().map(ToString::to_string).unwrap_or_default();
        return Err(error!(Invalid, "the skill's SKILL.md cannot be read").cause(first));
    };
    let size = |entries: &[FileEntry]| entries.iter().fold(0_u64, |sum, one| sum.saturating_add(one.size));
    let published_at = Timestamp::from_second(publication.published_at.as_second());
    Ok(PublishedVersion {
        v: LINE_FORM,
        name: publication.name.clone(),
        version: publication.version.clone(),
        digest: Digest::of(publication.archive),
        size: publication.archive.len() as u64,
        tree: skill.digest()?,
        unpacked: size(&entries),
        files: entries.len() as u64,
        description: front.description.clone(),
        deps: list_dependencies(skill, &entries, &bytes, publication.name)?,
        grants: front.allowed_tools.clone(),
        hooks: front.hooks,
        scripts: entries
            .iter()
            .filter(|one| skill::is_program(one))
            .map(|one| one.path.to_string())
            .collect(),
        license: front.license.clone(),
        category: front.category.clone(),
        tags: front.tags.clone(),
        source: publication.source,
        published_at: published_at.unwrap_or(publication.published_at),
        by: publication.by.map(str::to_owned),
        leaf: None,
        yanked: false,
        yank_reason: None,
        removed: None,
    })
}

/// The published skills that it needs. A name alone is one of the same owner, as it is one of the
/// same repository elsewhere; what comes from another place is not the registry's to tell.
fn list_dependencies(
    skill: PackageDir<'_>,
    entries: &[FileEntry],
    manifest: &[u8],
    name: &ScopedName,
) -> Result<Vec<PublishedDependency>> {
    let beside = entries.iter().find(|entry| entry.path.as_str() == SKILL_YAML);
    let beside = beside.map(|entry| skill.read(entry)).transpose()?;
    let files = DependencyFiles {
        manifest_name: MANIFEST,
        manifest,
        skill_yaml: beside.as_deref(),
        ..DependencyFiles::default()
    };
    let needs = read_needs(&files, name.name().as_str(), &RelPath::ROOT, &SkillFolders::default());
    let required = needs.skills.iter().filter(|need| !need.record.optional);
    let mut deps: Vec<PublishedDependency> =
        required.filter_map(|need| published_dependency(need, name)).collect();
    deps.sort_by(|a, b| a.name.cmp(&b.name));
    deps.dedup_by(|a, b| a.name == b.name);
    Ok(deps)
}

fn published_dependency(need: &SkillNeed, of: &ScopedName) -> Option<PublishedDependency> {
    let record = &need.record;
    let name = match (&record.source, &record.marketplace) {
        (None, None) => ScopedName::new(of.owner().clone(), record.name.parse().ok()?).ok()?,
        (Some(source), None) => source.split('#').next()?.parse().ok()?,
        _ => return None,
    };
    let range = record.range.as_deref().unwrap_or("*");
    Some(PublishedDependency { name, req: VersionReq::parse(range).ok()? })
}
