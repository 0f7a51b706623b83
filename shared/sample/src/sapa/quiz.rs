use bson::{Bson, Document, doc};

use super::QUIZ_ID;

pub(super) const QUESTIONS: usize = ITEMS.len();
/// How many questions of a set the Quiz Engine stores in full within the quiz.
const FULL_QUESTIONS: usize = 10;
const SET_ID: &str = "5020a0d0f1e2d3c4b5000002";

/// One multiple-choice item of the data set.
pub(super) struct Item {
    /// The column in the data set: the item group and the number.
    pub name: &'static str,
    /// The number of the correct option, from 1 as in the data set.
    pub key: i32,
}

pub(super) const ITEMS: [Item; 16] = [
    Item { name: "reason.4", key: 4 },
    Item { name: "reason.16", key: 4 },
    Item { name: "reason.17", key: 4 },
    Item { name: "reason.19", key: 6 },
    Item { name: "letter.7", key: 6 },
    Item { name: "letter.33", key: 3 },
    Item { name: "letter.34", key: 4 },
    Item { name: "letter.58", key: 4 },
    Item { name: "matrix.45", key: 5 },
    Item { name: "matrix.46", key: 2 },
    Item { name: "matrix.47", key: 2 },
    Item { name: "matrix.55", key: 4 },
    Item { name: "rotate.3", key: 3 },
    Item { name: "rotate.4", key: 2 },
    Item { name: "rotate.6", key: 6 },
    Item { name: "rotate.8", key: 7 },
];

/// The subject and the options of an item group.
struct ItemGroup {
    subject: &'static str,
    chapter: &'static str,
    options: i32,
}

impl Item {
    fn group_name(&self) -> &'static str {
        self.name.split_once('.').map_or(self.name, |(group, _)| group)
    }

    fn group(&self) -> ItemGroup {
        match self.group_name() {
            "reason" => ItemGroup { subject: "Verbal Reasoning", chapter: "Reasoning", options: 6 },
            "letter" => ItemGroup { subject: "Letter Series", chapter: "Series", options: 6 },
            "matrix" => ItemGroup { subject: "Matrix Reasoning", chapter: "Matrices", options: 6 },
            _ => ItemGroup { subject: "Spatial Rotation", chapter: "Rotation", options: 8 },
        }
    }

    /// The index of the correct option, from 0 as in the Quiz Engine.
    pub(super) fn answer(&self) -> i32 {
        self.key - 1
    }
}

/// The `_id` of a question. The ids ascend in the order of the set, because the Quiz Engine sorts by them.
pub(super) fn question_id(position: usize) -> String {
    format!("5020a0d0f1e2d3c4b5{:06x}", 0x10 + position)
}

/// The fields that the quiz document holds for every question.
fn stub(position: usize, item: &Item) -> Document {
    doc! {
        "_id": question_id(position),
        "graded": true,
        "force_correct": false,
        "type": "single-choice",
        "matrix_rows": Bson::Null,
        "correct_answer": [item.answer()],
        "question_set_id": SET_ID,
        "marking_scheme": Bson::Null,
    }
}

/// The document in `questions`.
fn full(position: usize, item: &Item) -> Document {
    let ItemGroup { subject, chapter, options } = item.group();
    let options: Vec<Bson> =
        (1..=options).map(|number| doc! { "text": number.to_string(), "image": Bson::Null }.into()).collect();
    let mut question = doc! {
        "_id": question_id(position),
        "text": format!("SAPA item {}", item.name),
        "type": "single-choice",
        "image": Bson::Null,
        "instructions": Bson::Null,
        "options": options,
        "max_char_limit": Bson::Null,
        "matrix_size": Bson::Null,
    };
    question.extend(stub(position, item));
    question.extend(doc! {
        "solution": [],
        "metadata": {
            "grade": Bson::Null,
            "subject": subject,
            "subject_id": Bson::Null,
            "chapter": chapter,
            "chapter_id": item.group_name(),
            "topic": item.name,
            "topic_id": Bson::Null,
            "difficulty": Bson::Null,
            "priority": Bson::Null,
        },
        "source": "psych",
        "source_id": item.name,
    });
    question
}

pub(super) fn questions() -> Vec<Document> {
    ITEMS.iter().enumerate().map(|(position, item)| full(position, item)).collect()
}

pub(super) fn document() -> Document {
    let questions: Vec<Bson> = ITEMS
        .iter()
        .enumerate()
        .map(
            |(position, item)| {
                if position < FULL_QUESTIONS { full(position, item) } else { stub(position, item) }
            },
        )
        .map(Bson::Document)
        .collect();
    let count = i32::try_from(questions.len()).unwrap_or(i32::MAX);
    doc! {
        "_id": QUIZ_ID,
        "title": "SAPA Ability Test, August 2012",
        "question_sets": [{
            "_id": SET_ID,
            "title": "Ability items",
            "description": "16 multiple-choice items in four groups",
            "max_questions_allowed_to_attempt": count,
            "marking_scheme": { "correct": 4.0, "wrong": -1.0, "skipped": 0.0, "partial": Bson::Null },
            "questions": questions,
        }],
        "max_marks": 4 * count,
        "num_graded_questions": count,
        "shuffle": true,
        "num_attempts_allowed": 1,
        "time_limit": Bson::Null,
        "review_immediate": false,
        "display_solution": false,
        "show_scores": true,
        "navigation_mode": "linear",
        "instructions": Bson::Null,
        "language": "en",
        "metadata": {
            "quiz_type": "assessment",
            "test_format": Bson::Null,
            "grade": Bson::Null,
            "subject": Bson::Null,
            "chapter": Bson::Null,
            "topic": Bson::Null,
            "source": "psych",
            "source_id": "iqitems",
            "session_end_time": "2012-08-31 11:59:59 PM",
        },
    }
}
