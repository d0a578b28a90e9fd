//! Refusals that say what is there, why it is not taken, and what to type next.

use syn::visit::{self, Visit};

use crate::env::{TestEnv, commit, skill_md};
use crate::floors::sources;
use crate::shape::is_test;
use ba_agent_test_support::server::Server;

/// A commit on `main` of the repository at `below` whose tree also has `path` as a submodule at
/// `id`.
fn add_submodule(env: &TestEnv, below: &str, path: [&str; 2], id: &str) {
    let repo = git2::Repository::open_bare(env.path(below)).unwrap();
    let head = repo.find_reference("refs/heads/main").unwrap().peel_to_commit().unwrap();
    let [folder, name] = path;
    let inner = head.tree().unwrap().get_name(folder).map(|entry| repo.find_tree(entry.id()).unwrap());
    let mut inner = repo.treebuilder(inner.as_ref()).unwrap();
    inner.insert(name, id.parse().unwrap(), 0o160_000).unwrap();
    let mut top = repo.treebuilder(Some(&head.tree().unwrap())).unwrap();
    top.insert(folder, inner.write().unwrap(), 0o040_000).unwrap();
    let tree = repo.find_tree(top.write().unwrap()).unwrap();
    let who = git2::Signature::new("T", "t@example.org", &git2::Time::new(1_767_323_045, 0)).unwrap();
    repo.commit(Some("refs/heads/main"), &who, &who, "submodule", &tree, &[&head]).unwrap();
}

#[test]
fn a_submodule_in_the_way_is_named_with_its_address_and_commit() {
    let mut env = TestEnv::new();
    let Some(server) = Server::start(&env.path("srv")) else { return };
    env.set("BA_AGENT_GITHUB_URL", server.url());
    env.skill("team/s");
    let team = env.git_repo("srv/acme/team.git", &env.path("team"));
    let at = team.refname_to_id("refs/heads/main").unwrap().to_string();
    env.write("hub/README.md", "skills come from elsewhere");
    env.write("hub/.gitmodules", "[submodule \"t\"]\n\tpath = skills/team\n\turl = ../team.git\n");
    drop(env.git_repo("srv/acme/hub.git", &env.path("hub")));
    add_submodule(&env, "srv/acme/hub.git", ["skills", "team"], &at);
    let address = format!("{}/acme/team.git", server.url());
    for (source, more) in
        [("acme/hub", ""), ("acme/hub/skills/team", ""), ("acme/hub/skills/team/s", " --subdirectory s")]
    {
        let run = env.run(&["skill", "install", source]).ends(3);
        let run = run.says("`skills/team` is a git submodule").says(&format!("{address} at {at}"));
        let line = run.stderr.lines().find_map(|line| line.split_once("`ba-agent ")).unwrap().1;
        assert_eq!(line, format!("skill install {address}{more} --sha {at}`"), "{source}");
        // What is to be typed works as it stands.
        let args: Vec<&str> = line.trim_end_matches('`').split(' ').collect();
        env.run(&args).ends(0);
        env.run(&["skill", "uninstall", "s"]).ends(0);
    }
}

#[cfg(unix)]
#[test]
fn a_link_in_the_way_is_named_with_what_it_leads_to() {
    let mut env = TestEnv::new();
    let Some(server) = Server::start(&env.path("srv")) else { return };
    env.set("BA_AGENT_GITHUB_URL", server.url());
    env.skill("ln/vendor/k");
    std::fs::create_dir(env.path("ln/skills")).unwrap();
    std::os::unix::fs::symlink("../vendor/k", env.path("ln/skills/k")).unwrap();
    drop(env.git_repo("srv/acme/ln.git", &env.path("ln")));
    for source in ["acme/ln/skills/k", "../ln//skills/k"] {
        let run = env.run(&["skill", "install", source]).ends(3);
        let run = run.says("`skills/k` is a link to `../vendor/k`");
        let line = run.stderr.lines().find_map(|line| line.split_once("`ba-agent ")).unwrap().1;
        assert!(line.contains("vendor/k`"), "{line}");
        assert!(!run.stderr.contains("did you mean"), "{}", run.stderr);
        let line = line.replace("[ROOT]", &env.root().display().to_string());
        let args: Vec<&str> = line.trim_end_matches('`').split(' ').collect();
        env.run(&args).ends(0);
        env.run(&["skill", "uninstall", "k"]).ends(0);
    }
    env.write("lf/shared/body.md", skill_md("k", "Does k. Use it when k is wanted."));
    std::fs::create_dir_all(env.path("lf/skills/k")).unwrap();
    std::os::unix::fs::symlink("../../shared/body.md", env.path("lf/skills/k/SKILL.md")).unwrap();
    drop(env.git_repo("srv/acme/lf.git", &env.path("lf")));
    for source in ["acme/lf", "../lf"] {
        let run = env.run(&["skill", "install", source]).ends(3);
        let run = run.says("`skills/k/SKILL.md` is a link to `../../shared/body.md`").says("must be a file");
        assert!(!run.stderr.contains("called exactly"), "{}", run.stderr);
    }
}

#[test]
fn line_ends_and_lost_bits_of_a_checkout_are_told_from_edits() {
    let env = TestEnv::new();
    env.skill("src/pdf").file("notes.md", "one\ntwo\n");
    env.skill("src/docx");
    for skill in ["pdf", "docx"] {
        env.run(&["skill", "install", &format!("../src/{skill}")]).ends(0);
        let at = format!("project/.claude/skills/{skill}/SKILL.md");
        let text = env.read(&at).replace('\n', "\r\n");
        env.write(&at, text);
    }
    let says = "only line ends differ";
    let line = "`.claude/skills/** -text` in `.gitattributes`";
    env.run(&["skill", "verify"]).ends(6).says(says).says(line);
    let told = env.run(&["skill", "verify", "--json"]).ends(6).json();
    assert_eq!(told["skills"][0]["faults"][0]["what"], "line_ends");
    env.run(&["skill", "install", "--frozen"]).ends(6).says(says).says(line);
    env.write("src/pdf/notes.md", "three\n");
    env.run(&["skill", "update", "pdf"]).ends(7).says(says).says("line ends changed: SKILL.md");
    env.run(&["skill", "install", "--force"]).ends(0);
    env.run(&["skill", "verify"]).ends(0);
    // With a true edit among them it is an edit.
    env.write("project/.claude/skills/pdf/SKILL.md", "edited\r\n");
    let run = env.run(&["skill", "verify"]).ends(6);
    assert!(!run.stderr.contains(says), "{}", run.stderr);
}

#[cfg(unix)]
#[test]
fn a_lost_executable_bit_is_told_from_edits() {
    use std::os::unix::fs::PermissionsExt as _;
    let env = TestEnv::new();
    env.skill("src/pdf").executable("run.sh", "#!/bin/sh\n");
    env.run(&["skill", "install", "../src/pdf"]).ends(0);
    let at = env.path("project/.claude/skills/pdf/run.sh");
    std::fs::set_permissions(at, std::fs::Permissions::from_mode(0o644)).unwrap();
    for args in [&["skill", "verify"][..], &["skill", "uninstall", "pdf"], &["skill", "install", "--frozen"]]
    {
        let run = env.run(args);
        assert!([6, 7].contains(&run.status), "{run:?}");
        run.says("only the executable bit differs").says("--chmod=+x");
    }
}

#[test]
fn a_local_source_is_recorded_as_others_can_have_it() {
    let env = TestEnv::new();
    env.skill("tools/s");
    env.skill("project/my/t");
    let quiet = env.run(&["skill", "install", "../tools/s", "./my/t"]).ends(0);
    assert!(!quiet.stderr.contains("of this machine"), "{}", quiet.stderr);
    assert_eq!(env.registry()["skills"]["s"]["source"], "../tools/s");
    assert_eq!(env.registry()["skills"]["t"]["source"], "./my/t");
    // The same folder under another name is the same source.
    let absolute = env.path("tools/s").display().to_string();
    env.run(&["skill", "install", &absolute]).ends(0).says("Unchanged");
    assert_eq!(env.registry()["skills"]["s"]["source"], "../tools/s");
    env.run(&["skill", "uninstall", "s"]).ends(0);
    env.run(&["skill", "install", &absolute]).ends(0).says("a path on this machine");
    env.run(&["skill", "install", "--global", &absolute]).ends(0);
    // From any folder below it is the same text.
    env.run(&["skill", "uninstall", "s"]).ends(0);
    std::fs::create_dir_all(env.path("project/a/b")).unwrap();
    env.run_in("project/a/b", &["skill", "install", "../../../tools/s"]).ends(0);
    assert_eq!(env.registry()["skills"]["s"]["source"], "../tools/s");
    std::fs::rename(env.path("tools"), env.path("elsewhere")).unwrap();
    std::fs::remove_dir_all(env.path("project/.claude")).unwrap();
    env.run(&["cache", "clear", "--yes"]).ends(0);
    env.run(&["skill", "install", "--frozen"]).ends(3).says("where it is now");
}

#[test]
fn a_folder_with_the_name_of_an_archive_is_a_folder() {
    let env = TestEnv::new();
    env.write("project/x.zip/SKILL.md", skill_md("s", "Does s. Use it when s is wanted."));
    for source in ["./x.zip", "./x.zip/"] {
        env.run(&["skill", "install", source]).ends(0);
        env.run(&["skill", "update"]).ends(0);
        std::fs::remove_dir_all(env.path("project/.claude")).unwrap();
        env.run(&["skill", "install"]).ends(0);
        env.run(&["skill", "verify"]).ends(0);
    }
}

#[test]
fn a_verb_without_its_group_is_suggested_with_it() {
    let env = TestEnv::new();
    env.run(&["clear", "--yes"]).ends(2).says("`ba-agent cache clear`");
    env.run(&["skill", "prune"]).ends(2).says("`ba-agent cache prune`");
    env.run(&["skil"]).ends(2).says("`ba-agent skill`");
}

#[test]
fn a_live_link_whose_folder_is_gone_says_so() {
    let env = TestEnv::new();
    env.skill("author/s");
    env.run(&["skill", "install", "../author/s", "--link"]).ends(0);
    std::fs::remove_dir_all(env.path("author")).unwrap();
    let run = env.run(&["skill", "verify"]).ends(6);
    assert!(
        run.stdout.contains("which no longer exists") && !run.stdout.contains("instead of"),
        "{}",
        run.stdout
    );
}

#[test]
fn a_branch_behind_an_at_sign_is_recognised() {
    let mut env = TestEnv::new();
    let Some(server) = Server::start(&env.path("srv")) else { return };
    env.set("BA_AGENT_GITHUB_URL", server.url());
    env.skill("src/skills/pdf");
    env.skill("src/skills/docx");
    let repo = env.git_repo("srv/acme/skills.git", &env.path("src"));
    env.write("src/README.md", "more");
    commit(&repo, "refs/heads/next", &env.path("src"), "more");
    let main = repo.refname_to_id("refs/heads/main").unwrap();
    repo.reference("refs/tags/stable", main, false, "").unwrap();
    for reference in ["main", "next", "stable"] {
        env.run(&["skill", "install", &format!("acme/skills@{reference}")])
            .ends(3)
            .says(&format!("install acme/skills#{reference}`"));
    }
}

#[test]
fn a_full_disk_is_told_in_words_that_fit_the_command() {
    let mut env = TestEnv::new();
    env.skill("src/pdf");
    env.run(&["skill", "install", "../src/pdf"]).ends(0);
    let mut told = 0;
    for step in 1..60 {
        env.set("BA_AGENT_FAULT", format!("full:{step}"));
        let run = env.run(&["skill", "uninstall", "pdf"]);
        if run.status == 0 {
            break;
        }
        told += 1;
        assert_eq!(run.status, 1, "{run:?}");
        assert!(!run.stderr.contains("put into"), "{run:?}");
    }
    assert!(told > 3, "only {told} steps failed");
}

/// Phrases that read as translated: a message says what was expected and what was found, "is not a
/// valid X", "unknown X".
const ODD: &[&str] = &[
    "is no",
    "are no",
    "was no",
    "were no",
    "which is none",
    "is none",
    "are none",
    "leave it away",
    "leave them away",
    "of them away",
    "hung up",
    "broke off",
    "nobody",
    "so many",
    "cannot be had",
    "mend",
    "mends",
    "mended",
    "say which",
    "says which of",
    "all the same",
    "at hand",
    "there twice",
    "there already",
    "no more",
    "is known here",
    "not known here",
    "may not be had",
    "hold what",
];

/// Texts with such a phrase that is right where it stands. May only get shorter.
const ODD_BUT_RIGHT: &[&str] = &[];

/// The string literals of the program, without those of tests and comments.
#[derive(Default)]
struct Literals(Vec<String>);

impl Literals {
    fn tokens(&mut self, tokens: proc_macro2::TokenStream) {
        let mut is_attribute = false;
        for token in tokens {
            let was_hash = std::mem::replace(
                &mut is_attribute,
                matches!(&token, proc_macro2::TokenTree::Punct(mark) if mark.as_char() == '#'),
            );
            match token {
                proc_macro2::TokenTree::Group(_) if was_hash => {}
                proc_macro2::TokenTree::Group(group) => self.tokens(group.stream()),
                proc_macro2::TokenTree::Literal(literal) => {
                    if let Ok(syn::Lit::Str(text)) = syn::parse_str(&literal.to_string()) {
                        self.0.push(text.value());
                    }
                }
                _ => {}
            }
        }
    }
}

impl<'ast> Visit<'ast> for Literals {
    fn visit_item(&mut self, item: &'ast syn::Item) {
        let attributes = match item {
            syn::Item::Mod(item) => &item.attrs,
            syn::Item::Fn(item) => &item.attrs,
            _ => return visit::visit_item(self, item),
        };
        if !is_test(attributes) {
            visit::visit_item(self, item);
        }
    }

    fn visit_attribute(&mut self, attribute: &'ast syn::Attribute) {
        // Descriptions are read where they are shown, in the man pages.
        let is_help = ["command", "arg"].iter().any(|name| attribute.path().is_ident(name));
        if let (true, syn::Meta::List(list)) = (is_help, &attribute.meta) {
            self.tokens(list.tokens.clone());
        }
    }

    fn visit_lit_str(&mut self, text: &'ast syn::LitStr) {
        self.0.push(text.value());
    }

    fn visit_macro(&mut self, call: &'ast syn::Macro) {
        self.tokens(call.tokens.clone());
    }
}

/// The odd phrases of a text, as whole words. "There is no X" and "no longer" are plain.
fn odd(text: &str) -> Vec<&'static str> {
    let words = text.split(|c: char| !c.is_alphanumeric() && c != '\'').filter(|word| !word.is_empty());
    let plain = format!(" {} ", words.collect::<Vec<_>>().join(" ").to_lowercase())
        .replace(" there is no ", " ")
        .replace(" there are no ", " ")
        .replace(" no longer ", " ")
        .replace(" is no such ", " ");
    ODD.iter().copied().filter(|odd| plain.contains(&format!(" {odd} "))).collect()
}

#[test]
fn messages_are_in_plain_english() {
    let mut texts = Vec::new();
    for source in sources().into_iter().filter(|source| !source.is_for_tests()) {
        let path = source.path;
        let mut literals = Literals::default();
        literals.visit_file(&syn::parse_file(&std::fs::read_to_string(&path).unwrap()).unwrap());
        texts.extend(literals.0.into_iter().map(|text| (path.display().to_string(), text)));
    }
    assert!(texts.len() > 2_000, "{}", texts.len());
    let man = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("man");
    for page in std::fs::read_dir(man).unwrap().map(Result::unwrap) {
        let text = std::fs::read_to_string(page.path()).unwrap().replace('\\', "");
        texts.extend(text.lines().map(|line| (page.path().display().to_string(), line.to_owned())));
    }
    let mut wrong = String::new();
    for (path, text) in texts.iter().filter(|(_, text)| !ODD_BUT_RIGHT.contains(&text.as_str())) {
        let odd = odd(text);
        if !odd.is_empty() {
            wrong.push_str(&format!("{path}: {odd:?}: {text}\n"));
        }
    }
    assert!(wrong.is_empty(), "write what was expected and what was found instead:\n{wrong}");
    assert_eq!(odd("`x` is no digest; leave it away"), ["is no", "leave it away"]);
    assert_eq!(odd("there is no branch `x`, and it is no longer here"), Vec::<&str>::new());
}
