use bson::Bson;
use jiff::civil::DateTime;
use jiff::fmt::strtime;
use jiff::tz::Offset;
use jiff::{SignedDuration, Timestamp};

const INDIA: SignedDuration = SignedDuration::from_secs(19_800);

/// Reads a time that the Quiz Engine stored: a BSON date, or an ISO string, which means UTC where it
/// names no zone.
#[must_use]
pub fn from_utc(value: &Bson) -> Option<Timestamp> {
    read(value, SignedDuration::ZERO)
}

/// Reads a time of a test's schedule, such as `session_end_time`: `2024-04-30 11:45:00 PM` or
/// `2024-04-30T23:45:00`, which mean India's clock where they name no zone. A date without a clock is no
/// time: taken as midnight it would close a test's window before the test.
#[must_use]
pub fn from_india(value: &Bson) -> Option<Timestamp> {
    read(value, INDIA)
}

/// The date and clock time in India (UTC+05:30) at an instant.
#[must_use]
pub fn in_india(instant: Timestamp) -> DateTime {
    let shifted = instant.checked_add(INDIA).unwrap_or(instant);
    Offset::UTC.to_datetime(shifted)
}

fn read(value: &Bson, ahead_of_utc: SignedDuration) -> Option<Timestamp> {
    match value {
        Bson::DateTime(date) => of_millisecond(date.timestamp_millis()),
        Bson::String(text) => parse(text.trim(), ahead_of_utc),
        _ => None,
    }
}

/// As [`from_utc`] reads a BSON date.
pub(crate) fn of_millisecond(since_1970: i64) -> Option<Timestamp> {
    Timestamp::from_millisecond(since_1970).ok()
}

/// As [`from_utc`] reads a string.
pub(crate) fn of_utc_text(text: &str) -> Option<Timestamp> {
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

/// The second at which a 24-hex id was made, which its first eight digits tell.
pub(crate) fn of_id(id: &str) -> Option<Timestamp> {
    if id.len() != 24 || !id.bytes().all(|byte| byte.is_ascii_hexdigit()) {
        return None;
    }
    let seconds = i64::from_str_radix(id.get(..8)?, 16).ok()?;
    Timestamp::from_second(seconds).ok()
}

#[cfg(test)]
mod tests {
    use super::{from_india, from_utc, in_india, of_id};
    use bson::Bson;

    fn utc(text: &str) -> String {
        from_utc(&Bson::from(text)).map_or_else(|| "unreadable".into(), |time| time.to_string())
    }

    fn india(text: &str) -> String {
        from_india(&Bson::from(text)).map_or_else(|| "unreadable".into(), |time| time.to_string())
    }

    #[test]
    fn both_spellings_of_the_session_end_mean_the_same_instant() {
        assert_eq!(india("2024-04-30 11:45:00 PM"), "2024-04-30T18:15:00Z");
        assert_eq!(india("2024-04-30T23:45:00"), "2024-04-30T18:15:00Z");
        assert_eq!(india("2024-04-30 12:05:00 AM"), "2024-04-29T18:35:00Z");
    }

    #[test]
    fn a_stored_string_without_zone_is_utc_and_a_named_zone_is_kept() {
        assert_eq!(utc("2024-04-30T18:15:00.250000"), "2024-04-30T18:15:00.25Z");
        assert_eq!(utc("2024-04-30T23:45:00+05:30"), "2024-04-30T18:15:00Z");
        assert_eq!(india("2024-04-30T18:15:00Z"), "2024-04-30T18:15:00Z");
        assert_eq!(utc("half past nine"), "unreadable");
        assert_eq!(india("2024-04-30"), "unreadable");
        assert_eq!(india("20240430"), "unreadable");
    }

    #[test]
    fn a_bson_date_is_read_everywhere() {
        let date = Bson::DateTime(bson::DateTime::from_millis(1_714_500_900_000));
        assert_eq!(from_utc(&date), from_india(&date));
        assert!(from_utc(&date).is_some());
    }

    #[test]
    fn dates_are_india_s_and_ids_tell_their_second() {
        let instant = from_utc(&Bson::from("2024-04-30T18:45:00")).map(in_india);
        assert_eq!(instant.map(|time| time.date().to_string()), Some("2024-05-01".into()));
        assert_eq!(
            of_id("6631327c0000000000000000").map(|time| time.to_string()),
            Some("2024-04-30T18:03:40Z".into())
        );
        assert_eq!(of_id("short"), None);
    }
}
