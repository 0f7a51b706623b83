//! Measures how fast report items are written with 1 to 32 BatchWriteItem requests in flight: to a DynamoDB that answers
//! with a delay, like a DynamoDB behind a network, and to the local DynamoDB.
//!
//! `cargo run --release -p quiz-benches --example in_flight`
#![expect(clippy::print_stdout, reason = "its output is its purpose")]

mod slow_tables;

use std::time::{Duration, Instant};

use anyhow::Result;
use aws_sdk_dynamodb::Client;
use clap::Parser;
use quiz_benches::{LoadedAssessment, MarkdownTable};
use quiz_domain::reports::{ReportItem, ReportTable};
use quiz_dynamo::{DynamoStore, TableNames, WriteLimits};
use quiz_pipeline::ports::{Fence, ReportStore};
use quiz_sample::large::LargeAssessment;
use quiz_stack::{Stack, unique};
use slow_tables::SlowTables;

const TABLE: ReportTable = ReportTable::Sections;
const IN_FLIGHT: [usize; 6] = [1, 2, 4, 8, 16, 32];

#[derive(Parser)]
struct Options {
    /// Number of students; each has four items.
    #[arg(long, default_value_t = 2_500)]
    students: u32,
    /// Delay of the slow DynamoDB, in milliseconds.
    #[arg(long, default_value_t = 10)]
    latency: u64,
    /// Skip the local DynamoDB.
    #[arg(long)]
    no_stack: bool,
}

#[tokio::main]
async fn main() -> Result<()> {
    let Options { students, latency, no_stack } = Options::parse();
    let items = LoadedAssessment::generate(LargeAssessment { students, questions: 105, seed: 1 })?.items()?;
    let slow = SlowTables::start(Duration::from_millis(latency)).await?;
    println!("{} items, written to a DynamoDB that answers after {latency} ms:\n", items.len());
    let mut table = MarkdownTable::new(["most in flight", "items written a second"]);
    for requests in IN_FLIGHT {
        let store = store(slow.client(), TableNames::default(), requests);
        table.add([requests.to_string(), write(&store, &items).await?]);
    }
    println!("{table}");
    if no_stack {
        return Ok(());
    }
    let stack = Stack::get().await?;
    println!("written to the local DynamoDB, one table for each line, and read back:\n");
    let mut table = MarkdownTable::new(["most in flight", "items written a second", "items read a second"]);
    for requests in IN_FLIGHT {
        let names = TableNames { sections: unique("reports"), ..TableNames::default() };
        stack.create_reports_table(&names.sections).await?;
        let store = store(stack.dynamodb(), names, requests);
        let written = write(&store, &items).await?;
        let session_id = items.first().map(ReportItem::session_id).unwrap_or_default();
        let began = Instant::now();
        let stored = store.stored(TABLE, session_id).await?;
        table.add([requests.to_string(), written, per_second(stored.len(), began)]);
    }
    print!("{table}");
    Ok(())
}

fn store(client: Client, names: TableNames, requests: usize) -> DynamoStore {
    DynamoStore::new(client, names, WriteLimits { requests, ..WriteLimits::default() })
}

async fn write(store: &DynamoStore, items: &[ReportItem]) -> Result<String> {
    let (items, count) = (items.to_vec(), items.len());
    let began = Instant::now();
    store.put(TABLE, items, &Fence::open()).await?;
    Ok(per_second(count, began))
}

#[expect(clippy::cast_precision_loss, reason = "a count of thousands")]
fn per_second(items: usize, began: Instant) -> String {
    format!("{:.0}", items as f64 / began.elapsed().as_secs_f64())
}
