//! The grammar as tables: what a person types or pastes, and what it means.

use proptest::prelude::*;

use super::{Reference, Request, Source};
use crate::error::Kind;

const SHA: &str = "3f2a1c9d8e7b6a5f4e3d2c1b0a9f8e7d6c5b4a39";

/// A request as the tables write it: `SOURCE [ref=…] [in=…] [skill=…]`.
fn described(request: &Request) -> String {
    let mut out = format!("{} {}", request.source.kind(), request.source.display_name());
    if let Source::Git { url: text }
    | Source::Archive { location: text }
    | Source::Served { url: text }
    | Source::Local { path: text } = &request.source
    {
        out = format!("{} {text}", request.source.kind());
    }
    if let Source::RemoteRegistry { .. } = &request.source {
        out = format!("registry {}", request.source);
    }
    match &request.reference {
        Reference::Default => {}
        Reference::Named(name) => out += &format!(" named={name}"),
        Reference::Branch(name) => out += &format!(" branch={name}"),
        Reference::Tag(name) => out += &format!(" tag={name}"),
        Reference::Sha(sha) => out += &format!(" sha={sha}"),
        Reference::Range(range) => out += &format!(" range={range}"),
        Reference::Tail(tail) => out += &format!(" tail={tail}"),
    }
    if let Some(folder) = &request.subdirectory {
        out += &format!(" in={folder}");
    }
    if let Some(skill) = &request.skill {
        out += &format!(" skill={skill}");
    }
    out
}

/// Each text means what stands beside it, and its canonical text means the same.
fn check(rows: &[(&str, &str)]) {
    let faults: Vec<String> = rows.iter().filter_map(|row| misread(row.0, row.1).err()).collect();
    assert!(faults.is_empty(), "{}", faults.join("\n"));
}

fn misread(text: &str, expected: &str) -> Result<(), String> {
    let (text, expected) = (text.replace("SHA", SHA), expected.replace("SHA", SHA));
    let request = Request::parse(&text).map_err(|e| format!("{text}: {e} {:?}", e.hints))?;
    if described(&request) != expected {
        return Err(format!("{text}: {}", described(&request)));
    }
    let canonical = request.to_string();
    match Request::parse(&canonical) {
        Ok(again) if again == request && again.to_string() == canonical => Ok(()),
        other => Err(format!("{text} -> {canonical}: {other:?}")),
    }
}

/// Each text is refused as wrong usage, and message, cause or hint hold the words beside it.
fn refuse(rows: &[(&str, &str)]) {
    let faults: Vec<String> = rows.iter().filter_map(|row| accepted(row.0, row.1).err()).collect();
    assert!(faults.is_empty(), "{}", faults.join("\n"));
}

fn accepted(text: &str, words: &str) -> Result<(), String> {
    let (text, words) = (text.replace("SHA", SHA), words.replace("SHA", SHA));
    let error = match Request::parse(&text) {
        Err(error) => error,
        Ok(request) => return Err(format!("{text:?} was read as {}", described(&request))),
    };
    let said = format!("{}\n{}\n{}", error.message, error.causes.join("\n"), error.hints.join("\n"));
    let safe = !said.chars().any(|c| c != '\n' && crate::error::is_unprintable(c));
    let sound = error.kind == Kind::Usage && !error.hints.iter().any(String::is_empty) && safe;
    if sound && said.contains(&words) { Ok(()) } else { Err(format!("{text:?}: {said}")) }
}

#[test]
fn shorthands() {
    check(&[
        ("github:anthropics/skills", "github anthropics/skills"),
        ("anthropics/skills", "github anthropics/skills"),
        ("  anthropics/skills \n", "github anthropics/skills"),
        ("anthropics/skills/", "github anthropics/skills"),
        ("GitHub:anthropics/skills", "github anthropics/skills"),
        ("github:o/r.git", "github o/r"),
        ("o/r.git", "github o/r"),
        ("o/my.repo_1-x", "github o/my.repo_1-x"),
        ("some_company/r", "github some_company/r"),
        ("github:o/r/path/in/repo", "github o/r in=path/in/repo"),
        ("o/r/skills/pdf", "github o/r in=skills/pdf"),
        ("o/r/skills/pdf/", "github o/r in=skills/pdf"),
        ("o/r//skills/pdf", "github o/r in=skills/pdf"),
        ("o/r/skills/pdf/SKILL.md", "github o/r in=skills/pdf"),
        ("o/r/SKILL.md", "github o/r"),
        ("o/r/my%20skill", "github o/r in=my skill"),
        ("o/r/my skill", "github o/r in=my skill"),
        ("o/r/技能/pdf", "github o/r in=技能/pdf"),
        ("o/r/100%", "github o/r in=100%"),
        ("o/r/a%40b", "github o/r in=a@b"),
        ("o/r/c%23", "github o/r in=c#"),
        ("github:o/r//tree/x", "github o/r in=tree/x"),
        ("github:o/r/x.zip", "github o/r in=x.zip"),
        ("o/r//x.zip", "github o/r in=x.zip"),
        ("github:dir/x.zip", "github dir/x.zip"),
        ("owner/repo@skill-name", "github owner/repo skill=skill-name"),
        ("owner/repo@skill-name/", "github owner/repo skill=skill-name"),
        ("owner/repo@My Skill", "github owner/repo skill=My Skill"),
        ("owner/repo@plugin:skill", "github owner/repo skill=plugin:skill"),
        ("owner/repo@3d-modeling", "github owner/repo skill=3d-modeling"),
        ("o/r/skills@pdf", "github o/r in=skills skill=pdf"),
        ("o/r/path/to@pdf", "github o/r in=path/to skill=pdf"),
        ("o/r#main", "github o/r named=main"),
        ("o/r#feature/x/y", "github o/r named=feature/x/y"),
        ("o/r#v1.2.3", "github o/r named=v1.2.3"),
        ("o/r#3f2a1c9", "github o/r named=3f2a1c9"),
        ("o/r#SHA", "github o/r sha=SHA"),
        ("o/r#^1.2", "github o/r range=^1.2"),
        ("o/r#~1.2.0", "github o/r range=~1.2.0"),
        ("o/r#>=1,<2", "github o/r range=>=1, <2"),
        ("o/r#>=1 <2", "github o/r range=>=1, <2"),
        ("o/r#=1.2.3", "github o/r range==1.2.3"),
        ("o/r#1.*", "github o/r range=1.*"),
        ("o/r#*", "github o/r range=*"),
        ("o/r#1.x", "github o/r named=1.x"),
        ("o/r#HEAD", "github o/r"),
        ("o/r#refs/heads/main", "github o/r branch=main"),
        ("o/r#refs/tags/v1", "github o/r tag=v1"),
        ("o/r#tree:main/skills/pdf", "github o/r tail=main/skills/pdf"),
        ("o/r#tree:main", "github o/r named=main"),
        ("o/r#main@pdf", "github o/r named=main skill=pdf"),
        ("o/r@pdf#main", "github o/r named=main skill=pdf"),
        ("o/r#feature/x@pdf", "github o/r named=feature/x skill=pdf"),
        ("o/r/skills#main@pdf", "github o/r named=main in=skills skill=pdf"),
        ("o/r#^1.2@pdf", "github o/r range=^1.2 skill=pdf"),
        ("o/r#SHA@pdf", "github o/r sha=SHA skill=pdf"),
        ("o/r#pdf@1.2.0", "github o/r named=pdf@1.2.0"),
        ("o/r#pdf--v1.2.0", "github o/r named=pdf--v1.2.0"),
        ("o/r#@scope/pkg@1.0.0", "github o/r named=@scope/pkg@1.0.0"),
        ("o/r#pdf@1.2.0@pdf", "github o/r named=pdf@1.2.0 skill=pdf"),
        ("o/r#a%40b", "github o/r named=a@b"),
        ("o/r#feature%2Fx", "github o/r named=feature/x"),
        ("gitlab:group/repo", "gitlab group/repo"),
        ("gitlab:group/sub/repo", "gitlab group/sub/repo"),
        ("gitlab:a/b/c/d/repo.git", "gitlab a/b/c/d/repo"),
        ("gitlab:group/sub/repo//skills/pdf", "gitlab group/sub/repo in=skills/pdf"),
        ("gitlab:group/sub/repo//skills#main@pdf", "gitlab group/sub/repo named=main in=skills skill=pdf"),
        ("gitlab:group/repo@pdf", "gitlab group/repo skill=pdf"),
        ("bitbucket:o/r", "bitbucket o/r"),
        ("bitbucket:o/r/skills/pdf#v1", "bitbucket o/r named=v1 in=skills/pdf"),
        ("bitbucket:o/r@pdf", "bitbucket o/r skill=pdf"),
        ("sql-analyzer@anthropic", "marketplace sql-analyzer@anthropic"),
        ("my plugin@m", "marketplace my plugin@m"),
        ("a.b@m", "marketplace a.b@m"),
        ("Über_Plug@m", "marketplace Über_Plug@m"),
        ("数据 工具@m", "marketplace 数据 工具@m"),
        ("my plugin:My Skill@m", "marketplace my plugin:My Skill@m"),
        ("office:pdf@m", "marketplace office:pdf@m"),
        ("\"office\"@m", "marketplace office@m"),
        ("\"office:pdf\"@m", "marketplace office:pdf@m"),
        ("\"@scope/kit\"@m", "marketplace \"@scope/kit\"@m"),
        ("\"a.b:pdf\"@m", "marketplace \"a.b:pdf\"@m"),
        ("\"github:pdf\"@m", "marketplace \"github:pdf\"@m"),
        ("\"x.zip\"@m", "marketplace \"x.zip\"@m"),
        ("\"a\"b#c\"@m", "marketplace \"a\"b#c\"@m"),
        ("builtin:skill-finder", "builtin builtin:skill-finder"),
    ]);
}

#[test]
fn pages_of_github() {
    check(&[
        ("https://github.com/o/r", "github o/r"),
        ("https://github.com/o/r/", "github o/r"),
        ("https://github.com/o/r.git", "github o/r"),
        ("https://github.com/o/r.git/", "github o/r"),
        ("http://github.com/o/r", "github o/r"),
        ("HTTPS://GitHub.com/O/R", "github O/R"),
        ("https://www.github.com/o/r", "github o/r"),
        ("https://github.dev/o/r", "github o/r"),
        ("github.com/o/r", "github o/r"),
        ("www.github.com/o/r/tree/main/a", "github o/r tail=main/a"),
        ("https://git@github.com/o/r.git", "github o/r"),
        ("git+https://github.com/o/r.git", "git https://github.com/o/r.git"),
        ("git+https://github.com/o/r.git#v1.2.3", "git https://github.com/o/r.git named=v1.2.3"),
        ("https://github.com/o/r#readme", "github o/r"),
        ("https://github.com/o/r?tab=readme-ov-file", "github o/r"),
        ("https://github.com/o/r?tab=readme-ov-file#installation", "github o/r"),
        ("https://github.com/o/r?tab=x#v2.0", "github o/r named=v2.0"),
        ("https://github.com/o/r#", "github o/r"),
        ("https://github.com/o/r#main", "github o/r named=main"),
        ("https://github.com/o/r.git#readme", "github o/r named=readme"),
        ("https://github.com/o/r#main@pdf", "github o/r named=main skill=pdf"),
        ("https://github.com/o/r@pdf", "github o/r skill=pdf"),
        ("https://github.com/o/r//skills/pdf", "github o/r in=skills/pdf"),
        ("https://github.com/o/r/tree/main", "github o/r named=main"),
        ("https://github.com/o/r/tree/main/", "github o/r named=main"),
        ("https://github.com/o/r/tree/main/skills/pdf", "github o/r tail=main/skills/pdf"),
        ("https://github.com/o/r/tree/feature/x/skills/pdf", "github o/r tail=feature/x/skills/pdf"),
        ("https://github.com/o/r/tree/main/skills/pdf#usage", "github o/r tail=main/skills/pdf"),
        ("https://github.com/o/r/tree/main/skills/pdf?tab=x", "github o/r tail=main/skills/pdf"),
        ("https://github.com/o/r/tree/main/a%20b", "github o/r tail=main/a b"),
        ("https://github.com/o/r/tree/main/%E6%8A%80%E8%83%BD", "github o/r tail=main/技能"),
        ("https://github.com/o/r/tree/main/a@b", "github o/r tail=main/a@b"),
        ("https://github.com/o/r/tree/SHA", "github o/r sha=SHA"),
        ("https://github.com/o/r/tree/SHA/skills/pdf", "github o/r sha=SHA in=skills/pdf"),
        ("https://github.com/o/r/tree/refs/heads/main", "github o/r branch=main"),
        ("https://github.com/o/r/tree/refs/heads/main/x", "github o/r tail=refs/heads/main/x"),
        ("https://github.com/o/r/blob/main/skills/pdf/SKILL.md", "github o/r tail=main/skills/pdf"),
        (
            "https://github.com/o/r/blob/main/skills/pdf/SKILL.md?plain=1#L10",
            "github o/r tail=main/skills/pdf",
        ),
        ("https://github.com/o/r/blob/main/skills/pdf/skill.md", "github o/r tail=main/skills/pdf"),
        ("https://github.com/o/r/blob/main/SKILL.md", "github o/r named=main"),
        ("https://github.com/o/r/blob/SHA/a/SKILL.md", "github o/r sha=SHA in=a"),
        ("https://github.com/o/r/blame/main/a/SKILL.md", "github o/r tail=main/a"),
        ("https://github.com/o/r/edit/main/a/SKILL.md", "github o/r tail=main/a"),
        ("https://github.com/o/r/raw/main/a/SKILL.md", "github o/r tail=main/a"),
        ("https://github.com/o/r/raw/refs/heads/main/a/SKILL.md", "github o/r tail=refs/heads/main/a"),
        ("https://raw.githubusercontent.com/o/r/main/a/SKILL.md", "github o/r tail=main/a"),
        (
            "https://raw.githubusercontent.com/o/r/refs/heads/main/a/b/SKILL.md",
            "github o/r tail=refs/heads/main/a/b",
        ),
        ("https://raw.githubusercontent.com/o/r/refs/tags/v1/SKILL.md", "github o/r tag=v1"),
        ("https://raw.githubusercontent.com/o/r/SHA/a/SKILL.md?token=x", "github o/r sha=SHA in=a"),
        ("https://github.com/o/r/commit/SHA", "github o/r sha=SHA"),
        ("https://github.com/o/r/commit/SHA#diff-0", "github o/r sha=SHA"),
        ("https://github.com/o/r/commit/3f2a1c9", "github o/r named=3f2a1c9"),
        ("https://github.com/o/r/commits/main", "github o/r named=main"),
        ("https://github.com/o/r/commits/main/skills/pdf", "github o/r tail=main/skills/pdf"),
        ("https://github.com/o/r/releases/tag/v1.2.3", "github o/r tag=v1.2.3"),
        ("https://github.com/o/r/releases/tag/pdf%401.0.0", "github o/r tag=pdf@1.0.0"),
        (
            "https://github.com/o/r/releases/download/v1/pdf.skill",
            "archive https://github.com/o/r/releases/download/v1/pdf.skill",
        ),
        (
            "https://github.com/o/r/archive/refs/heads/main.zip",
            "archive https://github.com/o/r/archive/refs/heads/main.zip",
        ),
        (
            "https://codeload.github.com/o/r/zip/refs/heads/main",
            "archive https://codeload.github.com/o/r/zip/refs/heads/main",
        ),
        ("https://github.com/o/r/raw/main/dist/x.zip", "archive https://github.com/o/r/raw/main/dist/x.zip"),
        ("https://gist.github.com/0a1b2c.git", "git https://gist.github.com/0a1b2c.git"),
    ]);
}

#[test]
fn pages_of_other_hosts() {
    check(&[
        ("https://gitlab.com/g/r", "gitlab g/r"),
        ("https://gitlab.com/g/sub/r.git", "gitlab g/sub/r"),
        ("https://gitlab.com/g/sub/r#v1", "gitlab g/sub/r named=v1"),
        ("https://gitlab.com/g/sub/r@pdf", "gitlab g/sub/r skill=pdf"),
        (
            "https://gitlab.com/g/sub/r/-/tree/main/skills/pdf?ref_type=heads",
            "gitlab g/sub/r tail=main/skills/pdf",
        ),
        ("https://gitlab.com/g/r/-/blob/main/a/SKILL.md", "gitlab g/r tail=main/a"),
        ("https://gitlab.com/g/r/-/raw/main/a/SKILL.md", "gitlab g/r tail=main/a"),
        ("https://gitlab.com/g/r/-/commit/SHA", "gitlab g/r sha=SHA"),
        ("https://gitlab.com/g/r/-/tags/v1.0", "gitlab g/r tag=v1.0"),
        ("https://gitlab.com/g/r/-/releases/v1.0", "gitlab g/r tag=v1.0"),
        ("https://gitlab.com/g/r/tree/main/a", "gitlab g/r tail=main/a"),
        ("gitlab.com/g/sub/r", "gitlab g/sub/r"),
        (
            "https://gitlab.com/g/r/-/archive/main/r-main.zip",
            "archive https://gitlab.com/g/r/-/archive/main/r-main.zip",
        ),
        ("https://gitlab.example.org/g/sub/r", "git https://gitlab.example.org/g/sub/r"),
        ("https://gitlab.example.org/g/r/-/tree/main/a", "git https://gitlab.example.org/g/r tail=main/a"),
        ("https://code.example.org/g/r/-/tree/main/a", "git https://code.example.org/g/r tail=main/a"),
        ("https://code.example.org/g/r/-/tree/x/_git/", "git https://code.example.org/g/r tail=x/_git"),
        ("https://bitbucket.org/o/r", "bitbucket o/r"),
        ("https://me@bitbucket.org/o/r.git", "bitbucket o/r"),
        ("https://bitbucket.org/o/r/src/main/skills/pdf", "bitbucket o/r tail=main/skills/pdf"),
        ("https://bitbucket.org/o/r/src/main/", "bitbucket o/r named=main"),
        ("https://bitbucket.org/o/r/src", "bitbucket o/r"),
        ("https://bitbucket.org/o/r/src/SHA/a/SKILL.md?at=main", "bitbucket o/r sha=SHA in=a"),
        ("https://bitbucket.org/o/r/commits/SHA", "bitbucket o/r sha=SHA"),
        ("https://bitbucket.org/o/r/branch/feature/x", "bitbucket o/r branch=feature/x"),
        ("https://bitbucket.org/o/r/get/v1.zip", "archive https://bitbucket.org/o/r/get/v1.zip"),
        ("https://codeberg.org/o/r", "git https://codeberg.org/o/r"),
        ("https://codeberg.org/o/r/src/branch/main", "git https://codeberg.org/o/r branch=main"),
        ("https://codeberg.org/o/r/src/branch/main/a", "git https://codeberg.org/o/r tail=refs/heads/main/a"),
        ("https://codeberg.org/o/r/src/tag/v1/a", "git https://codeberg.org/o/r tail=refs/tags/v1/a"),
        ("https://codeberg.org/o/r/src/commit/SHA/a/SKILL.md", "git https://codeberg.org/o/r sha=SHA in=a"),
        ("https://ghe.example.org/o/r", "git https://ghe.example.org/o/r"),
        ("https://code.example.org/o/r/tree/main/a", "git https://code.example.org/o/r tail=main/a"),
        ("https://code.example.org/o/r/blob/main/a/SKILL.md", "git https://code.example.org/o/r tail=main/a"),
        (
            "https://huggingface.co/spaces/o/r/tree/main/a",
            "git https://huggingface.co/spaces/o/r tail=main/a",
        ),
        ("https://dev.azure.com/org/p/_git/r", "git https://dev.azure.com/org/p/_git/r"),
        ("https://org@dev.azure.com/org/p/_git/r", "git https://dev.azure.com/org/p/_git/r"),
        (
            "https://dev.azure.com/org/p/_git/r?path=/skills/pdf&version=GBmain",
            "git https://dev.azure.com/org/p/_git/r branch=main in=skills/pdf",
        ),
        (
            "https://org.visualstudio.com/p/_git/r?version=GTv1",
            "git https://org.visualstudio.com/p/_git/r tag=v1",
        ),
        ("git@ssh.dev.azure.com:v3/org/p/r", "git git@ssh.dev.azure.com:v3/org/p/r"),
    ]);
}

#[test]
fn git_remotes() {
    check(&[
        ("https://git.example.org/team/skills.git", "git https://git.example.org/team/skills.git"),
        ("https://example.org/x.git", "git https://example.org/x.git"),
        ("https://example.org/x.git/", "git https://example.org/x.git"),
        ("https://example.org/x.git#v1@pdf", "git https://example.org/x.git named=v1 skill=pdf"),
        ("https://example.org/x.git@pdf", "git https://example.org/x.git skill=pdf"),
        ("https://example.org/x.git//skills/pdf", "git https://example.org/x.git in=skills/pdf"),
        ("https://example.org/x.git//skills@pdf", "git https://example.org/x.git in=skills skill=pdf"),
        ("https://me@example.org/x.git", "git https://me@example.org/x.git"),
        ("https://example.org:8443/x.git", "git https://example.org:8443/x.git"),
        ("http://127.0.0.1:8080/x.git", "git http://127.0.0.1:8080/x.git"),
        ("http://[::1]:8080/x.git", "git http://[::1]:8080/x.git"),
        ("git+https://example.org/any/where", "git https://example.org/any/where"),
        ("git+http://127.0.0.1:80/any", "git http://127.0.0.1/any"),
        ("git+https://example.org/x.zip", "git https://example.org/x.zip"),
        ("ssh://git@example.org/o/r.git", "git ssh://git@example.org/o/r.git"),
        ("ssh://git@example.org:2222/o/r.git#main", "git ssh://git@example.org:2222/o/r.git named=main"),
        ("ssh://git@github.com/o/r.git", "git ssh://git@github.com/o/r.git"),
        ("ssh://example.org/srv/r", "git ssh://example.org/srv/r"),
        ("git+ssh://git@example.org/o/r.git", "git ssh://git@example.org/o/r.git"),
        ("git@github.com:o/r.git", "git git@github.com:o/r.git"),
        ("git@host:o/r.git", "git git@host:o/r.git"),
        ("git@host:a?b//c", "git git@host:a?b in=c"),
        (".a@host:r//b%40c", "git .a@host:r in=b@c"),
        ("git@host:r.git@pdf", "git git@host:r.git skill=pdf"),
        ("git@host:o/r.git#main@pdf", "git git@host:o/r.git named=main skill=pdf"),
        ("git@host:o/r.git//skills/pdf", "git git@host:o/r.git in=skills/pdf"),
        ("git@host:é//skills/pdf", "git git@host:é in=skills/pdf"),
        ("git@host:/srv/git/r.git", "git git@host:/srv/git/r.git"),
        ("git@host:~me/r.git", "git git@host:~me/r.git"),
        ("github.com:o/r.git", "git github.com:o/r.git"),
        ("file:///srv/git/r.git", "git file:///srv/git/r.git"),
        ("file:///srv/git/r", "git file:///srv/git/r"),
        ("git+file:///srv/git/r", "git file:///srv/git/r"),
        ("file:///srv/git/r#main@pdf", "git file:///srv/git/r named=main skill=pdf"),
        ("file:///srv/git/r//skills/pdf", "git file:///srv/git/r in=skills/pdf"),
        ("file:///C:/git/r", "git file:///C:/git/r"),
    ]);
}

#[test]
fn folders_and_archives() {
    check(&[
        ("./dir", "local ./dir"),
        ("./dir/", "local ./dir"),
        ("../dir", "local ../dir"),
        ("/dir", "local /dir"),
        ("~/dir", "local ~/dir"),
        ("~", "local ~"),
        (".", "local ."),
        ("./", "local ."),
        ("..", "local .."),
        ("/", "local /"),
        ("C:\\dir", "local C:\\dir"),
        ("C:/dir", "local C:/dir"),
        (".\\dir", "local .\\dir"),
        ("\\\\server\\share", "local \\\\server\\share"),
        ("./my skills", "local ./my skills"),
        ("./c#", "local ./c#"),
        ("./a@b", "local ./a@b"),
        ("./100%25", "local ./100%25"),
        ("./dir/SKILL.md", "local ./dir"),
        ("./SKILL.md", "local ."),
        ("./dir//sub", "local ./dir in=sub"),
        ("./x.zip/", "local ./x.zip/"),
        ("./x.zip#a/", "local ./x.zip#a/"),
        ("./x.zip@a/SKILL.md", "local ./x.zip@a/"),
        ("./x.7z//", "local ./x.7z/"),
        ("./x.7z///a", "local ./x.7z/ in=a"),
        ("./x.zip///sub", "local ./x.zip/ in=sub"),
        ("./x.zip", "archive ./x.zip"),
        ("./x.skill", "archive ./x.skill"),
        ("./x.tar.gz", "archive ./x.tar.gz"),
        ("./x.tgz", "archive ./x.tgz"),
        ("./x.tar", "archive ./x.tar"),
        ("./X.ZIP", "archive ./X.ZIP"),
        ("x.zip", "archive ./x.zip"),
        ("~/Downloads/pdf.skill", "archive ~/Downloads/pdf.skill"),
        ("C:\\x.zip", "archive C:\\x.zip"),
        ("./x.zip//skills/pdf", "archive ./x.zip in=skills/pdf"),
        ("file:///tmp/x.zip", "archive /tmp/x.zip"),
        ("file:///C:/x.zip", "archive C:/x.zip"),
        ("https://example.org/x.zip", "archive https://example.org/x.zip"),
        ("https://example.org/x.tar.gz?version=2", "archive https://example.org/x.tar.gz?version=2"),
        ("https://example.org/x.skill//a/b", "archive https://example.org/x.skill in=a/b"),
        ("https://example.org/x.zip//a?v=1", "archive https://example.org/x.zip?v=1 in=a"),
        ("http://127.0.0.1:1/x.tgz", "archive http://127.0.0.1:1/x.tgz"),
        ("https://a.org/.well-known/skills/pdf", "served https://a.org/.well-known/skills/pdf"),
        ("https://a.org/docs/.well-known/skills/pdf/", "served https://a.org/docs/.well-known/skills/pdf"),
        ("https://a.org/.well-known/agent-skills/x_1", "served https://a.org/.well-known/agent-skills/x_1"),
        ("https://a.org/.well-known/skills/pdf//sub", "served https://a.org/.well-known/skills/pdf in=sub"),
        (
            "https://a.org/.well-known/skills/pdf/SKILL.md",
            "archive https://a.org/.well-known/skills/pdf/SKILL.md",
        ),
        ("https://a.org/.well-known/skills/x.tgz", "archive https://a.org/.well-known/skills/x.tgz"),
    ]);
}

#[test]
fn skills_of_registries() {
    check(&[
        ("@acme/pdf-tables", "registry @acme/pdf-tables"),
        ("@acme/pdf-tables/", "registry @acme/pdf-tables"),
        (" @acme/pdf-tables ", "registry @acme/pdf-tables"),
        ("@acme/pdf-tables#1.2.0", "registry @acme/pdf-tables range==1.2.0"),
        ("@acme/pdf-tables#v1.2.0", "registry @acme/pdf-tables range==1.2.0"),
        ("@acme/pdf-tables#=1.2.0", "registry @acme/pdf-tables range==1.2.0"),
        ("@acme/pdf-tables#1.2", "registry @acme/pdf-tables range==1.2"),
        ("@acme/pdf-tables#^1.2", "registry @acme/pdf-tables range=^1.2"),
        ("@acme/pdf-tables#>=1,<2", "registry @acme/pdf-tables range=>=1, <2"),
        ("@acme/pdf-tables#latest", "registry @acme/pdf-tables"),
        ("corp:@acme/pdf-tables#^1.2", "registry corp:@acme/pdf-tables range=^1.2"),
        (
            "registry+https://skills.acme.dev/@acme/pdf-tables",
            "registry registry+https://skills.acme.dev/@acme/pdf-tables",
        ),
        (
            "registry+https://Skills.acme.dev:443//@acme/pdf-tables#^1",
            "registry registry+https://skills.acme.dev/@acme/pdf-tables range=^1",
        ),
        (
            "registry+file:///srv/@team/@acme/pdf-tables",
            "registry registry+file:///srv/@team/@acme/pdf-tables",
        ),
    ]);
    let flags = |text: &str, reference: Option<&str>, sha: Option<&str>, folder: Option<&str>| {
        let request = Request::parse(text).unwrap().with_flags(reference, sha, folder);
        request.map(|request| request.to_string()).map_err(|e| format!("{} {}", e.message, e.hints.join(" ")))
    };
    assert_eq!(flags("@acme/pdf", Some("1.2.0"), None, None).unwrap(), "@acme/pdf#=1.2.0");
    assert_eq!(flags("@acme/pdf", Some("^1"), None, None).unwrap(), "@acme/pdf#^1");
    assert!(flags("@acme/pdf#1.0.0", Some("^1"), None, None).unwrap_err().contains("two references"));
    assert!(flags("@acme/pdf", Some("main"), None, None).unwrap_err().contains("no branches"));
    assert!(flags("@acme/pdf", None, Some(SHA), None).unwrap_err().contains("never changes"));
    assert!(flags("@acme/pdf", None, None, Some("a")).unwrap_err().contains("names a skill"));
}

#[test]
fn what_is_not_understood_says_what_to_type() {
    refuse(&[
        ("", "github:owner/repo"),
        ("   ", "is empty"),
        ("pdf", "`./pdf`"),
        ("pdf", "owner/repo"),
        ("pdf", "ba-agent skill search pdf"),
        ("pdf/", "`./pdf`"),
        ("pdf#main", "owner/repo"),
        ("SKILL.md", "write `.`"),
        ("--all", "looks like a flag"),
        ("-x", "`./` before it"),
        ("@acme", "write `@acme/NAME`"),
        ("@acme/", "@OWNER/NAME"),
        ("@acme/pdf-tables@1.2.0", "write `@acme/pdf-tables#1.2.0`"),
        ("corp:@acme/pdf-tables@^1", "write `@acme/pdf-tables#^1`"),
        ("@acme/pdf-tables#main", "no branches"),
        ("@acme/pdf/tables", "@OWNER/NAME"),
        ("@Acme/pdf", "a-z, 0-9"),
        ("@acme/pdf_tables", "single `-`"),
        ("github:@acme/pdf", "account"),
        ("Corp:@acme/pdf", "unknown source prefix"),
        ("registry+https://h.example/pdf", "does not name a skill of a registry"),
        ("registry+ftp://h.example/@acme/pdf", "address of a registry"),
        ("registry+https://me:pw@h.example/@acme/pdf", "ba-agent login"),
        ("pdf@1.2.0", "owner/repo#1.2.0"),
        ("pdf@^1", "owner/repo#^1"),
        ("x.zip@m", "name@marketplace"),
        ("a\\b@m", "name@marketplace"),
        ("\"a b@m", "`\"a/b\"@marketplace`"),
        ("\"\"@m", "`\"a/b\"@marketplace`"),
        ("\"x\"@a.b", "`\"a/b\"@marketplace`"),
        ("pdf@market.place", "name@marketplace"),
        ("o/r@v1.2.3", "o/r#v1.2.3"),
        ("o/r@1.2", "o/r#1.2"),
        ("o/r@^1.2", "o/r#^1.2"),
        ("o/r@SHA", "o/r#SHA"),
        ("https://example.org/x.git@pdf//skills", "address//folder@skill-name"),
        ("o/r@pdf//skills", "comes before the folder"),
        ("o/r@a#main@b", "--skill a --skill b"),
        ("o/r@", "owner/repo@skill-name"),
        ("o/r@a/b", "owner/repo@skill-name"),
        ("o/r#", "omit the `#`"),
        ("o/r#@pdf", "omit the `#`"),
        ("o/r#a..b", "holds `..`"),
        ("o/r#a b", "holds ` `"),
        ("o/r#a:b", "holds `:`"),
        ("o/r#-x", "begins with a dash"),
        ("o/r#/x", "empty part"),
        ("o/r#x/", "empty part"),
        ("o/r#x.lock", ".lock"),
        ("o/r#.x", "begins with a dot"),
        ("o/r#x.", "ends in a dot"),
        ("o/r#a@{1}", "shorthand"),
        ("o/r#refs/pull/1/head", "refs/heads/NAME"),
        ("o/r#^", "`^1.2`"),
        ("o/r#^1.2 || ^2", "`>=1,<2`"),
        ("o/r#^v1", "`^1.2`"),
        ("o/r/../x", "leads out of the folder"),
        ("o/r/a//b", "one slash"),
        ("o/r/./x", "has a `.` part"),
        ("o/r/%2e%2e/x", "leads out of the folder"),
        ("o/r/.git/x", "spells `.git`"),
        ("o/r/tree/main/x", "https://github.com/o/r/tree/main/x"),
        ("o/r/tree/main/x", "github:o/r//tree/"),
        ("o/..", "cannot be the name of a repository"),
        ("o!/r", "cannot be the name of an account"),
        ("-o/r", "looks like a flag"),
        ("github:o", "`github:owner/repo@skill-name`"),
        ("github:", "github:owner/repo"),
        ("github:o/r.git.git", "ends in `.git`"),
        ("github:https://github.com/o/r", "write only the address"),
        ("github:https://me:pw@github.com/o/r", "write only the address"),
        ("gitlab:repo", "gitlab:group/repo"),
        ("bitbucket:o", "bitbucket:workspace/repo"),
        ("builtin:", "builtin:skill-finder"),
        ("builtin:a/b", "not a valid name"),
        ("dir/x.zip", "`./dir/x.zip`"),
        ("dir/x.zip", "`github:dir/x.zip`"),
        ("dir/sub/x.tgz", "`./dir/sub/x.tgz`"),
        ("example.com/o/r", "https://example.com/o/r"),
        ("./x.zip@pdf", "--skill pdf"),
        ("./x.zip#main", "has no branches"),
        ("./x.rar", ".zip"),
        ("x.7z", "pack the skill as"),
        ("~me/skills", "another user's home"),
        ("githb:o/r", "did you mean `github:"),
        ("gitub:o/r", "did you mean `github:"),
        ("gitlb:o/r", "did you mean `gitlab:"),
        ("bitbuket:o/r", "did you mean `bitbucket:"),
        ("buildin:x", "did you mean `builtin:"),
        ("gh:o/r", "did you mean `github:"),
        ("git:o/r", "did you mean `git+https:"),
        ("npm:pkg", "packages and images are not read"),
        ("oci:x/y", "packages and images are not read"),
        ("gist:abc", "gist.github.com/ID.git"),
        ("whatever:x", "known prefixes are `github:`"),
        ("c:x", "unknown source prefix"),
        ("file:/x", "file:///"),
        ("git://example.org/x.git", "neither encrypted nor authenticated"),
        ("ext::sh -c true", "run a command"),
        ("fd::3", "run a command"),
        ("ftp://example.org/x.zip", "nothing is fetched that way"),
        ("s3://bucket/x", "nothing is fetched that way"),
        ("foo://example.org/x", "supported schemes are `https://`"),
        ("git+foo://example.org/x", "supported schemes are `https://`"),
        ("o/r\u{7}", "U+0007"),
        ("o/r\u{200b}", "U+200B"),
        ("o/\u{202e}r", "U+202E"),
        ("o/r\nx", "U+000A"),
        ("https://github.com/o/r%0a", "contains escaped characters"),
    ]);
    assert!(Request::parse(&"a/".repeat(2_000)).is_err());
}

#[test]
fn addresses_that_lead_nowhere_say_so() {
    refuse(&[
        ("https://github.com", "is not a repository"),
        ("https://github.com/o", "https://github.com/owner/repo"),
        ("https://github.com/orgs/o/repositories", "is a page, not an account"),
        ("https://github.com/o/r/issues/5", "write `github:o/r`"),
        ("https://github.com/o/r/actions", "cannot install from"),
        ("https://github.com/o/r/tree", "cannot install from"),
        ("https://github.com/o/r/releases/latest", "cannot install from"),
        ("https://github.com/o/r/wiki/Home", "a wiki contains no skills"),
        ("https://github.com/o/r/pull/12", "owner/repo#branch"),
        ("https://github.com/o/r/blob/main/README.md", "not a `SKILL.md`"),
        ("https://github.com/o/r/blob/main/skills/pdf/run.py", "the folder that contains the skill"),
        ("https://raw.githubusercontent.com/o/r/main/x.md", "not a `SKILL.md`"),
        ("https://github.com/o/r/tree/main/../../../evil/x", "`.` or `..` part"),
        ("https://github.com/o/r/tree/main/%2e%2e/x", "`.` or `..` part"),
        ("https://github.com/o/r/tree/main/a#v1.2.3", "is another"),
        ("https://github.com/o/r/tree/main/a#dev@pdf", "is another"),
        ("https://github.com/o/r/tree/main//a", "empty part"),
        ("https://github.com/o/r/archive/main.tar.xz", "are not supported"),
        ("https://gist.github.com/me/0a1b2c", "https://gist.github.com/0a1b2c.git"),
        ("https://skills.sh/o/r/pdf", "write `o/r@pdf`"),
        ("https://clawhub.ai/skills/pdf", "skill search pdf"),
        ("https://www.clawhub.ai/", "write that: `owner/repo@skill-name`"),
        ("https://gitlab.com/g", "is not a project"),
        ("https://gitlab.com/g/r/-/issues", "write `gitlab:g/r`"),
        ("https://bitbucket.org/o", "bitbucket.org/workspace/repo"),
        ("https://bitbucket.org/o/r/pull-requests/1", "write `bitbucket:o/r`"),
        ("https://example.org/docs/skills", "git+https://example.org/docs/skills"),
        ("https://docs.example.org/skill.md", ".zip"),
        ("https://code.example.org/g/r/tree/x/-/tree/main", "where the repository ends"),
        ("https://code.example.org/g/r@x/-/tree/main", "where the repository ends"),
        ("https://codeberg.org/o", "does not say whether"),
        ("https://example.org", "does not say whether"),
        ("https://", "cannot be read"),
        ("ssh://git@host", "no repository"),
        ("ssh://", "has no host"),
        ("ssh://-oProxyCommand=x/y", "is not a valid"),
        ("ssh://git@-oProxyCommand/y", "is not a valid host name"),
        ("ssh://-l@host/y", "is not a valid user name"),
        ("git@-oProxy:x", "is not a valid host name"),
        ("git@host:-x", "no repository"),
        ("git@host:", "no repository"),
        ("git@host://o/r", "contains `://`"),
        ("n.:63P:", "cannot end with `:`"),
        ("hk/r/src@mh:k", "as another source"),
        ("https://git.example.org/a/b@X/-@as:Z", "as another source"),
        ("ssh://host/r@one@two", "appears twice"),
        ("git@host:r.git@one@two", "appears twice"),
        ("git@host:o://r?x//folder", "contains `://`"),
        ("git@host:o/r;touch x", "contains"),
        ("git@host:o/r;touch", "contains `;`"),
        ("git@host:$(x)", "contains `$`"),
        ("git@host:2222/o/r.git", "ssh://git@host:2222/o/r.git"),
        ("git@github.com/o/r", "git@host:owner/repo.git"),
        ("https://example.org/a b.git", "write `%20`"),
        ("https://example.org/x.git?x=1", "omit it"),
        ("https://example.org/x.zip#main", "--integrity"),
        ("https://example.org/x.tar.bz2", "are not supported"),
        ("file://host/x", "three slashes"),
        ("https://a.org/.well-known/skills/pdf#main", "--integrity"),
        ("https://a.org/.well-known/skills/pdf?x=1", "--integrity"),
        ("https://a.org/.well-known/skills/index.json", "does not say whether"),
        ("https://a.org/.well-known/skills", "does not say whether"),
        ("https://a.org/.well-known/skills/a%20b", "does not say whether"),
        ("https://a.org/.well-known/other/pdf", "does not say whether"),
        ("file://./x", "part"),
        ("file:///a/../b", "`.` or `..` part"),
        ("git+ssh://git@github.com:o/r.git", "cannot be read"),
    ]);
}

#[test]
fn secrets_are_refused_and_not_repeated() {
    for text in [
        "https://me:hunter2secret@github.com/o/r",
        "https://me:hunter2secret@example.org/x.git",
        "https://ghp_hunter2secret@github.com/o/r.git",
        "https://x-access-token:hunter2secret@github.com/o/r",
        "https://hunter2secret0123456789@example.org/x.git",
        "ssh://git:hunter2secret@example.org/x.git",
        "git+https://me:hunter2secret@example.org/x",
        "https://example.org/x.zip?token=hunter2secret",
        "https://example.org/x.zip?X-Amz-Signature=hunter2secret&a=b",
        "https://example.org/x.zip?private_token=hunter2secret",
        "https://me:hunter2secret@example.org/a b",
        "https://me:hunter2secret@",
        "https://me:hunter2secret#x@example.org/x.git",
        "https://me:hunter2secret?x@example.org/x.git",
        "https://me:hunter2secret/x@example.org/x.git",
        "https://hunter2secret%40x:y@example.org/x.git",
        "me:hunter2secret@example.org/x",
    ] {
        let error = Request::parse(text).expect_err(text);
        assert_eq!(error.kind, Kind::Usage, "{text}");
        assert!(!format!("{error:?}").contains("hunter2secret"), "{text}: {error:?}");
    }
}

#[test]
fn flags_are_merged_or_contradict() {
    let merged = |text: &str, r: Option<&str>, s: Option<&str>, d: Option<&str>| {
        Request::parse(text).unwrap().with_flags(r, s, d).map(|request| described(&request))
    };
    let sha = Some(SHA);
    for (result, expected) in [
        (merged("o/r", Some("main"), None, None), "github o/r named=main"),
        (merged("o/r", Some("^1.2"), None, Some("skills/pdf")), "github o/r range=^1.2 in=skills/pdf"),
        (merged("o/r", None, sha, None), "github o/r sha=SHA"),
        (merged("o/r#main", Some("main"), None, None), "github o/r named=main"),
        (merged("o/r@pdf", None, None, Some("./skills/")), "github o/r in=skills skill=pdf"),
        (merged("o/r", None, None, Some(".")), "github o/r"),
        (merged("o/r/a", None, None, Some("a/")), "github o/r in=a"),
        (merged("o/r", None, None, Some("a\\b")), "github o/r in=a/b"),
        (merged("o/r", None, None, Some("a%20b")), "github o/r in=a%20b"),
        (merged("./x.zip", None, None, Some("a")), "archive ./x.zip in=a"),
        (
            merged("https://github.com/o/r/tree/feature/x/skills/pdf", Some("feature/x"), None, None),
            "github o/r named=feature/x in=skills/pdf",
        ),
        (
            merged("https://github.com/o/r/tree/feature/x", Some("feature/x"), None, None),
            "github o/r named=feature/x",
        ),
    ] {
        assert_eq!(result.unwrap(), expected.replace("SHA", SHA));
    }
    for (result, words) in [
        (merged("o/r", Some("main"), sha, None), "cannot be used together"),
        (merged("o/r#main", Some("dev"), None, None), "two references"),
        (merged("o/r#main", None, sha, None), "two references"),
        (merged("o/r", None, Some("3f2a1c9"), None), "40 hex digits"),
        (merged("o/r", Some("a b"), None, None), "holds ` `"),
        (merged("o/r/a", None, None, Some("b")), "two folders"),
        (merged("o/r", None, None, Some("../b")), "leads out"),
        (merged("o/r#tree:main/a", None, sha, None), "contradicts"),
        (merged("o/r#tree:main/a", Some("dev"), None, None), "contradicts"),
        (merged("o/r#tree:main/a", None, None, Some("a")), "contradicts"),
        (merged("./dir", Some("main"), None, None), "not a git repository"),
        (merged("./x.zip", None, sha, None), "not a git repository"),
        (merged("builtin:x", None, None, Some("a")), "no meaning"),
        (merged("a@b", Some("main"), None, None), "no meaning"),
    ] {
        let error = result.expect_err(words);
        assert_eq!(error.kind, Kind::Usage);
        assert!(error.message.contains(words), "{}", error.message);
    }
}

#[test]
fn one_place_has_several_spellings() {
    let source = |text: &str| text.parse::<Source>().unwrap();
    for (a, b, same) in [
        ("Anthropics/Skills", "https://github.com/anthropics/skills.git", true),
        ("gitlab:G/R", "https://gitlab.com/g/r", true),
        ("bitbucket:O/r", "bitbucket:o/R", true),
        ("git@Host:o/r.git", "ssh://git@host/o/r", true),
        ("https://example.org/x.git", "git+https://EXAMPLE.org/x", true),
        ("https://example.org/X.git", "https://example.org/x.git", false),
        ("git@github.com:o/r.git", "o/r", false),
        ("./a", "./a/", true),
        ("./a", "./b", false),
        ("gitlab:o/r", "github:o/r", false),
        ("a@b", "a@b", true),
    ] {
        assert_eq!(source(a).is_same_as(&source(b)), same, "{a} {b}");
    }
    // As a caller that works with paths may have made it.
    let local = |path: &str| Source::Local { path: path.into() };
    assert!(local("./").is_same_as(&local(".")) && !local("/").is_same_as(&local(".")));
    for more in ["o/r#main", "o/r@pdf", "o/r/path", "./a//b"] {
        assert!(more.parse::<Source>().is_err(), "{more}");
    }
}

#[test]
fn names_for_talk_and_for_a_lone_skill() {
    for (text, shown, name) in [
        ("anthropics/skills", "anthropics/skills", Some("skills")),
        ("o/r/skills/pdf", "o/r", Some("pdf")),
        ("gitlab:a/b/c", "a/b/c", Some("c")),
        ("bitbucket:a/b", "a/b", Some("b")),
        ("https://git.example.org/team/skills.git", "git.example.org/team/skills", Some("skills")),
        ("git@Host:o/r.git", "host/o/r", Some("r")),
        ("git@host:r.git", "host/r", Some("r")),
        ("./x/my-skill.tar.gz", "my-skill.tar.gz", Some("my-skill")),
        ("https://example.org/d/my.skill?v=1", "my.skill", Some("my")),
        ("./skills/pdf", "./skills/pdf", Some("pdf")),
        ("C:\\skills\\pdf", "C:\\skills\\pdf", Some("pdf")),
        (".", ".", None),
        ("/", "/", None),
        ("sql@anthropic", "sql@anthropic", Some("sql")),
        ("corp:@acme/pdf", "corp:@acme/pdf", Some("pdf")),
        ("registry+https://h.example/@acme/pdf", "@acme/pdf", Some("pdf")),
        ("builtin:skill-finder", "builtin:skill-finder", Some("skill-finder")),
    ] {
        let request = Request::parse(text).unwrap();
        assert_eq!(request.source.display_name(), shown, "{text}");
        assert_eq!(request.default_skill_name(), name, "{text}");
    }
    assert_eq!(Request::bare_name(" pdf "), Some("pdf"));
    assert_eq!(Request::bare_name("./pdf"), None);
    assert_eq!(Request::bare_name("o/r"), None);
}

/// Names of folders with every character that means something somewhere.
const FOLDER: &str = "[a-zé技][a-z0-9 @#%?.:~^*-]{0,6}[a-z0-9](/[a-z@#%][a-z0-9 @#%+_-]{0,6}[a-z]){0,2}";

fn any_reference() -> impl Strategy<Value = String> {
    prop_oneof![
        Just("HEAD".to_owned()),
        "[a-z%@][a-z0-9@%+-]{0,8}[a-z0-9](/[a-z0-9]{1,4}){0,2}",
        "refs/(heads|tags)/[a-z@]{1,4}[0-9]",
        "[0-9a-f]{40}",
        "(\\^|~|=|>=)[0-9]{1,2}\\.[0-9](\\.[0-9])?",
        ">=[0-9],<[0-9]{2}",
        "tree:[a-z]{1,5}/[a-z@#% ]{0,5}[a-z]/[a-z]{1,4}",
    ]
}

fn any_source() -> impl Strategy<Value = String> {
    prop_oneof![
        "[A-Za-z0-9][A-Za-z0-9-]{0,9}/[A-Za-z0-9._-]{0,9}[a-z]",
        "gitlab:[a-z]{1,5}(/[a-z0-9.-]{1,4}[a-z]){1,3}",
        "bitbucket:[a-z]{1,5}/[a-z0-9.-]{0,4}[a-z]",
        "https://[a-z]{1,8}\\.org/[a-z@%]{0,3}[a-z]{1,3}/[a-z]{1,6}\\.git",
        "git\\+https://[a-z]{1,8}\\.org/[a-z]{1,5}",
        "ssh://(git@)?[a-z]{1,8}(:[0-9]{2,4})?/[a-z]{1,5}(/[a-z]{1,5})?",
        "git@[a-z]{1,8}:[a-z]{1,5}/[a-z]{1,5}(\\.git)?",
        "file:///[a-z]{1,5}/[a-z]{1,5}",
        "(\\./|/|\\.\\./|~/)[a-z@#% ]{0,5}[a-z](\\.zip|\\.tgz|)",
        "https://[a-z]{1,8}\\.org/[a-z@%]{0,4}[a-z]\\.(zip|skill|tar\\.gz)(\\?v=[0-9])?",
        "https://[a-z]{1,8}\\.org(/[a-z]{1,3})?/\\.well-known/(agent-)?skills/[a-z][a-z0-9._-]{0,5}/?",
        "(c[a-z0-9]{0,5}:|registry\\+(https|http)://[a-z]{1,8}(:[1-9][0-9]{3})?(/[a-z@]{1,4})?/)?@[a-z0-9]{2,6}/[a-z0-9]{1,5}(-[a-z0-9]{1,3})?",
        "builtin:[a-z]{1,8}",
        "own:[a-z0-9_-]{1,8}",
        "[a-z]{1,8}@[a-z]{1,8}",
        "([A-Za-z.é ]{1,8}|\"[a-zé :/@#.\"-]{1,9}\"|(github|http|x\\.y|a b):[a-z ]{1,4})@[a-z0-9]{1,4}",
    ]
}

#[test]
fn sources_that_one_machine_alone_has() {
    for (text, expected) in [
        ("/srv/skills/pdf", true),
        ("~/skills/pdf", true),
        ("./skills/pdf", false),
        ("../skills/pdf", false),
        ("/srv/pdf.zip", true),
        ("./pdf.zip", false),
        ("file:///srv/r.git", true),
        ("https://localhost/x.zip", true),
        ("http://127.0.0.1:8080/r.git", true),
        ("http://127.3.2.1/r.git", true),
        ("http://[::1]:9/r.git", true),
        ("https://git.localhost/o/r.git", true),
        ("git@localhost:o/r.git", true),
        ("ssh://git@localhost/o/r", true),
        ("https://localhost.example.org/x.zip", false),
        ("https://example.org/localhost/r.git", false),
        ("git@example.org:o/r.git", false),
        ("github:o/r", false),
        ("builtin:skill-finder", false),
        ("@acme/pdf", false),
        ("registry+https://h.example/@acme/pdf", false),
        ("registry+file:///srv/r/@acme/pdf", true),
    ] {
        assert_eq!(Request::parse(text).unwrap().source.is_of_this_machine(), expected, "{text}");
    }
}

/// Pieces of the grammar in any order, and anything at all behind a beginning of it.
fn any_text() -> impl Strategy<Value = String> {
    prop_oneof![
        "([a-zA-Z0-9@#%:/.~^*?&=+ \\\\-]|github|https://|\\.git|\\.zip|SKILL\\.md|/tree/|é){0,12}",
        "(git@h:|ssh://|file:///|https://h/|https://github\\.com/|git\\+https://|gitlab:|o/r|o/r#|~|\\./|C:)?\\PC{0,20}",
    ]
}

proptest! {
    /// What a request displays is read back as the same request, with any flags.
    #[test]
    fn display_is_the_inverse_of_parse(
        source in any_source(),
        reference in any_reference(),
        folder in proptest::option::of(FOLDER),
        skill in proptest::option::of("[a-z][a-z0-9-]{0,9}[a-z]"),
    ) {
        let Ok(mut request) = Request::parse(&source) else { return Ok(()) };
        if request.source.is_git() {
            request.reference = Reference::parse(&reference).unwrap_or(Reference::Default);
            request.skill = skill.or(request.skill);
        }
        if let Some(folder) = folder
            && let Ok(with) = request.clone().with_flags(None, None, Some(&folder))
        {
            request = with;
        }
        let text = request.to_string();
        let again = Request::parse(&text).map_err(|e| TestCaseError::fail(format!("{text}: {e}")))?;
        prop_assert_eq!(&again, &request, "{}", text);
        prop_assert_eq!(again.to_string(), text);
    }

    /// Whatever is typed: no panic, and what is understood has one stable canonical text.
    #[test]
    fn any_text_is_read_or_refused(text in any_text()) {
        if let Ok(request) = Request::parse(&text) {
            let canonical = request.to_string();
            let again = Request::parse(&canonical)
                .map_err(|e| TestCaseError::fail(format!("{text} -> {canonical}: {e}")))?;
            prop_assert_eq!(&again, &request, "{}", canonical);
            prop_assert_eq!(again.to_string(), canonical);
        }
    }

    /// A reference and its text are each other's inverse.
    #[test]
    fn references_too(text in any_reference()) {
        if let Ok(reference) = Reference::parse(&text) {
            prop_assert_eq!(Reference::parse(&reference.to_string()).ok(), Some(reference));
        }
    }
}
