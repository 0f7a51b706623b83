use std::str::FromStr;

use jiff::Timestamp;
use jiff::civil::DateTime;
use jiff::tz::Offset;

const INDIA_AHEAD: jiff::SignedDuration = jiff::SignedDuration::from_secs(19_800);
/// The format of times in quizzes.
const TWELVE_HOURS: &str = "%Y-%m-%d %I:%M:%S %p";

/// The meaning of a `Z` at the end of a description's time. For every sender, a time without a zone is India's clock, and an
/// offset is taken as written.
///
/// ```
/// use quiz_events::SessionClock;
/// let time = |clock: SessionClock, text| clock.read(text).unwrap().to_string();
/// assert_eq!(time(SessionClock::Utc, "2026-05-01T20:00:00Z"), "2026-05-01T20:00:00Z");
/// assert_eq!(time(SessionClock::India, "2026-05-01T20:00:00Z"), "2026-05-01T14:30:00Z");
/// assert_eq!(time(SessionClock::India, "2026-05-01T20:00:00+05:30"), "2026-05-01T14:30:00Z");
/// assert_eq!(time(SessionClock::Utc, "2026-05-01 08:00:00 PM"), "2026-05-01T14:30:00Z");
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum SessionClock {
    /// UTC, as in ISO 8601.
    #[default]
    Utc,
    /// No zone: the sender writes a `Z` after India's clock, as db-service does.
    India,
}

impl SessionClock {
    /// The environment variable with the name of a clock.
    pub const VARIABLE: &str = "SESSION_CLOCK";

    /// Parses a time of a description; `None` if the text is no time, or has only a date.
    #[must_use]
    pub fn read(self, text: &str) -> Option<Timestamp> {
        let text = text.trim();
        match (self, text.strip_suffix(['Z', 'z'])) {
            (Self::India, Some(clock)) => read_clock(clock.trim_end(), INDIA_AHEAD),
            _ => read(text, INDIA_AHEAD),
        }
    }
}

impl FromStr for SessionClock {
    type Err = String;

    fn from_str(name: &str) -> Result<Self, Self::Err> {
        match name {
            "utc" => Ok(Self::Utc),
            "india" => Ok(Self::India),
            other => Err(format!("{other:?} is neither utc nor india")),
        }
    }
}

/// Parses an ISO time with hours and minutes, or a time in the format [`TWELVE_HOURS`]; a time without a zone is `ahead` of UTC.
pub(crate) fn read(text: &str, ahead: jiff::SignedDuration) -> Option<Timestamp> {
    let time = text.parse().ok().or_else(|| read_clock(text, ahead));
    time.filter(|_| text.contains(':'))
}

fn read_clock(text: &str, ahead: jiff::SignedDuration) -> Option<Timestamp> {
    let clock: DateTime = text.parse().or_else(|_| DateTime::strptime(TWELVE_HOURS, text)).ok()?;
    let utc = Offset::UTC.to_timestamp(clock).ok().filter(|_| text.contains(':'))?;
    utc.checked_sub(ahead).ok()
}
