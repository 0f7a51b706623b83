use jiff::Timestamp;
use jiff::tz::Offset;

use crate::problem::{ProblemKind, Problems};

/// The schedule of one test session: one run of a quiz for one group. Fields that the sender does not give are `None`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TestSession {
    /// `{group}_{quiz id}`.
    pub session_id: String,
    pub quiz_id: String,
    pub test_name: Option<String>,
    pub group: Option<String>,
    pub batch: Option<String>,
    pub stream: Option<String>,
    pub course: Option<String>,
    pub grade: Option<String>,
    pub school: Option<String>,
    pub start: Option<Timestamp>,
    pub end: Option<Timestamp>,
}

impl TestSession {
    /// The group that the schedule names, else the prefix of the id `{group}_{quiz id}`.
    #[must_use]
    pub fn group(&self) -> Option<&str> {
        self.group.as_deref().or_else(|| {
            let prefix = self.session_id.strip_suffix(&self.quiz_id)?.strip_suffix('_')?;
            (!prefix.is_empty()).then_some(prefix)
        })
    }

    /// Adds a problem for a start between 20:00 and 24:00 UTC, which is 01:30 to 05:30 in India. No test begins at that
    /// time: the sender wrote India time with a `Z`.
    pub(crate) fn check(&self, problems: &mut Problems) {
        if let Some(start) = self.start.filter(|start| Offset::UTC.to_datetime(*start).hour() >= 20) {
            let at = crate::to_india_time(start).strftime("%H:%M");
            let example = format!("session {}: it starts at {at} in India", self.session_id);
            problems.add(ProblemKind::StartAtNight, example);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::TestSession;
    use crate::problem::{ProblemKind, Problems};

    #[test]
    fn starts_at_night_are_counted() {
        let problems = |start: &str| {
            let mut problems = Problems::default();
            let start = Some(start.parse().unwrap());
            TestSession { session_id: "S".into(), start, ..TestSession::default() }.check(&mut problems);
            problems
        };
        for (start, count) in [
            ("2026-05-01T19:59:59Z", 0),
            ("2026-05-01T20:00:00Z", 1),
            ("2026-05-01T23:59:59Z", 1),
            ("2026-05-02T00:00:00Z", 0),
        ] {
            assert_eq!(problems(start).count(ProblemKind::StartAtNight), count, "{start}");
        }
        let example = problems("2026-05-01T20:00:00Z").iter().next().unwrap().example;
        assert_eq!(example, "session S: it starts at 01:30 in India");
    }
}
