//! The card of a backfill, and the notice that it shows.

use quiz_discord::{Post, compose};
use quiz_events::{Backfill, NoticeKind, NoticeMessage};
use serde_json::Value;

use crate::common::{EVIL, backfill, failures, notice, notice_after};

fn started(backfill: Backfill) -> NoticeKind {
    NoticeKind::BackfillStarted(backfill)
}

fn over(backfill: Backfill) -> NoticeKind {
    NoticeKind::BackfillFinished(backfill)
}

fn embed(message: NoticeMessage) -> Value {
    let posts = compose(&[message]);
    assert_eq!(posts.len(), 1);
    posts[0].payload()["embeds"][0].clone()
}

fn title(post: &Post) -> String {
    post.payload()["embeds"][0]["title"].as_str().unwrap().to_owned()
}

#[test]
fn running_backfill_shows_its_progress() {
    let half = Backfill { retrying: 4, ..backfill(149, 0) };
    insta::assert_json_snapshot!(embed(notice("1", started(half))));
}

#[test]
fn complete_backfill_is_a_success() {
    insta::assert_json_snapshot!(embed(notice("1", over(backfill(300, 0)))));
}

#[test]
fn finished_backfill_lists_failures_and_next_step() {
    let causes = failures(3, "could not write to DynamoDB: no permission for table `student_reports`");
    insta::assert_json_snapshot!(embed(notice("1", over(Backfill { failures: causes, ..backfill(297, 3) }))));
}

#[test]
fn incomplete_backfill_is_a_warning() {
    let embed = embed(notice("1", over(Backfill { retrying: 2, ..backfill(298, 0) })));
    assert_eq!(embed["title"], "⚠️ Backfill of 300 test sessions finished");
    assert!(embed["fields"].to_string().contains("`quiz-etl status`"), "{embed}");
    assert!(!embed["fields"].to_string().contains("dlq"), "{embed}");
}

#[test]
fn bar_is_full_only_when_all_is_settled() {
    let shown = |backfill: Backfill| embed(notice("1", started(backfill)))["description"].to_string();
    assert!(shown(backfill(299, 0)).contains("▱ 99 %"));
    assert!(shown(backfill(290, 10)).contains("▰ 100 %"));
    assert!(shown(backfill(9_000, 0)).contains("▰ 100 %"), "more done than test sessions");
    assert!(!shown(Backfill { tests: 0, ..backfill(0, 0) }).contains('%'), "no test sessions");
}

#[test]
fn five_hundred_long_failures_fit_and_are_counted() {
    let causes = failures(500, &"@everyone `x` ".repeat(360));
    let embed = embed(notice("1", over(Backfill { tests: 900, failures: causes, ..backfill(400, 500) })));
    let fields = embed["fields"].as_array().unwrap();
    let listed: Vec<&str> = fields.iter().filter_map(|field| field["name"].as_str()).collect();
    assert_eq!(listed.len(), 13, "{listed:?}");
    assert_eq!((listed[2], listed[11]), ("reports session\\_0", "warehouse session\\_9"));
    let causes = fields[2..12].iter().map(|field| field["value"].as_str().unwrap());
    for cause in causes {
        assert!(cause.starts_with("\\@everyone \\`x\\`") && cause.ends_with('…'), "{cause}");
    }
    assert_eq!(listed[12], "Next step");
    let step = fields[12]["value"].as_str().unwrap();
    assert!(step.contains("490 more failures") && step.contains("`quiz-etl dlq replay …`"), "{step}");
}

#[test]
fn failures_missing_from_the_notice_are_counted() {
    let step = |failed: u64, listed: u64| {
        let backfill = Backfill { failures: failures(listed, "no answer"), ..backfill(1, failed) };
        let fields = embed(notice("1", over(backfill)))["fields"].clone();
        fields.as_array().unwrap().last().unwrap()["value"].as_str().unwrap().to_owned()
    };
    assert!(step(40, 3).contains("37 more failures"));
    assert!(step(40, 0).contains("40 more failures"));
    assert!(!step(3, 3).contains("more failure"));
    assert!(!step(10, 10).contains("more failure"));
}

#[test]
fn texts_of_operators_cannot_format_or_ping() {
    let named = Backfill { reason: Some(EVIL.into()), requested_by: Some(EVIL.repeat(20)), ..backfill(1, 0) };
    let embed = embed(notice("1", started(named)));
    let description = embed["description"].as_str().unwrap();
    assert_eq!(description.matches("\\@everyone").count(), description.matches("@everyone").count());
    assert_eq!(description.lines().count(), 5, "{description}");
    assert!(description.len() < 800, "{description}");
}

#[test]
fn newest_notice_of_an_unordered_batch_is_shown() {
    let notices = [
        notice_after(20, "late", started(backfill(120, 0))),
        notice_after(0, "first", started(backfill(0, 0))),
        notice_after(10, "second", started(backfill(60, 0))),
    ];
    let posts = compose(&notices);
    assert_eq!(posts.len(), 1);
    assert_eq!(posts[0].notices, ["first", "second", "late"]);
    assert_eq!(posts[0].update.as_ref().unwrap().id, "late");
    assert!(posts[0].payload().to_string().contains("120 of 300"));
}

#[test]
fn finished_backfill_stays_finished() {
    let with_id = |id: &str, backfill: Backfill| Backfill { backfill_id: id.into(), ..backfill };
    let posts = compose(&[
        notice_after(0, "1", over(with_id("a", backfill(300, 0)))),
        notice_after(5, "2", started(with_id("b", backfill(1, 0)))),
        notice_after(9, "3", started(with_id("a", backfill(298, 0)))),
    ]);
    assert_eq!(
        posts.iter().map(title).collect::<Vec<_>>(),
        ["✅ Backfill of 300 test sessions finished", "ℹ️ Backfill of 300 test sessions running"]
    );
    assert_eq!(posts[0].notices, ["3", "1"]);
}
