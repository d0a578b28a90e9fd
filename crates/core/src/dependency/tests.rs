//! What is read of each form that real files use, and of what they should not say.

use super::*;
use crate::skill::SkillName;
use proptest::prelude::*;

fn path(text: &str) -> RelPath {
    RelPath::parse(text.as_bytes()).unwrap()
}

/// The skills of the source that the tests are about.
fn folders() -> SkillFolders {
    ["skills/me", "skills/charts", "skills/shared", "other/far", "skills/gws-docs"]
        .map(path)
        .into_iter()
        .collect()
}

fn needs_of(manifest: &str) -> SkillNeeds {
    let files = DependencyFiles {
        manifest_name: "SKILL.md",
        manifest: manifest.as_bytes(),
        ..DependencyFiles::default()
    };
    read_needs(&files, "me", &path("skills/me"), &folders())
}

/// `name range source kind optional folder`, with `-` for what is not said.
fn told(needs: &SkillNeeds) -> Vec<String> {
    let or = |text: Option<&str>| text.unwrap_or("-").to_owned();
    let tell = |need: &SkillNeed| {
        let DependencyRecord { name, range, source, kind, optional, .. } = &need.record;
        let kind = if *kind == DependencyKind::Link { "link" } else { "declared" };
        let optional = if *optional { " optional" } else { "" };
        let folder = or(need.folder.as_ref().map(RelPath::as_str));
        format!("{name} {} {} {kind}{optional} {folder}", or(range.as_deref()), or(source.as_deref()))
    };
    needs.skills.iter().map(tell).collect()
}

#[test]
fn every_form_is_read() {
    for (front, expected) in [
        ("depends: [charts]", "charts - - declared skills/charts"),
        ("depends_on: [charts]", "charts - - declared skills/charts"),
        ("depends-on:\n- charts@^1.2", "charts ^1.2 - declared skills/charts"),
        ("requires: [gone ^1]", "gone ^1 - declared -"),
        ("requires: charts", "charts - - declared skills/charts"),
        ("requires: {skills: [charts], bins: [git]}", "charts - - declared skills/charts"),
        ("prerequisite-skills:\n- slug: charts\n  reason: x", "charts - - declared skills/charts"),
        ("dependencies: [charts]", "charts - - declared skills/charts"),
        ("dependencies:\n- skill: gone\n  version: ^2", "gone ^2 - declared -"),
        ("dependencies:\n- name: far\n  source: github:o/r", "far - github:o/r declared -"),
        ("dependencies: [o/r@far]", "far - github:o/r declared -"),
        ("dependencies: {charts: ^1}", "charts ^1 - declared skills/charts"),
        ("dependencies: [../charts]", "charts - - declared skills/charts"),
        ("metadata: {requires: {skills: [charts]}}", "charts - - declared skills/charts"),
        ("metadata: {openclaw: {requires: {skills: [gws-docs]}}}", "gws-docs - - declared skills/gws-docs"),
        ("metadata: {clawdbot: {requires: {skills: [far]}}}", "far - - declared other/far"),
        ("related-skills: [charts]", "charts - - declared optional skills/charts"),
        ("relatedSkills: [gone]", "gone - - declared optional -"),
        ("peerDependencies: {charts: '>=1 <2'}", "charts >=1, <2 - declared optional skills/charts"),
        ("depends:\n- skill: charts\n  optional: true", "charts - - declared optional skills/charts"),
    ] {
        let needs = needs_of(&format!("---\nname: me\ndescription: d\n{front}\n---\nDo it.\n"));
        assert_eq!(told(&needs), [expected], "{front}: {needs:?}");
        assert_eq!((needs.packages.len(), needs.faults.len()), (0, 0), "{front}: {needs:?}");
    }
}

#[test]
fn a_dependency_says_where_it_stands() {
    let needs = needs_of(
        "---\nname: me\ndescription: d\nmetadata:\n  openclaw:\n    requires:\n      skills:\n      - charts\n---\n\nSee [x](../shared/a.md).\n",
    );
    let places: Vec<_> =
        needs.skills.iter().map(|need| (need.record.at.as_str(), need.record.key.as_deref())).collect();
    assert_eq!(places, [("SKILL.md:8", Some("metadata.openclaw.requires.skills")), ("SKILL.md:11", None)]);
}

#[test]
fn words_under_dependencies_are_packages_until_a_skill_of_that_name_is_there() {
    let needs = needs_of(
        "---\nname: me\ndescription: d\ndependencies: [autogpt-platform>=0.4.0, numpy, charts, '@a/b', {name: torch, version: '2'}, numpy]\n---\nx\n",
    );
    assert_eq!(told(&needs), ["charts - - declared skills/charts"]);
    assert_eq!(needs.packages, ["autogpt-platform>=0.4.0", "numpy", "@a/b", "name: torch, version: 2"]);
    let by_program = needs_of(
        "---\nname: me\ndescription: d\ndependencies: {python: [pandas, x], node: '>=18'}\n---\nx\n",
    );
    assert!(by_program.skills.is_empty(), "{by_program:?}");
    assert_eq!(by_program.packages, ["python: [pandas, x]", "node >=18"]);
}

#[test]
fn links_lead_to_skills_of_the_same_source_alone() {
    let body = "Read `../shared/SKILL.md`, [a](../shared/b.md), [c](../../other/far/SKILL.md), [d](../none/SKILL.md), \
                [e](../../../etc/passwd), [f](../me/x.md), [g](../../README.md).";
    let needs = needs_of(&format!("---\nname: me\ndescription: d\n---\n{body}\n"));
    assert_eq!(told(&needs), ["shared - - link skills/shared", "far - - link other/far"]);
    let both = needs_of("---\nname: me\ndescription: d\nrequires: [shared@^1]\n---\n[a](../shared/b.md)\n");
    assert_eq!(told(&both), ["shared ^1 - declared skills/shared"]);
}

#[test]
fn what_stands_beside_a_manifest_counts_too() {
    let (apm, plugin) = (path("apm.yml"), path("skills/.claude-plugin/plugin.json"));
    let files = DependencyFiles {
        manifest_name: "SKILL.md",
        manifest: b"---\nname: me\ndescription: d\n---\nx\n",
        skill_yaml: Some(b"dependencies: [gone@^1]\nspec:\n  dependencies:\n  - name: charts\n"),
        apm: Some((&apm, b"dependencies:\n  apm: [./skills/shared, o/r/skills/far, ../out]\n  mcp: [x]\n")),
        plugin: Some((
            &plugin,
            b"{\"dependencies\": [\"kit\", {\"name\": \"vault\", \"version\": \"~2.1.0\", \"marketplace\": \"acme\"}]}",
        )),
    };
    let needs = read_needs(&files, "me", &path("skills/me"), &folders());
    let expected = [
        "gone ^1 - declared -",
        "charts - - declared skills/charts",
        "shared - - declared skills/shared",
        "far - github:o/r/skills/far declared -",
    ];
    assert_eq!(told(&needs), expected);
    let plugins: Vec<_> = needs
        .plugins
        .iter()
        .map(|p| (p.name.as_str(), p.range.as_deref(), p.marketplace.as_deref(), p.at.as_str()))
        .collect();
    let at = "skills/.claude-plugin/plugin.json:1";
    assert_eq!(plugins, [("kit", None, None, at), ("vault", Some("~2.1.0"), Some("acme"), at)]);
    assert_eq!(needs.faults, ["apm.yml:2: `../out` leads to no skill of the same source"]);
}

/// npm's map of packages is not a list of plugins.
#[test]
fn a_map_of_packages_in_a_plugin_is_not_of_plugins() {
    let plugin = path("package/plugin.json");
    let files = DependencyFiles {
        manifest_name: "SKILL.md",
        plugin: Some((&plugin, b"{\"dependencies\": {\"zod\": \"^3\"}}")),
        ..DependencyFiles::default()
    };
    assert_eq!(read_needs(&files, "me", &path("skills/me"), &folders()), SkillNeeds::default());
}

#[test]
fn what_cannot_be_meant_is_a_fault_and_harms_nothing() {
    for (front, fault) in [
        ("requires: [me]", "names itself"),
        ("requires: [../me]", "names itself"),
        ("requires: ['../../../etc/passwd']", "leads to no skill"),
        ("requires: ['/etc/passwd']", "not a skill's name"),
        ("requires: ['charts@newest']", "no valid version range"),
        ("requires: ['a b c']", "no valid version range"),
        ("requires: ['\u{202e}evil']", "not a skill's name"),
        ("requires: [[charts]]", "not a skill's name"),
        ("requires:\n- skill: far\n  source: https://u:p@example.com/x.git", "not a skill's name"),
        ("requires:\n- skill: far\n  source: /home/me/x", "not a skill's name"),
    ] {
        let needs = needs_of(&format!("---\nname: me\ndescription: d\n{front}\n---\nx\n"));
        assert!(needs.faults.iter().any(|one| one.contains(fault)), "{front}: {needs:?}");
        assert!(!needs.faults.iter().any(|one| one.contains('\u{202e}')), "{needs:?}");
        assert!(!format!("{:?}", needs.skills).contains("u:p@"), "{needs:?}");
    }
    let many = (0..5_000).map(|n| format!("s{n}")).collect::<Vec<_>>().join(", ");
    let needs = needs_of(&format!("---\nname: me\ndescription: d\nrequires: [{many}]\n---\nx\n"));
    assert_eq!(needs.skills.len(), MAX_ITEMS);
}

proptest! {
    #[test]
    fn no_text_panics_and_every_name_is_one(
        front in "(requires|depends|dependencies|metadata|related-skills): ?[-a-z@^.:, \\[\\]{}/0-9>=<'\"\n ]{0,60}",
        body in "[-a-z./`\\[\\]() \n]{0,60}",
    ) {
        let needs = needs_of(&format!("---\nname: me\ndescription: d\n{front}\n---\n{body}"));
        for need in &needs.skills {
            prop_assert!(need.record.name.parse::<SkillName>().is_ok(), "{:?}", need);
            prop_assert!(need.record.name != "me");
            if let Some(range) = &need.record.range {
                prop_assert!(semver::VersionReq::parse(range).is_ok());
            }
        }
    }
}
