use std::collections::{BTreeSet, HashMap};
use std::sync::Mutex;
use std::time::Instant;

use anyhow::{Context, bail};
use jiff::Timestamp;
use quiz_events::{OperatorActed, Sink};

use crate::audit::Action;
use crate::backfill::announce::Announcer;
use crate::backfill::args::BackfillArgs;
use crate::backfill::choose::{NO_SELECTION, choose};
use crate::backfill::journal::{self, BackfillRequest, Journal, PublishedSession, RequestedSession};
use crate::backfill::plan::{BackfillPlan, UnsyncableSession, make_plan};
use crate::backfill::settings::{BackfillSettings, Documents};
use crate::backfill::track::Tracker;
use crate::backfill::view;
use crate::backfill::work::Work;
use crate::ui::{Done, Interrupt, Terminal, WrongUse, count, counted, is_wanted};

/// Runs a backfill: selects test sessions, shows the plan, asks, publishes and follows; or continues an interrupted one.
///
/// # Errors
/// The cause that stopped it. The functions still sync the test sessions published by then; `--resume` continues.
pub async fn backfill(
    args: &BackfillArgs,
    terminal: Terminal,
    interrupt: &Interrupt,
) -> anyhow::Result<Done> {
    match &args.resume {
        Some(id) => resume(id, args, terminal, interrupt).await,
        None => begin(args, terminal, interrupt).await,
    }
}

async fn resume(
    id: &str,
    args: &BackfillArgs,
    terminal: Terminal,
    interrupt: &Interrupt,
) -> anyhow::Result<Done> {
    let settings = BackfillSettings::read(true).await?;
    let (journal, request, published) = Journal::open(&journal::folder()?, id)?;
    if request.topic != settings.events_topic {
        bail!(
            "backfill {} publishes to {}, but EVENTS_TOPIC_ARN is {}: resume it in its own environment",
            request.backfill_id,
            request.topic,
            settings.events_topic
        );
    }
    let sessions = counted(request.tests.len(), "test session");
    terminal.step(&format!(
        "backfill {}: {} of {sessions} published",
        request.backfill_id,
        count(published.len())
    ));
    let target = format!("resumed backfill {}", request.backfill_id);
    settings.audit().record(action(&request, args.request.audit.requester(), target)).await?;
    let follows = !args.detach;
    let started = StartedBackfill { journal, request, published, unsyncable: Vec::new(), follows };
    started.run(&settings, terminal, interrupt).await
}

async fn begin(args: &BackfillArgs, terminal: Terminal, interrupt: &Interrupt) -> anyhow::Result<Done> {
    if args.selection.is_empty() {
        return Err(WrongUse(NO_SELECTION.to_owned()).into());
    }
    let reason = args.request.audit.require_reason(terminal, interrupt).await?;
    let settings = BackfillSettings::read(true).await?;
    let folder = journal::folder()?;
    let (plan, unknown_quizzes) = plan_backfill(args, &settings).await?;
    let sinks = distinct_sinks(&args.sinks);
    terminal.step(&view::plan(&plan, &unknown_quizzes, args.rate, sinks.len(), terminal.ink()));
    if plan.tests.is_empty() {
        bail!("no test session to sync");
    }
    let question = format!("Sync {}?", counted(plan.tests.len(), "test session"));
    if !args.yes && !is_wanted(terminal, question, interrupt).await? {
        terminal.step("nothing was published");
        return Ok(Done::WithFailures);
    }
    let BackfillPlan { tests, unsyncable } = plan;
    let tests = tests.into_iter().map(|planned| RequestedSession {
        session_id: planned.test.target.session_id,
        quiz_id: planned.test.target.quiz_id,
        name: planned.name,
        session: planned.test.description,
    });
    let started_at = Timestamp::now();
    let request = BackfillRequest {
        backfill_id: new_id(started_at),
        topic: settings.events_topic.clone(),
        started_at,
        rate: args.rate,
        sinks,
        force: args.request.force,
        reason: Some(reason),
        requested_by: args.request.audit.requester(),
        tests: tests.collect(),
    };
    let force = if request.force { " --force" } else { "" };
    let target =
        format!("{} ({}{force})", counted(request.tests.len(), "test session"), args.selection.options());
    settings.audit().record(action(&request, request.requested_by.clone(), target)).await?;
    let journal = Journal::create(&folder, &request)?;
    terminal.step(&format!("backfill {} started", request.backfill_id));
    let follows = !args.detach;
    let started = StartedBackfill { journal, request, published: Vec::new(), unsyncable, follows };
    started.run(&settings, terminal, interrupt).await
}

/// The action that begins or continues the backfill.
fn action(request: &BackfillRequest, by: Option<String>, target: String) -> Action {
    Action {
        name: OperatorActed::BACKFILL,
        by,
        reason: request.reason.clone(),
        target,
        count: request.tests.len(),
        session_ids: request.tests.iter().map(|test| test.session_id.clone()).collect(),
    }
}

async fn plan_backfill(
    args: &BackfillArgs,
    settings: &BackfillSettings,
) -> anyhow::Result<(BackfillPlan, Vec<String>)> {
    let documents = Documents::connect(&settings.aws).await?;
    let selection = choose(&args.selection, &documents, &settings.states()).await?;
    let plan = make_plan(selection.tests, &documents.source, &documents.catalog, documents.formats).await;
    Ok((plan.context("cannot plan the backfill")?, selection.unknown_quizzes))
}

pub(crate) fn distinct_sinks(sinks: &[Sink]) -> Vec<Sink> {
    sinks.iter().copied().collect::<BTreeSet<Sink>>().into_iter().collect()
}

/// An id such as `20261121-153012-a3f1`: it begins with the time in UTC, so that ids sort by age.
fn new_id(at: Timestamp) -> String {
    format!("{}-{:04x}", at.strftime("%Y%m%d-%H%M%S"), fastrand::u16(..))
}

/// A new or resumed backfill with its journal.
struct StartedBackfill {
    journal: Journal,
    request: BackfillRequest,
    published: Vec<PublishedSession>,
    unsyncable: Vec<UnsyncableSession>,
    follows: bool,
}

impl StartedBackfill {
    async fn run(
        self,
        settings: &BackfillSettings,
        terminal: Terminal,
        interrupt: &Interrupt,
    ) -> anyhow::Result<Done> {
        let Self { journal, request, published, unsyncable, follows } = self;
        let started = Instant::now();
        let ids = request.tests.iter().map(|test| test.session_id.clone());
        let mut tracker = Tracker::new(request.sinks.clone(), ids);
        for test in &published {
            tracker.record_published(&test.session_id, &test.before);
        }
        let states = settings.states();
        let announcer = Announcer {
            notices: Box::new(settings.notices()),
            backfill_id: request.backfill_id.clone(),
            reason: request.reason.clone(),
            requested_by: request.requested_by.clone(),
            started_at: request.started_at,
            last_notice: Mutex::default(),
        };
        let work = Work {
            tests: request
                .tests
                .into_iter()
                .map(|test| (test.session_id.clone(), test))
                .collect::<HashMap<_, _>>(),
            sinks: request.sinks,
            force: request.force,
            reason: request.reason,
            requested_by: request.requested_by,
            backfill_id: Some(request.backfill_id.clone()),
            rate: request.rate,
            follows,
            topic: settings.topic(),
            states: &states,
            journal: Some(Mutex::new(journal)),
            tracker: Mutex::new(tracker),
            announcer: Some(announcer),
            terminal,
            interrupt,
        };
        let ran = work.run().await;
        let summary = work.summary(&unsyncable, started.elapsed());
        ran.with_context(|| {
            format!("backfill {0} stopped; quiz-etl backfill --resume {0} continues", request.backfill_id)
        })?;
        let is_over = follows && work.with_tracker(|tracker| tracker.is_settled());
        if let Some(announcer) = work.announcer.as_ref().filter(|_| is_over) {
            announcer.announce_end(summary.counts, &summary.failures).await;
        }
        summary.print(terminal);
        Ok(summary.done())
    }
}
