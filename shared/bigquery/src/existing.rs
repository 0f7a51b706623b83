//! Compares a table that exists already with the columns that a sync writes.
//!
//! The problem: an older program made the tables, with nullable columns, columns of its own, another order and other
//! partitions. BigQuery accepts rows in most of these tables, so a sync must write into them.
//!
//! The idea: a sync names its columns, so their order, their letter case and other columns do not matter. It adds a missing
//! column, warns of a difference that costs more, and refuses only what BigQuery would refuse. Each refusal has the SQL
//! statement that fixes it.
//!
//! The rules are BigQuery's: [coercion](https://cloud.google.com/bigquery/docs/reference/standard-sql/conversion_rules)
//! says which types hold our values, and
//! [DDL](https://cloud.google.com/bigquery/docs/reference/standard-sql/data-definition-language) which changes are allowed.

use std::fmt;

use jiff::Timestamp;
use quiz_domain::rows::{CellType, ColumnSpec, WarehouseTable};
use serde::Deserialize;
use serde::de::IgnoredAny;

use crate::schema::type_name;

/// The part of BigQuery's table resource that decides whether a sync can write.
///
/// The client package's model has no default values, and fails on a type that it does not know.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(crate) struct ExistingTable {
    r#type: Option<String>,
    schema: Schema,
    time_partitioning: Option<TimePartitioning>,
    range_partitioning: Option<RangePartitioning>,
    clustering: Clustering,
    require_partition_filter: bool,
    /// In milliseconds since 1970.
    creation_time: Option<String>,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
struct Schema {
    fields: Vec<Field>,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Field {
    name: String,
    r#type: String,
    mode: Option<String>,
    default_value_expression: Option<String>,
    /// BigQuery makes the values itself, such as ids.
    generated_column: Option<IgnoredAny>,
    /// The most characters of a `STRING(L)`.
    max_length: Option<String>,
    /// The most digits of a `NUMERIC(P)`.
    precision: Option<String>,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct TimePartitioning {
    r#type: String,
    field: Option<String>,
    require_partition_filter: bool,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
struct RangePartitioning {
    field: String,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
struct Clustering {
    fields: Vec<String>,
}

/// What a sync finds in a table that exists already.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TableDifferences {
    /// The missing columns, which a sync adds as nullable columns.
    pub to_add: Vec<&'static ColumnSpec>,
    /// Differences that a sync accepts, and what each costs.
    pub warnings: Vec<String>,
    /// Differences that make BigQuery refuse the rows.
    pub refusals: Vec<Refusal>,
}

/// A difference that a person must fix before a sync can write.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refusal {
    /// A sentence that names the column, if the column is the cause.
    pub reason: String,
    /// The SQL statements that fix the difference, in order, separated by `; `.
    pub fix: String,
}

impl fmt::Display for Refusal {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{} (run: {})", self.reason, self.fix)
    }
}

impl ExistingTable {
    /// When the table was created.
    pub fn created_at(&self) -> Option<Timestamp> {
        let millis = self.creation_time.as_ref()?.parse().ok()?;
        Timestamp::from_millisecond(millis).ok()
    }

    /// Whether the table has each of these columns.
    pub fn has_columns(&self, names: &[&str]) -> bool {
        names.iter().all(|name| self.field(name).is_some())
    }

    /// Compares the table with the columns that a sync writes; `name` is `project.dataset.table`.
    pub fn compare(&self, table: WarehouseTable, name: &str) -> TableDifferences {
        let kind = self.r#type.as_deref().unwrap_or("TABLE");
        if kind != "TABLE" {
            let refusals = vec![other_kind(kind, table, name)];
            return TableDifferences { refusals, ..TableDifferences::default() };
        }
        let mut found = TableDifferences::default();
        let mut must_rename_table = false;

        // Compare each column that a sync writes.
        for column in table.columns() {
            let Some(field) = self.field(column.name) else {
                found.to_add.push(column);
                continue;
            };
            if !field.can_hold(column.kind) {
                must_rename_table |= self.orders_rows(field);
                found.refusals.push(self.refuse_type(field, column, name));
            } else if field.is_required() && !column.required {
                let reason = format!("column {} is REQUIRED, but a sync writes nulls to it", field.name);
                found.refusals.push(Refusal { reason, fix: drop_not_null(name, &field.name) });
            } else {
                found.warnings.extend(field.limit(column.kind, name));
            }
        }

        // Compare the columns that a sync leaves null.
        let is_ours =
            |field: &Field| table.columns().any(|column| column.name.eq_ignore_ascii_case(&field.name));
        for field in self.schema.fields.iter().filter(|field| !is_ours(field)) {
            if field.is_required() && !field.has_own_values() {
                let column = &field.name;
                let reason =
                    format!("column {column} is REQUIRED without a default, but a sync does not write it");
                found.refusals.push(Refusal { reason, fix: drop_not_null(name, column) });
            }
        }
        if self.requires_partition_filter() {
            found.refusals.push(Refusal {
                reason:
                    "each query must have a condition on the partition, but a sync finds rows by session_id"
                        .to_owned(),
                fix: format!("ALTER TABLE `{name}` SET OPTIONS (require_partition_filter = false)"),
            });
        }
        if must_rename_table {
            // BigQuery changes no column that orders the rows. The new table fixes the other differences, too.
            let fix = rename_table(table, name);
            found.refusals.iter_mut().for_each(|refusal| refusal.fix.clone_from(&fix));
        }
        found.warnings.extend(self.partition_cost());
        found.warnings.extend(self.cluster_cost());
        found
    }

    fn field(&self, name: &str) -> Option<&Field> {
        self.schema.fields.iter().find(|field| field.name.eq_ignore_ascii_case(name))
    }

    /// Whether the column partitions or clusters the table: BigQuery can neither rename it nor make it a FLOAT64.
    fn orders_rows(&self, field: &Field) -> bool {
        let by_time = self.time_partitioning.as_ref().and_then(|partitioning| partitioning.field.as_ref());
        let by_range = self.range_partitioning.as_ref().map(|partitioning| &partitioning.field);
        let mut columns = by_time.into_iter().chain(by_range).chain(&self.clustering.fields);
        columns.any(|column| column.eq_ignore_ascii_case(&field.name))
    }

    fn requires_partition_filter(&self) -> bool {
        let in_partitioning =
            self.time_partitioning.as_ref().is_some_and(|partitioning| partitioning.require_partition_filter);
        self.require_partition_filter || in_partitioning
    }

    /// The refusal of a column whose type cannot hold our value.
    fn refuse_type(&self, field: &Field, column: &ColumnSpec, name: &str) -> Refusal {
        let (theirs, ours, old) = (field.standard_type(), type_name(column.kind), &field.name);
        let shown = if field.is_repeated() { format!("ARRAY<{theirs}>") } else { theirs.to_owned() };
        let reason = format!("column {old} is {shown}, which cannot hold {ours}");
        let can_change = ours == "FLOAT64" && matches!(theirs, "INT64" | "NUMERIC") && !field.is_repeated();
        let change = if can_change {
            format!("ALTER TABLE `{name}` ALTER COLUMN `{old}` SET DATA TYPE {ours}")
        } else {
            let mut new = format!("{old}_old");
            while self.field(&new).is_some() {
                new.push('_');
            }
            format!("ALTER TABLE `{name}` RENAME COLUMN `{old}` TO `{new}`")
        };
        // A sync does not write the renamed column, so the column must be nullable.
        let has_nulls = !can_change || !column.required;
        let fix = if field.is_required() && has_nulls {
            format!("{}; {change}", drop_not_null(name, old))
        } else {
            change
        };
        Refusal { reason, fix }
    }

    /// The cost of other partitions than those of a new table.
    fn partition_cost(&self) -> Option<String> {
        const OURS: &str = "instead of only the days that it changes";
        let theirs = match (&self.time_partitioning, &self.range_partitioning) {
            (Some(by), _) => {
                let field = by.field.as_deref().unwrap_or("ingestion time");
                if field.eq_ignore_ascii_case(WarehouseTable::PARTITION) && by.r#type == "DAY" {
                    return None;
                }
                format!("{field} {}", by.r#type)
            }
            (None, Some(by)) => format!("ranges of {}", by.field),
            (None, None) => {
                return Some(format!("it has no partitions: each sync bills the whole table {OURS}"));
            }
        };
        Some(format!(
            "it is partitioned by {theirs}, not by {} DAY: each sync bills each whole partition that it changes, {OURS}",
            WarehouseTable::PARTITION
        ))
    }

    /// The cost of another order within the partitions than in a new table.
    fn cluster_cost(&self) -> Option<String> {
        let [first, ..] = WarehouseTable::CLUSTER;
        let is_ours = self.clustering.fields.first().is_some_and(|field| field.eq_ignore_ascii_case(first));
        let ours = WarehouseTable::CLUSTER.join(", ");
        (!is_ours).then(|| {
            format!("it is not clustered by {ours}: each sync and each query by {first} reads more bytes")
        })
    }
}

impl Field {
    /// The standard name of the type; the API uses older names.
    fn standard_type(&self) -> &str {
        match self.r#type.as_str() {
            "INTEGER" => "INT64",
            "FLOAT" => "FLOAT64",
            "BOOLEAN" => "BOOL",
            "RECORD" => "STRUCT",
            other => other,
        }
    }

    fn is_required(&self) -> bool {
        self.mode.as_deref() == Some("REQUIRED")
    }

    /// Whether BigQuery fills the column of a row that does not name it.
    fn has_own_values(&self) -> bool {
        self.default_value_expression.is_some() || self.generated_column.is_some()
    }

    fn is_repeated(&self) -> bool {
        self.mode.as_deref() == Some("REPEATED")
    }

    /// Whether BigQuery stores our value in the column: the type is ours, or BigQuery coerces ours to it.
    fn can_hold(&self, ours: CellType) -> bool {
        let is_held = match ours {
            CellType::Int => matches!(self.standard_type(), "INT64" | "NUMERIC" | "BIGNUMERIC" | "FLOAT64"),
            CellType::Date => matches!(self.standard_type(), "DATE" | "DATETIME"),
            CellType::Text | CellType::Float | CellType::Bool | CellType::Instant => {
                self.standard_type() == type_name(ours)
            }
        };
        is_held && !self.is_repeated()
    }

    /// The risk of a type with a limit: `STRING(L)` or `NUMERIC(P)`.
    fn limit(&self, ours: CellType, name: &str) -> Option<String> {
        let limit = match ours {
            CellType::Text => self.max_length.as_ref()?,
            _ => self.precision.as_ref()?,
        };
        let (column, kind) = (&self.name, self.standard_type());
        Some(format!(
            "column {column} is {kind}({limit}): a longer value fails the sync of its test session (run: ALTER TABLE \
             `{name}` ALTER COLUMN `{column}` SET DATA TYPE {kind})"
        ))
    }
}

fn drop_not_null(name: &str, column: &str) -> String {
    format!("ALTER TABLE `{name}` ALTER COLUMN `{column}` DROP NOT NULL")
}

/// The refusal of a view, a snapshot or another kind that is not a table.
fn other_kind(kind: &str, table: WarehouseTable, name: &str) -> Refusal {
    let dropped = match kind {
        "VIEW" => Some("VIEW"),
        "MATERIALIZED_VIEW" => Some("MATERIALIZED VIEW"),
        "EXTERNAL" => Some("EXTERNAL TABLE"),
        _ => None,
    };
    let reason = format!("it is a {kind}, not a table");
    match dropped {
        // BigQuery renames neither views nor external tables.
        Some(dropped) => Refusal {
            reason: format!("{reason}; save its definition first"),
            fix: format!("DROP {dropped} `{name}`"),
        },
        None => Refusal { reason, fix: rename_table(table, name) },
    }
}

fn rename_table(table: WarehouseTable, name: &str) -> String {
    format!("ALTER TABLE `{name}` RENAME TO `{}_old`", table.name())
}

#[cfg(test)]
mod comparison_tests;
