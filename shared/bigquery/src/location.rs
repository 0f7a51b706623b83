/// The dataset that holds the tables.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BigQueryLocation {
    pub project: String,
    pub dataset: String,
    /// The dataset's location, where jobs run.
    pub location: String,
    /// An emulator's; Google's where it is `None`.
    pub endpoint: Option<String>,
}
