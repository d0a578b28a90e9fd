//! The clock: milliseconds since 1970 in the database, RFC 3339 where people and files read it.

use jiff::Timestamp;

/// Milliseconds of a day.
pub(crate) const DAY: i64 = 86_400_000;

/// Now, in milliseconds since 1970.
pub(crate) fn now_millis() -> i64 {
    Timestamp::now().as_millisecond()
}

/// A moment of the database as a timestamp; the year 1970 for what is out of its range.
pub(crate) fn timestamp_of(millis: i64) -> Timestamp {
    Timestamp::from_millisecond(millis).unwrap_or_default()
}

/// A moment of the database as text, to the second where it is a whole one.
pub(crate) fn format_millis(millis: i64) -> String {
    timestamp_of(millis).to_string()
}

/// The day of a moment, counted since 1970.
pub(crate) fn day_of(millis: i64) -> i64 {
    millis.div_euclid(DAY)
}

/// A day as `2026-11-27`.
pub(crate) fn format_day(day: i64) -> String {
    format_millis(day * DAY).chars().take(10).collect()
}
