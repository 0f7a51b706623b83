//! Connection options: what the URI leaves open, and what it cannot choose (read preference and read concern).

use std::time::Duration;

use mongodb::options::{ClientOptions, ReadConcern, ReadPreference, SelectionCriteria};
use mongodb::{Client, Database};

use crate::error::{MALFORMED, MongoError};

const DATABASE_NAME: &str =
    "the database name is empty or contains one of / \\ . \" $, a space or a null byte";
const APP_NAME: &str = "quiz-etl";
/// Defaults for options that the URI does not set.
const SERVER_SELECTION: Duration = Duration::from_secs(10);
const CONNECT: Duration = Duration::from_secs(5);
/// Below 350 s: a NAT gateway drops an idle connection after that time, without notice.
const MAX_IDLE: Duration = Duration::from_mins(5);

/// Makes a handle of the database. It resolves the hosts of an SRV URI; the first read connects.
pub(crate) async fn database(uri: &str, name: &str) -> Result<Database, MongoError> {
    let client = Client::with_options(options(uri, name).await?)
        .map_err(|error| MongoError::from_uri_error(&error))?;
    Ok(client.database(name))
}

/// Reads the URI's options and adds those of this crate.
pub(crate) async fn options(uri: &str, name: &str) -> Result<ClientOptions, MongoError> {
    if has_separator_in_password(uri) {
        return Err(MongoError::Uri(MALFORMED));
    }
    if name.is_empty() || name.contains(['/', '\\', '.', '"', '$', ' ', '\0']) {
        return Err(MongoError::Uri(DATABASE_NAME));
    }
    let mut options = ClientOptions::parse(uri).await.map_err(|error| MongoError::from_uri_error(&error))?;
    options.app_name = Some(APP_NAME.to_owned());
    options.server_selection_timeout.get_or_insert(SERVER_SELECTION);
    options.connect_timeout.get_or_insert(CONNECT);
    options.max_idle_time.get_or_insert(MAX_IDLE);
    options.selection_criteria = Some(SelectionCriteria::ReadPreference(ReadPreference::Primary));
    // On the primary, local reads see each acknowledged write, even one with w: 1. Majority reads may see that write
    // later, and would miss the answers whose event this sync handles.
    options.read_concern = Some(ReadConcern::local());
    Ok(options)
}

/// Whether a `/` or `?` in the password is not percent-encoded. The driver would then take the user name for a host
/// and show it in errors.
fn has_separator_in_password(uri: &str) -> bool {
    let after_scheme = uri.split_once("://").map_or(uri, |(_, rest)| rest);
    after_scheme
        .split_once(['/', '?'])
        .is_some_and(|(authority, rest)| !authority.contains('@') && rest.contains('@'))
}

#[cfg(test)]
mod tests {
    use super::has_separator_in_password;

    #[test]
    fn unescaped_slash_in_password_is_found() {
        assert!(has_separator_in_password("mongodb://user:1234/secret@host/quiz"));
        assert!(has_separator_in_password("mongodb://user:12?34@host"));
        assert!(!has_separator_in_password("mongodb://user:1234%2Fsecret@host/quiz?appName=a@b"));
        assert!(!has_separator_in_password("mongodb://127.0.0.1:27017"));
    }
}
