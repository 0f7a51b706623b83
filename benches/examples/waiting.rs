//! Measures which part of a sync is waiting for MongoDB and DynamoDB, on the local stack:
//!
//! `cargo run --release -p quiz-benches --example waiting -- --students 2000`
#![expect(clippy::print_stdout, reason = "its output is its purpose")]

use std::sync::Arc;

use anyhow::{Context, Result};
use bson::{Document, doc};
use clap::Parser;
use quiz_benches::{MarkdownTable, Usage, sync};
use quiz_domain::reports::ReportFormats;
use quiz_dynamo::{DynamoSnapshots, DynamoStore, TableNames, WriteLimits};
use quiz_mongo::MongoSource;
use quiz_pipeline::{ReportSink, Snapshots, SyncOutcome};
use quiz_sample::large::LargeAssessment;
use quiz_stack::{Stack, insert, unique};

/// The number of documents in one insert.
const CHUNK: usize = 500;

#[derive(Parser)]
struct Options {
    #[arg(long, default_value_t = 2_000)]
    students: u32,
}

#[tokio::main]
async fn main() -> Result<()> {
    let Options { students } = Options::parse();
    let stack = Stack::get().await?;
    let database = unique("waiting");
    store(stack, &database, LargeAssessment { students, questions: 105, seed: 1 }).await?;
    let (sections, form_responses) = (unique("reports"), unique("forms"));
    stack.create_reports_table(&sections).await?;
    stack.create_form_responses_table(&form_responses).await?;
    let names = TableNames { sections, form_responses, ..TableNames::default() };

    let source = Arc::new(MongoSource::connect(stack.mongodb_uri(), &database).await?);
    let store = DynamoStore::new(stack.dynamodb(), names, WriteLimits::default());
    let sink = Arc::new(ReportSink::new(Arc::new(store), ReportFormats::default()));
    let mut table = MarkdownTable::new([
        "sync",
        "seconds",
        "CPU seconds",
        "waiting",
        "for MongoDB",
        "for DynamoDB, with encoding",
        "documents not read",
        "items written",
        "unchanged",
    ]);
    let snapshots_table = unique("snapshots");
    stack.create_snapshots_table(&snapshots_table).await?;
    let store = DynamoSnapshots::new(stack.dynamodb(), snapshots_table, WriteLimits::default());
    let snapshots = Snapshots::new(Arc::new(store), env!("CARGO_PKG_VERSION"));
    let syncs = [
        ("first, stores a snapshot", Some(snapshots.clone())),
        ("no change, all documents read", None),
        ("no change, with the snapshot", Some(snapshots.clone())),
        ("one new student, with the snapshot", Some(snapshots)),
    ];
    for (generation, (name, snapshots)) in (1..).zip(syncs) {
        if generation == 4 {
            add_student(stack, &database).await?;
        }
        let synced = async { sync(source.clone(), sink.clone(), generation, snapshots).await };
        let (outcome, usage) = Usage::measure(synced).await?;
        table.add(row(name, &outcome, &usage));
    }
    print!("{table}");
    stack.mongodb().await?.database(&database).drop().await?;
    Ok(())
}

fn row(name: &str, outcome: &SyncOutcome, usage: &Usage) -> Vec<String> {
    vec![
        name.to_owned(),
        format!("{:.2}", usage.seconds),
        format!("{:.2}", usage.cpu_seconds),
        format!("{:.1} %", 100.0 * usage.waiting()),
        format!("{:.2} s", outcome.source_time.as_secs_f64()),
        format!("{:.2} s", outcome.sink_time.as_secs_f64()),
        outcome.known.to_string(),
        outcome.rows_written.to_string(),
        outcome.unchanged.to_string(),
    ]
}

/// Adds a student with a copy of another attempt.
async fn add_student(stack: &Stack, database: &str) -> Result<()> {
    let sessions = stack.mongodb().await?.database(database).collection::<Document>("sessions");
    let ended = sessions.find_one(doc! {"has_quiz_ended": true}).await?.context("no attempt has ended")?;
    let mut newcomer = ended;
    newcomer.extend(doc! {"_id": "ffffffffffffffffffffffff", "user_id": "newcomer"});
    sessions.insert_one(newcomer).await?;
    Ok(())
}

async fn store(stack: &Stack, database: &str, large: LargeAssessment) -> Result<()> {
    let database = stack.mongodb().await?.database(database);
    insert(&database, "quizzes", vec![large.quiz()]).await?;
    insert(&database, "questions", large.questions()).await?;
    let mut sessions = large.sessions().peekable();
    while sessions.peek().is_some() {
        let chunk: Vec<Document> = sessions.by_ref().take(CHUNK).collect();
        insert(&database, "sessions", chunk).await?;
    }
    for (collection, keys) in indexes() {
        let name = collection.to_owned() + "_index";
        let index = doc! {"createIndexes": collection, "indexes": [{"key": keys, "name": name}]};
        database.run_command(index).await?;
    }
    Ok(())
}

/// The indexes of `docs/DEPLOY.md` that a sync uses.
fn indexes() -> [(&'static str, Document); 2] {
    [("sessions", doc! {"quiz_id": 1, "user_id": 1}), ("questions", doc! {"question_set_id": 1})]
}
