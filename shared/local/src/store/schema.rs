use quiz_domain::reports::ReportTable;
use rusqlite::Connection;

/// Creates what is missing of the tables and indexes.
pub(super) fn create(connection: &Connection) -> rusqlite::Result<()> {
    for table in ReportTable::ALL {
        connection.execute_batch(&statement(table))?;
    }
    Ok(())
}

/// The first table that the database does not have.
pub(super) fn missing(connection: &Connection) -> rusqlite::Result<Option<&'static str>> {
    for table in ReportTable::ALL {
        if !connection.table_exists(None, table.default_name())? {
            return Ok(Some(table.default_name()));
        }
    }
    Ok(None)
}

/// Columns are the attributes that DynamoDB's table and its indexes have as keys, and `item`.
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
