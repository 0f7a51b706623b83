//! The restore drill of `docs/RUNBOOK.md`: its commands bring lost items of one test session back.

use std::process::Command;
use std::time::Instant;

use aws_sdk_dynamodb::types::AttributeValue;
use quiz_stack::{Stack, deployment_commands, unique};

/// The commands of the section, in order.
fn commands() -> Vec<String> {
    let page = std::fs::read_to_string("../../docs/RUNBOOK.md").unwrap();
    let (_, rest) = page.split_once("### Items of some test sessions are lost or wrong\n").unwrap();
    let (section, _) = rest.split_once("\n### ").unwrap();
    section.split("```").skip(1).step_by(2).map(str::to_owned).collect()
}

#[tokio::test]
async fn lost_items_come_back() {
    let stack = Stack::get().await.unwrap();
    let path = tokio::task::spawn_blocking(deployment_commands).await.unwrap().unwrap();
    let path = format!("{}:{}", path.display(), std::env::var("PATH").unwrap());
    let table = unique("restored");
    stack.create_reports_table(&table).await.unwrap();
    let dynamodb = stack.dynamodb();
    let text = |text: &str| AttributeValue::S(text.to_owned());
    // more than one batch, with text that a shell could misread
    for (session, user) in (0..30).map(|user| ("G_A", user)).chain([("G_B", 1)]) {
        let put = dynamodb.put_item().table_name(&table).item("session_id", text(session));
        let put = put.item("user_id-section", text(&format!("{user}#$HOME 'x' \"y\" \\n नमस्ते")));
        put.item("user_id", text(&user.to_string()))
            .item("rank", AttributeValue::N("1".into()))
            .send()
            .await
            .unwrap();
    }
    let items = async || {
        let mut items = dynamodb.scan().table_name(&table).send().await.unwrap().items.unwrap();
        items.sort_by_key(|item| format!("{:?} {:?}", item["session_id"], item["user_id-section"]));
        items
    };
    let before = items().await;
    let [name, restore, copy, clean_up] = <[String; 4]>::try_from(commands()).unwrap();
    assert!(name.contains("export TABLE=student_quiz_reports BEFORE="), "{name}");
    let run = |commands: &str| {
        let mut bash = Command::new("bash");
        bash.args(["-euo", "pipefail", "-c", commands]).env("PATH", &path);
        bash.envs([("TABLE", table.as_str()), ("BEFORE", "2026-11-20T10:00:00Z"), ("SESSION", "G_A")]);
        bash.envs([("AWS_ENDPOINT_URL", stack.aws_endpoint()), ("AWS_DEFAULT_REGION", quiz_stack::REGION)]);
        bash.envs([("AWS_ACCESS_KEY_ID", "test"), ("AWS_SECRET_ACCESS_KEY", "test"), ("AWS_PAGER", "")]);
        let begun = Instant::now();
        let ended = bash.output().unwrap();
        println!("{} ms:{commands}", begun.elapsed().as_millis());
        assert!(ended.status.success(), "{commands}: {}", String::from_utf8_lossy(&ended.stderr));
        String::from_utf8(ended.stdout).unwrap()
    };
    run(&restore);

    for item in before.iter().filter(|item| item["session_id"] == text("G_A")) {
        let delete = dynamodb.delete_item().table_name(&table).key("session_id", text("G_A"));
        delete.key("user_id-section", item["user_id-section"].clone()).send().await.unwrap();
    }
    assert_eq!(items().await.len(), 1);
    let unprocessed = run(&copy);
    assert!(unprocessed.split_whitespace().all(|line| line == "{}"), "{unprocessed}");
    assert_eq!(items().await, before);
    run(&copy);
    assert_eq!(items().await, before);
    run(&clean_up);
    let gone = dynamodb.describe_table().table_name(format!("{table}-restored")).send().await;
    assert!(gone.is_err());
}
