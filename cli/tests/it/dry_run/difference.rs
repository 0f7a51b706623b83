//! What a dry run tells of one test is what the real run then does, and it writes nothing.

use proptest::prelude::*;
use quiz_domain::ProblemKind;
use quiz_domain::reports::{ReportFormats, ReportTable};
use quiz_domain::rows::WarehouseTable;
use quiz_etl::dry_run::{ItemCounts, ReportCounts, TableRows, TestDifference};
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

/// What the dry run tells, once the real run has been seen to do just that.
async fn predicted(synced: &SyncedStore, cohort: &Cohort) -> TestDifference {
    let told = synced.predict(cohort).await;
    let before = synced.dump().await;
    let outcome = synced.sync(cohort, None).await;
    let after = synced.dump().await;
    assert_eq!(Counted::told(&told), Counted::between(&before, &after));
    let sum = |count: fn(&ItemCounts) -> u64| told.items.iter().map(count).sum::<u64>();
    let written = (sum(ItemCounts::written), sum(|it| it.unchanged - it.rewritten), sum(|it| it.deleted));
    assert_eq!(written, (outcome.rows_written, outcome.unchanged, outcome.deleted));
    told
}

#[tokio::test]
async fn in_a_fresh_store_all_is_new_and_once_synced_nothing_changes() {
    let synced = SyncedStore::new(BOTH);
    let told = predicted(&synced, &four()).await;
    assert_eq!((told.session_id.as_str(), told.test_name.as_str()), (SESSION, "Sums"));
    assert_eq!((told.participants, told.ranked), (4, 4));
    assert_eq!(told.reports, reports([4, 0, 0, 0]));
    let items: Vec<_> = told.items.iter().map(|it| (it.table, it.written(), it.new)).collect();
    assert_eq!(items, [(ReportTable::Sections, 12, 12), (ReportTable::Students, 4, 4)]);
    let rows = [(WarehouseTable::TestResponses, 12), (WarehouseTable::QuestionResponses, 12)];
    assert_eq!(told.rows.unwrap().unwrap(), rows.map(|(table, rows)| TableRows { table, rows }));

    let again = predicted(&synced, &four()).await;
    assert_eq!(again.reports, reports([0, 0, 4, 0]));
    assert!(again.items.iter().all(|it| it.new + it.changed + it.deleted == 0));
    assert!(again.largest.marks.is_empty() && again.largest.ranks.is_empty());
}

#[tokio::test]
async fn one_students_marks_change_everyones_report_and_the_largest_changes_are_named() {
    let synced = SyncedStore::new(ReportFormats::default());
    synced.sync(&four(), None).await;
    let told = predicted(&synced, &with(&four(), "d", [RIGHT, RIGHT, None])).await;
    // the average is in all reports
    assert_eq!(told.reports, reports([0, 4, 0, 0]));
    let [marks] = told.largest.marks.as_slice() else { panic!("{:?}", told.largest) };
    assert_eq!((marks.user_id.as_str(), marks.marks_gained(), marks.ranks_gained()), ("d", 8.0, 2));
    let ranks: Vec<_> = told.largest.ranks.iter().map(|it| (&*it.user_id, it.ranks_gained())).collect();
    assert_eq!(ranks, [("d", 2), ("c", -1)]);
}

#[tokio::test]
async fn an_answer_that_changes_no_marks_changes_one_report() {
    let synced = SyncedStore::new(ReportFormats::default());
    synced.sync(&four(), None).await;
    let told = predicted(&synced, &with(&four(), "d", [None, WRONG, None])).await;
    assert_eq!(told.reports, reports([0, 1, 3, 0]));
    // both subjects, while the whole test has as many wrong answers as before
    assert_eq!((told.items[0].changed, told.items[0].unchanged), (2, 10));
    assert!(told.largest.marks.is_empty() && told.largest.ranks.is_empty());
}

#[tokio::test]
async fn a_student_who_is_gone_is_removed() {
    let synced = SyncedStore::new(BOTH);
    synced.sync(&four(), None).await;
    let mut cohort = four();
    cohort.attempts.remove("c");
    let told = predicted(&synced, &cohort).await;
    assert_eq!(told.reports, reports([0, 3, 0, 1]));
    assert_eq!((told.items[0].deleted, told.items[1].deleted), (3, 1));
    let nobody = predicted(&synced, &Cohort::assessment(&[])).await;
    assert_eq!((nobody.participants, nobody.reports), (0, reports([0, 0, 0, 3])));
}

#[tokio::test]
async fn a_form_has_responses_and_no_ranks() {
    let synced = SyncedStore::new(BOTH);
    let form = |b: Answers| Cohort::form(&[("a", [Some(0), None, Some(2)]), ("b", b)]);
    assert_eq!(predicted(&synced, &form([Some(1), None, None])).await.reports, reports([2, 0, 0, 0]));
    let told = predicted(&synced, &form([Some(2), None, None])).await;
    assert_eq!(told.reports, reports([0, 1, 1, 0]));
    let [items] = told.items.as_slice() else { panic!("{:?}", told.items) };
    assert_eq!((items.table, items.changed, items.unchanged), (ReportTable::FormResponses, 1, 5));
    assert!(told.largest.marks.is_empty() && told.largest.ranks.is_empty());
    // a quiz that was a form leaves no responses behind
    let told = predicted(&synced, &Cohort::assessment(&[("a", [RIGHT; 3])])).await;
    assert_eq!(told.reports, reports([0, 1, 0, 1]));
}

#[tokio::test]
async fn a_new_description_changes_all_items() {
    let synced = SyncedStore::new(BOTH);
    synced.sync(&four(), None).await;
    let description = SessionDescription { test_name: Some("Spring".into()), ..Default::default() };
    let told = synced.predict_of(&four(), Some(description.clone())).await;
    assert_eq!((told.test_name.as_str(), told.reports), ("Spring", reports([0, 4, 0, 0])));
    let before = synced.dump().await;
    synced.sync(&four(), Some(description)).await;
    assert_eq!(Counted::told(&told), Counted::between(&before, &synced.dump().await));
}

#[tokio::test]
async fn what_the_store_would_refuse_is_a_problem_and_its_old_item_would_be_deleted() {
    let mut synced = SyncedStore::new(ReportFormats::default());
    synced.sync(&four(), None).await;
    synced.rewrite = true;
    synced.can_hold = |item| match item.sort_key() {
        "b#overall" => Err(Refusal { sort_key: item.sort_key().to_owned(), reason: "too large".into() }),
        _ => Ok(()),
    };
    let told = synced.predict(&four()).await;
    assert_eq!(told.problems.count(ProblemKind::ItemRefused), 1);
    assert_eq!(told.reports, reports([0, 1, 3, 0]));
    assert_eq!((told.items[0].written(), told.items[0].deleted), (11, 1));
    let large = Cohort::form(&[("a", [RIGHT; 3]), (&"x".repeat(1_030), [RIGHT; 3])]);
    synced.can_hold = quiz_dynamo::can_hold;
    assert_eq!(synced.predict(&large).await.problems.count(ProblemKind::UserNotKeyable), 1);
}

#[tokio::test]
async fn what_is_unchanged_is_written_by_a_forced_run_and_where_the_stored_item_has_no_digest() {
    let mut synced = SyncedStore::new(BOTH);
    synced.sync(&four(), None).await;
    let items = |told: &TestDifference| -> Vec<_> {
        told.items.iter().map(|it| (it.unchanged, it.rewritten, it.written())).collect()
    };
    assert_eq!(items(&predicted(&synced, &four()).await), [(12, 0, 0), (4, 0, 0)]);
    synced.without_digest(ReportTable::Sections, "b#overall");
    assert_eq!(items(&predicted(&synced, &four()).await), [(12, 1, 1), (4, 0, 0)]);
    assert_eq!(items(&predicted(&synced, &four()).await), [(12, 0, 0), (4, 0, 0)]);
    synced.rewrite = true;
    assert_eq!(items(&predicted(&synced, &four()).await), [(12, 12, 12), (4, 4, 4)]);
}

#[tokio::test]
async fn other_sessions_do_not_matter() {
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

/// A student before and after: never there, there once, there twice and the same, or changed.
fn student() -> impl Strategy<Value = [Option<Attempt>; 2]> {
    prop_oneof![
        attempt().prop_map(|it| [Some(it.clone()), Some(it)]),
        [prop::option::of(attempt()), prop::option::of(attempt())],
    ]
}

fn cohort(students: &[[Option<Attempt>; 2]], at: usize, kind: &'static str, title: &str) -> Cohort {
    let attempts = students.iter().enumerate();
    let attempts = attempts.filter_map(|(number, it)| Some((format!("u{number}"), it[at].clone()?)));
    Cohort { kind, title: title.to_owned(), attempts: attempts.collect() }
}

/// What the test is before and after: a form that becomes an assessment is rare.
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

    /// Whatever changes between two syncs of a test.
    #[test]
    fn a_dry_run_tells_what_the_real_run_then_does(
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
            let told = predicted(&synced, &later).await;
            let after = synced.dump().await;
            assert_largest(&told, &before, &after);
            assert_eq!(Counted::told(&synced.predict(&later).await), Counted::between(&after, &after));
        });
    }
}

/// The largest changes of marks and ranks are those of the stores' items, five at most.
fn assert_largest(told: &TestDifference, before: &super::common::Dump, after: &super::common::Dump) {
    let mut by_marks = changes(before, after);
    let mut by_rank = by_marks.clone();
    by_marks.retain(|it| it.marks.old.to_bits() != it.marks.new.to_bits());
    by_marks.sort_by(|a, b| b.marks_gained().abs().total_cmp(&a.marks_gained().abs()));
    by_marks.truncate(5);
    assert_eq!(told.largest.marks, by_marks);
    by_rank.retain(|it| it.ranks_gained() != 0);
    by_rank.sort_by_key(|it| std::cmp::Reverse(it.ranks_gained().abs()));
    by_rank.truncate(5);
    assert_eq!(told.largest.ranks, by_rank);
}
