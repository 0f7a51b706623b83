use std::iter::Peekable;

use quiz_domain::reports::ReportItem;

/// How many items are sealed, compared and handed to the store as one.
const CHUNK: usize = 1_000;

/// Items in chunks that are each written as one.
pub(super) struct Chunks<I: Iterator<Item = ReportItem>>(Peekable<I>);

impl<I: Iterator<Item = ReportItem>> Chunks<I> {
    pub fn of(items: I) -> Self {
        Self(items.peekable())
    }
}

impl<I: Iterator<Item = ReportItem>> Iterator for Chunks<I> {
    type Item = Vec<ReportItem>;

    fn next(&mut self) -> Option<Vec<ReportItem>> {
        let mut chunk = vec![self.0.next()?];
        while let Some(item) = self.0.next_if(|item| chunk.len() < CHUNK && go_together(&chunk, item)) {
            chunk.push(item);
        }
        Some(chunk)
    }
}

/// Whether an item can be of the same part: of a section's items the sort keys make a range.
fn go_together(part: &[ReportItem], next: &ReportItem) -> bool {
    part.last().is_none_or(|last| group(last) == group(next))
}

/// The section of an item, where it has one.
pub(super) fn group(item: &ReportItem) -> &str {
    match item {
        ReportItem::Section(item) => &item.section,
        ReportItem::Student(_) | ReportItem::FormResponse(_) => "",
    }
}
