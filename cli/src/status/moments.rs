use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};
use quiz_sync_state::Standing;

use crate::ui::age;

/// Formats times relative to one moment.
#[derive(Clone, Debug)]
pub struct Moments {
    pub now: Timestamp,
    pub zone: TimeZone,
}

impl Moments {
    /// Relative to `now`, in the time zone of this machine.
    pub fn from_process(now: Timestamp) -> Self {
        Self { now, zone: TimeZone::system() }
    }

    /// How long a standing lasts: `for 12 min`, `12 min ago`, or `in 40 s` for a follow-up.
    /// `since`: milliseconds since 1970; 0 gives an empty text.
    pub fn since(&self, standing: Standing, since: i64) -> String {
        let Some(passed) = self.passed(since) else { return String::new() };
        match standing {
            Standing::Unknown => String::new(),
            Standing::Waiting if passed.is_negative() => format!("in {}", age(passed)),
            Standing::Waiting => format!("due {} ago", age(passed)),
            Standing::Synced => format!("{} ago", age(passed)),
            Standing::Parked | Standing::Failed | Standing::Behind | Standing::Running => {
                format!("for {}", age(passed.max(SignedDuration::ZERO)))
            }
        }
    }

    /// A time with its age: `2024-04-30 23:45:12 +05:30 (18:15:12Z), 12 min ago`.
    /// `millis`: milliseconds since 1970; 0 gives `never`.
    pub fn describe(&self, millis: i64) -> String {
        let (Some(at), Some(passed)) = (moment(millis), self.passed(millis)) else {
            return "never".to_owned();
        };
        let distance = age(passed);
        let distance =
            if passed.is_negative() { format!("in {distance}") } else { format!("{distance} ago") };
        format!("{}, {distance}", self.at(at))
    }

    /// A time without its age.
    pub fn at(&self, at: Timestamp) -> String {
        let local = at.to_zoned(self.zone.clone());
        let utc = at.to_zoned(TimeZone::UTC);
        if local.offset() == utc.offset() {
            return utc.strftime("%Y-%m-%d %H:%M:%SZ").to_string();
        }
        // with the day if it differs
        let short = if local.date() == utc.date() { "%H:%M:%SZ" } else { "%Y-%m-%d %H:%M:%SZ" };
        format!("{} ({})", local.strftime("%Y-%m-%d %H:%M:%S %:z"), utc.strftime(short))
    }

    /// The current time of day.
    pub fn clock(&self) -> String {
        self.now.to_zoned(self.zone.clone()).strftime("%H:%M:%S").to_string()
    }

    fn passed(&self, millis: i64) -> Option<SignedDuration> {
        moment(millis).map(|at| self.now.duration_since(at))
    }
}

/// Converts milliseconds since 1970; 0 means never.
pub fn moment(millis: i64) -> Option<Timestamp> {
    Timestamp::from_millisecond(millis).ok().filter(|_| millis > 0)
}
