//! Counts the syncs when all students of a state complete a quiz within ten minutes.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use quiz_domain::reports::{ReportFormats, ReportTable};
use quiz_local::{DumpSource, MemoryQueue, QueueSettings, SqliteStore};
use quiz_pipeline::ports::Clock;
use quiz_pipeline::{ReportSink, Rules};
use quiz_sample::{sapa, write_dump};
use quiz_suites::function::SyncFunction;
use quiz_suites::store::session_items;
use tokio::time::{Instant, sleep};

const EVENTS: usize = 50_000;
const TEN_MINUTES: Duration = Duration::from_mins(10);
const WORKERS: usize = 4;
/// How long a worker's event source collects a batch.
const WINDOW: Duration = Duration::from_secs(5);

struct Time(Instant);

impl Clock for Time {
    fn now(&self) -> Timestamp {
        Timestamp::from_second(1_714_500_000).unwrap() + SignedDuration::try_from(self.0.elapsed()).unwrap()
    }
}

#[derive(Default)]
struct Counted {
    syncs: AtomicUsize,
    absorbed: AtomicUsize,
    batches: AtomicUsize,
}

#[tokio::test(start_paused = true)]
async fn fifty_thousand_completions_need_few_syncs() {
    let began = std::time::Instant::now();
    let folder = tempfile::tempdir().unwrap();
    write_dump(&folder.path().join("dump"), &sapa::documents().unwrap(), false).unwrap();
    let source = Arc::new(DumpSource::open(folder.path().join("dump")).unwrap());
    let store = Arc::new(SqliteStore::open(folder.path().join("reports.db")).unwrap());
    let clock = Arc::new(Time(Instant::now()));
    let settings = QueueSettings { visibility_timeout: Duration::from_hours(1), max_receive_count: Some(5) };
    let queue = Arc::new(MemoryQueue::new(settings, clock.clone()));

    let (sender, mut events) = (queue.clone(), sapa::completion_events().unwrap());
    fastrand::seed(1);
    let sender = tokio::spawn(async move {
        for at in 0..EVENTS {
            // each student's event arrives 30 times or more, in any order
            if at % events.len() == 0 {
                fastrand::shuffle(&mut events);
            }
            let event = events.get(at % events.len()).map(ToString::to_string).unwrap_or_default();
            sender.send(event, Some("quiz.completed"));
            sleep(TEN_MINUTES / u32::try_from(EVENTS).unwrap()).await;
        }
    });
    let counted = Arc::new(Counted::default());
    let workers: Vec<_> = (0..WORKERS)
        .map(|_| {
            let sink = ReportSink::new(store.clone(), ReportFormats::default());
            let function = SyncFunction::new(store.clone()).clock(clock.clone()).rules(Rules::default());
            let handler = function.excluding("test_admin").handler(source.clone(), Arc::new(sink));
            (handler, queue.clone(), counted.clone())
        })
        .collect();
    let working = tokio::task::LocalSet::new();
    for (handler, queue, counted) in workers {
        working.spawn_local(async move {
            loop {
                sleep(WINDOW).await;
                let messages = queue.receive(10_000);
                if messages.is_empty() {
                    continue;
                }
                let report = handler.handle(&messages, &*queue, Instant::now() + TEN_MINUTES).await;
                for message in messages.iter().filter(|message| !report.failed.contains(&message.message_id))
                {
                    queue.delete(&message.receipt_handle);
                }
                counted.batches.fetch_add(1, Ordering::SeqCst);
                counted.syncs.fetch_add(report.synced, Ordering::SeqCst);
                counted.absorbed.fetch_add(report.absorbed, Ordering::SeqCst);
            }
        });
    }
    let at_rest = async {
        sender.await.unwrap();
        while !queue.is_empty() {
            sleep(Duration::from_secs(1)).await;
        }
    };
    working.run_until(at_rest).await;

    let (syncs, absorbed) = (counted.syncs.load(Ordering::SeqCst), counted.absorbed.load(Ordering::SeqCst));
    println!(
        "{EVENTS} completions in {} batches: {syncs} syncs, {absorbed} messages absorbed; done {:?} after the first \
         (simulated), in {:?}",
        counted.batches.load(Ordering::SeqCst),
        clock.0.elapsed(),
        began.elapsed(),
    );
    assert!((1..=8).contains(&syncs), "{syncs} syncs");
    assert!(clock.0.elapsed() < TEN_MINUTES + Duration::from_mins(2), "minutes after the last completion");
    assert_eq!(queue.dead_letter_count(), 0);
    let items = session_items(&*store, ReportTable::Sections, sapa::SESSION_ID).await;
    assert_eq!(items.len(), sapa::PARTICIPANTS * 5);
}
