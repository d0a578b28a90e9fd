//! Public catalogues that are offered by name to who has registered none. They are data of the
//! program: nothing is fetched before a person, or `marketplace add --known NAME`, asks for it.
//!
//! A catalogue belongs here when its owner is known, looks at what comes in, and still changes it.
//! Copies of sites where anybody may upload are left out: whoever wants one writes its source.

use serde::Serialize;

use crate::error::{Result, error, printable};
use crate::text::find_nearest;

/// A public catalogue with the name that it is offered under.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct KnownCatalog {
    /// What it is registered as.
    pub name: &'static str,
    /// Where it is, as `marketplace add` takes it.
    pub source: &'static str,
    /// What it holds, in one sentence.
    pub about: &'static str,
}

impl KnownCatalog {
    /// Its page on github.com: the same for people whose `owner/repo` is on a host of their own.
    pub fn page(&self) -> String {
        format!("https://github.com/{}", self.source)
    }
}

/// The catalogues that are offered, those of the makers of agents first.
pub const KNOWN_CATALOGS: [KnownCatalog; 7] = [
    KnownCatalog {
        name: "anthropic",
        source: "anthropics/skills",
        about: "Anthropic's own skills: PDF, Word, Excel, slides, design, and how to write skills.",
    },
    KnownCatalog {
        name: "claude-plugins",
        source: "anthropics/claude-plugins-official",
        about: "The plugin directory of Claude Code, with entries of many companies.",
    },
    KnownCatalog {
        name: "openai",
        source: "openai/skills",
        about: "OpenAI's skills for Codex: GitHub, Notion and planning.",
    },
    KnownCatalog {
        name: "copilot",
        source: "github/awesome-copilot",
        about: "GitHub's community collection for Copilot, some four hundred skills.",
    },
    KnownCatalog {
        name: "vercel",
        source: "vercel-labs/agent-skills",
        about: "Vercel's skills for React, web design and deployment.",
    },
    KnownCatalog {
        name: "superpowers",
        source: "obra/superpowers",
        about: "A way of working for coding agents: planning, test-driven development, debugging.",
    },
    KnownCatalog {
        name: "workflows",
        source: "wshobson/agents",
        about: "Plugins for whole workflows: languages, cloud, security, documentation.",
    },
];

/// The known catalogue of this name.
///
/// # Errors
/// `NotFound`, with the nearest name.
pub fn find_known(name: &str) -> Result<&'static KnownCatalog> {
    let found = KNOWN_CATALOGS.iter().find(|known| known.name == name);
    found.ok_or_else(|| {
        let shown = printable(name, false);
        let error = error!(NotFound, "no known catalogue is called `{shown}`");
        let error = match find_nearest(name, KNOWN_CATALOGS.iter().map(|known| known.name)) {
            Some(near) => error.hint(format!("did you mean `{near}`?")),
            None => error.hint("`ba-agent marketplace add --known` lists them"),
        };
        error.hint("any other one is added by its source: `ba-agent marketplace add owner/repo`")
    })
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;
    use crate::error::Kind;
    use crate::source::Request;

    #[test]
    fn every_one_can_be_registered_under_its_name() {
        let mut seen = BTreeSet::new();
        for known in &KNOWN_CATALOGS {
            assert_eq!(Request::bare_name(known.name), Some(known.name));
            let request = Request::parse(known.source).unwrap();
            assert_eq!(request.to_string(), format!("github:{}", known.source));
            assert!(seen.insert(known.name) && seen.insert(known.source), "{known:?}");
            assert!(known.about.ends_with('.') && known.about.len() <= 90, "{known:?}");
            assert_eq!(find_known(known.name), Ok(known));
        }
    }

    #[test]
    fn an_unknown_name_is_told_the_nearest() {
        let error = find_known("antropic").unwrap_err();
        assert_eq!((error.kind, error.hints[0].as_str()), (Kind::NotFound, "did you mean `anthropic`?"));
        assert!(find_known("nothing-like-it").unwrap_err().hints[0].contains("--known"));
    }
}
