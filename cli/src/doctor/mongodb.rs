use futures::future::join_all;
use quiz_lambda::Secret;
use quiz_mongo::{IndexFacts, MongoError, MongoInspector, Rights, ServerFacts};

use crate::doctor::check::{Check, Finding, Group};
use crate::doctor::patience::Patience;
use crate::ui::counted;

const COLLECTIONS: [&str; 3] = ["quizzes", "questions", "sessions"];

/// An index that queries want.
struct Wanted {
    collection: &'static str,
    fields: &'static [&'static str],
    /// How many of its first fields no sync can do without.
    needed: usize,
    why: &'static str,
}

const INDEXES: [Wanted; 3] = [
    Wanted {
        collection: "sessions",
        fields: &["quiz_id", "user_id"],
        needed: 1,
        why: "each sync reads all sessions for those of one test",
    },
    Wanted {
        collection: "sessions",
        fields: &["updated_at", "quiz_id"],
        needed: 0,
        why: "backfill --since and reconcile read sessions whole, or all of them",
    },
    Wanted {
        collection: "questions",
        fields: &["question_set_id"],
        needed: 1,
        why: "each sync reads all questions for those of one test",
    },
];

pub async fn check(uri: &Secret, database: &str, patience: Patience) -> Vec<Check> {
    let of = |name: &str, finding| Group::Mongodb.check(name, finding);
    // so that the driver says why it found no server, before the call is given up
    let selection = patience.0.mul_f64(0.8);
    let uri = match uri.plain() {
        Ok(uri) => uri,
        Err(wrong) => {
            return vec![of("server", Finding::bad(wrong.to_string(), "store the URI alone, as plain text"))];
        }
    };
    let connected = MongoInspector::connect(uri, database, selection);
    let inspector = match patience.hold(connected, MongoError::Failed).await {
        Ok(inspector) => inspector,
        Err(error) => return vec![of("server", judge_uri(&error))],
    };
    let server = patience.hold(inspector.server(), MongoError::Failed).await;
    let mut checks = vec![of("server", judge_server(&server))];
    if server.is_err() {
        checks.push(of("everything else", Finding::skipped("there is no connection to the server")));
        return checks;
    }
    let reads = COLLECTIONS.map(|name| patience.hold(inspector.read(name), MongoError::Failed));
    let (rights, collections, reads, indexes) = futures::join!(
        patience.hold(inspector.rights(), MongoError::Failed),
        patience.hold(inspector.collections(), MongoError::Failed),
        join_all(reads),
        join_all(INDEXES.map(|it| patience.hold(inspector.indexes(it.collection), MongoError::Failed))),
    );
    checks.push(of("user's rights", judge_rights(database, &rights)));
    let is_there =
        |name: &str| collections.as_ref().map_or(true, |known| known.iter().any(|known| known == name));
    for (name, read) in COLLECTIONS.into_iter().zip(&reads) {
        checks.push(of(name, judge_collection(database, is_there(name), read)));
    }
    for (wanted, indexes) in INDEXES.iter().zip(&indexes) {
        let finding = if is_there(wanted.collection) {
            judge_index(wanted, indexes)
        } else {
            Finding::skipped("there is no such collection")
        };
        checks.push(of(&format!("index on {}.{}", wanted.collection, shown(wanted.fields)), finding));
    }
    checks
}

fn judge_uri(error: &MongoError) -> Finding {
    Finding::bad(error.to_string(), "correct MONGODB_URI, or the text of its secret, or MONGODB_DATABASE")
}

fn judge_server(server: &Result<ServerFacts, MongoError>) -> Finding {
    match server {
        Ok(facts) => {
            let version = facts.version.as_ref().map_or_else(String::new, |it| format!("MongoDB {it}, "));
            if facts.is_primary {
                return Finding::good(format!("{version}a primary"));
            }
            Finding::bad(
                format!("{version}not a primary, which reads need"),
                "name all members of the replica set in the URI, or replicaSet=…, without directConnection",
            )
        }
        Err(error) => {
            let text = error.to_string();
            let mend = if text.to_lowercase().contains("auth") {
                "correct user, password and authSource in MONGODB_URI, special characters percent-encoded"
            } else {
                "check host and port in MONGODB_URI, that the server runs, and that it lets this machine's address in"
            };
            Finding::bad(text, mend)
        }
    }
}

fn judge_rights(database: &str, rights: &Result<Rights, MongoError>) -> Finding {
    let mend = format!(
        "give the pipeline a user of its own that only reads: \
         db.createUser({{user: \"quiz-etl\", pwd: passwordPrompt(), roles: [{{role: \"read\", db: \"{database}\"}}]}})"
    );
    match rights {
        Ok(Rights::Known { writes }) if writes.is_empty() => Finding::good("it may only read"),
        Ok(Rights::Known { writes }) => Finding::warning(
            format!("it may do more than read: {}; the pipeline only reads", writes.join(", ")),
            mend,
        ),
        Ok(Rights::NoAuthentication) => {
            Finding::warning("the connection has no user, so the server lets in anyone, to write too", mend)
        }
        Ok(Rights::Untold { roles }) if roles.iter().all(|role| role == "read") && !roles.is_empty() => {
            Finding::good("its role is read")
        }
        Ok(Rights::Untold { roles }) => Finding::warning(
            format!("what its roles ({}) allow is not told", roles.join(", ")),
            "see that it may only read: db.runCommand({connectionStatus: 1, showPrivileges: true})",
        ),
        Err(error) => Finding::warning(
            format!("the server does not tell: {error}"),
            "see that it may only read: db.runCommand({connectionStatus: 1, showPrivileges: true})",
        ),
    }
}

fn judge_collection(database: &str, is_there: bool, read: &Result<u64, MongoError>) -> Finding {
    let other_database =
        format!("check that MONGODB_DATABASE ({database}) is the database of the Quiz Engine");
    match read {
        _ if !is_there => Finding::bad("there is no such collection", other_database),
        Ok(0) => Finding::warning("it is empty", other_database),
        Ok(documents) => Finding::good(format!("can be read; about {}", counted(*documents, "document"))),
        Err(error) => Finding::bad(
            format!("it cannot be read: {error}"),
            format!(
                "allow the user the role read: db.grantRolesToUser(USER, [{{role: \"read\", db: \"{database}\"}}])"
            ),
        ),
    }
}

fn judge_index(wanted: &Wanted, indexes: &Result<Vec<IndexFacts>, MongoError>) -> Finding {
    let create = format!("db.{}.createIndex({})", wanted.collection, shown(wanted.fields));
    let indexes = match indexes {
        Ok(indexes) => indexes,
        Err(error) => {
            let mend = format!("see that db.{}.getIndexes() has it; if not: {create}", wanted.collection);
            return Finding::warning(format!("the server does not tell: {error}"), mend);
        }
    };
    let begins = |index: &&IndexFacts, fields: &[&str]| {
        index.serves_all
            && index.fields.iter().map(String::as_str).take(fields.len()).eq(fields.iter().copied())
    };
    if let Some(index) = indexes.iter().find(|index| begins(index, wanted.fields)) {
        return Finding::good(format!("is there, named {}", index.name));
    }
    let (needed, _) = wanted.fields.split_at(wanted.needed.min(wanted.fields.len()));
    let partly = indexes.iter().find(|index| !needed.is_empty() && begins(index, needed));
    match partly {
        Some(index) => Finding::warning(
            format!("only {} helps, so a user's sessions are looked for among all of a test", index.name),
            create,
        ),
        None if needed.is_empty() => Finding::warning(format!("is not there, so {}", wanted.why), create),
        None => Finding::bad(format!("is not there, so {}", wanted.why), create),
    }
}

fn shown(fields: &[&str]) -> String {
    let fields: Vec<String> = fields.iter().map(|field| format!("{field}: 1")).collect();
    format!("{{{}}}", fields.join(", "))
}

#[cfg(test)]
mod tests {
    use quiz_mongo::{IndexFacts, MongoError, Rights, ServerFacts};

    use super::{INDEXES, judge_collection, judge_index, judge_rights, judge_server};
    use crate::doctor::check::Status;

    fn index(fields: &[&str]) -> IndexFacts {
        let fields: Vec<String> = fields.iter().map(|field| (*field).to_owned()).collect();
        IndexFacts { name: fields.join("_"), fields, serves_all: true }
    }

    #[test]
    fn the_missing_index_is_made_by_the_command_that_is_told() {
        let [of_quiz, of_time, of_set] = INDEXES;
        let none = Ok(vec![index(&["_id"]), index(&["user_id", "quiz_id"])]);
        let absent = judge_index(&of_quiz, &none);
        assert_eq!(
            (absent.status, absent.mend.as_deref()),
            (Status::Bad, Some("db.sessions.createIndex({quiz_id: 1, user_id: 1})"))
        );
        assert_eq!(judge_index(&of_time, &none).status, Status::Warning);
        let set = judge_index(&of_set, &none);
        assert_eq!(set.mend.as_deref(), Some("db.questions.createIndex({question_set_id: 1})"));
        assert_eq!(set.status, Status::Bad);
    }

    #[test]
    fn an_index_serves_what_it_begins_with() {
        let [of_quiz, ..] = INDEXES;
        let judged = |index: IndexFacts| judge_index(&of_quiz, &Ok(vec![index])).status;
        assert_eq!(judged(index(&["quiz_id", "user_id", "created_at"])), Status::Good);
        assert_eq!(judged(index(&["quiz_id", "created_at"])), Status::Warning);
        let partial = IndexFacts { serves_all: false, ..index(&["quiz_id", "user_id"]) };
        assert_eq!(judged(partial), Status::Bad);
        let untold = judge_index(&of_quiz, &Err(MongoError::Failed("not authorized".into())));
        assert_eq!(untold.status, Status::Warning);
    }

    #[test]
    fn a_user_that_writes_is_one_too_many() {
        let judged = |rights| judge_rights("quiz", &Ok(rights)).status;
        assert_eq!(judged(Rights::Known { writes: Vec::new() }), Status::Good);
        assert_eq!(judged(Rights::Known { writes: vec!["insert".into()] }), Status::Warning);
        assert_eq!(judged(Rights::Untold { roles: vec!["read".into()] }), Status::Good);
        assert_eq!(judged(Rights::Untold { roles: vec!["dbOwner".into()] }), Status::Warning);
        assert_eq!(judged(Rights::NoAuthentication), Status::Warning);
    }

    #[test]
    fn a_server_is_a_primary_that_lets_us_in() {
        let facts = |is_primary| ServerFacts { version: Some("8.0".into()), is_primary };
        assert_eq!(judge_server(&Ok(facts(true))).found, "MongoDB 8.0, a primary");
        assert_eq!(judge_server(&Ok(facts(false))).status, Status::Bad);
        let refused = judge_server(&Err(MongoError::Failed("Authentication failed.".into())));
        assert!(refused.mend.unwrap().contains("password"));
        let away = judge_server(&Err(MongoError::Failed("no server of the MongoDB URI answers".into())));
        assert!(away.mend.unwrap().contains("host and port"));
    }

    #[test]
    fn a_collection_is_there_and_can_be_read() {
        assert_eq!(judge_collection("quiz", true, &Ok(5)).found, "can be read; about 5 documents");
        assert_eq!(judge_collection("quiz", true, &Ok(0)).status, Status::Warning);
        assert!(judge_collection("quiz", false, &Ok(0)).mend.unwrap().contains("MONGODB_DATABASE (quiz)"));
        let denied = judge_collection("quiz", true, &Err(MongoError::Failed("no".into())));
        assert!(denied.mend.unwrap().contains("{role: \"read\", db: \"quiz\"}"));
    }
}
