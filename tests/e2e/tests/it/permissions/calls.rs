//! The callers of each AWS operation.

use std::collections::BTreeSet;

use crate::permissions::sdk::Action;

pub const REPORTS: &str = "sync-reports";
pub const WAREHOUSE: &str = "sync-warehouse";
pub const DISCORD: &str = "notify-discord";
pub const RECONCILE: &str = "reconcile";
/// The operator's command, which runs with the operator's permissions.
pub const OPERATOR: &str = "quiz-etl";

pub const FUNCTIONS: [&str; 4] = [REPORTS, WAREHOUSE, DISCORD, RECONCILE];

/// A source file, its calls, and the binaries that reach them.
type Calls = (&'static str, &'static [&'static str], &'static [&'static str]);

/// All source files that call AWS.
pub const CALLS: &[Calls] = &[
    // a queue that feeds a function, and its dead-letter queue
    (
        "shared/sns-sqs/src/queue.rs",
        &["sqs:ChangeMessageVisibility", "sqs:SendMessage"],
        &[REPORTS, WAREHOUSE, DISCORD],
    ),
    ("shared/sns-sqs/src/queue.rs", &["sqs:DeleteMessage"], &[REPORTS, WAREHOUSE]),
    (
        "shared/sns-sqs/src/lookup.rs",
        &["sqs:GetQueueUrl", "sqs:GetQueueAttributes"],
        &[REPORTS, WAREHOUSE, DISCORD, OPERATOR],
    ),
    // topics
    ("shared/sns-sqs/src/notices.rs", &["sns:Publish"], &[REPORTS, WAREHOUSE, RECONCILE, OPERATOR]),
    ("shared/sns-sqs/src/events.rs", &["sns:Publish"], &[RECONCILE, OPERATOR]),
    // secrets
    (
        "shared/lambda/src/secrets/read.rs",
        &["secretsmanager:GetSecretValue"],
        &[REPORTS, WAREHOUSE, DISCORD, RECONCILE, OPERATOR],
    ),
    // sync states
    ("shared/dynamo/src/states.rs", &["dynamodb:GetItem"], &[REPORTS, WAREHOUSE]),
    ("shared/dynamo/src/states.rs", &["dynamodb:PutItem"], &[REPORTS, WAREHOUSE, RECONCILE]),
    ("shared/dynamo/src/states.rs", &["dynamodb:BatchGetItem", "dynamodb:Query"], &[RECONCILE, OPERATOR]),
    ("shared/dynamo/src/state_index.rs", &["dynamodb:GetItem", "dynamodb:Scan"], &[RECONCILE, OPERATOR]),
    (
        "shared/dynamo/src/state_index.rs",
        &["dynamodb:DescribeTable", "dynamodb:PutItem", "dynamodb:UpdateTable"],
        &[RECONCILE],
    ),
    // snapshots of scored attempts
    ("shared/dynamo/src/snapshots.rs", &["dynamodb:GetItem", "dynamodb:PutItem"], &[REPORTS]),
    // reports
    ("shared/dynamo/src/store.rs", &["dynamodb:Query"], &[REPORTS, OPERATOR]),
    ("shared/dynamo/src/writer.rs", &["dynamodb:BatchWriteItem"], &[REPORTS, OPERATOR]),
    // sent Discord messages
    (
        "functions/notify-discord/src/dynamo_memory.rs",
        &["dynamodb:BatchGetItem", "dynamodb:PutItem"],
        &[DISCORD],
    ),
    // the identity in an operator's notices, and for doctor
    ("cli/src/audit.rs", &["sts:GetCallerIdentity"], &[OPERATOR]),
    // dlq
    ("shared/sns-sqs/src/dead_letters/act.rs", &["sqs:SendMessage", "sqs:DeleteMessage"], &[OPERATOR]),
    (
        "shared/sns-sqs/src/dead_letters/discover.rs",
        &["sns:ListSubscriptionsByTopic", "sns:GetSubscriptionAttributes"],
        &[OPERATOR],
    ),
    (
        "shared/sns-sqs/src/dead_letters/scan.rs",
        &["sqs:ReceiveMessage", "sqs:ChangeMessageVisibility", "sqs:GetQueueAttributes"],
        &[OPERATOR],
    ),
    // erase
    ("shared/dynamo/src/erase.rs", &["dynamodb:Query", "dynamodb:Scan", "dynamodb:DeleteItem"], &[OPERATOR]),
    // doctor
    (
        "shared/dynamo/src/inspect.rs",
        &[
            "dynamodb:DescribeTable",
            "dynamodb:DescribeContinuousBackups",
            "dynamodb:DescribeTimeToLive",
            "dynamodb:GetItem",
        ],
        &[OPERATOR],
    ),
    ("cli/src/doctor/mappings.rs", &["lambda:ListEventSourceMappings"], &[OPERATOR]),
    ("cli/src/doctor/queues.rs", &["sqs:GetQueueUrl", "sqs:GetQueueAttributes"], &[OPERATOR]),
    (
        "cli/src/doctor/topics.rs",
        &["sns:GetTopicAttributes", "sns:ListSubscriptionsByTopic", "sns:GetSubscriptionAttributes"],
        &[OPERATOR],
    ),
];

/// Actions of AWS with a function's role and without a call in the code: the action, the functions, and the reason.
pub const ON_BEHALF: &[(&str, &[&str], &str)] = &[
    ("sqs:ReceiveMessage", &[REPORTS, WAREHOUSE, DISCORD], "Lambda polls the queue"),
    ("sqs:DeleteMessage", &[REPORTS, WAREHOUSE, DISCORD], "Lambda deletes what the function is done with"),
    ("sqs:GetQueueAttributes", &[REPORTS, WAREHOUSE, DISCORD], "Lambda scales by the queue's depth"),
    (
        "logs:CreateLogStream",
        &FUNCTIONS,
        "Lambda makes a stream for each instance; the group is the template's",
    ),
    ("logs:PutLogEvents", &FUNCTIONS, "Lambda ships what the function prints"),
    ("xray:PutTraceSegments", &FUNCTIONS, "Lambda traces (Tracing: Active)"),
    ("xray:PutTelemetryRecords", &FUNCTIONS, "Lambda traces (Tracing: Active)"),
    (
        "kms:GenerateDataKey",
        &[REPORTS, WAREHOUSE, RECONCILE],
        "SNS encrypts what is published to a topic under our key",
    ),
    ("kms:Decrypt", &[REPORTS, WAREHOUSE, RECONCILE], "SNS opens the data key that it encrypts with"),
];

/// Actions of AWS with the operator's role and without a call in the code: the action and the reason.
pub const ON_BEHALF_OF_THE_OPERATOR: [(&str, &str); 2] = [
    ("kms:GenerateDataKey", "SNS encrypts what is published to a topic under our key"),
    ("kms:Decrypt", "SNS opens the data key that it encrypts with"),
];

/// Operations in every binary, because `aws-config` can use them for a person's profile; in a Lambda function the
/// credentials come from the environment first.
pub const OF_THE_SDK: [&str; 2] = ["sts:AssumeRole", "sts:AssumeRoleWithWebIdentity"];

/// Operations that a binary holds without calling them: the binary, the actions, and the reason.
pub const NEVER_CALLED: &[(&str, &[&str], &str)] = &[
    (
        REPORTS,
        &["dynamodb:BatchGetItem", "dynamodb:Scan"],
        "it reads one sync state at a time; behind the trait object of the states there are the ways to read many, too",
    ),
    (
        WAREHOUSE,
        &["dynamodb:BatchGetItem", "dynamodb:Query", "dynamodb:Scan"],
        "it reads one sync state at a time; behind the trait object of the states there are the ways to read many, too",
    ),
    (
        DISCORD,
        &["sqs:DeleteMessage"],
        "Lambda deletes its messages; the queue's trait object also holds the early delete",
    ),
];

/// The calls of a binary.
pub fn of(binary: &str) -> BTreeSet<Action> {
    let made = CALLS.iter().filter(|(_, _, by)| by.contains(&binary));
    made.flat_map(|(_, actions, _)| actions.iter().map(|action| (*action).to_owned())).collect()
}

/// The actions of AWS for a function.
pub fn on_behalf_of(function: &str) -> BTreeSet<Action> {
    let done = ON_BEHALF.iter().filter(|(_, functions, _)| functions.contains(&function));
    done.map(|(action, _, _)| (*action).to_owned()).collect()
}
