use jiff::Timestamp;

use crate::parts::WrittenParts;
use crate::ports::Fence;

/// What one run of one test may do, and what an earlier one that had to stop has done.
#[derive(Clone, Debug)]
pub struct RunScope {
    /// Greater than that of any run of this test before.
    pub generation: i64,
    /// The read sees all that was there then.
    pub read_started_at: Timestamp,
    /// Whether all is written, also what is unchanged.
    pub rewrite: bool,
    pub fence: Fence,
    pub written: WrittenParts,
}
