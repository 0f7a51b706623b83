//! A pass compares the key of each answered quiz with the key that its syncs used.

use std::time::Duration;

use quiz_domain::KeyDigest;
use quiz_events::{NoticeKind, Sink, StaleReason};
use quiz_lambda::config::PassLimits;
use quiz_sync_state::SyncState;
use reconcile::Summary;
use tokio::time::Instant;

use crate::common::{Fixture, HOUR, MINUTE, synced};

const FIRST: &str = "1-00000000000000000000000000000001";
const CORRECTED: &str = "1-00000000000000000000000000000002";

/// One test session, synced an hour ago into both sinks with this key. The newest answer is older.
async fn fixture(key_digest: Option<&str>) -> Fixture {
    let fixture = Fixture::new(PassLimits::default());
    let state = SyncState { key_digest: key_digest.map(str::to_owned), ..synced("q", HOUR) };
    for sink in Sink::ALL {
        fixture.plant("A_q", sink, state.clone()).await;
    }
    fixture.answer("q", 2 * HOUR);
    fixture
}

fn set_key(fixture: &Fixture, digest: &str) {
    let mut keys = fixture.services.keys.lock().unwrap();
    keys.insert("q".to_owned(), KeyDigest::from_stored(digest));
}

async fn requested(fixture: &Fixture) -> u64 {
    let Summary { requested, .. } = fixture.pass().await.unwrap();
    requested
}

#[tokio::test]
async fn corrected_key_requests_one_sync() {
    let fixture = fixture(Some(FIRST)).await;
    set_key(&fixture, FIRST);
    assert_eq!(requested(&fixture).await, 0);
    set_key(&fixture, CORRECTED);
    assert_eq!(requested(&fixture).await, 1);
    assert_eq!(fixture.services.sessions_published(), ["A_q"]);
    let notices = fixture.services.notices.lock().unwrap().clone();
    let NoticeKind::SyncsRequested(notice) = &notices[0].kind else { panic!("{notices:?}") };
    let reasons: Vec<StaleReason> = notice.tests[0].sinks.iter().map(|sink| sink.because).collect();
    assert_eq!(reasons, [StaleReason::KeyChanged; 2]);

    // the request waits in the queue
    fixture.later(MINUTE);
    assert_eq!(requested(&fixture).await, 0);
    // its sync used the corrected key
    for sink in Sink::ALL {
        let seen = fixture.state("A_q", sink).await;
        assert!(seen.is_unfinished(), "the test session stays stale until a sync reads the key");
        let (synced_through, key_digest) = (seen.requested_through + 2_000, Some(CORRECTED.to_owned()));
        let next = SyncState { synced_through, key_digest, requested_again: None, ..seen.clone() };
        assert!(fixture.swap("A_q", sink, &seen, &next).await);
    }
    fixture.later(MINUTE);
    assert_eq!(requested(&fixture).await, 0);
}

#[tokio::test]
async fn state_without_digest_gets_it_and_no_request() {
    for older in [None, Some("0-77")] {
        let fixture = fixture(older).await;
        set_key(&fixture, FIRST);
        assert_eq!(requested(&fixture).await, 0);
        for sink in Sink::ALL {
            assert_eq!(fixture.state("A_q", sink).await.key_digest.as_deref(), Some(FIRST));
        }
        let revision = fixture.state("A_q", Sink::Reports).await.revision;
        assert_eq!(requested(&fixture).await, 0);
        assert_eq!(fixture.state("A_q", Sink::Reports).await.revision, revision, "stored once");
        set_key(&fixture, CORRECTED);
        assert_eq!(requested(&fixture).await, 1);
    }
}

#[tokio::test]
async fn quiz_without_a_readable_key_requests_nothing() {
    let fixture = fixture(Some(FIRST)).await;
    assert_eq!(requested(&fixture).await, 0);
}

#[tokio::test]
async fn sync_that_uses_another_key_again_is_not_repeated() {
    let fixture = fixture(Some(FIRST)).await;
    set_key(&fixture, CORRECTED);
    assert_eq!(requested(&fixture).await, 1);
    for sink in Sink::ALL {
        let seen = fixture.state("A_q", sink).await;
        let synced_through = seen.requested_through + 2_000;
        let next = SyncState { synced_through, requested_again: None, ..seen.clone() };
        assert!(fixture.swap("A_q", sink, &seen, &next).await);
    }
    fixture.later(MINUTE);
    assert_eq!(requested(&fixture).await, 0);
    // the key before is another new key
    set_key(&fixture, "1-00000000000000000000000000000003");
    assert_eq!(requested(&fixture).await, 1);
}

#[tokio::test]
async fn daily_pass_compares_keys_of_sixty_days() {
    let fixture = fixture(Some(FIRST)).await;
    fixture.services.answered.lock().unwrap().clear();
    fixture.answer("q", 40 * 24 * HOUR);
    set_key(&fixture, CORRECTED);
    assert_eq!(requested(&fixture).await, 0, "the passes of a day do not look so far back");
    let deadline = Instant::now() + Duration::from_mins(1);
    let daily = fixture.reconciler.pass(Duration::from_hours(1_440), deadline).await.unwrap();
    assert_eq!((daily.requested, daily.behind), (1, 0));
}
