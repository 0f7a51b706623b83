use std::collections::BTreeSet;

use jiff::civil::Date;
use serde::{Deserialize, Serialize};

use crate::state::SyncState;

/// The start dates under which the warehouse may have rows of a test session. A run adds its date before it commits, and a
/// finished run leaves only its own, so each commit deletes under the right dates even if an earlier one had no answer.
///
/// The default, for a test session without a state, is no dates.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct StartDates(Option<BTreeSet<Date>>);

impl Default for StartDates {
    fn default() -> Self {
        Self(Some(BTreeSet::new()))
    }
}

impl From<Date> for StartDates {
    fn from(date: Date) -> Self {
        Self(Some(BTreeSet::from([date])))
    }
}

impl StartDates {
    /// The dates of a state that an older version stored: they can be any.
    #[must_use]
    pub fn unknown() -> Self {
        Self(None)
    }

    /// The dates; `None` if unknown.
    #[must_use]
    pub fn known(&self) -> Option<&BTreeSet<Date>> {
        self.0.as_ref()
    }

    pub(crate) fn is_unknown(&self) -> bool {
        self.0.is_none()
    }
}

impl SyncState {
    /// The state of a running sync that is about to commit warehouse rows with this start date. `None` if the state need not
    /// change: it has the date, or its dates are unknown.
    #[must_use]
    pub fn with_start_date(&self, date: Date) -> Option<Self> {
        let known = self.start_dates.known().filter(|known| !known.contains(&date))?;
        let dates = StartDates(Some(known.iter().copied().chain([date]).collect()));
        Some(Self { start_dates: dates, ..self.clone() })
    }
}
