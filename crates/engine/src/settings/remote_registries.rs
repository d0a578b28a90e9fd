//! `registries:` and `minimum_release_age:`: which remote registry serves the skills of an owner.

use std::collections::BTreeMap;
use std::fmt;

use serde::Deserialize;
use url::Url;

use super::Settings;
use ba_agent_core::error::{Error, Result, error, printable};
use ba_agent_core::remote_registry::{OwnerName, ScopedName};
use ba_agent_core::source::{
    Reference, RegistryChoice, Request, Source, is_registry_name, parse_registry_address,
};
use ba_agent_core::text::list_some;
use ba_agent_net::credentials::origin;

/// The name of a registry in the settings.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Deserialize)]
#[serde(try_from = "String")]
pub(crate) struct RegistryName(String);

impl RegistryName {
    pub(crate) fn as_str(&self) -> &str {
        &self.0
    }
}

impl TryFrom<String> for RegistryName {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        match is_registry_name(&text) {
            true => Ok(Self(text)),
            false => Err(format!(
                "`{}` is not a valid name of a registry: expected small letters, digits and `-`",
                printable(&text, false)
            )),
        }
    }
}

/// The address of a registry, without a slash at its end.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
pub(crate) struct RegistryAddress(String);

impl RegistryAddress {
    pub(crate) fn as_str(&self) -> &str {
        &self.0
    }

    fn is_of_this_disk(&self) -> bool {
        self.0.starts_with("file:")
    }
}

impl TryFrom<String> for RegistryAddress {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        parse_registry_address(&text).map(Self).map_err(|e| e.message)
    }
}

impl fmt::Display for RegistryAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// A registry as the settings say it.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct RegistrySection {
    pub(crate) url: RegistryAddress,
    /// The owners whose skills come from it, and from no other.
    #[serde(default)]
    pub(crate) scopes: Vec<OwnerName>,
    /// Copies of it, which are asked first.
    #[serde(default)]
    pub(crate) mirrors: Vec<RegistryAddress>,
    /// It has the owners that no registry names.
    #[serde(default)]
    pub(crate) default: bool,
    /// What its log is signed with, as it was when the registry was added.
    #[serde(default)]
    pub(crate) log_key: Option<String>,
}

impl RegistrySection {
    /// As YAML on one line.
    pub(crate) fn to_yaml(&self) -> String {
        let quoted = |text: &str| serde_json::to_string(text).unwrap_or_default();
        let list = |items: Vec<String>| {
            format!("[{}]", items.iter().map(|one| quoted(one)).collect::<Vec<_>>().join(", "))
        };
        let mut parts = vec![format!("url: {}", quoted(self.url.as_str()))];
        if !self.scopes.is_empty() {
            parts.push(format!("scopes: {}", list(self.scopes.iter().map(OwnerName::to_string).collect())));
        }
        if !self.mirrors.is_empty() {
            let mirrors = self.mirrors.iter().map(RegistryAddress::to_string);
            parts.push(format!("mirrors: {}", list(mirrors.collect())));
        }
        if self.default {
            parts.push("default: true".to_owned());
        }
        if let Some(key) = &self.log_key {
            parts.push(format!("log_key: {}", quoted(key)));
        }
        format!("{{{}}}", parts.join(", "))
    }
}

/// All of them, by their names.
pub(crate) type RegistrySections = BTreeMap<RegistryName, RegistrySection>;

/// Seconds, written `24h`, `3d`, `90m` or as a plain number of seconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(try_from = "serde_yaml::Value")]
pub(super) struct ReleaseAge(pub(super) u64);

impl TryFrom<serde_yaml::Value> for ReleaseAge {
    type Error = String;

    fn try_from(value: serde_yaml::Value) -> Result<Self, String> {
        match value.as_u64() {
            Some(seconds) => Ok(Self(seconds)),
            None => parse_age(value.as_str().unwrap_or_default()).map(Self),
        }
    }
}

const UNITS: [(&str, u64); 5] = [("w", 604_800), ("d", 86_400), ("h", 3_600), ("m", 60), ("s", 1)];

/// Seconds out of `24h`, `3d` or a plain number.
///
/// # Errors
/// What is wrong with the text, in a sentence.
pub(super) fn parse_age(text: &str) -> Result<u64, String> {
    let text = text.trim();
    let wrong = || format!("`{}` is not a valid time; write for example 24h or 3d", printable(text, false));
    let (number, unit) = text.split_at(text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len()));
    let number: u64 = number.parse().map_err(|_| wrong())?;
    let unit = unit.trim().to_ascii_lowercase();
    let factor = match unit.as_str() {
        "" => Some(1),
        unit => UNITS.iter().find(|(known, _)| *known == unit).map(|(_, factor)| *factor),
    };
    factor.and_then(|factor| number.checked_mul(factor)).ok_or_else(wrong)
}

/// The same seconds as a person writes them.
pub(super) fn write_age(seconds: u64) -> String {
    let whole = UNITS.iter().find(|(_, factor)| seconds > 0 && seconds.is_multiple_of(*factor));
    whole.map_or_else(|| seconds.to_string(), |(unit, factor)| format!("{}{unit}", seconds / factor))
}

/// A remote registry that the settings name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConfiguredRegistry {
    pub name: String,
    pub url: String,
    pub scopes: Vec<OwnerName>,
    pub mirrors: Vec<String>,
    pub is_default: bool,
    pub log_key: Option<String>,
    /// True where the user's own settings do not name it: it gets nothing of the user's.
    pub is_of_project: bool,
}

/// The remote registries that count here.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct RemoteRegistries(Vec<ConfiguredRegistry>);

impl RemoteRegistries {
    /// By name.
    pub(crate) fn iter(&self) -> impl Iterator<Item = &ConfiguredRegistry> {
        self.0.iter()
    }

    /// Adds one, or puts it in the place of the one of its address.
    pub(crate) fn put(&mut self, one: ConfiguredRegistry) {
        self.0.retain(|known| known.url != one.url);
        self.0.push(one);
    }

    /// The one of this name.
    ///
    /// # Errors
    /// `NotFound`, with those that there are.
    pub(crate) fn named(&self, name: &str) -> Result<&ConfiguredRegistry> {
        self.0.iter().find(|one| one.name == name).ok_or_else(|| {
            let error = error!(NotFound, "there is no registry named `{}`", printable(name, false));
            let names: Vec<&str> = self.0.iter().map(|one| one.name.as_str()).collect();
            match names.is_empty() {
                true => error.hint("add it with `ba-agent registry add NAME URL`"),
                false => error.hint(format!("the settings name {}", list_some(&names, 10))),
            }
        })
    }

    /// The one at this address; the user's where both name it.
    pub(crate) fn at(&self, url: &str) -> Option<&ConfiguredRegistry> {
        let mut all = self.0.iter().filter(|one| one.url == url);
        all.clone().find(|one| !one.is_of_project).or_else(|| all.next())
    }

    /// True where the registry at this address, or a mirror of it, is a folder of this machine.
    pub(crate) fn has_folder(&self, url: &str) -> bool {
        let mirrors = self.at(url).map_or(&[][..], |one| &one.mirrors);
        mirrors.iter().map(String::as_str).chain([url]).any(|one| one.starts_with("file:"))
    }

    /// The one that serves an owner's skills: that which names the owner, else the default one.
    /// What the user says goes before what a project says.
    pub(crate) fn serving(&self, owner: &OwnerName) -> Option<&ConfiguredRegistry> {
        let by_user = |one: &&ConfiguredRegistry| !one.is_of_project;
        let named = || self.0.iter().filter(|one| one.scopes.contains(owner));
        let default = || self.0.iter().filter(|one| one.is_default);
        named()
            .find(by_user)
            .or_else(|| named().next())
            .or_else(|| default().find(by_user))
            .or_else(|| default().next())
    }

    /// The one to which the settings give an owner by name.
    pub(crate) fn owning(&self, owner: &OwnerName) -> Option<&ConfiguredRegistry> {
        self.serving(owner).filter(|one| one.scopes.contains(owner))
    }

    /// The address of the registry that is meant for a skill.
    ///
    /// # Errors
    /// `NotFound` where the settings name no such registry, and where no registry serves the owner.
    pub(crate) fn address_for(&self, registry: &RegistryChoice, skill: &ScopedName) -> Result<String> {
        match registry {
            RegistryChoice::At(url) => Ok(url.clone()),
            RegistryChoice::Named(name) => Ok(self.named(name)?.url.clone()),
            RegistryChoice::OfScope => match self.serving(skill.owner()) {
                Some(one) => Ok(one.url.clone()),
                None => Err(self.error_of_no_registry(skill)),
            },
        }
    }

    fn error_of_no_registry(&self, skill: &ScopedName) -> Error {
        let owner = skill.owner();
        let error = error!(NotFound, "no registry serves the skills of `{owner}`");
        let error = match self.0.first() {
            Some(one) => error.hint(format!(
                "of `{}`: `{}:{skill}`, or for good `ba-agent registry add {} {} --serves {owner} --force`",
                one.name, one.name, one.name, one.url
            )),
            None => error.hint("add one with `ba-agent registry add NAME URL`"),
        };
        error.hint(
            "packages of npm are not read: for a repository write `owner/repo`, or `owner/repo@skill-name`",
        )
    }

    /// The request, with the address of its registry in it.
    ///
    /// # Errors
    /// Those of [`RemoteRegistries::address_for`].
    pub(crate) fn locate(&self, mut request: Request) -> Result<Request> {
        if let Source::RemoteRegistry { registry, skill } = &mut request.source {
            *registry = RegistryChoice::At(self.address_for(registry, skill)?);
        }
        Ok(request)
    }

    /// A skill of the registry at this address.
    pub(crate) fn request_of(url: &str, skill: &ScopedName) -> Request {
        let registry = RegistryChoice::At(url.to_owned());
        let source = Source::RemoteRegistry { registry, skill: skill.clone() };
        Request { source, reference: Reference::Default, subdirectory: None, skill: None }
    }
}

impl Settings {
    /// Takes over the registries of the user's own file.
    pub(super) fn set_registries(&mut self, sections: RegistrySections) {
        for (name, section) in sections {
            self.remote_registries.0.push(configured(&name, section, false));
        }
        self.name_hosts_of_registries();
    }

    /// # Errors
    /// `Usage` for an owner that two registries have, and for two defaults.
    pub(super) fn check_registries(&self) -> Result<()> {
        let all = &self.remote_registries.0;
        for (at, one) in all.iter().enumerate() {
            for other in all.iter().skip(at + 1).filter(|other| other.url != one.url) {
                let both = format!("`registries.{}` and `registries.{}`", one.name, other.name);
                if let Some(owner) = one.scopes.iter().find(|owner| other.scopes.contains(owner)) {
                    return Err(error!(Usage, "{both} both have `{owner}`").hint(
                        "an owner's skills come from one registry alone: take it out of the other one",
                    ));
                }
                if one.is_default && other.is_default && one.is_of_project == other.is_of_project {
                    return Err(error!(Usage, "{both} are both the default")
                        .hint("only one can be: take `default: true` out of the other one"));
                }
            }
        }
        Ok(())
    }

    /// Adds what a project names: no registry of a name, no owner and no default that the user's
    /// own settings have given to another one.
    pub(super) fn add_registries_of_project(&mut self, sections: RegistrySections, file: &str) {
        for (name, mut section) in sections {
            let mut ignore = |what: String| {
                self.ignored.push(format!("`registries.{}` in `{file}` {what}", name.as_str()));
            };
            if section.url.is_of_this_disk() || section.mirrors.iter().any(RegistryAddress::is_of_this_disk) {
                ignore(
                    "is a folder of this machine, which only your own settings may name, and is ignored"
                        .into(),
                );
                continue;
            }
            let own = self.remote_registries.0.iter().filter(|one| !one.is_of_project);
            let own: Vec<ConfiguredRegistry> = own.cloned().collect();
            let is_of_user = own.iter().any(|one| one.url == section.url.as_str());
            if let Some(other) = own.iter().find(|one| one.name == name.as_str()) {
                if other.url != section.url.as_str() {
                    ignore(format!(
                        "is another registry than yours of that name ({}), and is ignored",
                        other.url
                    ));
                }
                continue;
            }
            let is_elsewhere = |one: &&ConfiguredRegistry| one.url != section.url.as_str();
            let theirs = own.iter().filter(is_elsewhere).flat_map(|one| &one.scopes);
            let theirs: Vec<OwnerName> = theirs.cloned().collect();
            for owner in section.scopes.iter().filter(|owner| theirs.contains(owner)) {
                ignore(format!("claims `{owner}`, which your own settings give to another registry"));
            }
            let has_default = own.iter().filter(is_elsewhere).any(|one| one.is_default);
            if section.default && has_default {
                ignore("wants to be the default, but your own settings name another one".into());
            }
            section.scopes.retain(|owner| !theirs.contains(owner));
            section.default &= !has_default;
            let one = ConfiguredRegistry {
                is_of_project: !is_of_user,
                // Whom to trust for a registry of the user's is the user's word.
                log_key: section.log_key.take().filter(|_| !is_of_user),
                mirrors: if is_of_user { Vec::new() } else { mirrors(&section) },
                ..configured(&name, section, true)
            };
            self.remote_registries.0.push(one);
        }
        self.name_hosts_of_registries();
    }

    /// Says which hosts of registries the user has named, and which only a project.
    fn name_hosts_of_registries(&mut self) {
        let of = |by_project: bool| {
            let all = self.remote_registries.0.iter().filter(move |one| one.is_of_project == by_project);
            all.flat_map(|one| std::iter::once(one.url.clone()).chain(one.mirrors.clone()))
                .collect::<Vec<_>>()
        };
        let (own, mut theirs) = (of(false), of(true));
        let hosts = &mut self.hosts;
        hosts.registries_of_user = own;
        hosts.registries_of_project = Vec::new();
        let origin_of = |url: &str| Url::parse(url).map(|url| origin(&url)).ok();
        let named: Vec<String> = hosts
            .host_url_settings()
            .into_iter()
            .chain(hosts.registries_of_user.iter().map(String::as_str))
            .filter_map(origin_of)
            .collect();
        // A project cannot make a host of the user's one that gets nothing.
        theirs.retain(|url| origin_of(url).is_some_and(|origin| !named.contains(&origin)));
        hosts.registries_of_project = theirs;
    }
}

fn mirrors(section: &RegistrySection) -> Vec<String> {
    section.mirrors.iter().map(RegistryAddress::to_string).collect()
}

fn configured(name: &RegistryName, section: RegistrySection, is_of_project: bool) -> ConfiguredRegistry {
    ConfiguredRegistry {
        name: name.0.clone(),
        mirrors: mirrors(&section),
        url: section.url.0,
        scopes: section.scopes,
        is_default: section.default,
        log_key: section.log_key,
        is_of_project,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use ba_agent_core::error::Kind;
    use ba_agent_system::env::Env;

    fn load(user: &str, project: &str) -> Result<Settings> {
        let dir = tempfile::tempdir().unwrap();
        let env = Env::isolated(dir.path(), &[]);
        let (a, b) = (dir.path().join("user.yaml"), dir.path().join("project.yaml"));
        std::fs::write(&a, user).unwrap();
        std::fs::write(&b, project).unwrap();
        Settings::load(&env, Some(&a), Some(&b))
    }

    fn address(settings: &Settings, text: &str) -> Result<String> {
        let request = settings.remote_registries.locate(Request::parse(text)?)?;
        Ok(request.source.to_string())
    }

    const USER: &str = "registries:\n  acme: {url: https://a.example/, scopes: [\"@acme\"], mirrors: [file:///m]}\n  \
                        public: {url: https://p.example, default: true}\n";

    #[test]
    fn a_scope_belongs_to_one_registry_and_all_else_to_the_default() {
        let settings = load(USER, "").unwrap();
        for (text, expected) in [
            ("@acme/pdf", "registry+https://a.example/@acme/pdf"),
            ("@other/pdf", "registry+https://p.example/@other/pdf"),
            ("acme:@other/pdf", "registry+https://a.example/@other/pdf"),
            ("registry+https://x.example/@acme/pdf", "registry+https://x.example/@acme/pdf"),
            ("owner/repo", "github:owner/repo"),
        ] {
            assert_eq!(address(&settings, text).unwrap(), expected, "{text}");
        }
        let missing = address(&settings, "nobody:@acme/pdf").unwrap_err();
        assert!(missing.kind == Kind::NotFound && missing.hints[0].contains("acme, public"), "{missing:?}");
        let none = address(&Settings::default(), "@acme/pdf").unwrap_err();
        assert!(none.kind == Kind::NotFound && none.hints[0].contains("registry add"), "{none:?}");
    }

    /// Whatever a project says of registries: what the user's settings decide stays decided.
    #[test]
    fn a_project_adds_registries_and_takes_nothing_over() {
        let of = |project: &str| load(USER, project).unwrap();
        let added = of("registries:\n  team: {url: https://t.example, scopes: [\"@team\"]}\n");
        assert_eq!(address(&added, "@team/x").unwrap(), "registry+https://t.example/@team/x");
        assert!(added.remote_registries.named("team").unwrap().is_of_project);
        assert_eq!(added.hosts.registries_of_project, ["https://t.example"]);
        assert!(added.ignored.is_empty());
        for hostile in [
            "registries: {acme: {url: https://evil.example, scopes: [\"@acme\"]}}",
            "registries: {evil: {url: https://evil.example, scopes: [\"@acme\"]}}",
            "registries: {evil: {url: https://evil.example, default: true}}",
            "registries: {evil: {url: file:///home, scopes: [\"@home\"]}}",
            "registries: {evil: {url: https://e.example, scopes: [\"@home\"], mirrors: [file:///home]}}",
        ] {
            let settings = of(hostile);
            assert_eq!(settings.ignored.len(), 1, "{hostile}: {:?}", settings.ignored);
            for owner in ["@acme", "@other", "@home"] {
                let there = address(&settings, &format!("{owner}/x")).unwrap();
                assert_eq!(there, address(&of(""), &format!("{owner}/x")).unwrap(), "{hostile}");
            }
        }
        // The same registry under another name is the user's, with the user's mirrors alone.
        let same = of("registries: {ours: {url: https://a.example, mirrors: [https://evil.example]}}");
        let ours = same.remote_registries.named("ours").unwrap();
        assert!(
            !ours.is_of_project && ours.mirrors.is_empty() && same.hosts.registries_of_project.is_empty()
        );
        // A host of the user's does not become one that gets nothing.
        let github = of("registries: {gh: {url: https://github.com/x}}");
        assert!(github.hosts.registries_of_project.is_empty());
    }

    #[test]
    fn what_is_no_registry_is_an_error_that_names_the_line() {
        for text in [
            "registries:\n  acme: {uri: https://a.example}\n",
            "registries:\n  Acme: {url: https://a.example}\n",
            "registries:\n  github: {url: https://a.example}\n",
            "registries:\n  acme: {url: a.example}\n",
            "registries:\n  acme: {url: https://a.example, scopes: [acme_]}\n",
        ] {
            let error = load(text, "").unwrap_err();
            assert!(error.kind == Kind::Usage && error.causes[0].contains("line"), "{text}: {error:?}");
        }
    }

    #[test]
    fn an_owner_has_one_registry() {
        for text in [
            "registries: {a: {url: https://a.example, scopes: [\"@x1\"]}, b: {url: https://b.example, scopes: [\"@x1\"]}}",
            "registries: {a: {url: https://a.example, default: true}, b: {url: https://b.example, default: true}}",
        ] {
            for (user, project) in [(text, ""), ("", text)] {
                assert_eq!(load(user, project).unwrap_err().kind, Kind::Usage, "{text}");
            }
        }
    }

    #[test]
    fn a_project_may_wait_longer_and_not_shorter() {
        let age = |user: &str, project: &str| load(user, project).unwrap().minimum_release_age;
        assert_eq!(age("minimum_release_age: 24h\n", ""), 86_400);
        assert_eq!(age("minimum_release_age: 24h\n", "minimum_release_age: 2d\n"), 172_800);
        assert_eq!(age("minimum_release_age: 24h\n", "minimum_release_age: 1h\n"), 86_400);
        for (text, seconds, shown) in [
            ("90m", 5_400, "90m"),
            ("1w", 604_800, "1w"),
            ("120", 120, "2m"),
            ("0", 0, "0"),
            ("24 h", 86_400, "1d"),
        ] {
            assert_eq!((parse_age(text), write_age(seconds).as_str()), (Ok(seconds), shown), "{text}");
        }
        assert!(parse_age("99999999999999999999w").is_err() && parse_age("1y").is_err());
        assert_eq!(load("minimum_release_age: soon\n", "").unwrap_err().kind, Kind::Usage);
    }

    #[test]
    fn a_section_is_written_as_it_is_read() {
        let settings = load(USER, "").unwrap();
        let text = "{url: \"https://a.example\", scopes: [\"@acme\"], mirrors: [\"file:///m\"], default: true, log_key: \"a+b\"}";
        let section: RegistrySection = serde_yaml::from_str(text).unwrap();
        assert_eq!(section.to_yaml(), text);
        assert_eq!(settings.remote_registries.iter().count(), 2);
    }
}
