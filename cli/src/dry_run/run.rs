use std::panic::AssertUnwindSafe;
use std::sync::Arc;

use futures::FutureExt;
use indicatif::ProgressBar;
use tokio::task::JoinSet;

use crate::dry_run::difference::TestDifference;
use crate::dry_run::failure::Failure;
use crate::dry_run::one_test::{DryRun, TestToTry};
use crate::dry_run::progress::Progress;
use crate::dry_run::tried::{FailedTest, Tried};
use crate::dry_run::view;
use crate::ui::{Done, Interrupt, Terminal};

/// How many tests are read at once.
const AT_ONCE: usize = 2;

/// Tries the tests, prints each as it is done, and at the end what all of them come to. A test that fails costs the
/// others nothing. Ctrl-C stops it at once, since nothing is begun that would have to be ended.
pub async fn run(dry: DryRun, tests: Vec<TestToTry>, terminal: Terminal, interrupt: &Interrupt) -> Done {
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

/// Tries the tests, a few at once, and shows each result as it comes.
pub async fn try_all(
    dry: DryRun,
    tests: Vec<TestToTry>,
    taken: &ProgressBar,
    interrupt: &Interrupt,
    mut show: impl FnMut(Result<&TestDifference, &Failure>),
) -> Tried {
    let dry = Arc::new(dry);
    let asked = tests.len();
    let mut waiting = tests.into_iter().enumerate();
    // dropped, it ends those that are under way
    let mut running = JoinSet::new();
    let mut ended = Vec::with_capacity(asked);
    loop {
        while running.len() < AT_ONCE
            && let Some((place, test)) = waiting.next()
        {
            let (dry, taken) = (Arc::clone(&dry), taken.clone());
            running.spawn(async move {
                let tried = AssertUnwindSafe(dry.counting(&test, &taken)).catch_unwind().await;
                let result = match tried {
                    Ok(result) => result.map_err(|error| Failure::of(&error)),
                    Err(_) => Err(Failure::broke_down()),
                };
                (place, test, result)
            });
        }
        let next = tokio::select! {
            biased;
            () = interrupt.raised() => break,
            next = running.join_next() => next,
        };
        match next {
            Some(Ok((place, test, result))) => {
                show(result.as_ref());
                ended.push((place, test, result));
            }
            // a task ends early only with the runtime
            Some(Err(_)) => {}
            None => break,
        }
    }
    ended.sort_by_key(|(place, ..)| *place);
    let mut tried = Tried { left: asked - ended.len(), ..Tried::default() };
    for (_, test, result) in ended {
        let failed = |rows_only, failure| FailedTest { target: test.target, rows_only, failure };
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
