//! What holds for every name, line and index.

use jiff::{SignedDuration, Timestamp};
use proptest::prelude::*;
use semver::Version;

use super::*;
use crate::digest::Digest;
use crate::error::{Kind, is_unprintable};

fn name(text: &str) -> ScopedName {
    text.parse().unwrap()
}

fn at(text: &str) -> Timestamp {
    text.parse().unwrap()
}

fn published(version: &str, published_at: &str) -> PublishedVersion {
    PublishedVersion {
        v: 1,
        name: name("@acme/pdf-tables"),
        version: Version::parse(version).unwrap(),
        digest: Digest::of(version.as_bytes()),
        size: 9_214,
        tree: Digest::of(b"tree"),
        unpacked: 31_022,
        files: 7,
        description: "Extracts tables.".to_owned(),
        deps: Vec::new(),
        grants: Vec::new(),
        hooks: false,
        scripts: Vec::new(),
        license: None,
        category: None,
        tags: Vec::new(),
        source: None,
        published_at: at(published_at),
        by: None,
        leaf: None,
        yanked: false,
        yank_reason: None,
        removed: None,
    }
}

fn day(version: &str, day: u8) -> PublishedVersion {
    published(version, &format!("2026-11-{day:02}T10:00:00Z"))
}

#[test]
fn a_name_is_a_scope_and_a_name_of_the_specification() {
    for good in ["@acme/pdf-tables", "@a1/x", "@0b/3d", "@a-b-c/a-b"] {
        assert_eq!(name(good).to_string(), good);
        assert_eq!(serde_json::from_str::<ScopedName>(&format!("\"{good}\"")).unwrap(), name(good));
    }
    assert!(format!("@{}/{}", "a".repeat(39), "b".repeat(64)).parse::<ScopedName>().is_ok());
    for (bad, reason) in [
        ("", "published skill"),
        ("acme/pdf", "published skill"),
        ("@acme", "published skill"),
        ("@acme/a/b", "published skill"),
        ("@@acme/a", "published skill"),
        ("@/a", "2-39 characters"),
        ("@a/pdf", "2-39 characters"),
        (&format!("@{}/x", "a".repeat(40)), "2-39 characters"),
        ("@Acme/pdf", "other than a-z"),
        ("@ac_me/pdf", "other than a-z"),
        ("@acm\u{435}/pdf", "other than a-z"),
        ("@-acme/pdf", "begins or ends"),
        ("@acme-/pdf", "begins or ends"),
        ("@ac--me/pdf", "contains `--`"),
        ("@acme/", "is empty"),
        ("@acme/PDF", "upper-case"),
        ("@acme/a_b", "`_`"),
        ("@acme/a--b", "`--`"),
        ("@acme/a-", "ends in `-`"),
        ("@acme/con", "Windows"),
        ("@acme/..", "other than a-z"),
        ("@acme/\u{1b}[31m", "other than a-z"),
    ] {
        let error = bad.parse::<ScopedName>().unwrap_err();
        assert!(error.message.contains(reason), "{bad:?}: {}", error.message);
        assert!(error.kind == Kind::Usage && !error.message.contains(is_unprintable), "{bad:?}");
        assert!(serde_json::from_value::<ScopedName>(bad.into()).is_err(), "{bad:?}");
    }
    assert_eq!("@acme".parse::<OwnerName>().unwrap(), "acme".parse::<OwnerName>().unwrap());
}

#[test]
fn names_that_look_alike_are_seen() {
    let owner = |text: &str| text.parse::<OwnerName>().unwrap();
    let used = ["acme", "google", "willow", "modern-tools", "li1o"].map(owner);
    for (new, expected) in [
        ("acme", Some(LookAlike::Same)),
        ("acrne", Some(LookAlike::SameSkeleton)),
        ("ac-me", Some(LookAlike::SameSkeleton)),
        ("g00gle", Some(LookAlike::SameSkeleton)),
        ("goog1e", Some(LookAlike::SameSkeleton)),
        ("vvillovv", Some(LookAlike::SameSkeleton)),
        ("rnoderntools", Some(LookAlike::SameSkeleton)),
        ("1110", Some(LookAlike::SameSkeleton)),
        ("acmee", Some(LookAlike::OneEdit)),
        ("acm", Some(LookAlike::OneEdit)),
        ("akme", Some(LookAlike::OneEdit)),
        ("amce", Some(LookAlike::OneEdit)),
        ("acmeco", None),
        ("globex", None),
    ] {
        assert_eq!(find_look_alike(&owner(new), &used).map(|found| found.1), expected, "{new}");
    }
}

#[test]
fn the_files_stand_where_the_layout_says() {
    let digest = Digest::of(b"x");
    let hex = digest.as_hex();
    assert_eq!(archive_path(&digest), format!("b/sha256/{}/{hex}.tar.gz", &hex[..2]));
    assert_eq!(BlobTemplate::default().path_of(&digest), archive_path(&digest));
    assert_eq!(version_index_path(&name("@acme/pdf")), "@acme/pdf/index.jsonl");
}

#[test]
fn a_description_is_read_and_written() {
    let text =
        br#"{"schema":1,"name":"acme","url":"https://skills.acme.dev","api":"https://skills.acme.dev/api/v1",
        "auth":"read","blobs":"b/sha256/{2}/{digest}.tar.gz","log":{"origin":"skills.acme.dev/log","key":"k"},
        "limits":{"archive":"20MiB","unpacked":52428800,"files":1000},"later":{"x":1}}"#;
    let read = RegistryDescription::parse(text).unwrap();
    assert_eq!((read.auth, read.limits.unpacked), (RegistryAuth::Read, 50 << 20));
    assert_eq!(RegistryDescription::parse(&read.to_bytes()).unwrap(), read);
    let new = RegistryDescription::new("team");
    assert_eq!(RegistryDescription::parse(&new.to_bytes()).unwrap(), new);
    assert_eq!(RegistryDescription::parse(br#"{"schema":1,"name":"team"}"#).unwrap(), new);
    for (bad, reason) in [
        ("", "EOF"),
        ("<html>", "expected value"),
        ("[]", "invalid length"),
        (r#"{"name":"x"}"#, "schema"),
        (r#"{"schema":2,"name":"x"}"#, "layout 2"),
        (r#"{"schema":1,"name":""}"#, "can be seen"),
        (r#"{"schema":1,"name":"a\u001b"}"#, "can be seen"),
        (r#"{"schema":1,"name":"x","auth":"maybe"}"#, "maybe"),
        (r#"{"schema":1,"name":"x","blobs":"../{digest}"}"#, "below the registry"),
        (r#"{"schema":1,"name":"x","blobs":"/{digest}"}"#, "below the registry"),
        (r#"{"schema":1,"name":"x","blobs":"b/{2}"}"#, "below the registry"),
        (r#"{"schema":1,"name":"x","blobs":"https://evil/{digest}"}"#, "below the registry"),
        (r#"{"schema":1,"name":"x","blobs":"b?{digest}"}"#, "below the registry"),
        (r#"{"schema":1,"name":"x","limits":{"archive":"much"}}"#, "not a valid size"),
        (r#"{"schema":1,"name":"x","limits":{"files":-1}}"#, "-1"),
    ] {
        let error = RegistryDescription::parse(bad.as_bytes()).unwrap_err();
        let all = format!("{} {}", error.message, error.causes.join(" "));
        assert!(error.kind == Kind::Invalid && all.contains(reason), "{bad}: {all}");
    }
}

/// The bytes are promised to every reader.
#[test]
fn a_line_is_these_bytes() {
    let mut line = day("1.2.0", 27);
    line.digest = Digest::of(b"");
    line.tree = Digest::of(b"");
    let empty = Digest::of(b"");
    let start = format!(
        r#"{{"v":1,"name":"@acme/pdf-tables","version":"1.2.0","digest":"{empty}","size":9214,"tree":"{empty}","unpacked":31022,"files":7,"description":"Extracts tables.","#
    );
    let bare = r#""hooks":false,"published_at":"2026-11-27T10:00:00Z","yanked":false}"#;
    assert_eq!(line.to_line(), format!("{start}{bare}\n"));
    line.deps = vec![PublishedDependency { name: name("@acme/x"), req: "^1.0".parse().unwrap() }];
    line.grants = vec!["Bash".to_owned(), "Read".to_owned()];
    line.scripts = vec!["scripts/run.sh".to_owned()];
    (line.license, line.category) = (Some("MIT".to_owned()), Some("professional".to_owned()));
    line.tags = vec!["pdf".to_owned()];
    line.source = Some(PublishedSource {
        git: "https://github.com/acme/skills".to_owned(),
        commit: Some("3f2a".to_owned()),
        path: Some("skills/pdf-tables".to_owned()),
        verified: Some("oidc".to_owned()),
    });
    (line.by, line.leaf) = (Some("alice".to_owned()), Some(1_234));
    (line.yanked, line.yank_reason) = (true, Some("broken".to_owned()));
    line.removed =
        Some(Removal { at: at("2026-11-28T00:00:00Z"), reason: "malware".to_owned(), revoked: true });
    let full = concat!(
        r#""deps":[{"name":"@acme/x","req":"^1.0"}],"grants":["Bash","Read"],"hooks":false,"scripts":["scripts/run.sh"],"#,
        r#""license":"MIT","category":"professional","tags":["pdf"],"source":{"git":"https://github.com/acme/skills","#,
        r#""commit":"3f2a","path":"skills/pdf-tables","verified":"oidc"},"published_at":"2026-11-27T10:00:00Z","#,
        r#""by":"alice","leaf":1234,"yanked":true,"yank_reason":"broken","#,
        r#""removed":{"at":"2026-11-28T00:00:00Z","reason":"malware","revoked":true}}"#,
    );
    assert_eq!(line.to_line(), format!("{start}{full}\n"));
    let read = parse_version_index(&line.name, line.to_line().as_bytes()).unwrap();
    assert_eq!(read, [line]);
}

#[test]
fn what_is_not_known_is_passed_over_and_kept() {
    let first = day("1.0.0", 1);
    let later = r#"{"v":2,"name":["other"],"version":"3.0.0","anything":{}}"#;
    let wider = day("1.1.0", 2).to_line().replace(r#""hooks""#, r#""later":{"a":[1.50]},"hooks""#);
    let index = format!("{}{later}\n{wider}", first.to_line());
    let read = parse_version_index(&first.name, index.as_bytes()).unwrap();
    assert_eq!(read, [first.clone(), day("1.1.0", 2)]);

    let yank = VersionChange::Yank { reason: Some("wrong".to_owned()) };
    let change = |index: &[u8], version: &str, change: &VersionChange| {
        change_version(&first.name, index, &version.parse().unwrap(), change)
    };
    let yanked = change(index.as_bytes(), "1.1.0", &yank).unwrap().unwrap();
    let text = String::from_utf8(yanked.clone()).unwrap();
    assert!(text.contains(later) && text.contains(r#""later":{"a":[1.50]}"#), "{text}");
    assert!(parse_version_index(&first.name, &yanked).unwrap()[1].yanked);
    assert_eq!(change(&yanked, "1.1.0", &yank).unwrap(), None, "it says so already");
    let back = change(&yanked, "1.1.0", &VersionChange::Unyank).unwrap().unwrap();
    assert_eq!(String::from_utf8(back).unwrap(), index);
    assert_eq!(change(index.as_bytes(), "9.0.0", &yank).unwrap_err().kind, Kind::NotFound);

    let removal = Removal { at: at("2026-11-28T00:00:00Z"), reason: "malware".to_owned(), revoked: true };
    let removed = change(index.as_bytes(), "1.0.0", &VersionChange::Remove(removal)).unwrap().unwrap();
    assert_eq!(change(&removed, "1.0.0", &VersionChange::Unyank).unwrap_err().kind, Kind::Conflict);
    let again = append_version(&removed, &first).unwrap_err();
    assert!(again.message.contains("was removed"), "{}", again.message);

    assert_eq!(append_version(index.as_bytes(), &first).unwrap(), None, "the same bytes");
    let other = PublishedVersion { digest: Digest::of(b"other"), ..first.clone() };
    assert_eq!(append_version(index.as_bytes(), &other).unwrap_err().kind, Kind::Conflict);
    let hidden = day("3.0.0", 3);
    assert_eq!(append_version(index.as_bytes(), &hidden).unwrap_err().kind, Kind::Conflict);
    let built = day("1.0.0+build.5", 3);
    assert_eq!(append_version(index.as_bytes(), &built).unwrap_err().kind, Kind::Conflict);
    let new = append_version(index.as_bytes(), &day("1.2.0", 3)).unwrap().unwrap();
    assert!(new.starts_with(index.as_bytes()));
    assert_eq!(parse_version_index(&first.name, &new).unwrap().len(), 3);
}

#[test]
fn what_is_wrong_in_an_index_is_refused() {
    let good = day("1.0.0", 1).to_line();
    let swap = |old: &str, new: &str| good.replace(old, new);
    let many: String = (0..=MAX_VERSIONS).map(|n| day(&format!("1.0.{n}"), 1).to_line()).collect();
    let digest = Digest::of(b"1.0.0").to_string();
    let cases = [
        (good.trim_end().to_owned(), "cut off"),
        (format!("{good}{}", &good[..40]), "cut off"),
        (format!("{good}{good}"), "not the first of that number"),
        (
            format!("{good}{}", swap("1.0.0", "1.0.0+b").replace("yanked\":false", "yanked\":true")),
            "not the first of that number",
        ),
        (
            format!("{}{}", swap("1.0.0", "1.0.0-RC"), swap("1.0.0", "1.0.0-rc")),
            "not the first of that number",
        ),
        (swap("@acme/pdf-tables", "@evil/pdf-tables"), "belongs to `@evil/pdf-tables`"),
        (swap("@acme/pdf-tables", "@acme/../x"), "published skill"),
        (swap(&digest, "sha256:00"), "not a valid digest"),
        (swap(&digest, &digest.replace("sha256", "md5")), "not a valid digest"),
        (swap("\"1.0.0\"", "\"1.0\""), "unexpected end"),
        (swap("1.0.0", &format!("1.0.0-{}", "a".repeat(80))), "more than 64 characters"),
        (swap("9214", "-1"), "-1"),
        (swap("9214", "1e400"), "out of range"),
        (swap("9214", "18446744073709551615"), "size that no archive has"),
        (swap("31022", "9007199254740993"), "size that no archive has"),
        (swap("\"size\":9214", "\"size\":1,\"size\":2"), "duplicate field"),
        (swap("{\"v\":1,", "{"), "missing field `v`"),
        (swap("\"hooks\":false", "\"hooks\":\"no\""), "expected a boolean"),
        ("[]\n".to_owned(), "line 1"),
        ("<html>\n".to_owned(), "line 1"),
        (format!("{good}\u{0}\n"), "line 2"),
        (swap("Extracts", &"x".repeat(70_000)), "bytes"),
        (many, "more than 1000 versions"),
    ];
    let acme = name("@acme/pdf-tables");
    for (text, reason) in cases {
        let error = parse_version_index(&acme, text.as_bytes()).unwrap_err();
        let start: String = text.chars().take(80).collect();
        assert_eq!(error.kind, Kind::Integrity, "{start}");
        let causes = error.causes.join(" ");
        assert!(causes.contains(reason), "{start}: {causes}");
    }
    let endless = vec![b'\n'; 17 << 20];
    assert!(parse_version_index(&acme, &endless).is_err());
    assert_eq!(parse_version_index(&acme, b"").unwrap(), []);
}

#[test]
fn a_wanted_version_is_read() {
    for (text, expected) in [
        ("", "latest"),
        ("latest", "latest"),
        ("1.2.0", "1.2.0"),
        ("v1.2.0-rc.1", "1.2.0-rc.1"),
        ("1.2", "=1.2"),
        ("1", "=1"),
        ("^1.2", "^1.2"),
        ("~1.2.0", "~1.2.0"),
        (">=1,<2", ">=1, <2"),
        (">=1 <2", ">=1, <2"),
        ("1.*", "1.*"),
    ] {
        assert_eq!(text.parse::<VersionWanted>().unwrap().to_string(), expected, "{text}");
    }
    for bad in ["main", "feature/x", "1.2.3.4", "^", "\u{1b}", "1..2"] {
        let error = bad.parse::<VersionWanted>().unwrap_err();
        assert!(error.kind == Kind::Usage && !error.message.contains(is_unprintable), "{bad}");
    }
}

#[test]
fn the_highest_version_that_may_be_taken_is_taken() {
    let mut lines = vec![
        day("1.0.0", 1),
        day("2.0.0", 2),
        day("1.3.0", 20),
        day("1.2.0", 5),
        day("3.0.0-rc.1", 6),
        day("2.1.0", 26),
    ];
    let now = at("2026-11-27T00:00:00Z");
    let choose = |lines: &[PublishedVersion], wanted: &str, age: Option<i64>, revoked: &[Revocation]| {
        let age = age.map(SignedDuration::from_hours);
        choose_version(lines, &wanted.parse().unwrap(), now, age, revoked).map(|one| one.version.to_string())
    };
    for (wanted, expected) in [
        ("", "2.1.0"),
        ("^1", "1.3.0"),
        ("~1.2", "1.2.0"),
        ("1", "1.3.0"),
        ("1.2", "1.2.0"),
        ("=2.0.0", "2.0.0"),
        ("1.0.0", "1.0.0"),
        ("3.0.0-rc.1", "3.0.0-rc.1"),
        (">=3.0.0-rc.0", "3.0.0-rc.1"),
    ] {
        assert_eq!(choose(&lines, wanted, None, &[]).unwrap(), expected, "{wanted}");
    }
    let none = choose(&lines, "^4", None, &[]).unwrap_err();
    assert_eq!((none.kind, none.hints[0].contains("`2.1.0`")), (Kind::NotFound, true));
    assert_eq!(choose(&[], "", None, &[]).unwrap_err().kind, Kind::NotFound);

    // A version of yesterday is waited for, but for who names it; a clock that is off hides none for ever.
    assert_eq!(choose(&lines, "", Some(24), &[]).unwrap(), "2.0.0");
    assert_eq!(choose(&lines, "2.1.0", Some(24), &[]).unwrap(), "2.1.0");
    let young = choose(&lines, ">=2.1", Some(24), &[]).unwrap_err();
    assert!(young.causes[0].contains("minimum_release_age"), "{:?}", young.causes);

    lines[5].yanked = true;
    lines[5].yank_reason = Some("bad \u{1b}[31m".to_owned());
    assert_eq!(choose(&lines, "", None, &[]).unwrap(), "2.0.0");
    let yanked = choose(&lines, "2.1.0", None, &[]).unwrap_err();
    assert_eq!(yanked.causes, ["2.1.0 was yanked: bad \\u{1b}[31m"]);

    lines[1].removed = Some(Removal { at: now, reason: "stolen".to_owned(), revoked: true });
    assert_eq!(choose(&lines, "", None, &[]).unwrap(), "1.3.0");
    let revoked = Revocation::of_version(&lines[1]).unwrap();
    assert_eq!(choose(&lines, "2.0.0", None, &[]).unwrap_err().kind, Kind::Integrity);
    // The same bytes under another version.
    lines[2].digest = revoked.digest.clone();
    assert_eq!(choose(&lines, "^1", None, std::slice::from_ref(&revoked)).unwrap(), "1.2.0");
    assert_eq!(choose(&lines, "1.3.0", None, &[revoked]).unwrap_err().kind, Kind::Integrity);
}

#[test]
fn revocations_are_read_whole_or_not_at_all() {
    let mut line = day("1.0.0", 1);
    assert_eq!(Revocation::of_version(&line), None);
    line.removed = Some(Removal { at: at("2026-11-02T00:00:00Z"), reason: "own".to_owned(), revoked: false });
    assert_eq!(Revocation::of_version(&line), None, "an owner takes back only what is his");
    line.removed = Some(Removal { at: at("2026-11-02T00:00:00Z"), reason: "bad".to_owned(), revoked: true });
    let first = Revocation::of_version(&line).unwrap();
    let second = Revocation { at: at("2026-11-01T00:00:00Z"), ..first.clone() };
    let written = write_revocations(&[first.clone(), second.clone(), first.clone()]);
    assert_eq!(parse_revocations(&written).unwrap(), [second, first]);
    assert_eq!(write_revocations(&parse_revocations(&written).unwrap()), written);
    let text = String::from_utf8(written).unwrap();
    for bad in [text.trim_end(), "{}\n", "x\n", &text.replace("sha256:", "sha1:")] {
        assert_eq!(parse_revocations(bad.as_bytes()).unwrap_err().kind, Kind::Integrity, "{bad}");
    }
    assert_eq!(parse_revocations(b"").unwrap(), []);
}

fn skills_of(lines: Vec<PublishedVersion>) -> std::collections::BTreeMap<ScopedName, derived::VersionIndex> {
    let mut skills = std::collections::BTreeMap::new();
    for line in lines {
        skills.entry(line.name.clone()).or_insert_with(Vec::new).push(line);
    }
    skills.into_iter().map(|(name, lines)| (name, derived::VersionIndex::of_versions(lines))).collect()
}

fn text_of(files: &[derived::DerivedFile], path: &str) -> String {
    let file = files.iter().find(|file| file.path == path);
    let file =
        file.unwrap_or_else(|| panic!("{path} in {:?}", files.iter().map(|f| &f.path).collect::<Vec<_>>()));
    String::from_utf8(file.bytes.clone()).unwrap()
}

#[test]
fn the_derived_files_are_these() {
    let mut old = day("1.0.0", 1);
    old.yanked = true;
    let mut gone = day("1.1.0", 2);
    gone.removed = Some(Removal { at: at("2026-11-03T00:00:00Z"), reason: "bad".to_owned(), revoked: true });
    let mut new = day("1.2.0+b.1", 4);
    new.description = "Extracts <tables> & \"more\"\u{1b}.".to_owned();
    let early = day("2.0.0-rc.1", 5);
    let other = PublishedVersion { name: name("@bee/pdf-tables"), ..day("0.1.0", 6) };
    let skills = skills_of(vec![old, gone.clone(), new.clone(), early, other]);
    let description = RegistryDescription::new("team");
    let files = derived::derive_all_files(&description, &skills);
    let paths: Vec<&str> = files.iter().map(|file| file.path.as_str()).collect();
    let catalogue = paths.iter().find(|path| path.starts_with("catalogue/")).unwrap();
    assert_eq!(
        paths,
        [
            ".well-known/agent-skills/index.json",
            "@acme/.well-known/agent-skills/index.json",
            "@acme/feed.atom",
            "@acme/pdf-tables/.well-known/agent-skills/index.json",
            "@acme/pdf-tables/1.0.0/.well-known/agent-skills/index.json",
            "@acme/pdf-tables/1.2.0/.well-known/agent-skills/index.json",
            "@acme/pdf-tables/2.0.0-rc.1/.well-known/agent-skills/index.json",
            "@acme/pdf-tables/feed.atom",
            "@bee/.well-known/agent-skills/index.json",
            "@bee/feed.atom",
            "@bee/pdf-tables/.well-known/agent-skills/index.json",
            "@bee/pdf-tables/0.1.0/.well-known/agent-skills/index.json",
            "@bee/pdf-tables/feed.atom",
            "catalogue.json",
            catalogue,
            "feed.atom",
            "revoked.jsonl",
        ]
    );
    // Our own reader of such indexes finds the archive, from wherever the registry is served.
    for (path, count) in [
        ("@acme/pdf-tables/.well-known/agent-skills/index.json", 1),
        ("@acme/pdf-tables/1.2.0/.well-known/agent-skills/index.json", 1),
        ("@acme/.well-known/agent-skills/index.json", 1),
        (".well-known/agent-skills/index.json", 1),
    ] {
        let at = url::Url::parse("https://skills.acme.dev/below/").unwrap().join(path).unwrap();
        let read = crate::catalog::read_well_known(&text_of(&files, path), &at).unwrap();
        assert_eq!((read.catalogue.plugins.len(), read.skipped.len()), (count, 0), "{path}");
        let source = format!("{:?}", read.catalogue.plugins[0]);
        let url = format!("https://skills.acme.dev/below/{}", archive_path(&new.digest));
        assert!(source.contains(&format!("Archive {{ url: {url:?}")), "{source}");
        assert!(source.contains(new.digest.as_hex()), "{source}");
    }
    let feed = text_of(&files, "@acme/pdf-tables/feed.atom");
    assert!(feed.contains("Extracts &lt;tables&gt; &amp; &quot;more&quot;\u{fffd}."), "{feed}");
    assert!(feed.contains("1.0.0 (yanked)") && !feed.contains("1.1.0"), "{feed}");
    assert!(feed.contains("<updated>2026-11-05T10:00:00Z</updated>"), "{feed}");
    let revoked = parse_revocations(text_of(&files, "revoked.jsonl").as_bytes()).unwrap();
    assert_eq!(revoked, [Revocation::of_version(&gone).unwrap()]);

    let pointer = derived::CataloguePointer::parse(text_of(&files, "catalogue.json").as_bytes()).unwrap();
    let bytes = &files.iter().find(|file| file.path == pointer.path).unwrap().bytes;
    assert_eq!((Digest::of(bytes), bytes.len() as u64), (pointer.digest.clone(), pointer.size));
    let entries = derived::parse_catalogue(bytes).unwrap();
    let newest = |entry: &derived::CatalogueEntry| entry.newest.as_ref().unwrap().version.to_string();
    assert_eq!(entries.iter().map(newest).collect::<Vec<_>>(), ["1.2.0+b.1", "0.1.0"]);
    assert_eq!(entries[0].index, Digest::of(&skills[&entries[0].name].bytes));
    // Whatever changes, the catalogue does: also a version that is not the newest.
    let mut changed = skills.clone();
    let lines = &mut changed.get_mut(&entries[0].name).unwrap().versions;
    lines[0].yanked = false;
    let lines = std::mem::take(lines);
    changed.insert(entries[0].name.clone(), derived::VersionIndex::of_versions(lines));
    let other = derived::derive_all_files(&description, &changed);
    assert_ne!(text_of(&other, "catalogue.json"), text_of(&files, "catalogue.json"));
    assert!(derived::parse_catalogue(&bytes[..bytes.len() - 9]).is_err());
    for bad in ["{}", "x", r#"{"schema":1,"path":"../x","digest":"D","size":1,"skills":1,"description":"D"}"#]
    {
        let bad = bad.replace("\"D\"", &format!("\"{}\"", pointer.digest));
        assert_eq!(
            derived::CataloguePointer::parse(bad.as_bytes()).unwrap_err().kind,
            Kind::Integrity,
            "{bad}"
        );
    }

    let empty = derived::derive_all_files(&description, &skills_of(Vec::new()));
    assert_eq!(empty.len(), 5);
    let named =
        RegistryDescription { featured: vec![name("@bee/pdf-tables"), name("@no/body")], ..description };
    let files = derived::derive_all_files(&named, &skills);
    assert!(
        text_of(&files, ".well-known/agent-skills/index.json").contains(&Digest::of(b"0.1.0").to_string())
    );
}

#[test]
fn long_lists_are_cut_where_whoever_reads_them_would_download_all() {
    let line = |n: usize| PublishedVersion {
        name: name(&format!("@acme/s{n}")),
        ..published("1.0.0", &format!("2026-{:02}-{:02}T10:00:00Z", n / 28 + 1, n % 28 + 1))
    };
    let skills = skills_of((0..260).map(line).collect());
    let files = derived::derive_all_files(&RegistryDescription::new("team"), &skills);
    let count = |path: &str, what: &str| text_of(&files, path).matches(what).count();
    assert_eq!(count(".well-known/agent-skills/index.json", "\"archive\""), 50);
    assert_eq!(count("@acme/.well-known/agent-skills/index.json", "\"archive\""), 200);
    assert_eq!(count("feed.atom", "<entry>"), 50);
    assert!(text_of(&files, ".well-known/agent-skills/index.json").contains("\"s259\""));
}

fn skill_package(manifest: &str, others: &[(&str, bool, &str)]) -> crate::package::Package {
    use crate::listing::{FileEntry, Listing, Node};
    let rows: Vec<(&str, bool, &str)> =
        std::iter::once(("SKILL.md", false, manifest)).chain(others.iter().copied()).collect();
    let entry = |(slot, (path, executable, text)): (usize, &(&str, bool, &str))| FileEntry {
        path: crate::path::RelPath::parse(path.as_bytes()).unwrap(),
        node: Node::File { executable: *executable },
        size: text.len() as u64,
        slot,
    };
    let listing = Listing::new(rows.iter().enumerate().map(entry).collect());
    crate::package::Package::in_memory(listing, rows.iter().map(|row| row.2.as_bytes().to_vec()).collect())
}

const GOOD: &str = "---\nname: pdf-tables\ndescription: Extracts tables from PDF files when somebody asks for them.\n---\n\n# Do it\n\nRead the file.\n";

#[test]
fn what_blocks_a_publication_is_named_with_its_line() {
    let token = format!("ghp_{}", "Zq8Lm2Tn5Rv9Wk3Jd7Hs6Gf4Pb1Xc0Vy2Nu8");
    type Blocked<'a> = (String, Vec<(&'a str, bool, &'a str)>, Option<(&'a str, &'a str, usize)>);
    let cases: Vec<Blocked<'_>> = vec![
        (GOOD.to_owned(), vec![("scripts/run.sh", true, "#!/bin/sh\n")], None),
        (
            GOOD.replace("name: pdf-tables", "name: pdf-table"),
            vec![],
            Some(("published-name", "SKILL.md", 2)),
        ),
        (
            GOOD.replace("---\n\n", "version: 2.0.0\n---\n\n"),
            vec![],
            Some(("published-version", "SKILL.md", 4)),
        ),
        (GOOD.replace("---\n\n", "version: 1.2.0\n---\n\n"), vec![], None),
        (GOOD.replace("---\n\n", "version: v1.2\n---\n\n"), vec![], None),
        (
            GOOD.replace("description: E", "descriptio: E"),
            vec![],
            Some(("description-missing", "SKILL.md", 1)),
        ),
        ("no frontmatter\n".to_owned(), vec![], Some(("no-frontmatter", "SKILL.md", 1))),
        (GOOD.replace("Read", "Read\u{e0041}\u{e0042}"), vec![], Some(("tag-characters", "SKILL.md", 8))),
        (
            GOOD.to_owned(),
            vec![("a.md", false, "x\ny\u{202e}z\n")],
            Some(("bidi-control-in-file", "a.md", 2)),
        ),
        (GOOD.to_owned(), vec![(".env", false, "A=b\n")], Some(("secret-file", ".env", 1))),
        (GOOD.to_owned(), vec![("ci.yml", false, &token)], Some(("published-secret", "ci.yml", 1))),
        (format!("{GOOD}{token}\n"), vec![], Some(("published-secret", "SKILL.md", 9))),
        (GOOD.to_owned(), vec![("con.md", false, "")], Some(("not-installable", ".", 1))),
    ];
    for (manifest, others, expected) in cases {
        let package = skill_package(&manifest, &others);
        let findings = check_publication(
            &package,
            &name("@acme/pdf-tables"),
            &Version::new(1, 2, 0),
            &PublishingLimits::default(),
        )
        .unwrap();
        let errors: Vec<_> = findings
            .iter()
            .filter(|finding| finding.severity == crate::skill::Severity::Error)
            .map(|finding| (finding.code, finding.file.as_str(), finding.line))
            .collect();
        match expected {
            None => assert_eq!(errors, [], "{manifest}"),
            Some(expected) => assert!(errors.contains(&expected), "{expected:?} in {findings:#?}"),
        }
        assert!(findings.iter().all(|finding| !finding.message.contains(&token)));
    }
    let small = PublishingLimits { files: 1, ..PublishingLimits::default() };
    let package = skill_package(GOOD, &[("a", false, "b")]);
    let findings =
        check_publication(&package, &name("@acme/pdf-tables"), &Version::new(1, 2, 0), &small).unwrap();
    assert!(findings.iter().any(|finding| finding.code == "not-installable"), "{findings:?}");
}

#[test]
fn a_line_is_made_of_the_files() {
    let manifest = GOOD.replace(
        "---\n\n",
        "license: MIT\nallowed-tools: Bash Read\ncategory: Office\ntags: [pdf]\nrequires:\n  - file-analyzer ^1.0\n  - x\n---\n\n",
    );
    let package =
        skill_package(&manifest, &[("scripts/run.sh", true, "#!/bin/sh\n"), ("b.py", false, "1\n")]);
    let (named, version) = (name("@acme/pdf-tables"), Version::new(1, 2, 0));
    let publication = Publication {
        name: &named,
        version: &version,
        archive: b"archive",
        published_at: at("2026-11-27T10:00:00.25Z"),
        by: Some("alice"),
        source: None,
    };
    let line = describe_publication(&package, publication).unwrap();
    assert_eq!((line.digest.clone(), line.size), (Digest::of(b"archive"), 7));
    assert_eq!((line.files, line.unpacked), (3, manifest.len() as u64 + 12));
    assert_eq!(line.tree, package.dir(&crate::path::RelPath::ROOT).digest().unwrap());
    assert_eq!(line.grants, ["Bash", "Read"]);
    assert_eq!(line.scripts, ["b.py", "scripts/run.sh"]);
    assert_eq!((line.license.as_deref(), line.category.as_deref()), (Some("MIT"), Some("Office")));
    let deps: Vec<_> = line.deps.iter().map(|dep| format!("{} {}", dep.name, dep.req)).collect();
    assert_eq!(deps, ["@acme/file-analyzer ^1.0", "@acme/x *"]);
    assert_eq!(line.published_at, at("2026-11-27T10:00:00Z"), "whole seconds");
    assert_eq!(parse_version_index(&named, line.to_line().as_bytes()).unwrap(), [line]);
}

prop_compose! {
    fn any_text()(text in "[a-zé漢\\\\\"\n\u{1b}\u{202e} ]{0,12}") -> String { text }
}

prop_compose! {
    fn any_version()(
        number in (0..3_u64, 0..30_u64, 0..3_u64),
        pre in prop::option::of("[a-z]{1,3}"),
        build in prop::option::of("[a-z]{1,3}"),
        texts in prop::collection::vec(any_text(), 8),
        numbers in (0..1_u64 << 40, 0..1_u64 << 40, 0..2_000_u64, 0..4_102_444_800_i64),
        flags in any::<[bool; 6]>(),
    ) -> PublishedVersion {
        let (major, minor, patch) = number;
        let tail = pre.map(|pre| format!("-{pre}")).unwrap_or_default()
            + &build.map(|build| format!("+{build}")).unwrap_or_default();
        let some = |flag: bool, at: usize| flag.then(|| texts[at].clone());
        PublishedVersion {
            version: Version::parse(&format!("{major}.{minor}.{patch}{tail}")).unwrap(),
            digest: Digest::of(texts[0].as_bytes()),
            size: numbers.0,
            unpacked: numbers.1,
            files: numbers.2,
            description: texts[1].clone(),
            deps: some(flags[0], 0)
                .map(|_| PublishedDependency { name: name("@acme/x"), req: "^1".parse().unwrap() })
                .into_iter()
                .collect(),
            grants: some(flags[1], 2).into_iter().collect(),
            hooks: flags[2],
            scripts: some(flags[2], 3).into_iter().collect(),
            license: some(flags[3], 4),
            category: some(flags[4], 5),
            tags: texts[6..].to_vec(),
            source: some(flags[5], 6).map(|git| PublishedSource {
                git,
                commit: some(flags[0], 7),
                path: some(flags[1], 0),
                verified: None,
            }),
            published_at: Timestamp::from_second(numbers.3).unwrap(),
            by: some(flags[0], 1),
            leaf: flags[1].then_some(numbers.0),
            yanked: flags[3],
            yank_reason: some(flags[3], 2),
            removed: some(flags[4], 3).map(|reason| Removal {
                at: Timestamp::from_second(numbers.3).unwrap(),
                reason,
                revoked: flags[5],
            }),
            ..day("1.0.0", 1)
        }
    }
}

proptest! {
    #[test]
    fn what_is_written_is_read_and_writes_the_same_bytes(lines in prop::collection::vec(any_version(), 0..6)) {
        let acme = name("@acme/pdf-tables");
        let mut keys = std::collections::BTreeSet::new();
        let lines: Vec<_> = lines.into_iter().filter(|one| keys.insert(version_key(&one.version))).collect();
        let bytes = write_version_index(&lines);
        let read = parse_version_index(&acme, &bytes).unwrap();
        prop_assert_eq!(&read, &lines);
        prop_assert_eq!(write_version_index(&read), bytes);
        let mut appended = Vec::new();
        for line in &lines {
            appended = append_version(&appended, line).unwrap().unwrap();
            prop_assert!(append_version(&appended, line).is_err() == line.removed.is_some());
        }
        prop_assert_eq!(appended, write_version_index(&lines));
    }

    #[test]
    fn no_other_version_is_better_than_the_chosen_one(
        lines in prop::collection::vec(any_version(), 0..6),
        wanted in prop::sample::select(vec!["", "1", "^1.2", "2.0.0", ">=0.5, <2", "0.0.1-a"]),
        hours in prop::option::of(0..1_000_000_i64),
    ) {
        let now = at("2030-01-01T00:00:00Z");
        let wanted: VersionWanted = wanted.parse().unwrap();
        let age = hours.map(SignedDuration::from_hours);
        if let Ok(chosen) = choose_version(&lines, &wanted, now, age, &[]) {
            prop_assert!(chosen.is_offered());
            for other in &lines {
                let alone = choose_version(std::slice::from_ref(other), &wanted, now, age, &[]);
                prop_assert!(alone.is_err() || other.version <= chosen.version);
            }
        } else {
            for other in &lines {
                prop_assert!(choose_version(std::slice::from_ref(other), &wanted, now, age, &[]).is_err());
            }
        }
    }

    /// Whoever has the catalogue alone makes the same files as whoever has all indexes.
    #[test]
    fn shared_files_need_the_newest_versions_alone(lines in prop::collection::vec((any_version(), 0..4_usize), 0..8)) {
        let names = ["@acme/a", "@acme/b", "@bee/a", "@cat/z"].map(name);
        let mut keys = std::collections::BTreeSet::new();
        let lines = lines.into_iter().map(|(line, at)| PublishedVersion { name: names[at].clone(), ..line });
        let skills = skills_of(lines.filter(|one| keys.insert((one.name.clone(), version_key(&one.version)))).collect());
        let description = RegistryDescription::new("team");
        let all = derived::derive_all_files(&description, &skills);
        let pointer = all.iter().find(|file| file.path == CATALOGUE_POINTER).unwrap();
        let pointer = derived::CataloguePointer::parse(&pointer.bytes).unwrap();
        let catalogue = all.iter().find(|file| file.path == pointer.path).unwrap();
        let entries = derived::parse_catalogue(&catalogue.bytes).unwrap();
        prop_assert_eq!(entries.len(), skills.len());
        let mut again = derived::derive_root_files(&description, &entries);
        for name in skills.keys() {
            again.extend(derived::derive_owner_files(&description, name.owner(), &entries));
            again.extend(derived::derive_skill_files(&description, name, &skills[name].versions));
        }
        prop_assert!(all.iter().all(|file| derived::is_derived_path(&file.path)));
        for file in again {
            prop_assert_eq!(Some(&file), all.iter().find(|other| other.path == file.path), "{}", file.path);
        }
    }

    #[test]
    fn a_skeleton_is_its_own_and_knows_no_order_of_signs(text in "[a-z01vrnil-]{2,12}") {
        let bones = look_alike::skeleton(&text);
        prop_assert_eq!(look_alike::skeleton(&bones), bones.clone());
        prop_assert!(!bones.contains(['-', '0', '1', 'i']));
    }
}
