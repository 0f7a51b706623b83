use std::collections::{BTreeSet, HashMap};
use std::sync::Mutex;
use std::time::Instant;

use anyhow::{Context, bail};
use jiff::Timestamp;
use quiz_events::Sink;

use crate::backfill::args::BackfillArgs;
use crate::backfill::choose::choose;
use crate::backfill::journal::{self, Asked, AskedTest, Journal, Published};
use crate::backfill::plan::{Impossible, Plan, plan};
use crate::backfill::settings::{Documents, Settings};
use crate::backfill::tell::Teller;
use crate::backfill::track::Tracker;
use crate::backfill::view;
use crate::backfill::work::Work;
use crate::ui::{Done, Interrupt, Terminal, WrongUse, asker, counted, is_wanted};

/// Chooses tests, says what it will do, asks, publishes and follows; or goes on with an interrupted one.
///
/// # Errors
/// What broke it off. What SNS has by then is synced all the same, and `--resume` goes on.
pub async fn backfill(
    args: &BackfillArgs,
    terminal: Terminal,
    interrupt: &Interrupt,
) -> anyhow::Result<Done> {
    let settings = Settings::read(true).await?;
    let folder = journal::folder()?;
    if let Some(id) = &args.resume {
        let (journal, asked, published) = Journal::open(&folder, id)?;
        if asked.topic != settings.events_topic {
            bail!(
                "backfill {} publishes to {}, but EVENTS_TOPIC_ARN is {}: resume it where it was started",
                asked.backfill_id,
                asked.topic,
                settings.events_topic
            );
        }
        let (published_tests, tests) = (published.len(), counted(asked.tests.len(), "test"));
        terminal.step(&format!("backfill {}: {published_tests} of {tests} published", asked.backfill_id));
        let begun = Begun { journal, asked, published, impossible: Vec::new(), follows: !args.detach };
        return begun.run(&settings, terminal, interrupt).await;
    }
    let (plan, unknown_quizzes) = planned(args, &settings).await?;
    let sinks = each_once(&args.sinks);
    let said = view::plan(&plan, &unknown_quizzes, args.rate, sinks.len(), terminal.ink());
    terminal.step(&said);
    if plan.tests.is_empty() {
        bail!("there is no test to sync");
    }
    let question = format!("Sync {}?", counted(plan.tests.len(), "test"));
    if !args.yes && !is_wanted(terminal, question, interrupt).await? {
        terminal.step("nothing was published");
        return Ok(Done::WithFailures);
    }
    let Plan { tests, impossible } = plan;
    let tests = tests.into_iter().map(|planned| AskedTest {
        session_id: planned.test.target.session_id,
        quiz_id: planned.test.target.quiz_id,
        name: planned.name,
        session: planned.test.description,
    });
    let started_at = Timestamp::now();
    let asked = Asked {
        backfill_id: new_id(started_at),
        topic: settings.events_topic.clone(),
        started_at,
        rate: args.rate,
        sinks,
        force: args.wish.force,
        reason: args.wish.reason.clone(),
        requested_by: asker(args.wish.requested_by.as_ref()),
        tests: tests.collect(),
    };
    let journal = Journal::create(&folder, &asked)?;
    terminal.step(&format!("backfill {} begins", asked.backfill_id));
    let begun = Begun { journal, asked, published: Vec::new(), impossible, follows: !args.detach };
    begun.run(&settings, terminal, interrupt).await
}

async fn planned(args: &BackfillArgs, settings: &Settings) -> anyhow::Result<(Plan, Vec<String>)> {
    if args.choice.is_empty() {
        let say = "say which tests: their session ids, --file, --quiz-type, --since or --until";
        return Err(WrongUse(say.to_owned()).into());
    }
    let documents = Documents::connect(&settings.aws).await?;
    let choices = choose(&args.choice, &documents, &settings.states()).await?;
    let plan = plan(choices.tests, &documents.source, &documents.catalog, documents.formats).await;
    Ok((plan.context("the plan could not be made")?, choices.unknown_quizzes))
}

pub(crate) fn each_once(sinks: &[Sink]) -> Vec<Sink> {
    sinks.iter().copied().collect::<BTreeSet<Sink>>().into_iter().collect()
}

/// `20261121-153012-a3f1`: its time in UTC, so that ids are in order.
fn new_id(at: Timestamp) -> String {
    format!("{}-{:04x}", at.strftime("%Y%m%d-%H%M%S"), fastrand::u16(..))
}

/// A backfill that is remembered, new or gone on with.
struct Begun {
    journal: Journal,
    asked: Asked,
    published: Vec<Published>,
    impossible: Vec<Impossible>,
    follows: bool,
}

impl Begun {
    async fn run(
        self,
        settings: &Settings,
        terminal: Terminal,
        interrupt: &Interrupt,
    ) -> anyhow::Result<Done> {
        let Self { journal, asked, published, impossible, follows } = self;
        let began = Instant::now();
        let ids = asked.tests.iter().map(|test| test.session_id.clone());
        let mut tracker = Tracker::new(asked.sinks.clone(), ids);
        for test in &published {
            tracker.published(&test.session_id, &test.before);
        }
        let states = settings.states();
        let teller = settings.notices().map(|notices| Teller {
            notices: Box::new(notices),
            backfill_id: asked.backfill_id.clone(),
            reason: asked.reason.clone(),
            requested_by: asked.requested_by.clone(),
            started_at: asked.started_at,
            told: Mutex::default(),
        });
        let work = Work {
            tests: asked
                .tests
                .into_iter()
                .map(|test| (test.session_id.clone(), test))
                .collect::<HashMap<_, _>>(),
            sinks: asked.sinks,
            force: asked.force,
            reason: asked.reason,
            requested_by: asked.requested_by,
            backfill_id: Some(asked.backfill_id.clone()),
            rate: asked.rate,
            follows,
            topic: settings.topic(),
            states: &states,
            journal: Some(Mutex::new(journal)),
            tracker: Mutex::new(tracker),
            teller,
            terminal,
            interrupt,
        };
        let ran = work.run().await;
        let ended = work.ended(&impossible, began.elapsed());
        ran.with_context(|| {
            format!("to go on with it: quiz-etl backfill --resume {}; but first", asked.backfill_id)
        })?;
        let is_over = follows && work.with(|tracker| tracker.is_settled());
        if let Some(teller) = work.teller.as_ref().filter(|_| is_over) {
            teller.finished(ended.counts, &ended.failures).await;
        }
        ended.print(terminal);
        Ok(ended.done())
    }
}
