use jiff::Timestamp;

/// The time at which the newest attempt of a quiz was written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LastAnswer {
    pub quiz_id: String,
    pub at: Timestamp,
}

/// A quiz that students completed within a period.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CompletedQuiz {
    pub quiz_id: String,
    pub students: u64,
    /// When the newest of their ended attempts was written.
    pub newest: Timestamp,
}
