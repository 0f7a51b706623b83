//! `quiz-etl local` on a dump of several quizzes writes the same items as the deployed Lambda for the same documents in
//! MongoDB.

use quiz_domain::reports::ReportTable;
use quiz_e2e::{Pipeline, comparable, quizzes, run_local};
use quiz_local::SqliteStore;
use quiz_stack::Delivery;
use quiz_suites::store::session_items;

#[tokio::test]
async fn embedded_and_deployed_pipelines_write_same_items() {
    let documents = quizzes::documents();
    let folder = run_local(&documents, true);
    let out = folder.path().join("out");

    let pipeline = Pipeline::deploy(&documents, Delivery::Envelope).await;
    let ids: Vec<String> =
        documents.quizzes.iter().map(|quiz| quiz.get_str("_id").unwrap().to_owned()).collect();
    pipeline.publish_and_wait(&ids).await;

    let store = SqliteStore::open_existing(out.join("reports.db")).unwrap();
    let mut compared = 0;
    for id in &ids {
        for (table, name) in [
            (ReportTable::Sections, &pipeline.v1),
            (ReportTable::Students, &pipeline.v2),
            (ReportTable::FormResponses, &pipeline.forms),
        ] {
            let local = session_items(&store, table, id).await;
            let lambda = pipeline.session_items(name, id).await;
            let [local, lambda] =
                [local, lambda].map(|items| items.into_iter().map(comparable).collect::<Vec<_>>());
            assert_eq!(local, lambda, "{name} of quiz {id}");
            compared += local.len();
        }
    }
    assert_eq!(compared, 8 * 12 + 5 * 12 * 2 + 5 * 12);
}
