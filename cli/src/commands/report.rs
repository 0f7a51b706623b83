use std::path::Path;

use anyhow::bail;
use quiz_domain::reports::ReportTable;
use quiz_local::SqliteStore;
use quiz_pipeline::ports::ReportReader;
use serde_json::{Value, json};

use crate::ui::{Done, Terminal};
use crate::view;

pub const EXAMPLES: &str = "\
Examples:
  quiz-etl report EnableStudents_6715f621e1eb083bfa9b56cc 20231234
  quiz-etl report EnableStudents_6715f621e1eb083bfa9b56cc 20231234 --from out --json";

/// Prints one student's report, from the folder of an embedded run or from DynamoDB.
pub async fn report(
    session: &str,
    user: &str,
    from: Option<&Path>,
    terminal: Terminal,
) -> anyhow::Result<Done> {
    let items = match from {
        Some(folder) => from_folder(folder, session, user).await?,
        None => from_dynamo(session, user).await?,
    };
    if items.is_empty() {
        bail!("user {user} has no report in session {session}");
    }
    if terminal.json {
        terminal.print_json(&json!({"session_id": session, "user_id": user, "items": items}));
    } else {
        terminal.print(&view::report(&items, terminal.colour));
    }
    Ok(Done::Well)
}

/// The most sessions that an error names.
const NAMED: usize = 5;

async fn from_folder(folder: &Path, session: &str, user: &str) -> anyhow::Result<Vec<Value>> {
    let store = SqliteStore::open_existing(folder.join("reports.db"))?;
    let items = items_of(&store, session, user).await?;
    if items.is_empty() {
        let known = store.sessions().await?;
        if !known.iter().any(|known_session| known_session == session) {
            let some = known.iter().take(NAMED).map(String::as_str).collect::<Vec<_>>().join(", ");
            let more = if known.len() > NAMED { ", …" } else { "" };
            bail!("{} has no session {session}; it has {some}{more}", folder.display());
        }
    }
    Ok(items)
}

#[cfg(not(feature = "aws"))]
#[expect(clippy::unused_async, reason = "as with the feature `aws`")]
async fn from_dynamo(_: &str, _: &str) -> anyhow::Result<Vec<Value>> {
    Err(crate::operate::lacks("`quiz-etl report` without --from").into())
}

#[cfg(feature = "aws")]
async fn from_dynamo(session: &str, user: &str) -> anyhow::Result<Vec<Value>> {
    use quiz_dynamo::{DynamoStore, WriteLimits};
    use quiz_lambda::config::{formats, table_names};

    let mut env = quiz_lambda::Environment::from_process();
    let (names, formats) = (table_names(&env), formats(&mut env));
    env.finish(())?;
    let client = aws_sdk_dynamodb::Client::new(&quiz_lambda::aws::signed_in().await?);
    let store = DynamoStore::new(client, names, WriteLimits::default());
    let mut tables = vec![ReportTable::Sections, ReportTable::FormResponses];
    if formats.v2 {
        tables.insert(1, ReportTable::Students);
    }
    first_found(&store, &tables, session, user).await
}

/// The student's items from the first table that has any: v1, then v2, then form responses.
pub async fn items_of(store: &dyn ReportReader, session: &str, user: &str) -> anyhow::Result<Vec<Value>> {
    first_found(store, &ReportTable::ALL, session, user).await
}

async fn first_found(
    store: &dyn ReportReader,
    tables: &[ReportTable],
    session: &str,
    user: &str,
) -> anyhow::Result<Vec<Value>> {
    for table in tables {
        let items = store.user_items(*table, session, user).await?;
        if !items.is_empty() {
            return Ok(items);
        }
    }
    Ok(Vec::new())
}
