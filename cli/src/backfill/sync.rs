use std::collections::HashMap;
use std::sync::Mutex;
use std::time::Instant;

use anyhow::bail;
use quiz_events::SessionTarget;

use crate::backfill::args::SyncArgs;
use crate::backfill::choose::{Chosen, named};
use crate::backfill::journal::AskedTest;
use crate::backfill::run::each_once;
use crate::backfill::settings::Settings;
use crate::backfill::track::Tracker;
use crate::backfill::work::Work;
use crate::ui::{Done, Interrupt, Terminal, WrongUse, asker};

/// Publishes a `session.sync` event for each of the tests, and stays until they are synced if that is wished.
///
/// # Errors
/// What broke it off.
pub async fn sync(args: &SyncArgs, terminal: Terminal, interrupt: &Interrupt) -> anyhow::Result<Done> {
    let settings = Settings::read(true).await?;
    let states = settings.states();
    let tests = named_tests(args, &settings).await?;
    let began = Instant::now();
    let ids: Vec<String> = tests.iter().map(|test| test.target.session_id.clone()).collect();
    let asked = tests.into_iter().map(|Chosen { target, description }| {
        let SessionTarget { session_id, quiz_id } = target;
        (
            session_id.clone(),
            AskedTest { name: session_id.clone(), session_id, quiz_id, session: description },
        )
    });
    let sinks = each_once(&args.sinks);
    let work = Work {
        tests: asked.collect::<HashMap<_, _>>(),
        sinks: sinks.clone(),
        force: args.wish.force,
        reason: args.wish.reason.clone(),
        requested_by: asker(args.wish.requested_by.as_ref()),
        backfill_id: None,
        rate: f64::MAX,
        follows: args.wait,
        topic: settings.topic(),
        states: &states,
        journal: None,
        tracker: Mutex::new(Tracker::new(sinks, ids)),
        teller: None,
        terminal,
        interrupt,
    };
    let ran = work.run().await;
    let ended = work.ended(&[], began.elapsed());
    ran?;
    ended.print(terminal);
    Ok(ended.done())
}

/// The tests that are named, of one quiz where that is given.
pub(crate) async fn named_tests(args: &SyncArgs, settings: &Settings) -> anyhow::Result<Vec<Chosen>> {
    let Some(quiz_id) = &args.quiz_id else { return named(&args.sessions, &settings.states()).await };
    let [session_id] = &args.sessions[..] else {
        return Err(WrongUse("--quiz-id is of one session: name one".to_owned()).into());
    };
    // not split at commas and spaces: one id is named, and a wrong one is refused
    match SessionTarget::new(session_id, Some(quiz_id), "session_id") {
        Ok(target) => Ok(vec![Chosen { target, description: None }]),
        Err(error) => bail!("session {session_id:?}: {error}"),
    }
}
