use std::collections::BTreeMap;
use std::time::Duration;

use quiz_sns_sqs::SqsError;
use quiz_sns_sqs::dead_letters::{Act, ActError, Acted, Content, DeadLetter};

use super::{list, outcome, plan, whole};
use crate::dead_letters::carry_out::Outcome;
use crate::dead_letters::fixtures::{letter, now, queue};
use crate::dead_letters::plan::Plan;
use crate::ui::Ink;

const INK: Ink = Ink { colour: false };

fn letters() -> Vec<DeadLetter> {
    let mut letters: Vec<DeadLetter> =
        (0..5_000).map(|at| letter(&format!("{at:08x}"), "reports-dlq", "unknown_quiz", 60 + at)).collect();
    let mut several = letter("ab\u{1b}[2J", "reports-dlq", "lease_lost", 90_000);
    several.session_ids.extend(["A".to_owned(), "B".to_owned()]);
    let alarm = DeadLetter {
        event_type: Some("alarm".into()),
        session_ids: Vec::new(),
        parked_at: None,
        ..letter("ff", "notices-dlq", "discord_refused", 5)
    };
    letters.extend([several, alarm]);
    letters
}

#[test]
fn thousands_of_messages_are_read_at_a_glance() {
    insta::assert_snapshot!(list(&letters(), 5, now(), INK));
}

#[test]
fn one_message_is_shown_with_all_that_is_known_of_it() {
    let letter =
        DeadLetter { sent_at: Some(now()), ..letter("1f2e3d4c", "reports-dlq", "invalid_field", 7_300) };
    let body = r#"{"Type":"Notification","TopicArn":"t","Message":"{\"session_id\":\"A\",\"x\":[1]}"}"#;
    let attributes = BTreeMap::from([("type".to_owned(), "session.sync".to_owned())]);
    let content = Content { attributes, body: body.to_owned() };
    let queue = queue("reports");
    insta::assert_snapshot!(whole(&letter, &content, Some(&queue), false, now(), INK));
    let raw = whole(&letter, &content, Some(&queue), true, now(), INK);
    assert!(raw.contains(&format!("    {body}\n")), "{raw}");
    let hostile = Content { body: "a\u{1b}[2J\nb".into(), ..content };
    assert!(whole(&letter, &hostile, None, false, now(), INK).contains("    a\u{fffd}[2J\n    b\n"));
}

#[test]
fn a_plan_and_what_became_of_it_are_told() {
    let mut shared = queue("reports");
    shared.sources.extend(queue("warehouse").sources);
    let queues = [shared, queue("notices")];
    let mut letters = letters();
    letters.drain(10..5_000);
    let mut given_up = letter("77", "reports-dlq", "receives_exhausted", 10);
    given_up.source_arn = Some(queues[0].sources[0].arn.clone());
    letters.push(given_up);
    let plan_of_all = Plan::new(Act::Replay, &queues, letters);
    let part = |at: usize| &plan_of_all.parts[at];
    let denied = SqsError::Failed { queue: "reports".into(), answer: "AccessDenied".into() };
    let failed = Acted { failed: vec![("77".into(), ActError::NotSent(denied))], ..Acted::default() };
    let ended = |acted: Acted, other: Acted, is_interrupted| Outcome {
        parts: vec![(part(0), acted), (part(1), other)],
        time: Duration::from_millis(1_234),
        is_interrupted,
    };
    let whole = Acted { done: vec!["ff".into()], ..Acted::default() };
    let late = Acted { remaining: 1, ..Acted::default() };
    let gone = Acted { not_found: vec!["77".into()], ..Acted::default() };
    let told = [
        plan(&plan_of_all, now(), INK),
        outcome(&plan_of_all, &ended(failed, whole.clone(), false), INK),
        outcome(&plan_of_all, &ended(gone, late, true), INK),
        outcome(
            &Plan::new(Act::Drop, &queues, vec![letter("ff", "notices-dlq", "x", 1)]),
            &ended(Acted::default(), whole, false),
            INK,
        ),
    ];
    insta::assert_snapshot!(told.join("\n\n"));
}
