use std::time::Duration;

use anyhow::{Context, Result, anyhow};
use aws_sdk_dynamodb::types::{
    AttributeDefinition, BillingMode, GlobalSecondaryIndex, KeySchemaElement, KeyType, Projection,
    ProjectionType, ScalarAttributeType, TableStatus,
};

use crate::{Stack, eventually};

const ACTIVE_TIMEOUT: Duration = Duration::from_secs(30);

/// A partition key and perhaps a sort key, all strings.
type Key<'a> = (&'a str, Option<&'a str>);

impl Stack {
    /// A client for DynamoDB, bound to the runtime of the calling test.
    #[must_use]
    pub fn dynamodb(&self) -> aws_sdk_dynamodb::Client {
        aws_sdk_dynamodb::Client::new(&self.aws_config())
    }

    /// Creates a table with the keys of `student_quiz_reports`: one item per user and section.
    ///
    /// # Errors
    /// A refusal of DynamoDB, or a table that does not become active.
    pub async fn create_reports_table(&self, name: &str) -> Result<()> {
        let indexes = [("gsi_user_id", ("user_id", None))];
        self.create_table(name, ("session_id", Some("user_id-section")), &indexes).await
    }

    /// Creates a table with the keys of `student_quiz_reports_v2`: one document per user.
    ///
    /// # Errors
    /// As for [`Stack::create_reports_table`].
    pub async fn create_reports_v2_table(&self, name: &str) -> Result<()> {
        let indexes =
            [("user_id_index", ("user_id", None)), ("school_session_index", ("school", Some("session_id")))];
        self.create_table(name, ("session_id", Some("user_id")), &indexes).await
    }

    /// Creates a table with the keys of `form_question_responses`: one item per user and question.
    ///
    /// # Errors
    /// As for [`Stack::create_reports_table`].
    pub async fn create_form_responses_table(&self, name: &str) -> Result<()> {
        self.create_table(name, ("session_id", Some("user_id-question_position_index")), &[]).await
    }

    /// Creates a table with the keys of `quiz_sync_state`: one item per session and sink.
    ///
    /// # Errors
    /// As for [`Stack::create_reports_table`].
    pub async fn create_sync_state_table(&self, name: &str) -> Result<()> {
        self.create_table(name, ("session_id", Some("sink")), &[]).await
    }

    /// Creates a table with the key of `quiz_snapshots`: one item per chunk.
    ///
    /// # Errors
    /// As for [`Stack::create_reports_table`].
    pub async fn create_snapshots_table(&self, name: &str) -> Result<()> {
        self.create_table(name, ("snapshot_id", None), &[]).await
    }

    /// Creates an on-demand table with string keys and indexes that project everything, and waits until it is active.
    async fn create_table(&self, name: &str, key: Key<'_>, indexes: &[(&str, Key<'_>)]) -> Result<()> {
        let dynamodb = self.dynamodb();
        let mut request = dynamodb
            .create_table()
            .table_name(name)
            .billing_mode(BillingMode::PayPerRequest)
            .set_key_schema(Some(schema(key)?))
            .set_attribute_definitions(Some(definitions(key, indexes)?));
        for (index, key) in indexes {
            let all = Projection::builder().projection_type(ProjectionType::All).build();
            let index = GlobalSecondaryIndex::builder().index_name(*index).projection(all);
            request = request.global_secondary_indexes(index.set_key_schema(Some(schema(*key)?)).build()?);
        }
        request.send().await.with_context(|| format!("cannot create table {name}"))?;
        eventually(&format!("table {name} to be active"), ACTIVE_TIMEOUT, async || {
            let table = dynamodb.describe_table().table_name(name).send().await?.table;
            let status = table.and_then(|table| table.table_status);
            if status == Some(TableStatus::Active) { Ok(Some(())) } else { Err(anyhow!("status {status:?}")) }
        })
        .await
    }
}

fn schema((partition, sort): Key<'_>) -> Result<Vec<KeySchemaElement>> {
    let element = |name: &str, role| KeySchemaElement::builder().attribute_name(name).key_type(role).build();
    let mut elements = vec![element(partition, KeyType::Hash)?];
    if let Some(sort) = sort {
        elements.push(element(sort, KeyType::Range)?);
    }
    Ok(elements)
}

fn definitions(key: Key<'_>, indexes: &[(&str, Key<'_>)]) -> Result<Vec<AttributeDefinition>> {
    let keys = std::iter::once(key).chain(indexes.iter().map(|(_, key)| *key));
    let mut names: Vec<&str> =
        keys.flat_map(|(partition, sort)| std::iter::once(partition).chain(sort)).collect();
    names.sort_unstable();
    names.dedup();
    let define = |name: &str| {
        AttributeDefinition::builder().attribute_name(name).attribute_type(ScalarAttributeType::S).build()
    };
    names.into_iter().map(|name| Ok(define(name)?)).collect()
}
