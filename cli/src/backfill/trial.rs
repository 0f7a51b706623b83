use std::sync::Arc;

use quiz_events::{Sink, SyncRequest};
use quiz_mongo::MongoSource;
use quiz_pipeline::ports::SystemClock;
use quiz_sync_state::{StateKey, SyncStates};

use crate::backfill::args::{BackfillArgs, SyncArgs};
use crate::backfill::choose::{Chosen, choose};
use crate::backfill::settings::{Documents, Settings};
use crate::backfill::sync::named_tests;
use crate::dry_run::{DryRun, TestToTry};
use crate::ui::{Done, Interrupt, Terminal};

/// What is tried: the tests, each with what a real run would know of it.
pub struct Trial {
    tests: Vec<Chosen>,
    documents: Documents,
    warehouse: bool,
    rewrite: bool,
}

impl Trial {
    /// # Errors
    /// As of the backfill itself.
    pub async fn of_backfill(args: &BackfillArgs) -> anyhow::Result<Self> {
        let settings = Settings::read(false).await?;
        let documents = Documents::connect(&settings.aws).await?;
        let choices = choose(&args.choice, &documents, &settings.states()).await?;
        Self::new(choices.tests, documents, &settings, &args.sinks, args.wish.force).await
    }

    /// # Errors
    /// As of the sync itself.
    pub async fn of_sync(args: &SyncArgs) -> anyhow::Result<Self> {
        let settings = Settings::read(false).await?;
        let tests = named_tests(args, &settings).await?;
        let documents = Documents::connect(&settings.aws).await?;
        Self::new(tests, documents, &settings, &args.sinks, args.wish.force).await
    }

    async fn new(
        tests: Vec<Chosen>,
        documents: Documents,
        settings: &Settings,
        sinks: &[Sink],
        rewrite: bool,
    ) -> anyhow::Result<Self> {
        anyhow::ensure!(!tests.is_empty(), "there is no test to try");
        let keys: Vec<StateKey> = tests
            .iter()
            .flat_map(|test| {
                let session_id = &test.target.session_id;
                Sink::ALL.map(|sink| StateKey { session_id: session_id.clone(), sink })
            })
            .collect();
        let states = settings.states().get_many(&keys).await?;
        let described = tests.into_iter().zip(states.chunks(2)).map(|(test, states)| {
            let newest = states.iter().max_by_key(|state| state.described_at);
            let known = newest.and_then(|state| state.session.clone());
            Chosen { description: test.description.or(known), ..test }
        });
        let warehouse = sinks.contains(&Sink::Warehouse);
        Ok(Self { tests: described.collect(), documents, warehouse, rewrite })
    }

    /// Tells for each test what a real run would write and change. Nothing is written.
    pub async fn run(self, terminal: Terminal, interrupt: &Interrupt) -> Done {
        let dry = DryRun {
            source: Arc::new(self.documents.source),
            reports: Arc::new(self.documents.reports),
            formats: self.documents.formats,
            can_hold: quiz_dynamo::can_hold,
            warehouse: self.warehouse,
            excluded_users: self.documents.settings.excluded_users,
            clock: Arc::new(SystemClock),
            rewrite: self.rewrite,
        };
        let tests = self.tests.into_iter();
        let tests = tests.map(|Chosen { target, description }| TestToTry { target, description }).collect();
        crate::dry_run::run(dry, tests, terminal, interrupt).await
    }

    /// The documents, and the events that ask for the tests: for a run into a local folder.
    #[must_use]
    pub fn into_events(self) -> (MongoSource, Vec<Arc<str>>) {
        let event = |Chosen { target, description }| {
            let session = description.map(Box::new);
            let request = SyncRequest { targets: vec![target], session, ..SyncRequest::default() };
            request.to_json().to_string().into()
        };
        (self.documents.source, self.tests.into_iter().map(event).collect())
    }
}
