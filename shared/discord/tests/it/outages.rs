//! The cards of an outage, and the notices that they show.

use quiz_discord::compose;
use quiz_events::{NoticeKind, NoticeMessage, Outage, OutageOver, Sink};
use serde_json::Value;

use crate::common::{EVIL, notice, notice_after, outage, outage_over};

fn open(outage: Outage) -> NoticeKind {
    NoticeKind::OutageOpen(outage)
}

fn over(over: OutageOver) -> NoticeKind {
    NoticeKind::OutageOver(over)
}

fn embed(message: NoticeMessage) -> Value {
    let posts = compose(&[message]);
    assert_eq!(posts.len(), 1);
    posts[0].payload()["embeds"][0].clone()
}

#[test]
fn open_outage_shows_counts_and_next_step() {
    insta::assert_json_snapshot!(embed(notice("1", open(outage(12, 3)))));
}

#[test]
fn recovered_service_with_late_sessions_is_a_warning() {
    let recovered = Outage { worked_at: Some(crate::common::at()), ..outage(1, 0) };
    let embed = embed(notice("1", open(recovered)));
    assert_eq!(embed["title"], "⚠️ MongoDB works again: 1 test session still late");
}

#[test]
fn ended_outage_shows_its_duration() {
    insta::assert_json_snapshot!(embed(notice("1", over(outage_over(15)))));
    assert!(
        embed(notice("1", over(outage_over(1)))).to_string().contains("1 test session waited and is synced")
    );
}

#[test]
fn unknown_service_is_plain_text_with_the_whole_doctor() {
    let strange = Outage { dependency: EVIL.into(), sinks: vec![Sink::Warehouse], ..outage(1, 0) };
    let embed = embed(notice("1", open(strange))).to_string();
    assert!(embed.contains("`quiz-etl doctor` shows"), "{embed}");
    assert!(embed.contains("The rows in BigQuery of these test sessions are late"), "{embed}");
    assert!(!embed.contains(" @everyone"), "{embed}");
}

#[test]
fn batch_of_two_outages_is_four_messages_in_order() {
    let dynamodb = || Outage { dependency: "DynamoDB".into(), ..outage(9, 0) };
    let posts = compose(&[
        notice_after(1_800, "over", over(outage_over(12))),
        notice_after(900, "second", open(outage(12, 0))),
        notice_after(0, "first", open(outage(5, 0))),
        notice_after(0, "other", open(dynamodb())),
        notice_after(7_200, "next", open(outage(1, 0))),
        notice_after(2_700, "over again", over(outage_over(12))),
    ]);
    let posted: Vec<Vec<&str>> =
        posts.iter().map(|post| post.notices.iter().map(String::as_str).collect()).collect();
    let expected = [&["first", "second"][..], &["over", "over again"], &["next"], &["other"]];
    assert_eq!(posted, expected);
}
