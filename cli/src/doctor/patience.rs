use std::time::Duration;

use tokio::time::timeout;

/// How long a call may take. One that takes longer has failed: nothing waits for it.
#[derive(Clone, Copy, Debug)]
pub struct Patience(pub Duration);

impl Patience {
    /// `silent` makes an error of the text that says that no answer came.
    pub fn hold<T, E>(
        self,
        call: impl Future<Output = Result<T, E>>,
        silent: impl FnOnce(String) -> E,
    ) -> impl Future<Output = Result<T, E>> {
        // calls are large, and many are under way at once
        let call = Box::pin(call);
        async move {
            match timeout(self.0, call).await {
                Ok(answered) => answered,
                Err(_) => Err(silent(format!("no answer came within {} s", self.0.as_secs()))),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::Patience;

    #[tokio::test(start_paused = true)]
    async fn what_does_not_answer_has_failed() {
        let never = std::future::pending::<Result<(), String>>();
        let failed = Patience(Duration::from_secs(7)).hold(never, |text| text).await;
        assert_eq!(failed, Err("no answer came within 7 s".to_owned()));
    }
}
