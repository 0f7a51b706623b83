//! Damaged dumps: a sync always ends with a result or an error. The process never ends, and the neighbours of a damaged
//! document are read.

use std::fs;
use std::path::Path;
use std::sync::Arc;

use bson::raw::{CString, RawBson, RawDocumentBuf};
use bson::{Bson, Document, bson, rawdoc};
use proptest::collection::vec;
use proptest::prelude::*;
use quiz_domain::reports::ReportFormats;
use quiz_events::SessionTarget;
use quiz_local::{DumpSource, SqliteStore};
use quiz_pipeline::{ReportSink, SessionRequest};
use quiz_sample::large::LargeAssessment;
use quiz_suites::function::SingleSync;
use quiz_suites::source::Collections;
use tempfile::TempDir;

use crate::common::{bytes, gzip, write_dump};

/// Deep enough to overflow the stack of a thread, if each level needed a call.
const DEEP: usize = 100_000;

fn collections() -> Collections {
    let large = LargeAssessment { students: 12, questions: 6, seed: 3 };
    Collections {
        quizzes: vec![large.quiz()],
        questions: large.questions(),
        sessions: large.sessions().collect(),
    }
}

/// The participants of the dump's quiz, and the number of problems.
async fn sync(folder: &Path) -> Result<(usize, u64), String> {
    let source = DumpSource::open(folder).map_err(|error| error.to_string())?;
    let store = SqliteStore::open(folder.join("reports.db")).unwrap();
    let sink = ReportSink::new(Arc::new(store), ReportFormats { v1: true, v2: true });
    let target =
        SessionTarget::new(&format!("Large_{}", LargeAssessment::QUIZ_ID), None, "session_id").unwrap();
    let sync = SingleSync::new(Arc::new(source), Arc::new(sink));
    let outcome = sync.run(&SessionRequest::new(target)).await.map_err(|error| error.to_string())?;
    Ok((outcome.participants, outcome.problems.iter().map(|problem| problem.count).sum()))
}

/// Documents nested to this many levels.
fn nested(levels: usize) -> RawBson {
    let mut innermost = RawDocumentBuf::new().into_bytes();
    // a level is a length, the type of a document, the name "0", the inner levels, and a zero
    let level_bytes = 4 + 1 + 2 + 1;
    let mut bytes = Vec::with_capacity(levels * level_bytes + innermost.len());
    for level in (1..=levels).rev() {
        bytes.extend(i32::try_from(level * level_bytes + innermost.len()).unwrap().to_le_bytes());
        bytes.extend([3, b'0', 0]);
    }
    bytes.append(&mut innermost);
    bytes.extend(std::iter::repeat_n(0, levels));
    RawBson::Document(RawDocumentBuf::from_bytes(bytes).unwrap())
}

/// The document with an additional field that is nested too deep.
fn with_nested(document: &Document, field: &str) -> Vec<u8> {
    let mut raw = rawdoc! {};
    for (name, value) in document {
        if name != field {
            raw.append(CString::try_from(name.as_str()).unwrap(), RawBson::try_from(value.clone()).unwrap());
        }
    }
    raw.append(CString::try_from(field).unwrap(), nested(DEEP));
    raw.into_bytes()
}

#[tokio::test]
async fn deeply_nested_field_costs_its_own_document() {
    let good = collections();
    let folder = TempDir::new().unwrap();
    write_dump(folder.path(), &good, false);
    let (participants, problems) = sync(folder.path()).await.unwrap();
    let first = &good.sessions[0];
    let user = first.get("user_id").unwrap();
    assert_eq!(good.sessions.iter().filter(|session| session.get("user_id") == Some(user)).count(), 1);
    for field in ["_id", "user_id", "has_quiz_ended", "updated_at", "session_answers", "events", "more"] {
        let folder = TempDir::new().unwrap();
        write_dump(folder.path(), &good, false);
        let sessions = [with_nested(first, field), bytes(&good.sessions[1..])].concat();
        fs::write(folder.path().join("sessions.bson"), sessions).unwrap();
        let (left, counted) = sync(folder.path()).await.unwrap_or_else(|error| panic!("{field}: {error}"));
        assert_eq!((left, counted), (participants - 1, problems + 1), "{field}");
    }
}

#[tokio::test]
async fn deeply_nested_quiz_or_question_is_reported() {
    let good = collections();
    for (file, document) in [("quizzes", &good.quizzes[0]), ("questions", &good.questions[0])] {
        for field in ["_id", "title", "question_sets", "question_set_id", "text", "metadata"] {
            let folder = TempDir::new().unwrap();
            write_dump(folder.path(), &good, false);
            fs::write(folder.path().join(format!("{file}.bson")), with_nested(document, field)).unwrap();
            if let Err(error) = sync(folder.path()).await {
                assert!(!error.is_empty() && error.len() < 1_000, "{error}");
            }
        }
    }
}

#[derive(Clone, Debug)]
enum Damage {
    Byte(usize, u8),
    Cut(usize, usize),
    Repeat(usize, usize),
    /// A wrong length, or wrong bytes of a number.
    Number(usize, i32),
}

fn damage() -> impl Strategy<Value = Damage> {
    let place = any::<usize>;
    prop_oneof![
        4 => (place(), any::<u8>()).prop_map(|(at, byte)| Damage::Byte(at, byte)),
        1 => (place(), 0..300_usize).prop_map(|(at, length)| Damage::Cut(at, length)),
        1 => (place(), 0..300_usize).prop_map(|(at, length)| Damage::Repeat(at, length)),
        2 => (place(), any::<i32>()).prop_map(|(at, number)| Damage::Number(at, number)),
        2 => (place(), 0..200).prop_map(|(at, number)| Damage::Number(at, number)),
    ]
}

fn damaged(mut bytes: Vec<u8>, damages: &[Damage]) -> Vec<u8> {
    for damage in damages {
        let (at, length, new) = match *damage {
            Damage::Byte(at, byte) => (at, 1, vec![byte]),
            Damage::Cut(at, length) => (at, length, Vec::new()),
            Damage::Repeat(at, length) => {
                let at = at % (bytes.len() + 1);
                (at, 0, bytes.iter().skip(at).take(length).copied().collect())
            }
            Damage::Number(at, number) => (at, 4, number.to_le_bytes().to_vec()),
        };
        let at = at % (bytes.len() + 1);
        bytes.splice(at..(at + length).min(bytes.len()), new);
    }
    bytes
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 300, ..ProptestConfig::default() })]

    #[test]
    fn damaged_dump_gives_result_or_error(
        file in 0..3_usize,
        gzipped in any::<bool>(),
        damages in vec(damage(), 1..6),
    ) {
        let good = collections();
        let folder = TempDir::new().unwrap();
        write_dump(folder.path(), &good, gzipped);
        let (name, documents) =
            [("quizzes", &good.quizzes), ("questions", &good.questions), ("sessions", &good.sessions)][file];
        let plain = bytes(documents);
        let (name, stored) = if gzipped {
            (format!("{name}.bson.gz"), gzip(&plain))
        } else {
            (format!("{name}.bson"), plain)
        };
        fs::write(folder.path().join(name), damaged(stored, &damages)).unwrap();
        let runtime = tokio::runtime::Runtime::new().unwrap();
        match runtime.block_on(sync(folder.path())) {
            Ok((participants, _)) => assert!(participants <= 12),
            Err(error) => assert!(!error.is_empty()),
        }
    }
}

#[test]
fn nested_document_has_the_given_depth() {
    let expected = bson!({"0": {"0": {"0": {}}}});
    assert_eq!(Bson::try_from(nested(3)).unwrap(), expected);
}
