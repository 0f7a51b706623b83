use anyhow::{Context, Result};
use mongodb::bson::Document;
use mongodb::{Client, Database};

use crate::Stack;

const BATCH: usize = 500;

impl Stack {
    /// A client for the stack's MongoDB, bound to the runtime of the calling test.
    ///
    /// # Errors
    /// When `MONGODB_URI` is no MongoDB URI.
    pub async fn mongodb(&self) -> Result<Client> {
        let uri = self.mongodb_uri();
        Client::with_uri_str(uri).await.with_context(|| format!("no client for {uri}"))
    }
}

/// Inserts documents in batches; an empty list is allowed.
///
/// # Errors
/// The first batch that the server refuses; the batches before it stay.
pub async fn insert(database: &Database, collection: &str, documents: Vec<Document>) -> Result<()> {
    let collection = database.collection::<Document>(collection);
    for batch in documents.chunks(BATCH) {
        collection
            .insert_many(batch)
            .await
            .with_context(|| format!("cannot insert into {}", collection.name()))?;
    }
    Ok(())
}
