use tokio::sync::watch;

/// Ctrl-C: the first asks the command to stop at a safe point, the second ends the process at once.
#[derive(Clone, Debug)]
pub struct Interrupt(watch::Receiver<bool>);

impl Interrupt {
    /// Starts to listen for Ctrl-C.
    #[must_use]
    pub fn listen() -> Self {
        let (raise, raised) = watch::channel(false);
        tokio::spawn(async move {
            if tokio::signal::ctrl_c().await.is_err() {
                // without a signal handler the system's default applies: Ctrl-C ends the process
                return std::future::pending().await;
            }
            let _ = raise.send(true);
            if tokio::signal::ctrl_c().await.is_ok() {
                std::process::exit(130);
            }
        });
        Self(raised)
    }

    #[must_use]
    pub fn is_raised(&self) -> bool {
        *self.0.borrow()
    }

    /// Completes after the first Ctrl-C.
    pub async fn raised(&self) {
        if self.0.clone().wait_for(|raised| *raised).await.is_err() {
            std::future::pending::<()>().await;
        }
    }
}
