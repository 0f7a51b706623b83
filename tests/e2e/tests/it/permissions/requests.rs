//! Reads the actions and resources from a function's AWS requests.

use std::collections::{BTreeMap, BTreeSet};

use quiz_stack::{GateRequest, REGION};
use serde_json::Value;

use crate::permissions::sdk::{Action, allowed_by};

const ACCOUNT: &str = "000000000000";

/// An action with the ARN of its resource.
pub type RequestedAction = (Action, String);

/// The actions of a request that need permission, one for each resource.
pub fn requested_actions(request: &GateRequest) -> BTreeSet<RequestedAction> {
    let header = |name: &str| request.headers.get(name).map(|value| value.to_str().unwrap());
    // Credential=KEY/DAY/REGION/SERVICE/aws4_request
    let service = header("authorization").unwrap().split('/').nth(3).unwrap();
    let (operation, resources) = if let Some(target) = header("x-amz-target") {
        let body: Value = serde_json::from_slice(&request.body).unwrap();
        (target.rsplit('.').next().unwrap().to_owned(), in_json(service, &body))
    } else {
        let form = form(std::str::from_utf8(&request.body).unwrap());
        (form["Action"].clone(), vec![form["TopicArn"].clone()])
    };
    assert!(!resources.is_empty(), "{service} {operation} names no resource known to this test");
    resources.into_iter().map(|resource| (allowed_by(service, &operation), resource)).collect()
}

fn in_json(service: &str, body: &Value) -> Vec<String> {
    let arn = |resource: &str| format!("arn:aws:{service}:{REGION}:{ACCOUNT}:{resource}");
    let text = |name: &str| body[name].as_str();
    match service {
        "dynamodb" => {
            let many = body["RequestItems"]
                .as_object()
                .into_iter()
                .flat_map(|tables| tables.keys().map(String::as_str));
            let tables = text("TableName").into_iter().chain(many);
            let index = text("IndexName").map(|name| format!("/index/{name}")).unwrap_or_default();
            tables.map(|table| arn(&format!("table/{table}{index}"))).collect()
        }
        "sqs" => {
            let queue = text("QueueUrl").and_then(|url| url.rsplit('/').next());
            queue.or(text("QueueName")).map(arn).into_iter().collect()
        }
        "secretsmanager" => text("SecretId").map(str::to_owned).into_iter().collect(),
        _ => Vec::new(),
    }
}

fn form(body: &str) -> BTreeMap<String, String> {
    let fields = body.split('&').filter_map(|field| field.split_once('='));
    fields.map(|(name, value)| (decoded(name), decoded(value))).collect()
}

/// Decodes percent-encoding.
pub fn decoded(text: &str) -> String {
    let mut bytes = Vec::new();
    let mut rest = text.bytes();
    while let Some(byte) = rest.next() {
        let digits: Vec<u8> = if byte == b'%' { rest.by_ref().take(2).collect() } else { Vec::new() };
        let escaped =
            std::str::from_utf8(&digits).ok().and_then(|digits| u8::from_str_radix(digits, 16).ok());
        bytes.push(escaped.unwrap_or(byte));
    }
    String::from_utf8(bytes).unwrap()
}

#[test]
fn request_gives_action_and_resources() {
    let request = |service: &str, target: Option<&str>, body: &str| {
        let mut headers = hyper::HeaderMap::new();
        let scope =
            format!("AWS4-HMAC-SHA256 Credential=k/20260102/{REGION}/{service}/aws4_request, Signature=s");
        headers.insert("authorization", scope.parse().unwrap());
        if let Some(target) = target {
            headers.insert("x-amz-target", target.parse().unwrap());
        }
        let body = body.to_owned().into();
        GateRequest { method: "POST".into(), path_and_query: "/".into(), headers, body, index: 0 }
    };
    let of = |service, target, body| {
        requested_actions(&request(service, target, body)).into_iter().collect::<Vec<_>>()
    };
    let pair = |action: &str, resource: &str| (action.to_owned(), resource.to_owned());
    let several = r#"{"RequestItems": {"a": [], "b": []}}"#;
    assert_eq!(
        of("dynamodb", Some("DynamoDB_20120810.BatchWriteItem"), several),
        ["a", "b"].map(|name| {
            pair("dynamodb:BatchWriteItem", &format!("arn:aws:dynamodb:ap-south-1:000000000000:table/{name}"))
        })
    );
    let queue = r#"{"QueueUrl": "http://sqs/000000000000/reports", "MessageBody": "m"}"#;
    assert_eq!(
        of("sqs", Some("AmazonSQS.SendMessage"), queue),
        [pair("sqs:SendMessage", "arn:aws:sqs:ap-south-1:000000000000:reports")]
    );
    let topic = "Action=PublishBatch&Version=2010-03-31&TopicArn=arn%3Aaws%3Asns%3Ar%3A1%3At";
    assert_eq!(of("sns", None, topic), [pair("sns:Publish", "arn:aws:sns:r:1:t")]);
}
