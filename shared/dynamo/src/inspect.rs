//! Facts about tables, for the doctor verb. Nothing here changes a table.

use std::collections::HashMap;
use std::error::Error;

use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::error::{ProvideErrorMetadata, SdkError};
use aws_sdk_dynamodb::types::{
    AttributeDefinition, AttributeValue, KeySchemaElement, KeyType, PointInTimeRecoveryStatus,
    TimeToLiveStatus,
};
use quiz_events::with_causes;
use thiserror::Error as ThisError;

/// An attribute of a key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeyAttribute {
    pub name: String,
    /// `S`, `N` or `B`.
    pub kind: String,
}

/// The key of a table or an index.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct KeyFacts {
    pub partition: Option<KeyAttribute>,
    pub sort: Option<KeyAttribute>,
}

/// A global secondary index.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct IndexFacts {
    pub name: String,
    /// `ACTIVE` if the index can be queried.
    pub status: String,
    pub key: KeyFacts,
}

/// A table's status, key and indexes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TableFacts {
    /// `ACTIVE` if the table can be used.
    pub status: String,
    pub key: KeyFacts,
    pub indexes: Vec<IndexFacts>,
}

/// Why a table cannot be described.
#[derive(Clone, Debug, PartialEq, Eq, ThisError)]
pub enum InspectError {
    /// No retry helps until the table exists.
    #[error("there is no such table in this account and region")]
    NoTable,
    /// No retry helps until a policy allows the call.
    #[error("access is denied: {0}")]
    Denied(String),
    /// A retry may help.
    #[error("{0}")]
    Failed(String),
}

/// Describes tables.
#[derive(Clone, Debug)]
pub struct TableInspector {
    client: Client,
}

impl TableInspector {
    #[must_use]
    pub fn new(client: Client) -> Self {
        Self { client }
    }

    /// Reads a table's status, key and indexes.
    ///
    /// # Errors
    /// [`InspectError`] if the table does not exist, or DynamoDB refuses or fails.
    pub async fn describe(&self, table: &str) -> Result<TableFacts, InspectError> {
        let answer = self.client.describe_table().table_name(table).send().await;
        let table = answer.map_err(|error| failed(&error))?.table.ok_or(InspectError::NoTable)?;
        let definitions = table.attribute_definitions();
        let indexes = table.global_secondary_indexes().iter().map(|index| IndexFacts {
            name: index.index_name().unwrap_or_default().to_owned(),
            status: index.index_status().map_or("", |status| status.as_str()).to_owned(),
            key: key_facts(index.key_schema(), definitions),
        });
        Ok(TableFacts {
            status: table.table_status().map_or("", |status| status.as_str()).to_owned(),
            key: key_facts(table.key_schema(), definitions),
            indexes: indexes.collect(),
        })
    }

    /// Whether point-in-time recovery is on.
    ///
    /// # Errors
    /// Those of [`Self::describe`].
    pub async fn has_point_in_time_recovery(&self, table: &str) -> Result<bool, InspectError> {
        let answer = self.client.describe_continuous_backups().table_name(table).send().await;
        let answer = answer.map_err(|error| failed(&error))?;
        let recovery = answer
            .continuous_backups_description
            .and_then(|backups| backups.point_in_time_recovery_description);
        let status = recovery.and_then(|recovery| recovery.point_in_time_recovery_status);
        Ok(status == Some(PointInTimeRecoveryStatus::Enabled))
    }

    /// The attribute with each item's expiry time; `None` if items do not expire.
    ///
    /// # Errors
    /// Those of [`Self::describe`].
    pub async fn expiry_attribute(&self, table: &str) -> Result<Option<String>, InspectError> {
        let answer = self.client.describe_time_to_live().table_name(table).send().await;
        let time_to_live = answer.map_err(|error| failed(&error))?.time_to_live_description;
        let enabled = time_to_live.filter(|time_to_live| {
            let status = time_to_live.time_to_live_status();
            matches!(status, Some(TimeToLiveStatus::Enabled | TimeToLiveStatus::Enabling))
        });
        Ok(enabled.and_then(|time_to_live| time_to_live.attribute_name))
    }

    /// Proves the right to read: gets an item that does not exist. `key` has the names of the key's text attributes.
    ///
    /// # Errors
    /// Those of [`Self::describe`].
    pub async fn read(&self, table: &str, key: &[&str]) -> Result<(), InspectError> {
        let value = || AttributeValue::S(MISSING_KEY.to_owned());
        let key: HashMap<_, _> = key.iter().map(|name| ((*name).to_owned(), value())).collect();
        let answer = self.client.get_item().table_name(table).set_key(Some(key)).send().await;
        answer.map(|_| ()).map_err(|error| failed(&error))
    }
}

/// The key of no item: session and user ids do not begin or end with a space.
const MISSING_KEY: &str = " quiz-etl doctor ";

fn key_facts(schema: &[KeySchemaElement], definitions: &[AttributeDefinition]) -> KeyFacts {
    let attribute = |role: &KeyType| {
        let element = schema.iter().find(|element| element.key_type() == role)?;
        let definition =
            definitions.iter().find(|definition| definition.attribute_name() == element.attribute_name());
        Some(KeyAttribute {
            name: element.attribute_name().to_owned(),
            kind: definition.map_or("", |definition| definition.attribute_type().as_str()).to_owned(),
        })
    };
    KeyFacts { partition: attribute(&KeyType::Hash), sort: attribute(&KeyType::Range) }
}

fn failed<E, R>(error: &SdkError<E, R>) -> InspectError
where
    E: ProvideErrorMetadata + Error + 'static,
    R: std::fmt::Debug,
{
    let metadata =
        error.as_service_error().map(|answer| (answer.code().unwrap_or_default(), answer.message()));
    match metadata {
        Some(("ResourceNotFoundException" | "TableNotFoundException", _)) => InspectError::NoTable,
        Some((code @ "AccessDeniedException", message)) => {
            InspectError::Denied(message.unwrap_or(code).to_owned())
        }
        Some((code, Some(message))) => InspectError::Failed(format!("{code}: {message}")),
        _ => InspectError::Failed(with_causes(error)),
    }
}
