//! The memory on a DynamoDB table.

use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::types::{
    AttributeDefinition, AttributeValue, BillingMode, KeySchemaElement, KeyType, ScalarAttributeType,
};
use notify_discord::{DynamoMemory, Memory, Recalled, Shown, Tries};
use quiz_events::{Backfill, Notice, NoticeKind};
use quiz_stack::{Stack, unique};

const B1: &str = "backfill:b1";
const B2: &str = "backfill:b2";

struct Table {
    client: Client,
    name: String,
}

impl Table {
    async fn create() -> Self {
        let client = Stack::get().await.unwrap().dynamodb();
        let name = unique("notice-memory");
        let attribute =
            AttributeDefinition::builder().attribute_name("name").attribute_type(ScalarAttributeType::S);
        let key = KeySchemaElement::builder().attribute_name("name").key_type(KeyType::Hash);
        let create = client.create_table().table_name(&name).billing_mode(BillingMode::PayPerRequest);
        let create =
            create.attribute_definitions(attribute.build().unwrap()).key_schema(key.build().unwrap());
        create.send().await.unwrap();
        Self { client, name }
    }

    fn memory(&self) -> DynamoMemory {
        DynamoMemory::new(self.client.clone(), self.name.clone())
    }

    /// The seconds until the item expires.
    async fn seconds_left(&self, name: &str) -> i64 {
        let get = self.client.get_item().table_name(&self.name);
        let item = get.key("name", AttributeValue::S(name.into())).send().await.unwrap().item.unwrap();
        item["expires_at"].as_n().unwrap().parse::<i64>().unwrap() - jiff::Timestamp::now().as_second()
    }

    async fn expire(&self, name: &str) {
        self.client
            .update_item()
            .table_name(&self.name)
            .key("name", AttributeValue::S(name.into()))
            .update_expression("SET expires_at = :past")
            .expression_attribute_values(":past", AttributeValue::N("1".into()))
            .send()
            .await
            .unwrap();
    }
}

fn shown(message_id: &str, is_over: bool, ms: i64) -> Shown {
    let backfill = Backfill { backfill_id: "b1".into(), tests: 3, ..Backfill::default() };
    let kind =
        if is_over { NoticeKind::BackfillFinished(backfill) } else { NoticeKind::BackfillStarted(backfill) };
    let at = jiff::Timestamp::from_millisecond(ms).unwrap();
    Shown { message_id: message_id.into(), notice: Some(Notice::new(ms.to_string(), at, kind)) }
}

async fn b1_card(memory: &DynamoMemory) -> Option<Shown> {
    memory.recall(&[], &[B1.into()]).await.unwrap().cards.remove(B1)
}

#[tokio::test]
async fn notices_are_remembered_until_they_expire() {
    let table = Table::create().await;
    let memory = table.memory();
    let ids: Vec<String> = (0..130).map(|at| format!("n{at}")).collect();
    memory.remember(&ids[..120]).await.unwrap();
    memory.remember_card(B1, &shown("77", false, 5)).await.unwrap();
    let known = memory.recall(&ids, &[B1.into(), B2.into()]).await.unwrap();
    assert_eq!(known.notices.len(), 120);
    assert_eq!(known.cards, [(B1.to_owned(), shown("77", false, 5))].into());
    let (life, day) = (table.seconds_left("n7").await, 24 * 3_600);
    assert!(life > day, "a daily notice is remembered for more than a day: {life} s");
    table.expire("n7").await;
    assert!(!memory.recall(&ids, &[]).await.unwrap().notices.contains("n7"));
    let missing = DynamoMemory::new(table.client.clone(), "no-such-table".into());
    assert!(missing.recall(&ids[..1], &[]).await.is_err());
    assert_eq!(memory.recall(&[], &[]).await.unwrap(), Recalled::default());
}

#[tokio::test]
async fn tries_and_posted_notices_are_both_remembered() {
    let memory = Table::create().await.memory();
    let ids: Vec<String> = (0..60).map(|at| format!("n{at}")).collect();
    let tries = |at: u32| Tries { answered: at, alone: 2 * at };
    for (id, at) in ids.iter().zip(0..) {
        memory.note_tries(id, tries(at)).await.unwrap();
    }
    memory.note_tries("n7", tries(70)).await.unwrap();
    memory.remember(&ids[..3]).await.unwrap();
    let known = memory.recall(&ids, &[]).await.unwrap();
    assert_eq!((known.notices.len(), known.tries.len()), (3, 60));
    assert_eq!((known.tries["n7"], known.tries["n59"]), (tries(70), tries(59)));
}

#[tokio::test]
async fn shown_card_only_gets_newer() {
    let memory = Table::create().await.memory();
    let mut kept: Option<Shown> = None;
    for (is_over, ms, is_newer) in [
        (false, 1_000, true),
        (false, 999, false),
        (false, 1_001, true),
        (true, 500, true),
        (false, 2_000, false),
        (true, 499, false),
        (true, 501, true),
    ] {
        let now = shown(&ms.to_string(), is_over, ms);
        let found = memory.remember_card(B1, &now).await.unwrap();
        assert_eq!(found, kept, "{ms}");
        kept = if is_newer { Some(now) } else { kept };
        assert_eq!(b1_card(&memory).await, kept, "{ms}");
    }
}

#[tokio::test]
async fn old_and_expired_entries_are_replaced() {
    let table = Table::create().await;
    let memory = table.memory();
    let in_an_hour = jiff::Timestamp::now().as_second() + 3_600;
    let plain = table.client.put_item().table_name(&table.name);
    let plain = plain
        .item("name", AttributeValue::S("backfill:b1".into()))
        .item("value", AttributeValue::S("77".into()))
        .item("expires_at", AttributeValue::N(in_an_hour.to_string()));
    plain.send().await.unwrap();
    let without_notice = Shown { message_id: "77".into(), notice: None };
    assert_eq!(b1_card(&memory).await, Some(without_notice.clone()));
    assert_eq!(without_notice.moment(), None);
    let found = memory.remember_card(B1, &shown("77", true, 9)).await.unwrap();
    assert_eq!(found, Some(without_notice));
    table.expire("backfill:b1").await;
    assert_eq!(b1_card(&memory).await, None);
    assert_eq!(memory.remember_card(B1, &shown("78", false, 1)).await.unwrap(), None);
    assert_eq!(b1_card(&memory).await, Some(shown("78", false, 1)));
}

/// The items as commit 17c7b52 stores them, which this version must read during and after an update.
#[tokio::test]
async fn entries_of_the_version_before_are_read() {
    let table = Table::create().await;
    let in_an_hour = jiff::Timestamp::now().as_second() + 3_600;
    let notice = r#"{"id":"5","at":"1970-01-01T00:00:00.005Z","type":"backfill.started","backfill_id":"b1","tests":3,"done":0,"failed":0,"retrying":0}"#;
    let text = |text: &str| AttributeValue::S(text.to_owned());
    let number = |number: i64| AttributeValue::N(number.to_string());
    let card =
        vec![("notice", text(notice)), ("shown_at", number(5)), ("is_over", AttributeValue::Bool(false))];
    let tries = vec![("answered", number(70)), ("alone", number(140))];
    for (name, value, attributes) in
        [("n1", "posted", Vec::new()), ("tries:n2", "not posted", tries), (B1, "77", card)]
    {
        let put = table.client.put_item().table_name(&table.name).item("name", text(name));
        let mut put = put.item("value", text(value)).item("expires_at", number(in_an_hour));
        for (attribute, value) in attributes {
            put = put.item(attribute, value);
        }
        put.send().await.unwrap();
    }
    let known = table.memory().recall(&["n1".into(), "n2".into()], &[B1.into()]).await.unwrap();
    assert_eq!(known.notices, ["n1".to_owned()].into());
    assert_eq!(known.tries, [("n2".to_owned(), Tries { answered: 70, alone: 140 })].into());
    assert_eq!(known.cards, [(B1.to_owned(), shown("77", false, 5))].into());
}

#[tokio::test]
async fn first_message_is_claimed_for_a_while() {
    let table = Table::create().await;
    let memory = table.memory();
    assert!(memory.claim_card(B1, "n1").await.unwrap());
    assert!(!memory.claim_card(B1, "n2").await.unwrap());
    assert!(memory.claim_card(B1, "n1").await.unwrap(), "a redelivery keeps its claim");
    assert!(memory.claim_card(B2, "n2").await.unwrap());
    table.expire("first-of-backfill:b1").await;
    assert!(memory.claim_card(B1, "n2").await.unwrap(), "an expired claim is free");
}
