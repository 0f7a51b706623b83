//! A deployment that a test moves between two releases.

use std::collections::{BTreeMap, HashSet};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use mongodb::Database;
use mongodb::bson::{DateTime, Document, doc};
use quiz_e2e::warehouse::WarehousePipeline;
use quiz_e2e::{Deployed, Pipeline, binaries, deploy_release, quizzes};
use quiz_sample::SampleDocuments;
use quiz_sample::large::LargeAssessment;
use quiz_stack::{Deployment, Release, Stack, insert};
use serde_json::json;

/// The names of the functions with a queue, each with its queue.
pub const CONSUMERS: [(&str, &str); 3] =
    [("sync-reports", "reports"), ("sync-warehouse", "warehouse"), ("notify-discord", "notices")];

/// A built version of the pipeline.
pub struct Version {
    pub name: &'static str,
    /// The commit that its functions report; snapshots of another commit are not used.
    commit: &'static str,
    template: PathBuf,
    binaries: PathBuf,
}

impl Version {
    /// The version that `tests/upgrade` has built.
    pub fn old() -> Self {
        let folder = std::env::var_os("QUIZ_ETL_UPGRADE_FROM").map(PathBuf::from);
        let folder = folder.expect("QUIZ_ETL_UPGRADE_FROM names no old version: run tests/upgrade");
        Self {
            name: "old",
            commit: "0000000000000000000000000000000000000000",
            template: folder.join("template.yaml"),
            binaries: folder,
        }
    }

    /// The version of this workspace.
    pub fn new() -> Self {
        let binaries = binaries();
        Self {
            name: "new",
            commit: "1111111111111111111111111111111111111111",
            template: Release::of_workspace(Path::new("")).template.to_owned(),
            binaries,
        }
    }

    fn release(&self) -> Release<'_> {
        Release { template: &self.template, binaries: &self.binaries }
    }
}

pub struct UpgradeFixture {
    pub stack: &'static Stack,
    pub deployment: Arc<Deployment>,
    database: Database,
    documents: SampleDocuments,
    pub reports: Pipeline,
    pub warehouse: WarehousePipeline,
    pub notices: Deployed,
}

impl UpgradeFixture {
    /// Deploys a version on six real quizzes, one of them a form, and on an assessment large enough for snapshots.
    pub async fn deploy(version: &Version) -> Self {
        let mut documents = quizzes::documents();
        let large = LargeAssessment { students: 600, questions: 4, seed: 7 };
        documents.quizzes.push(large.quiz());
        documents.questions.extend(large.questions());
        documents.sessions.extend(large.sessions());
        let deployment = deploy_release(version.release(), &documents, &[]).await;
        let stack = Stack::get().await.unwrap();
        let database = stack.mongodb().await.unwrap().database(deployment.name());
        let reports = Pipeline::of(&deployment).await;
        let warehouse = WarehousePipeline::of(&deployment).await;
        let notices = Deployed::of(&deployment, "notify-discord", "notices").await;
        let fixture = Self { stack, deployment, database, documents, reports, warehouse, notices };
        fixture.set_environments(version).await;
        fixture
    }

    /// Updates the deployment, with all queues at rest.
    pub async fn update(&mut self, version: &Version) {
        self.deployment.update(version.release()).await.unwrap();
        self.set_environments(version).await;
        self.reports = Pipeline::of(&self.deployment).await;
        self.warehouse = WarehousePipeline::of(&self.deployment).await;
        self.notices = Deployed::of(&self.deployment, "notify-discord", "notices").await;
    }

    /// Names the commit, as the image does, and lets reconcile count answers from a moment ago.
    async fn set_environments(&self, version: &Version) {
        for (function, _) in &CONSUMERS[..2] {
            let commit = [("QUIZ_ETL_COMMIT", version.commit)];
            self.deployment.set_environment(function, &commit).await.unwrap();
        }
        let at_once = [("RECONCILE_SETTLE_SECONDS", "0"), ("RECONCILE_GRACE_SECONDS", "0")];
        self.deployment.set_environment("reconcile", &at_once).await.unwrap();
    }

    /// The test session of the quiz with this number.
    pub fn session_id(&self, quiz: usize) -> String {
        format!("Group_{}", self.quiz_id(quiz))
    }

    pub fn session_ids(&self) -> Vec<String> {
        (0..self.documents.quizzes.len()).map(|quiz| self.session_id(quiz)).collect()
    }

    fn quiz_id(&self, quiz: usize) -> &str {
        self.documents.quizzes[quiz].get_str("_id").unwrap()
    }

    /// Inserts an attempt of one more student, and returns the completion that the backend publishes.
    pub async fn complete(&self, quiz: usize, student: &str) -> String {
        let quiz_id = self.quiz_id(quiz);
        let is_example = |attempt: &&Document| {
            let is_of_quiz = attempt.get_str("quiz_id").is_ok_and(|id| id == quiz_id);
            is_of_quiz && attempt.get_bool("has_quiz_ended").unwrap_or_default()
        };
        let mut attempt = self.documents.sessions.iter().find(is_example).unwrap().clone();
        let id = format!("{quiz}-{student}");
        attempt.extend(doc! {"_id": id, "user_id": student, "updated_at": DateTime::now()});
        insert(&self.database, "sessions", vec![attempt]).await.unwrap();
        let now = jiff::Timestamp::now().to_string();
        let session_id = self.session_id(quiz);
        json!({"type": "quiz.completed", "session_id": session_id, "user_id": student, "completed_at": now})
            .to_string()
    }

    /// Breaks a quiz, so that its messages are parked.
    pub async fn spoil_quiz(&self, quiz: usize) {
        let spoilt = doc! {"$set": {"question_sets": "lost"}};
        let quizzes = self.database.collection::<Document>("quizzes");
        quizzes.update_one(doc! {"_id": self.quiz_id(quiz)}, spoilt).await.unwrap();
    }

    pub async fn restore_quiz(&self, quiz: usize) {
        let quizzes = self.database.collection::<Document>("quizzes");
        let whole = self.documents.quizzes[quiz].clone();
        quizzes.replace_one(doc! {"_id": self.quiz_id(quiz)}, whole).await.unwrap();
    }

    pub async fn publish(&self, events: &[String]) {
        self.stack.publish_all(&self.deployment.topic("events"), events, &[]).await.unwrap();
    }

    pub fn sinks(&self) -> [&Deployed; 2] {
        [&self.reports.deployed, &self.warehouse.deployed]
    }

    /// Lets both sinks handle their messages.
    pub async fn consume(&self) {
        for sink in self.sinks() {
            sink.consume(10, 2).await;
        }
        for sink in self.sinks() {
            sink.wait().await;
        }
    }

    pub async fn pause(&self) {
        for function in [&self.reports.deployed, &self.warehouse.deployed, &self.notices] {
            function.pause().await;
        }
    }

    /// The number of the function's version that gets the traffic.
    pub async fn live_version(&self, function: &str) -> String {
        let alias = self.stack.lambda().get_alias().function_name(self.deployment.function(function));
        alias.name("live").send().await.unwrap().function_version.unwrap()
    }

    /// The number of test sessions for which a version of reconcile requests a sync.
    pub async fn reconcile(&self, qualifier: &str) -> u64 {
        let function = format!("{}:{qualifier}", self.deployment.function("reconcile"));
        let pass = self.stack.invoke(&function, &json!({"lookback_hours": 24})).await.unwrap();
        pass["requested"].as_u64().unwrap()
    }

    /// Whether each of these students has a report and rows; of a form, responses.
    pub async fn have_results(&self, quiz: usize, students: &[String]) -> [bool; 2] {
        let session_id = self.session_id(quiz);
        let mut items = self.reports.session_items(&self.reports.v2, &session_id).await;
        items.extend(self.reports.session_items(&self.reports.forms, &session_id).await);
        let rows = self.warehouse.all_rows(&session_id).await;
        let known = items.iter().filter_map(|item| item["user_id"].as_str()).collect();
        let known_rows = rows.iter().flatten().filter_map(|row| row["user_id"].as_str()).collect();
        let are_in = |known: HashSet<&str>| students.iter().all(|student| known.contains(student.as_str()));
        [are_in(known), are_in(known_rows)]
    }

    /// The tables, queues and topics: the name in the template, with the type and the name in AWS.
    pub async fn kept_resources(&self) -> BTreeMap<String, (String, String)> {
        let mut resources = self.stack.stack_resources(self.deployment.name()).await.unwrap();
        let kept = ["AWS::DynamoDB::Table", "AWS::SQS::Queue", "AWS::SNS::Topic"];
        resources.retain(|_, (kind, _)| kept.contains(&kind.as_str()));
        resources
    }
}
