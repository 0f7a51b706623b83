//! Lost events heal without help. The deployed reconcile requests a sync for test sessions whose event never reached SNS,
//! whose messages are in the dead-letter queues, or whose messages expired in the queues.

use std::time::Duration;

use mongodb::Database;
use mongodb::bson::{DateTime, Document, doc};
use quiz_domain::rows::WarehouseTable;
use quiz_e2e::warehouse::WarehousePipeline;
use quiz_e2e::{Deployed, Pipeline, deploy};
use quiz_sample::SampleDocuments;
use quiz_stack::{eventually, insert};
use serde_json::{Value, json};

const WITHHELD: usize = 0;
const PARKED: usize = 1;
const EXPIRED: usize = 2;
const UNKNOWN: usize = 3;
const STUDENTS: usize = 3;

fn quiz_id(test: usize) -> String {
    format!("66f0{test:020x}")
}

fn session_id(test: usize) -> String {
    format!("Group_{}", quiz_id(test))
}

fn quiz(test: usize) -> Document {
    let question = doc! {
        "_id": "q0", "question_set_id": "s", "type": "numerical-integer", "correct_answer": 4, "text": "2+2",
        "metadata": {"subject": "Sums"},
    };
    doc! {
        "_id": quiz_id(test), "title": format!("Test {test}"), "metadata": {"quiz_type": "assessment"},
        "question_sets": [{"_id": "s", "title": "Sums", "questions": [question]}],
    }
}

fn session(test: usize, student: usize) -> Document {
    doc! {
        "_id": format!("{test}-{student}"), "user_id": format!("u{student}"), "quiz_id": quiz_id(test),
        "has_quiz_ended": true, "created_at": "2024-04-30T04:30:00", "updated_at": DateTime::now(),
        "session_answers": [{"question_id": "q0", "answer": 4}],
    }
}

struct ReconcileFixture {
    reports: Pipeline,
    warehouse: WarehousePipeline,
    notices: Deployed,
    database: Database,
}

impl ReconcileFixture {
    async fn new() -> Self {
        let quizzes = (WITHHELD..=UNKNOWN).map(quiz).collect();
        let sessions = (WITHHELD..UNKNOWN)
            .flat_map(|test| (0..STUDENTS).map(move |student| session(test, student)))
            .collect();
        let deployment = deploy(&SampleDocuments { quizzes, questions: Vec::new(), sessions }, &[]).await;
        // count answers from a moment ago, and leave no time for the queue's own retries
        let at_once = [("RECONCILE_SETTLE_SECONDS", "0"), ("RECONCILE_GRACE_SECONDS", "0")];
        deployment.set_environment("reconcile", &at_once).await.unwrap();
        let reports = Pipeline::of(&deployment).await;
        let warehouse = WarehousePipeline::of(&deployment).await;
        let notices = Deployed::of(&deployment, "notify-discord", "notices").await;
        let database = warehouse.database.clone();
        Self { reports, warehouse, notices, database }
    }

    fn functions(&self) -> [&Deployed; 2] {
        [&self.reports.deployed, &self.warehouse.deployed]
    }

    /// Waits until both functions have handled all messages in their queues.
    async fn consume(&self) {
        for function in self.functions() {
            function.consume(10, 2).await;
            function.wait().await;
        }
    }

    async fn publish(&self, test: usize) {
        let reports = &self.reports.deployed;
        reports.stack.publish_all(&reports.topic, &[session_id(test)], &[]).await.unwrap();
    }

    /// Breaks a quiz, so that its messages never succeed.
    async fn spoil_quiz(&self) {
        let quizzes = self.database.collection::<Document>("quizzes");
        let spoilt = doc! {"$set": {"question_sets": "lost"}};
        quizzes.update_one(doc! {"_id": quiz_id(PARKED)}, spoilt).await.unwrap();
    }

    async fn mend_quiz(&self) {
        let quizzes = self.database.collection::<Document>("quizzes");
        quizzes.replace_one(doc! {"_id": quiz_id(PARKED)}, quiz(PARKED)).await.unwrap();
    }

    async fn reconcile(&self) -> Value {
        let reports = &self.reports.deployed;
        let function = format!("{}:live", reports.deployment.function("reconcile"));
        reports.stack.invoke(&function, &json!({"lookback_hours": 24})).await.unwrap()
    }

    /// The numbers of students with a report and with rows.
    async fn students(&self, test: usize) -> (usize, usize) {
        let items = self.reports.session_items(&self.reports.v2, &session_id(test)).await;
        let rows = self.warehouse.rows(WarehouseTable::QuestionResponses, &session_id(test)).await;
        (items.len(), rows.len())
    }
}

/// Lets the messages of a queue without a consumer expire.
async fn expire(function: &Deployed) {
    let set = async |seconds: &str| {
        let set = function.stack.sqs().set_queue_attributes().queue_url(&function.queue.url);
        let name = aws_sdk_sqs::types::QueueAttributeName::MessageRetentionPeriod;
        set.attributes(name, seconds).send().await.unwrap();
    };
    set("60").await;
    eventually("the message to expire", Duration::from_mins(3), async || {
        let depth = function.stack.queue_depth(&function.queue.url).await?;
        Ok((depth.visible == 0).then_some(()))
    })
    .await
    .unwrap();
    set("1209600").await;
}

#[tokio::test]
async fn withheld_parked_and_expired_events_heal() {
    let fixture = ReconcileFixture::new().await;
    for test in [WITHHELD, PARKED, EXPIRED] {
        fixture.publish(test).await;
    }
    fixture.consume().await;
    for function in fixture.functions() {
        function.pause().await;
    }
    let late = (WITHHELD..=UNKNOWN).map(|test| session(test, STUDENTS)).collect();
    insert(&fixture.database, "sessions", late).await.unwrap();

    fixture.publish(EXPIRED).await;
    let [reports, warehouse] = fixture.functions();
    tokio::join!(expire(reports), expire(warehouse));
    fixture.spoil_quiz().await;
    fixture.publish(PARKED).await;
    fixture.consume().await;
    for function in fixture.functions() {
        assert_eq!(function.dead_letters().await, 1, "{}", function.name);
    }
    fixture.mend_quiz().await;
    for test in [WITHHELD, PARKED, EXPIRED] {
        assert_eq!(fixture.students(test).await, (STUDENTS, STUDENTS), "no event for the latecomer");
    }

    let pass = fixture.reconcile().await;
    assert_eq!(pass, json!({"behind": 6, "requested": 3, "left": 0, "unknown": 1}));
    fixture.consume().await;
    for test in [WITHHELD, PARKED, EXPIRED] {
        assert_eq!(fixture.students(test).await, (STUDENTS + 1, STUDENTS + 1), "test {test} has healed");
    }
    assert_eq!(fixture.students(UNKNOWN).await, (0, 0), "its test session is unknown");
    fixture.notices.consume(10, 2).await;
    fixture.notices.wait().await;
    let pass = fixture.reconcile().await;
    assert_eq!(pass, json!({"behind": 0, "requested": 0, "left": 0, "unknown": 1}));
    fixture.notices.wait().await;

    let discord = &fixture.notices.deployment.discord;
    assert_eq!(discord.violations(), Vec::<String>::new());
    let posted = discord.messages().iter().map(|message| message.payload.to_string()).collect::<String>();
    assert!(posted.contains("Reconcile requested a sync of 3 test sessions"), "{posted}");
    assert_eq!(
        posted.matches("1 quiz completed by students, and no sync requested").count(),
        1,
        "once a day: {posted}"
    );
    assert!(posted.contains(&quiz_id(UNKNOWN)), "{posted}");
    for function in fixture.functions() {
        assert_eq!(function.dead_letters().await, 1, "an operator replays or drops the message");
    }
}

#[tokio::test]
async fn pass_without_mongodb_requests_known_stale_sessions() {
    let fixture = ReconcileFixture::new().await;
    fixture.spoil_quiz().await;
    fixture.publish(PARKED).await;
    fixture.consume().await;
    fixture.mend_quiz().await;
    let reports = &fixture.reports.deployed;
    let nowhere = format!("{}-nowhere", reports.deployment.name());
    let uri = "mongodb://127.0.0.1:1/?serverSelectionTimeoutMS=500";
    reports.stack.create_secret(&nowhere, uri).await.unwrap();
    reports.deployment.set_environment("reconcile", &[("MONGODB_URI_SECRET_ID", &nowhere)]).await.unwrap();

    let function = format!("{}:live", reports.deployment.function("reconcile"));
    let failed = reports.stack.invoke(&function, &json!({})).await.unwrap_err().to_string();
    assert!(failed.contains("the pass is not complete"), "{failed}");
    fixture.consume().await;
    assert_eq!(fixture.students(PARKED).await, (STUDENTS, STUDENTS), "reconcile reads the stale state");
}

#[tokio::test]
async fn corrected_key_corrects_reports_and_rows() {
    let fixture = ReconcileFixture::new().await;
    fixture.publish(WITHHELD).await;
    fixture.consume().await;
    let marks = async || {
        let items = fixture.reports.session_items(&fixture.reports.v2, &session_id(WITHHELD)).await;
        let rows = fixture.warehouse.rows(WarehouseTable::QuestionResponses, &session_id(WITHHELD)).await;
        let marks = items.iter().map(|item| &item["overall_performance"]["marks_scored"]);
        let row_marks = rows.iter().map(|row| &row["marks_scored"]);
        marks.chain(row_marks).map(|marks| marks.as_f64().unwrap()).collect::<Vec<_>>()
    };
    let before = marks().await;
    assert_eq!(before.len(), 2 * STUDENTS);
    assert!(before.iter().all(|marks| *marks > 0.5), "{before:?}");
    assert_eq!(fixture.reconcile().await["requested"], 0);

    let quizzes = fixture.database.collection::<Document>("quizzes");
    let corrected = doc! {"$set": {"question_sets.0.questions.0.correct_answer": 5}};
    quizzes.update_one(doc! {"_id": quiz_id(WITHHELD)}, corrected).await.unwrap();
    assert_eq!(fixture.reconcile().await["requested"], 1);
    fixture.consume().await;
    let after = marks().await;
    assert_eq!(after.len(), 2 * STUDENTS);
    assert!(after.iter().all(|marks| *marks < 0.5), "{after:?}");
    assert_eq!(fixture.reconcile().await["requested"], 0);
}
