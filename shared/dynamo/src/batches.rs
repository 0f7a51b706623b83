//! Groups single writes into requests of BatchWriteItem.

use aws_sdk_dynamodb::types::WriteRequest;
use quiz_pipeline::ports::Refusal;

use crate::item::Write;

/// The limits of BatchWriteItem. The limit of bytes leaves room for the parts of a request around the items.
const MAX_ITEMS: usize = 25;
const MAX_BYTES: usize = 16_000_000;

/// The next step of a write: a full request to send, or an item that cannot be sent.
pub(crate) enum WriteStep {
    Refused(Refusal),
    Send(Vec<WriteRequest>),
}

/// Fills requests with items. It encodes an item only when it adds the item, so that few items are in memory twice.
pub(crate) struct WriteBatches<I> {
    writes: I,
    batch: Vec<WriteRequest>,
    bytes: usize,
}

impl<I> WriteBatches<I> {
    pub fn new(writes: I) -> Self {
        Self { writes, batch: Vec::new(), bytes: 0 }
    }
}

impl<I: Iterator<Item = Result<Write, Refusal>>> Iterator for WriteBatches<I> {
    type Item = WriteStep;

    fn next(&mut self) -> Option<WriteStep> {
        loop {
            match self.writes.next() {
                None if self.batch.is_empty() => return None,
                None => return Some(WriteStep::Send(std::mem::take(&mut self.batch))),
                Some(Err(refusal)) => return Some(WriteStep::Refused(refusal)),
                Some(Ok(write)) => {
                    let fits = self.batch.len() < MAX_ITEMS && self.bytes + write.wire <= MAX_BYTES;
                    if fits || self.batch.is_empty() {
                        self.bytes += write.wire;
                        self.batch.push(write.request);
                    } else {
                        self.bytes = write.wire;
                        return Some(WriteStep::Send(std::mem::replace(
                            &mut self.batch,
                            vec![write.request],
                        )));
                    }
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{MAX_BYTES, WriteBatches, WriteStep};
    use crate::item::Write;
    use aws_sdk_dynamodb::types::WriteRequest;
    use quiz_pipeline::ports::Refusal;

    fn sizes(writes: impl Iterator<Item = Result<Write, Refusal>>) -> Vec<usize> {
        WriteBatches::new(writes)
            .map(|step| match step {
                WriteStep::Send(batch) => batch.len(),
                WriteStep::Refused(_) => 0,
            })
            .collect()
    }

    #[expect(clippy::unnecessary_wraps, reason = "the batches take results")]
    fn write(wire: usize) -> Result<Write, Refusal> {
        Ok(Write { request: WriteRequest::builder().build(), wire })
    }

    #[test]
    fn requests_have_at_most_25_items_and_16_megabytes() {
        assert_eq!(sizes((0..60).map(|_| write(1))), [25, 25, 10]);
        assert_eq!(sizes((0..5).map(|_| write(MAX_BYTES / 2))), [2, 2, 1]);
        assert_eq!(sizes([write(MAX_BYTES + 1), write(1)].into_iter()), [1, 1]);
        assert_eq!(sizes(std::iter::empty()), Vec::<usize>::new());
    }

    #[test]
    fn refused_item_does_not_split_its_request() {
        let refusal = || Err(Refusal { sort_key: "k".into(), reason: "r".into() });
        let writes = [write(1), refusal(), write(1)];
        assert_eq!(sizes(writes.into_iter()), [0, 2]);
    }
}
