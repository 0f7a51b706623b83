//! An event through both syncs to one Discord message with a picture: the three real binaries, on the stack.

use quiz_e2e::{Deployed, PATIENCE, deploy};
use quiz_sample::sapa;
use quiz_stack::{Delivery, eventually};

const COMMIT: &str = "0123456789abcdef0123456789abcdef01234567";

#[tokio::test]
async fn an_event_becomes_reports_and_rows_and_one_message_with_a_picture() {
    let mut documents = sapa::documents().unwrap();
    documents.sessions.truncate(80);
    let deployment = deploy(&documents, &[]).await;
    for function in ["sync-reports", "sync-warehouse"] {
        // as the image's own environment has it
        deployment.set_environment(function, &[("QUIZ_ETL_COMMIT", COMMIT)]).await.unwrap();
    }
    let reports = Deployed::of(&deployment, "sync-reports", "reports").await;
    let warehouse = Deployed::of(&deployment, "sync-warehouse", "warehouse").await;
    let notices = Deployed::of(&deployment, "notify-discord", "notices").await;
    warehouse.deliver(Delivery::Envelope).await;
    reports.publish(&[sapa::SESSION_ID.to_owned()], 10).await;
    reports.wait().await;
    warehouse.publish(&["not an id".to_owned()], 10).await;
    warehouse.wait().await;
    reports.wait().await;
    eventually("the notices of both syncs", PATIENCE, async || {
        let depth = notices.stack.queue_depth(&notices.queue.url).await?;
        Ok((depth.visible == 4).then_some(()))
    })
    .await
    .unwrap();

    notices.consume(10, 2).await;
    notices.wait().await;
    assert_eq!(deployment.discord.violations(), Vec::<String>::new());
    let messages = deployment.discord.messages();
    assert_eq!(messages.len(), 1, "{messages:?}");
    let embeds = messages[0].payload["embeds"].as_array().unwrap();
    let titles: Vec<&str> = embeds.iter().map(|it| it["title"].as_str().unwrap()).collect();
    assert_eq!(titles.len(), 3, "{titles:?}");
    for sink in ["reports", "warehouse"] {
        let parked = format!("1 message parked by {sink}");
        assert!(titles[..2].iter().any(|it| it.contains(&parked)), "{titles:?}");
    }
    assert!(titles[2].contains("reports and warehouse written"), "{titles:?}");
    assert_eq!(embeds[2]["footer"]["text"], "reports and warehouse, commit 0123456789ab");
    let picture = &messages[0].attachments[0];
    assert!(picture.bytes.starts_with(b"\x89PNG") && picture.filename.starts_with("marks-"));
}
