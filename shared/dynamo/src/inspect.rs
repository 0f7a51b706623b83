//! Tables as DynamoDB describes them, to be looked over by a person.

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

/// An attribute of a key, with its type: `S`, `N` or `B`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeyAttribute {
    pub name: String,
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
    /// `ACTIVE` when it can be asked.
    pub status: String,
    pub key: KeyFacts,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TableFacts {
    /// `ACTIVE` when it can be used.
    pub status: String,
    pub key: KeyFacts,
    pub indexes: Vec<IndexFacts>,
}

/// Why a table could not be looked at.
#[derive(Clone, Debug, PartialEq, Eq, ThisError)]
pub enum InspectError {
    /// Until it is made, no retry helps.
    #[error("there is no such table in this account and region")]
    NoTable,
    /// Until it is allowed, no retry helps.
    #[error("access is denied: {0}")]
    Denied(String),
    /// A retry may help.
    #[error("{0}")]
    Failed(String),
}

/// Looks at tables and changes none.
#[derive(Clone, Debug)]
pub struct TableInspector {
    client: Client,
}

impl TableInspector {
    #[must_use]
    pub fn new(client: Client) -> Self {
        Self { client }
    }

    /// # Errors
    /// [`InspectError`] where there is no such table, or DynamoDB does not tell.
    pub async fn describe(&self, table: &str) -> Result<TableFacts, InspectError> {
        let answer = self.client.describe_table().table_name(table).send().await;
        let table = answer.map_err(|error| failed(&error))?.table.ok_or(InspectError::NoTable)?;
        let definitions = table.attribute_definitions();
        let indexes = table.global_secondary_indexes().iter().map(|index| IndexFacts {
            name: index.index_name().unwrap_or_default().to_owned(),
            status: index.index_status().map_or("", |it| it.as_str()).to_owned(),
            key: key(index.key_schema(), definitions),
        });
        Ok(TableFacts {
            status: table.table_status().map_or("", |it| it.as_str()).to_owned(),
            key: key(table.key_schema(), definitions),
            indexes: indexes.collect(),
        })
    }

    /// Whether point-in-time recovery is on.
    ///
    /// # Errors
    /// As for [`Self::describe`].
    pub async fn recovers(&self, table: &str) -> Result<bool, InspectError> {
        let answer = self.client.describe_continuous_backups().table_name(table).send().await;
        let answer = answer.map_err(|error| failed(&error))?;
        let recovery =
            answer.continuous_backups_description.and_then(|it| it.point_in_time_recovery_description);
        let status = recovery.and_then(|it| it.point_in_time_recovery_status);
        Ok(status == Some(PointInTimeRecoveryStatus::Enabled))
    }

    /// The attribute that items expire by; `None` where they do not.
    ///
    /// # Errors
    /// As for [`Self::describe`].
    pub async fn expires_by(&self, table: &str) -> Result<Option<String>, InspectError> {
        let answer = self.client.describe_time_to_live().table_name(table).send().await;
        let told = answer.map_err(|error| failed(&error))?.time_to_live_description;
        let on = told.filter(|it| {
            let status = it.time_to_live_status();
            matches!(status, Some(TimeToLiveStatus::Enabled | TimeToLiveStatus::Enabling))
        });
        Ok(on.and_then(|it| it.attribute_name))
    }

    /// Reads the item of a key, each of whose attributes is a text that no item has.
    ///
    /// # Errors
    /// As for [`Self::describe`].
    pub async fn read(&self, table: &str, key: &[&str]) -> Result<(), InspectError> {
        let nobody = || AttributeValue::S(NOBODY.to_owned());
        let key: HashMap<_, _> = key.iter().map(|name| ((*name).to_owned(), nobody())).collect();
        let answer = self.client.get_item().table_name(table).set_key(Some(key)).send().await;
        answer.map(|_| ()).map_err(|error| failed(&error))
    }
}

/// In no key: session and user ids have no spaces at their ends.
const NOBODY: &str = " quiz-etl doctor ";

fn key(schema: &[KeySchemaElement], definitions: &[AttributeDefinition]) -> KeyFacts {
    let of = |role: &KeyType| {
        let element = schema.iter().find(|it| it.key_type() == role)?;
        let defined = definitions.iter().find(|it| it.attribute_name() == element.attribute_name());
        Some(KeyAttribute {
            name: element.attribute_name().to_owned(),
            kind: defined.map_or("", |it| it.attribute_type().as_str()).to_owned(),
        })
    };
    KeyFacts { partition: of(&KeyType::Hash), sort: of(&KeyType::Range) }
}

fn failed<E, R>(error: &SdkError<E, R>) -> InspectError
where
    E: ProvideErrorMetadata + Error + 'static,
    R: std::fmt::Debug,
{
    let metadata = error.as_service_error().map(|it| (it.code().unwrap_or_default(), it.message()));
    match metadata {
        Some(("ResourceNotFoundException" | "TableNotFoundException", _)) => InspectError::NoTable,
        Some((code @ "AccessDeniedException", message)) => {
            InspectError::Denied(message.unwrap_or(code).to_owned())
        }
        Some((code, Some(message))) => InspectError::Failed(format!("{code}: {message}")),
        _ => InspectError::Failed(with_causes(error)),
    }
}
