//! The cards of reconcile.

use quiz_discord::compose;
use quiz_events::{NoticeKind, NoticeMessage, RequestedSession, Sink, StaleReason, SyncsRequested};
use serde_json::Value;

use crate::common::{EVIL, notice, requested, stale, unknown};

fn card(messages: &[NoticeMessage]) -> Value {
    let posts = compose(messages);
    assert_eq!(posts.len(), 1);
    posts[0].payload()["embeds"][0].clone()
}

fn syncs_requested(tests: Vec<RequestedSession>, count: u64, left: u64) -> NoticeMessage {
    notice("1", NoticeKind::SyncsRequested(SyncsRequested { count, left, tests }))
}

#[test]
fn each_cause_is_shown_with_its_time() {
    let mut unnamed = requested("B_2", &[stale(Sink::Reports, StaleReason::Asked, 1, None)]);
    unnamed.test_name = None;
    let mut never = stale(Sink::Warehouse, StaleReason::Answers, 1, None);
    never.synced_through = None;
    let answers = stale(Sink::Reports, StaleReason::Answers, 1, None);
    let parked = stale(Sink::Warehouse, StaleReason::Parked, 2, Some("BigQuery: no *such* table"));
    let failed = stale(Sink::Reports, StaleReason::Failed, 1, Some("no answer"));
    let tests = vec![requested("A_1", &[answers, never]), unnamed, requested("C_3", &[failed, parked])];
    insta::assert_json_snapshot!(card(&[syncs_requested(tests, 3, 0)]));
}

#[test]
fn stuck_session_asks_for_a_person() {
    let stuck = stale(Sink::Reports, StaleReason::Parked, 3, Some("the quiz cannot be read"));
    let tests = vec![requested("EnableStudents_6715f621e1eb083bfa9b56cc", &[stuck])];
    insta::assert_json_snapshot!(card(&[syncs_requested(tests, 40, 2)]));
    let strange = requested("x`; rm -rf /", &[stale(Sink::Reports, StaleReason::Parked, 9, None)]);
    let text = card(&[syncs_requested(vec![strange], 1, 0)]).to_string();
    assert!(text.contains("`quiz-etl status SESSION`"), "{text}");
}

#[test]
fn late_session_is_info() {
    let late = requested("A_1", &[stale(Sink::Reports, StaleReason::Answers, 1, None)]);
    let card = card(&[syncs_requested(vec![late], 1, 0)]);
    assert_eq!(card["title"], "ℹ️ Reconcile requested a sync of 1 test session");
    assert_eq!(card["fields"].as_array().unwrap().len(), 1);
}

#[test]
fn unknown_quizzes_share_one_card() {
    let messages = [
        unknown("1", "6715f621e1eb083bfa9b56cc", Some("Physics mock")),
        unknown("2", "6715f621e1eb083bfa9b56cd", Some(EVIL)),
        unknown("3", "6715f621e1eb083bfa9b56cd", None),
    ];
    insta::assert_json_snapshot!(card(&messages));
    assert_eq!(compose(&messages)[0].notices, ["1", "2", "3"], "all are posted");
    let many: Vec<NoticeMessage> =
        (0..300).map(|at| unknown(&at.to_string(), &format!("{at:024}"), Some("Mock"))).collect();
    let text = card(&many).to_string();
    assert!(text.contains("300 quizzes completed") && text.contains("and 2"), "{text}");
}
