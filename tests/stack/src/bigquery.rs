use anyhow::{Context, Result, bail, ensure};
use http_body_util::Full;
use hyper::body::Bytes;
use hyper::header::CONTENT_TYPE;
use hyper::{Method, Request, StatusCode};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::{Map, Number, Value, json};

use crate::{Stack, http};

/// The project of every dataset on the stack.
pub const BIGQUERY_PROJECT: &str = "quiz-test";

const PAGE_ROWS: u32 = 10_000;
const QUERY_TIMEOUT_MS: u32 = 60_000;

/// A dataset of the stack's BigQuery, for tests that read the written rows.
#[derive(Debug, Clone)]
pub struct BigQuery {
    project_url: String,
    dataset: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Answer {
    job_complete: bool,
    job_reference: JobReference,
    #[serde(default)]
    schema: Schema,
    #[serde(default)]
    rows: Vec<Value>,
    page_token: Option<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct JobReference {
    job_id: String,
}

#[derive(Default, Deserialize)]
struct Schema {
    #[serde(default)]
    fields: Vec<Field>,
}

#[derive(Deserialize)]
struct Field {
    name: String,
    r#type: String,
    mode: Option<String>,
    #[serde(default)]
    fields: Vec<Field>,
}

impl Stack {
    /// Creates the dataset if it does not exist. Its name has letters, digits and `_` only: replace the `-` of
    /// [`unique`](crate::unique).
    ///
    /// # Errors
    /// A refusal of BigQuery.
    pub async fn bigquery(&self, dataset: &str) -> Result<BigQuery> {
        let project_url = format!("{}/bigquery/v2/projects/{BIGQUERY_PROJECT}", self.bigquery_endpoint());
        let bigquery = BigQuery { project_url, dataset: dataset.to_owned() };
        let reference = json!({"datasetReference": {"projectId": BIGQUERY_PROJECT, "datasetId": dataset}});
        let made = bigquery.send(Method::POST, "datasets", &reference.to_string()).await?;
        if made.0 != StatusCode::CONFLICT {
            accepted(made).with_context(|| format!("cannot create dataset {dataset}"))?;
        }
        Ok(bigquery)
    }
}

impl BigQuery {
    #[must_use]
    pub fn dataset(&self) -> &str {
        &self.dataset
    }

    /// All rows of a query; tables without a dataset belong to this dataset. Integers, finite floats, booleans, arrays and
    /// structs become JSON values. All other values are BigQuery's text: for a TIMESTAMP the seconds since 1970
    /// (`1767323045.678901`).
    ///
    /// # Errors
    /// A refusal of BigQuery, or a query of more than a minute.
    pub async fn query(&self, sql: &str) -> Result<Vec<Map<String, Value>>> {
        let mut answer = self.run(sql).await?;
        let mut rows = decode_rows(&answer.schema.fields, &answer.rows)?;
        while let Some(token) = &answer.page_token {
            let (job, token) = (&answer.job_reference.job_id, escaped(token));
            let path = format!("queries/{job}?pageToken={token}&maxResults={PAGE_ROWS}");
            answer = self.get(&path).await.with_context(|| format!("cannot read the next page: {sql}"))?;
            rows.extend(decode_rows(&answer.schema.fields, &answer.rows)?);
        }
        Ok(rows)
    }

    /// Runs a statement that defines or changes data.
    ///
    /// # Errors
    /// As for [`BigQuery::query`].
    pub async fn execute(&self, sql: &str) -> Result<()> {
        self.run(sql).await.map(drop)
    }

    /// A table's resource (`schema`, `timePartitioning`, `clustering`, …); `None` where the table does not exist.
    ///
    /// # Errors
    /// A refusal of BigQuery.
    pub async fn table(&self, name: &str) -> Result<Option<Value>> {
        let answer = self.send(Method::GET, &format!("datasets/{}/tables/{name}", self.dataset), "").await?;
        if answer.0 == StatusCode::NOT_FOUND {
            return Ok(None);
        }
        accepted(answer).map(Some).with_context(|| format!("cannot read table {name}"))
    }

    /// The names of the dataset's tables.
    ///
    /// # Errors
    /// A refusal of BigQuery.
    pub async fn tables(&self) -> Result<Vec<String>> {
        let tables = self.list(&format!("datasets/{}/tables?", self.dataset), "tables").await?;
        let name = |table: &Value| table.pointer("/tableReference/tableId")?.as_str().map(str::to_owned);
        tables.iter().map(|table| name(table).context("table has no name")).collect()
    }

    /// The project's jobs with their configurations, newest first. The list has the jobs of all tests: filter by dataset or
    /// job id.
    ///
    /// # Errors
    /// A refusal of BigQuery.
    pub async fn jobs(&self) -> Result<Vec<Value>> {
        self.list("jobs?projection=full&allUsers=true", "jobs").await
    }

    async fn run(&self, sql: &str) -> Result<Answer> {
        let request = json!({
            "query": sql,
            "useLegacySql": false,
            "defaultDataset": {"projectId": BIGQUERY_PROJECT, "datasetId": self.dataset},
            "maxResults": PAGE_ROWS,
            "timeoutMs": QUERY_TIMEOUT_MS,
        });
        let answer = self.send(Method::POST, "queries", &request.to_string()).await.and_then(accepted);
        let answer: Answer = serde_json::from_value(answer.with_context(|| format!("cannot run: {sql}"))?)?;
        ensure!(answer.job_complete, "took more than {QUERY_TIMEOUT_MS} ms: {sql}");
        Ok(answer)
    }

    /// `path` ends with a query to which parameters can be appended.
    async fn list(&self, path: &str, items: &str) -> Result<Vec<Value>> {
        let mut all = Vec::new();
        let mut page_path = path.to_owned();
        loop {
            let page: Value =
                self.get(&page_path).await.with_context(|| format!("cannot list {page_path}"))?;
            all.extend(page.get(items).and_then(Value::as_array).into_iter().flatten().cloned());
            let Some(token) = page.get("nextPageToken").and_then(Value::as_str) else { return Ok(all) };
            page_path = format!("{path}&pageToken={}", escaped(token));
        }
    }

    async fn get<T: DeserializeOwned>(&self, path: &str) -> Result<T> {
        let answer = accepted(self.send(Method::GET, path, "").await?)?;
        Ok(serde_json::from_value(answer)?)
    }

    async fn send(&self, method: Method, path: &str, body: &str) -> Result<(StatusCode, Value)> {
        let request = Request::builder().method(method).uri(format!("{}/{path}", self.project_url));
        let request = request.header(CONTENT_TYPE, "application/json");
        let answer = http::send(request.body(Full::new(Bytes::copy_from_slice(body.as_bytes())))?).await?;
        let (status, body) = (answer.status(), answer.into_body());
        let said = || format!("{status}, and no JSON: {}", String::from_utf8_lossy(&body));
        Ok((status, serde_json::from_slice(&body).with_context(said)?))
    }
}

fn accepted((status, body): (StatusCode, Value)) -> Result<Value> {
    if status.is_success() {
        return Ok(body);
    }
    match body.pointer("/error/message").and_then(Value::as_str) {
        Some(message) => bail!("{status}: {message}"),
        None => bail!("{status}: {body}"),
    }
}

fn escaped(token: &str) -> String {
    token.bytes().fold(String::new(), |escaped, byte| format!("{escaped}%{byte:02X}"))
}

fn decode_rows(fields: &[Field], rows: &[Value]) -> Result<Vec<Map<String, Value>>> {
    rows.iter().map(|row| decode_row(fields, row)).collect()
}

fn decode_row(fields: &[Field], row: &Value) -> Result<Map<String, Value>> {
    let cells = row.get("f").and_then(Value::as_array).context("row has no cells")?;
    ensure!(cells.len() == fields.len(), "{} cells for {} fields", cells.len(), fields.len());
    let cells = cells.iter().map(|cell| cell.get("v").context("cell has no value"));
    fields.iter().zip(cells).map(|(field, cell)| Ok((field.name.clone(), decode(field, cell?)?))).collect()
}

fn decode(field: &Field, value: &Value) -> Result<Value> {
    match value {
        Value::Array(items) if field.mode.as_deref() == Some("REPEATED") => {
            items.iter().map(|item| decode(field, item.get("v").unwrap_or(item))).collect()
        }
        Value::Object(_) => Ok(Value::Object(decode_row(&field.fields, value)?)),
        Value::String(text) => {
            scalar(&field.r#type, text).with_context(|| format!("{} = {text}", field.name))
        }
        _ => Ok(value.clone()),
    }
}

fn scalar(kind: &str, text: &str) -> Result<Value> {
    Ok(match kind {
        "INTEGER" | "INT64" => text.parse::<i64>()?.into(),
        "FLOAT" | "FLOAT64" => Number::from_f64(text.parse()?).map_or_else(|| text.into(), Value::Number),
        "BOOLEAN" | "BOOL" => text.parse::<bool>()?.into(),
        _ => text.into(),
    })
}
