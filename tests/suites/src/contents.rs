//! The contents of sinks for a test session, without the times and generations of their writes, so that two sinks with
//! the same results compare as equal.

use std::collections::BTreeMap;
use std::path::PathBuf;

use quiz_domain::reports::ReportTable;
use quiz_domain::rows::WarehouseTable;
use quiz_pipeline::ports::ReportReader;
use serde_json::{Map, Value};

use crate::parquet::read_parquet;
use crate::store::session_items;

/// Items or rows, as JSON, by table.
pub type Contents = BTreeMap<String, Vec<String>>;

pub async fn items(store: &dyn ReportReader, session_id: &str) -> Contents {
    let mut contents = Contents::new();
    for table in ReportTable::ALL {
        let items = session_items(store, table, session_id).await;
        let items = items.into_iter().map(|item| match item {
            Value::Object(item) => unstamped(item),
            other => panic!("no item: {other}"),
        });
        contents.insert(table.default_name().to_owned(), items.collect());
    }
    contents
}

/// `file` names the Parquet file of a table, which may be missing.
pub fn rows(file: impl Fn(WarehouseTable) -> PathBuf) -> Contents {
    let mut contents = Contents::new();
    for table in WarehouseTable::ALL {
        let path = file(table);
        let rows = if path.exists() { read_parquet(&path) } else { Vec::new() };
        let mut rows: Vec<String> = rows.into_iter().map(unstamped).collect();
        rows.sort();
        contents.insert(table.name().to_owned(), rows);
    }
    contents
}

fn unstamped(mut item: Map<String, Value>) -> String {
    for stamp in ["inserted_at_timestamp", "inserted_at", "sync_generation"] {
        item.remove(stamp);
    }
    Value::Object(item).to_string()
}
