/// A mistake planted into the pipeline: the oracle must find it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Bug {
    /// A request joins a run without looking whether that still holds the lease.
    BlindJoin,
    /// A holder whose lease is over writes all the same.
    NoFence,
    /// Messages are acknowledged when they are received.
    AcknowledgedFirst,
    /// What is sent at the time when a read begins counts as seen by it: `>=` where `>` is right.
    ReadCoversItsOwnTime,
    /// A write that was given up can be applied when the lease is long over.
    LateBeyondLease,
    /// A run ends at once, although a write of it has no answer.
    EndsBeforeLate,
}
