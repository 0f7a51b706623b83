//! How fast report items are written to the local DynamoDB, by the requests in flight.
#![expect(clippy::print_stdout, reason = "its output is its purpose")]

use std::error::Error;
use std::time::Instant;

use quiz_domain::reports::ReportTable;
use quiz_dynamo::{DynamoStore, TableNames, WriteLimits};
use quiz_pipeline::ports::{Fence, ReportStore};
use quiz_stack::{Stack, unique};
use quiz_suites::reports::items;
use quiz_suites::store::delete_all;

const ITEMS: usize = 10_000;
const TABLE: ReportTable = ReportTable::Sections;

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let stack = Stack::get().await.map_err(|error| error.to_string())?;
    let names = TableNames { sections: unique("reports"), ..TableNames::default() };
    stack.create_reports_table(&names.sections).await?;
    println!("in flight at most | items/s | look up, items/s");
    for requests in [1, 2, 4, 8, 16, 32] {
        let limits = WriteLimits { requests, ..WriteLimits::default() };
        let store = DynamoStore::new(stack.dynamodb(), names.clone(), limits);
        let session = unique("session");
        let written = items(TABLE, &session, ITEMS, 1);
        let started = Instant::now();
        for chunk in written.chunks(ITEMS / 4) {
            store.put(TABLE, chunk.to_vec(), &Fence::open()).await?;
        }
        let (writing, started) = (per_second(started), Instant::now());
        store.stored(TABLE, &session).await?;
        println!("{requests:>17} | {writing:>7.0} | {:>16.0}", per_second(started));
        delete_all(&store, TABLE, &session).await;
    }
    Ok(())
}

#[expect(clippy::cast_precision_loss, reason = "a count of thousands")]
fn per_second(started: Instant) -> f64 {
    ITEMS as f64 / started.elapsed().as_secs_f64()
}
