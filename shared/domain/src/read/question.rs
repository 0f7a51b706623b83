use bson::Document;

use crate::problem::{ProblemKind, Problems};
use crate::read::fields;
use crate::read::stored::unreadable_cause;
use crate::read::value::Value;

/// The types of questions. Each decides the shape of an answer and how the answer is judged.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum QuestionType {
    SingleChoice,
    MultiChoice,
    MatrixMatch,
    MatrixRating,
    MatrixNumerical,
    MatrixSubjective,
    Subjective,
    NumericalInteger,
    NumericalFloat,
    Unknown(String),
}

impl QuestionType {
    fn read(name: &str) -> Self {
        match name {
            "single-choice" => Self::SingleChoice,
            "multi-choice" => Self::MultiChoice,
            "matrix-match" => Self::MatrixMatch,
            "matrix-rating" => Self::MatrixRating,
            "matrix-numerical" => Self::MatrixNumerical,
            "matrix-subjective" => Self::MatrixSubjective,
            "subjective" => Self::Subjective,
            "numerical-integer" => Self::NumericalInteger,
            "numerical-float" => Self::NumericalFloat,
            other => Self::Unknown(other.to_owned()),
        }
    }

    /// The Quiz Engine's name of the type.
    #[must_use]
    pub fn name(&self) -> &str {
        match self {
            Self::SingleChoice => "single-choice",
            Self::MultiChoice => "multi-choice",
            Self::MatrixMatch => "matrix-match",
            Self::MatrixRating => "matrix-rating",
            Self::MatrixNumerical => "matrix-numerical",
            Self::MatrixSubjective => "matrix-subjective",
            Self::Subjective => "subjective",
            Self::NumericalInteger => "numerical-integer",
            Self::NumericalFloat => "numerical-float",
            Self::Unknown(name) => name,
        }
    }

    /// Whether a value has the shape that the player stores for this type.
    #[must_use]
    pub fn fits(&self, answer: &Value) -> bool {
        let number = |value: &Value| matches!(value, Value::Int(_) | Value::Float(_));
        match (self, answer) {
            (_, Value::Null)
            | (Self::Unknown(_), _)
            | (Self::MatrixRating | Self::MatrixNumerical | Self::MatrixSubjective, Value::Map(_))
            | (Self::Subjective, Value::Text(_)) => true,
            (Self::SingleChoice | Self::MultiChoice, Value::List(options)) => options.iter().all(number),
            (Self::MatrixMatch, Value::List(pairs)) => {
                pairs.iter().all(|pair| matches!(pair, Value::Text(_)))
            }
            (Self::NumericalInteger | Self::NumericalFloat, answer) => number(answer),
            _ => false,
        }
    }

    fn needs_key(&self) -> bool {
        !matches!(self, Self::Subjective | Self::MatrixSubjective | Self::Unknown(_))
    }
}

fn is_empty(key: &Value) -> bool {
    match key {
        Value::List(values) => values.is_empty(),
        Value::Map(rows) => rows.is_empty(),
        _ => false,
    }
}

/// One question of a quiz. Scoring uses the fields of the quiz document; reports use those of the full document in
/// `questions`.
#[derive(Clone, Debug)]
pub struct Question {
    /// Empty where the document has none. Answers then match this question by position only.
    pub id: String,
    pub kind: QuestionType,
    pub key: Value,
    pub graded: bool,
    pub force_correct: bool,
    pub text: Option<String>,
    pub options: Vec<String>,
    pub subject: Option<String>,
    pub chapter: Option<String>,
    pub chapter_id: Option<String>,
    pub topic: Option<String>,
    pub difficulty: Option<String>,
    pub priority: Value,
    /// Index into [`crate::Quiz::parts`].
    pub part: usize,
    /// Index into [`crate::Quiz::chapters`]; `None` where the question does not count or names no chapter.
    pub chapter_line: Option<usize>,
}

impl Question {
    /// Whether the question counts in results and maxima: it is graded or forced correct.
    #[must_use]
    pub fn counts(&self) -> bool {
        self.graded || self.force_correct
    }

    /// Reads the stub of a question in its quiz. `full` is the question's document in `questions`; where both give a field,
    /// the stub counts.
    pub(crate) fn read(
        stub: &Document,
        full: Option<&Document>,
        place: &str,
        scored: bool,
    ) -> (Self, Problems) {
        let mut problems = Problems::default();
        let id = fields::id(stub, "_id").unwrap_or_default();
        let named = if id.is_empty() { place.to_owned() } else { format!("question {id}") };
        // what scoring needs: the type, the key and the flags
        let either = |field| stub.get(field).or_else(|| full?.get(field));

        let kind = QuestionType::read(either("type").and_then(bson::Bson::as_str).unwrap_or_default());
        let key = Value::read(either("correct_answer"));
        let graded = fields::flag(stub, "graded", true);
        let force_correct = fields::flag(stub, "force_correct", false);
        if scored && graded && !force_correct {
            if let QuestionType::Unknown(name) = &kind {
                problems.add(ProblemKind::QuestionOfUnknownType, format!("{named} has the type {name:?}"));
            } else if kind.needs_key() && (key.is_null() || is_empty(&key)) {
                problems.add(ProblemKind::QuestionWithoutKey, format!("{named} has no key"));
            } else if kind.needs_key() && !kind.fits(&key) {
                let example = format!("{named}, {}, has {} as its key", kind.name(), key.kind());
                problems.add(ProblemKind::QuestionWithoutKey, example);
            }
        }

        // what reports show: texts, options and metadata
        let metadata = |field| {
            let read = |document| {
                fields::object(document, "metadata").and_then(|fields| fields::text(fields, field))
            };
            read(stub).or_else(|| read(full?))
        };
        let text = |document| fields::text(document, "text");
        let missing = match full.map(unreadable_cause) {
            None => Some(format!("{named} is not in the questions collection")),
            Some(Some(why)) => {
                Some(format!("the questions collection's document of {named} cannot be read: {why}"))
            }
            Some(None) => None,
        };
        if let Some(example) = missing.filter(|_| text(stub).is_none()) {
            problems.add(ProblemKind::QuestionTextMissing, example);
        }
        let options = |document: &Document| {
            let options = document.get_array("options").ok()?;
            let text =
                |option: &bson::Bson| option.as_document().and_then(|fields| fields::text(fields, "text"));
            (!options.is_empty())
                .then(|| options.iter().map(|option| text(option).unwrap_or_default()).collect())
        };
        let priority =
            |document| fields::object(document, "metadata").and_then(|fields| fields.get("priority"));

        let question = Self {
            kind,
            key,
            graded,
            force_correct,
            text: text(stub).or_else(|| text(full?)),
            options: options(stub).or_else(|| options(full?)).unwrap_or_default(),
            subject: metadata("subject"),
            chapter: metadata("chapter"),
            chapter_id: metadata("chapter_id"),
            topic: metadata("topic"),
            difficulty: metadata("difficulty"),
            priority: Value::read(priority(stub).or_else(|| priority(full?))),
            id,
            part: 0,
            chapter_line: None,
        };
        (question, problems)
    }
}
