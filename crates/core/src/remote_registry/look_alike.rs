//! Names that are taken for each other. Names are ASCII, so a small table says which signs look
//! alike; the rest is one slip of the finger.

use super::scoped_name::OwnerName;

/// How a new name meets one that is there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LookAlike {
    /// The same name.
    Same,
    /// Signs that look alike are the only difference: `acme` and `acrne`.
    SameSkeleton,
    /// One letter more, less or other, or two that changed places.
    OneEdit,
}

/// The name with signs that look alike as one: `0` is `o`, `1` and `i` are `l`, `rn` is `m`, `vv`
/// is `w`, and `-` is nothing.
pub(super) fn skeleton(name: &str) -> String {
    let mut out = String::with_capacity(name.len());
    let mut signs = name.chars().filter(|c| *c != '-').peekable();
    while let Some(sign) = signs.next() {
        let pair = match (sign, signs.peek()) {
            ('r', Some('n')) => Some('m'),
            ('v', Some('v')) => Some('w'),
            _ => None,
        };
        if pair.is_some() {
            signs.next();
        }
        out.push(pair.unwrap_or(match sign {
            '0' => 'o',
            '1' | 'i' => 'l',
            other => other,
        }));
    }
    out
}

impl OwnerName {
    /// What is left of the name where signs that look alike are one: two names of one skeleton
    /// are taken for each other.
    pub fn skeleton(&self) -> String {
        skeleton(self.as_str())
    }
}

/// The first of the names in use that a new owner would be taken for.
pub fn find_look_alike<'a>(
    new: &OwnerName,
    used: impl IntoIterator<Item = &'a OwnerName>,
) -> Option<(&'a OwnerName, LookAlike)> {
    let bones = new.skeleton();
    let compare = |other: &OwnerName| {
        if other == new {
            Some(LookAlike::Same)
        } else if other.skeleton() == bones {
            Some(LookAlike::SameSkeleton)
        } else {
            let edits = strsim::osa_distance(other.as_str(), new.as_str());
            (edits == 1).then_some(LookAlike::OneEdit)
        }
    };
    used.into_iter().find_map(|other| compare(other).map(|how| (other, how)))
}
