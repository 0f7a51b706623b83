//! A dry run on MongoDB and DynamoDB writes nothing and predicts the writes of the deployed sync-reports.

use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::sync::Arc;

use aws_sdk_dynamodb::types::AttributeValue;
use mongodb::bson::{Bson, Document, bson, doc};
use quiz_domain::ProblemKind;
use quiz_domain::reports::{ReportFormats, ReportTable};
use quiz_dynamo::{DynamoStore, TableNames, WriteLimits};
use quiz_e2e::{Pipeline, comparable, json, quizzes};
use quiz_etl::dry_run::{DryRun, ReportCounts, SessionDifference, SessionToTry};
use quiz_events::SessionTarget;
use quiz_mongo::MongoSource;
use quiz_pipeline::ports::SystemClock;
use quiz_sample::SampleDocuments;
use quiz_stack::{Delivery, insert};
use serde_json::Value;

/// A user's items of a test session, by table and sort key.
type Report = BTreeMap<(ReportTable, String), Value>;

struct DryRunFixture {
    pipeline: Pipeline,
    ids: Vec<String>,
}

impl DryRunFixture {
    fn tables(&self) -> [(ReportTable, &str); 3] {
        let Pipeline { v1, v2, forms, .. } = &self.pipeline;
        [(ReportTable::Sections, v1), (ReportTable::Students, v2), (ReportTable::FormResponses, forms)]
    }

    /// All items of all four tables.
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

    /// The reports by user, without the fields that differ between two runs.
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

    async fn dry_run(&self) -> Vec<SessionDifference> {
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
        let mut differences = Vec::new();
        for id in &self.ids {
            let target = SessionTarget::new(id, None, "session_id").unwrap();
            differences.push(dry.test(&SessionToTry { target, description: None }).await.unwrap());
        }
        assert!(before == self.scan().await, "the dry run has written items");
        differences
    }

    /// Makes a dry run, then a real run, and asserts that both agree.
    async fn predict_and_run(&self) -> Vec<SessionDifference> {
        let mut before = Vec::new();
        for id in &self.ids {
            before.push(self.reports(id).await);
        }
        let differences = self.dry_run().await;
        self.pipeline.publish_and_wait(&self.ids).await;
        assert_eq!(self.pipeline.deployed.dead_letters().await, 0);
        for ((id, before), difference) in self.ids.iter().zip(before).zip(&differences) {
            let after = self.reports(id).await;
            assert_eq!(difference.reports, counted(&before, &after), "reports of {id}");
            for (table, _) in self.tables() {
                let items = difference.items.iter().find(|counts| counts.table == table);
                let items = items
                    .map_or([0; 4], |counts| [counts.new, counts.changed, counts.unchanged, counts.deleted]);
                assert_eq!(
                    items,
                    counted_items(&of(&before, table), &of(&after, table)),
                    "{table:?} of {id}"
                );
            }
        }
        differences
    }

    /// Replaces all documents.
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

/// The numbers of new, changed, unchanged and deleted items.
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

/// Changes five quizzes: a response becomes too large for an item, one student is removed, one student answers
/// differently, one student is added, and one quiz gets another title.
fn changed(mut documents: SampleDocuments, ids: &[String]) -> SampleDocuments {
    documents.sessions.retain(|session| !is_of(session, &ids[1], "user 3"));
    for session in &mut documents.sessions {
        if is_of(session, &ids[0], "user 2") {
            answer(session, [Bson::from("x".repeat(500_000))]);
        }
        if is_of(session, &ids[2], "user 4") {
            answer(session, std::iter::repeat_n(bson!([0]), usize::MAX));
        }
    }
    let mut newcomer =
        documents.sessions.iter().find(|session| is_of(session, &ids[3], "user 5")).unwrap().clone();
    newcomer.insert("_id", "f".repeat(24));
    newcomer.insert("user_id", "newcomer");
    documents.sessions.push(newcomer);
    documents.quizzes[4].insert("title", "Another name");
    documents
}

#[tokio::test]
async fn dry_run_predicts_the_real_run() {
    let documents = quizzes::documents();
    let ids: Vec<String> =
        documents.quizzes.iter().map(|quiz| quiz.get_str("_id").unwrap().to_owned()).collect();
    let fixture = DryRunFixture { pipeline: Pipeline::deploy(&documents, Delivery::Envelope).await, ids };

    let first = fixture.predict_and_run().await;
    assert!(
        first
            .iter()
            .all(|difference| difference.reports == ReportCounts { new: 12, ..ReportCounts::default() })
    );

    // an item of an older pipeline, of a user without an attempt
    let (table, quiz) = (&fixture.pipeline.v1, &fixture.ids[5]);
    let text = |text: &str| AttributeValue::S(text.to_owned());
    let put = fixture.pipeline.stack.dynamodb().put_item().table_name(table);
    let put = put.item("session_id", text(quiz)).item("user_id-section", text("ghost#overall"));
    put.item("user_id", text("ghost")).send().await.unwrap();

    fixture.replace(&changed(documents, &fixture.ids)).await;
    let second = fixture.predict_and_run().await;
    let counts = |at: usize| {
        let ReportCounts { new, changed, unchanged, removed } = second[at].reports;
        [new, changed, unchanged, removed]
    };
    assert_eq!(counts(0), [0, 1, 11, 0]);
    assert_eq!(second[0].problems.count(ProblemKind::ItemRefused), 1);
    assert_eq!(counts(1)[3], 1);
    assert!(counts(2)[1] > 0 && second[2].largest.marks.iter().any(|change| change.user_id == "user 4"));
    assert_eq!(counts(3)[0], 1);
    assert_eq!(counts(4), [0, 12, 0, 0]);
    assert_eq!(counts(5), [0, 0, 12, 1]);

    let last = fixture.predict_and_run().await;
    let unchanged = last.iter().map(|difference| difference.reports.unchanged).collect::<Vec<_>>();
    assert_eq!(unchanged, [12, 11, 12, 13, 12, 12]);
}
