use std::panic::AssertUnwindSafe;
use std::sync::Arc;

use futures::FutureExt;
use indicatif::ProgressBar;
use tokio::task::JoinSet;

use crate::dry_run::difference::SessionDifference;
use crate::dry_run::failure::Failure;
use crate::dry_run::one_session::{DryRun, SessionToTry};
use crate::dry_run::progress::Progress;
use crate::dry_run::tried::{FailedSession, Tried};
use crate::dry_run::view;
use crate::ui::{Done, Interrupt, Terminal};

/// Test sessions read at once.
const AT_ONCE: usize = 2;

/// Runs all test sessions, prints each result at once and a summary at the end. A failure does not stop the others;
/// Ctrl-C stops at once, because a dry run writes nothing.
pub async fn run(dry: DryRun, tests: Vec<SessionToTry>, terminal: Terminal, interrupt: &Interrupt) -> Done {
    let progress = Progress::new(terminal, tests.len());
    let ink = terminal.ink();
    let tried = try_all(dry, tests, &progress.taken, interrupt, |result| {
        progress.test_done();
        if !terminal.json
            && let Ok(difference) = result
        {
            progress.pause(|| terminal.print(&view::difference(difference, ink)));
        }
    });
    let tried = tried.await;
    progress.finish();
    if terminal.json {
        terminal.print_json(&tried.json());
    } else {
        terminal.print(&view::summary(&tried, ink));
        tried.failed.iter().for_each(|failed| terminal.complain(&view::failure(failed)));
    }
    tried.done()
}

/// Runs the test sessions, a few at once, and passes each result to `show`.
pub async fn try_all(
    dry: DryRun,
    tests: Vec<SessionToTry>,
    taken: &ProgressBar,
    interrupt: &Interrupt,
    mut show: impl FnMut(Result<&SessionDifference, &Failure>),
) -> Tried {
    let dry = Arc::new(dry);
    let total = tests.len();
    let mut waiting = tests.into_iter().enumerate();
    // dropping the set stops the running ones
    let mut running = JoinSet::new();
    let mut ended = Vec::with_capacity(total);
    loop {
        while running.len() < AT_ONCE
            && let Some((position, test)) = waiting.next()
        {
            let (dry, taken) = (Arc::clone(&dry), taken.clone());
            running.spawn(async move {
                let tried = AssertUnwindSafe(dry.counting(&test, &taken)).catch_unwind().await;
                let result = match tried {
                    Ok(result) => result.map_err(|error| Failure::from_error(&error)),
                    Err(_) => Err(Failure::from_panic()),
                };
                (position, test, result)
            });
        }
        let next = tokio::select! {
            biased;
            () = interrupt.raised() => break,
            next = running.join_next() => next,
        };
        match next {
            Some(Ok((position, test, result))) => {
                show(result.as_ref());
                ended.push((position, test, result));
            }
            // only the end of the runtime cancels a task
            Some(Err(_)) => {}
            None => break,
        }
    }
    // results in the order of the arguments
    ended.sort_by_key(|(position, ..)| *position);
    let mut tried = Tried { left: total - ended.len(), ..Tried::default() };
    for (_, test, result) in ended {
        let failed = |rows_only, failure| FailedSession { target: test.target, rows_only, failure };
        match result {
            Ok(difference) => {
                if let Some(Err(failure)) = &difference.rows {
                    tried.failed.push(failed(true, failure.clone()));
                }
                tried.tests.push(difference);
            }
            Err(failure) => tried.failed.push(failed(false, failure)),
        }
    }
    tried
}
