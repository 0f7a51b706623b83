//! An event through both syncs to one Discord message with a picture: the three real binaries, on the stack.
#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "a test may panic")]

mod support;

use std::time::Duration;

use quiz_sample::sapa;
use quiz_stack::{Delivery, eventually};
use support::notices::NoticesPipeline;
use support::warehouse::WarehousePipeline;
use support::{PATIENCE, Pipeline};

#[tokio::test]
async fn an_event_becomes_reports_and_rows_and_one_message_with_a_picture() {
    let notices = NoticesPipeline::deploy().await;
    let mut documents = sapa::documents().unwrap();
    documents.sessions.truncate(80);
    let visibility = Duration::from_mins(10);
    let reports = Pipeline::deploy_telling(&documents, Delivery::Envelope, Some(&notices.topic)).await;
    let warehouse =
        WarehousePipeline::deploy_telling(&documents, None, visibility, Some(&notices.topic)).await;
    let event = sapa::SESSION_ID.to_owned();
    reports.deployed.publish(std::slice::from_ref(&event), 10).await;
    warehouse.deployed.publish(&[event, "not an id".to_owned()], 10).await;
    reports.deployed.wait().await;
    warehouse.deployed.wait().await;
    eventually("the notices of both syncs", PATIENCE, async || {
        let depth = notices.stack.queue_depth(&notices.queue.url).await?;
        Ok((depth.visible == 3).then_some(()))
    })
    .await
    .unwrap();

    notices.stack.enable_mapping(&notices.mapping, true).await.unwrap();
    notices.stack.wait_until_empty(&notices.queue.url, PATIENCE).await.unwrap();
    assert_eq!(notices.discord.violations(), Vec::<String>::new());
    let messages = notices.discord.messages();
    assert_eq!(messages.len(), 1, "{messages:?}");
    let embeds = messages[0].payload["embeds"].as_array().unwrap();
    let title = |at: usize| embeds[at]["title"].as_str().unwrap();
    assert_eq!(embeds.len(), 2);
    assert!(title(0).contains("1 message parked by warehouse"), "{}", title(0));
    assert!(title(1).contains("reports and warehouse written"), "{}", title(1));
    let picture = &messages[0].attachments[0];
    assert!(picture.bytes.starts_with(b"\x89PNG") && picture.filename.starts_with("marks-"));
}
