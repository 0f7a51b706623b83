use std::hash::{DefaultHasher, Hash, Hasher};
use std::num::NonZero;
use std::thread;

use futures::{Stream, StreamExt, stream};
use quiz_domain::reports::{ReportItem, ReportTable};

use super::chunks::{Chunks, group};
use super::resumed;
use crate::parts::PartKey;
use crate::sink::SinkError;

/// Chunks that are sealed at once, at most: they lie in memory beside those that are on their way to the store.
const MOST: usize = 4;

/// A chunk of items, each with the digest of its content, and the part that they are.
pub(super) struct Sealed {
    pub part: Part,
    pub items: Vec<ReportItem>,
}

/// Seals items chunk by chunk, as many at once as there are cores. The chunks come in order.
pub(super) fn sealed<'a>(
    table: ReportTable,
    items: impl Iterator<Item = ReportItem> + Send + 'a,
) -> impl Stream<Item = Result<Sealed, SinkError>> + Send + 'a {
    let cores = thread::available_parallelism().map_or(1, NonZero::get);
    stream::iter(Chunks::of(items)).map(move |chunk| seal(table, chunk)).buffered(cores.min(MOST))
}

/// By a task of its own, on whichever core is free. It takes some milliseconds, so nobody waits long for that core; and
/// on a runtime of one thread all comes in the same order each time.
async fn seal(table: ReportTable, mut items: Vec<ReportItem>) -> Result<Sealed, SinkError> {
    let work = async move {
        items.iter_mut().for_each(ReportItem::seal);
        Part::of(table, &items).map(|part| Sealed { part, items })
    };
    let sealed = tokio::spawn(work).await;
    sealed.unwrap_or_else(|crash| Err(resumed(crash, table)))
}

/// A range of a table's items that is written as one.
pub(super) struct Part {
    group: String,
    first: String,
    last: String,
    pub digest: u64,
}

impl Part {
    fn of(table: ReportTable, items: &[ReportItem]) -> Result<Self, SinkError> {
        let mut digest = DefaultHasher::new();
        for item in items {
            let content = item.content_digest().ok_or_else(|| SinkError::Output {
                what: format!("item {} of {}", item.sort_key(), table.default_name()),
                cause: "it cannot be written as JSON".into(),
            })?;
            (item.sort_key(), content).hash(&mut digest);
        }
        let keys = || items.iter().map(ReportItem::sort_key);
        Ok(Self {
            group: format!("{}#{}", table.default_name(), items.first().map(group).unwrap_or_default()),
            first: keys().min().unwrap_or_default().to_owned(),
            last: keys().max().unwrap_or_default().to_owned(),
            digest: digest.finish(),
        })
    }

    pub fn key(&self) -> PartKey<'_> {
        PartKey { group: &self.group, first: &self.first, last: &self.last }
    }
}
