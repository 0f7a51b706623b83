//! The Parquet files.

use std::os::unix::fs::PermissionsExt;

use async_trait::async_trait;
use quiz_domain::rows::WarehouseTable;
use quiz_local::ParquetWarehouse;
use quiz_pipeline::ports::{Warehouse, WarehouseError};
use quiz_suites::parquet::read_parquet;
use quiz_suites::warehouse::{Rows, Sample, warehouse, write};
use serde_json::{Map, Value};
use tempfile::TempDir;

struct Files(ParquetWarehouse);

#[async_trait]
impl Rows for Files {
    async fn rows(&self, table: WarehouseTable, session_id: &str) -> Vec<Map<String, Value>> {
        let path = self.0.file(table, session_id);
        if !path.exists() {
            return Vec::new();
        }
        read_parquet(&path)
    }
}

#[tokio::test]
async fn parquet_folder_is_a_warehouse() {
    let folder = TempDir::new().unwrap();
    let files = ParquetWarehouse::new(folder.path().join("warehouse"));
    warehouse(&files, &Files(files.clone()), "suite").await;
}

#[tokio::test]
async fn same_session_gives_same_readable_bytes() {
    let folder = TempDir::new().unwrap();
    let files = ParquetWarehouse::new(folder.path());
    let mut contents = Vec::new();
    for _ in 0..2 {
        write(&files, &[Sample::scored("s", 0..50)]).await;
        let path = files.file(WarehouseTable::QuestionResponses, "s");
        contents.push(std::fs::read(&path).unwrap());
        let mode = std::fs::metadata(&path).unwrap().permissions().mode();
        let like = folder.path().join("like");
        std::fs::write(&like, "").unwrap();
        assert_eq!(mode, std::fs::metadata(&like).unwrap().permissions().mode());
    }
    assert!(contents[0] == contents[1]);
}

#[tokio::test]
async fn unwritable_folder_error_names_the_session() {
    let folder = TempDir::new().unwrap();
    let file = folder.path().join("a file");
    std::fs::write(&file, "").unwrap();
    let batch = ParquetWarehouse::new(&file).begin().unwrap();
    let test = Sample::scored("s", 0..1).stage(&*batch).await;
    let error = batch.replace(&[test]).await.remove(0).unwrap_err();
    assert!(matches!(error, WarehouseError::Unavailable { .. }));
    let message = error.to_string();
    assert!(message.starts_with("could not write the rows of session s: "), "{message}");
}

#[tokio::test]
async fn file_of_earlier_release_is_replaced() {
    let folder = TempDir::new().unwrap();
    let files = ParquetWarehouse::new(folder.path());
    let table = WarehouseTable::QuestionResponses;
    let former = folder.path().join(table.name()).join("Group_A.parquet");
    std::fs::create_dir_all(former.parent().unwrap()).unwrap();
    std::fs::write(&former, "rows of an earlier release").unwrap();
    write(&files, &[Sample::scored("Group_A", 0..2)]).await;
    assert_ne!(files.file(table, "Group_A"), former);
    let left = std::fs::read_dir(former.parent().unwrap()).unwrap();
    let left: Vec<_> = left.map(|entry| entry.unwrap().path()).collect();
    assert_eq!(left, [files.file(table, "Group_A")]);
}
