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
    let pairs = [
        (&hosts.github_url, &public.github_url),
        (&hosts.gitlab_url, &public.gitlab_url),
        (&hosts.bitbucket_url, &public.bitbucket_url),
    ];
    let others = pairs.into_iter().filter(|(set, public)| set != public && !is_of_this_machine(set));
    for (set, public) in others.clone() {
        // The pages of a host of one's own are those of the public one.
        if let Some(page) = text.strip_prefix(set.as_str()).filter(|rest| rest.starts_with('/'))
            && let Ok(request) = Request::parse(&format!("{public}{page}"))
            && let Some(url) = url_of(&request.source, hosts)
        {
            return Ok(Request { source: Source::Git { url }, ..request });
        }
    }
    let request = Request::parse(text)?;
    let is_address = text.contains("://");
    let default = HostSettings::default();
    let at = if is_address { &default } else { hosts };
    let own = url_of(&request.source, hosts);
    let is_elsewhere =
        others.clone().any(|(set, _)| own.as_ref().is_some_and(|url| url.starts_with(set.as_str())));
    match (&request.source, url_of(&request.source, at)) {
        (Source::Github { .. } | Source::Gitlab { .. } | Source::Bitbucket { .. }, Some(url))
            if is_elsewhere =>
        {
            Ok(Request { source: Source::Git { url }, ..request })
        }
        _ => Ok(request),
    }
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
