//! Completion events pass SNS and SQS to the deployed sync-reports. The test reads the items from DynamoDB with the
//! queries of the Reporting Engine.

use aws_sdk_dynamodb::types::AttributeValue;
use quiz_e2e::{PATIENCE, Pipeline, json};
use quiz_sample::sapa;
use quiz_stack::Delivery;

#[tokio::test]
async fn completions_become_every_student_s_report() {
    let pipeline = Pipeline::deploy(&sapa::documents().unwrap(), Delivery::Envelope).await;
    let completions = sapa::completion_events().unwrap();
    let mut events: Vec<String> = completions.iter().take(25).map(ToString::to_string).collect();
    let bad = "{\"type\":\"quiz.completed\",\"session_id\":7}".to_owned();
    events.insert(11, bad.clone());
    pipeline.publish_and_wait(&events).await;

    let dead = pipeline.stack.wait_for_messages(&pipeline.queue.dlq_url, 1, PATIENCE).await.unwrap();
    assert_eq!(dead.len(), 1);
    let attributes = dead[0].message_attributes.as_ref().unwrap();
    assert_eq!(attributes["error_code"].string_value(), Some("invalid_field"));
    assert_eq!(attributes["error"].string_value(), Some("`session_id` must be a text, but is a number"));
    assert!(attributes.contains_key("parked_at"));
    let envelope: serde_json::Value = serde_json::from_str(dead[0].body().unwrap()).unwrap();
    assert_eq!(envelope["Message"], bad, "the parked body is unchanged, with its envelope");

    let items = pipeline.session_items(&pipeline.v1, sapa::SESSION_ID).await;
    assert_eq!(items.len(), sapa::PARTICIPANTS * 5);
    assert_eq!(pipeline.session_items(&pipeline.v2, sapa::SESSION_ID).await.len(), sapa::PARTICIPANTS);
    let overall: Vec<_> = items.iter().filter(|item| item["section"] == "overall").collect();
    let published = sapa::published_outcomes().unwrap();
    assert_eq!(overall.len(), published.len());
    for person in &published {
        let right = person.correct.iter().filter(|correct| **correct == Some(true)).count();
        let wrong = person.correct.iter().filter(|correct| **correct == Some(false)).count();
        let item = overall.iter().find(|item| item["user_id"] == person.user_id).unwrap();
        let number = |field: &str| item[field].as_f64().unwrap();
        let marks = 4.0 * f64::from(u32::try_from(right).unwrap()) - f64::from(u32::try_from(wrong).unwrap());
        assert!((number("marks_scored") - marks).abs() < 1e-9, "{item}");
        let above = overall.iter().filter(|item| item["marks_scored"].as_f64().unwrap() > marks).count();
        assert!((number("rank") - f64::from(u32::try_from(above + 1).unwrap())).abs() < 1e-9, "{item}");
    }
    assert!(items.iter().all(|item| item["user_id"] != sapa::ADMINISTRATOR));
}

#[tokio::test]
async fn student_report_is_found_by_key_and_index() {
    let mut documents = sapa::documents().unwrap();
    documents.sessions.truncate(60);
    let pipeline = Pipeline::deploy(&documents, Delivery::Raw).await;
    pipeline.publish_and_wait(&[sapa::SESSION_ID.to_owned()]).await;
    let dynamodb = pipeline.stack.dynamodb();
    let text = |value: &str| AttributeValue::S(value.to_owned());

    let by_user = |table: &str, index: &str| {
        dynamodb
            .query()
            .table_name(table)
            .index_name(index)
            .key_condition_expression("user_id = :user")
            .expression_attribute_values(":user", text("sapa-5"))
            .send()
    };
    let v1 = by_user(&pipeline.v1, "gsi_user_id").await.unwrap();
    assert_eq!(v1.count(), 5);
    let item = dynamodb
        .get_item()
        .table_name(&pipeline.v1)
        .key("session_id", text(sapa::SESSION_ID))
        .key("user_id-section", text("sapa-5#overall"))
        .send()
        .await
        .unwrap();
    let item = json(item.item.unwrap());
    for needed in
        ["test_name", "start_date", "test_id", "percentage", "rank", "percentile", "highest_test_score"]
    {
        assert!(item.get(needed).is_some(), "{needed} of {item}");
    }
    let v2 = by_user(&pipeline.v2, "user_id_index").await.unwrap();
    assert_eq!(v2.count(), 1);
}
