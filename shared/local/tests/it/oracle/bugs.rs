/// A planted mistake in the pipeline that the oracle must find.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Bug {
    /// A request joins a run without a check that the run still holds the lease.
    BlindJoin,
    /// A holder whose lease is over still writes.
    NoFence,
    /// Messages are acknowledged when they are received.
    AcknowledgedFirst,
    /// A read covers a request that was sent at the read's own start time: `>=` instead of `>`.
    ReadCoversItsOwnTime,
    /// The store can apply an abandoned write long after the end of the lease.
    LateBeyondLease,
    /// A run ends at once, although one of its writes has no answer.
    EndsBeforeLate,
}
