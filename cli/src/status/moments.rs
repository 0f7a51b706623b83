use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};
use quiz_sync_state::Standing;

use crate::ui::age;

/// Tells times as seen from one moment.
#[derive(Clone, Debug)]
pub struct Moments {
    pub now: Timestamp,
    pub zone: TimeZone,
}

impl Moments {
    /// Seen from that moment, in the zone of this machine.
    pub fn from_process(now: Timestamp) -> Self {
        Self { now, zone: TimeZone::system() }
    }

    /// Since when a test stands so, in milliseconds since 1970: `for 12 min`, `12 min ago`, and of one that waits
    /// `in 40 s`. Empty where nothing is known.
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

    /// `2024-04-30 23:45:12 +05:30 (18:15:12Z), 12 min ago`, of milliseconds since 1970; `never` of 0.
    pub fn told(&self, millis: i64) -> String {
        let (Some(at), Some(passed)) = (moment(millis), self.passed(millis)) else {
            return "never".to_owned();
        };
        let distance = age(passed);
        let distance =
            if passed.is_negative() { format!("in {distance}") } else { format!("{distance} ago") };
        format!("{}, {distance}", self.at(at))
    }

    /// The same without the distance.
    pub fn at(&self, at: Timestamp) -> String {
        let local = at.to_zoned(self.zone.clone());
        let utc = at.to_zoned(TimeZone::UTC);
        if local.offset() == utc.offset() {
            return utc.strftime("%Y-%m-%d %H:%M:%SZ").to_string();
        }
        // the day where it is another
        let short = if local.date() == utc.date() { "%H:%M:%SZ" } else { "%Y-%m-%d %H:%M:%SZ" };
        format!("{} ({})", local.strftime("%Y-%m-%d %H:%M:%S %:z"), utc.strftime(short))
    }

    /// The time of day.
    pub fn clock(&self) -> String {
        self.now.to_zoned(self.zone.clone()).strftime("%H:%M:%S").to_string()
    }

    fn passed(&self, millis: i64) -> Option<SignedDuration> {
        moment(millis).map(|at| self.now.duration_since(at))
    }
}

/// Of milliseconds since 1970; 0 stands for never.
pub fn moment(millis: i64) -> Option<Timestamp> {
    Timestamp::from_millisecond(millis).ok().filter(|_| millis > 0)
}
