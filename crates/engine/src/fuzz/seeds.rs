//! What a fuzzer begins with: small, of our own making, and as different as can be.

fn texts(texts: &[&str]) -> Vec<Vec<u8>> {
    texts.iter().map(|text| text.as_bytes().to_vec()).collect()
}

pub(super) fn journal() -> Vec<Vec<u8>> {
    let of = |phase: &str, swaps: &str| {
        format!(
            r#"{{"staging":".ba-agent-0a1b2c3d-17","phase":"{phase}","registry":"/p/config/skills_registry.json","registry_before":null,"registry_after":"","made":1,"roots":[{{"target":"claude-code","place":"/p/.claude/skills","made":2}}],"swaps":[{swaps}],"history":7}}"#
        )
        .into_bytes()
    };
    vec![
        of("staging", ""),
        of("swapping", r#"{"root":0,"name":"pdf","staged":1,"had":2}"#),
        of(
            "committed",
            r#"{"root":0,"name":"a-b","staged":null,"had":1},{"root":1,"name":"x","staged":3,"had":null}"#,
        ),
    ]
}

pub(super) fn settings() -> Vec<Vec<u8>> {
    texts(&[
        "skills:\n  install_dir: .claude/skills\n  agents: [cursor]\n  limits:\n    file: 1kB\n",
        "skills:\n  registry: ../x\n  npm_url: https://h.example/${TOKEN}\n  cache_limit: 1\n",
        "skills:\n  github_url: https://h.example/\n  require_reachable: true\n  auth:\n    github_token: ${TOKEN}\n",
        "skills: &a\n  allow_http: true\n  ca_file: ~/x\n  allow_links_to: [/]\nother: *a\n",
    ])
}

pub(super) fn marketplace_place() -> Vec<Vec<u8>> {
    texts(&[
        "acme/skills",
        "https://h.example/x/marketplace.json",
        "./catalogues",
        "git@h.example:o/r.git#main",
        "builtin:",
    ])
}

pub(super) fn marketplaces() -> Vec<Vec<u8>> {
    let of = |more: &str| {
        format!(
            r#"{{"schema_version":"1.0","marketplaces":{{"m":{{"source":"github:o/r","manifest":".claude-plugin/marketplace.json","enabled":true,"pin":{{"commit":"{}"}},"fetched_at":"2026-01-02T03:04:05Z"{more}}}}}}}"#,
            "a".repeat(40)
        )
        .into_bytes()
    };
    vec![of(""), of(r#","named":true,"later":{"n":1.5e300}"#), br#"{"schema_version":"2.0"}"#.to_vec()]
}

pub(super) fn npm() -> Vec<Vec<u8>> {
    texts(&[
        "^1.2 <2\n{\"versions\":{\"1.2.3\":{\"dist\":{\"tarball\":\"https://h.example/x.tgz\",\"integrity\":\"sha512-AAAA\"}},\"1.10.0-rc.1\":{\"dist\":{\"tarball\":\"x\"}},\"odd\":{\"dist\":{\"tarball\":\"\"}}}}",
        "latest\n{\"dist\":{\"tarball\":\"https://h.example/x.tgz\",\"integrity\":\"sha512-3a81oZNherrMQXNJriBBMRLm+k6JqX6iCp7u5ktV05ohkpkqJ0/BqDa6PCOj/uu9RU1EI2Q86A4qmslPpUyknw== sha256-ungWv48Bz+pBQUDeXa4iI7ADYaOWF3qctBD/YfIAFa0=\"}}",
    ])
}
