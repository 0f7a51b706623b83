//! Checks the server, the rights of the user, the collections and the indexes of MongoDB.

use futures::future::join_all;
use quiz_lambda::Secret;
use quiz_mongo::{IndexFacts, MongoError, MongoInspector, Rights, ServerFacts};

use crate::doctor::call_timeout::CallTimeout;
use crate::doctor::check::{Check, Finding, Group};
use crate::ui::counted;

const COLLECTIONS: [&str; 3] = ["quizzes", "questions", "sessions"];

/// An index that the queries of a sync use.
struct WantedIndex {
    collection: &'static str,
    fields: &'static [&'static str],
    /// How many of its first fields every sync needs.
    needed: usize,
    consequence: &'static str,
}

const INDEXES: [WantedIndex; 3] = [
    WantedIndex {
        collection: "sessions",
        fields: &["quiz_id", "user_id"],
        needed: 1,
        consequence: "each sync reads all attempts to find those of one test session",
    },
    WantedIndex {
        collection: "sessions",
        fields: &["updated_at", "quiz_id"],
        needed: 0,
        consequence: "backfill --since and reconcile read whole attempts, or all attempts",
    },
    WantedIndex {
        collection: "questions",
        fields: &["question_set_id"],
        needed: 1,
        consequence: "each sync reads all questions to find those of one test session",
    },
];

/// Connects to the server and checks everything that a sync reads.
pub async fn check(uri: &Secret, database: &str, timeout: CallTimeout) -> Vec<Check> {
    let check = |name: &str, finding| Group::Mongodb.check(name, finding);
    // shorter than the call, so that the driver can say why it found no server
    let selection = timeout.0.mul_f64(0.8);
    let uri = match uri.plain() {
        Ok(uri) => uri,
        Err(wrong) => {
            return vec![check(
                "server",
                Finding::bad(wrong.to_string(), "store only the URI in the secret, as plain text"),
            )];
        }
    };
    let connected = MongoInspector::connect(uri, database, selection);
    let inspector = match timeout.limit(connected, MongoError::Failed).await {
        Ok(inspector) => inspector,
        Err(error) => return vec![check("server", judge_uri(&error))],
    };
    let server = timeout.limit(inspector.server(), MongoError::Failed).await;
    let mut checks = vec![check("server", judge_server(&server))];
    if server.is_err() {
        checks.push(check("everything else", Finding::skipped("the server is not connected")));
        return checks;
    }
    let reads = COLLECTIONS.map(|name| timeout.limit(inspector.read(name), MongoError::Failed));
    let (rights, collections, reads, indexes) = futures::join!(
        timeout.limit(inspector.rights(), MongoError::Failed),
        timeout.limit(inspector.collections(), MongoError::Failed),
        join_all(reads),
        join_all(
            INDEXES.map(|wanted| timeout.limit(inspector.indexes(wanted.collection), MongoError::Failed))
        ),
    );
    checks.push(check("user's rights", judge_rights(database, &rights)));
    let exists =
        |name: &str| collections.as_ref().map_or(true, |known| known.iter().any(|known| known == name));
    for (name, read) in COLLECTIONS.into_iter().zip(&reads) {
        checks.push(check(name, judge_collection(database, exists(name), read)));
    }
    for (wanted, indexes) in INDEXES.iter().zip(&indexes) {
        let finding = if exists(wanted.collection) {
            judge_index(wanted, indexes)
        } else {
            Finding::skipped("the collection does not exist")
        };
        checks
            .push(check(&format!("index on {}.{}", wanted.collection, key_document(wanted.fields)), finding));
    }
    checks
}

fn judge_uri(error: &MongoError) -> Finding {
    Finding::bad(error.to_string(), "correct MONGODB_URI or its secret, and MONGODB_DATABASE")
}

fn judge_server(server: &Result<ServerFacts, MongoError>) -> Finding {
    match server {
        Ok(facts) => {
            let version =
                facts.version.as_ref().map_or_else(String::new, |version| format!("MongoDB {version}, "));
            if facts.is_primary {
                return Finding::good(format!("{version}a primary"));
            }
            Finding::bad(
                format!("{version}not a primary; reads need a primary"),
                "name all members of the replica set in the URI, or set replicaSet=…; remove directConnection",
            )
        }
        Err(error) => {
            let text = error.to_string();
            let fix = if text.to_lowercase().contains("auth") {
                "correct user, password and authSource in MONGODB_URI; percent-encode special characters"
            } else {
                "check host and port in MONGODB_URI, that the server runs, and that its network access list has this machine"
            };
            Finding::bad(text, fix)
        }
    }
}

fn judge_rights(database: &str, rights: &Result<Rights, MongoError>) -> Finding {
    let fix = format!(
        "create a user for the pipeline that can only read: \
         db.createUser({{user: \"quiz-etl\", pwd: passwordPrompt(), roles: [{{role: \"read\", db: \"{database}\"}}]}})"
    );
    match rights {
        Ok(Rights::Known { writes }) if writes.is_empty() => Finding::good("only read"),
        Ok(Rights::Known { writes }) => {
            Finding::warning(format!("more than read: {}; the pipeline only reads", writes.join(", ")), fix)
        }
        Ok(Rights::NoAuthentication) => {
            Finding::warning("no sign-in: anyone who reaches the server can read and write", fix)
        }
        Ok(Rights::RolesOnly { roles }) if roles.iter().all(|role| role == "read") && !roles.is_empty() => {
            Finding::good("the role read")
        }
        Ok(Rights::RolesOnly { roles }) => Finding::warning(
            format!("unknown: the server does not list the rights of the roles {}", roles.join(", ")),
            "check that the user can only read: db.runCommand({connectionStatus: 1, showPrivileges: true})",
        ),
        Err(error) => Finding::warning(
            format!("unknown: {error}"),
            "check that the user can only read: db.runCommand({connectionStatus: 1, showPrivileges: true})",
        ),
    }
}

fn judge_collection(database: &str, exists: bool, read: &Result<u64, MongoError>) -> Finding {
    let other_database =
        format!("check that MONGODB_DATABASE ({database}) is the database of the Quiz Engine");
    match read {
        _ if !exists => Finding::bad("the collection does not exist", other_database),
        Ok(0) => Finding::warning("empty", other_database),
        Ok(documents) => Finding::good(format!("readable; about {}", counted(*documents, "document"))),
        Err(error) => Finding::bad(
            format!("not readable: {error}"),
            format!(
                "grant the user the role read: db.grantRolesToUser(USER, [{{role: \"read\", db: \"{database}\"}}])"
            ),
        ),
    }
}

fn judge_index(wanted: &WantedIndex, indexes: &Result<Vec<IndexFacts>, MongoError>) -> Finding {
    let create = format!("db.{}.createIndex({})", wanted.collection, key_document(wanted.fields));
    let indexes = match indexes {
        Ok(indexes) => indexes,
        Err(error) => {
            let fix = format!("check that db.{}.getIndexes() lists it; if not: {create}", wanted.collection);
            return Finding::warning(format!("unknown: {error}"), fix);
        }
    };
    let begins_with = |index: &&IndexFacts, fields: &[&str]| {
        index.serves_all
            && index.fields.iter().map(String::as_str).take(fields.len()).eq(fields.iter().copied())
    };
    if let Some(index) = indexes.iter().find(|index| begins_with(index, wanted.fields)) {
        return Finding::good(format!("exists as {}", index.name));
    }
    let (needed, _) = wanted.fields.split_at(wanted.needed.min(wanted.fields.len()));
    let partial = indexes.iter().find(|index| !needed.is_empty() && begins_with(index, needed));
    match partial {
        Some(index) => Finding::warning(
            format!("only {} helps: a sync finds a user's attempts by reading all of the quiz", index.name),
            create,
        ),
        None if needed.is_empty() => Finding::warning(format!("missing: {}", wanted.consequence), create),
        None => Finding::bad(format!("missing: {}", wanted.consequence), create),
    }
}

fn key_document(fields: &[&str]) -> String {
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
    fn missing_index_comes_with_its_command() {
        let [by_quiz, by_time, by_set] = INDEXES;
        let none = Ok(vec![index(&["_id"]), index(&["user_id", "quiz_id"])]);
        let absent = judge_index(&by_quiz, &none);
        assert_eq!(
            (absent.status, absent.fix.as_deref()),
            (Status::Bad, Some("db.sessions.createIndex({quiz_id: 1, user_id: 1})"))
        );
        assert_eq!(judge_index(&by_time, &none).status, Status::Warning);
        let set = judge_index(&by_set, &none);
        assert_eq!(set.fix.as_deref(), Some("db.questions.createIndex({question_set_id: 1})"));
        assert_eq!(set.status, Status::Bad);
    }

    #[test]
    fn index_serves_queries_on_its_first_fields() {
        let [by_quiz, ..] = INDEXES;
        let judged = |index: IndexFacts| judge_index(&by_quiz, &Ok(vec![index])).status;
        assert_eq!(judged(index(&["quiz_id", "user_id", "created_at"])), Status::Good);
        assert_eq!(judged(index(&["quiz_id", "created_at"])), Status::Warning);
        let partial = IndexFacts { serves_all: false, ..index(&["quiz_id", "user_id"]) };
        assert_eq!(judged(partial), Status::Bad);
        let unknown = judge_index(&by_quiz, &Err(MongoError::Failed("not authorized".into())));
        assert_eq!(unknown.status, Status::Warning);
    }

    #[test]
    fn user_that_can_write_is_a_warning() {
        let judged = |rights| judge_rights("quiz", &Ok(rights)).status;
        assert_eq!(judged(Rights::Known { writes: Vec::new() }), Status::Good);
        assert_eq!(judged(Rights::Known { writes: vec!["insert".into()] }), Status::Warning);
        assert_eq!(judged(Rights::RolesOnly { roles: vec!["read".into()] }), Status::Good);
        assert_eq!(judged(Rights::RolesOnly { roles: vec!["dbOwner".into()] }), Status::Warning);
        assert_eq!(judged(Rights::NoAuthentication), Status::Warning);
    }

    #[test]
    fn server_must_be_primary_and_accept_sign_in() {
        let facts = |is_primary| ServerFacts { version: Some("8.0".into()), is_primary };
        assert_eq!(judge_server(&Ok(facts(true))).found, "MongoDB 8.0, a primary");
        assert_eq!(judge_server(&Ok(facts(false))).status, Status::Bad);
        let refused = judge_server(&Err(MongoError::Failed("Authentication failed.".into())));
        assert!(refused.fix.unwrap().contains("password"));
        let unreachable =
            judge_server(&Err(MongoError::Failed("no server of the MongoDB URI answers".into())));
        assert!(unreachable.fix.unwrap().contains("host and port"));
    }

    #[test]
    fn collection_must_exist_and_be_readable() {
        assert_eq!(judge_collection("quiz", true, &Ok(5)).found, "readable; about 5 documents");
        assert_eq!(judge_collection("quiz", true, &Ok(0)).status, Status::Warning);
        assert!(judge_collection("quiz", false, &Ok(0)).fix.unwrap().contains("MONGODB_DATABASE (quiz)"));
        let denied = judge_collection("quiz", true, &Err(MongoError::Failed("no".into())));
        assert!(denied.fix.unwrap().contains("{role: \"read\", db: \"quiz\"}"));
    }
}
