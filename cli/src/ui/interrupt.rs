use tokio::sync::watch;

/// Ctrl-C: the first asks the command to stop where nothing is lost, the second ends it at once.
#[derive(Clone, Debug)]
pub struct Interrupt(watch::Receiver<bool>);

impl Interrupt {
    /// Listens from now on.
    #[must_use]
    pub fn listen() -> Self {
        let (raise, raised) = watch::channel(false);
        tokio::spawn(async move {
            if tokio::signal::ctrl_c().await.is_err() {
                // without signals nothing is raised, and the default of the system holds
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

    /// Ends when the command is asked to stop.
    pub async fn raised(&self) {
        if self.0.clone().wait_for(|raised| *raised).await.is_err() {
            std::future::pending::<()>().await;
        }
    }
}
