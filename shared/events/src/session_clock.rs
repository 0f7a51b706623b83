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
/// # Examples
///
/// ```
/// use quiz_events::SessionClock::{India, Utc};
///
/// let (night, evening) = (Some("2026-05-01T20:00:00Z".parse()?), Some("2026-05-01T14:30:00Z".parse()?));
/// // the clocks differ in the meaning of a `Z` alone
/// assert_eq!(Utc.read("2026-05-01T20:00:00Z"), night);
/// assert_eq!(India.read("2026-05-01T20:00:00Z"), evening);
/// for clock in [Utc, India] {
///     assert_eq!(clock.read("2026-05-01T20:00:00"), evening);
///     assert_eq!(clock.read("2026-05-01 08:00:00 PM"), evening);
///     assert_eq!(clock.read("2026-05-01T20:00:00+05:30"), evening);
///     assert_eq!(clock.read("2026-05-01"), None, "a date is no time");
/// }
/// # Ok::<(), jiff::Error>(())
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
    /// A sentence for people: the name is neither `utc` nor `india`.
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
