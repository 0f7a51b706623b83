//! The deployed sync-reports reads only the changed attempts of a large test session, and all attempts on force.

use mongodb::Collection;
use mongodb::bson::{Bson, Document, doc};
use quiz_e2e::{Pipeline, deploy};
use quiz_sample::SampleDocuments;
use quiz_sample::large::LargeAssessment;
use quiz_stack::Delivery;
use serde_json::{Value, json};

const COMMIT: &str = "0123456789abcdef0123456789abcdef01234567";

struct IncrementalFixture {
    pipeline: Pipeline,
    session: String,
    documents: Collection<Document>,
}

impl IncrementalFixture {
    /// Syncs and returns the function's log line of the sync.
    async fn sync(&self, force: bool) -> Value {
        let event = json!({"session_id": self.session, "force": force});
        self.pipeline.publish_and_wait(&[event.to_string()]).await;
        let logged = self.pipeline.deployed.logged().await;
        let finished = logged.into_iter().rfind(|line| line["message"] == "sync finished");
        finished.unwrap()
    }

    /// The number of skipped questions in a student's overall report.
    async fn skipped(&self, user: &str) -> f64 {
        let items = self.pipeline.session_items(&self.pipeline.v1, &self.session).await;
        let item = items.iter().find(|item| item["user_id"] == user && item["section"] == "overall").unwrap();
        item["num_skipped"].as_f64().unwrap()
    }
}

#[tokio::test]
async fn unchanged_attempts_are_not_read_again() {
    let large = LargeAssessment { students: 700, questions: 12, seed: 7 };
    let (quiz, sessions) = (large.quiz(), large.sessions().collect::<Vec<_>>());
    let ended = |document: &&Document| {
        let answers = document.get_array("session_answers").unwrap();
        let first = answers[0].as_document().unwrap().get("answer").unwrap();
        document.get_bool("has_quiz_ended").unwrap() && *first != Bson::Null
    };
    let student = sessions.iter().find(ended).unwrap().clone();
    let session = format!("Group_{}", quiz.get_str("_id").unwrap());
    let documents = SampleDocuments { quizzes: vec![quiz], questions: large.questions(), sessions };
    let deployment = deploy(&documents, &[]).await;
    let pipeline = Pipeline::of(&deployment).await;
    pipeline.deployed.deliver(Delivery::Envelope).await;
    pipeline.deployed.set_environment(&[("QUIZ_ETL_COMMIT", COMMIT)]).await;
    let database = pipeline.stack.mongodb().await.unwrap().database(deployment.name());
    let fixture = IncrementalFixture { pipeline, session, documents: database.collection("sessions") };

    let first = fixture.sync(false).await;
    assert_eq!((&first["participants"], &first["known"]), (&json!(700), &json!(0)), "{first}");

    // a changed document with an old `updated_at` is not read again; a new student is
    let user = student.get_str("user_id").unwrap();
    let before = fixture.skipped(user).await;
    let silently = doc! {"$set": {"session_answers.0.answer": null}};
    fixture.documents.update_one(doc! {"_id": student.get_str("_id").unwrap()}, silently).await.unwrap();
    let mut newcomer = student.clone();
    newcomer.extend(doc! {"_id": "ffffffffffffffffffffffff", "user_id": "newcomer"});
    fixture.documents.insert_one(newcomer).await.unwrap();
    let second = fixture.sync(false).await;
    let known = second["known"].as_i64().unwrap();
    assert!(second["participants"] == 701 && (500..=700).contains(&known), "{second}");
    assert_eq!((fixture.skipped(user).await, fixture.skipped("newcomer").await), (before, before));

    let forced = fixture.sync(true).await;
    assert_eq!((&forced["participants"], &forced["known"]), (&json!(701), &json!(0)), "{forced}");
    assert_eq!((fixture.skipped(user).await, fixture.skipped("newcomer").await), (before + 1.0, before));
}
