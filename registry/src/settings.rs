//! `registry.yaml`, read strictly: an unknown key is an error that names the line. Each key is also
//! a variable: `auth.read` is `BA_REGISTRY_AUTH_READ`.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use ba_agent_core::error::{Error, Result, error, printable};
use ba_agent_core::text::parse_bytes;
use ipnet::IpNet;
use serde::{Deserialize, Deserializer};
use serde_yaml::{Mapping, Value};
use url::Url;

/// What is set of a registry's server. Every key has a default, so that no file is needed.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct ServerSettings {
    /// Where it answers.
    pub listen: SocketAddr,
    /// Where people and programs reach it; by default where it answers.
    pub url: Option<Url>,
    /// What people call it; by default the host of its address.
    pub name: Option<String>,
    /// Where `/metrics` answers; nowhere by default.
    pub metrics: Option<SocketAddr>,
    /// `sqlite:PATH` or `postgres://…`.
    pub database: String,
    /// A folder, or `s3://BUCKET/PREFIX`.
    pub objects: String,
    /// How archives are handed out.
    pub blobs: BlobSettings,
    /// The key that signs the log.
    pub log_key_file: Option<PathBuf>,
    /// Who may read, and whose builds are believed.
    pub auth: AuthSettings,
    /// What a new version waits for.
    pub hold: HoldMode,
    /// Who looks at new versions.
    pub scan: ScanSettings,
    /// What is taken, and how often.
    pub limits: LimitSettings,
    /// Whose word on a forwarded address counts.
    pub trusted_proxies: Vec<IpNet>,
    /// Where webhooks may lead.
    pub webhooks: WebhookSettings,
}

/// How archives are handed out.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct BlobSettings {
    /// `none`, `presign`, or the address of a CDN over the same files.
    pub redirect: BlobRedirect,
}

/// Where a reader of an archive is sent.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
pub enum BlobRedirect {
    /// Nowhere: the server answers itself.
    #[default]
    None,
    /// To the object store, with an address that is good for some minutes.
    Presign,
    /// To a CDN.
    Cdn(Url),
}

impl TryFrom<String> for BlobRedirect {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        match text.as_str() {
            "none" => Ok(Self::None),
            "presign" => Ok(Self::Presign),
            _ => Url::parse(&text)
                .ok()
                .filter(|url| matches!(url.scheme(), "https" | "http"))
                .map(Self::Cdn)
                .ok_or_else(|| format!("expected `none`, `presign` or an address, found `{text}`")),
        }
    }
}

/// Who may read, and whose builds are believed.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct AuthSettings {
    /// Whether reading wants a token.
    pub read: ReadAccess,
    /// Issuers of tokens of builds.
    pub oidc: Vec<OidcIssuer>,
}

/// Whether reading wants a token.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ReadAccess {
    /// Everybody reads.
    #[default]
    None,
    /// Who has a token that may read.
    Read,
}

/// An issuer of tokens of builds.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct OidcIssuer {
    pub issuer: Url,
    /// What the token must be meant for.
    pub audience: String,
    /// Where the issuer's keys are; found through its description by default.
    #[serde(default)]
    pub jwks: Option<Url>,
}

/// What a new version waits for.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum HoldMode {
    /// Nothing.
    #[default]
    None,
    /// What `scan` says.
    Scan,
    /// An admin.
    Approve,
}

/// Who looks at new versions.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct ScanSettings {
    /// A program and its arguments; the folder of the unpacked skill comes last.
    pub command: Vec<String>,
    /// After this a version stays held.
    #[serde(deserialize_with = "read_duration")]
    pub timeout: Duration,
}

impl Default for ScanSettings {
    fn default() -> Self {
        Self { command: Vec::new(), timeout: Duration::from_secs(60) }
    }
}

/// What is taken, and how often.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct LimitSettings {
    /// Bytes of an archive.
    #[serde(deserialize_with = "read_size")]
    pub archive: u64,
    /// Bytes of its files.
    #[serde(deserialize_with = "read_size")]
    pub unpacked: u64,
    /// How many files it has.
    pub files: usize,
    /// Versions that an owner may publish in an hour.
    pub publish_per_hour: i64,
    /// Requests that read, of one address in a minute.
    pub read_per_minute: u32,
    /// Bytes of files that are kept in memory.
    #[serde(deserialize_with = "read_size")]
    pub memory: u64,
}

impl Default for LimitSettings {
    fn default() -> Self {
        Self {
            archive: 20 << 20,
            unpacked: 50 << 20,
            files: 1_000,
            publish_per_hour: 60,
            read_per_minute: 3_000,
            memory: 32 << 20,
        }
    }
}

/// Where webhooks may lead.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct WebhookSettings {
    /// Also to addresses of this machine and of private networks.
    pub allow_private: bool,
}

impl Default for ServerSettings {
    fn default() -> Self {
        Self {
            listen: SocketAddr::from(([127, 0, 0, 1], 8000)),
            url: None,
            name: None,
            metrics: None,
            database: "sqlite:data/registry.db".to_owned(),
            objects: "data/files".to_owned(),
            blobs: BlobSettings::default(),
            log_key_file: None,
            auth: AuthSettings::default(),
            hold: HoldMode::None,
            scan: ScanSettings::default(),
            limits: LimitSettings::default(),
            trusted_proxies: Vec::new(),
            webhooks: WebhookSettings::default(),
        }
    }
}

fn read_size<'de, D: Deserializer<'de>>(from: D) -> Result<u64, D::Error> {
    let value = Value::deserialize(from)?;
    match (value.as_u64(), value.as_str()) {
        (Some(number), _) => Ok(number),
        (_, Some(text)) => parse_bytes(text).map_err(serde::de::Error::custom),
        _ => Err(serde::de::Error::custom("expected a size such as 20MiB")),
    }
}

fn read_duration<'de, D: Deserializer<'de>>(from: D) -> Result<Duration, D::Error> {
    let value = Value::deserialize(from)?;
    let text = value.as_str().map(str::to_owned).or_else(|| value.as_u64().map(|n| format!("{n}s")));
    text.as_deref()
        .and_then(parse_duration)
        .ok_or_else(|| serde::de::Error::custom("expected a time such as 60s, 5m or 1h"))
}

fn parse_duration(text: &str) -> Option<Duration> {
    let at = text.find(|c: char| !c.is_ascii_digit())?;
    let (number, unit) = text.split_at(at);
    let factor = match unit {
        "ms" => return number.parse().ok().map(Duration::from_millis),
        "s" => 1,
        "m" => 60,
        "h" => 3_600,
        _ => return None,
    };
    number.parse::<u64>().ok()?.checked_mul(factor).map(Duration::from_secs)
}

/// Every key, as a path. What is set by a variable is read as YAML, so a list is `[a, b]`.
const KEYS: &[&str] = &[
    "listen",
    "url",
    "name",
    "metrics",
    "database",
    "objects",
    "blobs.redirect",
    "log_key_file",
    "auth.read",
    "auth.oidc",
    "hold",
    "scan.command",
    "scan.timeout",
    "limits.archive",
    "limits.unpacked",
    "limits.files",
    "limits.publish_per_hour",
    "limits.read_per_minute",
    "limits.memory",
    "trusted_proxies",
    "webhooks.allow_private",
];

/// How the variables of this program begin.
const PREFIX: &str = "BA_REGISTRY_";

fn variable_of(key: &str) -> String {
    format!("{PREFIX}{}", key.replace('.', "_").to_ascii_uppercase())
}

/// Sets `key` in a tree of mappings.
fn set_key(tree: &mut Value, key: &str, value: Value) {
    let mut at = tree;
    for part in key.split('.') {
        if !at.is_mapping() {
            *at = Value::Mapping(Mapping::new());
        }
        let Value::Mapping(mapping) = at else { return };
        at = mapping.entry(Value::String(part.to_owned())).or_insert(Value::Null);
    }
    *at = value;
}

impl ServerSettings {
    /// Reads the settings: the file, and over it the variables that begin with `BA_REGISTRY_`.
    ///
    /// # Errors
    /// `Usage` for a key that there is none of and for a value that is not one; `NotFound` for a
    /// file that is named and not there.
    pub fn load(file: Option<&Path>, variables: &[(String, String)]) -> Result<Self> {
        let text = match file {
            None => String::new(),
            Some(path) => fs_err::read_to_string(path).map_err(|e| match e.kind() {
                std::io::ErrorKind::NotFound => {
                    error!(
                        NotFound,
                        "the settings `{}` are not there",
                        printable(&path.to_string_lossy(), false)
                    )
                }
                _ => Error::from(e),
            })?,
        };
        let shown = file.map(|path| path.to_string_lossy().into_owned()).unwrap_or_default();
        Self::parse(&text, &shown, variables)
    }

    fn parse(text: &str, shown: &str, variables: &[(String, String)]) -> Result<Self> {
        let is_empty = text.lines().all(|line| line.trim().is_empty() || line.trim_start().starts_with('#'));
        let refused = |e: serde_yaml::Error| {
            let place = e.location().map(|at| format!(":{}:{}", at.line(), at.column())).unwrap_or_default();
            error!(Usage, "`{}{place}` is not valid: {e}", printable(shown, false))
                .hint("the keys stand in the README of the registry")
        };
        let mut tree = Value::Mapping(Mapping::new());
        if !is_empty {
            // Read as it stands first: what is wrong then has its line.
            let _: Self = serde_yaml::from_str(text).map_err(refused)?;
            tree = serde_yaml::from_str(text).map_err(refused)?;
        }
        for (name, value) in variables.iter().filter(|(name, _)| name.starts_with(PREFIX)) {
            let Some(key) = KEYS.iter().find(|key| variable_of(key) == *name) else {
                return Err(error!(Usage, "the variable `{}` sets nothing", printable(name, false)).hint(
                    format!(
                        "those that do: {}",
                        KEYS.iter().map(|key| variable_of(key)).collect::<Vec<_>>().join(", ")
                    ),
                ));
            };
            let value: Value = serde_yaml::from_str(value)
                .map_err(|e| error!(Usage, "the variable `{name}` is not valid: {e}"))?;
            set_key(&mut tree, key, value);
        }
        serde_yaml::from_value(tree).map_err(|e| error!(Usage, "the settings are not valid: {e}"))
    }

    /// Where people and programs reach it, without a slash at its end.
    pub fn public_url(&self) -> String {
        let own = || format!("http://{}", self.listen);
        let url = self.url.as_ref().map_or_else(own, Url::to_string);
        url.trim_end_matches('/').to_owned()
    }

    /// What people call it.
    pub fn shown_name(&self) -> String {
        let host = || self.url.as_ref().and_then(Url::host_str).unwrap_or("registry").to_owned();
        self.name.clone().unwrap_or_else(host)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(text: &str, variables: &[(&str, &str)]) -> String {
        let variables: Vec<_> =
            variables.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        ServerSettings::parse(text, "registry.yaml", &variables).unwrap_err().message
    }

    #[test]
    fn nothing_has_to_be_set() {
        let settings = ServerSettings::load(None, &[]).unwrap();
        assert_eq!(settings.database, "sqlite:data/registry.db");
        assert_eq!(settings.public_url(), "http://127.0.0.1:8000");
        assert_eq!((settings.limits.archive, settings.limits.publish_per_hour), (20 << 20, 60));
    }

    #[test]
    fn an_unknown_key_is_refused_with_its_line() {
        let found = refused("listen: 127.0.0.1:1\nlimits:\n  archiv: 3\n", &[]);
        assert!(found.starts_with("`registry.yaml:3:"), "{found}");
        assert!(found.contains("archiv"), "{found}");
        assert!(refused("", &[("BA_REGISTRY_LISTN", "x")]).contains("BA_REGISTRY_LISTN"));
        assert!(refused("hold: maybe\n", &[]).contains("maybe"));
        assert!(refused("blobs: {redirect: elsewhere}\n", &[]).contains("elsewhere"));
        assert!(refused("scan: {timeout: soon}\n", &[]).contains("60s"));
    }

    /// A variable for each key, and the variable wins.
    #[test]
    fn every_key_is_also_a_variable() {
        let text = "listen: 127.0.0.1:1\nlimits: {files: 3, archive: 1MiB}\n";
        let values = |key: &str| match key {
            "listen" | "metrics" => "127.0.0.1:2",
            "url" => "https://skills.acme.dev",
            "blobs.redirect" => "presign",
            "auth.read" => "read",
            "auth.oidc" => "[{issuer: 'https://token.example', audience: acme}]",
            "hold" => "approve",
            "scan.command" => "[/usr/bin/clamdscan, --fdpass]",
            "scan.timeout" => "5m",
            "trusted_proxies" => "[10.0.0.0/8]",
            "webhooks.allow_private" => "true",
            key if key.starts_with("limits.") => "7",
            _ => "text",
        };
        let variables: Vec<_> = KEYS.iter().map(|key| (variable_of(key), values(key).to_owned())).collect();
        let settings = ServerSettings::parse(text, "registry.yaml", &variables).unwrap();
        assert_eq!(settings.listen.port(), 2);
        assert_eq!((settings.limits.files, settings.limits.archive), (7, 7));
        assert_eq!(settings.scan.timeout, Duration::from_secs(300));
        assert_eq!(settings.auth.oidc[0].audience, "acme");
        assert_eq!(settings.trusted_proxies.len(), 1);
        assert!(settings.webhooks.allow_private);
    }
}
