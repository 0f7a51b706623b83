//! The reader of dumps, with good and broken dumps.

use std::fs;
use std::path::Path;

use bson::{Bson, Document, doc};
use futures::TryStreamExt;
use quiz_domain::unreadable;
use quiz_local::{DumpError, DumpSource};
use quiz_pipeline::ports::{AnswerSource, SourceError};
use quiz_sample::large::LargeAssessment;
use quiz_suites::source::{
    Collections, EMPTY_QUIZ, OBJECT_ID_QUIZ, TEXT_QUIZ, answer_source, decoded, documents,
};
use tempfile::TempDir;

use crate::common::{bytes, gzip, write_dump};

#[tokio::test]
async fn plain_dump_is_an_answer_source() {
    let folder = TempDir::new().unwrap();
    write_dump(folder.path(), &documents(), false);
    answer_source(&DumpSource::open(folder.path()).unwrap()).await;
}

#[tokio::test]
async fn gzipped_dump_in_database_folder_is_answer_source() {
    let folder = TempDir::new().unwrap();
    write_dump(&folder.path().join("quiz"), &documents(), true);
    answer_source(&DumpSource::open(folder.path()).unwrap()).await;
}

#[tokio::test]
async fn gzip_with_several_members_is_read_completely() {
    let folder = dump(&documents());
    let all = bytes(&documents().sessions);
    let (one, other) = all.split_at(all.len() / 2);
    replace_sessions(folder.path(), "sessions.bson.gz", &[gzip(one), gzip(other)].concat());
    answer_source(&DumpSource::open(folder.path()).unwrap()).await;
}

#[tokio::test]
async fn chunked_reads_give_each_document_once() {
    let large = LargeAssessment { students: 120, questions: 6, seed: 1 };
    let sessions: Vec<Document> = large.sessions().collect();
    for gzipped in [false, true] {
        let folder = TempDir::new().unwrap();
        let collections = Collections {
            quizzes: vec![large.quiz()],
            questions: large.questions(),
            sessions: sessions.clone(),
        };
        write_dump(folder.path(), &collections, gzipped);
        let source = DumpSource::open(folder.path()).unwrap();
        let mut keys: Vec<Bson> =
            sessions.iter().map(|session| session.get("_id").unwrap().clone()).collect();
        keys.reverse();
        let mut read = Vec::new();
        for chunk in keys.chunks(7) {
            let documents = source.attempts(LargeAssessment::QUIZ_ID, chunk.to_vec()).await.unwrap();
            read.extend(decoded(documents).await.unwrap());
        }
        read.sort_by(|a, b| a.get_str("_id").unwrap().cmp(b.get_str("_id").unwrap()));
        assert!(read == sessions, "gzipped: {gzipped}");
    }
}

#[tokio::test]
async fn a_gzip_is_unpacked_once() {
    let folder = dump(&documents());
    replace_sessions(folder.path(), "sessions.bson.gz", &gzip(&bytes(&documents().sessions)));
    let source = DumpSource::open(folder.path()).unwrap();
    let heads: Vec<Document> = source.attempt_heads(TEXT_QUIZ).await.unwrap().try_collect().await.unwrap();
    fs::remove_file(folder.path().join("sessions.bson.gz")).unwrap();
    let keys: Vec<Bson> = heads.iter().map(|head| head["_id"].clone()).collect();
    let mut read = 0;
    for chunk in keys.chunks(100) {
        let documents = source.attempts(TEXT_QUIZ, chunk.to_vec()).await.unwrap();
        read += decoded(documents).await.unwrap().len();
    }
    assert_eq!(read, heads.len());
}

#[tokio::test]
async fn documents_are_read_in_their_newest_state() {
    let with = |id: &str, user: &str| doc! {"_id": id, "quiz_id": TEXT_QUIZ, "user_id": user};
    let stored = [with("b", "1"), with("a", "2"), with("b", "3"), doc! {"quiz_id": TEXT_QUIZ}];
    let folder = dump(&Collections::default());
    replace_sessions(folder.path(), "sessions.bson", &bytes(&stored));
    let source = DumpSource::open(folder.path()).unwrap();
    assert_eq!(attempts(&source, &["a", "b", "b"]).await.unwrap(), stored[1..3]);
    let heads: Vec<Document> = source.attempt_heads(TEXT_QUIZ).await.unwrap().try_collect().await.unwrap();
    assert_eq!(heads.len(), 4, "the domain counts what is stored twice");
}

#[test]
fn quizzes_are_listed_once_in_file_order() {
    let mut collections = documents();
    collections.quizzes.push(doc! {"_id": OBJECT_ID_QUIZ, "title": "the same id as text"});
    collections.quizzes.push(doc! {"title": "without id"});
    let folder = dump(&collections);
    let source = DumpSource::open(folder.path()).unwrap();
    assert_eq!(source.quiz_ids().collect::<Vec<_>>(), [EMPTY_QUIZ, TEXT_QUIZ, OBJECT_ID_QUIZ]);
    assert_eq!(source.quizzes()[0].title.as_deref(), Some("A quiz without anything"));
}

#[tokio::test]
async fn without_questions_file_embedded_questions_are_used() {
    let folder = dump(&documents());
    fs::remove_file(folder.path().join("questions.bson")).unwrap();
    let source = DumpSource::open(folder.path()).unwrap();
    assert!(!source.has_questions());
    assert!(source.quiz(TEXT_QUIZ).await.unwrap().unwrap().questions.is_empty());
}

#[test]
fn error_names_what_the_folder_lacks() {
    let folder = TempDir::new().unwrap();
    let path = folder.path();
    let refused = |path: &Path| DumpSource::open(path).unwrap_err();
    assert_eq!(
        refused(&path.join("none")).to_string(),
        format!("cannot find folder {}", path.join("none").display())
    );
    assert!(matches!(refused(path), DumpError::NoQuizzes(_)));
    assert!(refused(path).to_string().contains("quizzes.bson or quizzes.bson.gz"));
    fs::write(path.join("file"), "").unwrap();
    assert!(matches!(refused(&path.join("file")), DumpError::NotAFolder { .. }));
    write_dump(&path.join("one"), &Collections::default(), false);
    fs::remove_file(path.join("one/sessions.bson")).unwrap();
    assert!(matches!(refused(path), DumpError::NoSessions(_)));
    write_dump(&path.join("other"), &Collections::default(), true);
    let several = refused(path).to_string();
    assert!(several.contains("one") && several.contains("other"), "{several}");
}

#[test]
fn empty_dump_has_no_quizzes() {
    let folder = dump(&Collections::default());
    assert!(DumpSource::open(folder.path()).unwrap().quizzes().is_empty());
}

#[tokio::test]
async fn error_names_file_document_and_byte() {
    let good = bytes(&documents().sessions[..3]);
    let at = good.len();
    let mut wrong_end = doc! {"_id": "x", "quiz_id": TEXT_QUIZ}.to_vec().unwrap();
    *wrong_end.last_mut().unwrap() = 1;
    let tails: [(&str, Vec<u8>, &str); 7] = [
        ("a length of 4", vec![4, 0, 0, 0, 0], "length of 4 bytes"),
        ("a negative length", vec![0xff; 8], "length of -1 bytes"),
        ("a length of 49 MiB", (49 * 1024 * 1024_i32).to_le_bytes().to_vec(), "length of 51380224"),
        ("a prefix cut short", vec![9, 0], "ends 2 bytes before"),
        ("a document cut short", vec![100, 0, 0, 0, 2], "ends 95 bytes before"),
        ("text", b"this is no BSON at all".to_vec(), "length of"),
        ("a wrong terminator", wrong_end, "not valid BSON"),
    ];
    for (what, tail, complaint) in tails {
        for gzipped in [false, true] {
            let folder = dump(&Collections::default());
            let file = if gzipped { "sessions.bson.gz" } else { "sessions.bson" };
            let content = [good.clone(), tail.clone()].concat();
            replace_sessions(folder.path(), file, &if gzipped { gzip(&content) } else { content });
            let error = heads_error(folder.path()).await;
            assert!(matches!(error, SourceError::Corrupt { .. }), "{what}: {error}");
            let sentence = error.to_string();
            let place = format!("document 4 (at byte {at}) of {}", folder.path().join(file).display());
            assert!(sentence.contains(&place), "{what}: {sentence}");
            assert!(sentence.contains(complaint), "{what}: {sentence}");
        }
    }
}

#[tokio::test]
async fn corrupt_gzip_error_names_the_file() {
    let whole = gzip(&bytes(&documents().sessions));
    let mut flipped = whole.clone();
    let middle = flipped.len() / 2;
    flipped[middle..middle + 64].fill(0x55);
    let mut wrong_sum = whole.clone();
    let sum = wrong_sum.len() - 8;
    wrong_sum[sum] ^= 1;
    let cut = whole[..whole.len() / 2].to_vec();
    for content in [flipped, wrong_sum, cut, b"not gzip at all".to_vec()] {
        let folder = dump(&Collections::default());
        replace_sessions(folder.path(), "sessions.bson.gz", &content);
        let error = heads_error(folder.path()).await;
        assert!(matches!(error, SourceError::Corrupt { .. }), "{error}");
        assert!(error.to_string().contains("(at byte "), "{error}");
        assert!(error.to_string().contains("sessions.bson.gz"), "{error}");
        let source = DumpSource::open(folder.path()).unwrap();
        for _ in 0..2 {
            let error = attempts(&source, &["x"]).await.unwrap_err();
            assert!(error.to_string().contains("sessions.bson.gz"), "{error}");
        }
    }
}

#[tokio::test]
async fn document_broken_inside_keeps_id_and_neighbours() {
    let good = doc! {"_id": "good", "quiz_id": TEXT_QUIZ, "user_id": "a"};
    let broken = |document: bson::Document| {
        let mut bytes = document.to_vec().unwrap();
        let text = bytes.windows(3).position(|window| window == b"abc").unwrap();
        bytes[text] = 0xff;
        bytes
    };
    let inside = broken(doc! {"_id": "inside", "quiz_id": TEXT_QUIZ, "inner": {"text": "abc"}});
    let outside = broken(doc! {"_id": "outside", "quiz_id": TEXT_QUIZ, "text": "abc", "user_id": "b"});
    let folder = dump(&Collections::default());
    let content = [bytes(std::slice::from_ref(&good)), inside, outside].concat();
    replace_sessions(folder.path(), "sessions.bson", &content);
    let source = DumpSource::open(folder.path()).unwrap();
    let read = attempts(&source, &["good", "inside", "outside"]).await.unwrap();
    let because =
        |id: &str, field: &str| unreadable(Some(id.into()), &format!("its field {field} is not UTF-8"));
    assert_eq!(read, [good, because("inside", "inner"), because("outside", "text")]);
}

#[tokio::test]
async fn deeply_nested_document_keeps_its_id() {
    let mut bytes = doc! {}.to_vec().unwrap();
    for _ in 0..20_000 {
        let length = i32::try_from(bytes.len() + 8).unwrap();
        bytes = [&length.to_le_bytes()[..], b"\x03a\0", &bytes, b"\0"].concat();
    }
    // `_id` and `quiz_id` come before the nested document
    let head = doc! {"_id": "deep", "quiz_id": TEXT_QUIZ}.to_vec().unwrap();
    let fields = &head[4..head.len() - 1];
    let length = i32::try_from(4 + fields.len() + 3 + bytes.len() + 1).unwrap();
    let document = [&length.to_le_bytes()[..], fields, b"\x03a\0", &bytes, b"\0"].concat();
    let folder = dump(&Collections::default());
    replace_sessions(folder.path(), "sessions.bson", &document);
    let read = attempts(&DumpSource::open(folder.path()).unwrap(), &["deep"]).await.unwrap();
    assert_eq!(read, [unreadable(Some("deep".into()), "nested deeper than 200 levels")]);
}

#[test]
fn malformed_quizzes_fail_the_open() {
    let folder = dump(&documents());
    fs::write(folder.path().join("quizzes.bson"), "[]").unwrap();
    let error = DumpSource::open(folder.path()).unwrap_err();
    assert!(matches!(error, DumpError::Quizzes(SourceError::Corrupt { .. })), "{error}");
    assert!(error.to_string().contains("document 1 (at byte 0)"), "{error}");
}

#[tokio::test]
async fn dump_shrunk_after_listing_is_an_error() {
    let folder = dump(&documents());
    let source = DumpSource::open(folder.path()).unwrap();
    let heads: Vec<Document> = source.attempt_heads(TEXT_QUIZ).await.unwrap().try_collect().await.unwrap();
    fs::write(folder.path().join("sessions.bson"), "").unwrap();
    let key = heads.last().unwrap()["_id"].clone();
    let read = decoded(source.attempts(TEXT_QUIZ, vec![key]).await.unwrap()).await;
    assert!(read.unwrap_err().to_string().contains("no longer holds the document"));
}

#[test]
fn two_files_for_one_collection_fail() {
    for name in ["quizzes", "questions", "sessions"] {
        let folder = dump(&documents());
        let file = |name: String| folder.path().join(name);
        fs::write(file(format!("{name}.bson.gz")), gzip(b"")).unwrap();
        // another collection: names are case-sensitive in MongoDB
        fs::write(file(format!("{}.bson", name.to_uppercase())), "").unwrap();
        let (plain, gzipped) = (file(format!("{name}.bson")), file(format!("{name}.bson.gz")));
        let expected =
            format!("both {} and {} exist; remove the older one", plain.display(), gzipped.display());
        assert_eq!(DumpSource::open(folder.path()).unwrap_err().to_string(), expected);
        fs::remove_file(gzipped).unwrap();
        assert!(DumpSource::open(folder.path()).is_ok());
        fs::remove_file(&plain).unwrap();
        fs::create_dir(&plain).unwrap();
        let expected = format!("{} is not a file; remove it, or name another folder", plain.display());
        assert_eq!(DumpSource::open(folder.path()).unwrap_err().to_string(), expected);
    }
}

#[tokio::test]
async fn gzip_is_recognized_by_content() {
    let folder = TempDir::new().unwrap();
    let Collections { quizzes, questions, sessions } = documents();
    fs::write(folder.path().join("quizzes.bson"), gzip(&bytes(&quizzes))).unwrap();
    fs::write(folder.path().join("questions.bson.gz"), bytes(&questions)).unwrap();
    fs::write(folder.path().join("sessions.bson"), gzip(&bytes(&sessions))).unwrap();
    answer_source(&DumpSource::open(folder.path()).unwrap()).await;
}

#[tokio::test]
async fn empty_gzip_is_an_error() {
    let folder = dump(&Collections::default());
    replace_sessions(folder.path(), "sessions.bson.gz", b"");
    let error = heads_error(folder.path()).await.to_string();
    assert!(error.contains("sessions.bson.gz"), "{error}");
}

/// A file from `mongodump --archive`, and the first bytes of a zstd file.
const ARCHIVE: [u8; 8] = [0x6d, 0xe2, 0x99, 0x81, 0x10, 0, 0, 0];
const ZSTD: [u8; 8] = [0x28, 0xb5, 0x2f, 0xfd, 4, 0, 0, 0];

#[test]
fn unsupported_format_error_names_next_step() {
    let archive = "the file is an archive of mongodump; run mongodump without --archive";
    let zstd = "the file is compressed with zstd; unpack it with zstd -d first";
    let one_file = "this is one file; name the folder that mongodump wrote";
    let document = bytes(&[doc! {"_id": "a"}]);
    for (content, hint) in [
        (ARCHIVE.to_vec(), archive),
        (gzip(&ARCHIVE), archive),
        (ZSTD.to_vec(), zstd),
        (gzip(&document), one_file),
        (document, one_file),
    ] {
        let folder = dump(&Collections::default());
        let path = folder.path().join("quizzes.bson");
        fs::write(&path, &content).unwrap();
        let named = DumpSource::open(&path).unwrap_err().to_string();
        assert_eq!(named, format!("{} is not a folder: {hint}", path.display()));
        match DumpSource::open(folder.path()) {
            Ok(source) => assert_eq!((source.quiz_ids().collect::<Vec<_>>(), hint), (vec!["a"], one_file)),
            Err(error) => assert_eq!(error.to_string(), format!("cannot read {}: {hint}", path.display())),
        }
    }
}

async fn attempts(source: &DumpSource, ids: &[&str]) -> Result<Vec<Document>, SourceError> {
    let keys = ids.iter().map(|id| Bson::String((*id).to_owned())).collect();
    decoded(source.attempts(TEXT_QUIZ, keys).await?).await
}

async fn heads_error(folder: &Path) -> SourceError {
    let source = DumpSource::open(folder).unwrap();
    source.attempt_heads(TEXT_QUIZ).await.err().expect("the sessions are broken")
}

fn dump(collections: &Collections) -> TempDir {
    let folder = TempDir::new().unwrap();
    write_dump(folder.path(), collections, false);
    folder
}

fn replace_sessions(folder: &Path, name: &str, content: &[u8]) {
    fs::remove_file(folder.join("sessions.bson")).unwrap();
    fs::write(folder.join(name), content).unwrap();
}
