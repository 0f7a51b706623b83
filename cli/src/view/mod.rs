//! Renders reports, outcomes, ranks and notices as text for a terminal. Nothing here prints.

mod form;
mod notice;
mod outcome;
mod report;
mod section_items;
mod student_document;
mod text;
mod top;

pub use notice::notice;
pub use outcome::outcome;
pub use report::report;
pub use top::top_ranks;

pub(crate) use top::{Ranked, by_rank, same_rank};

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use jiff::Timestamp;
    use quiz_domain::reports::{ReportTable, Stamp, items};
    use quiz_domain::{ProblemKind, Problems, SessionResult};
    use serde_json::{Value, json};

    use quiz_events::Sink;
    use quiz_pipeline::SyncOutcome;

    use super::{outcome, report, top_ranks};
    use crate::overview::fixtures::{answers, form, quiz, sapa_test, test};

    fn stored(test: &SessionResult, table: ReportTable, user: &str) -> Vec<Value> {
        let stamp = Stamp { written_at: Timestamp::UNIX_EPOCH, generation: 1 };
        let mut items: Vec<Value> = items(test, table, stamp)
            .map(|item| serde_json::to_value(item).unwrap())
            .filter(|item| item["user_id"] == user)
            .collect();
        items.sort_by_key(|item| item[table.sort_key()].as_str().map(str::to_owned));
        items
    }

    #[test]
    fn top_ranks_of_the_sample() {
        insta::assert_snapshot!(top_ranks(&sapa_test(), 5));
    }

    #[test]
    fn top_ranks_without_ranked_participants() {
        let quiz = quiz("Mock", &[("Physics", "p1")]);
        assert_eq!(top_ranks(&test(&quiz, &[]), 5), "no participant is ranked yet");
        assert_eq!(top_ranks(&form(), 5), "a form has no ranks");
    }

    #[test]
    fn report_of_the_sample_in_v1() {
        insta::assert_snapshot!(report(&stored(&sapa_test(), ReportTable::Sections, "sapa-5"), false));
    }

    #[test]
    fn report_of_the_sample_in_v2() {
        insta::assert_snapshot!(report(&stored(&sapa_test(), ReportTable::Students, "sapa-5"), false));
    }

    #[test]
    fn older_v2_document_shows_the_maximum_of_a_chapter() {
        let documents = stored(&sapa_test(), ReportTable::Students, "sapa-5");
        let mut older = documents.clone();
        for document in &mut older {
            for chapter in document["chapter_performance"].as_array_mut().unwrap() {
                assert!(chapter.as_object_mut().unwrap().remove("max_marks_possible").is_some());
            }
        }
        assert_eq!(report(&older, false), report(&documents, false));
    }

    #[test]
    fn report_of_a_form() {
        insta::assert_snapshot!(report(&stored(&form(), ReportTable::FormResponses, "u1"), false));
    }

    #[test]
    fn unfinished_attempt_is_marked_incomplete() {
        let quiz = quiz("Mock", &[("Physics", "p1"), ("Chemistry", "c1")]);
        let test = test(&quiz, &[("u1", answers(1, 0, 2), false)]);
        insta::assert_snapshot!(report(&stored(&test, ReportTable::Sections, "u1"), false));
        assert!(report(&stored(&test, ReportTable::Students, "u1"), false).contains("incomplete"));
    }

    #[test]
    fn both_formats_show_v1_and_mention_v2() {
        let test = sapa_test();
        let mut both = stored(&test, ReportTable::Sections, "sapa-5");
        let alone = report(&both, false);
        both.extend(stored(&test, ReportTable::Students, "sapa-5"));
        let shown = report(&both, false);
        assert!(
            shown.starts_with(&alone)
                && shown.ends_with("v2 document, which the Reporting Engine shows first")
        );
    }

    #[test]
    fn older_items_show_their_valid_fields() {
        let odd =
            json!({"user_id-section": "7#overall", "section": "overall", "percentage": "high", "rank": 3.0});
        let shown = report(&[odd], false);
        assert!(shown.contains("rank") && !shown.contains("percentage"));
        assert_eq!(report(&[], false), "no report");
        assert_eq!(report(&[json!({"a": 1})], false), "no report");
    }

    fn synced() -> SyncOutcome {
        let mut problems = Problems::default();
        for _ in 0..3 {
            problems.add(ProblemKind::AnswersMissing, "session document x answers 1 of 4 questions");
        }
        SyncOutcome {
            sink: Sink::Reports,
            session_id: "SAPA_5020a0d0f1e2d3c4b5000001".into(),
            quiz_id: "5020a0d0f1e2d3c4b5000001".into(),
            test_name: "SAPA Ability Test, August 2012".into(),
            participants: 1525,
            ranked: 1524,
            rows_written: 7625,
            deleted: 5,
            messages: 1,
            generation: 1,
            started_at: Timestamp::UNIX_EPOCH,
            duration: Duration::from_millis(1340),
            problems,
            ..SyncOutcome::default()
        }
    }

    #[test]
    fn form_outcome_counts_responses() {
        let shown = outcome(&SyncOutcome { is_form: true, participants: 2, ranked: 0, ..synced() }, false);
        assert!(shown.contains("  2 responses; ") && !shown.contains("ranked"), "{shown}");
    }

    #[test]
    fn outcome_with_problems() {
        insta::assert_snapshot!(outcome(&synced(), false));
    }

    #[test]
    fn colours_do_not_change_the_text() {
        let coloured = outcome(&synced(), true);
        insta::assert_snapshot!(coloured.escape_debug().to_string());
        let mut plain = coloured;
        for code in ["0", "1", "2", "32", "33"] {
            plain = plain.replace(&format!("\u{1b}[{code}m"), "");
        }
        assert_eq!(plain, outcome(&synced(), false));
    }

    #[test]
    fn names_lose_their_control_characters() {
        let evil = "\u{1b}[2J\u{1b}]0;x\u{7}\r\u{202e}";
        let quiz = quiz(&format!("Mock{evil}"), &[(&format!("Physics{evil}"), "p1")]);
        let user = format!("u{evil}");
        let test = test(&quiz, &[(&user, answers(1, 0, 1), true)]);
        let mut line = synced();
        line.test_name = user.clone();
        let shown = [
            top_ranks(&test, 3),
            report(&stored(&test, ReportTable::Sections, &user), false),
            report(&stored(&test, ReportTable::Students, &user), false),
            outcome(&line, false),
        ];
        for text in shown {
            assert!(
                !text.chars().any(|character| character != '\n' && crate::ui::is_hidden(character)),
                "{text:?}"
            );
        }
    }
}
