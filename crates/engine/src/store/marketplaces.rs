//! World: the marketplaces of a scope (`skills_marketplaces.json`). The file is changed under a
//! lock, as a whole. The catalogues themselves are in the cache, and may vanish at any time.

use std::collections::BTreeMap;
use std::path::Path;
use std::time::Duration;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::lock::Lock;
use ba_agent_core::error::{Context as _, Error, Kind, Result, error, printable};
use ba_agent_core::registry::RevisionRecord;
use ba_agent_core::schema::{self, schema_address};
use ba_agent_core::text::find_nearest;
use ba_agent_system::fsx;

/// The version that this program writes; a newer major one is refused.
const SCHEMA_VERSION: &str = "1.0";
/// The largest file that is read.
const LARGEST: u64 = 16 << 20;

/// The document.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct MarketplacesFile {
    /// For editors. Whatever a file has here stays, also nothing.
    #[serde(rename = "$schema", default, skip_serializing_if = "Option::is_none")]
    schema: Option<Value>,
    schema_version: String,
    #[serde(default)]
    marketplaces: BTreeMap<String, RegisteredMarketplace>,
    #[serde(flatten)]
    extra: BTreeMap<String, Value>,
}

impl Default for MarketplacesFile {
    fn default() -> Self {
        Self {
            schema: Some(schema_address(schema::MARKETPLACES).into()),
            schema_version: SCHEMA_VERSION.to_owned(),
            marketplaces: BTreeMap::new(),
            extra: BTreeMap::new(),
        }
    }
}

/// One registered marketplace. There is no place for a token in it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct RegisteredMarketplace {
    /// Canonical text of where it is.
    pub source: String,
    /// The catalogue in it, from its top: a file of the tree, or the URL of an index. Absent
    /// for a plain repository of skills.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) manifest: Option<String>,
    /// A person chose that file, so that it is not looked for again.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub named: bool,
    #[serde(default = "enabled_by_default")]
    pub enabled: bool,
    /// Which state the cached copy is of.
    pub pin: RevisionRecord,
    pub(crate) fetched_at: Timestamp,
    /// When the commit of that state was made; absent for what is no repository.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) committed_at: Option<Timestamp>,
    /// How many entries the catalogue has in that state: what `marketplace list` shows, whatever
    /// the cache holds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) entries: Option<usize>,
    #[serde(flatten)]
    pub(crate) extra: BTreeMap<String, Value>,
}

fn enabled_by_default() -> bool {
    true
}

/// The registered marketplaces that a command sees: those of its scope, and behind them the
/// user's, whose names a project may take for others.
#[derive(Debug, Clone, Default)]
pub struct Marketplaces {
    own: BTreeMap<String, RegisteredMarketplace>,
    /// The user's, as a project sees them.
    behind: BTreeMap<String, RegisteredMarketplace>,
}

impl Marketplaces {
    /// Reads `file` and the user's file behind it.
    ///
    /// # Errors
    /// `Invalid` for a damaged file, with the line; it is never taken for an empty one.
    pub(crate) fn read(file: &Path, behind: Option<&Path>) -> Result<Self> {
        let behind = match behind.filter(|behind| *behind != file) {
            Some(behind) => read(behind)?.marketplaces,
            None => BTreeMap::new(),
        };
        Ok(Self { own: read(file)?.marketplaces, behind })
    }

    /// Rewrites where the user's marketplaces are, as a project sees them.
    pub(crate) fn map_users(&mut self, map: impl Fn(&str) -> Option<String>) {
        for known in self.behind.values_mut() {
            if let Some(source) = map(&known.source) {
                known.source = source;
            }
        }
    }

    /// All of them by name.
    pub(crate) fn all(&self) -> impl Iterator<Item = (&String, &RegisteredMarketplace)> {
        let hidden = |name: &&String| !self.own.contains_key(*name);
        self.own.iter().chain(self.behind.iter().filter(move |(name, _)| hidden(name)))
    }

    /// Those that are searched and installed from.
    pub(crate) fn enabled(&self) -> impl Iterator<Item = (&String, &RegisteredMarketplace)> {
        self.all().filter(|(_, marketplace)| marketplace.enabled)
    }

    /// True for one of this very scope, which commands may change.
    pub(crate) fn is_own(&self, name: &str) -> bool {
        self.own.contains_key(name)
    }

    /// The names that this scope takes over from the user's, with both sources: whoever wrote
    /// the project may mean another place than the user who knows the name.
    pub(crate) fn hidden_by_project(
        &self,
    ) -> impl Iterator<Item = (&str, &RegisteredMarketplace, &RegisteredMarketplace)> {
        let both =
            self.own.iter().filter_map(|(name, own)| Some((name.as_str(), own, self.behind.get(name)?)));
        both.filter(|(_, own, behind)| own.source != behind.source)
    }

    /// The marketplace of this name.
    ///
    /// # Errors
    /// `NotFound`, with the nearest name.
    pub(crate) fn get(&self, name: &str) -> Result<&RegisteredMarketplace> {
        self.own.get(name).or_else(|| self.behind.get(name)).ok_or_else(|| self.unknown(name))
    }

    fn unknown(&self, name: &str) -> Error {
        let shown = printable(name, false);
        let error = error!(NotFound, "no marketplace named `{shown}` is registered");
        match find_nearest(name, self.all().map(|(name, _)| name.as_str())) {
            Some(near) => error.hint(format!("did you mean `{near}`?")),
            None => error.hint(format!("register it with `ba-agent marketplace add {shown} SOURCE`")),
        }
    }
}

/// Changes the file of a scope: reads it under `lock`, lets `change` have it, writes it
/// back as a whole if it is another one now.
///
/// # Errors
/// `Conflict` when the lock is not free within `wait`, those of `change`, and `Failed` for
/// a disk that cannot be written.
pub(crate) fn change<T>(
    file: &Path,
    lock: &Path,
    wait: Duration,
    waiting: &dyn Fn(&str),
    change: impl FnOnce(&mut BTreeMap<String, RegisteredMarketplace>) -> Result<T>,
) -> Result<T> {
    let lock = Lock::take(lock, wait, waiting)?;
    let folder = fsx::parent(file);
    if let Some(in_the_way) = fsx::file_in_the_way(folder) {
        return Err(error!(
            Conflict,
            "`{}` is not a folder, so the list of marketplaces cannot be stored in it",
            in_the_way.display()
        )
        .cause(format!("the list is `{}`", file.display()))
        .hint("move it away; the list stands beside the registry, for which there is the setting `skills.registry`"));
    }
    let made = fsx::create_folders(folder)
        .context(|| format!("the folder of the marketplaces, `{}`, cannot be created", folder.display()))?;
    let outcome = rewrite(file, change);
    if outcome.is_err() {
        fsx::remove_empty(&made);
    }
    lock.release();
    outcome
}

fn rewrite<T>(
    file: &Path,
    change: impl FnOnce(&mut BTreeMap<String, RegisteredMarketplace>) -> Result<T>,
) -> Result<T> {
    let mut document = read(file)?;
    let before = document.clone();
    let value = change(&mut document.marketplaces)?;
    if document != before {
        let mut text = serde_json::to_string_pretty(&document).unwrap_or_default();
        text.push('\n');
        fsx::write_atomic(file, text.as_bytes())?;
    }
    Ok(value)
}

fn read(file: &Path) -> Result<MarketplacesFile> {
    match fsx::read_plain_file(file, LARGEST)? {
        Some(bytes) => parse(&bytes, file),
        None => Ok(MarketplacesFile::default()),
    }
}

fn parse(bytes: &[u8], file: &Path) -> Result<MarketplacesFile> {
    let shown = file.display();
    let document: MarketplacesFile = serde_json::from_slice(bytes).map_err(|e| {
        error!(Invalid, "`{shown}` is not a valid list of marketplaces: line {}, column {}", e.line(), e.column())
            .cause(e)
            .hint("restore it from version control, or move it away and add the marketplaces again; it was not changed")
    })?;
    match document.schema_version.split('.').next().and_then(|major| major.parse::<u64>().ok()) {
        Some(1) => Ok(document),
        _ => Err(Error::new(
            Kind::Conflict,
            format!(
                "`{shown}` has schema version {}; this program knows 1",
                printable(&document.schema_version, false)
            ),
        )
        .hint("update ba-agent; the file was not changed")),
    }
}

/// Whatever the bytes: what is read is written and read alike.
#[cfg(any(test, fuzzing))]
pub(crate) fn check_any(data: &[u8]) {
    let file = Path::new("skills_marketplaces.json");
    let Ok(document) = parse(data, file) else { return };
    let text = serde_json::to_vec_pretty(&document).unwrap_or_default();
    let again = parse(&text, file).expect("what was written can be read");
    assert_eq!(again, document);
    let all = Marketplaces { own: document.marketplaces.clone(), behind: document.marketplaces };
    assert_eq!(all.hidden_by_project().count(), 0);
    assert!(all.all().all(|(name, _)| all.get(name).is_ok()));
}

#[cfg(test)]
mod tests {
    use super::*;

    fn marketplace(source: &str) -> RegisteredMarketplace {
        RegisteredMarketplace {
            source: source.to_owned(),
            manifest: None,
            named: false,
            enabled: true,
            pin: RevisionRecord { commit: Some("a".repeat(40)), ..RevisionRecord::default() },
            fetched_at: Timestamp::UNIX_EPOCH,
            committed_at: None,
            entries: Some(1),
            extra: BTreeMap::new(),
        }
    }

    /// A lock that is not in the folder of the file.
    fn lock(file: &Path) -> std::path::PathBuf {
        let hash = ba_agent_core::digest::sha256_hex(file.as_os_str().as_encoded_bytes());
        file.ancestors().nth(2).unwrap().join("locks").join(&hash[..8])
    }

    fn put(file: &Path, name: &str) -> Result<()> {
        change(file, &lock(file), Duration::ZERO, &|_| (), |all| {
            all.insert(name.to_owned(), marketplace("github:o/r"));
            Ok(())
        })
    }

    #[test]
    fn a_change_is_whole_or_is_none() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("config/skills_marketplaces.json");
        assert!(
            change(&file, &lock(&file), Duration::ZERO, &|_| (), |_| -> Result<()> {
                Err(error!(Failed, "no"))
            })
            .is_err()
        );
        assert!(!file.parent().unwrap().exists());
        put(&file, "one").unwrap();
        let before = std::fs::read(&file).unwrap();
        for step in 1..4 {
            fsx::fault::arm_thread(Some(step));
            let outcome = put(&file, "two");
            fsx::fault::disarm_thread();
            assert!(outcome.is_err(), "step {step}");
            assert_eq!(std::fs::read(&file).unwrap(), before, "step {step}");
        }
        assert_eq!(std::fs::read_dir(file.parent().unwrap()).unwrap().count(), 1);
    }

    #[test]
    fn unknown_keys_stay_and_damage_is_told() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("m.json");
        std::fs::write(&file, r#"{"schema_version":"1.7","later":1,"marketplaces":{}}"#).unwrap();
        put(&file, "one").unwrap();
        assert!(std::fs::read_to_string(&file).unwrap().contains("\"later\": 1"));
        for (text, kind) in
            [("{", Kind::Invalid), (r#"{"schema_version":"2.0"}"#, Kind::Conflict), ("{}", Kind::Invalid)]
        {
            std::fs::write(&file, text).unwrap();
            assert_eq!(Marketplaces::read(&file, None).unwrap_err().kind, kind, "{text}");
            assert!(put(&file, "x").is_err());
            assert_eq!(std::fs::read_to_string(&file).unwrap(), text);
        }
    }

    #[test]
    fn a_projects_own_go_before_the_users() {
        let dir = tempfile::tempdir().unwrap();
        let (own, user) = (dir.path().join("p.json"), dir.path().join("u.json"));
        put(&own, "a").unwrap();
        put(&user, "a").unwrap();
        put(&user, "b").unwrap();
        let all = Marketplaces::read(&own, Some(&user)).unwrap();
        assert_eq!(all.all().map(|(name, _)| name.as_str()).collect::<Vec<_>>(), ["a", "b"]);
        assert!(all.is_own("a") && !all.is_own("b"));
        assert_eq!(all.get("c").unwrap_err().kind, Kind::NotFound);
    }
}
