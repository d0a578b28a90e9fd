//! The head of a log (<https://c2sp.org/tlog-checkpoint>): whose it is, how many leaves it has,
//! and the hash over them.

use std::fmt;
use std::str::FromStr;

use super::merkle::TreeHash;
use super::signed_note::check_key_name;
use crate::error::{Error, Result, error};

/// What a log signs. Written as three lines; more may follow, which say nothing of the tree.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Checkpoint {
    /// The name of the log.
    pub origin: String,
    /// How many leaves there are.
    pub size: u64,
    /// The hash over them.
    pub root: TreeHash,
}

impl fmt::Display for Checkpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}\n{}\n{}\n", self.origin, self.size, self.root)
    }
}

impl FromStr for Checkpoint {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        let refuse = |why: &str| error!(Integrity, "not a valid checkpoint of a log: {why}");
        let mut lines = text.split('\n');
        let (Some(origin), Some(size), Some(root), Some(_)) =
            (lines.next(), lines.next(), lines.next(), lines.next())
        else {
            return Err(refuse("it has fewer than three lines"));
        };
        check_key_name(origin).map_err(|_| refuse("its first line is not the name of a log"))?;
        let number = size.parse::<u64>().ok().filter(|number| number.to_string() == size);
        let size = number.ok_or_else(|| refuse("its second line is not a number of leaves"))?;
        let root = root.parse::<TreeHash>()?;
        if size == 0 && root != TreeHash::of_nothing() {
            return Err(refuse("it has a hash over no leaves"));
        }
        Ok(Self { origin: origin.to_owned(), size, root })
    }
}
