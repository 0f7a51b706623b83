//! The notices of a batch.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use quiz_events::{Notice, NoticeKind, Notices, QueueMessage, Sink};
use quiz_pipeline::Listener;
use quiz_pipeline::NoticeListener;
use quiz_pipeline::batch::BatchLimits;
use quiz_pipeline::ports::SystemClock;

use crate::common::{RecordingQueue, Scripted, message, run_with_listener, sync_message};

#[derive(Default)]
struct SentNotices(Mutex<Vec<Vec<Notice>>>);

#[async_trait]
impl Notices for SentNotices {
    async fn send(&self, notices: Vec<Notice>) {
        self.0.lock().unwrap().push(notices);
    }
}

async fn sent_notices(messages: &[QueueMessage]) -> Vec<Vec<Notice>> {
    sent_notices_with(|listener| listener, messages).await
}

async fn sent_notices_with(
    change: impl FnOnce(NoticeListener) -> NoticeListener,
    messages: &[QueueMessage],
) -> Vec<Vec<Notice>> {
    let kept = Arc::new(SentNotices::default());
    let listener = change(NoticeListener::new(Sink::Reports, kept.clone(), Arc::new(SystemClock)));
    let listener: Arc<dyn Listener> = Arc::new(listener);
    let script = Scripted::default();
    run_with_listener(script, BatchLimits::default(), listener, messages, &RecordingQueue::default(), 900)
        .await;
    Arc::into_inner(kept).map_or_else(Vec::new, |kept| kept.0.into_inner().unwrap())
}

#[tokio::test(start_paused = true)]
async fn notices_of_a_batch_are_sent_together() {
    let mut messages = vec![sync_message("1", "A"), sync_message("2", "A"), sync_message("3", "B")];
    messages.extend((0..40).map(|at| message(&format!("bad{at}"), "{oops")));
    messages.extend([sync_message("u1", "refused"), sync_message("u2", "refused")]);
    // a session change causes no notice
    messages.push(message("c", r#"{"environment":"production","action":"db_id","id":825}"#));
    let sent = sent_notices(&messages).await;
    assert_eq!(sent.len(), 1, "sent once, when the batch is settled");
    let mut kinds: Vec<String> = sent[0]
        .iter()
        .map(|notice| match &notice.kind {
            NoticeKind::SyncFinished(finished) => {
                format!("{} finished for {}", finished.session_id, finished.messages)
            }
            NoticeKind::SyncFailed(failed) => {
                format!("{:?} failed for {}: {}", failed.session_ids, failed.messages, failed.error_code)
            }
            NoticeKind::MessagesParked(parked) => {
                format!("{} parked: {}", parked.messages, parked.error_code)
            }
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
async fn only_the_last_try_sends_a_failure_notice() {
    assert!(sent_notices(&[sync_message("1", "bad")]).await.is_empty(), "the message is retried");
    let last = QueueMessage { receive_count: 5, ..sync_message("1", "bad") };
    let sent = sent_notices(&[last]).await;
    let NoticeKind::SyncFailed(failed) = &sent[0][0].kind else { panic!("{sent:?}") };
    assert_eq!((&*failed.session_ids[0], &*failed.error_code), ("bad", "source_unavailable"));
    assert_eq!(failed.error, "could not read quiz: connection refused");
}

#[tokio::test(start_paused = true)]
async fn attempt_ids_share_one_notice() {
    let messages: Vec<QueueMessage> =
        (0..30).map(|at| sync_message(&format!("m{at}"), &format!("attempt-{at:02}"))).collect();
    let sent = sent_notices(&messages).await;
    let [notice] = &sent[0][..] else { panic!("{sent:?}") };
    let NoticeKind::SyncFailed(failed) = &notice.kind else { panic!("{notice:?}") };
    assert_eq!((failed.messages, failed.session_ids.len()), (30, 30));
    let example = "session_id attempt-00 is the _id of an attempt at quiz q; send the id of the test session";
    assert_eq!((&*failed.error_code, &*failed.error), ("session_id_of_attempt", example));
}

#[tokio::test(start_paused = true)]
async fn outage_messages_are_left_to_its_card() {
    let messages = [
        QueueMessage { receive_count: 5, ..sync_message("1", "bad") },
        sync_message("2", "refused"),
        message("3", "{oops"),
    ];
    let all = sent_notices(&messages).await;
    let left = sent_notices_with(NoticeListener::without_outages, &messages).await;
    let codes = |sent: &[Vec<Notice>]| {
        let code = |notice: &Notice| match &notice.kind {
            NoticeKind::SyncFailed(failed) => failed.error_code.clone(),
            NoticeKind::MessagesParked(parked) => parked.error_code.clone(),
            other => panic!("{other:?}"),
        };
        let mut codes: Vec<String> = sent.iter().flatten().map(code).collect();
        codes.sort();
        codes
    };
    assert_eq!(codes(&all), ["not_an_event", "rows_refused", "source_unavailable"]);
    assert_eq!(codes(&left), ["not_an_event", "rows_refused"]);
}

/// A topic that answers too late.
struct SlowTopic;

#[async_trait]
impl Notices for SlowTopic {
    async fn send(&self, _notices: Vec<Notice>) {
        tokio::time::sleep(Duration::from_secs(3)).await;
    }
}

#[tokio::test(start_paused = true)]
async fn slow_notice_topic_fails_no_sync() {
    let listener: Arc<dyn Listener> =
        Arc::new(NoticeListener::new(Sink::Reports, Arc::new(SlowTopic), Arc::new(SystemClock)));
    let (script, limits) = (Scripted::default(), BatchLimits::default());
    let (report, _) = run_with_listener(
        script,
        limits,
        listener,
        &[sync_message("1", "A")],
        &RecordingQueue::default(),
        900,
    )
    .await;
    assert_eq!((report.synced, report.failed.len()), (1, 0));
}

#[tokio::test(start_paused = true)]
async fn syncs_of_only_a_backfill_send_no_notice() {
    let backfill_message = |id: &str, session: &str, backfill: &str| {
        message(id, &format!(r#"{{"session_id":"{session}","quiz_id":"q","backfill_id":"{backfill}"}}"#))
    };
    let messages = [
        backfill_message("1", "quiet", "b1"),
        backfill_message("2", "quiet", "b1"),
        backfill_message("3", "requested-by-two", "b1"),
        backfill_message("4", "requested-by-two", "b2"),
        backfill_message("5", "completed-during-backfill", "b1"),
        sync_message("6", "completed-during-backfill"),
        sync_message("7", "completed-before"),
        backfill_message("8", "completed-before", "b1"),
        backfill_message("9", "refused", "b1"),
    ];
    let sent = sent_notices(&messages).await;
    let mut session_ids: Vec<&str> = sent[0]
        .iter()
        .map(|notice| match &notice.kind {
            NoticeKind::SyncFinished(finished) => &*finished.session_id,
            NoticeKind::SyncFailed(failed) => &*failed.session_ids[0],
            other => panic!("{other:?}"),
        })
        .collect();
    session_ids.sort_unstable();
    assert_eq!(session_ids, ["completed-before", "completed-during-backfill", "refused", "requested-by-two"]);
}
