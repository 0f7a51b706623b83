//! The foundation's boundary allows all that the stack's roles may do, and CloudFormation makes no role without it.

use std::collections::BTreeSet;

use quiz_stack::template;
use serde_json::{Value, json};

use crate::permissions::roles::{network_statements, statements, texts};

/// All text with `${…}` filled in for the environment `staging`; a reference becomes a name of the stack.
fn filled(value: &Value, own: &[(&str, &Value)]) -> Vec<String> {
    match value {
        Value::Array(several) => several.iter().flat_map(|one| filled(one, own)).collect(),
        Value::String(text) => vec![
            own.iter()
                .fold(text.clone(), |text, (name, value)| {
                    filled(value, &[])
                        .iter()
                        .fold(text, |text, value| text.replace(&format!("${{{name}}}"), value))
                })
                .replace("${AWS::Partition}", "aws")
                .replace("${AWS::Region}", "ap-south-1")
                .replace("${AWS::AccountId}", "000000000000")
                .replace("${AWS::StackName}", "quiz-etl-staging")
                .replace("${Environment}", "staging")
                .replace("${NameSuffix}", "")
                .replace("${ExistingTables}", "student_*"),
        ],
        Value::Object(one) => {
            let (function, argument) = one.iter().next().unwrap();
            match function.as_str() {
                "Fn::Sub" if argument.is_array() => {
                    let own: Vec<_> = argument[1]
                        .as_object()
                        .unwrap()
                        .iter()
                        .map(|(name, it)| (name.as_str(), it))
                        .collect();
                    filled(&argument[0], &own)
                }
                "Fn::Sub" => filled(argument, own),
                // tables by the stack's name and existing tables
                "Fn::If" => [1, 2].iter().flat_map(|branch| filled(&argument[*branch], own)).collect(),
                "Fn::GetAtt" => vec![arn(argument[0].as_str().unwrap())],
                "Ref" => vec![arn(argument.as_str().unwrap())],
                _ => panic!("{value}"),
            }
        }
        other => panic!("{other}"),
    }
}

/// The ARN, or the name, that a reference of the template stands for.
fn arn(name: &str) -> String {
    let arn = |service: &str, rest: &str| format!("arn:aws:{service}:ap-south-1:000000000000:{rest}");
    match name {
        "AWS::NoValue" => String::new(),
        "TablePrefix" => "anita-".to_owned(),
        "TopicsKey" => arn("kms", "key/1"),
        "NoticeMemoryTable" | "SnapshotsTable" => arn("dynamodb", "table/quiz-etl-staging-quiz_snapshots"),
        _ if name.ends_with("Secret") => arn("secretsmanager", "secret:quiz-etl/mongodb-AbCdEf"),
        _ if name.ends_with("Log") => arn("logs", "log-group:/aws/lambda/quiz-etl-staging-reconcile:*"),
        _ if name.ends_with("Queue") => arn("sqs", "quiz-etl-staging-reports"),
        _ if name.ends_with("Topic") => arn("sns", "quiz-etl-staging-events"),
        "ReportsTable" | "ReportsV2Table" => "quiz-etl-staging-student_quiz_reports_v2".to_owned(),
        "FormResponsesTable" => "quiz-etl-staging-form_question_responses".to_owned(),
        "SyncStateTable" => "quiz-etl-staging-quiz_sync_state".to_owned(),
        _ if name.starts_with("Existing") => "student_quiz_reports".to_owned(),
        _ => panic!("what is {name}?"),
    }
}

/// Whether a pattern of IAM, in which `*` stands for any text, covers a text.
fn covers(pattern: &str, text: &str) -> bool {
    let Some((head, rest)) = pattern.split_once('*') else { return pattern == text };
    text.strip_prefix(head)
        .is_some_and(|text| (0..=text.len()).filter_map(|at| text.get(at..)).any(|text| covers(rest, text)))
}

/// The pairs of action and resource that the boundary does not allow.
fn outside(boundary: &[Value], statements: &[&Value]) -> Vec<String> {
    let mut outside = Vec::new();
    for statement in statements {
        for action in texts(&statement["Action"]) {
            for resource in filled(&statement["Resource"], &[]).into_iter().filter(|text| !text.is_empty()) {
                let allowed = boundary.iter().filter(|limit| limit["Effect"] == "Allow").any(|limit| {
                    texts(&limit["Action"]).contains(&action)
                        && filled(&limit["Resource"], &[]).iter().any(|pattern| covers(pattern, &resource))
                });
                if !allowed {
                    outside.push(format!("{action} on {resource}"));
                }
            }
        }
    }
    outside
}

fn policy(foundation: &Value) -> Vec<Value> {
    foundation["Resources"]["StackBoundary"]["Properties"]["PolicyDocument"]["Statement"]
        .as_array()
        .unwrap()
        .clone()
}

#[test]
fn boundary_allows_what_the_roles_allow() {
    let boundary = policy(&template("foundation.yaml").unwrap());
    let template = template("template.yaml").unwrap();
    let roles =
        template["Resources"].as_object().unwrap().iter().filter(|(_, it)| it["Type"] == "AWS::IAM::Role");
    let mut count = 0;
    for (name, role) in roles {
        let all: Vec<&Value> = statements(role).into_iter().chain(network_statements(role)).collect();
        let outside = outside(&boundary, &all);
        assert!(outside.is_empty(), "{name}: {outside:#?}");
        count += 1;
    }
    assert_eq!(count, 6);
    let purge = json!({"Action": "sqs:PurgeQueue", "Resource": {"Fn::GetAtt": ["ReportsQueue", "Arn"]}});
    let foreign =
        json!({"Action": "sns:Publish", "Resource": "arn:aws:sns:ap-south-1:000000000000:payments"});
    assert_eq!(outside(&boundary, &[&purge, &foreign]).len(), 2);
}

#[test]
fn boundary_allows_no_change_of_permissions() {
    let boundary = policy(&template("foundation.yaml").unwrap());
    let mut iam = BTreeSet::new();
    let denied: Vec<&Value> = boundary.iter().filter(|statement| statement["Effect"] == "Deny").collect();
    let [interfaces] = denied[..] else { panic!("{denied:?}") };
    assert!(
        interfaces["Condition"]["ArnLike"]["lambda:SourceFunctionArn"].is_object(),
        "only code is denied"
    );
    for statement in boundary.iter().filter(|statement| statement["Effect"] == "Allow") {
        for action in texts(&statement["Action"]) {
            assert!(!action.contains('*'), "{action}");
            if action.starts_with("iam:") {
                iam.insert(action);
                let to = &statement["Condition"]["StringEquals"]["iam:PassedToService"];
                assert_eq!(to, "ecs-tasks.amazonaws.com");
            }
            assert!(
                !["organizations:", "cloudformation:", "lambda:Create"]
                    .iter()
                    .any(|it| action.starts_with(it))
            );
        }
    }
    assert_eq!(iam, BTreeSet::from(["iam:PassRole"]));
}

/// Without the condition, CloudFormation could give a role the rights of an administrator.
#[test]
fn cloudformation_changes_no_role_without_the_boundary() {
    let foundation = template("foundation.yaml").unwrap();
    let role = &foundation["Resources"]["CloudFormationRole"]["Properties"];
    let mut seen = BTreeSet::new();
    for policy in role["Policies"].as_array().unwrap() {
        for statement in policy["PolicyDocument"]["Statement"].as_array().unwrap() {
            for action in texts(&statement["Action"]).into_iter().filter(|action| action.starts_with("iam:"))
            {
                assert!(!action.contains('*'), "{action}");
                let resource = filled(&statement["Resource"], &[]).concat();
                assert!(
                    resource.starts_with("arn:aws:iam::000000000000:role/quiz-etl-staging-"),
                    "{resource}"
                );
                let boundary = &statement["Condition"]["StringEquals"]["iam:PermissionsBoundary"];
                let needs_boundary = GRANTS.contains(&action);
                assert!(
                    !needs_boundary
                        || *boundary == json!({"Ref": "StackBoundary"})
                        || resource.contains("CodeDeployServiceRole"),
                    "{action}"
                );
                seen.insert(action);
            }
        }
    }
    assert!(GRANTS.iter().all(|action| seen.contains(action)), "{seen:?}");
    assert!(!seen.contains("iam:DeleteRolePermissionsBoundary"));
    assert!(!seen.iter().any(|action| action.contains("Policy") && action.contains("Version")), "{seen:?}");
}

/// The actions that change what a role may do.
const GRANTS: [&str; 6] = [
    "iam:AttachRolePolicy",
    "iam:CreateRole",
    "iam:DeleteRolePolicy",
    "iam:DetachRolePolicy",
    "iam:PutRolePermissionsBoundary",
    "iam:PutRolePolicy",
];

/// Only jobs of one GitHub environment of one repository.
#[test]
fn github_signs_in_by_exact_names() {
    let foundation = template("foundation.yaml").unwrap();
    let trust = &foundation["Resources"]["DeployRole"]["Properties"]["AssumeRolePolicyDocument"]["Statement"];
    assert_eq!(trust.as_array().unwrap().len(), 1);
    let issuer = "token.actions.githubusercontent.com";
    let subject = json!({"Fn::Sub": "repo:${GitHubRepository}:environment:${Environment}"});
    let exact = json!({"StringEquals": {format!("{issuer}:aud"): "sts.amazonaws.com", format!("{issuer}:sub"): subject}});
    assert_eq!(trust[0]["Condition"], exact);
    assert_eq!(trust[0]["Action"], "sts:AssumeRoleWithWebIdentity");
    // a pattern in the repository's name would admit others
    let pattern = foundation["Parameters"]["GitHubRepository"]["AllowedPattern"].as_str().unwrap();
    assert!(!pattern.contains(".*") && !pattern.contains("\\*"), "{pattern}");
}
