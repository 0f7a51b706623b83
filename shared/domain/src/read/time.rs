//! Reads the times that the Quiz Engine stores. A time without a zone means UTC in documents of attempts, and India time
//! (UTC+05:30) in the schedule of a test session.

use bson::Bson;
use jiff::civil::DateTime;
use jiff::fmt::strtime;
use jiff::tz::Offset;
use jiff::{SignedDuration, Timestamp};

const INDIA: SignedDuration = SignedDuration::from_secs(19_800);

/// Reads a stored time: a BSON date or an ISO string. A string without a zone means UTC. `None` where it is no time.
#[must_use]
pub fn read_utc_time(value: &Bson) -> Option<Timestamp> {
    read(value, SignedDuration::ZERO)
}

/// Reads a time of a schedule, such as `2024-04-30 11:45:00 PM` or `2024-04-30T23:45:00`. A string without a zone means
/// India time. `None` where it is no time.
///
/// A date without a clock time is no time: read as midnight, it would close a window before the test.
#[must_use]
pub fn read_india_time(value: &Bson) -> Option<Timestamp> {
    read(value, INDIA)
}

/// The date and clock time in India (UTC+05:30).
#[must_use]
pub fn to_india_time(instant: Timestamp) -> DateTime {
    let shifted = instant.checked_add(INDIA).unwrap_or(instant);
    Offset::UTC.to_datetime(shifted)
}

fn read(value: &Bson, ahead_of_utc: SignedDuration) -> Option<Timestamp> {
    match value {
        Bson::DateTime(date) => from_millisecond(date.timestamp_millis()),
        Bson::String(text) => parse(text.trim(), ahead_of_utc),
        _ => None,
    }
}

/// Does the same as [`read_utc_time`] with a BSON date, in milliseconds since 1970.
pub(crate) fn from_millisecond(since_1970: i64) -> Option<Timestamp> {
    Timestamp::from_millisecond(since_1970).ok()
}

/// Does the same as [`read_utc_time`] with a string.
pub(crate) fn parse_utc(text: &str) -> Option<Timestamp> {
    parse(text.trim(), SignedDuration::ZERO)
}

fn parse(text: &str, ahead_of_utc: SignedDuration) -> Option<Timestamp> {
    if !text.contains(':') {
        return None;
    }
    if let Ok(instant) = text.parse::<Timestamp>() {
        return Some(instant);
    }
    let clock = text
        .parse::<DateTime>()
        .ok()
        .or_else(|| strtime::parse("%Y-%m-%d %I:%M:%S %p", text).and_then(|time| time.to_datetime()).ok())?;
    let utc = Offset::UTC.to_timestamp(clock).ok()?;
    utc.checked_sub(ahead_of_utc).ok()
}

/// The creation time in a 24-hex id: its first eight digits count seconds. `None` for any other id.
pub(crate) fn id_time(id: &str) -> Option<Timestamp> {
    if id.len() != 24 || !id.bytes().all(|byte| byte.is_ascii_hexdigit()) {
        return None;
    }
    let seconds = i64::from_str_radix(id.get(..8)?, 16).ok()?;
    Timestamp::from_second(seconds).ok()
}

#[cfg(test)]
mod tests {
    use super::{id_time, read_india_time, read_utc_time, to_india_time};
    use bson::Bson;

    fn utc(text: &str) -> String {
        read_utc_time(&Bson::from(text)).map_or_else(|| "unreadable".into(), |time| time.to_string())
    }

    fn india(text: &str) -> String {
        read_india_time(&Bson::from(text)).map_or_else(|| "unreadable".into(), |time| time.to_string())
    }

    #[test]
    fn both_spellings_of_session_end_read_the_same() {
        assert_eq!(india("2024-04-30 11:45:00 PM"), "2024-04-30T18:15:00Z");
        assert_eq!(india("2024-04-30T23:45:00"), "2024-04-30T18:15:00Z");
        assert_eq!(india("2024-04-30 12:05:00 AM"), "2024-04-29T18:35:00Z");
    }

    #[test]
    fn string_without_zone_is_utc() {
        assert_eq!(utc("2024-04-30T18:15:00.250000"), "2024-04-30T18:15:00.25Z");
        assert_eq!(utc("2024-04-30T23:45:00+05:30"), "2024-04-30T18:15:00Z");
        assert_eq!(india("2024-04-30T18:15:00Z"), "2024-04-30T18:15:00Z");
        assert_eq!(utc("half past nine"), "unreadable");
        assert_eq!(india("2024-04-30"), "unreadable");
        assert_eq!(india("20240430"), "unreadable");
    }

    #[test]
    fn bson_date_reads_everywhere() {
        let date = Bson::DateTime(bson::DateTime::from_millis(1_714_500_900_000));
        assert_eq!(read_utc_time(&date), read_india_time(&date));
        assert!(read_utc_time(&date).is_some());
    }

    #[test]
    fn dates_are_in_india_and_ids_have_times() {
        let instant = read_utc_time(&Bson::from("2024-04-30T18:45:00")).map(to_india_time);
        assert_eq!(instant.map(|time| time.date().to_string()), Some("2024-05-01".into()));
        assert_eq!(
            id_time("6631327c0000000000000000").map(|time| time.to_string()),
            Some("2024-04-30T18:03:40Z".into())
        );
        assert_eq!(id_time("short"), None);
    }
}
