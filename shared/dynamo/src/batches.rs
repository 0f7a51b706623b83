use aws_sdk_dynamodb::types::WriteRequest;
use quiz_pipeline::ports::Refusal;

use crate::item::Write;

/// BatchWriteItem's own limits; the bytes with room for what is around the items.
const MOST_ITEMS: usize = 25;
const MOST_BYTES: usize = 16_000_000;

/// The next thing to do.
pub(crate) enum Step {
    Refused(Refusal),
    Write(Vec<WriteRequest>),
}

/// Fills requests with items, each made only when its turn comes.
pub(crate) struct Batches<I> {
    writes: I,
    batch: Vec<WriteRequest>,
    bytes: usize,
}

impl<I> Batches<I> {
    pub fn new(writes: I) -> Self {
        Self { writes, batch: Vec::new(), bytes: 0 }
    }
}

impl<I: Iterator<Item = Result<Write, Refusal>>> Iterator for Batches<I> {
    type Item = Step;

    fn next(&mut self) -> Option<Step> {
        loop {
            match self.writes.next() {
                None if self.batch.is_empty() => return None,
                None => return Some(Step::Write(std::mem::take(&mut self.batch))),
                Some(Err(refusal)) => return Some(Step::Refused(refusal)),
                Some(Ok(write)) => {
                    let fits = self.batch.len() < MOST_ITEMS && self.bytes + write.wire <= MOST_BYTES;
                    if fits || self.batch.is_empty() {
                        self.bytes += write.wire;
                        self.batch.push(write.request);
                    } else {
                        self.bytes = write.wire;
                        return Some(Step::Write(std::mem::replace(&mut self.batch, vec![write.request])));
                    }
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{Batches, MOST_BYTES, Step};
    use crate::item::Write;
    use aws_sdk_dynamodb::types::WriteRequest;
    use quiz_pipeline::ports::Refusal;

    fn sizes(writes: impl Iterator<Item = Result<Write, Refusal>>) -> Vec<usize> {
        Batches::new(writes)
            .map(|step| match step {
                Step::Write(batch) => batch.len(),
                Step::Refused(_) => 0,
            })
            .collect()
    }

    #[expect(clippy::unnecessary_wraps, reason = "as the batches take them")]
    fn write(wire: usize) -> Result<Write, Refusal> {
        Ok(Write { request: WriteRequest::builder().build(), wire })
    }

    #[test]
    fn requests_have_at_most_25_items_and_16_megabytes() {
        assert_eq!(sizes((0..60).map(|_| write(1))), [25, 25, 10]);
        assert_eq!(sizes((0..5).map(|_| write(MOST_BYTES / 2))), [2, 2, 1]);
        assert_eq!(sizes([write(MOST_BYTES + 1), write(1)].into_iter()), [1, 1]);
        assert_eq!(sizes(std::iter::empty()), Vec::<usize>::new());
    }

    #[test]
    fn a_refused_item_does_not_break_its_request_up() {
        let refusal = || Err(Refusal { sort_key: "k".into(), reason: "r".into() });
        let writes = [write(1), refusal(), write(1)];
        assert_eq!(sizes(writes.into_iter()), [0, 2]);
    }
}
