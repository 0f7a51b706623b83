//! The schemas of the tables in BigQuery, from the columns that the domain defines.

use std::fmt::Write;

use gcp_bigquery_client::model::field_type::FieldType;
use gcp_bigquery_client::model::table_field_schema::TableFieldSchema;
use gcp_bigquery_client::model::table_schema::TableSchema;
use quiz_domain::rows::{CellType, ColumnSpec, WarehouseTable};

/// The statement that creates a table; `name` is `project.dataset.table`.
#[must_use]
pub fn ddl(table: WarehouseTable, name: &str) -> String {
    let line = |column: &ColumnSpec| {
        format!("  {}", definition(column, if column.required { " NOT NULL" } else { "" }))
    };
    let columns: Vec<String> = table.columns().map(line).collect();
    format!(
        "CREATE TABLE IF NOT EXISTS `{name}` (\n{}\n)\nPARTITION BY {}\nCLUSTER BY {}\nOPTIONS (description = {})",
        columns.join(",\n"),
        WarehouseTable::PARTITION,
        WarehouseTable::CLUSTER.join(", "),
        literal(table.description())
    )
}

/// The statement that adds columns to a table that exists already; BigQuery allows only nullable ones.
///
/// It is one statement, as BigQuery allows few changes of a table within seconds.
pub(crate) fn add_columns(columns: &[&ColumnSpec], name: &str) -> String {
    let add = |column: &&ColumnSpec| format!("ADD COLUMN IF NOT EXISTS {}", definition(column, ""));
    let additions: Vec<String> = columns.iter().map(add).collect();
    format!("ALTER TABLE `{name}`\n{}", additions.join(",\n"))
}

fn definition(column: &ColumnSpec, constraint: &str) -> String {
    let (name, kind) = (column.name, type_name(column.kind));
    format!("`{name}` {kind}{constraint} OPTIONS (description = {})", literal(column.description))
}

/// A text in SQL.
pub(crate) fn literal(text: &str) -> String {
    format!("'{}'", text.replace('\\', "\\\\").replace('\'', "\\'"))
}

pub(crate) fn type_name(kind: CellType) -> &'static str {
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

Each table that a sync creates is partitioned by the day of `start_date` and clustered by `session_id`, `user_id`.
A condition on `start_date` limits the bytes that BigQuery bills.

## How a sync replaces rows

- A sync replaces all rows of its `session_id` in all three tables, in [one transaction](decisions/0006-replace-rows.md). A query sees the old rows or the new rows, each once.
- A student without a counting attempt has no row; `EXCLUDED_USER_IDS` are left out.
- BigQuery bills each transaction for the whole partitions of the changed days: [costs](COSTS.md#bigquery).
- `quiz_etl_generations` keeps two commits of one test session apart. It has a row for each test session of the last 30 days; leave it as it is.
- The function creates a missing table, and writes into [tables that exist already](#tables-that-exist-already).

## Tables that exist already

A table of another program needs no preparation in most cases.
`quiz-etl doctor --only bigquery` shows, for each table, the columns that the next sync adds, what costs more, and what a sync refuses.

| the table has | a sync |
|---|---|
| not all columns of this page | adds the missing ones as nullable columns |
| nullable columns, another order, another letter case | writes |
| columns of its own | leaves them null, or at their default |
| NUMERIC, BIGNUMERIC or FLOAT64 in place of INT64; DATETIME in place of DATE | writes, and BigQuery converts the values |
| rows of another program with the same `session_id` | replaces them at its first sync; stop the other program before |
| no partitions, other partitions, other clusters | writes; BigQuery bills more |
| a type with a limit, such as STRING(20) | writes; a longer value fails the sync of its test session |
| another type, or an array, in place of a column of this page | refuses |
| a REQUIRED column that a sync leaves null | refuses |
| `require_partition_filter` | refuses |
| the kind view, external table or snapshot | refuses |

If a sync refuses one table, it writes to no table.
Its error names each table and column, with the SQL statement that fixes it.
A renamed column keeps its values, under a name such as `rank_old`. The next sync adds the column of this page, and a backfill fills it.

The function logs the warning `existing table differs from a new one` for each costly table when it checks the tables.
To give a table the partitions of this page, [pause the pipeline](DEPLOY.md#pausing) after the first sync and copy the table:

```sql
CREATE TABLE assessments.test_responses_new
PARTITION BY start_date CLUSTER BY session_id, user_id
AS SELECT * FROM assessments.test_responses;
ALTER TABLE assessments.test_responses RENAME TO test_responses_old;
ALTER TABLE assessments.test_responses_new RENAME TO test_responses;
```
";
