//! Histories that were once wrong, step by step.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test may panic")]

use std::time::Duration;

use quiz_sync_state::{Admission, Ask, Ending, FollowUp, Hold, LastRun, Rules, SyncState};

const RULES: Rules =
    Rules { margin: Duration::ZERO, lease: Duration::from_secs(20), interval: Duration::from_secs(90) };

fn ask(message_id: &str, through: i64, force: bool) -> Ask {
    Ask {
        quiz_id: "q".into(),
        through,
        message_ids: vec![message_id.into()],
        anchor: message_id.into(),
        force,
        description: None,
        newest_completion: None,
        owner: format!("owner of {message_id}"),
        not_before: None,
    }
}

fn stored(next: SyncState) -> SyncState {
    SyncState { revision: next.revision + 1, ..next }
}

#[test]
fn a_holder_that_comes_back_after_a_deferral_has_lost_the_test() {
    let before =
        SyncState { revision: 1, quiz_id: "q".into(), synced_through: 100_000, ..SyncState::default() };
    let Admission::Run { next, .. } = before.admit(&ask("forced", 110_000, true), 110_000, &RULES) else {
        panic!("a forced request runs at once")
    };
    let run = stored(next);
    let hold = Hold { owner: "owner of forced".into(), generation: run.generation };

    let late = ask("late", 135_000, false);
    let Admission::Defer { due } = run.admit(&late, 135_000, &RULES) else {
        panic!("the lease is over, and the last read is not 90 s ago")
    };
    let deferred = stored(run.deferred(&late, FollowUp { message_id: "follow-up".into(), due }));
    assert_eq!(deferred.heartbeat(&hold, 150_000, &RULES), None);
    let last = LastRun { read_started_at: 150_000, ..LastRun::default() };
    assert_eq!(deferred.finished(&hold, &last, &RULES), Ending::Lost);
}

#[test]
fn a_follow_up_asks_for_all_that_has_joined_it() {
    let follow_up = FollowUp { message_id: "follow-up".into(), due: 190_000 };
    let synced = SyncState {
        revision: 1,
        quiz_id: "q".into(),
        synced_through: 150_000,
        requested_through: 161_000,
        follow_up: Some(follow_up),
        ..SyncState::default()
    };
    let admitted = synced.admit(&ask("follow-up", 135_000, false), 190_000, &RULES);
    assert!(matches!(admitted, Admission::Run { .. }), "{admitted:?}");
}
