//! Scores and ranks the SAPA sample, and compares the results with the published scoring and with plain counting.

use std::collections::{HashMap, HashSet};
use std::io::Read;

use bson::{Bson, Document};
use quiz_domain::{
    Attempt, AttemptHead, AttemptResults, AttemptSelection, Outcome, Problems, Quiz, SessionResult,
    SessionScorer, TakenDocument, TestSession, judge,
};
use quiz_sample::{SampleDocuments, sapa, write_dump};

fn quiz(documents: &SampleDocuments) -> Quiz {
    let (quiz, problems) = Quiz::read(&documents.quizzes[0], &documents.questions).unwrap();
    assert!(problems.is_empty(), "{problems:?}");
    quiz
}

/// The session documents that count, by user.
fn chosen(documents: &SampleDocuments) -> HashMap<String, Document> {
    let mut problems = Problems::default();
    let mut selection = AttemptSelection::new(HashSet::from([sapa::ADMINISTRATOR.to_owned()]));
    for document in &documents.sessions {
        selection.add(AttemptHead::read(document, &mut problems).unwrap());
    }
    let best: HashSet<String> = selection.take_best().into_iter().map(|head| head.id).collect();
    assert!(problems.is_empty());
    documents
        .sessions
        .iter()
        .filter(|document| best.contains(document.get_str("_id").unwrap()))
        .map(|document| (document.get_str("user_id").unwrap().to_owned(), document.clone()))
        .collect()
}

fn test(documents: &SampleDocuments) -> SessionResult {
    let session = TestSession {
        session_id: sapa::SESSION_ID.into(),
        quiz_id: sapa::QUIZ_ID.into(),
        ..TestSession::default()
    };
    let quiz = quiz(documents);
    let mut builder = SessionScorer::new(quiz, session, jiff::Timestamp::UNIX_EPOCH, Problems::default());
    for document in chosen(documents).values() {
        assert!(matches!(builder.take(document), TakenDocument::Attempt(_)));
    }
    builder.finish().unwrap()
}

#[test]
fn every_published_outcome_is_reproduced() {
    let documents = sapa::documents().unwrap();
    let quiz = quiz(&documents);
    let chosen = chosen(&documents);
    let mut cells = 0;
    for published in sapa::published_outcomes().unwrap() {
        let mut problems = Problems::default();
        let attempt = Attempt::read(&chosen[&published.user_id], &quiz, &mut problems).unwrap();
        assert!(problems.is_empty() && attempt.ended);
        for ((question, record), correct) in
            quiz.questions.iter().zip(&attempt.answers).zip(published.correct)
        {
            let expected = match correct {
                Some(true) => Outcome::Correct,
                Some(false) => Outcome::Wrong,
                None => Outcome::Skipped,
            };
            let outcome = judge(question, &quiz.sets[0].marking, &record.as_ref().unwrap().answer).outcome;
            assert_eq!(outcome, expected, "{} {}", published.user_id, question.id);
            cells += 1;
        }
    }
    assert_eq!(cells, 24_400);
}

#[test]
fn ranks_and_percentiles_match_plain_counting() {
    let test = test(&sapa::documents().unwrap());
    assert_eq!((test.participants(), test.ranked()), (sapa::PARTICIPANTS, 1525));
    assert!(test.problems.is_empty());
    let AttemptResults::Scored { attempts, rankings, .. } = &test.results else { panic!("not scored") };

    let items: [std::ops::Range<usize>; 5] = [0..16, 0..4, 4..8, 8..12, 12..16];
    let expected_marks = |correct: &[Option<bool>]| -> i32 {
        correct.iter().map(|answer| answer.map_or(0, |correct| if correct { 4 } else { -1 })).sum()
    };
    let published = sapa::published_outcomes().unwrap();
    for (ranking, items) in rankings.iter().zip(items) {
        let marks: HashMap<&str, i32> = published
            .iter()
            .map(|person| (person.user_id.as_str(), expected_marks(&person.correct[items.clone()])))
            .collect();
        for ((attempt, scored), standing) in attempts.iter().zip(&ranking.marks).zip(ranking.standings()) {
            let own = marks[attempt.user_id.as_str()];
            let above = marks.values().filter(|marks| **marks > own).count();
            let not_above = marks.values().filter(|marks| **marks <= own).count();
            let standing = standing.unwrap();
            assert_eq!(scored.to_bits(), f64::from(own).to_bits());
            assert_eq!(standing.rank as usize, above + 1);
            #[expect(clippy::cast_precision_loss)]
            let percentile = 100.0 * not_above as f64 / 1525.0;
            assert!((standing.percentile - percentile).abs() < 1e-9);
        }
    }
}

#[test]
fn stubs_take_their_subject_from_questions_collection() {
    let documents = sapa::documents().unwrap();
    let sets = documents.quizzes[0].get_array("question_sets").unwrap();
    let stored = sets[0].as_document().unwrap().get_array("questions").unwrap();
    let in_full =
        stored.iter().filter(|question| question.as_document().unwrap().contains_key("text")).count();
    assert_eq!((stored.len(), in_full), (16, 10));

    let quiz = quiz(&documents);
    let subjects = ["Verbal Reasoning", "Letter Series", "Matrix Reasoning", "Spatial Rotation"];
    assert_eq!(quiz.sections, subjects);
    assert!(quiz.parts.iter().all(|part| part.questions == 4 && part.allowed == 4));
    let chapters: Vec<_> =
        quiz.chapters.iter().map(|chapter| (chapter.name.as_str(), chapter.questions)).collect();
    assert_eq!(chapters, [("Reasoning", 4), ("Series", 4), ("Matrices", 4), ("Rotation", 4)]);

    let (alone, problems) = Quiz::read(&documents.quizzes[0], &[]).unwrap();
    assert!(!alone.sections.contains(&"Spatial Rotation".to_owned()));
    assert_eq!(problems.count(quiz_domain::ProblemKind::QuestionTextMissing), 6);
}

#[test]
fn ended_document_of_a_resumed_attempt_counts() {
    let documents = sapa::documents().unwrap();
    let ids: Vec<&str> = documents.sessions.iter().map(|document| document.get_str("_id").unwrap()).collect();
    assert!(ids.is_sorted() && ids.iter().collect::<HashSet<_>>().len() == ids.len());
    assert_eq!(ids.len(), 1 + 1525 + 1525 / 11);

    let chosen = chosen(&documents);
    let quiz = quiz(&documents);
    let read = |document| Attempt::read(document, &quiz, &mut Problems::default()).unwrap();
    let (mut unended, mut visited_counts) = (0, HashSet::new());
    for older in documents.sessions.iter().filter(|document| !document.get_bool("has_quiz_ended").unwrap()) {
        let newer = &chosen[older.get_str("user_id").unwrap()];
        assert!(older.get_str("_id").unwrap() < newer.get_str("_id").unwrap());
        let (older, newer) = (read(older), read(newer));
        assert_eq!(older.started, newer.started);
        let [older, newer] =
            [older, newer].map(|attempt| attempt.answers.into_iter().map(Option::unwrap).collect::<Vec<_>>());
        let visited = older.iter().filter(|record| record.visited).count();
        assert!((1..16).contains(&visited));
        for (older, newer) in older.iter().zip(&newer) {
            assert!(!older.visited || older.answer.is_null() || older.answer.matches_key(&newer.answer));
        }
        visited_counts.insert(visited);
        unended += 1;
    }
    assert_eq!((unended, visited_counts.len()), (138, 15));
}

#[test]
fn excluded_administrator_is_left_out() {
    let documents = sapa::documents().unwrap();
    let is_administrator = |document: &&Document| document.get_str("user_id").unwrap() == sapa::ADMINISTRATOR;
    assert_eq!(documents.sessions.iter().filter(is_administrator).count(), 1);
    assert!(!chosen(&documents).contains_key(sapa::ADMINISTRATOR));
    assert!(!sapa::users().unwrap().iter().any(|user| user == sapa::ADMINISTRATOR));
}

#[test]
fn times_are_in_range_and_ids_unique() {
    fn visit(value: &Bson, found: &mut HashSet<String>) {
        match value {
            Bson::Document(fields) => {
                for (name, value) in fields {
                    match value {
                        Bson::String(id) if name.ends_with("_id") && id.len() == 24 => {
                            assert!(id.bytes().all(|byte| byte.is_ascii_hexdigit()), "{id}");
                            if name == "_id" {
                                assert!(found.insert(id.clone()), "{id} twice");
                            }
                        }
                        Bson::String(time) if name.ends_with("_at") || name.ends_with("_quiz_time") => {
                            assert!(("2012-08-08".."2012-09-01").contains(&time.as_str()), "{time}");
                        }
                        Bson::DateTime(_) => assert_eq!(name, "updated_at"),
                        Bson::String(id) => assert_ne!(name, "_id", "{id}"),
                        other => visit(other, found),
                    }
                }
            }
            Bson::Array(values) => values.iter().for_each(|value| visit(value, found)),
            _ => {}
        }
    }
    let documents = sapa::documents().unwrap();
    let mut found = HashSet::new();
    for session in documents.sessions {
        visit(&session.into(), &mut found);
    }
    assert_eq!(found.len(), (1 + 1525 + 138) * 17);
}

#[test]
fn each_participant_has_one_completion_event() {
    let events = sapa::completion_events().unwrap();
    let users: HashSet<&str> = events.iter().map(|event| event["user_id"].as_str().unwrap()).collect();
    assert_eq!((events.len(), users.len()), (1525, 1525));
    let times: Vec<&str> = events.iter().map(|event| event["completed_at"].as_str().unwrap()).collect();
    assert!(times.is_sorted());
    let session: HashSet<&str> = events.iter().map(|event| event["session_id"].as_str().unwrap()).collect();
    assert_eq!(session, HashSet::from([sapa::SESSION_ID]));
    assert_eq!(sapa::SESSION_ID, format!("SAPA_{}", sapa::QUIZ_ID));
}

#[test]
fn dump_reads_back_as_the_same_documents() {
    let documents = sapa::documents().unwrap();
    let folder = tempfile::tempdir().unwrap();
    write_dump(&folder.path().join("new"), &documents, false).unwrap();
    write_dump(folder.path(), &documents, true).unwrap();
    let plain = std::fs::read(folder.path().join("new/sessions.bson")).unwrap();
    let zipped = std::fs::File::open(folder.path().join("sessions.bson.gz")).unwrap();
    let mut unzipped = Vec::new();
    flate2::read::GzDecoder::new(zipped).read_to_end(&mut unzipped).unwrap();
    assert!(unzipped == plain);

    let mut rest = plain.as_slice();
    let mut read = Vec::new();
    while !rest.is_empty() {
        read.push(Document::from_reader(&mut rest).unwrap());
    }
    assert_eq!(read, documents.sessions);
    for name in ["quizzes", "questions"] {
        assert!(folder.path().join(format!("new/{name}.bson")).exists());
        assert!(folder.path().join(format!("{name}.bson.gz")).exists());
    }
}
