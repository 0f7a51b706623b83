use std::collections::HashMap;
use std::sync::Mutex;
use std::time::Instant;

use anyhow::bail;
use quiz_events::{OperatorActed, SessionTarget};

use crate::audit::Action;
use crate::backfill::args::SyncArgs;
use crate::backfill::choose::{SelectedSession, named};
use crate::backfill::journal::RequestedSession;
use crate::backfill::run::distinct_sinks;
use crate::backfill::settings::BackfillSettings;
use crate::backfill::track::Tracker;
use crate::backfill::work::Work;
use crate::ui::{Done, Interrupt, Terminal, WrongUse, counted};

/// Publishes a `session.sync` event for each test session; with `--wait`, follows them until all are synced.
///
/// # Errors
/// The cause that stopped it.
pub async fn sync(args: &SyncArgs, terminal: Terminal, interrupt: &Interrupt) -> anyhow::Result<Done> {
    let reason = match &args.request.audit.reason {
        None if args.request.force => Some(args.request.audit.require_reason(terminal, interrupt).await?),
        given => given.clone(),
    };
    let requested_by = args.request.audit.requester();
    let settings = BackfillSettings::read(true).await?;
    let states = settings.states();
    let tests = named_tests(args, &settings).await?;
    let started = Instant::now();
    let ids: Vec<String> = tests.iter().map(|test| test.target.session_id.clone()).collect();
    let action = Action {
        name: if args.request.force { OperatorActed::SYNC_FORCE } else { OperatorActed::SYNC },
        by: requested_by.clone(),
        reason: reason.clone(),
        target: counted(ids.len(), "test session"),
        count: ids.len(),
        session_ids: ids.clone(),
    };
    settings.audit().record(action).await?;
    let requested = tests.into_iter().map(|SelectedSession { target, description }| {
        (target.session_id.clone(), RequestedSession::unnamed(target, description))
    });
    let sinks = distinct_sinks(&args.sinks);
    let work = Work {
        tests: requested.collect::<HashMap<_, _>>(),
        sinks: sinks.clone(),
        force: args.request.force,
        reason,
        requested_by,
        backfill_id: None,
        rate: f64::MAX,
        follows: args.wait,
        topic: settings.topic(),
        states: &states,
        journal: None,
        tracker: Mutex::new(Tracker::new(sinks, ids)),
        announcer: None,
        terminal,
        interrupt,
    };
    let ran = work.run().await;
    let summary = work.summary(&[], started.elapsed());
    ran?;
    summary.print(terminal);
    Ok(summary.done())
}

/// The test sessions of the arguments; `--quiz-id` gives the quiz of a single one.
pub(crate) async fn named_tests(
    args: &SyncArgs,
    settings: &BackfillSettings,
) -> anyhow::Result<Vec<SelectedSession>> {
    let Some(quiz_id) = &args.quiz_id else { return named(&args.sessions, &settings.states()).await };
    let [session_id] = &args.sessions[..] else {
        return Err(WrongUse("--quiz-id belongs to one test session: give one session id".to_owned()).into());
    };
    // with --quiz-id, a comma or a space is an error in the id, not a separator
    match SessionTarget::new(session_id, Some(quiz_id), "session_id") {
        Ok(target) => Ok(vec![SelectedSession { target, description: None }]),
        Err(error) => bail!("session {session_id:?}: {error}"),
    }
}
