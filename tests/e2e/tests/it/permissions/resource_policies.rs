//! The principals that may send to the queues, publish to the topics, use the key and assume a role.

use std::collections::{BTreeMap, BTreeSet};

use quiz_stack::template;
use serde_json::{Value, json};

use crate::permissions::roles::{functions, network_statements, statements, texts};

const OVER_TLS: &str = "if Bool aws:SecureTransport false";
const ALARMS: &str = "if ArnLike aws:SourceArn \
    arn:${AWS::Partition}:cloudwatch:${AWS::Region}:${AWS::AccountId}:alarm:${AWS::StackName}-* \
    and StringEquals aws:SourceAccount AWS::AccountId";
const WITH_KEY: &str = "kms:Decrypt, kms:GenerateDataKey* on *";

fn all_of<'a>(template: &'a Value, kind: &str) -> BTreeMap<&'a str, &'a Value> {
    let all = template["Resources"].as_object().unwrap().iter().filter(|(_, it)| it["Type"] == kind);
    all.map(|(name, it)| (name.as_str(), &it["Properties"])).collect()
}

/// A policy value as text; a reference becomes the name of its resource.
fn shown(value: &Value) -> String {
    match value {
        Value::Array(several) => several.iter().map(shown).collect::<Vec<_>>().join(", "),
        Value::Object(one) => match one.iter().next().map(|(name, it)| (name.as_str(), it)) {
            Some(("Fn::GetAtt", path)) if path[1] == "Arn" => shown(&path[0]),
            Some(("Ref" | "Fn::Sub" | "AWS" | "Service", it)) => shown(it),
            _ => value.to_string(),
        },
        Value::String(text) => text.clone(),
        other => other.to_string(),
    }
}

/// A statement as a sentence.
fn sentence(statement: &Value) -> String {
    if let Some([condition, then, otherwise]) = statement["Fn::If"].as_array().map(Vec::as_slice) {
        assert_eq!(otherwise, &json!({"Ref": "AWS::NoValue"}));
        return format!("where {}: {}", shown(condition), sentence(then));
    }
    let known = ["Sid", "Effect", "Principal", "Action", "Resource", "Condition"];
    assert!(statement.as_object().unwrap().keys().all(|name| known.contains(&name.as_str())), "{statement}");
    let of = |name: &str| shown(&statement[name]);
    let tests = statement["Condition"].as_object().into_iter().flatten().flat_map(|(operator, tests)| {
        tests
            .as_object()
            .unwrap()
            .iter()
            .map(move |(key, value)| format!("{operator} {key} {}", shown(value)))
    });
    let tests = tests.collect::<Vec<_>>().join(" and ");
    let condition = if tests.is_empty() { String::new() } else { format!(" if {tests}") };
    format!("{} {} {} on {}{condition}", of("Effect"), of("Principal"), of("Action"), of("Resource"))
}

fn sentences(document: &Value) -> Vec<String> {
    document["Statement"].as_array().unwrap().iter().map(sentence).collect()
}

#[test]
fn queue_accepts_messages_from_its_topic_only() {
    let template = template("template.yaml").unwrap();
    let mut guarded = BTreeSet::new();
    for (name, topic) in
        [("Reports", "EventsTopic"), ("Warehouse", "EventsTopic"), ("Notices", "NoticesTopic")]
    {
        let queues = ["Queue", "DeadLetterQueue", "UndeliveredQueue"].map(|suffix| format!("{name}{suffix}"));
        let [queue, _, undelivered] = &queues;
        let policy = &template["Resources"][format!("{name}QueuePolicy")]["Properties"];
        assert_eq!(shown(&policy["Queues"]), queues.join(", "));
        let expected = [
            format!(
                "Allow sns.amazonaws.com sqs:SendMessage on {queue}, {undelivered} if ArnEquals aws:SourceArn {topic}"
            ),
            format!("Deny * sqs:* on {} {OVER_TLS}", queues.join(", ")),
        ];
        assert_eq!(sentences(&policy["PolicyDocument"]), expected);
        let subscription = &template["Resources"][format!("{name}Subscription")]["Properties"];
        assert_eq!([shown(&subscription["TopicArn"]), shown(&subscription["Endpoint"])], [topic, queue]);
        guarded.extend(queues);
    }
    assert_eq!(all_of(&template, "AWS::SQS::QueuePolicy").len(), 3);
    assert_eq!(
        all_of(&template, "AWS::SQS::Queue").into_keys().collect::<BTreeSet<_>>(),
        guarded.iter().map(String::as_str).collect()
    );
}

#[test]
fn topic_accepts_messages_from_its_publishers_only() {
    let template = template("template.yaml").unwrap();
    let policies: BTreeMap<String, Vec<String>> = all_of(&template, "AWS::SNS::TopicPolicy")
        .into_values()
        .map(|policy| (shown(&policy["Topics"]), sentences(&policy["PolicyDocument"])))
        .collect();
    let over_tls = |topic: &str| format!("Deny * sns:Publish on {topic} {OVER_TLS}");
    let alarms = |topic: &str| format!("Allow cloudwatch.amazonaws.com sns:Publish on {topic} {ALARMS}");
    let publisher = "where HasEventPublisher: Allow EventPublisherArn sns:Publish on EventsTopic".to_owned();
    let expected = [
        ("EscalationTopic", vec![over_tls("EscalationTopic"), alarms("EscalationTopic")]),
        ("EventsTopic", vec![over_tls("EventsTopic"), publisher]),
        ("NoticesTopic", vec![over_tls("NoticesTopic"), alarms("NoticesTopic")]),
    ];
    assert_eq!(policies, expected.map(|(topic, said)| (topic.to_owned(), said)).into());
    let topics = all_of(&template, "AWS::SNS::Topic");
    assert!(topics.values().all(|topic| shown(&topic["KmsMasterKeyId"]) == "TopicsKey"));
    assert!(topics.into_keys().eq(policies.keys().map(String::as_str)));
}

#[test]
fn topic_key_serves_account_and_publishers() {
    let template = template("template.yaml").unwrap();
    let keys = all_of(&template, "AWS::KMS::Key");
    assert_eq!(keys.keys().collect::<Vec<_>>(), [&"TopicsKey"]);
    assert_eq!(
        sentences(&keys["TopicsKey"]["KeyPolicy"]),
        [
            "Allow arn:${AWS::Partition}:iam::${AWS::AccountId}:root kms:* on *".to_owned(),
            format!(
                "Allow cloudwatch.amazonaws.com {WITH_KEY} if StringEquals aws:SourceAccount AWS::AccountId"
            ),
            format!("where HasEventPublisher: Allow EventPublisherArn {WITH_KEY}"),
        ]
    );
}

#[test]
fn each_function_has_its_own_explicit_role() {
    let template = template("template.yaml").unwrap();
    let functions = functions(&template);
    let roles = all_of(&template, "AWS::IAM::Role");
    let known =
        functions.iter().map(|function| function.role.as_str()).chain(["CodeDeployRole", "OperatorRole"]);
    assert_eq!(known.collect::<BTreeSet<_>>(), roles.keys().copied().collect());
    assert_eq!(functions.len() + 2, roles.len());
    for (name, role) in &roles {
        assert_eq!(role["PermissionsBoundary"], json!({"Ref": "PermissionsBoundary"}), "{name}");
        assert!(role["ManagedPolicyArns"].is_null(), "{name} names all its permissions");
    }
    for function in &functions {
        assert!(
            function.properties["Policies"].is_null(),
            "SAM adds Policies to the role of {}",
            function.name
        );
        let role = roles[function.role.as_str()];
        let trusted = json!({"Effect": "Allow", "Principal": {"Service": "lambda.amazonaws.com"}, "Action": "sts:AssumeRole"});
        assert_eq!(role["AssumeRolePolicyDocument"]["Statement"], json!([trusted]), "{}", function.role);
        let [network] = network_statements(&template["Resources"][&function.role])[..] else {
            panic!("{} needs the network interfaces of a VPC", function.role)
        };
        assert!(texts(&network["Action"]).iter().all(|action| action.starts_with("ec2:")), "{network}");
    }
    for name in roles.keys() {
        for statement in statements(&template["Resources"][name]) {
            let parts: BTreeSet<&str> = statement.as_object().unwrap().keys().map(String::as_str).collect();
            assert_eq!(parts, BTreeSet::from(["Sid", "Effect", "Action", "Resource"]), "{statement}");
            assert_eq!(statement["Effect"], "Allow");
            let actions = texts(&statement["Action"]);
            assert!(actions.iter().all(|action| !action.contains('*')), "{statement}");
            let has_no_arn = actions.iter().all(|action| {
                action.starts_with("xray:")
                    || ["cloudwatch:DescribeAlarms", "lambda:ListEventSourceMappings"].contains(action)
            });
            assert_eq!(has_no_arn, statement["Resource"] == "*", "{statement}");
            let moves_traffic = statement["Sid"] == "MovesTraffic";
            assert!(
                has_no_arn || moves_traffic || !statement["Resource"].to_string().contains('*'),
                "{statement}"
            );
        }
    }
}
