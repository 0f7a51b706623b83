//! Repeated syncs of a test session: each sync writes the changed items only.

use std::sync::Arc;

use proptest::prelude::*;
use quiz_domain::reports::ReportFormats;
use quiz_local::SqliteStore;
use quiz_suites::store::Reports;
use quiz_suites::unchanged::{Student, Sync, ranked, unchanged_items};

fn store() -> Arc<dyn Reports> {
    Arc::new(SqliteStore::open(":memory:").unwrap())
}

#[tokio::test]
async fn unchanged_items_are_not_written() {
    unchanged_items(store(), "suite").await;
}

/// One run of a history, on a test session that an earlier history may have written.
#[derive(Clone, Debug)]
struct Step {
    students: Vec<Student>,
    is_form: bool,
    renamed: bool,
    formats: ReportFormats,
    rewrite: bool,
    /// The run stops after this many items.
    crash: Option<usize>,
}

fn students() -> impl Strategy<Value = Vec<Student>> {
    let answer = || prop_oneof![Just(None), (0..3).prop_map(Some)];
    let student = (prop::bool::weighted(0.8), [answer(), answer(), answer()], prop::bool::weighted(0.8));
    prop::collection::vec(student, 8).prop_map(|students| {
        let taken = (0..).zip(students).filter(|(_, (took, ..))| *took);
        taken.map(|(number, (_, answers, ended))| Student { number, answers, ended }).collect()
    })
}

fn step() -> impl Strategy<Value = Step> {
    let formats = prop_oneof![Just((true, false)), Just((true, true)), Just((false, true))];
    let formats = formats.prop_map(|(v1, v2)| ReportFormats { v1, v2 });
    let crash = prop_oneof![2 => Just(None), 1 => (0_usize..30).prop_map(Some)];
    let flags = [0.3, 0.1, 0.1].map(prop::bool::weighted);
    (students(), flags, formats, crash).prop_map(|(students, [is_form, renamed, rewrite], formats, crash)| {
        Step { students, is_form, renamed, formats, rewrite, crash }
    })
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(256) })]

    #[test]
    fn sync_after_any_history_equals_full_write(
        steps in prop::collection::vec(step(), 1..6),
        again in prop::collection::vec(0_usize..6, 0..4),
    ) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let store = store();
            // repeat the steps, so that earlier results return
            let again = again.into_iter().filter_map(|at| steps.get(at)).cloned();
            let history: Vec<Step> = steps.iter().cloned().chain(again).collect();
            for (generation, step) in (1..).zip(&history) {
                let Step { formats, rewrite, .. } = *step;
                let title = if step.renamed { "More sums" } else { "Sums" };
                let test = ranked("s", step.is_form, title, &step.students);
                let sync = Sync { formats, rewrite, ..Sync::of(generation) };
                match step.crash {
                    Some(after) => sync.crash(&store, &test, after).await,
                    None => drop(sync.run_and_check(&store, &test).await),
                }
            }
            let last = history.last().unwrap();
            let test = ranked("s", last.is_form, "Sums", &last.students);
            let sync = Sync { formats: last.formats, ..Sync::of(100) };
            sync.run_and_check(&store, &test).await;
            let again = Sync { generation: 101, ..sync }.run_and_check(&store, &test).await;
            assert_eq!((again.written, again.deleted), (0, 0), "running it again changes nothing");
        });
    }
}
