//! Compares the sinks at the end with a single quiet run over the final documents.

use std::collections::HashSet;
use std::sync::Arc;

use quiz_domain::reports::ReportFormats;
use quiz_events::{SessionDescription, SessionTarget, Sink};
use quiz_local::{MemoryQueue, ParquetWarehouse, SqliteStore};
use quiz_pipeline::ports::Warehouse;
use quiz_pipeline::{ReportSink, ResultSink, SessionRequest, WarehouseSink};
use quiz_suites::contents::{Contents, items, rows};
use quiz_suites::function::SingleSync;

use crate::oracle::deployment::Deployment;
use crate::oracle::documents::quiz_id;
use crate::oracle::history::session_id;

/// The surplus and missing contents of a sink for a test session; `None` where they are as expected, or the dead-letter
/// queue holds the cause.
pub async fn fault(
    deployment: &Deployment,
    sink: Sink,
    test: usize,
    description: Option<&SessionDescription>,
    is_replayed: bool,
) -> Option<String> {
    let queue = &deployment.lane(sink).queue;
    if is_parked(queue, test, is_replayed) {
        return None;
    }
    let session = session_id(test);
    let (held, expected) = match sink {
        Sink::Reports => {
            let quiet = Arc::new(SqliteStore::open(":memory:").unwrap());
            let formats = ReportFormats { v1: true, v2: true };
            quiet_run(deployment, Arc::new(ReportSink::new(quiet.clone(), formats)), test, description).await;
            (items(&*deployment.store, &session).await, items(&*quiet, &session).await)
        }
        Sink::Warehouse => {
            let folder = tempfile::tempdir().unwrap();
            let quiet = ParquetWarehouse::new(folder.path());
            let warehouse: Arc<dyn Warehouse> = Arc::new(quiet.clone());
            quiet_run(deployment, Arc::new(WarehouseSink::new(warehouse)), test, description).await;
            let rows_of = |warehouse: &ParquetWarehouse| rows(|table| warehouse.file(table, &session));
            (rows_of(&deployment.rows), rows_of(&quiet))
        }
    };
    (held != expected).then(|| {
        let (wrong, missing) = (without(&held, &expected), without(&expected, &held));
        format!("{sink:?} of {session} hold {wrong:#?}\nand not {missing:#?}")
    })
}

fn without<'a>(all: &'a Contents, others: &Contents) -> Vec<&'a String> {
    let others: HashSet<&String> = others.values().flatten().collect();
    all.values().flatten().filter(|item| !others.contains(item)).collect()
}

/// Whether a dead letter of this test session explains its difference. A letter whose attempt was removed explains
/// nothing about the other attempts.
fn is_parked(queue: &MemoryQueue, test: usize, is_replayed: bool) -> bool {
    let session = session_id(test);
    let is_gone = |code: &String| code == "attempt_not_found";
    queue.dead_letters().iter().any(|letter| {
        letter.body.contains(&session)
            && !(is_replayed && letter.attributes.get("error_code").is_some_and(is_gone))
    })
}

async fn quiet_run(
    deployment: &Deployment,
    sink: Arc<dyn ResultSink>,
    test: usize,
    description: Option<&SessionDescription>,
) {
    let target = SessionTarget { session_id: session_id(test), quiz_id: quiz_id(test) };
    let request = SessionRequest { description: description.cloned(), ..SessionRequest::new(target) };
    let sync = SingleSync::new(deployment.documents.clone(), sink).clock(deployment.time.clone());
    sync.run(&request).await.unwrap();
}
