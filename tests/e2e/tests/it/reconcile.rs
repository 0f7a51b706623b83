//! What was lost on the way heals by itself: the deployed binary of reconcile asks again for tests whose event SNS never
//! saw, whose messages lie in the dead-letter queues, and whose messages ran out of time in the queues.

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

struct World {
    reports: Pipeline,
    warehouse: WarehousePipeline,
    notices: Deployed,
    database: Database,
}

impl World {
    async fn new() -> Self {
        let quizzes = (WITHHELD..=UNKNOWN).map(quiz).collect();
        let sessions =
            (WITHHELD..UNKNOWN).flat_map(|test| (0..STUDENTS).map(move |it| session(test, it))).collect();
        let deployment = deploy(&SampleDocuments { quizzes, questions: Vec::new(), sessions }, &[]).await;
        // the answers of a moment ago, and no time for the queue's own retries
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

    /// Until both functions have done all that is in their queues.
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

    /// So that its messages can never succeed.
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

    /// Students with a report, and with rows.
    async fn students(&self, test: usize) -> (usize, usize) {
        let items = self.reports.session_items(&self.reports.v2, &session_id(test)).await;
        let rows = self.warehouse.rows(WarehouseTable::QuestionResponses, &session_id(test)).await;
        (items.len(), rows.len())
    }
}

/// The messages of a queue that nobody reads run out of their time.
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
async fn what_was_withheld_parked_or_expired_heals_by_itself() {
    let world = World::new().await;
    for test in [WITHHELD, PARKED, EXPIRED] {
        world.publish(test).await;
    }
    world.consume().await;
    for function in world.functions() {
        function.pause().await;
    }
    let late = (WITHHELD..=UNKNOWN).map(|test| session(test, STUDENTS)).collect();
    insert(&world.database, "sessions", late).await.unwrap();

    world.publish(EXPIRED).await;
    let [reports, warehouse] = world.functions();
    tokio::join!(expire(reports), expire(warehouse));
    world.spoil_quiz().await;
    world.publish(PARKED).await;
    world.consume().await;
    for function in world.functions() {
        assert_eq!(function.dead_letters().await, 1, "{}", function.name);
    }
    world.mend_quiz().await;
    for test in [WITHHELD, PARKED, EXPIRED] {
        assert_eq!(world.students(test).await, (STUDENTS, STUDENTS), "nothing has told of the latecomer");
    }

    let pass = world.reconcile().await;
    assert_eq!(pass, json!({"behind": 6, "requested": 3, "left": 0, "unknown": 1}));
    world.consume().await;
    for test in [WITHHELD, PARKED, EXPIRED] {
        assert_eq!(world.students(test).await, (STUDENTS + 1, STUDENTS + 1), "test {test} has healed");
    }
    assert_eq!(world.students(UNKNOWN).await, (0, 0), "nobody knows its session");
    world.notices.consume(10, 2).await;
    world.notices.wait().await;
    let pass = world.reconcile().await;
    assert_eq!(pass, json!({"behind": 0, "requested": 0, "left": 0, "unknown": 1}));
    world.notices.wait().await;

    let discord = &world.notices.deployment.discord;
    assert_eq!(discord.violations(), Vec::<String>::new());
    let told = discord.messages().iter().map(|it| it.payload.to_string()).collect::<String>();
    assert!(told.contains("Reconcile requested a sync of 3 test sessions"), "{told}");
    assert_eq!(
        told.matches("1 quiz completed by students, and no sync requested").count(),
        1,
        "once a day: {told}"
    );
    assert!(told.contains(&quiz_id(UNKNOWN)), "{told}");
    for function in world.functions() {
        assert_eq!(function.dead_letters().await, 1, "what lies there is for a person to replay or drop");
    }
}

#[tokio::test]
async fn without_mongodb_the_pass_fails_and_still_asks_for_what_the_states_tell() {
    let world = World::new().await;
    world.spoil_quiz().await;
    world.publish(PARKED).await;
    world.consume().await;
    world.mend_quiz().await;
    let reports = &world.reports.deployed;
    let nowhere = format!("{}-nowhere", reports.deployment.name());
    let uri = "mongodb://127.0.0.1:1/?serverSelectionTimeoutMS=500";
    reports.stack.create_secret(&nowhere, uri).await.unwrap();
    reports.deployment.set_environment("reconcile", &[("MONGODB_URI_SECRET_ID", &nowhere)]).await.unwrap();

    let function = format!("{}:live", reports.deployment.function("reconcile"));
    let failed = reports.stack.invoke(&function, &json!({})).await.unwrap_err().to_string();
    assert!(failed.contains("the pass is not complete"), "{failed}");
    world.consume().await;
    assert_eq!(world.students(PARKED).await, (STUDENTS, STUDENTS), "its state alone has told");
}
