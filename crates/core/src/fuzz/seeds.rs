//! What a fuzzer begins with: small, of our own making, and as different as can be.

use crate::digest::sha256_hex;

fn texts(texts: &[&str]) -> Vec<Vec<u8>> {
    texts.iter().map(|text| text.as_bytes().to_vec()).collect()
}

/// Texts with a byte of choices before each.
fn chosen(texts: &[(u8, &str)]) -> Vec<Vec<u8>> {
    texts.iter().map(|(choices, text)| [&[*choices], text.as_bytes()].concat()).collect()
}

/// A registry with one entry of these further keys.
fn recorded(more: &str) -> String {
    format!(
        r#"{{"schema_version":"1.0","skills":{{"pdf":{{"source":"github:o/r","kind":"github","pin":{{"commit":"3f2a1c9d8e7b6a5f4e3d2c1b0a9f8e7d6c5b4a39"}},"digest":"sha256:{digest}","files":{{"SKILL.md":"100644 {digest}"}},"targets":["claude"],"mode":"link","installed_at":"2026-01-02T03:04:05Z"{more}}}}}}}"#,
        digest = sha256_hex(b"")
    )
}

pub(super) fn dependencies() -> Vec<Vec<u8>> {
    texts(&[
        "---\nname: me\ndescription: d\nrequires: [other@^1, gone]\n---\n[x](../other/a.md) `../../far/other/b`\n",
        "---\nname: me\nmetadata: {x: {requires: {skills: [o/r@other, ../other, other >=1 <2]}}}\n---\n\0dependencies: {other: ^1}\0dependencies:\n  apm: [./skills/other]\0{\"dependencies\":[\"a\",{\"name\":\"b\",\"version\":\"~1\"}]}",
        "---\ndependencies:\n- skill: far\n  source: github:o/r\n  optional: true\n- torch>=2\n---\n",
    ])
}

pub(super) fn diff() -> Vec<Vec<u8>> {
    texts(&[
        "a\nb\nc\nd\ne\nf\ng\nh\na\nb\nc\nd\nX\nf\ng\nh\n",
        "a\r\n\u{1b}[31mb\u{202e}a\r\n\tb",
        "one\0two",
    ])
}

pub(super) fn activation() -> Vec<Vec<u8>> {
    texts(&[
        "# Argy\n\n$ARGUMENTS|$ARGUMENTS[0]|$0|$name|$n-2|\\$0|\\\\$1|{input.key}|{baseDir}\0a \"b c\" 'd e' $X\0value",
        "${CLAUDE_SKILL_DIR} ${CLAUDE_PROJECT_DIR} ${baseDir} {{input.key}}\n!`git diff`\n```!\nls\n```\0$(x y) `z` 2>&1\0$0 {baseDir}",
        "---\nname: x\ndescription: d\n---\n\n  body $1a $10 $$0\n\0it's fine now\0{input.key}",
        "and now the second page\0extract the pages\0",
        "$name[0] $name_ \\$name $ARGUMENTS[\0a=b c=d # e\nf\0",
    ])
}

pub(super) fn manifest() -> Vec<Vec<u8>> {
    let mut all = texts(&[
        "---\nname: folder\ndescription: Does one thing. Use it when asked.\n---\n\nDo it.\n",
        "\u{feff}---\r\nname: Other Name\r\ndescription: \"Said \\u0041\"\r\n---\r\nBody\r\n",
        "---\nname: a\n---\n[é](../x.md) ![b](no%20.md#c) [d]\n`{baseDir}/scripts/no.py`\n\n[d]: <e.md>\n",
        "# Title\n\nNo frontmatter at all, a paragraph instead.\n",
        "---\nname: x\ndescription: >-\n  folded\n  text\n",
        "---\n<<<<<<< HEAD\nname: a\n=======\nname: b\n>>>>>>> x\n---\n",
        "---\nname: folder\ndescription: text with: a colon\n---\nIgnore\u{200b}this \u{e0041}\u{202e}.\n",
    ]);
    all.push(b"\xff\xfe-\0-\0-\0".to_vec());
    all.extend(yaml().iter().map(|lines| {
        [b"---\nname: folder\ndescription: Does it.\n", &lines[..], b"\n---\n\nDo it.\n"].concat()
    }));
    all
}

pub(super) fn json_edit() -> Vec<Vec<u8>> {
    texts(&[
        "{}",
        "{\"a\":{\"b\":1},\"c\":[1,2,{}]}",
        "{\n  // mine\n  \"a\": {\n    \"x\": \"y, // z\", /* last */\n  },\n}\n",
        "\u{feff}{\r\n\t\"servers\": {\r\n\t\t\"old\": 1\r\n\t}\r\n}\r\n",
        "{\"a\": {\"b\": {\"command\": \"x\"}}, \"a\": {}}",
        "{ \"a\" : { } /* , */ , \"\\\"\" : \"\\u00e9\" }",
    ])
}

pub(super) fn yaml() -> Vec<Vec<u8>> {
    texts(&[
        "license: MIT\ncompatibility: any\nallowed-tools: Read, Bash(git:*) Write\nversion: 1.10",
        "allowed-tools: [Read, \"Bash(a, b)\", 'x']\ntags: [a, b]\ntriggers:\n- one\n- two",
        "metadata:\n  author: me\n  version: \"1.0\"\n  nested: {a: [1, 2.5, true, null, ~]}",
        "entrypoint: scripts/run.py\nfunction: main\nrequirements: [a==1, b]\nmodel: x\nmode: yes",
        "dependencies:\n- skill: other\n  version: ^1.2\n  source: github:o/r\n- name",
        "a: &x 1\nb: *x\n<<: {c: d}\n? complex\n: value\ne: !!str 5\na: again",
        "hooks:\n  PreToolUse: |\n    echo x\ndisable-model-invocation: true\nexamples: >\n  a\n\n  b",
        "description: again: and again\n# comment\nargument-hint: [file]\n\"quoted\": 'it''s'",
    ])
}

pub(super) fn hook() -> Vec<Vec<u8>> {
    texts(&[
        r#"{"hook_event_name":"UserPromptSubmit","session_id":"s","cwd":"/p","prompt":"use $pdf"}"#,
        r#"{"hook_event_name":"PreToolUse","tool_name":"Bash","tool_input":{"command":"sudo sh -c 'rm -rf x'"}}"#,
        r#"{"hook_event_name":"AfterTool","tool_name":"activate_skill","tool_input":{"name":"pdf"},"tool_response":{"error":1}}"#,
        "cd x && env A=1 rm -r -f \"$(pwd)\" <<'E' | xargs -n1 bash -lc 'a; `b`'\nrm\nE\n",
        "{\n  // mine\n  \"hooks\": {\n    \"Stop\": [{\"hooks\": [{\"command\": \"x\"}]}], // y\n  },\n}\n",
        r#"{"hooks":{"PreToolUse":[{"hooks":[{"command":"/x/ba-agent hook run"}]}]}}"#,
        r#"{"skills":{"pdf":{"promptTriggers":{"keywords":["a b"],"intentPatterns":["(a|b).*?c"]},"fileTriggers":{"pathPatterns":["**/*.ts"]}}}}"#,
        "interests: [maps]\nskills: {pdf: 0.5}\n",
    ])
}

pub(super) fn remote_registry() -> Vec<Vec<u8>> {
    let line = concat!(
        r#"{"v":1,"name":"@acme/pdf-tables","version":"1.2.0","digest":"sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855","size":9214,"#,
        r#""tree":"sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855","unpacked":31022,"files":7,"description":"Extracts tables.","#,
        r#""deps":[{"name":"@acme/x","req":"^1.0"}],"grants":["Bash"],"hooks":false,"published_at":"2026-11-27T10:00:00Z","yanked":false}"#,
        "\n",
    );
    let revoked = r#"{"at":"2026-11-27T10:00:00Z","name":"@acme/x","version":"1.0.0","digest":"sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855","reason":"bad"}"#;
    texts(&[
        line,
        &format!("{line}{{\"v\":2}}\n{}", line.replace("1.2.0", "2.0.0-rc.1+b").replace("false}", "true,\"yank_reason\":\"x\"}")),
        &line.replace("\"yanked\":false", "\"yanked\":false,\"removed\":{\"at\":\"2026-11-27T10:00:00Z\",\"reason\":\"x\",\"revoked\":true}"),
        r#"{"schema":1,"name":"acme","auth":"read","blobs":"b/sha256/{2}/{digest}.tar.gz","limits":{"archive":"20MiB"},"featured":["@a1/b"]}"#,
        &format!("{revoked}\n"),
    ])
}

pub(super) fn skill_yaml() -> Vec<Vec<u8>> {
    texts(&[
        "apiVersion: skills.claude.ai/v1\nkind: Skill\nmetadata: {id: pdf, name: PDF, version: 1.0.0, tags: [a]}\nspec:\n  description: Reads.\n  instructions: |\n    # Do\n  pricing: {model: free}\n",
        "---\nname: pdf\ndescription: Reads.\nmetadata:\n  skill-yaml: '{\"spec\":{\"runtime\":\"x\"}}'\nallowed-tools: [Bash]\n---\n\nDo.\n",
        "apiVersion: skills.claude.ai/v1\nkind: Skill\nmetadata: {annotations: {skill-md: '{\"hooks\":{}}'}}\n",
    ])
}

pub(super) fn transcript() -> Vec<Vec<u8>> {
    texts(&[
        concat!(
            r#"{"timestamp":"2026-11-28T01:36:27Z","sessionId":"s","cwd":"/p","message":{"content":[{"type":"tool_use","id":"t","name":"Skill","input":{"skill":"pdf"}}]}}"#,
            "\n",
            r#"{"timestamp":"2026-11-28T01:36:28Z","message":{"content":[{"type":"tool_result","tool_use_id":"t","is_error":true}]}}"#,
        ),
        r#"{"timestamp":"2026-11-28T01:36:27Z","uuid":"u","isMeta":true,"message":{"content":[{"type":"text","text":"Base directory for this skill: /a/pdf\n"}]}}"#,
        r#"{"timestamp":"2026-11-28T01:36:27Z","type":"response_item","payload":{"type":"message","id":"m","role":"user","content":[{"text":"<skill>\n<name>pdf</name>\n<path>/x</path>\n</skill>"}]}}"#,
        r#"{"timestamp":"2026-11-28T01:36:27Z","type":"response_item","payload":{"type":"function_call","arguments":"cat /a/pdf/SKILL.md"}}"#,
        r#"{"at":"1970-01-0{"at":"1970-01-01T00:00:05Z","skill":"pdf","by":"cli","event":"activated"}"#,
    ])
}

pub(super) fn search() -> Vec<Vec<u8>> {
    texts(&[
        "pdf forms\nRead, fill and join PDF forms.\nMake PDFs out of text.\n",
        "résumé 技能\nWrites a résumé. 管理技能的工具\nİstanbul ﬃ ß\n",
        "naem\nA name, misspelt naem, of Name\u{301}s.\n",
    ])
}

pub(super) fn search_index() -> Vec<Vec<u8>> {
    let document = |text: &'static str| crate::search::SearchDocument {
        name: text.into(),
        description: "Fills forms. 管理技能的工具".into(),
        ..crate::search::SearchDocument::default()
    };
    let index = |documents: &[_]| crate::search::build_index(documents).split_off(16);
    vec![
        index(&[]),
        index(&[document("pdf")]),
        index(&[document("deploy"), document("kubernetes"), document("c++")]),
    ]
}

pub(super) fn source() -> Vec<Vec<u8>> {
    let sha = "3f2a1c9d8e7b6a5f4e3d2c1b0a9f8e7d6c5b4a39";
    let mut all = texts(&[
        "anthropics/skills\nmain\nskills/pdf",
        "github:o/r/a%20b#refs/tags/v1@name",
        "o/r#^1.2\n>=1, <2",
        "https://github.com/o/r/tree/feature/x/skills/pdf\nfeature/x",
        "https://github.com/o/r/blob/main/skills/pdf/SKILL.md?plain=1#L10",
        "https://raw.githubusercontent.com/o/r/refs/heads/main/SKILL.md",
        "https://gitlab.com/g/s/r/-/tree/main/a?ref_type=heads",
        "https://bitbucket.org/w/r/src/main/a/",
        "gitlab:g/s/r//folder#tree:main/skills",
        "bitbucket:w/r/tree//x",
        "git@example.org:team/r.git//a/b#v1.0.0",
        "ssh://git@example.org:2222/team/r.git",
        "git+https://example.org/r",
        "https://example.org/x.tar.gz?v=1//folder",
        "https://[::1]:8443/é/x.zip#frag",
        "file:///srv/r\n\n../x",
        "./folder/x.zip//a",
        "~/skills/pdf",
        "C:\\skills\\pdf",
        "pdf:fill@official",
        "builtin:skill-finder",
        "ext::sh -c touch",
        "https://user:password@example.org/r.git",
        "https://example.com/.well-known/agent-skills/index.json",
        "https://example.com/a/.claude-plugin/marketplace.json",
    ]);
    all.push(format!("o/r#{sha}\n{sha}\na").into_bytes());
    all
}

pub(super) fn registry() -> Vec<Vec<u8>> {
    let more = r#","reference":{"range":"^1.2"},"path":"skills/pdf","pinned":true,"version":"1.0","description":"é","grants":["Read"],"hooks":true,"allowed":["x"],"alias_of":"a","updated_at":"2026-01-02T03:04:05.123+01:00","marketplace":{"name":"m","entry":"e"},"future":{"b":[1,2.5e-7,null],"a":1}"#;
    texts(&[
        r#"{"schema_version":"1.0"}"#,
        r#"{"schema_version":"2.0","skills":{}}"#,
        r#"{"schema_version":"1.7","skills":{},"new":{"z":18446744073709551615,"a":-0.1,"m":1e300}}"#,
        &recorded(""),
        &recorded(more),
        &recorded(r#","reference":{"sha":"3f2a1c9d8e7b6a5f4e3d2c1b0a9f8e7d6c5b4a39"}"#),
        "<<<<<<< HEAD\n{}\n=======\n",
    ])
}

pub(super) fn marketplace() -> Vec<Vec<u8>> {
    let of =
        |entry: &str| format!(r#"{{"name":"m","owner":{{"name":"o"}},"plugins":[{{"name":"a",{entry}}}]}}"#);
    let digest = sha256_hex(b"");
    let served = format!(
        r#"{{"$schema":"https://schemas.agentskills.io/discovery/0.2.0/schema.json","skills":[{{"name":"a","type":"archive","url":"a.zip","digest":"sha256:{digest}"}},{{"name":"b","type":"skill-md","url":"/b/SKILL.md","digest":"sha256:{digest}"}}]}}"#
    );
    chosen(&[
        (0, &of(r#""source":"./plugins/a","skills":["./skills/x","y"],"version":"1.0","keywords":["k"]"#)),
        (0, &of(r#""source":{"source":"github","repo":"o/r","path":"p","ref":"v1"},"strict":false"#)),
        (
            0,
            &of(
                r#""source":{"source":"url","url":"https://example.org/r.git","sha":"3f2a1c9d8e7b6a5f4e3d2c1b0a9f8e7d6c5b4a39"}"#,
            ),
        ),
        (0, &of(r#""source":{"source":"git-subdir","url":"git@example.org:t/r","path":"a/b"}"#)),
        (
            0,
            &of(
                r#""source":{"source":"npm","package":"@s/p","version":"^1","registry":"https://r.example.org"}"#,
            ),
        ),
        (0, &of(r#""source":{"source":"archive","url":"https://example.org/x.zip"}"#)),
        (0, &of(r#""source":{"source":"archive","url":"/a@b:c.zip"}"#)),
        (
            0,
            r#"{"name":"m","owner":{"name":"o"},"metadata":{"pluginRoot":"./p"},"renames":{"old":"a","gone":null},"plugins":[{"name":"a","source":"x"},{"name":"b","source":" ."},{"name":"a","source":"../x"}]}"#,
        ),
        (
            4,
            r#"{"name":"m","interface":{"displayName":"M"},"plugins":[{"name":"a","source":{"source":"local","path":"./a"},"policy":{}}]}"#,
        ),
        (
            8,
            r#"{"name":"m","owner":{"name":"o"},"plugins":[{"name":"a","source":{"source":"url","url":"./"}}]}"#,
        ),
        (
            2,
            r#"{"name":"p","version":"1","skills":["./skills/b","./a"],"agents":"./agents","hooks":{},"extensions":{"x":{"skills":["y"]}}}"#,
        ),
        (3, &served),
        (3, r#"{"skills":[{"name":"a","description":"d","files":["SKILL.md"]}]}"#),
    ])
}

pub(super) fn interop() -> Vec<Vec<u8>> {
    let hash = sha256_hex(b"");
    let project = format!(
        r#"{{"version":1,"skills":{{"pdf":{{"source":"o/r","sourceType":"github","ref":"main","skillPath":"skills/pdf/SKILL.md","computedHash":"{hash}"}},"x":{{"source":"./x","sourceType":"local"}}}}}}"#
    );
    let user = r#"{"version":3,"skills":{"pdf":{"source":"o/r","sourceType":"github","sourceUrl":"https://github.com/o/r.git","skillPath":"skills/pdf/SKILL.md","skillFolderHash":"3f2a1c9d8e7b6a5f4e3d2c1b0a9f8e7d6c5b4a39","installedAt":"2026-01-01T00:00:00Z","updatedAt":"2026-01-01T00:00:00Z"}}}"#;
    let apm = "lockfile_version: '1'\ndependencies:\n- repo_url: o/r\n  host: github.com\n  resolved_ref: main\n  resolved_commit: 3f2a1c9d8e7b6a5f4e3d2c1b0a9f8e7d6c5b4a39\n  virtual_path: skills/pdf\n  deployed_files: [.claude/skills/pdf/SKILL.md]\n- source: local\n  local_path: ./x\n  skill_subset: [skills/a, b]\n";
    let plugins = r#"{"version":2,"plugins":{"kit@acme":[{"scope":"project","projectPath":"/p","installPath":"/x","version":"1.0","gitCommitSha":"3f2a1c9d8e7b6a5f4e3d2c1b0a9f8e7d6c5b4a39"}]}}"#;
    let known = r#"{"acme":{"source":{"source":"github","repo":"o/r","ref":"main"}},"b":{"source":{"source":"git","url":"https://h/r.git"}}}"#;
    let gh = "---\nname: pdf\ndescription: Reads PDF files.\nmetadata:\n  github-repo: https://github.com/o/r\n  github-ref: refs/heads/main\n  github-path: skills/pdf\n  github-tree-sha: 3f2a1c9d8e7b6a5f4e3d2c1b0a9f8e7d6c5b4a39\n---\n\nText.\n";
    chosen(&[(0, &project), (1, user), (2, apm), (0, plugins), (0, known), (0, gh)])
}

pub(super) fn transparency_log() -> Vec<Vec<u8>> {
    let root = "47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=";
    let signature = "\u{2014} example.org/log AzPeCgEBAQEBAQEBAQEBAQEBAQE=";
    let at = r#""at":"2026-11-27T10:00:00Z","by":"alice","name":"@acme/pdf""#;
    [
        format!("example.org/log\n0\n{root}\n\n{signature}\n"),
        format!("example.org/log\n1234567\n{root}\nmore\n\n{signature}\n{signature}\n"),
        "sum.golang.org+033de0ae+Ac4zctda0e5eza+HJyk9SxEdh+s3Ux18htTTAD8OuAn8".to_owned(),
        "tile/0/x001/x234/067".to_owned(),
        "tile/entries/x123/456.p/255".to_owned(),
        "\0\u{3}abc\0\0\0\u{1}x".to_owned(),
        r#"{"v":1,"event":"publish","line":{"v":1,"name":"@acme/pdf","version":"1.0.0","size":1.5e3}}"#
            .to_owned(),
        format!(r#"{{"v":1,"event":"yank",{at},"version":"1.0.0","reason":"x"}}"#),
        format!(r#"{{"v":1,"event":"owner",{at},"login":"bob","role":"owner"}}"#),
        r#"{"v":1,"name":"@acme/pdf","leaf":3,"yanked":true,"deps":[{"name":"@a/b"}],"a":1e400}"#.to_owned(),
    ]
    .map(String::into_bytes)
    .to_vec()
}
