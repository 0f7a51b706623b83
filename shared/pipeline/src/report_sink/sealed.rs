use std::num::NonZero;
use std::{iter, thread};

use futures::{Stream, StreamExt, stream};
use quiz_domain::reports::{ReportItem, ReportTable};

use super::resumed;
use crate::sink::SinkError;

/// How many items are sealed, compared and handed to the store as one.
const CHUNK: usize = 1_000;
/// Chunks that are sealed at once, at most: they lie in memory beside those that are on their way to the store.
const MOST: usize = 4;

/// Items in chunks, each item with the digest of its content: as many chunks at once as there are cores. They come in
/// order.
pub(super) fn sealed<'a>(
    table: ReportTable,
    items: impl Iterator<Item = ReportItem> + Send + 'a,
) -> impl Stream<Item = Result<Vec<ReportItem>, SinkError>> + Send + 'a {
    let cores = thread::available_parallelism().map_or(1, NonZero::get);
    let mut items = items.fuse();
    let chunks = iter::from_fn(move || {
        let chunk: Vec<ReportItem> = items.by_ref().take(CHUNK).collect();
        (!chunk.is_empty()).then_some(chunk)
    });
    stream::iter(chunks).map(move |chunk| seal(table, chunk)).buffered(cores.min(MOST))
}

/// By a task of its own, on whichever core is free. It takes some milliseconds, so nobody waits long for that core; and
/// on a runtime of one thread all comes in the same order each time.
async fn seal(table: ReportTable, mut items: Vec<ReportItem>) -> Result<Vec<ReportItem>, SinkError> {
    let work = async move {
        items.iter_mut().for_each(ReportItem::seal);
        match items.iter().find(|item| item.content_digest().is_none()) {
            Some(item) => Err(unsealed(table, item)),
            None => Ok(items),
        }
    };
    let sealed = tokio::spawn(work).await;
    sealed.unwrap_or_else(|crash| Err(resumed(crash, table)))
}

fn unsealed(table: ReportTable, item: &ReportItem) -> SinkError {
    SinkError::Output {
        what: format!("item {} of {}", item.sort_key(), table.default_name()),
        cause: "it cannot be written as JSON".into(),
    }
}
