//! What a backfill's message says, and of which notice it is.

use quiz_discord::{Post, compose};
use quiz_events::{Backfill, NoticeKind, NoticeMessage};
use serde_json::Value;

use crate::common::{EVIL, backfill, failures, told, told_after};

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
fn a_running_one_shows_how_far_it_is() {
    let half = Backfill { retrying: 4, ..backfill(149, 0) };
    insta::assert_json_snapshot!(embed(told("1", started(half))));
}

#[test]
fn a_finished_one_is_good_where_all_is_done() {
    insta::assert_json_snapshot!(embed(told("1", over(backfill(300, 0)))));
}

#[test]
fn a_finished_one_lists_its_failures_and_the_next_step() {
    let causes = failures(3, "could not write to DynamoDB: no permission for table `student_reports`");
    insta::assert_json_snapshot!(embed(told("1", over(Backfill { failures: causes, ..backfill(297, 3) }))));
}

#[test]
fn a_finished_one_that_is_not_whole_asks_for_a_look() {
    let embed = embed(told("1", over(Backfill { retrying: 2, ..backfill(298, 0) })));
    assert_eq!(embed["title"], "⚠️ Backfill of 300 tests finished");
    assert!(embed["fields"].to_string().contains("`quiz-etl status`"), "{embed}");
    assert!(!embed["fields"].to_string().contains("dlq"), "{embed}");
}

#[test]
fn the_bar_is_full_only_when_all_is_settled() {
    let shown = |backfill: Backfill| embed(told("1", started(backfill)))["description"].to_string();
    assert!(shown(backfill(299, 0)).contains("▱ 99 %"));
    assert!(shown(backfill(290, 10)).contains("▰ 100 %"));
    assert!(shown(backfill(9_000, 0)).contains("▰ 100 %"), "more than there were");
    assert!(!shown(Backfill { tests: 0, ..backfill(0, 0) }).contains('%'), "of none");
}

#[test]
fn five_hundred_failures_with_long_causes_fit_and_are_counted() {
    let causes = failures(500, &"@everyone `x` ".repeat(360));
    let embed = embed(told("1", over(Backfill { tests: 900, failures: causes, ..backfill(400, 500) })));
    let fields = embed["fields"].as_array().unwrap();
    let listed: Vec<&str> = fields.iter().filter_map(|it| it["name"].as_str()).collect();
    assert_eq!(listed.len(), 13, "{listed:?}");
    assert_eq!((listed[2], listed[11]), ("reports session\\_0", "warehouse session\\_9"));
    let causes = fields[2..12].iter().map(|it| it["value"].as_str().unwrap());
    for cause in causes {
        assert!(cause.starts_with("\\@everyone \\`x\\`") && cause.ends_with('…'), "{cause}");
    }
    assert_eq!(listed[12], "What to do");
    let next = fields[12]["value"].as_str().unwrap();
    assert!(next.contains("490 more failures") && next.contains("`quiz-etl dlq replay …`"), "{next}");
}

#[test]
fn failures_that_the_notice_does_not_list_are_counted_too() {
    let next = |failed: u64, listed: u64| {
        let backfill = Backfill { failures: failures(listed, "no answer"), ..backfill(1, failed) };
        let fields = embed(told("1", over(backfill)))["fields"].clone();
        fields.as_array().unwrap().last().unwrap()["value"].as_str().unwrap().to_owned()
    };
    assert!(next(40, 3).contains("37 more failures"));
    assert!(next(40, 0).contains("40 more failures"));
    assert!(!next(3, 3).contains("more failure"));
    assert!(!next(10, 10).contains("more failure"));
}

#[test]
fn what_operators_wrote_can_neither_format_nor_ping() {
    let named = Backfill { reason: Some(EVIL.into()), requested_by: Some(EVIL.repeat(20)), ..backfill(1, 0) };
    let embed = embed(told("1", started(named)));
    let description = embed["description"].as_str().unwrap();
    assert_eq!(description.matches("\\@everyone").count(), description.matches("@everyone").count());
    assert_eq!(description.lines().count(), 5, "{description}");
    assert!(description.len() < 800, "{description}");
}

#[test]
fn of_a_batch_in_any_order_the_newest_notice_is_shown_and_all_are_told() {
    let notices = [
        told_after(20, "late", started(backfill(120, 0))),
        told_after(0, "first", started(backfill(0, 0))),
        told_after(10, "second", started(backfill(60, 0))),
    ];
    let posts = compose(&notices);
    assert_eq!(posts.len(), 1);
    assert_eq!(posts[0].notices, ["first", "second", "late"]);
    assert_eq!(posts[0].update.as_ref().unwrap().id, "late");
    assert!(posts[0].payload().to_string().contains("120 of 300"));
}

#[test]
fn that_it_is_over_counts_whatever_comes_after() {
    let of = |id: &str, backfill: Backfill| Backfill { backfill_id: id.into(), ..backfill };
    let posts = compose(&[
        told_after(0, "1", over(of("a", backfill(300, 0)))),
        told_after(5, "2", started(of("b", backfill(1, 0)))),
        told_after(9, "3", started(of("a", backfill(298, 0)))),
    ]);
    assert_eq!(
        posts.iter().map(title).collect::<Vec<_>>(),
        ["✅ Backfill of 300 tests finished", "ℹ️ Backfill of 300 tests running"]
    );
    assert_eq!(posts[0].notices, ["3", "1"]);
}
