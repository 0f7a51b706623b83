//! Facts about the server, the user's rights and the indexes, for the doctor verb. Nothing here reads a student's
//! answers or changes the database.

use std::time::Duration;

use bson::{Bson, Document, doc};
use futures::TryStreamExt;
use mongodb::error::{Error, ErrorKind};
use mongodb::{Client, Database, IndexModel};

use crate::connect;
use crate::error::MongoError;

/// The server that answers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ServerFacts {
    /// `None` if the server does not say.
    pub version: Option<String>,
    pub is_primary: bool,
}

/// The rights of the connection's user.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Rights {
    /// The server does not authenticate: each client may do anything.
    NoAuthentication,
    /// The server names the user's roles, but not their privileges.
    RolesOnly { roles: Vec<String> },
    /// The actions the user may do that change the database, by the server's names.
    Known { writes: Vec<String> },
}

/// An index of a collection.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct IndexFacts {
    pub name: String,
    /// In the order of the index.
    pub fields: Vec<String>,
    /// Whether each query may use the index: it is not hidden, not partial, has no collation and indexes values.
    pub serves_all: bool,
}

/// Describes a database.
#[derive(Clone, Debug)]
pub struct MongoInspector {
    database: Database,
}

impl MongoInspector {
    /// Makes an inspector for `database`. A call fails if no server of the URI answers within `timeout`.
    ///
    /// # Errors
    /// [`MongoError`] if the URI is invalid, or the hosts of an SRV URI cannot be resolved.
    pub async fn connect(uri: &str, database: &str, timeout: Duration) -> Result<Self, MongoError> {
        let mut options = connect::options(uri, database).await?;
        options.server_selection_timeout = Some(timeout);
        let client = Client::with_options(options).map_err(|error| MongoError::from_uri_error(&error))?;
        Ok(Self { database: client.database(database) })
    }

    /// Reads the server's version and whether it is a primary.
    ///
    /// # Errors
    /// [`MongoError`] if no server answers, or the server refuses the user.
    pub async fn server(&self) -> Result<ServerFacts, MongoError> {
        let hello = self.database.run_command(doc! { "hello": 1 }).await.map_err(|error| failed(&error))?;
        // an old server has only `ismaster`
        let primary = ["isWritablePrimary", "ismaster"].iter().find_map(|name| hello.get_bool(name).ok());
        let built = self.database.run_command(doc! { "buildInfo": 1 }).await.ok();
        let version = built.and_then(|build| build.get_str("version").ok().map(str::to_owned));
        Ok(ServerFacts { version, is_primary: primary.unwrap_or(false) })
    }

    /// Lists the names of the collections.
    ///
    /// # Errors
    /// [`MongoError`] if the server refuses or fails.
    pub async fn collections(&self) -> Result<Vec<String>, MongoError> {
        self.database.list_collection_names().await.map_err(|error| failed(&error))
    }

    /// Reads the id of one document, to prove the right to read; returns about how many documents the collection has.
    ///
    /// # Errors
    /// [`MongoError`] if the user may not read, or the server fails.
    pub async fn read(&self, collection: &str) -> Result<u64, MongoError> {
        let collection = self.database.collection::<Document>(collection);
        let one = collection.find(doc! {}).projection(doc! { "_id": 1 }).limit(1).await;
        let read = one.map_err(|error| failed(&error))?.try_next().await;
        if read.map_err(|error| failed(&error))?.is_none() {
            return Ok(0);
        }
        let count = collection.estimated_document_count().await.map_err(|error| failed(&error))?;
        Ok(count.max(1))
    }

    /// Reads the rights of the connection's user on this database.
    ///
    /// # Errors
    /// [`MongoError`] if the server refuses or fails.
    pub async fn rights(&self) -> Result<Rights, MongoError> {
        let status = doc! { "connectionStatus": 1, "showPrivileges": true };
        let answer = self.database.run_command(status).await.map_err(|error| failed(&error))?;
        let info = answer.get_document("authInfo").cloned().unwrap_or_default();
        Ok(rights(&info, self.database.name()))
    }

    /// Lists the indexes of a collection.
    ///
    /// # Errors
    /// [`MongoError`] if the collection does not exist, or the user may not list its indexes.
    pub async fn indexes(&self, collection: &str) -> Result<Vec<IndexFacts>, MongoError> {
        let indexes = self.database.collection::<Document>(collection).list_indexes().await;
        let indexes: Vec<IndexModel> =
            indexes.map_err(|error| failed(&error))?.try_collect().await.map_err(|error| failed(&error))?;
        Ok(indexes.into_iter().map(index).collect())
    }
}

fn index(model: IndexModel) -> IndexFacts {
    let options = model.options.unwrap_or_default();
    // 1, -1 and "hashed" find a value; "text", "2dsphere" and the like do not
    let finds = |kind: &Bson| match kind {
        Bson::String(kind) => kind == "hashed",
        _ => true,
    };
    IndexFacts {
        name: options.name.unwrap_or_default(),
        serves_all: options.partial_filter_expression.is_none()
            && options.hidden != Some(true)
            && options.collation.is_none()
            && model.keys.values().all(finds),
        fields: model.keys.keys().cloned().collect(),
    }
}

/// Actions that change documents, collections or indexes.
const WRITES: [&str; 9] = [
    "insert",
    "update",
    "remove",
    "createCollection",
    "dropCollection",
    "dropDatabase",
    "createIndex",
    "dropIndex",
    "anyAction",
];

fn rights(info: &Document, database: &str) -> Rights {
    let list = |name: &str| info.get_array(name).map(Vec::as_slice).unwrap_or_default();
    if list("authenticatedUsers").is_empty() {
        return Rights::NoAuthentication;
    }
    let privileges = list("authenticatedUserPrivileges");
    if privileges.is_empty() {
        let role = |role: &Bson| role.as_document()?.get_str("role").ok().map(str::to_owned);
        return Rights::RolesOnly { roles: list("authenticatedUserRoles").iter().filter_map(role).collect() };
    }
    let mut writes: Vec<String> = privileges
        .iter()
        .filter_map(Bson::as_document)
        .filter(|privilege| {
            privilege.get_document("resource").is_ok_and(|resource| covers(resource, database))
        })
        .flat_map(|privilege| privilege.get_array("actions").map(Vec::as_slice).unwrap_or_default())
        .filter_map(Bson::as_str)
        .filter(|action| WRITES.contains(action))
        .map(str::to_owned)
        .collect();
    writes.sort_unstable();
    writes.dedup();
    Rights::Known { writes }
}

/// Whether the resource of a privilege includes a collection that the pipeline reads.
fn covers(resource: &Document, database: &str) -> bool {
    if resource.get_bool("anyResource").unwrap_or(false) {
        return true;
    }
    let (Ok(db), Ok(collection)) = (resource.get_str("db"), resource.get_str("collection")) else {
        return false;
    };
    let is_read = ["", "quizzes", "questions", "sessions"].contains(&collection);
    (db.is_empty() || db == database) && is_read
}

/// The driver's error. If the driver found no server, the hosts and their states are left out.
fn failed(error: &Error) -> MongoError {
    match &*error.kind {
        ErrorKind::ServerSelection { message, .. } => {
            let why = message.split_once("Error: Kind: ").and_then(|(_, rest)| rest.split_once(", labels:"));
            let why = why.map_or_else(String::new, |(why, _)| format!(": {why}"));
            MongoError::Failed(format!("no server of the MongoDB URI answers{why}"))
        }
        kind => MongoError::Failed(kind.to_string()),
    }
}

#[cfg(test)]
mod tests {
    use bson::doc;

    use super::{Rights, rights};

    #[test]
    fn rights_are_those_on_the_read_database() {
        let user = doc! { "user": "etl", "db": "admin" };
        assert_eq!(rights(&doc! { "authenticatedUsers": [] }, "quiz"), Rights::NoAuthentication);
        let roles_only = doc! {
            "authenticatedUsers": [user.clone()], "authenticatedUserRoles": [{ "role": "read", "db": "quiz" }],
            "authenticatedUserPrivileges": [],
        };
        assert_eq!(rights(&roles_only, "quiz"), Rights::RolesOnly { roles: vec!["read".into()] });
        let on = |db: &str, collection: &str, actions: &[&str]| {
            doc! { "resource": { "db": db, "collection": collection }, "actions": actions.to_vec() }
        };
        let privileges = [
            on("quiz", "", &["find", "listIndexes"]),
            on("other", "", &["insert", "remove"]),
            on("quiz", "system.js", &["insert"]),
            doc! { "resource": { "cluster": true }, "actions": ["serverStatus"] },
        ];
        let reads = doc! { "authenticatedUsers": [user], "authenticatedUserPrivileges": privileges.to_vec() };
        assert_eq!(rights(&reads, "quiz"), Rights::Known { writes: Vec::new() });
        assert_eq!(rights(&reads, "other"), Rights::Known { writes: vec!["insert".into(), "remove".into()] });
        let mut root = reads;
        root.insert(
            "authenticatedUserPrivileges",
            vec![doc! { "resource": { "anyResource": true }, "actions": ["anyAction"] }],
        );
        assert_eq!(rights(&root, "quiz"), Rights::Known { writes: vec!["anyAction".into()] });
    }
}
