use std::time::Duration;

use tokio::time::timeout;

/// How long a call may take. A call that takes longer has failed; no check waits for it.
#[derive(Clone, Copy, Debug)]
pub struct CallTimeout(pub Duration);

impl CallTimeout {
    /// Runs `call` up to the time limit. `no_answer` turns the message about the missing answer into an error.
    pub fn limit<T, E>(
        self,
        call: impl Future<Output = Result<T, E>>,
        no_answer: impl FnOnce(String) -> E,
    ) -> impl Future<Output = Result<T, E>> {
        // boxed: the futures are large, and many run at the same time
        let call = Box::pin(call);
        async move {
            match timeout(self.0, call).await {
                Ok(answer) => answer,
                Err(_) => Err(no_answer(format!("no answer within {} s", self.0.as_secs()))),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::CallTimeout;

    #[tokio::test(start_paused = true)]
    async fn call_without_answer_fails() {
        let never = std::future::pending::<Result<(), String>>();
        let failed = CallTimeout(Duration::from_secs(7)).limit(never, |text| text).await;
        assert_eq!(failed, Err("no answer within 7 s".to_owned()));
    }
}
