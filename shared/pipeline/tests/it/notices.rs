//! What the ops team is told of a batch.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use quiz_events::{Notice, NoticeKind, Notices, QueueMessage, Sink};
use quiz_pipeline::Listener;
use quiz_pipeline::NoticeListener;
use quiz_pipeline::batch::BatchLimits;
use quiz_pipeline::ports::SystemClock;

use crate::common::{Notes, Scripted, message, of, run_telling};

#[derive(Default)]
struct Kept(Mutex<Vec<Vec<Notice>>>);

#[async_trait]
impl Notices for Kept {
    async fn send(&self, notices: Vec<Notice>) {
        self.0.lock().unwrap().push(notices);
    }
}

async fn told(messages: &[QueueMessage]) -> Vec<Vec<Notice>> {
    told_by(|listener| listener, messages).await
}

async fn told_by(
    change: impl FnOnce(NoticeListener) -> NoticeListener,
    messages: &[QueueMessage],
) -> Vec<Vec<Notice>> {
    let kept = Arc::new(Kept::default());
    let listener = change(NoticeListener::new(Sink::Reports, kept.clone(), Arc::new(SystemClock)));
    let listener: Arc<dyn Listener> = Arc::new(listener);
    let script = Scripted::default();
    run_telling(script, BatchLimits::default(), listener, messages, &Notes::default(), 900).await;
    Arc::into_inner(kept).map_or_else(Vec::new, |kept| kept.0.into_inner().unwrap())
}

#[tokio::test(start_paused = true)]
async fn a_batch_s_notices_go_together_each_cause_once() {
    let mut messages = vec![of("1", "A"), of("2", "A"), of("3", "B")];
    messages.extend((0..40).map(|at| message(&format!("bad{at}"), "{oops")));
    messages.extend([of("u1", "refused"), of("u2", "refused")]);
    let sent = told(&messages).await;
    assert_eq!(sent.len(), 1, "sent once, when the batch is settled");
    let mut kinds: Vec<String> = sent[0]
        .iter()
        .map(|notice| match &notice.kind {
            NoticeKind::SyncFinished(it) => {
                format!("{} finished for {}", it.session_id, it.messages)
            }
            NoticeKind::SyncFailed(it) => {
                format!("{:?} failed for {}: {}", it.session_ids, it.messages, it.error_code)
            }
            NoticeKind::MessagesParked(it) => format!("{} parked: {}", it.messages, it.error_code),
            other => panic!("{other:?}"),
        })
        .collect();
    kinds.sort();
    assert_eq!(
        kinds,
        [
            "40 parked: not_an_event",
            "A finished for 2",
            "B finished for 1",
            "[\"refused\"] failed for 2: rows_refused",
        ]
    );
    let mut ids: Vec<&str> = sent[0].iter().map(|notice| notice.id.as_str()).collect();
    ids.sort_unstable();
    ids.dedup();
    assert_eq!(ids.len(), 4, "each has its own name");
}

#[tokio::test(start_paused = true)]
async fn only_the_last_try_is_told_as_a_failure() {
    assert!(told(&[of("1", "bad")]).await.is_empty(), "it comes again");
    let last = QueueMessage { receive_count: 5, ..of("1", "bad") };
    let sent = told(&[last]).await;
    let NoticeKind::SyncFailed(failed) = &sent[0][0].kind else { panic!("{sent:?}") };
    assert_eq!((&*failed.session_ids[0], &*failed.error_code), ("bad", "source_unavailable"));
    assert_eq!(failed.error, "could not read quiz: connection refused");
}

#[tokio::test(start_paused = true)]
async fn messages_parked_by_an_outage_are_left_to_its_card() {
    let messages =
        [QueueMessage { receive_count: 5, ..of("1", "bad") }, of("2", "refused"), message("3", "{oops")];
    let all = told(&messages).await;
    let left = told_by(NoticeListener::without_outages, &messages).await;
    let codes = |sent: &[Vec<Notice>]| {
        let code = |notice: &Notice| match &notice.kind {
            NoticeKind::SyncFailed(it) => it.error_code.clone(),
            NoticeKind::MessagesParked(it) => it.error_code.clone(),
            other => panic!("{other:?}"),
        };
        let mut codes: Vec<String> = sent.iter().flatten().map(code).collect();
        codes.sort();
        codes
    };
    assert_eq!(codes(&all), ["not_an_event", "rows_refused", "source_unavailable"]);
    assert_eq!(codes(&left), ["not_an_event", "rows_refused"]);
}

/// Never answers.
struct Deaf;

#[async_trait]
impl Notices for Deaf {
    async fn send(&self, _notices: Vec<Notice>) {
        tokio::time::sleep(Duration::from_secs(3)).await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_topic_that_takes_no_notices_fails_no_sync() {
    let listener: Arc<dyn Listener> =
        Arc::new(NoticeListener::new(Sink::Reports, Arc::new(Deaf), Arc::new(SystemClock)));
    let (script, limits) = (Scripted::default(), BatchLimits::default());
    let (report, _) = run_telling(script, limits, listener, &[of("1", "A")], &Notes::default(), 900).await;
    assert_eq!((report.synced, report.failed.len()), (1, 0));
}

#[tokio::test(start_paused = true)]
async fn a_backfill_tells_of_its_tests_itself_but_not_of_those_that_others_asked_for_too() {
    let of_backfill = |id: &str, session: &str, backfill: &str| {
        message(id, &format!(r#"{{"session_id":"{session}","quiz_id":"q","backfill_id":"{backfill}"}}"#))
    };
    let messages = [
        of_backfill("1", "quiet", "b1"),
        of_backfill("2", "quiet", "b1"),
        of_backfill("3", "asked-for-by-two", "b1"),
        of_backfill("4", "asked-for-by-two", "b2"),
        of_backfill("5", "completed-meanwhile", "b1"),
        of("6", "completed-meanwhile"),
        of("7", "completed-before"),
        of_backfill("8", "completed-before", "b1"),
        of_backfill("9", "refused", "b1"),
    ];
    let sent = told(&messages).await;
    let mut told: Vec<&str> = sent[0]
        .iter()
        .map(|notice| match &notice.kind {
            NoticeKind::SyncFinished(it) => &*it.session_id,
            NoticeKind::SyncFailed(it) => &*it.session_ids[0],
            other => panic!("{other:?}"),
        })
        .collect();
    told.sort_unstable();
    assert_eq!(told, ["asked-for-by-two", "completed-before", "completed-meanwhile", "refused"]);
}
