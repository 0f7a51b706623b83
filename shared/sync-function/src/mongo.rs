use std::sync::Arc;

use async_trait::async_trait;
use aws_config::SdkConfig;
use bson::{Bson, Document};
use quiz_mongo::{MongoError, MongoSource};
use quiz_pipeline::ports::{AnswerSource, AttemptStream, Cause, DocumentStream, QuizDocuments, SourceError};
use quiz_runtime::SecretSource;
use tokio::sync::OnceCell;

/// MongoDB, its secret resolved and its client made when it is first needed, or before in the background. Were that
/// waited for at start, a failure would end the process before it could say what failed of its work, and why.
pub struct LazyMongo<C> {
    uri: SecretSource,
    database: String,
    aws: SdkConfig,
    connected: OnceCell<C>,
}

impl<C> LazyMongo<C> {
    #[must_use]
    pub fn new(uri: SecretSource, database: String, aws: SdkConfig) -> Self {
        Self { uri, database, aws, connected: OnceCell::new() }
    }

    /// The client, which `connect` makes of the URI and the database's name.
    ///
    /// # Errors
    /// [`SourceError::Unavailable`] where the secret cannot be read, or the client cannot be made. The next call tries
    /// again.
    pub async fn client(
        &self,
        connect: impl AsyncFnOnce(&str, &str) -> Result<C, MongoError>,
    ) -> Result<&C, SourceError> {
        let unavailable =
            |cause: Cause| SourceError::Unavailable { what: "the MongoDB configuration".into(), cause };
        self.connected
            .get_or_try_init(|| async {
                let uri = self.uri.resolve(&self.aws).await.map_err(|error| unavailable(error.into()))?;
                let client = connect(uri.expose(), &self.database).await;
                client.map_err(|error| unavailable(error.into()))
            })
            .await
    }
}

impl LazyMongo<MongoSource> {
    /// Makes the client before it is needed.
    ///
    /// # Errors
    /// As [`LazyMongo::client`].
    pub async fn ready(self: Arc<Self>) -> Result<(), SourceError> {
        self.source().await.map(drop)
    }

    async fn source(&self) -> Result<&MongoSource, SourceError> {
        self.client(MongoSource::connect).await
    }
}

#[async_trait]
impl AnswerSource for LazyMongo<MongoSource> {
    async fn quiz(&self, quiz_id: &str) -> Result<Option<QuizDocuments>, SourceError> {
        self.source().await?.quiz(quiz_id).await
    }

    async fn attempt_heads<'a>(&'a self, quiz_id: &'a str) -> Result<DocumentStream<'a>, SourceError> {
        self.source().await?.attempt_heads(quiz_id).await
    }

    async fn heads_of(&self, quiz_id: &str, user_ids: &[String]) -> Result<Vec<Document>, SourceError> {
        self.source().await?.heads_of(quiz_id, user_ids).await
    }

    async fn attempts<'a>(
        &'a self,
        quiz_id: &'a str,
        keys: Vec<Bson>,
    ) -> Result<AttemptStream<'a>, SourceError> {
        self.source().await?.attempts(quiz_id, keys).await
    }
}

#[cfg(test)]
mod tests {
    use aws_config::SdkConfig;
    use quiz_pipeline::ports::{AnswerSource, SourceError};
    use quiz_runtime::{Secret, SecretSource};

    use super::LazyMongo;

    #[tokio::test]
    async fn a_uri_that_is_none_fails_the_messages_that_need_it_and_is_not_shown() {
        let uri = SecretSource::Given(Secret::new("mongo://user:hunter2@host".into()));
        let source = LazyMongo::new(uri, "quiz".into(), SdkConfig::builder().build());
        let error = source.quiz("q").await.unwrap_err();
        assert!(matches!(error, SourceError::Unavailable { .. }), "{error}");
        let shown = error.to_string();
        assert!(shown.contains("the MongoDB URI cannot be used") && !shown.contains("hunter2"), "{shown}");
    }
}
