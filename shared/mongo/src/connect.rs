use std::time::Duration;

use mongodb::options::{ClientOptions, ReadConcern, ReadPreference, SelectionCriteria};
use mongodb::{Client, Database};

use crate::error::{MALFORMED, MongoError};

const APP_NAME: &str = "quiz-etl";
/// These hold where the URI does not say otherwise.
const SERVER_SELECTION: Duration = Duration::from_secs(10);
const CONNECT: Duration = Duration::from_secs(5);
/// Less than the 350 s after which a NAT gateway silently forgets a connection.
const MAX_IDLE: Duration = Duration::from_mins(5);

/// The database, not yet connected to: the first read does that. Only an SRV URI is resolved here.
pub(crate) async fn database(uri: &str, name: &str) -> Result<Database, MongoError> {
    let client =
        Client::with_options(options(uri, name).await?).map_err(|error| MongoError::of_uri(&error))?;
    Ok(client.database(name))
}

/// How the database is connected to.
pub(crate) async fn options(uri: &str, name: &str) -> Result<ClientOptions, MongoError> {
    if password_is_taken_for_a_path(uri) {
        return Err(MongoError::Uri(MALFORMED));
    }
    if name.is_empty() || name.contains(['/', '\\', '.', '"', '$', ' ', '\0']) {
        return Err(MongoError::Uri("the database's name is empty or has a character that none may have"));
    }
    let mut options = ClientOptions::parse(uri).await.map_err(|error| MongoError::of_uri(&error))?;
    options.app_name = Some(APP_NAME.to_owned());
    options.server_selection_timeout.get_or_insert(SERVER_SELECTION);
    options.connect_timeout.get_or_insert(CONNECT);
    options.max_idle_time.get_or_insert(MAX_IDLE);
    options.selection_criteria = Some(SelectionCriteria::ReadPreference(ReadPreference::Primary));
    // local on the primary shows every write that was acknowledged, also one with w: 1; majority may
    // not show that yet, and would miss the answers whose event is being handled
    options.read_concern = Some(ReadConcern::local());
    Ok(options)
}

/// A `/` in a password that was not percent-encoded ends the part that the driver takes for hosts: it
/// would look for the user name as a host, and name it in its errors.
fn password_is_taken_for_a_path(uri: &str) -> bool {
    let after_scheme = uri.split_once("://").map_or(uri, |(_, rest)| rest);
    after_scheme
        .split_once(['/', '?'])
        .is_some_and(|(authority, rest)| !authority.contains('@') && rest.contains('@'))
}

#[cfg(test)]
mod tests {
    use super::password_is_taken_for_a_path;

    #[test]
    fn a_password_with_a_slash_is_noticed() {
        assert!(password_is_taken_for_a_path("mongodb://user:1234/secret@host/quiz"));
        assert!(password_is_taken_for_a_path("mongodb://user:12?34@host"));
        assert!(!password_is_taken_for_a_path("mongodb://user:1234%2Fsecret@host/quiz?appName=a@b"));
        assert!(!password_is_taken_for_a_path("mongodb://127.0.0.1:27017"));
    }
}
