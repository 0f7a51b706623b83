use std::sync::Arc;

use quiz_events::{Sink, SyncRequest};
use quiz_mongo::MongoSource;
use quiz_pipeline::ports::SystemClock;
use quiz_sync_state::{StateKey, SyncStates};

use crate::backfill::args::{BackfillArgs, SyncArgs};
use crate::backfill::choose::{SelectedSession, choose};
use crate::backfill::settings::{BackfillSettings, Documents};
use crate::backfill::sync::named_tests;
use crate::dry_run::{DryRun, SessionToTry};
use crate::ui::{Done, Interrupt, Terminal};

/// The dry run of a backfill or a sync: its test sessions, each with the description that a real run would use.
pub struct Trial {
    tests: Vec<SelectedSession>,
    documents: Documents,
    warehouse: bool,
    rewrite: bool,
}

impl Trial {
    /// Selects the test sessions of a backfill.
    ///
    /// # Errors
    /// Those of the backfill itself.
    pub async fn for_backfill(args: &BackfillArgs) -> anyhow::Result<Self> {
        let settings = BackfillSettings::read(false).await?;
        let documents = Documents::connect(&settings.aws).await?;
        let selection = choose(&args.selection, &documents, &settings.states()).await?;
        Self::new(selection.tests, documents, &settings, &args.sinks, args.request.force).await
    }

    /// Selects the test sessions of a sync.
    ///
    /// # Errors
    /// Those of the sync itself.
    pub async fn for_sync(args: &SyncArgs) -> anyhow::Result<Self> {
        let settings = BackfillSettings::read(false).await?;
        let tests = named_tests(args, &settings).await?;
        let documents = Documents::connect(&settings.aws).await?;
        Self::new(tests, documents, &settings, &args.sinks, args.request.force).await
    }

    async fn new(
        tests: Vec<SelectedSession>,
        documents: Documents,
        settings: &BackfillSettings,
        sinks: &[Sink],
        rewrite: bool,
    ) -> anyhow::Result<Self> {
        anyhow::ensure!(!tests.is_empty(), "no test session to try");
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
            SelectedSession { description: test.description.or(known), ..test }
        });
        let warehouse = sinks.contains(&Sink::Warehouse);
        Ok(Self { tests: described.collect(), documents, warehouse, rewrite })
    }

    /// Shows for each test session what a real run would write and change; writes nothing.
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
        let tests = tests
            .map(|SelectedSession { target, description }| SessionToTry { target, description })
            .collect();
        crate::dry_run::run(dry, tests, terminal, interrupt).await
    }

    /// The source and the requests, for a run into a local folder.
    #[must_use]
    pub fn into_events(self) -> (MongoSource, Vec<Arc<str>>) {
        let event = |SelectedSession { target, description }| {
            let session = description.map(Box::new);
            let request = SyncRequest { targets: vec![target], session, ..SyncRequest::default() };
            request.to_json().to_string().into()
        };
        (self.documents.source, self.tests.into_iter().map(event).collect())
    }
}
