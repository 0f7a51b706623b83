//! What an update of the stack may not change: CloudFormation replaces a table, a queue or a topic by an empty one if its
//! name changes, and a table also if its key changes.

use aws_sdk_dynamodb::types::KeySchemaElement;
use quiz_e2e::{binaries, deployment_options};
use quiz_stack::{Deployment, Stack, unique};

/// The tables: the name in the template, the end of the name in AWS, and the attributes of the key.
const TABLES: [(&str, &str, &[&str]); 6] = [
    ("ReportsTable", "student_quiz_reports", &["session_id", "user_id-section"]),
    ("ReportsV2Table", "student_quiz_reports_v2", &["session_id", "user_id"]),
    ("FormResponsesTable", "form_question_responses", &["session_id", "user_id-question_position_index"]),
    ("SyncStateTable", "quiz_sync_state", &["session_id", "sink"]),
    ("NoticeMemoryTable", "quiz_notice_memory", &["name"]),
    ("SnapshotsTable", "quiz_snapshots", &["snapshot_id"]),
];
/// The topics and queues: the name in the template and the end of the name in AWS.
const TOPICS_AND_QUEUES: [(&str, &str); 11] = [
    ("EventsTopic", "events"),
    ("NoticesTopic", "notices"),
    ("ReportsQueue", "reports"),
    ("ReportsDeadLetterQueue", "reports-dlq"),
    ("ReportsUndeliveredQueue", "reports-undelivered"),
    ("WarehouseQueue", "warehouse"),
    ("WarehouseDeadLetterQueue", "warehouse-dlq"),
    ("WarehouseUndeliveredQueue", "warehouse-undelivered"),
    ("NoticesQueue", "notices"),
    ("NoticesDeadLetterQueue", "notices-dlq"),
    ("NoticesUndeliveredQueue", "notices-undelivered"),
];

#[tokio::test]
async fn tables_and_queues_keep_names_and_keys() {
    let stack = Stack::get().await.unwrap();
    let name = unique("kept");
    Deployment::create(stack, &name, &deployment_options(&binaries(), &[], false)).await.unwrap();
    let resources = stack.stack_resources(&name).await.unwrap();
    for (logical, end) in TABLES.map(|(logical, end, _)| (logical, end)).into_iter().chain(TOPICS_AND_QUEUES)
    {
        let (_, made) = resources.get(logical).unwrap_or_else(|| panic!("the template has no {logical}"));
        // the id of a queue is its URL, the id of a topic its ARN
        let made = made.rsplit(['/', ':']).next().unwrap();
        assert_eq!(made, format!("{name}-{end}"), "{logical}");
    }
    for (_, end, key) in TABLES {
        let described = stack.dynamodb().describe_table().table_name(format!("{name}-{end}")).send().await;
        let table = described.unwrap().table.unwrap();
        let attributes: Vec<&str> = table.key_schema().iter().map(KeySchemaElement::attribute_name).collect();
        assert_eq!(attributes, key, "{end}");
    }
}
