//! How old the cached copies of catalogues are, for whoever reads them.

use jiff::Timestamp;

use ba_agent_core::text::{count_noun, format_age};

/// From so many days on a copy is probably behind.
const OLD_DAYS: i64 = 30;

/// The age of the oldest of several copies.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct CopyAge {
    pub(crate) seconds: i64,
    /// `57 days ago`, with the name of the oldest where there are several: in days also where
    /// others would say a date, since it is the distance that matters.
    pub(crate) words: String,
}

impl CopyAge {
    /// The age of copies that were fetched at these times; `None` without any.
    pub(crate) fn of_oldest<'a>(
        copies: impl Iterator<Item = (&'a str, Timestamp)>,
        now: Timestamp,
    ) -> Option<Self> {
        let copies: Vec<_> = copies.collect();
        let (name, oldest) = copies.iter().min_by_key(|(_, fetched_at)| *fetched_at)?;
        let seconds = now.duration_since(*oldest).as_secs();
        let which =
            if copies.len() > 1 && seconds >= 3_600 { format!(" (oldest: {name})") } else { String::new() };
        let days = usize::try_from(seconds / 86_400).unwrap_or(0);
        let age = match days {
            0 => format_age(*oldest, now),
            days => format!("{} ago", count_noun(days, "day")),
        };
        Some(Self { seconds, words: format!("{age}{which}") })
    }

    pub(crate) fn is_old(&self) -> bool {
        self.seconds / 86_400 >= OLD_DAYS
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_oldest_of_several_is_named() {
        let now = Timestamp::from_second(100 * 86_400).unwrap();
        let at = |days: i64| Timestamp::from_second(days * 86_400).unwrap();
        let age = |copies: &[(&'static str, i64)]| {
            CopyAge::of_oldest(copies.iter().map(|(name, days)| (*name, at(*days))), now)
        };
        assert_eq!(age(&[]), None);
        let one = age(&[("a", 43)]).unwrap();
        assert_eq!((one.words.as_str(), one.is_old()), ("57 days ago", true));
        let two = age(&[("a", 99), ("b", 98)]).unwrap();
        assert_eq!((two.words.as_str(), two.is_old()), ("2 days ago (oldest: b)", false));
    }
}
