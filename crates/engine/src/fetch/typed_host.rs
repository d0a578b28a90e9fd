//! World: which host a typed source is on, where the settings name another one than the public.
//! `owner/repo` is on the host of the settings, an address on its own; what is recorded says which,
//! so that somebody without the setting does not ask the public host for an internal name.

use url::{Host, Url};

use ba_agent_core::error::Result;
use ba_agent_core::source::{Request, Source};
use ba_agent_git::url_of;
use ba_agent_net::hosts::HostSettings;

/// What a person types for a source, with the host in it wherever the settings decide about that.
///
/// # Errors
/// Those of [`Request::parse`].
pub(crate) fn parse_typed(text: &str, hosts: &HostSettings) -> Result<Request> {
    let public = HostSettings::default();
    for (set, public) in host_pairs(hosts, &public) {
        // The pages of a host of one's own are those of the public one.
        if let Some(page) = text.strip_prefix(set).filter(|rest| rest.starts_with('/'))
            && let Ok(request) = Request::parse(&format!("{public}{page}"))
            && let Some(url) = url_of(&request.source, hosts)
        {
            return Ok(Request { source: Source::Git { url }, ..request });
        }
    }
    Ok(with_typed_host(text, Request::parse(text)?, hosts))
}

/// What was read of `text`, with the host in it as [`parse_typed`] says.
pub(crate) fn with_typed_host(text: &str, request: Request, hosts: &HostSettings) -> Request {
    let public = HostSettings::default();
    let at = if text.contains("://") { &public } else { hosts };
    let is_elsewhere = host_pairs(hosts, &public).into_iter().any(|(set, _)| {
        url_of(&request.source, hosts).is_some_and(|url| url.starts_with(&format!("{set}/")))
    });
    match (&request.source, url_of(&request.source, at)) {
        (Source::Github { .. } | Source::Gitlab { .. } | Source::Bitbucket { .. }, Some(url))
            if is_elsewhere =>
        {
            Request { source: Source::Git { url }, ..request }
        }
        _ => request,
    }
}

/// The hosts of the settings that are not the public ones, each with the public one.
fn host_pairs<'h>(hosts: &'h HostSettings, public: &'h HostSettings) -> Vec<(&'h str, &'h str)> {
    let pairs = [
        (&hosts.github_url, &public.github_url),
        (&hosts.gitlab_url, &public.gitlab_url),
        (&hosts.bitbucket_url, &public.bitbucket_url),
    ];
    let others = pairs.into_iter().filter(|(set, public)| set != public && !is_of_this_machine(set));
    others.map(|(set, public)| (set.as_str(), public.as_str())).collect()
}

/// True when two sources are the same place by the settings: `github:owner/repo` and the address of
/// that repository on the host that the settings name are one, whichever of them was recorded.
pub(crate) fn is_same_place(one: &Source, other: &Source, hosts: &HostSettings) -> bool {
    let is_hosted = |source: &Source| source.is_git() && !matches!(source, Source::Git { .. });
    if one.is_same_as(other) || !(is_hosted(one) || is_hosted(other)) {
        return one.is_same_as(other);
    }
    // The hosts fold case in names.
    let address = |source: &Source| Some(Source::Git { url: url_of(source, hosts)?.to_ascii_lowercase() });
    address(one).zip(address(other)).is_some_and(|(one, other)| one.is_same_as(&other))
}

/// A server on this machine stands in for the public host; nobody else could use its address.
fn is_of_this_machine(url: &str) -> bool {
    Url::parse(url).is_ok_and(|url| match url.host() {
        Some(Host::Domain(name)) => name == "localhost",
        Some(Host::Ipv4(address)) => address.is_loopback(),
        Some(Host::Ipv6(address)) => address.is_loopback(),
        None => true,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_source_says_its_host_where_the_settings_name_another() {
        let hosts = HostSettings { github_url: "https://ghes.example".into(), ..HostSettings::default() };
        for (text, source) in [
            ("acme/skills", "https://ghes.example/acme/skills.git"),
            ("github:acme/skills", "https://ghes.example/acme/skills.git"),
            ("acme/skills@pdf", "https://ghes.example/acme/skills.git"),
            ("https://github.com/acme/skills", "https://github.com/acme/skills.git"),
            ("https://github.com/acme/skills/tree/main/skills/pdf", "https://github.com/acme/skills.git"),
            ("https://ghes.example/acme/skills", "https://ghes.example/acme/skills.git"),
            ("https://ghes.example/acme/skills/tree/main/skills/pdf", "https://ghes.example/acme/skills.git"),
            ("gitlab:acme/skills", "gitlab:acme/skills"),
            ("https://gitlab.com/acme/skills", "gitlab:acme/skills"),
            ("./folder", "./folder"),
            ("git@ghes.example:acme/skills.git", "git@ghes.example:acme/skills.git"),
        ] {
            let request = parse_typed(text, &hosts).unwrap();
            let shown = request.source.to_string();
            assert_eq!(shown.trim_start_matches("git+"), source, "{text}");
            assert_eq!(request.skill.is_some(), text.ends_with("@pdf"), "{text}");
        }
        let page = parse_typed("https://ghes.example/acme/skills/tree/main/skills/pdf", &hosts).unwrap();
        let public = Request::parse("https://github.com/acme/skills/tree/main/skills/pdf").unwrap();
        assert_eq!((page.reference, page.subdirectory), (public.reference, public.subdirectory));
    }

    #[test]
    fn a_short_source_is_the_same_place_as_its_address_by_the_settings() {
        let public = HostSettings::default();
        let own = HostSettings {
            github_url: "https://ghes.example".into(),
            gitlab_url: "https://gl.example/base".into(),
            bitbucket_url: "https://bb.example".into(),
            ..HostSettings::default()
        };
        for (short, here, there) in [
            ("github:a/b", "https://ghes.example/a/b.git", "git+https://github.com/a/b.git"),
            ("gitlab:a/s/b", "https://gl.example/base/a/s/b.git", "git+https://gitlab.com/a/s/b.git"),
            ("bitbucket:a/b", "https://bb.example/a/b.git", "git+https://bitbucket.org/a/b.git"),
        ] {
            let source = |text: &str| Request::parse(text).unwrap().source;
            let is_same = |one: &str, other: &str, hosts: &HostSettings| {
                let there = is_same_place(&source(one), &source(other), hosts);
                assert_eq!(there, is_same_place(&source(other), &source(one), hosts), "{one} {other}");
                there
            };
            assert!(is_same(short, here, &own) && is_same(short, there, &public), "{short}");
            assert!(!is_same(short, there, &own) && !is_same(short, here, &public), "{short}");
            assert!(
                is_same(short, &format!("git+{}", here.replace("/b.git", "/B")), &own),
                "without `.git`, in another case: {short}"
            );
            assert!(!is_same(short, &here.replace("/b.git", "/c.git"), &own), "{short}");
            assert!(!is_same(here, there, &own) && is_same(short, short, &own), "{short}");
            assert!(!is_same(short, "./a/b", &own) && !is_same("./x", here, &own), "{short}");
        }
    }

    #[test]
    fn nothing_changes_where_the_host_is_the_public_one_or_on_this_machine() {
        let local = HostSettings { github_url: "http://127.0.0.1:9".into(), ..HostSettings::default() };
        for hosts in [HostSettings::default(), local] {
            for text in ["acme/skills", "https://github.com/acme/skills", "gitlab:a/b", "bitbucket:a/b"] {
                let (typed, parsed) = (parse_typed(text, &hosts).unwrap(), Request::parse(text).unwrap());
                assert_eq!(typed.source, parsed.source, "{text}");
            }
        }
    }
}
