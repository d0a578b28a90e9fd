//! Secrets in the middle of a text: private keys, and tokens whose shape their maker documents so
//! that they are found. For what cannot be taken back: a published version.

use super::rules::{Finding, Severity};
use crate::error::printable;

/// How a token begins, its least length behind that, and whose it is. The signs of all are
/// letters, digits, `_` and `-`.
const SHAPES: [(&str, usize, &str); 17] = [
    ("ghp_", 36, "a token of GitHub"),
    ("gho_", 36, "a token of GitHub"),
    ("ghu_", 36, "a token of GitHub"),
    ("ghs_", 36, "a token of GitHub"),
    ("ghr_", 36, "a token of GitHub"),
    ("github_pat_", 60, "a token of GitHub"),
    ("glpat-", 20, "a token of GitLab"),
    ("sk-ant-", 40, "a key of Anthropic"),
    ("sk-proj-", 40, "a key of OpenAI"),
    ("AKIA", 16, "a key of AWS"),
    ("ASIA", 16, "a key of AWS"),
    ("xoxb-", 24, "a token of Slack"),
    ("xoxp-", 24, "a token of Slack"),
    ("npm_", 36, "a token of npm"),
    ("AIza", 35, "a key of Google"),
    ("hf_", 34, "a token of Hugging Face"),
    ("bar_", 43, "a token of a registry of skills"),
];

/// Signs that differ, at least: fewer are a placeholder.
const DIFFERENT_SIGNS: usize = 8;

/// Looks through one file for keys and tokens. Nothing of them is repeated.
pub fn find_credentials(path: &str, bytes: &[u8]) -> Vec<Finding> {
    let lines: Vec<&[u8]> = bytes.split(|b| *b == b'\n').collect();
    let mut findings = Vec::new();
    for (at, line) in lines.iter().enumerate() {
        let what = if begins_private_key(line) && is_key_body(lines.get(at + 1..).unwrap_or_default()) {
            Some("a private key")
        } else {
            find_token(line)
        };
        findings.extend(what.map(|what| Finding {
            code: "published-secret",
            severity: Severity::Error,
            file: printable(path, false),
            line: at + 1,
            column: 1,
            message: format!("looks like {what}"),
            help: "take it out, and revoke it if it was ever shown: a published version stays".to_owned(),
        }));
    }
    findings
}

fn begins_private_key(line: &[u8]) -> bool {
    let line = String::from_utf8_lossy(line);
    let line = line.trim();
    line.starts_with("-----BEGIN ") && line.ends_with("PRIVATE KEY-----")
}

/// Lines of base 64 follow, which in an example are a few dots.
fn is_key_body(rest: &[&[u8]]) -> bool {
    let is_base64 = |b: &u8| b.is_ascii_alphanumeric() || matches!(b, b'+' | b'/' | b'=');
    let lines = rest.iter().take(4).map(|line| line.trim_ascii());
    lines.filter(|line| line.len() >= 40 && line.iter().all(is_base64) && !is_placeholder(line)).count() > 0
}

fn find_token(line: &[u8]) -> Option<&'static str> {
    let is_sign = |b: &u8| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'-');
    let words = line.split(|b| !is_sign(b)).filter(|word| word.len() >= 20);
    words.into_iter().find_map(|word| {
        let (start, _, what) = SHAPES.iter().find(|(start, least, _)| {
            word.strip_prefix(start.as_bytes()).is_some_and(|rest| rest.len() >= *least)
        })?;
        // Keys of AWS and Google have one length; a longer word is something else.
        let rest = word.get(start.len()..).unwrap_or_default();
        let has_one_length = matches!(*start, "AKIA" | "ASIA")
            && (rest.len() != 16 || rest.iter().any(u8::is_ascii_lowercase));
        (!has_one_length && !is_placeholder(rest)).then_some(*what)
    })
}

/// `xxxxxxxx`, `EXAMPLE`, `1234567890abcdef`: what stands in documentation.
fn is_placeholder(text: &[u8]) -> bool {
    let mut signs: Vec<u8> = text.iter().map(u8::to_ascii_lowercase).collect();
    let lower = String::from_utf8_lossy(&signs).into_owned();
    signs.sort_unstable();
    signs.dedup();
    let words = ["example", "xxxx", "your", "abcdef", "12345", "placeholder", "redacted", "dummy"];
    signs.len() < DIFFERENT_SIGNS || words.iter().any(|word| lower.contains(word))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(text: &str) -> Vec<(usize, String)> {
        find_credentials("a.md", text.as_bytes()).into_iter().map(|f| (f.line, f.message)).collect()
    }

    /// The tokens are put together here, so that no scanner takes this file for a leak.
    #[test]
    fn tokens_are_found_and_examples_are_not() {
        let noise = "Zq8Lm2Tn5Rv9Wk3Jd7Hs6Gf4Pb1Xc0Vy2Nu8Ma5Qe7Ko9Li3Ur6Ty1We4Ps8Dg2Fh5".to_owned();
        for (start, least, what) in SHAPES {
            let body: String = noise.chars().take(least).collect();
            let body = if least == 16 { body.to_uppercase() } else { body };
            let token = format!("{start}{body}");
            assert_eq!(
                found(&format!("x\nexport T=\"{token}\"\n")),
                [(2, format!("looks like {what}"))],
                "{token}"
            );
            assert!(!find_credentials("a", token.as_bytes())[0].message.contains(&body));
            assert!(found(&format!("x{token}")).is_empty(), "in the middle of a word: {token}");
            assert!(found(&token[..token.len() - 1]).is_empty(), "too short: {token}");
            assert!(found(&format!("{start}{}", "x".repeat(least))).is_empty());
            let example = format!("{start}EXAMPLE{noise}");
            assert!(found(&example).is_empty(), "{example}");
        }
        let line = noise.chars().cycle().take(64).collect::<String>();
        let key =
            format!("```\n-----BEGIN RSA PRIVATE KEY-----\n{line}\n-----END RSA PRIVATE KEY-----\n```\n");
        assert_eq!(found(&key), [(2, "looks like a private key".to_owned())]);
        assert!(found("-----BEGIN RSA PRIVATE KEY-----\n...\n-----END RSA PRIVATE KEY-----").is_empty());
        assert!(found("-----BEGIN PUBLIC KEY-----").is_empty() && found("").is_empty());
    }
}
