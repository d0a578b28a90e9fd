//! How a recorded revision is called: by its tag where tags are followed, else by its commit.

use super::{LockEntry, ReferenceRecord, RevisionRecord, SkillSummary};

/// What a skill is at, and what it follows.
#[derive(Debug, Clone, Copy)]
pub struct FollowedRevision<'a> {
    pub pin: &'a RevisionRecord,
    pub reference: Option<&'a ReferenceRecord>,
    /// It stays where it is.
    pub pinned: bool,
}

impl<'a> From<&'a LockEntry> for FollowedRevision<'a> {
    fn from(entry: &'a LockEntry) -> Self {
        Self { pin: &entry.pin, reference: entry.reference.as_ref(), pinned: entry.pinned }
    }
}

impl<'a> From<&'a SkillSummary<'_>> for FollowedRevision<'a> {
    fn from(entry: &'a SkillSummary<'_>) -> Self {
        Self { pin: &entry.pin, reference: entry.reference.as_ref(), pinned: entry.pinned }
    }
}

impl FollowedRevision<'_> {
    /// The tag that it is at, where a tag or a range of tags is followed.
    pub fn tag(&self) -> Option<&str> {
        // A registry has nothing but versions.
        if let Some(version) = self.version() {
            return Some(version);
        }
        match self.reference? {
            ReferenceRecord::Tag(tag) => Some(tag),
            ReferenceRecord::Range(_) => self.pin.chosen.as_deref(),
            ReferenceRecord::Branch(_) | ReferenceRecord::Sha(_) => None,
        }
    }

    /// The version that a registry gave: nothing else has an archive and a name for it.
    fn version(&self) -> Option<&str> {
        self.pin.chosen.as_deref().filter(|_| self.pin.archive.is_some())
    }

    /// Its tag, or the beginning of its commit or digest; nothing for a copied folder.
    pub fn label(&self) -> Option<String> {
        self.tag().map(str::to_owned).or_else(|| self.pin.short_text())
    }

    /// The label, and behind a tag its commit too: tags can be moved.
    pub fn exact_label(&self) -> Option<String> {
        match (self.tag(), self.pin.short_text()) {
            (Some(tag), Some(pin)) => Some(format!("{tag} ({pin})")),
            (_, pin) => pin,
        }
    }

    /// What an update follows: a range, a tag or a branch; `pinned` for what stays, and nothing
    /// for what has no references.
    pub fn followed(&self) -> Option<String> {
        Some(match self.reference {
            _ if self.pinned => "pinned".to_owned(),
            Some(ReferenceRecord::Sha(_)) => "pinned".to_owned(),
            Some(
                ReferenceRecord::Range(name) | ReferenceRecord::Tag(name) | ReferenceRecord::Branch(name),
            ) => name.clone(),
            None if self.version().is_some() => "latest".to_owned(),
            None if self.pin.commit.is_some() => self.pin.chosen.clone().unwrap_or_else(|| "HEAD".to_owned()),
            None => return None,
        })
    }
}

/// `v1.0.0 -> v1.1.0`: from one revision to another, by tags where these tell them apart;
/// nothing where both are called the same.
pub fn describe_move(before: FollowedRevision<'_>, after: FollowedRevision<'_>) -> Option<String> {
    let (mut from, mut to) = (before.label(), after.label());
    if from == to {
        (from, to) = (before.exact_label(), after.exact_label());
    }
    match (from, to) {
        (from, to) if from == to => None,
        (Some(from), Some(to)) => Some(format!("{from} -> {to}")),
        (None, Some(to)) => Some(format!("-> {to}")),
        (from, None) => from.map(|from| format!("{from} -> copy")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pin(commit: char, chosen: Option<&str>) -> RevisionRecord {
        RevisionRecord {
            commit: Some(commit.to_string().repeat(40)),
            chosen: chosen.map(str::to_owned),
            ..RevisionRecord::default()
        }
    }

    #[test]
    fn a_tag_is_named_where_tags_are_followed() {
        let range = Some(ReferenceRecord::Range("^1.0".into()));
        let tag = Some(ReferenceRecord::Tag("v1.0.0".into()));
        let branch = Some(ReferenceRecord::Branch("dev".into()));
        let (old, new) = (pin('a', Some("v1.0.0")), pin('b', Some("v1.1.0")));
        let (main, none) = (pin('b', Some("main")), RevisionRecord::default());
        let at = |pin, reference: &'static Option<ReferenceRecord>| FollowedRevision {
            pin,
            reference: reference.as_ref(),
            pinned: false,
        };
        let leak = |reference: Option<ReferenceRecord>| -> &'static Option<ReferenceRecord> {
            Box::leak(Box::new(reference))
        };
        let (range, tag, branch, default) = (leak(range), leak(tag), leak(branch), leak(None));
        let told = |a, b| describe_move(a, b).unwrap_or_default();
        assert_eq!(told(at(&old, range), at(&new, range)), "v1.0.0 -> v1.1.0");
        assert_eq!(told(at(&old, tag), at(&new, tag)), "v1.0.0 (aaaaaaa) -> v1.0.0 (bbbbbbb)");
        assert_eq!(told(at(&old, default), at(&main, default)), "aaaaaaa -> bbbbbbb");
        assert_eq!(told(at(&old, default), at(&old, default)), "");
        assert_eq!(told(at(&none, default), at(&none, default)), "");
        for (one, expected) in [
            (at(&old, range), Some("^1.0")),
            (at(&old, tag), Some("v1.0.0")),
            (at(&main, branch), Some("dev")),
            (at(&main, default), Some("main")),
            (FollowedRevision { pinned: true, ..at(&main, branch) }, Some("pinned")),
            (at(&none, default), None),
        ] {
            assert_eq!(one.followed().as_deref(), expected);
        }
    }
}
