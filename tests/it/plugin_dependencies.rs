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
        write_plugin(&self.env, name, version, &json!([]));
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
