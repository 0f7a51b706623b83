/// The dataset that holds the tables.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BigQueryLocation {
    pub project: String,
    pub dataset: String,
    /// The dataset's location, where jobs run.
    pub location: String,
    /// The base URL of an emulator; `None` for Google's.
    pub endpoint: Option<String>,
}
