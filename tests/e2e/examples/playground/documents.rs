use anyhow::Result;
use mongodb::bson::{Bson, DateTime, Document, doc};
use mongodb::{Database, IndexModel};
use quiz_sample::large::LargeAssessment;
use serde_json::json;

const SUBJECTS: [&str; 5] = ["Physics", "Chemistry", "Mathematics", "Biology", "English"];
const KINDS: [&str; 3] = ["weekly", "chapter", "mock"];
const GROUPS: [&str; 3] = ["Delhi", "Punjab", "Goa"];
const QUESTIONS: u32 = 12;
/// The time between the last answers of two test sessions.
const MINUTES_APART: i64 = 20;

/// The documents of the Quiz Engine's database, and an event for each test session.
pub struct Content {
    pub quizzes: Vec<Document>,
    pub questions: Vec<Document>,
    /// One entry for each test session.
    pub sessions: Vec<Vec<Document>>,
    /// A `session.sync` for each test session, with its description.
    pub events: Vec<String>,
}

impl Content {
    pub fn of(tests: u32, students: u32) -> Self {
        let shape = |seed: u32| LargeAssessment { students, questions: QUESTIONS, seed: u64::from(seed) };
        let mut content = Self {
            quizzes: Vec::new(),
            questions: shape(0).questions(),
            sessions: Vec::new(),
            events: Vec::new(),
        };
        for number in 0..tests {
            let quiz_id = quiz_id(number);
            let mut quiz = shape(number).quiz();
            quiz.insert("_id", &quiz_id);
            quiz.insert("title", title(number));
            content.quizzes.push(quiz);
            content.sessions.push(sessions(&shape(number), number, &quiz_id));
            content.events.push(event(number));
        }
        content
    }
}

fn quiz_id(number: u32) -> String {
    format!("66f0{number:020x}")
}

fn pick<'a>(names: &[&'a str], number: u32) -> &'a str {
    names.iter().cycle().nth(number as usize % names.len()).copied().unwrap_or_default()
}

fn title(number: u32) -> String {
    format!("{} {} {}", pick(&SUBJECTS, number), pick(&KINDS, number / 5), number / 15 + 1)
}

fn sessions(shape: &LargeAssessment, number: u32, quiz_id: &str) -> Vec<Document> {
    let newest = DateTime::now().timestamp_millis() - i64::from(number) * MINUTES_APART * 60_000;
    let own = |(at, mut session): (usize, Document)| {
        session.insert("_id", format!("67{number:06x}{at:016x}"));
        session.insert("quiz_id", quiz_id);
        session.insert("updated_at", DateTime::from_millis(newest));
        session
    };
    shape.sessions().enumerate().map(own).collect()
}

/// The id of a quiz's test session.
pub fn session_id(number: u32) -> String {
    format!("{}_{}", pick(&GROUPS, number), quiz_id(number))
}

fn event(number: u32) -> String {
    let group = pick(&GROUPS, number);
    json!({
        "type": "session.sync", "session_id": session_id(number),
        "session": {"test_name": title(number), "group": group, "batch": format!("{}", 2026 + number % 2)},
    })
    .to_string()
}

/// Removes the questions of two quizzes, so that their test sessions cannot be synced, or restores them.
pub async fn set_broken(database: &Database, tests: u32, broken: bool) -> Result<Vec<String>> {
    let sound = LargeAssessment { students: 0, questions: QUESTIONS, seed: 0 }.quiz();
    let sets = if broken { Bson::from("(lost)") } else { sound.get("question_sets").cloned().into() };
    let titles = (tests / 2..tests).take(2).map(title).collect();
    let ids: Vec<String> = (tests / 2..tests).take(2).map(quiz_id).collect();
    let quizzes = database.collection::<Document>("quizzes");
    quizzes.update_many(doc! {"_id": {"$in": ids}}, doc! {"$set": {"question_sets": sets}}).await?;
    Ok(titles)
}

/// Creates the indexes for the pipeline's queries.
pub async fn index(database: &Database) -> Result<()> {
    let of = |keys: Document| IndexModel::builder().keys(keys).build();
    let sessions = [of(doc! {"quiz_id": 1, "user_id": 1}), of(doc! {"updated_at": 1, "quiz_id": 1})];
    database.collection::<Document>("sessions").create_indexes(sessions).await?;
    let questions = of(doc! {"question_set_id": 1});
    database.collection::<Document>("questions").create_index(questions).await?;
    Ok(())
}
