//! A client whose secret can be rotated while the process lives.
//!
//! Problem: Lambda keeps an instance for hours. A client whose secret is read only once would fail from the rotation of the
//! secret until the instance ends. Idea: an operation whose credentials are refused reads the secret again. If the text has
//! changed, a new client is made, and the operation runs once more.
//!
//! - Operations that are refused at the same time read the secret once. Each names the client that was refused; if
//!   another operation has replaced that client already, the replacement is used.
//! - After a read that gave no new client (the same text, no answer, or a text that no client can be made of), the
//!   secret is not read again for [`PAUSE`]. An instance with a wrong password does not read the secret for each message.
//! - A secret that the environment gives is never read again.

use std::fmt::Display;
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use async_trait::async_trait;
use tokio::sync::Mutex;
use tokio::time::Instant;

/// The least time between two reads of a secret that has not changed.
const PAUSE: Duration = Duration::from_mins(1);

/// Makes the client of one dependency.
#[async_trait]
pub trait Connector: Send + Sync {
    /// The text of the secret; a changed text makes a new client.
    type Secret: PartialEq + Send + Sync;
    type Client: Send + Sync;
    /// The errors of reads, connections and operations.
    type Error: Display + Send;

    /// The dependency's name in the log.
    fn dependency(&self) -> &'static str;

    /// Whether a later read can give another secret.
    fn can_change(&self) -> bool;

    /// Reads the secret from its store.
    ///
    /// # Errors
    /// If the store does not answer or has no such secret.
    async fn read(&self) -> Result<Self::Secret, Self::Error>;

    /// Makes a client of the secret.
    ///
    /// # Errors
    /// If no client can be made of the secret's text.
    async fn connect(&self, secret: &Self::Secret) -> Result<Self::Client, Self::Error>;

    /// Whether an operation failed because the client's credentials were refused.
    fn is_refused(&self, error: &Self::Error) -> bool;
}

/// A client that is made when it is first needed, and made anew when its credentials are refused and the secret has
/// changed. A secret that cannot be read at first fails the operation that needs it; the next operation reads it again.
pub struct Renewable<K: Connector> {
    connector: K,
    client: RwLock<Option<Arc<K::Client>>>,
    /// Held while the secret is read.
    known: Mutex<Known<K::Secret>>,
}

struct Known<S> {
    /// The secret that the client was made of.
    secret: Option<S>,
    /// When the secret was last read again without a new client.
    read_in_vain: Option<Instant>,
}

impl<K: Connector> Renewable<K> {
    /// Reads nothing yet: the first operation makes the client.
    #[must_use]
    pub fn new(connector: K) -> Self {
        let known = Mutex::new(Known { secret: None, read_in_vain: None });
        Self { connector, client: RwLock::default(), known }
    }

    /// The client, if it was made.
    fn made(&self) -> Option<Arc<K::Client>> {
        self.client.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// The client; the first call makes it.
    ///
    /// # Errors
    /// The connector's error if the secret cannot be read or no client can be made of it. The next call tries again.
    pub async fn client(&self) -> Result<Arc<K::Client>, K::Error> {
        if let Some(client) = self.made() {
            return Ok(client);
        }
        let mut known = self.known.lock().await;
        // another call may have made it while this one waited
        if let Some(client) = self.made() {
            return Ok(client);
        }
        let secret = self.connector.read().await?;
        let client = Arc::new(self.connector.connect(&secret).await?);
        known.secret = Some(secret);
        self.replace(&client);
        Ok(client)
    }

    /// Runs an operation; once more with a new client if its credentials are refused and the secret has changed.
    ///
    /// # Errors
    /// As for [`Renewable::client`], and the operation's own error.
    pub async fn run<T, F, R>(&self, operation: F) -> Result<T, K::Error>
    where
        F: Fn(Arc<K::Client>) -> R,
        R: Future<Output = Result<T, K::Error>>,
    {
        let client = self.client().await?;
        match operation(Arc::clone(&client)).await {
            Err(error) => match self.after_failure(&client, &error).await {
                Some(renewed) => operation(renewed).await,
                None => Err(error),
            },
            done => done,
        }
    }

    /// The client to use in place of `used`, which failed with `error`; `None` if the error is not about credentials,
    /// or the secret gives no other client. A stream that failed half-way calls this, so that the next call succeeds.
    pub async fn after_failure(&self, used: &Arc<K::Client>, error: &K::Error) -> Option<Arc<K::Client>> {
        if !self.connector.is_refused(error) || !self.connector.can_change() {
            return None;
        }
        let mut known = self.known.lock().await;
        if let Some(client) = self.made().filter(|client| !Arc::ptr_eq(client, used)) {
            return Some(client);
        }
        if known.read_in_vain.is_some_and(|at| at.elapsed() < PAUSE) {
            return None;
        }
        let renewed = self.read_again(known.secret.as_ref()).await;
        known.read_in_vain = renewed.is_none().then(Instant::now);
        let (secret, client) = renewed?;
        known.secret = Some(secret);
        self.replace(&client);
        Some(client)
    }

    async fn read_again(&self, old: Option<&K::Secret>) -> Option<(K::Secret, Arc<K::Client>)> {
        let dependency = self.connector.dependency();
        let secret = match self.connector.read().await {
            Ok(secret) => secret,
            Err(error) => {
                tracing::warn!(dependency, error = %error, "secret not read again");
                return None;
            }
        };
        let changed = old != Some(&secret);
        tracing::info!(dependency, changed, "secret read again");
        if !changed {
            return None;
        }
        match self.connector.connect(&secret).await {
            Ok(client) => Some((secret, Arc::new(client))),
            Err(error) => {
                tracing::warn!(dependency, error = %error, "changed secret not usable, the old client is kept");
                None
            }
        }
    }

    fn replace(&self, client: &Arc<K::Client>) {
        *self.client.write().unwrap_or_else(PoisonError::into_inner) = Some(Arc::clone(client));
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};
    use std::sync::{Arc, Mutex};

    use async_trait::async_trait;
    use tokio::time::advance;

    use super::{Connector, PAUSE, Renewable};

    /// A service that accepts one password, and the secret that holds a password.
    struct Service {
        accepted: Mutex<String>,
        secret: Mutex<Result<String, &'static str>>,
        reads: AtomicUsize,
        can_change: bool,
    }

    const REFUSED: &str = "wrong password";

    #[async_trait]
    impl Connector for Arc<Service> {
        type Secret = String;
        type Client = String;
        type Error = &'static str;

        fn dependency(&self) -> &'static str {
            "service"
        }

        fn can_change(&self) -> bool {
            self.can_change
        }

        async fn read(&self) -> Result<String, &'static str> {
            self.reads.fetch_add(1, Ordering::SeqCst);
            // others come while the secret is read
            tokio::task::yield_now().await;
            self.secret.lock().unwrap().clone()
        }

        async fn connect(&self, secret: &String) -> Result<String, &'static str> {
            if secret.is_empty() { Err("no password") } else { Ok(secret.clone()) }
        }

        fn is_refused(&self, error: &&'static str) -> bool {
            *error == REFUSED
        }
    }

    fn service(can_change: bool) -> (Arc<Service>, Renewable<Arc<Service>>) {
        let service = Arc::new(Service {
            accepted: Mutex::new("old".to_owned()),
            secret: Mutex::new(Ok("old".to_owned())),
            reads: AtomicUsize::new(0),
            can_change,
        });
        (Arc::clone(&service), Renewable::new(service))
    }

    impl Service {
        fn reads(&self) -> usize {
            self.reads.load(Ordering::SeqCst)
        }

        fn accept(&self, password: &str) {
            password.clone_into(&mut self.accepted.lock().unwrap());
        }

        fn store(&self, secret: Result<&str, &'static str>) {
            *self.secret.lock().unwrap() = secret.map(str::to_owned);
        }

        async fn call(&self, renewable: &Renewable<Arc<Self>>) -> Result<(), &'static str> {
            let called = renewable.run(|password| async move {
                let is_accepted = *password == *self.accepted.lock().unwrap();
                tokio::task::yield_now().await;
                if is_accepted { Ok(()) } else { Err(REFUSED) }
            });
            called.await
        }
    }

    #[tokio::test]
    async fn rotated_secret_is_read_once_for_all_operations() {
        let (service, renewable) = service(true);
        service.call(&renewable).await.unwrap();
        service.accept("new");
        service.store(Ok("new"));
        let calls = (0..20).map(|_| service.call(&renewable));
        assert!(futures::future::join_all(calls).await.iter().all(Result::is_ok));
        assert_eq!(service.reads(), 2, "one read at first, one after the rotation");
    }

    #[tokio::test(start_paused = true)]
    async fn unchanged_secret_is_read_once_a_minute() {
        let (service, renewable) = service(true);
        service.accept("new");
        for _ in 0..1_000 {
            assert_eq!(service.call(&renewable).await, Err(REFUSED));
        }
        assert_eq!(service.reads(), 2);
        advance(PAUSE).await;
        service.store(Ok("new"));
        service.call(&renewable).await.unwrap();
        assert_eq!(service.reads(), 3);
    }

    #[tokio::test(start_paused = true)]
    async fn unusable_secret_keeps_the_old_client() {
        let (service, renewable) = service(true);
        service.call(&renewable).await.unwrap();
        service.accept("new");
        for secret in [Ok(""), Err("no route")] {
            service.store(secret);
            advance(PAUSE).await;
            for _ in 0..3 {
                assert_eq!(service.call(&renewable).await, Err(REFUSED), "the operation's own error");
            }
        }
        assert_eq!(service.reads(), 3);
        service.accept("old");
        service.call(&renewable).await.unwrap();
    }

    #[tokio::test]
    async fn given_secret_is_never_read_again() {
        let (service, renewable) = service(false);
        service.accept("new");
        assert_eq!(service.call(&renewable).await, Err(REFUSED));
        assert_eq!(service.reads(), 1);
    }

    #[tokio::test]
    async fn unreadable_secret_is_read_by_the_next_operation() {
        let (service, renewable) = service(true);
        service.store(Err("no route"));
        assert_eq!(service.call(&renewable).await, Err("no route"));
        service.store(Ok("old"));
        service.call(&renewable).await.unwrap();
        assert_eq!(service.reads(), 2);
    }
}
