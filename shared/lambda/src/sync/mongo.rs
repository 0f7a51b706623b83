use std::marker::PhantomData;
use std::sync::Arc;

use async_trait::async_trait;
use aws_config::SdkConfig;
use bson::{Bson, Document};
use futures::stream::BoxStream;
use futures::{StreamExt, TryStreamExt};
use quiz_events::{Cause, Connector, Renewable};
use quiz_mongo::{MongoCatalog, MongoError, MongoSource};
use quiz_pipeline::ports::{AnswerSource, AttemptStream, DocumentStream, QuizDocuments, SourceError};

use crate::{Secret, SecretSource};

/// A MongoDB client, opened with a URI and a database name.
#[async_trait]
pub trait MongoClient: Sized + Send + Sync + 'static {
    /// Opens the client.
    ///
    /// # Errors
    /// [`MongoError`] if the URI is invalid, or the hosts of an SRV URI cannot be resolved.
    async fn open(uri: &str, database: &str) -> Result<Self, MongoError>;
}

#[async_trait]
impl MongoClient for MongoSource {
    async fn open(uri: &str, database: &str) -> Result<Self, MongoError> {
        Self::connect(uri, database).await
    }
}

#[async_trait]
impl MongoClient for MongoCatalog {
    async fn open(uri: &str, database: &str) -> Result<Self, MongoError> {
        Self::connect(uri, database).await
    }
}

/// A MongoDB client that reads its secret and connects at first use, or before in the background. If the function
/// connected at start instead, a failure would end the process before it could report the failed messages.
///
/// If MongoDB refuses the credentials, the secret is read again ([`Renewable`]). The connections of the old client stay
/// open until its last operation has ended.
pub struct LazyMongo<C: MongoClient>(Renewable<UriSecret<C>>);

struct UriSecret<C> {
    uri: SecretSource,
    database: String,
    aws: SdkConfig,
    client: PhantomData<fn() -> C>,
}

#[async_trait]
impl<C: MongoClient> Connector for UriSecret<C> {
    type Secret = Secret;
    type Client = C;
    type Error = SourceError;

    fn dependency(&self) -> &'static str {
        "MongoDB"
    }

    fn can_change(&self) -> bool {
        self.uri.can_change()
    }

    async fn read(&self) -> Result<Secret, SourceError> {
        self.uri.resolve(&self.aws).await.map_err(not_configured)
    }

    async fn connect(&self, uri: &Secret) -> Result<C, SourceError> {
        let uri = uri.plain().map_err(not_configured)?;
        C::open(uri, &self.database).await.map_err(not_configured)
    }

    fn is_refused(&self, error: &SourceError) -> bool {
        matches!(error, SourceError::Unauthorized { .. })
    }
}

fn not_configured(cause: impl Into<Cause>) -> SourceError {
    SourceError::Unavailable { what: "the MongoDB configuration".into(), cause: cause.into() }
}

impl<C: MongoClient> LazyMongo<C> {
    /// A client that is not connected yet.
    #[must_use]
    pub fn new(uri: SecretSource, database: String, aws: SdkConfig) -> Self {
        Self(Renewable::new(UriSecret { uri, database, aws, client: PhantomData }))
    }

    /// Opens the client before it is needed.
    ///
    /// # Errors
    /// [`SourceError::Unavailable`] if the secret cannot be read or the client cannot be opened. The next call tries again.
    pub async fn ready(self: Arc<Self>) -> Result<(), SourceError> {
        self.0.client().await.map(drop)
    }

    /// Runs an operation. If MongoDB refuses the credentials and the secret has changed, runs it again with a new client.
    ///
    /// # Errors
    /// The errors of [`LazyMongo::ready`] and of the operation.
    pub async fn run<T, R>(&self, operation: impl Fn(Arc<C>) -> R) -> Result<T, SourceError>
    where
        R: Future<Output = Result<T, SourceError>>,
    {
        self.0.run(operation).await
    }
}

impl LazyMongo<MongoSource> {
    /// The stream, which ends with its first error. After refused credentials, the next call opens a new client.
    fn renewing<'a, T: Send + 'a>(
        &'a self,
        source: Arc<MongoSource>,
        stream: BoxStream<'static, Result<T, SourceError>>,
    ) -> BoxStream<'a, Result<T, SourceError>> {
        let after_failure = move |error: SourceError| {
            let source = Arc::clone(&source);
            async move {
                self.0.after_failure(&source, &error).await;
                Err(error)
            }
        };
        stream.or_else(after_failure).boxed()
    }
}

#[async_trait]
impl AnswerSource for LazyMongo<MongoSource> {
    async fn quiz(&self, quiz_id: &str) -> Result<Option<QuizDocuments>, SourceError> {
        self.run(|source| async move { source.quiz(quiz_id).await }).await
    }

    async fn attempt_heads<'a>(&'a self, quiz_id: &'a str) -> Result<DocumentStream<'a>, SourceError> {
        let begin = |source: Arc<MongoSource>| async move { Ok((source.heads(quiz_id).await?, source)) };
        let (heads, source) = self.run(begin).await?;
        Ok(self.renewing(source, heads))
    }

    async fn heads_of(&self, quiz_id: &str, user_ids: &[String]) -> Result<Vec<Document>, SourceError> {
        self.run(|source| async move { source.heads_of(quiz_id, user_ids).await }).await
    }

    async fn attempts<'a>(
        &'a self,
        quiz_id: &'a str,
        keys: Vec<Bson>,
    ) -> Result<AttemptStream<'a>, SourceError> {
        let source = self.0.client().await?;
        let attempts = source.attempt_batches(quiz_id, keys);
        Ok(self.renewing(source, attempts))
    }
}

#[cfg(test)]
mod tests {
    use crate::{Secret, SecretSource};
    use aws_config::SdkConfig;
    use quiz_mongo::MongoSource;
    use quiz_pipeline::ports::{AnswerSource, SourceError};

    use super::LazyMongo;

    #[tokio::test]
    async fn uri_in_quotes_names_the_mistake() {
        let uri = SecretSource::Given(Secret::new("\"mongodb://user:hunter2@host\"".into()));
        let source = LazyMongo::<MongoSource>::new(uri, "quiz".into(), SdkConfig::builder().build());
        let shown = source.quiz("q").await.unwrap_err().to_string();
        assert!(shown.contains("the secret is in quotes") && !shown.contains("hunter2"), "{shown}");
    }

    #[tokio::test]
    async fn invalid_uri_fails_without_showing_the_secret() {
        let uri = SecretSource::Given(Secret::new("mongo://user:hunter2@host".into()));
        let source = LazyMongo::<MongoSource>::new(uri, "quiz".into(), SdkConfig::builder().build());
        let error = source.quiz("q").await.unwrap_err();
        assert!(matches!(error, SourceError::Unavailable { .. }), "{error}");
        let shown = error.to_string();
        assert!(shown.contains("cannot use the MongoDB URI") && !shown.contains("hunter2"), "{shown}");
    }
}
