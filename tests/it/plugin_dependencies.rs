//! Plugins of marketplaces that need other plugins: as Claude Code has it, a name or a name with a
//! range and a marketplace, versions by tags `NAME--v1.2.3`, one version of each.

use serde_json::{Value, json};

use crate::env::{TestEnv, commit, skill_md};

struct Market {
    env: TestEnv,
    repo: git2::Repository,
}

/// A marketplace with these plugins, each with one skill `NAME-skill`; needs as `plugin.json` has
/// them.
fn market(plugins: &[(&str, Value)]) -> Market {
    let env = TestEnv::new();
    let entries: Vec<Value> = plugins
        .iter()
        .map(|(name, _)| json!({ "name": name, "source": format!("./plugins/{name}") }))
        .collect();
    let catalogue = json!({
        "name": "acme", "owner": { "name": "Acme" }, "plugins": entries,
        "allowCrossMarketplaceDependenciesOn": ["friends"],
    });
    env.write("market/.claude-plugin/marketplace.json", catalogue.to_string());
    for (name, needs) in plugins {
        write_plugin(&env, name, "1.0.0", needs);
    }
    let repo = env.git_repo("acme", &env.path("market"));
    let market = Market { env, repo };
    market.env.run(&["marketplace", "add", "acme", &market.address("acme")]).ends(0);
    market
}

fn write_plugin(env: &TestEnv, name: &str, version: &str, needs: &Value) {
    let manifest = json!({ "name": name, "version": version, "dependencies": needs });
    env.write(&format!("market/plugins/{name}/.claude-plugin/plugin.json"), manifest.to_string());
    let skill = format!("{name}-skill");
    let text = skill_md(&skill, &format!("Does {name} in its edition {version}. Use it when it is wanted."));
    env.write(&format!("market/plugins/{name}/skills/{skill}/SKILL.md"), text);
}

impl Market {
    fn address(&self, below: &str) -> String {
        format!("file://{}", self.env.path(below).display())
    }

    /// Another version of a plugin, with its tag.
    fn release(&self, name: &str, version: &str) {
        self.release_with(name, version, &json!([]));
    }

    fn release_with(&self, name: &str, version: &str, needs: &Value) {
        write_plugin(&self.env, name, version, needs);
        commit(&self.repo, "refs/heads/main", &self.env.path("market"), version);
        let head = self.repo.head().unwrap().peel(git2::ObjectType::Commit).unwrap();
        self.repo.tag_lightweight(&format!("{name}--v{version}"), &head, true).unwrap();
    }

    fn installed(&self) -> Vec<String> {
        let registry = self.env.registry();
        let all = registry["skills"].as_object().unwrap();
        all.iter()
            .map(|(name, entry)| format!("{name} {}", entry["version"].as_str().unwrap_or("-")))
            .collect()
    }
}

#[test]
fn the_rules_of_plugins_hold() {
    for (needs_of_kit, needs_of_pack, expected) in [
        (json!(["vault"]), json!([]), Ok("vault-skill 2.2.0")),
        (json!([{ "name": "vault" }]), json!([]), Ok("vault-skill 2.2.0")),
        (json!([{ "name": "vault", "version": "~2.1.0" }]), json!([]), Ok("vault-skill 2.1.4")),
        (
            json!([{ "name": "vault", "version": "^2.0", "marketplace": "acme" }]),
            json!([]),
            Ok("vault-skill 2.2.0"),
        ),
        (
            json!([{ "name": "vault", "version": ">=2.1" }]),
            json!([{ "name": "vault", "version": "<2.2" }]),
            Ok("vault-skill 2.1.4"),
        ),
        (json!({ "zod": "^3" }), json!([]), Ok("")),
        (
            json!([{ "name": "vault", "version": "~2.1.0" }]),
            json!([{ "name": "vault", "version": "~2.2.0" }]),
            Err("`kit@acme` and `pack@acme` need versions of `vault@acme` that exclude each other"),
        ),
        (json!([{ "name": "vault", "version": "^9" }]), json!([]), Err("vault@acme")),
        (json!(["gone"]), json!([]), Err("the plugin `kit@acme` needs `gone@acme`, which is nowhere")),
        (
            json!([{ "name": "vault", "marketplace": "strangers" }]),
            json!([]),
            Err("of the marketplace `strangers`, which its own does not allow"),
        ),
        (
            json!([{ "name": "vault", "marketplace": "friends" }]),
            json!([]),
            Err("needs `vault@friends`, which is nowhere"),
        ),
    ] {
        let market = market(&[("kit", needs_of_kit.clone()), ("pack", needs_of_pack), ("vault", json!([]))]);
        for version in ["2.1.0", "2.1.4", "2.2.0"] {
            market.release("vault", version);
        }
        market.env.run(&["marketplace", "update"]).ends(0);
        let run = market.env.run(&["skill", "install", "kit@acme", "pack@acme"]);
        match expected {
            Ok(vault) => {
                assert_eq!(run.status, 0, "{needs_of_kit}: {}", run.stderr);
                let mut all = vec!["kit-skill 1.0.0", "pack-skill 1.0.0"];
                all.extend(Some(vault).filter(|vault| !vault.is_empty()));
                assert_eq!(market.installed(), all, "{needs_of_kit}");
            }
            Err(words) => {
                assert_eq!(run.status, 7, "{needs_of_kit}: {}", run.stderr);
                assert!(run.stderr.contains(words), "{needs_of_kit}: {}", run.stderr);
                assert!(!market.env.path("project/config/skills_registry.json").exists());
            }
        }
    }
}

#[test]
fn what_a_plugin_brought_is_held_and_pruned() {
    let market = market(&[("kit", json!(["vault"])), ("vault", json!(["base"])), ("base", json!([]))]);
    let env = &market.env;
    env.run(&["skill", "install", "kit@acme", "--no-deps"]).ends(0);
    assert_eq!(market.installed(), ["kit-skill 1.0.0"]);
    env.run(&["skill", "uninstall", "kit-skill"]).ends(0);
    env.run(&["skill", "install", "kit@acme"])
        .ends(0)
        .says("Installed base-skill in .claude/skills (needed by vault-skill)");
    assert_eq!(market.installed(), ["base-skill 1.0.0", "kit-skill 1.0.0", "vault-skill 1.0.0"]);
    let entry = env.registry()["skills"]["vault-skill"].clone();
    assert_eq!(entry["marketplace"], json!({ "name": "acme", "entry": "vault" }));
    assert_eq!(entry["automatic"], true);
    env.run(&["skill", "uninstall", "vault-skill"]).ends(7).says("is needed by kit-skill");
    let run = env.run(&["skill", "tree"]).ends(0);
    assert_eq!(run.stdout.lines().next(), Some("kit-skill 1.0.0"));
    env.run(&["skill", "uninstall", "kit-skill", "--prune"]).ends(0);
    assert!(market.installed().is_empty());
}

fn needs_vault(range: &str) -> Value {
    json!([{ "name": "vault", "version": range }])
}

/// `kit` and `pack`, which need versions of `vault`, installed at 2.1.4.
fn with_vault(of_kit: &str, of_pack: &str) -> Market {
    let market =
        market(&[("kit", needs_vault(of_kit)), ("pack", needs_vault(of_pack)), ("vault", json!([]))]);
    for version in ["2.1.0", "2.1.4"] {
        market.release("vault", version);
    }
    market.env.run(&["marketplace", "update"]).ends(0);
    market.env.run(&["skill", "install", "kit@acme", "pack@acme"]).ends(0);
    assert_eq!(market.installed(), ["kit-skill 1.0.0", "pack-skill 1.0.0", "vault-skill 2.1.4"]);
    market
}

impl Market {
    /// Updates, and says what is installed then and what was said.
    fn update(&self) -> (Vec<String>, String) {
        self.env.run(&["marketplace", "update"]).ends(0);
        let run = self.env.run(&["skill", "update", "--yes"]).ends(0);
        // Whatever happened, the ranges are still known, and hold.
        let needs = &self.env.registry()["skills"]["kit-skill"]["dependencies"][0];
        assert_eq!((&needs["name"], &needs["plugin"]), (&json!("vault-skill"), &json!("vault")), "{needs}");
        assert!(needs["range"].is_string(), "{needs}");
        self.env.run(&["skill", "tree", "--strict"]).ends(0);
        self.env.run(&["skill", "uninstall", "vault-skill"]).ends(7);
        (self.installed(), run.stderr)
    }
}

#[test]
fn an_update_stays_in_the_ranges_of_all_plugins() {
    let market = with_vault("~2.1.0", ">=2");
    market.release("vault", "2.1.9");
    market.release("vault", "2.3.0");
    assert_eq!(market.update().0, ["kit-skill 1.0.0", "pack-skill 1.0.0", "vault-skill 2.1.9"]);
    let run = market.env.run(&["skill", "outdated", "--json"]).ends(0);
    let row =
        run.json()["skills"].as_array().unwrap().iter().find(|row| row["name"] == "vault-skill").cloned();
    let row = row.unwrap();
    assert_eq!((&row["wanted"], &row["latest"]), (&json!("vault--v2.1.9"), &json!("vault--v2.3.0")), "{row}");
    // Who needs it wants a newer one by now, though nothing of its own skill has changed.
    market.release_with("kit", "1.0.0", &needs_vault("^2.2"));
    assert_eq!(market.update().0, ["kit-skill 1.0.0", "pack-skill 1.0.0", "vault-skill 2.3.0"]);
    market.release_with("kit", "1.1.0", &needs_vault("~2.4.0"));
    market.release("vault", "2.4.1");
    market.release("vault", "2.5.0");
    assert_eq!(market.update().0, ["kit-skill 1.1.0", "pack-skill 1.0.0", "vault-skill 2.4.1"]);
}

#[test]
fn an_update_that_would_need_what_another_excludes_waits() {
    let market = with_vault("~2.1.0", "<2.2");
    market.release("vault", "2.2.0");
    market.release_with("kit", "1.1.0", &needs_vault("~2.2.0"));
    let (installed, said) = market.update();
    assert_eq!(installed, ["kit-skill 1.0.0", "pack-skill 1.0.0", "vault-skill 2.1.4"]);
    assert!(
        said.contains("`kit-skill` stays as it is: it would need vault-skill ~2.2.0, and 2.1.4 is installed"),
        "{said}"
    );
    // A range that no version is in is no failure of who is needed.
    market.release_with("kit", "1.2.0", &needs_vault("^9"));
    let (installed, said) = market.update();
    assert_eq!(installed, ["kit-skill 1.0.0", "pack-skill 1.0.0", "vault-skill 2.1.4"]);
    assert!(said.contains("`kit-skill` stays as it is: it would need vault-skill ^9"), "{said}");
    // Once the other has come along, both do.
    market.release_with("kit", "1.3.0", &needs_vault("~2.2.0"));
    market.release_with("pack", "1.1.0", &needs_vault(">=2.2"));
    assert_eq!(market.update().0, ["kit-skill 1.3.0", "pack-skill 1.1.0", "vault-skill 2.2.0"]);
}

#[test]
fn a_plugin_that_was_asked_for_is_held_in_the_ranges_of_the_others() {
    let market = market(&[("kit", needs_vault("~2.1.0")), ("vault", json!([]))]);
    market.release("vault", "2.1.4");
    market.env.run(&["marketplace", "update"]).ends(0);
    market.env.run(&["skill", "install", "vault@acme"]).ends(0);
    market.env.run(&["skill", "install", "kit@acme"]).ends(0);
    market.release("vault", "2.2.0");
    let (installed, said) = market.update();
    assert_eq!(installed, ["kit-skill 1.0.0", "vault-skill 2.1.4"]);
    assert!(
        said.contains("`vault-skill` stays as it is: it would be 2.2.0, and kit-skill needs ~2.1.0 of it"),
        "{said}"
    );
}

/// The range is about the plugin, whatever versions its skills give themselves.
#[test]
fn a_skill_with_a_version_of_its_own_is_held_by_that_of_its_plugin() {
    let market = market(&[("kit", needs_vault("~2.1.0")), ("vault", json!([]))]);
    let own = |version: &str| {
        let text = market.env.read("market/plugins/vault/skills/vault-skill/SKILL.md");
        let text = text.replacen("---\n", &format!("---\nversion: {version}\n"), 1);
        market.env.write("market/plugins/vault/skills/vault-skill/SKILL.md", text);
        commit(&market.repo, "refs/heads/main", &market.env.path("market"), version);
    };
    for (plugin, skill) in [("2.1.0", "0.3.0"), ("2.1.4", "0.4.0"), ("2.2.0", "0.5.0")] {
        write_plugin(&market.env, "vault", plugin, &json!([]));
        own(skill);
        let head = market.repo.head().unwrap().peel(git2::ObjectType::Commit).unwrap();
        market.repo.tag_lightweight(&format!("vault--v{plugin}"), &head, true).unwrap();
    }
    market.env.run(&["marketplace", "update"]).ends(0);
    market.env.run(&["skill", "install", "kit@acme"]).ends(0);
    assert_eq!(market.installed(), ["kit-skill 1.0.0", "vault-skill 0.4.0"]);
    let entry = market.env.registry()["skills"]["vault-skill"].clone();
    assert_eq!(entry["marketplace"], json!({ "entry": "vault", "name": "acme", "version": "2.1.4" }));
    assert_eq!(market.update().0, ["kit-skill 1.0.0", "vault-skill 0.4.0"]);
}

#[test]
fn an_update_brings_the_plugins_that_a_new_version_needs() {
    let market = market(&[("kit", needs_vault(">=1")), ("vault", json!([])), ("base", json!([]))]);
    for version in ["1.0.0", "2.0.0"] {
        market.release("base", version);
    }
    market.env.run(&["marketplace", "update"]).ends(0);
    market.env.run(&["skill", "install", "kit@acme"]).ends(0);
    assert_eq!(market.installed(), ["kit-skill 1.0.0", "vault-skill 1.0.0"]);
    let needs =
        |base: &str| json!([{ "name": "vault", "version": ">=1" }, { "name": base, "version": "^1" }]);
    market.release_with("kit", "1.1.0", &needs("base"));
    assert_eq!(market.update().0, ["base-skill 1.0.0", "kit-skill 1.1.0", "vault-skill 1.0.0"]);
    assert_eq!(market.env.registry()["skills"]["base-skill"]["automatic"], true);
    market.release_with("kit", "1.2.0", &needs("gone"));
    let (installed, said) = market.update();
    assert_eq!(installed, ["base-skill 1.0.0", "kit-skill 1.1.0", "vault-skill 1.0.0"]);
    assert!(said.contains("`kit-skill` stays as it is") && said.contains("gone@acme"), "{said}");
}

#[test]
fn ranges_that_exclude_each_other_are_told_with_what_is_published() {
    let market = market(&[("kit", needs_vault("^1.2")), ("pack", needs_vault(">=2")), ("vault", json!([]))]);
    for version in ["1.2.0", "1.4.1", "2.0.0"] {
        market.release("vault", version);
    }
    market.env.run(&["marketplace", "update"]).ends(0);
    let run = market.env.run(&["skill", "install", "kit@acme", "pack@acme"]).ends(7);
    for words in [
        "`kit@acme` and `pack@acme` need versions of `vault@acme` that exclude each other",
        "kit@acme 1.0.0 needs vault@acme ^1.2 (its `dependencies`)",
        "pack@acme 1.0.0 needs vault@acme >=2 (its `dependencies`); published: 1.2.0, 1.4.1, 2.0.0",
        "`--no-deps` installs without following dependencies",
    ] {
        assert!(run.stderr.contains(words), "{words}: {}", run.stderr);
    }
}
