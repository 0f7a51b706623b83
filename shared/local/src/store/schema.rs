use quiz_domain::reports::ReportTable;
use rusqlite::Connection;

use super::states;

/// SQLite's `application_id` of a report store: `qetl` in ASCII.
const APPLICATION_ID: i32 = 0x7165_746c;
/// The version of the tables; increased by a change that older releases cannot read.
const VERSION: i32 = 1;

/// The kind of a database.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum DatabaseKind {
    /// A database without a table.
    Empty,
    /// A report store, marked or from a release before the mark.
    Store,
    /// A report store of a later release.
    Newer { version: i32 },
    /// Another program's database, with the name of one of its tables.
    Foreign { table: Option<String> },
}

/// Recognizes a database by its mark and its tables; writes nothing.
pub(super) fn kind(connection: &Connection) -> rusqlite::Result<DatabaseKind> {
    let pragma = |name: &str| connection.pragma_query_value(None, name, |row| row.get::<_, i32>(0));
    let (application_id, version) = (pragma("application_id")?, pragma("user_version")?);
    if application_id == APPLICATION_ID {
        return Ok(if version > VERSION { DatabaseKind::Newer { version } } else { DatabaseKind::Store });
    }
    let mut names =
        connection.prepare("SELECT name FROM sqlite_schema WHERE type = 'table' ORDER BY name")?;
    let names = names.query_map([], |row| row.get::<_, String>(0))?.collect::<rusqlite::Result<Vec<_>>>()?;
    let is_ours = |name: &String| is_ours(name);
    // a first run that was killed leaves only some of the tables
    let has_all = ReportTable::ALL.iter().all(|table| names.iter().any(|name| name == table.default_name()));
    Ok(if application_id == 0 && names.is_empty() {
        DatabaseKind::Empty
    } else if application_id == 0 && (has_all || names.iter().all(is_ours)) {
        DatabaseKind::Store
    } else {
        DatabaseKind::Foreign { table: names.into_iter().find(|name| !is_ours(name)) }
    })
}

fn is_ours(table: &str) -> bool {
    table == states::TABLE_NAME || ReportTable::ALL.iter().any(|known| known.default_name() == table)
}

/// Marks the database as a report store.
pub(super) fn mark(connection: &Connection) -> rusqlite::Result<()> {
    connection.pragma_update(None, "application_id", APPLICATION_ID)?;
    connection.pragma_update(None, "user_version", VERSION)
}

/// Creates the missing tables and indexes.
pub(super) fn create(connection: &Connection) -> rusqlite::Result<()> {
    for table in ReportTable::ALL {
        connection.execute_batch(&statement(table))?;
    }
    Ok(())
}

/// The first table that the database lacks.
pub(super) fn missing(connection: &Connection) -> rusqlite::Result<Option<&'static str>> {
    for table in ReportTable::ALL {
        if !connection.table_exists(None, table.default_name())? {
            return Ok(Some(table.default_name()));
        }
    }
    Ok(None)
}

/// The columns: the key attributes of DynamoDB's table and indexes, and `item`.
fn statement(table: ReportTable) -> String {
    let (name, sort_key) = (table.default_name(), table.sort_key());
    let (columns, indexes) = match table {
        ReportTable::Sections => (
            r#""user_id" TEXT NOT NULL, "#,
            r#"CREATE INDEX IF NOT EXISTS "gsi_user_id" ON "student_quiz_reports" ("user_id");"#,
        ),
        ReportTable::Students => (
            r#""school" TEXT, "#,
            r#"CREATE INDEX IF NOT EXISTS "user_id_index" ON "student_quiz_reports_v2" ("user_id");
               CREATE INDEX IF NOT EXISTS "school_session_index"
                   ON "student_quiz_reports_v2" ("school", "session_id");"#,
        ),
        ReportTable::FormResponses => ("", ""),
    };
    format!(
        r#"CREATE TABLE IF NOT EXISTS "{name}" (
            "session_id" TEXT NOT NULL, "{sort_key}" TEXT NOT NULL, {columns}"item" TEXT NOT NULL,
            PRIMARY KEY ("session_id", "{sort_key}")) STRICT;
           {indexes}"#
    )
}

/// Writes an item: its session, sort key, JSON and, where the table has one, its indexed attribute.
pub(super) fn put(table: ReportTable) -> String {
    let (name, sort_key) = (table.default_name(), table.sort_key());
    match table {
        ReportTable::Sections => put_with(name, sort_key, "user_id"),
        ReportTable::Students => put_with(name, sort_key, "school"),
        ReportTable::FormResponses => format!(
            r#"INSERT OR REPLACE INTO "{name}" ("session_id", "{sort_key}", "item") VALUES (?1, ?2, ?3)"#
        ),
    }
}

fn put_with(name: &str, sort_key: &str, indexed: &str) -> String {
    format!(
        r#"INSERT OR REPLACE INTO "{name}" ("session_id", "{sort_key}", "item", "{indexed}")
           VALUES (?1, ?2, ?3, ?4)"#
    )
}
