//! Sinks that end where a measurement does: nothing leaves the process, but for a file.

mod encoded;
mod nothing;
mod results;
mod staged;

pub use encoded::Encoded;
pub use nothing::Nothing;
pub use results::ResultsFile;
pub use staged::Staged;
