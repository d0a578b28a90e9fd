//! Text for people: the word they may have meant, numbers with their noun, sizes, times.

use jiff::Timestamp;

use crate::error::printable;

/// The known word nearest to `word`, if it is near enough to be a typing error: an edit
/// distance of a third of its length, as cargo and git take it, or a shared beginning.
pub fn find_nearest<'a>(word: &str, known: impl Iterator<Item = &'a str>) -> Option<&'a str> {
    let word = word.to_lowercase();
    let limit = (word.chars().count() / 3).max(1);
    known
        .map(|candidate| (strsim::damerau_levenshtein(&word, &candidate.to_lowercase()), candidate))
        .filter(|(distance, candidate)| {
            *distance <= limit || (word.len() >= 3 && candidate.to_lowercase().starts_with(&word))
        })
        .min_by_key(|(distance, candidate)| (*distance, *candidate))
        .map(|(_, candidate)| candidate)
}

/// `1 skill`, `2 skills`.
pub fn count_noun(n: usize, noun: &str) -> String {
    if n == 1 { format!("1 {noun}") } else { format!("{n} {noun}s") }
}

/// `1328` as `1,328`.
pub fn group_digits(number: usize) -> String {
    let digits = number.to_string();
    let mut out = String::new();
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            out.push(',');
        }
        out.push(digit);
    }
    out
}

/// Bytes as a person reads them: `512 B`, `3.4 KiB`, `12 MiB`.
pub fn format_bytes(bytes: u64) -> String {
    #[expect(clippy::cast_precision_loss, reason = "three digits are shown")]
    let mut value = bytes as f64;
    for unit in ["B", "KiB", "MiB", "GiB"] {
        if value < 1024.0 || unit == "GiB" {
            return if value < 10.0 && unit != "B" {
                format!("{value:.1} {unit}")
            } else {
                format!("{value:.0} {unit}")
            };
        }
        value /= 1024.0;
    }
    unreachable!("the last unit always returns")
}

/// Bytes as a person writes them: `1GiB`, `64 MiB`, `500kB` or a plain number.
///
/// # Errors
/// What is wrong with the text, in a sentence.
pub fn parse_bytes(text: &str) -> Result<u64, String> {
    let text = text.trim();
    let no_size = || format!("`{}` is not a valid size; write for example 1GiB", printable(text, false));
    let (number, unit) = text.split_at(text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len()));
    let factor: u64 = match unit.trim().to_ascii_lowercase().as_str() {
        "" | "b" => 1,
        "kb" => 1_000,
        "mb" => 1_000_000,
        "gb" => 1_000_000_000,
        "kib" | "k" => 1 << 10,
        "mib" | "m" => 1 << 20,
        "gib" | "g" => 1 << 30,
        _ => return Err(no_size()),
    };
    let number: u64 = number.parse().map_err(|_| no_size())?;
    number.checked_mul(factor).ok_or_else(|| format!("`{text}` is too large"))
}

/// Bytes as [`parse_bytes`] reads them, in the largest unit that says them exactly: `20MiB`.
pub fn write_exact_bytes(bytes: u64) -> String {
    let units = [(30, "GiB"), (20, "MiB"), (10, "KiB")];
    let whole = units.iter().find(|(bits, _)| bytes > 0 && bytes.trailing_zeros() >= *bits);
    whole.map_or_else(|| bytes.to_string(), |(bits, unit)| format!("{}{unit}", bytes >> bits))
}

/// How long ago something was, as a person says it: `2 min ago`, `3 h ago`, `5 days ago`; after
/// a month its date. A clock that ran ahead then says the date too.
pub fn format_age(then: Timestamp, now: Timestamp) -> String {
    const MINUTE: i64 = 60;
    const HOUR: i64 = 60 * MINUTE;
    const DAY: i64 = 24 * HOUR;
    match now.as_second() - then.as_second() {
        0..MINUTE => "just now".to_owned(),
        seconds @ MINUTE..HOUR => format!("{} min ago", seconds / MINUTE),
        seconds @ HOUR..DAY => format!("{} h ago", seconds / HOUR),
        seconds if (DAY..30 * DAY).contains(&seconds) => {
            format!("{} ago", count_noun(usize::try_from(seconds / DAY).unwrap_or_default(), "day"))
        }
        _ => then.strftime("%F").to_string(),
    }
}

/// The beginning of a text in one line of at most `most` characters: line breaks and runs of
/// blanks are one blank, and what is cut off is `…`, between words where there are some.
pub fn shorten_text(text: &str, most: usize) -> String {
    let line = text.split_whitespace().collect::<Vec<_>>().join(" ");
    let Some((end, _)) = line.char_indices().nth(most) else { return line };
    let cut = line.char_indices().nth(most.saturating_sub(1)).map_or(end, |(at, _)| at);
    let head = line.get(..cut).unwrap_or_default();
    // A text without blanks, as Chinese is, is cut where it is full.
    let word = head.rfind(' ').filter(|at| *at * 2 > head.len()).unwrap_or(head.len());
    format!("{}…", head.get(..word).unwrap_or(head).trim_end_matches([' ', ',', '.', ';', ':']))
}

/// A list for a sentence, cut where it gets long.
pub fn list_some(names: &[&str], most: usize) -> String {
    let shown = names.iter().take(most).copied().collect::<Vec<_>>().join(", ");
    if names.len() > most { format!("{shown} and {} more", names.len() - most) } else { shown }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn typing_errors_are_near_other_words_are_not() {
        let known = ["pdf", "docx", "skill-creator", "mcp-builder"];
        assert_eq!(find_nearest("pfd", known.into_iter()), Some("pdf"));
        assert_eq!(find_nearest("skill-creater", known.into_iter()), Some("skill-creator"));
        assert_eq!(find_nearest("mcp", known.into_iter()), Some("mcp-builder"));
        assert_eq!(find_nearest("kubernetes", known.into_iter()), None);
    }

    #[test]
    fn ages_are_said_as_people_say_them() {
        let now: Timestamp = "2026-11-27T12:00:00Z".parse().unwrap();
        for (then, expected) in [
            ("2026-11-27T12:00:00Z", "just now"),
            ("2026-11-27T11:59:00.9Z", "1 min ago"),
            ("2026-11-27T11:59:00Z", "1 min ago"),
            ("2026-11-27T11:00:01Z", "59 min ago"),
            ("2026-11-27T10:00:00Z", "2 h ago"),
            ("2026-11-26T12:00:00Z", "1 day ago"),
            ("2026-10-29T12:00:00Z", "29 days ago"),
            ("2026-10-01T00:00:00Z", "2026-10-01"),
            ("2026-11-28T12:00:00Z", "2026-11-28"),
        ] {
            assert_eq!(format_age(then.parse().unwrap(), now), expected, "{then}");
        }
    }

    #[test]
    fn a_text_is_cut_between_words_and_says_so() {
        let check = |text: &str, most: usize, expected: &str| {
            assert_eq!(shorten_text(text, most), expected, "{text:?}");
            assert!(expected.chars().count() <= most, "{expected}");
        };
        check("one two three", 20, "one two three");
        check("one two three", 13, "one two three");
        check("one two three", 12, "one two…");
        check("one, two three four", 16, "one, two three…");
        check(" a\n\nb\t c ", 20, "a b c");
        check("a\\nb", 20, "a\\nb");
        check("从扫描的发票中提取表格", 5, "从扫描的…");
        check("unbreakableunbreakable", 6, "unbre…");
        check("", 3, "");
    }

    #[test]
    fn numbers_are_said_as_people_say_them() {
        assert_eq!((count_noun(1, "skill"), count_noun(0, "file")), ("1 skill".into(), "0 files".into()));
        assert_eq!(
            (format_bytes(512), format_bytes(3_500), format_bytes(12 << 20)),
            ("512 B".into(), "3.4 KiB".into(), "12 MiB".into())
        );
        for (bytes, exact) in
            [(0, "0"), (1, "1"), (1_000, "1000"), (20 << 20, "20MiB"), (3 << 30, "3GiB"), (1_536, "1536")]
        {
            assert_eq!(write_exact_bytes(bytes), exact);
            assert_eq!(parse_bytes(exact), Ok(bytes));
        }
    }
}
