use csv::StringRecord;

use super::PARTICIPANTS;
use super::quiz::{ITEMS, QUESTIONS};
use crate::SampleError;

const RESPONSES: &str = include_str!("../../data/sapa/responses.csv");
const SCORED: &str = include_str!("../../data/sapa/scored.csv");

/// One person's answers, in the order of the quiz.
pub(super) struct Person {
    pub user_id: String,
    /// The index of the chosen option, from 0; `None` without an answer.
    pub chosen: [Option<i32>; QUESTIONS],
}

/// One person's published scoring.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PublishedOutcomes {
    pub user_id: String,
    /// Whether each of the 16 answers is right; `None` without an answer.
    pub correct: [Option<bool>; QUESTIONS],
}

pub(super) fn read() -> Result<Vec<Person>, SampleError> {
    let option = |value: &str| match value {
        "0" | "NA" => Some(None),
        value => {
            value.parse().ok().filter(|option| (1..=8).contains(option)).map(|option: i32| Some(option - 1))
        }
    };
    let rows = rows("responses.csv", RESPONSES, option)?;
    Ok(rows.into_iter().map(|(user_id, chosen)| Person { user_id, chosen }).collect())
}

pub(super) fn published() -> Result<Vec<PublishedOutcomes>, SampleError> {
    let outcome = |value: &str| match value {
        "1" => Some(Some(true)),
        "0" => Some(Some(false)),
        "NA" => Some(None),
        _ => None,
    };
    let rows = rows("scored.csv", SCORED, outcome)?;
    Ok(rows.into_iter().map(|(user_id, correct)| PublishedOutcomes { user_id, correct }).collect())
}

type Row<T> = (String, [T; QUESTIONS]);

/// Reads the rows of a bundled file: the person, and one value for each item.
fn rows<T: Copy + Default>(
    file: &'static str,
    text: &str,
    read: impl Fn(&str) -> Option<T>,
) -> Result<Vec<Row<T>>, SampleError> {
    let malformed = |what: String| SampleError::Malformed { file, what };
    let mut reader = csv::Reader::from_reader(text.as_bytes());
    let header = reader.headers().map_err(|source| SampleError::Csv { file, source })?;
    if !header.iter().skip(1).eq(ITEMS.iter().map(|item| item.name)) {
        return Err(malformed("its columns are not the 16 items".into()));
    }
    let mut rows = Vec::with_capacity(PARTICIPANTS);
    for record in reader.records() {
        let record: StringRecord = record.map_err(|source| SampleError::Csv { file, source })?;
        let person = record.get(0).unwrap_or_default();
        let mut values = [T::default(); QUESTIONS];
        for (value, cell) in values.iter_mut().zip(record.iter().skip(1)) {
            *value =
                read(cell).ok_or_else(|| malformed(format!("{cell:?} in the row of person {person}")))?;
        }
        rows.push((format!("sapa-{person}"), values));
    }
    if rows.len() == PARTICIPANTS {
        Ok(rows)
    } else {
        Err(malformed(format!("it has {} people", rows.len())))
    }
}
