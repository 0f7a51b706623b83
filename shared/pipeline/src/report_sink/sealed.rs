use std::num::NonZero;
use std::{iter, thread};

use futures::{Stream, StreamExt, stream};
use quiz_domain::reports::{ReportItem, ReportTable};

use super::resume_panic;
use crate::sink::SinkError;

/// Items in a chunk, which is sealed, compared and put together.
const CHUNK: usize = 1_000;
/// Chunks sealed at the same time, at most; memory holds these and the chunks that are being put.
const MOST_SEALED: usize = 4;

/// Splits items into chunks and seals them, as many chunks at once as there are cores. The chunks come in order.
pub(super) fn seal_chunks<'a>(
    table: ReportTable,
    items: impl Iterator<Item = ReportItem> + Send + 'a,
) -> impl Stream<Item = Result<Vec<ReportItem>, SinkError>> + Send + 'a {
    let cores = thread::available_parallelism().map_or(1, NonZero::get);
    let mut items = items.fuse();
    let chunks = iter::from_fn(move || {
        let chunk: Vec<ReportItem> = items.by_ref().take(CHUNK).collect();
        (!chunk.is_empty()).then_some(chunk)
    });
    stream::iter(chunks).map(move |chunk| seal(table, chunk)).buffered(cores.min(MOST_SEALED))
}

/// Seals the items of one chunk, in a task of its own on any free core. A chunk takes some milliseconds, so other tasks do
/// not wait long; on a runtime of one thread the order is the same each time.
async fn seal(table: ReportTable, mut items: Vec<ReportItem>) -> Result<Vec<ReportItem>, SinkError> {
    let work = async move {
        items.iter_mut().for_each(ReportItem::seal);
        match items.iter().find(|item| item.content_digest().is_none()) {
            Some(item) => Err(unsealed_error(table, item)),
            None => Ok(items),
        }
    };
    let sealed = tokio::spawn(work).await;
    sealed.unwrap_or_else(|crash| Err(resume_panic(crash, table)))
}

fn unsealed_error(table: ReportTable, item: &ReportItem) -> SinkError {
    SinkError::Output {
        what: format!("item {} of {}", item.sort_key(), table.default_name()),
        cause: "it cannot be written as JSON".into(),
    }
}
