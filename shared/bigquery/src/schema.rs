//! The schemas of the tables in BigQuery, from the columns that the domain defines.

use std::fmt::Write;

use gcp_bigquery_client::model::field_type::FieldType;
use gcp_bigquery_client::model::table::Table;
use gcp_bigquery_client::model::table_field_schema::TableFieldSchema;
use gcp_bigquery_client::model::table_schema::TableSchema;
use quiz_domain::rows::{CellType, ColumnSpec, WarehouseTable};

/// The statement that creates a table; `name` is `project.dataset.table`.
#[must_use]
pub fn ddl(table: WarehouseTable, name: &str) -> String {
    let columns: Vec<String> = table.columns().map(|column| format!("  {}", definition(column))).collect();
    format!(
        "CREATE TABLE IF NOT EXISTS `{name}` (\n{}\n)\nPARTITION BY {}\nCLUSTER BY {}\nOPTIONS (description = {})",
        columns.join(",\n"),
        WarehouseTable::PARTITION,
        WarehouseTable::CLUSTER.join(", "),
        literal(table.description())
    )
}

/// The statement that adds a column to an older table.
pub(crate) fn add_column(column: &ColumnSpec, name: &str) -> String {
    format!("ALTER TABLE `{name}` ADD COLUMN IF NOT EXISTS {}", definition(column))
}

fn definition(column: &ColumnSpec) -> String {
    let required = if column.required { " NOT NULL" } else { "" };
    let (name, kind) = (column.name, type_name(column.kind));
    format!("`{name}` {kind}{required} OPTIONS (description = {})", literal(column.description))
}

/// A text in SQL.
pub(crate) fn literal(text: &str) -> String {
    format!("'{}'", text.replace('\\', "\\\\").replace('\'', "\\'"))
}

fn type_name(kind: CellType) -> &'static str {
    match kind {
        CellType::Text => "STRING",
        CellType::Int => "INT64",
        CellType::Float => "FLOAT64",
        CellType::Bool => "BOOL",
        CellType::Date => "DATE",
        CellType::Instant => "TIMESTAMP",
    }
}

/// The schema of a staging table: no column is required.
pub(crate) fn nullable(columns: &[ColumnSpec]) -> TableSchema {
    let field = |column: &ColumnSpec| {
        let kind = match column.kind {
            CellType::Text => FieldType::String,
            CellType::Int => FieldType::Int64,
            CellType::Float => FieldType::Float64,
            CellType::Bool => FieldType::Bool,
            CellType::Date => FieldType::Date,
            CellType::Instant => FieldType::Timestamp,
        };
        TableFieldSchema::new(column.name, kind)
    };
    TableSchema::new(columns.iter().map(field).collect())
}

/// The differences between an existing table and the columns that a sync writes.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Differences {
    /// The missing nullable columns, which can be added.
    pub missing: Vec<&'static ColumnSpec>,
    /// The other differences, a sentence each: a person must fix them.
    pub wrong: Vec<String>,
}

pub(crate) fn differences(table: WarehouseTable, actual: &Table) -> Differences {
    let mut found = Differences::default();
    let fields = actual.schema.fields.as_deref().unwrap_or_default();
    for column in table.columns() {
        match fields.iter().find(|field| field.name.eq_ignore_ascii_case(column.name)) {
            None if column.required => {
                found.wrong.push(format!("it lacks the required column {}", column.name));
            }
            None => found.missing.push(column),
            Some(field) => found.wrong.extend(difference(column, field)),
        }
    }
    for field in fields {
        if !table.columns().any(|column| column.name.eq_ignore_ascii_case(&field.name)) {
            found.wrong.push(format!("it has the unknown column {}", field.name));
        }
    }
    let partition = actual.time_partitioning.as_ref();
    let by = partition.and_then(|partition| partition.field.as_deref()).unwrap_or("nothing");
    let every = partition.map_or("", |partition| partition.r#type.as_str());
    if by != WarehouseTable::PARTITION || every != "DAY" {
        let ours = WarehouseTable::PARTITION;
        let theirs = format!("{by} {every}");
        found.wrong.push(format!("it is partitioned by {}, not by {ours} DAY", theirs.trim_end()));
    }
    let clusters =
        actual.clustering.as_ref().and_then(|clustering| clustering.fields.clone()).unwrap_or_default();
    if clusters != WarehouseTable::CLUSTER {
        let ours = WarehouseTable::CLUSTER.join(", ");
        found.wrong.push(format!("it is clustered by {:?}, not by {ours}", clusters.join(", ")));
    }
    found
}

fn difference(column: &ColumnSpec, field: &TableFieldSchema) -> Option<String> {
    let (name, ours) = (column.name, type_name(column.kind));
    let theirs = field_type(&field.r#type);
    if theirs != ours {
        return Some(format!("its column {name} is {theirs}, not {ours}"));
    }
    let mode = if column.required { "REQUIRED" } else { "NULLABLE" };
    let theirs = field.mode.as_deref().unwrap_or("NULLABLE");
    (theirs != mode).then(|| format!("its column {name} is {theirs}, not {mode}"))
}

/// The standard name of a type; the API uses older names.
fn field_type(kind: &FieldType) -> String {
    match kind {
        FieldType::Integer | FieldType::Int64 => "INT64".to_owned(),
        FieldType::Float | FieldType::Float64 => "FLOAT64".to_owned(),
        FieldType::Boolean | FieldType::Bool => "BOOL".to_owned(),
        other => format!("{other:?}").to_uppercase(),
    }
}

/// The text of `docs/WAREHOUSE.md`. Columns that all tables have are listed once.
#[must_use]
pub fn page() -> String {
    let mut page = String::from(
        "# Warehouse tables\n\n\
         This page describes the three BigQuery tables that sync-warehouse writes.\n\
         `cargo run -p quiz-bigquery --example warehouse_page > docs/WAREHOUSE.md` makes it from the columns in \
         `shared/domain/src/rows`.\n\n\
         | table | a row is |\n|---|---|\n",
    );
    for table in WarehouseTable::ALL {
        let _ = writeln!(page, "| [`{0}`](#{0}) | {1} |", table.name(), table.description());
    }
    page.push_str(INTRODUCTION);
    let is_shared = |column: &&ColumnSpec| {
        WarehouseTable::ALL.iter().all(|table| table.columns().any(|other| other == *column))
    };
    page.push_str("\n## Columns of all tables\n\n");
    write_columns(&mut page, WarehouseTable::TestResponses.columns().filter(is_shared));
    for table in WarehouseTable::ALL {
        let _ = writeln!(page, "\n## {}\n", table.name());
        write_columns(&mut page, table.columns().filter(|column| !is_shared(column)));
    }
    page
}

fn write_columns<'a>(page: &mut String, columns: impl Iterator<Item = &'a ColumnSpec>) {
    page.push_str("| column | type | null | meaning |\n|---|---|---|---|\n");
    for column in columns {
        let null = if column.required { "" } else { "yes" };
        let (name, kind, meaning) = (column.name, type_name(column.kind), column.description);
        let _ = writeln!(page, "| `{name}` | {kind} | {null} | {meaning} |");
    }
}

/// The part of the page between the list of tables and their columns.
const INTRODUCTION: &str = "
The dataset is `BIGQUERY_DATASET`, by default `assessments`.
`quiz-etl local` and `quiz-etl demo` write the same rows to Parquet files, `warehouse/<table>/<session>.parquet`.

Dates and clock times are India's (UTC+05:30); a `TIMESTAMP` is a moment.
A null means unknown, or no basis to compute from.

## Example queries

Ranks and marks of one test session:

```sql
SELECT user_id, marks_scored, rank, percentile
FROM assessments.test_responses
WHERE session_id = 'EnableStudents_6715f621e1eb083bfa9b56cc' AND section = 'overall'
ORDER BY rank
```

The hardest questions of one day, each with the share of correct answers:

```sql
SELECT test_id, question_id, COUNT(*) AS students, AVG(is_correct) AS correct
FROM assessments.all_responses_question_level
WHERE start_date = '2026-11-20' AND has_quiz_ended
GROUP BY test_id, question_id
ORDER BY correct
```

Each table is partitioned by the day of `start_date` and clustered by `session_id`, `user_id`.
A condition on `start_date` limits the bytes that BigQuery bills.

## How a sync replaces rows

- A sync replaces all rows of its `session_id` in all three tables, in [one transaction](decisions/0006-replace-rows.md). A query sees the old rows or the new rows, each once.
- A student without a counting attempt has no row; `EXCLUDED_USER_IDS` are left out.
- BigQuery bills each transaction for the whole partitions of the changed days: [costs](COSTS.md#bigquery).
- The function creates a missing table and adds a missing nullable column. Any other difference between a table and this page is an error, and the function writes nothing.
- So a table must not have columns of its own: join your own table by `session_id` and `user_id`.
";
