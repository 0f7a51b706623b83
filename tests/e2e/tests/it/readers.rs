//! The pages of the neighbours, from what the deployed functions wrote: the Reporting Engine's pages by its template
//! engine, where an absent field ends in an error, and the LMS's query of the form's rows.

use mongodb::bson::{Bson, Document, bson, doc};
use quiz_domain::reports::ReportTable;
use quiz_domain::rows::WarehouseTable;
use quiz_e2e::warehouse::WarehousePipeline;
use quiz_e2e::{Pipeline, deploy, run_local, run_python};
use quiz_local::{ParquetWarehouse, SqliteStore};
use quiz_sample::SampleDocuments;
use quiz_suites::parquet::read_parquet;
use quiz_suites::store::session_items;
use serde_json::{Value, json};

const CHAPTERS: &str = "00000000000000000000000a";
const NO_CHAPTERS: &str = "00000000000000000000000b";
const FORM: &str = "00000000000000000000000c";

/// Two tests and a form, each with the attempts of `meera` and of `none`, who answers nothing. In the test with chapters,
/// two chapter ids have the name Optics, and `meera` skips Chemistry.
fn documents() -> SampleDocuments {
    let question = |id: &str, kind: &str, subject: &str, chapter: Option<(&str, &str, &str)>| {
        let mut metadata = doc! {"subject": subject};
        if let Some((id, name, priority)) = chapter {
            metadata.extend(doc! {"chapter_id": id, "chapter": name, "priority": priority});
        }
        doc! {"_id": id, "type": kind, "graded": true, "text": format!("Question {id}"), "correct_answer": [0],
        "options": [{"text": "Yes"}, {"text": "No"}, {"text": "Perhaps"}], "metadata": metadata}
    };
    let choice = |id: &str, subject: &str, chapter| question(id, "single-choice", subject, chapter);
    let optics = |id: &str, chapter_id| choice(id, "Physics", Some((chapter_id, "Optics", "HIGH")));
    let chaptered = vec![
        optics("a1", "P1"),
        choice("a2", "Physics", Some(("P2", "Waves", "urgent"))),
        optics("a3", "P3"),
        choice("a4", "Chemistry", Some(("C1", "Acids", "low"))),
        choice("a5", "Chemistry", Some(("C1", "Acids", "low"))),
    ];
    let plain = vec![choice("b1", "Maths", None), choice("b2", "Maths", None)];
    let form =
        ["single-choice", "multi-choice", "subjective", "numerical-integer", "matrix-rating", "subjective"];
    let form = form.iter().zip(1..).map(|(kind, number)| question(&format!("c{number}"), kind, "", None));
    let contents = [
        (CHAPTERS, "assessment", chaptered, vec![bson!([0]), bson!([1]), bson!([1]), Bson::Null, Bson::Null]),
        (NO_CHAPTERS, "assessment", plain, vec![bson!([0]), bson!([0])]),
        (FORM, "form", form.collect(), form_answers()),
    ];
    let mut all = SampleDocuments { quizzes: Vec::new(), questions: Vec::new(), sessions: Vec::new() };
    for (quiz, kind, questions, answers) in contents {
        let none = vec![Bson::Null; answers.len()];
        for (user, answers) in [("meera", answers), ("none", none)] {
            all.sessions.push(attempt(quiz, user, &questions, answers));
        }
        all.quizzes.push(doc! {
            "_id": quiz, "title": format!("Title of {quiz}"),
            "question_sets": [{"_id": format!("set of {quiz}"), "title": "All", "questions": questions.clone(),
                "marking_scheme": {"correct": 4, "wrong": -1, "skipped": 0}}],
            "metadata": {"quiz_type": kind, "test_format": "chapter_test", "grade": "12", "source_id": "cms-7"},
        });
        all.questions.extend(questions);
    }
    all
}

fn form_answers() -> Vec<Bson> {
    let text = bson!("I like \"Physics\", भौतिकी");
    vec![bson!([0]), bson!([0, 2]), text, bson!(5), bson!({"Maths": 0, "Physics": 1}), Bson::Null]
}

fn attempt(quiz: &str, user: &str, questions: &[Document], answers: Vec<Bson>) -> Document {
    let record = |(question, answer): (&Document, Bson)| bson!({"question_id": question.get_str("_id").unwrap(), "answer": answer, "visited": true, "time_spent": 5});
    doc! {
        "_id": format!("{user} of {quiz}"), "user_id": user, "quiz_id": quiz, "has_quiz_ended": true,
        "events": [{"event_type": "start-quiz", "created_at": "2024-04-30T04:30:00"}],
        "session_answers": questions.iter().zip(answers).map(record).collect::<Vec<_>>(),
    }
}

fn session_id(quiz: &str) -> String {
    format!("Batch_{quiz}")
}

fn events() -> Vec<String> {
    let event = |quiz| json!({"session_id": session_id(quiz), "session": {"group": "Batch", "batch": "B-7"}});
    [CHAPTERS, NO_CHAPTERS, FORM].map(|quiz| event(quiz).to_string()).into()
}

/// Prints each page of the list on stdin's JSON. Like the Reporting Engine's templates, these read fields without a check.
const PAGES: &str = r#"
import json, sys
from jinja2 import Environment
PRINT = '''
{%- set header = report.report_header -%}{%- set overall = report.overall_performance -%}
{{ header.test_name }} | {{ header.student_id }} | {{ header.test_date }}
score {{ "%g" % overall.marks_scored }}/{{ "%g" % overall.max_marks_possible }} rank {{ "%g" % overall.cms_rank }}
{{ report.recommendation.message }}
{%- for chapter in report.recommendation.recommended_chapters %}
- {{ chapter.subject }}: {{ chapter.chapter_name }}{% endfor %}
{%- for subject in report.subject_performance %}
{{ subject.subject.upper() }} {{ "%g" % subject.marks_scored }}/{{ "%g" % subject.max_marks_possible }}
{{- " skipped %g" % subject.num_skipped }} accuracy {{ "%g" % (subject.accuracy or 0) }}{% endfor %}
{%- for level in ["high", "medium", "low", "unknown"] %}
{%- for chapter in report.chapter_performance if (chapter.priority or "unknown").lower() == level %}
{{ level }}: {{ chapter.chapter_name }} {{ "%g" % chapter.marks_scored }}/{{ "%g" % chapter.max_marks_possible }}
{{- " %g%%" % (chapter.percentage or 0) }}{% endfor %}{% endfor %}'''
SECTION = '''
{{- item.section }} {{ "%g" % item.marks_scored }}/{{ "%g" % item.max_marks_possible }}
{%- if item.chapter_wise_data is defined %}
| chapter | marks |{% for line in item.chapter_wise_data %}
| {{ line.chapter_name }} | {{ "%g" % line.marks_scored }}/{{ "%g" % line.max_score }} |{% endfor %}{% endif %}'''
ANSWER = '''
{{- item.question_text }}: {% if item.is_answered -%}
{{ item.user_response_labels.strip() }}{% else %}None / Unanswered{% endif %}'''
environment = Environment()
templates = {name: environment.from_string(text) for name, text in
             [("report", PRINT), ("section", SECTION), ("answer", ANSWER)]}
kind, items = sys.argv[1], json.loads(sys.argv[2])
print(json.dumps([templates[kind].render(report=item, item=item) for item in items]))
"#;

async fn pages(kind: &str, items: &[Value]) -> String {
    let items = serde_json::to_string(items).unwrap();
    let pages: Vec<String> = run_python(PAGES, [kind, &items]).await;
    pages.join("\n\n")
}

/// The items of each session that the page shows, by number of the question where the item has one.
fn in_page_order(mut items: Vec<Value>) -> Vec<Value> {
    items.sort_by_key(|item| {
        let position = item.get("question_position_index").and_then(Value::as_f64);
        (item["user_id"].as_str().unwrap().to_owned(), position.map(f64::to_bits))
    });
    items
}

#[tokio::test]
async fn neighbours_pages_have_no_gap() {
    let documents = documents();
    let folder = run_local(&documents, false);
    let deployment = deploy(&documents, &[]).await;
    let reports = Pipeline::of(&deployment).await;
    let warehouse = WarehousePipeline::of(&deployment).await;
    reports.publish_and_wait(&events()).await;
    warehouse.deployed.consume(10, 2).await;

    let mut shown = Vec::new();
    for (kind, table, quiz) in [
        ("report", &reports.v2, CHAPTERS),
        ("report", &reports.v2, NO_CHAPTERS),
        ("section", &reports.v1, CHAPTERS),
        ("section", &reports.v1, NO_CHAPTERS),
        ("answer", &reports.forms, FORM),
    ] {
        let items = in_page_order(reports.session_items(table, &session_id(quiz)).await);
        shown.push(format!("{kind} {quiz}\n\n{}", pages(kind, &items).await));
    }
    insta::assert_snapshot!("neighbours_pages", shown.join("\n\n"));

    let store = SqliteStore::open_existing(folder.path().join("out/reports.db")).unwrap();
    let embedded = in_page_order(session_items(&store, ReportTable::FormResponses, FORM).await);
    let embedded = pages("answer", &embedded).await;
    assert!(shown.last().unwrap().ends_with(&embedded), "the embedded store shows {embedded}");

    warehouse.deployed.wait().await;
    let lms = format!(
        "SELECT user_id, question_text, user_response, user_response_labels, test_id, session_id, question_id, \
         question_position_index, question_set_title, test_type, cms_test_id, `group`, batch \
         FROM {} WHERE test_type = 'form' AND session_id = '{}' ORDER BY user_id, question_position_index",
        WarehouseTable::FormResponses.name(),
        session_id(FORM)
    );
    let rows: Vec<Value> =
        warehouse.bigquery.query(&lms).await.unwrap().into_iter().map(Value::Object).collect();
    let lines: Vec<String> = rows.iter().map(ToString::to_string).collect();
    insta::assert_snapshot!("lms_rows", lines.join("\n"));

    let file = ParquetWarehouse::new(folder.path().join("out/warehouse"));
    let embedded = read_parquet(&file.file(WarehouseTable::FormResponses, FORM));
    let answers = |rows: &mut dyn Iterator<Item = &Value>| {
        let mut answers: Vec<_> = rows
            .map(|row| {
                ["user_id", "question_id", "user_response", "user_response_labels"]
                    .map(|name| row[name].to_string())
            })
            .collect();
        answers.sort();
        answers
    };
    let embedded: Vec<Value> = embedded.into_iter().map(Value::Object).collect();
    assert_eq!(answers(&mut embedded.iter()), answers(&mut rows.iter()));
}
