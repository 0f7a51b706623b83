//! A dry run of one test session predicts the real run exactly, and writes nothing.

use proptest::prelude::*;
use quiz_domain::ProblemKind;
use quiz_domain::reports::{ReportFormats, ReportTable};
use quiz_domain::rows::WarehouseTable;
use quiz_etl::dry_run::{ItemCounts, ReportCounts, SessionDifference, TableRows};
use quiz_events::SessionDescription;
use quiz_pipeline::ports::{Fence, Refusal, ReportStore};

use super::common::{Answers, Attempt, BOTH, Cohort, Counted, SESSION, SyncedStore, changes};

const RIGHT: Option<i32> = Some(1);
const WRONG: Option<i32> = Some(0);

fn four() -> Cohort {
    Cohort::assessment(&[
        ("a", [RIGHT, RIGHT, RIGHT]),
        ("b", [RIGHT, RIGHT, None]),
        ("c", [RIGHT, None, None]),
        ("d", [WRONG, None, None]),
    ])
}

fn with(cohort: &Cohort, user: &str, answers: Answers) -> Cohort {
    let mut cohort = cohort.clone();
    cohort.attempts.insert(user.to_owned(), Attempt { answers, ended: true });
    cohort
}

fn reports([new, changed, unchanged, removed]: [u64; 4]) -> ReportCounts {
    ReportCounts { new, changed, unchanged, removed }
}

/// The prediction of the dry run, after a check that the real run does the same.
async fn predicted(synced: &SyncedStore, cohort: &Cohort) -> SessionDifference {
    let difference = synced.predict(cohort).await;
    let before = synced.dump().await;
    let outcome = synced.sync(cohort, None).await;
    let after = synced.dump().await;
    assert_eq!(Counted::predicted(&difference), Counted::between(&before, &after));
    let sum = |count: fn(&ItemCounts) -> u64| difference.items.iter().map(count).sum::<u64>();
    let written = (
        sum(ItemCounts::written),
        sum(|counts| counts.unchanged - counts.rewritten),
        sum(|counts| counts.deleted),
    );
    assert_eq!(written, (outcome.rows_written, outcome.unchanged, outcome.deleted));
    difference
}

#[tokio::test]
async fn first_sync_is_new_and_second_unchanged() {
    let synced = SyncedStore::new(BOTH);
    let difference = predicted(&synced, &four()).await;
    assert_eq!((difference.session_id.as_str(), difference.test_name.as_str()), (SESSION, "Sums"));
    assert_eq!((difference.participants, difference.ranked), (4, 4));
    assert_eq!(difference.reports, reports([4, 0, 0, 0]));
    let items: Vec<_> =
        difference.items.iter().map(|counts| (counts.table, counts.written(), counts.new)).collect();
    assert_eq!(items, [(ReportTable::Sections, 12, 12), (ReportTable::Students, 4, 4)]);
    let rows = [(WarehouseTable::TestResponses, 12), (WarehouseTable::QuestionResponses, 12)];
    assert_eq!(difference.rows.unwrap().unwrap(), rows.map(|(table, rows)| TableRows { table, rows }));

    let again = predicted(&synced, &four()).await;
    assert_eq!(again.reports, reports([0, 0, 4, 0]));
    assert!(again.items.iter().all(|counts| counts.new + counts.changed + counts.deleted == 0));
    assert!(again.largest.marks.is_empty() && again.largest.ranks.is_empty());
}

#[tokio::test]
async fn changed_marks_change_all_reports() {
    let synced = SyncedStore::new(ReportFormats::default());
    synced.sync(&four(), None).await;
    let difference = predicted(&synced, &with(&four(), "d", [RIGHT, RIGHT, None])).await;
    // each report holds the average
    assert_eq!(difference.reports, reports([0, 4, 0, 0]));
    let [marks] = difference.largest.marks.as_slice() else { panic!("{:?}", difference.largest) };
    assert_eq!((marks.user_id.as_str(), marks.marks_gained(), marks.ranks_gained()), ("d", 8.0, 2));
    let ranks: Vec<_> =
        difference.largest.ranks.iter().map(|change| (&*change.user_id, change.ranks_gained())).collect();
    assert_eq!(ranks, [("d", 2), ("c", -1)]);
}

#[tokio::test]
async fn changed_answer_of_equal_marks_changes_one_report() {
    let synced = SyncedStore::new(ReportFormats::default());
    synced.sync(&four(), None).await;
    let difference = predicted(&synced, &with(&four(), "d", [None, WRONG, None])).await;
    assert_eq!(difference.reports, reports([0, 1, 3, 0]));
    // both subjects change; the number of wrong answers overall stays
    assert_eq!((difference.items[0].changed, difference.items[0].unchanged), (2, 10));
    assert!(difference.largest.marks.is_empty() && difference.largest.ranks.is_empty());
}

#[tokio::test]
async fn missing_student_is_removed() {
    let synced = SyncedStore::new(BOTH);
    synced.sync(&four(), None).await;
    let mut cohort = four();
    cohort.attempts.remove("c");
    let difference = predicted(&synced, &cohort).await;
    assert_eq!(difference.reports, reports([0, 3, 0, 1]));
    assert_eq!((difference.items[0].deleted, difference.items[1].deleted), (3, 1));
    let empty = predicted(&synced, &Cohort::assessment(&[])).await;
    assert_eq!((empty.participants, empty.reports), (0, reports([0, 0, 0, 3])));
}

#[tokio::test]
async fn form_has_responses_and_no_ranks() {
    let synced = SyncedStore::new(BOTH);
    let form = |b: Answers| Cohort::form(&[("a", [Some(0), None, Some(2)]), ("b", b)]);
    assert_eq!(predicted(&synced, &form([Some(1), None, None])).await.reports, reports([2, 0, 0, 0]));
    let difference = predicted(&synced, &form([Some(2), None, None])).await;
    assert_eq!(difference.reports, reports([0, 1, 1, 0]));
    let [items] = difference.items.as_slice() else { panic!("{:?}", difference.items) };
    assert_eq!((items.table, items.changed, items.unchanged), (ReportTable::FormResponses, 1, 5));
    assert!(difference.largest.marks.is_empty() && difference.largest.ranks.is_empty());
    // a form that becomes an assessment loses its responses
    let difference = predicted(&synced, &Cohort::assessment(&[("a", [RIGHT; 3])])).await;
    assert_eq!(difference.reports, reports([0, 1, 0, 1]));
}

#[tokio::test]
async fn new_description_changes_all_items() {
    let synced = SyncedStore::new(BOTH);
    synced.sync(&four(), None).await;
    let description = SessionDescription { test_name: Some("Spring".into()), ..Default::default() };
    let difference = synced.predict_described(&four(), Some(description.clone())).await;
    assert_eq!((difference.test_name.as_str(), difference.reports), ("Spring", reports([0, 4, 0, 0])));
    let before = synced.dump().await;
    synced.sync(&four(), Some(description)).await;
    assert_eq!(Counted::predicted(&difference), Counted::between(&before, &synced.dump().await));
}

#[tokio::test]
async fn refused_item_is_a_problem_and_deleted() {
    let mut synced = SyncedStore::new(ReportFormats::default());
    synced.sync(&four(), None).await;
    synced.rewrite = true;
    synced.can_hold = |item| match item.sort_key() {
        "b#overall" => Err(Refusal { sort_key: item.sort_key().to_owned(), reason: "too large".into() }),
        _ => Ok(()),
    };
    let difference = synced.predict(&four()).await;
    assert_eq!(difference.problems.count(ProblemKind::ItemRefused), 1);
    assert_eq!(difference.reports, reports([0, 1, 3, 0]));
    assert_eq!((difference.items[0].written(), difference.items[0].deleted), (11, 1));
    let large = Cohort::form(&[("a", [RIGHT; 3]), (&"x".repeat(1_030), [RIGHT; 3])]);
    synced.can_hold = quiz_dynamo::can_hold;
    assert_eq!(synced.predict(&large).await.problems.count(ProblemKind::UserNotKeyable), 1);
}

#[tokio::test]
async fn forced_sync_rewrites_unchanged_items() {
    let mut synced = SyncedStore::new(BOTH);
    synced.sync(&four(), None).await;
    let items = |difference: &SessionDifference| -> Vec<_> {
        difference.items.iter().map(|counts| (counts.unchanged, counts.rewritten, counts.written())).collect()
    };
    assert_eq!(items(&predicted(&synced, &four()).await), [(12, 0, 0), (4, 0, 0)]);
    synced.remove_digest(ReportTable::Sections, "b#overall");
    assert_eq!(items(&predicted(&synced, &four()).await), [(12, 1, 1), (4, 0, 0)]);
    assert_eq!(items(&predicted(&synced, &four()).await), [(12, 0, 0), (4, 0, 0)]);
    synced.rewrite = true;
    assert_eq!(items(&predicted(&synced, &four()).await), [(12, 12, 12), (4, 4, 4)]);
}

#[tokio::test]
async fn other_sessions_are_ignored() {
    let synced = SyncedStore::new(BOTH);
    synced.sync(&four(), None).await;
    let others = quiz_suites::reports::items(ReportTable::Sections, "another", 30, 1);
    synced.store.put(ReportTable::Sections, others, &Fence::open()).await.unwrap();
    assert_eq!(predicted(&synced, &four()).await.reports, reports([0, 0, 4, 0]));
}

fn attempt() -> impl Strategy<Value = Attempt> {
    let answer = || prop_oneof![Just(None), (0..3).prop_map(Some)];
    let answers = [answer(), answer(), answer()];
    (answers, prop::bool::weighted(0.8)).prop_map(|(answers, ended)| Attempt { answers, ended })
}

/// The attempt of one student before and after: absent, added, removed, equal or changed.
fn student() -> impl Strategy<Value = [Option<Attempt>; 2]> {
    prop_oneof![
        attempt().prop_map(|attempt| [Some(attempt.clone()), Some(attempt)]),
        [prop::option::of(attempt()), prop::option::of(attempt())],
    ]
}

fn cohort(students: &[[Option<Attempt>; 2]], at: usize, kind: &'static str, title: &str) -> Cohort {
    let attempts = students.iter().enumerate();
    let attempts =
        attempts.filter_map(|(number, student)| Some((format!("u{number}"), student[at].clone()?)));
    Cohort { kind, title: title.to_owned(), attempts: attempts.collect() }
}

/// The quiz type before and after; a change of type is rare.
fn kinds() -> impl Strategy<Value = (&'static str, &'static str)> {
    prop_oneof![
        6 => Just(("assessment", "assessment")),
        3 => Just(("form", "form")),
        1 => Just(("form", "assessment")),
        1 => Just(("assessment", "form")),
    ]
}

fn formats() -> impl Strategy<Value = ReportFormats> {
    prop_oneof![Just((true, false)), Just((true, true)), Just((false, true))]
        .prop_map(|(v1, v2)| ReportFormats { v1, v2 })
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(64) })]

    /// Any change between two syncs of a test session.
    #[test]
    fn dry_run_predicts_the_real_run(
        students in prop::collection::vec(student(), 0..9),
        kinds in kinds(),
        renamed in prop::bool::weighted(0.1),
        formats in formats(),
    ) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let synced = SyncedStore::new(formats);
            let earlier = cohort(&students, 0, kinds.0, "Sums");
            let later = cohort(&students, 1, kinds.1, if renamed { "More sums" } else { "Sums" });
            predicted(&synced, &earlier).await;
            let before = synced.dump().await;
            let difference = predicted(&synced, &later).await;
            let after = synced.dump().await;
            assert_largest(&difference, &before, &after);
            assert_eq!(Counted::predicted(&synced.predict(&later).await), Counted::between(&after, &after));
        });
    }
}

/// Asserts that the largest changes match the stored items, five at most.
fn assert_largest(difference: &SessionDifference, before: &super::common::Dump, after: &super::common::Dump) {
    let mut by_marks = changes(before, after);
    let mut by_rank = by_marks.clone();
    by_marks.retain(|change| change.marks.old.to_bits() != change.marks.new.to_bits());
    by_marks.sort_by(|a, b| b.marks_gained().abs().total_cmp(&a.marks_gained().abs()));
    by_marks.truncate(5);
    assert_eq!(difference.largest.marks, by_marks);
    by_rank.retain(|change| change.ranks_gained() != 0);
    by_rank.sort_by_key(|change| std::cmp::Reverse(change.ranks_gained().abs()));
    by_rank.truncate(5);
    assert_eq!(difference.largest.ranks, by_rank);
}
