//! A dry run on MongoDB and DynamoDB writes nothing, and what it tells is what the deployed binary of sync-reports
//! then does.

use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::sync::Arc;

use aws_sdk_dynamodb::types::AttributeValue;
use mongodb::bson::{Bson, Document, bson, doc};
use quiz_domain::ProblemKind;
use quiz_domain::reports::{ReportFormats, ReportTable};
use quiz_dynamo::{DynamoStore, TableNames, WriteLimits};
use quiz_e2e::{Pipeline, comparable, json, quizzes};
use quiz_etl::dry_run::{DryRun, ReportCounts, TestDifference, TestToTry};
use quiz_events::SessionTarget;
use quiz_mongo::MongoSource;
use quiz_pipeline::ports::SystemClock;
use quiz_sample::SampleDocuments;
use quiz_stack::{Delivery, insert};
use serde_json::Value;

/// A user's items of a session, by table and sort key.
type Report = BTreeMap<(ReportTable, String), Value>;

struct World {
    pipeline: Pipeline,
    ids: Vec<String>,
}

impl World {
    fn tables(&self) -> [(ReportTable, &str); 3] {
        let Pipeline { v1, v2, forms, .. } = &self.pipeline;
        [(ReportTable::Sections, v1), (ReportTable::Students, v2), (ReportTable::FormResponses, forms)]
    }

    /// Everything in all four tables.
    async fn scan(&self) -> BTreeSet<String> {
        let states = self.pipeline.deployed.deployment.table("quiz_sync_state");
        let mut all = BTreeSet::new();
        for table in self.tables().map(|(_, name)| name).into_iter().chain([&*states]) {
            let scan = self.pipeline.stack.dynamodb().scan().table_name(table).consistent_read(true);
            let items: Vec<_> = scan.into_paginator().items().send().collect::<Result<_, _>>().await.unwrap();
            all.extend(items.into_iter().map(|item| format!("{table} {}", json(item))));
        }
        all
    }

    /// By user, without what differs from one run to the next.
    async fn reports(&self, session_id: &str) -> BTreeMap<String, Report> {
        let mut reports: BTreeMap<String, Report> = BTreeMap::new();
        for (table, name) in self.tables() {
            for item in self.pipeline.session_items(name, session_id).await {
                let text = |field: &str| item[field].as_str().unwrap().to_owned();
                let (user, key) = (text("user_id"), text(table.sort_key()));
                reports.entry(user).or_default().insert((table, key), comparable(item));
            }
        }
        reports
    }

    async fn dry_run(&self) -> Vec<TestDifference> {
        let before = self.scan().await;
        let Pipeline { stack, deployed, v1, v2, forms, .. } = &self.pipeline;
        let names = TableNames { sections: v1.clone(), students: v2.clone(), form_responses: forms.clone() };
        let dry = DryRun {
            source: Arc::new(
                MongoSource::connect(stack.mongodb_uri(), deployed.deployment.name()).await.unwrap(),
            ),
            reports: Arc::new(DynamoStore::new(stack.dynamodb(), names, WriteLimits::default())),
            formats: ReportFormats { v1: true, v2: true },
            can_hold: quiz_dynamo::can_hold,
            warehouse: true,
            excluded_users: HashSet::from(["test_admin".to_owned()]),
            clock: Arc::new(SystemClock),
            rewrite: false,
        };
        let mut told = Vec::new();
        for id in &self.ids {
            let target = SessionTarget::new(id, None, "session_id").unwrap();
            told.push(dry.test(&TestToTry { target, description: None }).await.unwrap());
        }
        assert!(before == self.scan().await, "the dry run has written something");
        told
    }

    /// The dry run, then the real one, and that both agree.
    async fn predicted(&self) -> Vec<TestDifference> {
        let mut before = Vec::new();
        for id in &self.ids {
            before.push(self.reports(id).await);
        }
        let told = self.dry_run().await;
        self.pipeline.publish_and_wait(&self.ids).await;
        assert_eq!(self.pipeline.deployed.dead_letters().await, 0);
        for ((id, before), told) in self.ids.iter().zip(before).zip(&told) {
            let after = self.reports(id).await;
            assert_eq!(told.reports, counted(&before, &after), "reports of {id}");
            for (table, _) in self.tables() {
                let items = told.items.iter().find(|it| it.table == table);
                let items = items.map_or([0; 4], |it| [it.new, it.changed, it.unchanged, it.deleted]);
                assert_eq!(
                    items,
                    counted_items(&of(&before, table), &of(&after, table)),
                    "{table:?} of {id}"
                );
            }
        }
        told
    }

    /// Puts other documents in the place of those that are there.
    async fn replace(&self, documents: &SampleDocuments) {
        let mongo = self.pipeline.stack.mongodb().await.unwrap();
        let database = mongo.database(self.pipeline.deployed.deployment.name());
        for (collection, documents) in [("quizzes", &documents.quizzes), ("sessions", &documents.sessions)] {
            database.collection::<Document>(collection).delete_many(doc! {}).await.unwrap();
            insert(&database, collection, documents.clone()).await.unwrap();
        }
    }
}

fn counted(before: &BTreeMap<String, Report>, after: &BTreeMap<String, Report>) -> ReportCounts {
    let mut counts = ReportCounts::default();
    for user in before.keys().chain(after.keys()).collect::<BTreeSet<_>>() {
        let count = match (before.get(user), after.get(user)) {
            (None, _) => &mut counts.new,
            (_, None) => &mut counts.removed,
            (old, new) if old == new => &mut counts.unchanged,
            _ => &mut counts.changed,
        };
        *count += 1;
    }
    counts
}

fn of(reports: &BTreeMap<String, Report>, table: ReportTable) -> BTreeMap<&str, &Value> {
    let items = reports.values().flatten().filter(|((of, _), _)| *of == table);
    items.map(|((_, key), item)| (key.as_str(), item)).collect()
}

/// New, changed, unchanged, deleted.
fn counted_items(before: &BTreeMap<&str, &Value>, after: &BTreeMap<&str, &Value>) -> [u64; 4] {
    let count = |number: usize| u64::try_from(number).unwrap();
    let new = after.keys().filter(|key| !before.contains_key(*key)).count();
    let same = after.iter().filter(|(key, item)| before.get(*key) == Some(item)).count();
    let deleted = before.keys().filter(|key| !after.contains_key(*key)).count();
    [count(new), count(after.len() - new - same), count(same), count(deleted)]
}

fn is_of(session: &Document, quiz_id: &str, user: &str) -> bool {
    session.get_str("quiz_id").unwrap() == quiz_id && session.get_str("user_id").unwrap() == user
}

fn answer(session: &mut Document, answers: impl IntoIterator<Item = Bson>) {
    for (record, answer) in session.get_array_mut("session_answers").unwrap().iter_mut().zip(answers) {
        record.as_document_mut().unwrap().insert("answer", answer);
    }
}

/// One student's response to the first form becomes too large for an item, one student of another test is gone, one has
/// answered otherwise, one has come, and one test has another name.
fn changed(mut documents: SampleDocuments, ids: &[String]) -> SampleDocuments {
    documents.sessions.retain(|it| !is_of(it, &ids[1], "user 3"));
    for session in &mut documents.sessions {
        if is_of(session, &ids[0], "user 2") {
            answer(session, [Bson::from("x".repeat(500_000))]);
        }
        if is_of(session, &ids[2], "user 4") {
            answer(session, std::iter::repeat_n(bson!([0]), usize::MAX));
        }
    }
    let mut newcomer = documents.sessions.iter().find(|it| is_of(it, &ids[3], "user 5")).unwrap().clone();
    newcomer.insert("_id", "f".repeat(24));
    newcomer.insert("user_id", "newcomer");
    documents.sessions.push(newcomer);
    documents.quizzes[4].insert("title", "Another name");
    documents
}

#[tokio::test]
async fn a_dry_run_writes_nothing_and_tells_what_the_real_run_then_does() {
    let documents = quizzes::documents();
    let ids: Vec<String> = documents.quizzes.iter().map(|it| it.get_str("_id").unwrap().to_owned()).collect();
    let world = World { pipeline: Pipeline::deploy(&documents, Delivery::Envelope).await, ids };

    let first = world.predicted().await;
    assert!(first.iter().all(|it| it.reports == ReportCounts { new: 12, ..ReportCounts::default() }));

    // what an older pipeline left behind: of a user who never came
    let (table, quiz) = (&world.pipeline.v1, &world.ids[5]);
    let text = |text: &str| AttributeValue::S(text.to_owned());
    let put = world.pipeline.stack.dynamodb().put_item().table_name(table);
    let put = put.item("session_id", text(quiz)).item("user_id-section", text("ghost#overall"));
    put.item("user_id", text("ghost")).send().await.unwrap();

    world.replace(&changed(documents, &world.ids)).await;
    let told = world.predicted().await;
    let counts = |at: usize| {
        let ReportCounts { new, changed, unchanged, removed } = told[at].reports;
        [new, changed, unchanged, removed]
    };
    assert_eq!(counts(0), [0, 1, 11, 0]);
    assert_eq!(told[0].problems.count(ProblemKind::ItemRefused), 1);
    assert_eq!(counts(1)[3], 1);
    assert!(counts(2)[1] > 0 && told[2].largest.marks.iter().any(|it| it.user_id == "user 4"));
    assert_eq!(counts(3)[0], 1);
    assert_eq!(counts(4), [0, 12, 0, 0]);
    assert_eq!(counts(5), [0, 0, 12, 1]);

    let last = world.predicted().await;
    let unchanged = last.iter().map(|it| it.reports.unchanged).collect::<Vec<_>>();
    assert_eq!(unchanged, [12, 11, 12, 13, 12, 12]);
}
