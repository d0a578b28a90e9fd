//! Which targets of a skill have it, and which do not for the time being.
//!
//! `targets` are those that have it, or will have it once it is enabled again; `disabled_for` are
//! the others, each with its position among all. So what was disabled comes back to where it was:
//! the first of the targets holds the files.

use super::LockEntry;

impl LockEntry {
    /// All targets, also those that do not have it now, in the order in which it was installed.
    pub fn all_targets(&self) -> Vec<String> {
        let mut all = self.targets.clone();
        let mut disabled: Vec<(usize, &String)> =
            self.disabled_for.iter().map(|(target, position)| (*position, target)).collect();
        disabled.sort();
        for (position, target) in disabled {
            if !all.contains(target) {
                all.insert(position.min(all.len()), target.clone());
            }
        }
        all
    }

    /// The record without these targets; the skill as a whole is disabled where no other is left.
    #[must_use]
    pub fn disable_targets(&self, leaving: &[String]) -> Self {
        match self.targets.iter().all(|target| leaving.contains(target)) {
            true => Self { enabled: false, ..self.clone() },
            false => self.with_targets(|target| self.targets.contains(target) && !leaving.contains(target)),
        }
    }

    /// The record with these targets again. Of a skill that no target has, it is these alone.
    #[must_use]
    pub fn enable_targets(&self, coming: &[String]) -> Self {
        let has = |target: &String| self.enabled && self.targets.contains(target);
        Self { enabled: true, ..self.with_targets(|target| has(target) || coming.contains(target)) }
    }

    /// The record of the skill in all of its targets.
    #[must_use]
    pub fn enable_everywhere(&self) -> Self {
        Self { enabled: true, ..self.with_targets(|_| true) }
    }

    fn with_targets(&self, has: impl Fn(&String) -> bool) -> Self {
        let all = self.all_targets();
        let disabled = all.iter().enumerate().filter(|(_, target)| !has(target));
        Self {
            disabled_for: disabled.map(|(position, target)| (target.clone(), position)).collect(),
            targets: all.iter().filter(|target| has(target)).cloned().collect(),
            ..self.clone()
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn entry(targets: &[&str]) -> LockEntry {
        let value = serde_json::json!({
            "source": "./a", "kind": "local", "pin": {}, "files": {}, "mode": "link", "targets": targets,
            "digest": format!("sha256:{}", "0".repeat(64)), "installed_at": "2026-01-02T03:04:05Z",
        });
        serde_json::from_value(value).unwrap()
    }

    fn texts(targets: &[&str]) -> Vec<String> {
        targets.iter().map(|target| (*target).to_owned()).collect()
    }

    #[test]
    fn a_target_comes_back_to_where_it_was() {
        let all = entry(&["cursor", "claude-code", "codex"]);
        let without = all.disable_targets(&texts(&["cursor"]));
        assert_eq!(without.targets, ["claude-code", "codex"]);
        let one = without.disable_targets(&texts(&["codex"]));
        assert_eq!((one.targets.clone(), one.enabled), (texts(&["claude-code"]), true));
        let none = one.disable_targets(&texts(&["claude-code"]));
        assert!(!none.enabled);
        assert_eq!(none.all_targets(), all.targets);
        // Which of them come back decides who asks.
        assert_eq!(none.enable_targets(&one.targets), one);
        assert_eq!(none.enable_targets(&texts(&["codex"])).targets, ["codex"]);
        assert_eq!(none.enable_everywhere(), all);
        assert_eq!(one.enable_targets(&texts(&["cursor", "codex"])), all);
    }

    proptest! {
        /// Whatever is disabled in whatever order: what comes back is the record as it was.
        #[test]
        fn enabling_undoes_disabling(steps in prop::collection::vec(prop::collection::vec(0usize..4, 1..3), 1..4)) {
            let names = ["d", "b", "a", "c"];
            let first = entry(&names);
            let mut record = first.clone();
            for step in steps {
                let step: Vec<String> = step.iter().map(|at| names[*at].to_owned()).collect();
                let had: Vec<String> = match record.enabled {
                    true => record.targets.iter().filter(|target| step.contains(target)).cloned().collect(),
                    false => Vec::new(),
                };
                let after = record.disable_targets(&had);
                prop_assert_eq!(after.all_targets(), texts(&names));
                if !had.is_empty() {
                    prop_assert_eq!(&after.enable_targets(&had), &record);
                }
                record = after;
            }
            prop_assert_eq!(record.enable_everywhere(), first);
        }
    }
}
