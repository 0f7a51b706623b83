//! Items of the state table. During a canary the version before reads and writes the same items, so the names and
//! types of their attributes stay as they are here.

use jiff::civil::{Date, date};
use quiz_events::{SessionDescription, Sink};
use quiz_sync_state::{
    Failing, FollowUp, LastRun, Lease, Record, Recovered, RequestedAgain, RunResult, StartDates, StateKey,
    SyncState,
};
use serde_json::{Value, json};

/// An item with all attributes. The version before does not know `key_digest`,
/// `key_requested` and `start_dates`, and drops them.
const FULL: &str = r#"{
    "asked_again_at": 1714500030000, "asked_again_times": 3, "crashed_runs": 2, "described_at": 7,
    "duration_ms": 8, "failing_code": "source_unavailable", "failing_since": 1714490000000,
    "finished_at": 6, "follow_up_depth": 41, "follow_up_due": 1714500090000, "follow_up_message_id": "m-2",
    "generation": 1714500000001, "joined": 12, "key_digest": "1-1761cd58e3669eec52409e224c335da9",
    "key_requested": "1-99d4d0e2b1a04c9f2a6f7e4d5c3b2a10", "last_error": "could not read quiz q: no route",
    "last_joined": 3, "last_outcome": "failed", "lease_message_id": "m-1", "lease_owner": "a",
    "lease_until": 1714500060000, "newest_completion": 1714499999000, "progress": "{\"generation\":1}",
    "quiz_id": "6715f621e1eb083bfa9b56cc", "read_described_at": 4, "read_started_at": 5,
    "recovered_at": 1714480600000, "recovered_code": "sink_failed", "recovered_since": 1714480000000,
    "requested_through": 1714500000123, "revision": 9, "rewrite_through": 1714400000001,
    "rows_written": 4294967296,
    "session": {
        "batch": null, "course": null, "end_time": null, "grade": null, "group": null,
        "school": null, "start_time": "2024-04-30T18:15:00Z", "stream": null, "test_name": "Mock 7"
    },
    "session_id": "Group_6715f621e1eb083bfa9b56cc", "sink": "reports",
    "start_dates": ["2024-04-30", "2024-05-01"], "synced_through": 1714499999999, "takers": 1525
}"#;

/// An item without the optional attributes.
const LEAST: &str = r#"{
    "crashed_runs": 0, "described_at": 0, "duration_ms": 0, "finished_at": 0, "follow_up_depth": 0,
    "generation": 0, "joined": 0, "last_joined": 0, "quiz_id": "", "read_described_at": 0,
    "read_started_at": 0, "requested_through": 0, "revision": 0, "rewrite_through": 0, "rows_written": 0,
    "session_id": "Group_6715f621e1eb083bfa9b56cc", "sink": "reports", "start_dates": [], "synced_through": 0,
    "takers": 0
}"#;

fn key() -> StateKey {
    StateKey { session_id: "Group_6715f621e1eb083bfa9b56cc".into(), sink: Sink::Reports }
}

fn full() -> SyncState {
    SyncState {
        revision: 9,
        quiz_id: "6715f621e1eb083bfa9b56cc".into(),
        requested_through: 1_714_500_000_123,
        rewrite_through: 1_714_400_000_001,
        synced_through: 1_714_499_999_999,
        generation: 1_714_500_000_001,
        lease: Some(Lease { owner: "a".into(), message_id: "m-1".into(), until: 1_714_500_060_000 }),
        follow_up: Some(FollowUp { message_id: "m-2".into(), due: 1_714_500_090_000 }),
        follow_up_depth: 41,
        crashed_runs: 2,
        session: Some(SessionDescription {
            test_name: Some("Mock 7".into()),
            start_time: "2024-04-30T18:15:00Z".parse().ok(),
            ..SessionDescription::default()
        }),
        described_at: 7,
        joined: 12,
        newest_completion: Some(1_714_499_999_000),
        last: LastRun {
            result: Some(RunResult::Failed),
            error: Some("could not read quiz q: no route".into()),
            joined: 3,
            participants: 1_525,
            rows_written: u64::from(u32::MAX) + 1,
            read_started_at: 5,
            read_described_at: 4,
            finished_at: 6,
            duration_ms: 8,
        },
        failing: Some(Failing { since: 1_714_490_000_000, code: "source_unavailable".into() }),
        recovered: Some(Recovered {
            since: 1_714_480_000_000,
            at: 1_714_480_600_000,
            code: "sink_failed".into(),
        }),
        progress: Some("{\"generation\":1}".into()),
        key_digest: Some("1-1761cd58e3669eec52409e224c335da9".into()),
        key_requested: Some("1-99d4d0e2b1a04c9f2a6f7e4d5c3b2a10".into()),
        start_dates: dates(&[date(2024, 4, 30), date(2024, 5, 1)]),
        requested_again: Some(RequestedAgain { times: 3, at: 1_714_500_030_000 }),
    }
}

fn stored(state: SyncState) -> Value {
    serde_json::to_value(Record { key: key(), state }).unwrap()
}

fn read(item: &Value) -> SyncState {
    let record: Record = serde_json::from_value(item.clone()).unwrap();
    assert_eq!(record.key, key());
    record.state
}

#[test]
fn items_keep_their_attributes() {
    for (state, item) in [(full(), FULL), (SyncState::default(), LEAST)] {
        let item: Value = serde_json::from_str(item).unwrap();
        assert_eq!(stored(state.clone()), item);
        assert_eq!(read(&item), state);
    }
}

#[test]
fn items_of_other_versions_are_read() {
    let mut item = stored(full());
    item["last_outcome"] = json!("of a later version");
    item["another_attribute"] = json!({"a": [1]});
    let attributes = item.as_object_mut().unwrap();
    for missing in ["lease_message_id", "follow_up_due", "failing_code", "recovered_at", "asked_again_at"] {
        attributes.remove(missing);
    }
    attributes.remove("crashed_runs");
    attributes.remove("duration_ms");
    let lease = full().lease.map(|lease| Lease { message_id: String::new(), ..lease });
    let expected = SyncState {
        lease,
        follow_up: None,
        crashed_runs: 0,
        last: LastRun { result: None, duration_ms: 0, ..full().last },
        failing: None,
        recovered: None,
        requested_again: None,
        ..full()
    };
    assert_eq!(read(&item), expected);
}

fn dates(dates: &[Date]) -> StartDates {
    let state = |state: SyncState, date: &Date| state.with_start_date(*date).unwrap();
    dates.iter().fold(SyncState::default(), state).start_dates
}

#[test]
fn date_is_stored_before_rows_are_written_under_it() {
    let (first, moved) = (date(2024, 4, 30), date(2024, 5, 7));
    let new = SyncState::default();
    let known = new.with_start_date(first).unwrap();
    assert_eq!(known.start_dates, StartDates::from(first));
    assert_eq!(known.with_start_date(first), None);
    let both = known.with_start_date(moved).unwrap();
    assert_eq!(both.start_dates, dates(&[first, moved]), "the run can die before or after its commit");
    assert_eq!(read(&stored(both.clone())), both);
}

#[test]
fn item_of_the_version_before_has_unknown_dates() {
    let mut item = stored(SyncState::default());
    item.as_object_mut().unwrap().remove("start_dates");
    let state = read(&item);
    assert_eq!(state.start_dates, StartDates::unknown());
    assert_eq!(state.with_start_date(date(2024, 4, 30)), None, "the commit looks for rows under each date");
    assert_eq!(stored(state), item);
}
