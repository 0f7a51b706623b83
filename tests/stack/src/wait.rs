use std::time::Duration;

use anyhow::{Result, bail};
use tokio::time::Instant;

const FIRST_PAUSE: Duration = Duration::from_millis(10);
const LONGEST_PAUSE: Duration = Duration::from_millis(200);

/// Polls until `probe` returns a value. `Ok(None)` and `Err` both mean "not yet": an error describes the current state and
/// is tried again, because a starting server may refuse for a while.
///
/// # Errors
/// After `timeout`: names the awaited thing and the last state (or error) of the probe.
pub async fn eventually<T>(
    what: &str,
    timeout: Duration,
    mut probe: impl AsyncFnMut() -> Result<Option<T>>,
) -> Result<T> {
    let deadline = Instant::now() + timeout;
    let mut pause = FIRST_PAUSE;
    let mut last = String::from("the first probe has not returned");
    loop {
        match tokio::time::timeout_at(deadline, probe()).await {
            Ok(Ok(Some(value))) => return Ok(value),
            Ok(Ok(None)) => "not yet".clone_into(&mut last),
            Ok(Err(error)) => last = format!("{error:#}"),
            Err(_) => bail!("waited {timeout:?} for {what}; a probe did not return, before it: {last}"),
        }
        if Instant::now() + pause >= deadline {
            bail!("waited {timeout:?} for {what}; last state: {last}");
        }
        tokio::time::sleep(pause).await;
        pause = (pause * 2).min(LONGEST_PAUSE);
    }
}

#[cfg(test)]
mod tests {
    use anyhow::anyhow;

    use super::*;

    #[tokio::test]
    async fn a_value_ends_the_wait() {
        let mut calls = 0;
        let value = eventually("the third call", Duration::from_secs(10), async || {
            calls += 1;
            Ok((calls == 3).then_some("there"))
        });
        assert_eq!(value.await.unwrap(), "there");
        assert_eq!(calls, 3);
    }

    #[tokio::test]
    async fn error_names_awaited_thing_and_last_state() {
        let short = Duration::from_millis(30);
        let error =
            eventually::<()>("five messages", short, async || Err(anyhow!("3 so far"))).await.unwrap_err();
        let error = error.to_string();
        assert!(error.contains("for five messages") && error.contains("3 so far"), "{error}");
    }

    #[tokio::test]
    async fn hanging_probe_times_out() {
        let short = Duration::from_millis(30);
        let error =
            eventually::<()>("an answer", short, async || std::future::pending().await).await.unwrap_err();
        assert!(error.to_string().contains("did not return"), "{error}");
    }
}
