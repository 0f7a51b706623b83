//! What `deploy/template.yaml` promises, held against itself, the code and the local AWS: the emulator cannot do all of
//! it (the batching window, alarms on queues, dead-letter queues of subscriptions, CodeDeploy).

use std::collections::BTreeSet;
use std::io::Write;
use std::process::{Command, Stdio};

use quiz_domain::reports::ReportTable;
use quiz_e2e::{PATIENCE, binaries, deployment_options};
use quiz_events::{MOST_RECEIVES, Sink};
use quiz_stack::{Deployment, Stack, template, unique};
use serde_json::{Map, Value, json};

const QUEUES: [(&str, &str); 3] =
    [("Reports", "SyncReports"), ("Warehouse", "SyncWarehouse"), ("Notices", "NotifyDiscord")];
const TWO_WEEKS: u64 = 14 * 24 * 3_600;

fn resources() -> Map<String, Value> {
    template("template.yaml").unwrap()["Resources"].as_object().unwrap().clone()
}

fn of_type<'a>(all: &'a Map<String, Value>, kind: &str) -> Vec<(&'a str, &'a Value)> {
    let found = all.iter().filter(|(_, it)| it["Type"] == kind);
    found.map(|(name, it)| (name.as_str(), &it["Properties"])).collect()
}

fn properties<'a>(all: &'a Map<String, Value>, name: &str) -> &'a Value {
    &all.get(name).unwrap_or_else(|| panic!("there is no {name}"))["Properties"]
}

fn arn_of(name: &str) -> Value {
    json!({"Fn::GetAtt": [name, "Arn"]})
}

#[test]
fn every_queue_keeps_its_messages_and_parks_what_fails() {
    let whole = template("template.yaml").unwrap();
    let all = resources();
    for (_, queue) in of_type(&all, "AWS::SQS::Queue") {
        assert_eq!(queue["MessageRetentionPeriod"], TWO_WEEKS, "{queue}");
        assert_eq!(queue["SqsManagedSseEnabled"], true, "{queue}");
    }
    for (name, function) in QUEUES {
        let queue = properties(&all, &format!("{name}Queue"));
        let redrive = &queue["RedrivePolicy"];
        assert_eq!(redrive["deadLetterTargetArn"], arn_of(&format!("{name}DeadLetterQueue")));
        assert_eq!(redrive["maxReceiveCount"].as_u64(), Some(u64::from(MOST_RECEIVES)), "{name}");
        let timeout = format!("{function}Timeout");
        let function = properties(&all, function);
        let mapping = &function["Events"]["Queue"]["Properties"];
        let window = mapping["MaximumBatchingWindowInSeconds"].as_u64().unwrap();
        assert_eq!(function["Timeout"], json!({"Ref": timeout}));
        let looked_up = json!({"Fn::FindInMap": ["VisibilityByTimeout", {"Ref": timeout}, "Seconds"]});
        assert_eq!(queue["VisibilityTimeout"], looked_up, "{name}");
        for seconds in whole["Parameters"][&timeout]["AllowedValues"].as_array().unwrap() {
            let visibility = &whole["Mappings"]["VisibilityByTimeout"][seconds.to_string()]["Seconds"];
            let shortest = 6 * seconds.as_u64().unwrap() + window;
            assert!(visibility.as_u64() >= Some(shortest), "{name}: AWS's rule for {seconds} s");
        }
        let subscription = properties(&all, &format!("{name}Subscription"));
        assert_eq!(subscription["Endpoint"], arn_of(&format!("{name}Queue")));
        let undelivered = arn_of(&format!("{name}UndeliveredQueue"));
        assert_eq!(subscription["RedrivePolicy"]["deadLetterTargetArn"], undelivered);
    }
}

#[test]
fn every_mapping_hands_over_batches_and_takes_back_single_messages() {
    let all = resources();
    for (name, function) in QUEUES {
        let mapping = &properties(&all, function)["Events"]["Queue"]["Properties"];
        assert_eq!(mapping["Queue"], arn_of(&format!("{name}Queue")));
        assert_eq!(mapping["FunctionResponseTypes"], json!(["ReportBatchItemFailures"]));
        assert!(
            mapping["BatchSize"].as_u64().unwrap() > 10
                && mapping["MaximumBatchingWindowInSeconds"].as_u64() > Some(0)
        );
        let concurrency = json!({"Ref": format!("{function}Concurrency")});
        assert_eq!(mapping["ScalingConfig"]["MaximumConcurrency"], concurrency);
    }
    let schedules = properties(&all, "Reconcile")["Events"].as_object().unwrap();
    let looks_back = |it: &Value| {
        let input: Value = serde_json::from_str(it["Properties"]["Input"].as_str().unwrap()).unwrap();
        input["lookback_hours"].as_u64().unwrap() * 3_600
    };
    assert!(
        schedules.values().map(looks_back).max().unwrap() > TWO_WEEKS,
        "as long as a queue keeps a message"
    );
}

/// AWS stops what it takes for an endless loop: a function that sends messages to its own queue, as follow-ups are. The
/// local AWS ignores the property.
#[test]
fn only_functions_with_follow_ups_may_recurse() {
    let all = resources();
    for (name, function) in of_type(&all, "AWS::Serverless::Function") {
        let has_follow_ups = ["SyncReports", "SyncWarehouse"].contains(&name);
        let expected = if has_follow_ups { json!("Allow") } else { Value::Null };
        assert_eq!(function["RecursiveLoop"], expected, "{name}");
    }
    let depth = &properties(&all, "ReportsFollowUpsAlarm")["Threshold"];
    assert_eq!(*depth, quiz_pipeline::LONGEST_CHAIN);
}

#[test]
fn functions_are_traced_images_whose_traffic_moves_by_alias_and_back_by_alarm() {
    let whole = template("template.yaml").unwrap();
    let globals = &whole["Globals"]["Function"];
    assert_eq!(
        (&globals["Architectures"], &globals["Tracing"], &globals["AutoPublishAlias"]),
        (&json!(["arm64"]), &json!("Active"), &json!("live"))
    );
    let all = resources();
    let functions = of_type(&all, "AWS::Serverless::Function");
    assert_eq!(functions.len(), 4);
    for (name, function) in functions {
        assert_eq!(function["PackageType"], "Image");
        assert_eq!(function["ImageUri"], json!({"Ref": format!("{name}Image")}));
        let preference = &function["DeploymentPreference"];
        assert_eq!(preference["Type"], json!({"Ref": "TrafficShift"}));
        assert!(
            preference["Alarms"].as_array().unwrap().contains(&json!({"Ref": format!("{name}ErrorsAlarm")}))
        );
        let log = properties(&all, &format!("{name}Log"));
        assert_eq!(function["LoggingConfig"]["LogGroup"], json!({"Ref": format!("{name}Log")}));
        assert_eq!(log["RetentionInDays"], json!({"Ref": "LogRetentionDays"}));
        let variables = function["Environment"]["Variables"].as_object().unwrap();
        let secrets = variables.iter().filter(|(_, value)| value.to_string().contains("Secret"));
        for (name, _) in secrets {
            assert!(name.ends_with("_SECRET_ID"), "{name} may hold a secret itself");
        }
    }
}

#[test]
fn tables_are_kept_recoverable_and_on_demand() {
    let all = resources();
    let tables = of_type(&all, "AWS::DynamoDB::Table");
    assert_eq!(tables.len(), ReportTable::ALL.len() + 3);
    for (name, table) in tables {
        assert_eq!(table["BillingMode"], "PAY_PER_REQUEST");
        // what is lost of the snapshots is read again
        let has_point_in_time_recovery = name != "SnapshotsTable";
        assert_eq!(
            table["PointInTimeRecoverySpecification"]["PointInTimeRecoveryEnabled"],
            has_point_in_time_recovery
        );
        // the notices of the last day and the snapshots are worth nothing without the stack
        let is_passing = ["NoticeMemoryTable", "SnapshotsTable"].contains(&name);
        let policies = if is_passing { ("Delete", "Delete") } else { ("RetainExceptOnCreate", "Retain") };
        assert_eq!(
            (&all[name]["DeletionPolicy"], &all[name]["UpdateReplacePolicy"]),
            (&json!(policies.0), &json!(policies.1))
        );
        let protection = json!({"Fn::If": ["ProtectsTables", true, false]});
        let expected = if is_passing { Value::Null } else { protection };
        assert_eq!(table["DeletionProtectionEnabled"], expected, "{name}");
        let expiry = json!({"AttributeName": "expires_at", "Enabled": true});
        let expected = if is_passing { expiry } else { Value::Null };
        assert_eq!(table["TimeToLiveSpecification"], expected, "{name}");
    }
}

/// The metric that an alarm watches; of an expression, the first that it is computed from.
fn metric(alarm: &Value) -> &Value {
    let of_expression = || {
        alarm["Metrics"].as_array()?.iter().map(|it| &it["MetricStat"]["Metric"]).find(|it| it.is_object())
    };
    of_expression().unwrap_or(alarm)
}

/// Each alarm as what it watches: metric and its dimension.
fn watched(all: &Map<String, Value>) -> BTreeSet<(String, String)> {
    let watched = of_type(all, "AWS::CloudWatch::Alarm").into_iter().map(|(_, alarm)| {
        let metric = metric(alarm);
        let dimension = &metric["Dimensions"][0]["Value"];
        let of = dimension["Fn::GetAtt"][0].as_str().or(dimension["Fn::Sub"].as_str()).or(dimension.as_str());
        (metric["MetricName"].as_str().unwrap().to_owned(), of.unwrap().replace("${AWS::StackName}-", ""))
    });
    watched.collect()
}

#[test]
fn every_queue_function_and_sink_is_watched_and_tells_the_team() {
    let all = resources();
    let mut wanted = BTreeSet::new();
    let mut want = |metric: &str, of: String| wanted.insert((metric.to_owned(), of));
    for (name, _) in QUEUES {
        want("ApproximateNumberOfMessagesVisible", format!("{name}DeadLetterQueue"));
        want("ApproximateNumberOfMessagesVisible", format!("{name}UndeliveredQueue"));
        want("ApproximateAgeOfOldestMessage", format!("{name}Queue"));
    }
    for function in ["sync-reports", "sync-warehouse", "notify-discord", "reconcile"] {
        want("Errors", function.to_owned());
        want("Throttles", function.to_owned());
    }
    for sink in Sink::ALL {
        want("SyncsFailed", sink.to_string());
        want("FollowUpDepth", sink.to_string());
        want("Lag", sink.to_string());
    }
    for function in ["sync-reports", "sync-warehouse"] {
        want("RecursiveInvocationsDropped", function.to_owned());
    }
    want("OldestBehind", "reconcile".to_owned());
    want("NumberOfMessagesDeleted", "NoticesQueue".to_owned());
    want("BytesBilled", "warehouse".to_owned());
    assert_eq!(watched(&all), wanted);
    let metrics = std::fs::read_to_string("../../docs/METRICS.md").unwrap();
    for (name, alarm) in of_type(&all, "AWS::CloudWatch::Alarm") {
        for actions in ["AlarmActions", "OKActions"] {
            assert!(alarm[actions].as_array().unwrap().contains(&json!({"Ref": "NoticesTopic"})), "{name}");
        }
        let is_ours = alarm["Namespace"] == json!({"Fn::Sub": "QuizEtl/${AWS::StackName}"});
        let metric = metric(alarm)["MetricName"].as_str().unwrap();
        assert!(
            !is_ours || metrics.contains(&format!("| `{metric}` |")),
            "{name}: no function writes {metric}"
        );
        // a time without data is no alarm, but for the one that says that nothing looks any more
        let missing = if name == "NoSyncAlarm" { "breaching" } else { "notBreaching" };
        assert_eq!(alarm["TreatMissingData"], missing, "{name}");
    }
}

/// The channel cannot say that it gets nothing.
#[test]
fn broken_way_to_discord_is_told_by_email_which_production_must_have() {
    let whole = template("template.yaml").unwrap();
    let rule = &whole["Rules"]["ProductionHasAnEscalationEmail"];
    assert_eq!(rule["RuleCondition"], json!({"Fn::Equals": [{"Ref": "Environment"}, "production"]}));
    let is_empty = json!({"Fn::Equals": [{"Ref": "EscalationEmail"}, ""]});
    assert_eq!(rule["Assertions"][0]["Assert"], json!({"Fn::Not": [is_empty]}));
    let all = resources();
    let escalation =
        json!({"Fn::If": ["HasEscalationEmail", {"Ref": "EscalationTopic"}, {"Ref": "AWS::NoValue"}]});
    let alarms = of_type(&all, "AWS::CloudWatch::Alarm").into_iter();
    let of_notices =
        alarms.filter(|(name, _)| name.starts_with("Notices") || name.starts_with("NotifyDiscord"));
    let of_notices: Vec<_> = of_notices.collect();
    assert_eq!(of_notices.len(), 6);
    for (name, alarm) in of_notices {
        for actions in ["AlarmActions", "OKActions"] {
            assert!(alarm[actions].as_array().unwrap().contains(&escalation), "{name}");
        }
    }
}

/// The text before a table's name: the stack's name by default, none, or a text that the foundation names.
fn table_prefix() -> Value {
    let others = json!({"Fn::If": ["NamesTablesWithoutPrefix", "", {"Ref": "TablePrefix"}]});
    json!({"Prefix": {"Fn::If": ["NamesTablesByStack", {"Fn::Sub": "${AWS::StackName}-"}, others]}})
}

#[test]
fn all_names_begin_with_the_stack_s_so_that_two_of_them_share_nothing() {
    let names =
        ["TopicName", "QueueName", "TableName", "FunctionName", "AlarmName", "DashboardName", "LogGroupName"];
    for (logical, resource) in resources() {
        for name in names {
            let Some(value) = resource["Properties"].get(name) else { continue };
            if name == "TableName" {
                assert_eq!(value["Fn::Sub"][1], table_prefix(), "{logical}");
                continue;
            }
            let text = value["Fn::Sub"].as_str().unwrap_or_default().trim_start_matches("/aws/lambda/");
            let is_own = text.starts_with("${AWS::StackName}-") || *value == json!({"Ref": "AWS::StackName"});
            assert!(is_own, "{logical}: {value}");
        }
        for shared in ["RoleName", "KeyName", "AliasName"] {
            assert!(
                resource["Properties"].get(shared).is_none(),
                "{logical} has a name that others may have"
            );
        }
    }
}

/// The local AWS ignores `VpcConfig`.
#[test]
fn function_is_in_a_vpc_only_with_subnets() {
    let whole = template("template.yaml").unwrap();
    let all = resources();
    for (name, function) in of_type(&all, "AWS::Serverless::Function") {
        let (subnets, groups) = (format!("{name}Subnets"), format!("{name}SecurityGroups"));
        let network = json!({"SubnetIds": {"Ref": subnets}, "SecurityGroupIds": {"Ref": groups}});
        let has_network = format!("{name}HasNetwork");
        let expected = json!({"Fn::If": [has_network, network, {"Ref": "AWS::NoValue"}]});
        assert_eq!(function["VpcConfig"], expected, "{name}");
        let is_empty = json!({"Fn::Equals": [{"Fn::Join": ["", {"Ref": subnets}]}, ""]});
        assert_eq!(whole["Conditions"][has_network], json!({"Fn::Not": [is_empty]}));
        for parameter in [subnets, groups] {
            assert_eq!(whole["Parameters"][parameter]["Default"], "", "outside a VPC by default");
        }
        // BigQuery and Discord have no endpoint in a VPC
        let needs_nat = ["SyncWarehouse", "NotifyDiscord"].contains(&name);
        let said = whole["Parameters"][format!("{name}Subnets")]["Description"].as_str().unwrap();
        assert_eq!(said.contains("only through a NAT gateway"), needs_nat, "{name}: {said}");
    }
}

#[tokio::test]
async fn subnets_without_security_groups_are_refused() {
    let stack = Stack::get().await.unwrap();
    let parameters = [("SyncReportsSubnets", "subnet-1,subnet-2")];
    let refused =
        Deployment::create(stack, &unique("template"), &deployment_options(&binaries(), &parameters, false))
            .await;
    let error = format!("{:#}", refused.err().expect("a refusal"));
    assert!(
        error.contains("set both SyncReportsSubnets and SyncReportsSecurityGroups, or neither"),
        "{error}"
    );
}

/// What SAM makes of the template with these parameters: AWS's own translator, which ministack gives no parameters.
const TRANSLATE: &str = "
import json, sys
from types import SimpleNamespace
from samtranslator.translator.transform import transform
asked = json.load(sys.stdin)
print(json.dumps(transform(asked['template'], asked['parameters'], SimpleNamespace(load=dict))['Resources']))
";

async fn translated(release: &str) -> Map<String, Value> {
    let parameters = json!({
        "Release": release, "TrafficShift": "Canary10Percent5Minutes", "Environment": "staging",
        "SyncReportsSubnets": "subnet-1,subnet-2", "SyncReportsSecurityGroups": "sg-1",
    });
    let asked = json!({"template": template("template.yaml").unwrap(), "parameters": parameters}).to_string();
    let mut command = Command::new(Stack::get().await.unwrap().python().unwrap());
    command.args(["-c", TRANSLATE]).env("AWS_DEFAULT_REGION", "ap-south-1");
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut translator = command.spawn().unwrap();
    translator.stdin.take().unwrap().write_all(asked.as_bytes()).unwrap();
    let output = translator.wait_with_output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    serde_json::from_slice(&output.stdout).unwrap()
}

#[tokio::test]
async fn another_release_is_another_version_of_each_function_to_which_traffic_moves_by_codedeploy() {
    let (first, second) = (translated(&"a".repeat(64)).await, translated(&"b".repeat(64)).await);
    let versions = |all: &Map<String, Value>| -> BTreeSet<String> {
        all.iter()
            .filter(|(_, it)| it["Type"] == "AWS::Lambda::Version")
            .map(|(name, _)| name.clone())
            .collect()
    };
    assert_eq!((versions(&first).len(), versions(&second).len()), (4, 4));
    let roles = of_type(&first, "AWS::IAM::Role").into_iter().map(|(name, _)| name.to_owned());
    assert!(roles.eq(of_type(&resources(), "AWS::IAM::Role").into_iter().map(|(name, _)| name.to_owned())));
    assert!(versions(&first).is_disjoint(&versions(&second)));
    let groups = of_type(&first, "AWS::CodeDeploy::DeploymentGroup");
    assert_eq!(groups.len(), 4);
    for (name, group) in groups {
        let alarms = &group["AlarmConfiguration"];
        assert!(alarms["Enabled"] == true && !alarms["Alarms"].as_array().unwrap().is_empty(), "{name}");
        // SAM makes a role without a boundary if the template names none
        assert_eq!(group["ServiceRoleArn"], arn_of("CodeDeployRole"), "{name}");
        let back = group["AutoRollbackConfiguration"]["Events"].as_array().unwrap();
        assert!(back.contains(&json!("DEPLOYMENT_STOP_ON_ALARM")), "{name}");
    }
    for function in ["SyncReports", "SyncWarehouse", "NotifyDiscord", "Reconcile"] {
        // CloudFormation makes no version of a function that is as it was
        assert_ne!(properties(&first, function)["Description"], properties(&second, function)["Description"]);
        assert!(
            first[&format!("{function}Aliaslive")]["UpdatePolicy"]["CodeDeployLambdaAliasUpdate"].is_object()
        );
    }
}

async fn deployed(parameters: &[(&str, &str)]) -> (&'static Stack, Deployment) {
    let stack = Stack::get().await.unwrap();
    let name = unique("template");
    let deployment =
        Deployment::create(stack, &name, &deployment_options(&binaries(), parameters, false)).await.unwrap();
    (stack, deployment)
}

/// By hand, without an attribute; as the backend does; and as someone else may who shares the topic.
async fn publish_three(stack: &Stack, topic: &str) {
    stack.publish(topic, "Group_6715f621e1eb083bfa9b56cc", &[]).await.unwrap();
    stack.publish(topic, "a completion", &[("type", "quiz.completed")]).await.unwrap();
    stack.publish(topic, "something else", &[("type", "payment.received")]).await.unwrap();
}

#[tokio::test]
async fn without_the_filter_both_queues_get_what_anyone_publishes_by_hand() {
    let (stack, deployment) = deployed(&[]).await;
    publish_three(stack, &deployment.topic("events")).await;
    for queue in ["reports", "warehouse"] {
        let messages = stack.wait_for_messages(&deployment.queue(queue).url, 3, PATIENCE).await.unwrap();
        assert!(
            messages.iter().any(|it| it.body() == Some("Group_6715f621e1eb083bfa9b56cc")),
            "as it was sent"
        );
    }
}

#[tokio::test]
async fn with_the_filter_only_events_of_ours_get_through() {
    let (stack, deployment) = deployed(&[("FilterByType", "true")]).await;
    publish_three(stack, &deployment.topic("events")).await;
    for queue in ["reports", "warehouse"] {
        let messages = stack.wait_for_messages(&deployment.queue(queue).url, 1, PATIENCE).await.unwrap();
        assert_eq!(messages[0].body(), Some("a completion"));
        let depth = stack.queue_depth(&deployment.queue(queue).url).await.unwrap();
        assert_eq!(depth.visible, 0, "SNS hands out a message to all queues before it answers");
    }
}

#[tokio::test]
async fn a_table_that_is_there_is_used_and_no_other_is_made() {
    let stack = Stack::get().await.unwrap();
    let table = unique("theirs");
    stack.create_reports_table(&table).await.unwrap();
    let (stack, deployment) = deployed(&[("ExistingReportsTable", &table)]).await;
    let lambda = stack.lambda();
    let function = lambda.get_function_configuration().function_name(deployment.function("sync-reports"));
    let variables = function.send().await.unwrap().environment.unwrap().variables.unwrap();
    assert_eq!(variables["REPORTS_TABLE"], table);
    let describe = stack.dynamodb().describe_table();
    assert!(describe.table_name(deployment.table("student_quiz_reports")).send().await.is_err());
}
