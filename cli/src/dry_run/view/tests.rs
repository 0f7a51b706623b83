use quiz_domain::reports::ReportTable;
use quiz_domain::rows::WarehouseTable;
use quiz_domain::{ProblemKind, Problems};
use quiz_events::SessionTarget;

use super::{difference, failure, summary};
use crate::dry_run::changes::{Change, LargestChanges, OldAndNew};
use crate::dry_run::difference::{ItemCounts, ReportCounts, TableRows, TestDifference};
use crate::dry_run::failure::Failure;
use crate::dry_run::tried::{FailedTest, Tried};
use crate::ui::{Ink, is_hidden};

const PLAIN: Ink = Ink { colour: false };

fn change(user: &str, (old, new): (f64, f64), rank: (Option<u32>, Option<u32>)) -> Change {
    let rank = OldAndNew { old: rank.0, new: rank.1 };
    Change { user_id: user.to_owned(), marks: OldAndNew { old, new }, rank }
}

fn test() -> TestDifference {
    let mut problems = Problems::default();
    problems.add(ProblemKind::AnswersMissing, "session document x answers 1 of 4 questions");
    let risen = change("20231234", (33.0, 36.5), (Some(1_120), Some(88)));
    let fallen = change("20239999", (12.0, 11.0), (Some(1_400), Some(1_401)));
    let ended = change("20230001", (8.0, 9.0), (None, Some(1_500)));
    let passed = change("20237777", (20.0, 20.0), (Some(90), Some(91)));
    TestDifference {
        session_id: "SAPA_5020a0d0f1e2d3c4b5000001".into(),
        quiz_id: "5020a0d0f1e2d3c4b5000001".into(),
        test_name: "SAPA Ability Test".into(),
        participants: 1_525,
        is_form: false,
        ranked: 1_520,
        reports: ReportCounts { new: 3, changed: 40, unchanged: 1_482, removed: 1 },
        items: vec![
            ItemCounts {
                table: ReportTable::Sections,
                new: 15,
                changed: 80,
                unchanged: 7_530,
                rewritten: 0,
                deleted: 5,
            },
            ItemCounts {
                table: ReportTable::Students,
                new: 3,
                changed: 40,
                unchanged: 1_482,
                rewritten: 7,
                deleted: 1,
            },
        ],
        largest: LargestChanges {
            marks: vec![risen.clone(), ended, fallen.clone()],
            ranks: vec![risen, fallen, passed],
        },
        rows: Some(Ok(vec![
            TableRows { table: WarehouseTable::TestResponses, rows: 7_625 },
            TableRows { table: WarehouseTable::QuestionResponses, rows: 24_400 },
        ])),
        problems,
    }
}

fn refused() -> Failure {
    Failure {
        code: "rows_refused",
        error: "session early: the start date is none".into(),
        next_step: "mend the test's dates, then try again",
    }
}

fn tried() -> Tried {
    let early = TestDifference {
        session_id: "early".into(),
        participants: 0,
        rows: Some(Err(refused())),
        reports: ReportCounts::default(),
        items: Vec::new(),
        largest: LargestChanges::default(),
        problems: Problems::default(),
        ..test()
    };
    let target = |session: &str| SessionTarget { session_id: session.into(), quiz_id: "q".into() };
    let absent = Failure {
        code: "unknown_quiz",
        error: "there is no quiz q (asked for by session absent)".into(),
        next_step: "check the ids",
    };
    Tried {
        tests: vec![test(), early],
        failed: vec![
            FailedTest { target: target("early"), rows_only: true, failure: refused() },
            FailedTest { target: target("absent"), rows_only: false, failure: absent },
        ],
        left: 2,
    }
}

#[test]
fn tests_and_what_they_come_to() {
    let tried = tried();
    let mut shown: Vec<String> = tried.tests.iter().map(|test| difference(test, PLAIN)).collect();
    shown.push(summary(&tried, PLAIN));
    shown.extend(tried.failed.iter().map(|failed| format!("error: {}", failure(failed))));
    insta::assert_snapshot!(shown.join("\n"));
}

#[test]
fn colours_change_nothing_but_colours() {
    let mut plain = difference(&test(), Ink { colour: true });
    plain.push_str(&summary(&tried(), Ink { colour: true }));
    for code in ["0", "1", "2", "31", "32", "33"] {
        plain = plain.replace(&format!("\u{1b}[{code}m"), "");
    }
    assert_eq!(plain, difference(&test(), PLAIN) + &summary(&tried(), PLAIN));
}

#[test]
fn a_terminal_obeys_no_name() {
    let evil = "\u{1b}[2J\u{7}\r\u{202e}";
    let mut test = test();
    test.test_name.push_str(evil);
    test.session_id.push_str(evil);
    test.largest.marks[0].user_id.push_str(evil);
    test.rows = Some(Err(Failure { error: evil.to_owned(), ..refused() }));
    test.problems.add(ProblemKind::UserNotKeyable, evil);
    let text = difference(&test, PLAIN);
    assert!(!text.chars().any(|it| it != '\n' && is_hidden(it)), "{text:?}");
}
