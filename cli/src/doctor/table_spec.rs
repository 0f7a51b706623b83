//! The required keys, indexes and settings of each table, and the commands that create them.

use std::fmt::Write;

use quiz_domain::reports::ReportTable;
use serde_json::{Value, json};

/// A key; all its attributes are strings.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct KeySpec {
    pub partition: &'static str,
    pub sort: Option<&'static str>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct IndexSpec {
    pub name: &'static str,
    pub key: KeySpec,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TableSpec {
    pub name: String,
    /// The environment variable that names it.
    pub variable: &'static str,
    pub key: KeySpec,
    pub indexes: &'static [IndexSpec],
    /// Whether the table needs point-in-time recovery.
    pub is_kept: bool,
    /// The time-to-live attribute.
    pub expiry_attribute: Option<&'static str>,
}

impl KeySpec {
    pub const fn new(partition: &'static str, sort: Option<&'static str>) -> Self {
        Self { partition, sort }
    }

    pub fn attributes(self) -> Vec<&'static str> {
        std::iter::once(self.partition).chain(self.sort).collect()
    }

    fn schema(self) -> Value {
        let roles = self.attributes().into_iter().zip(["HASH", "RANGE"]);
        roles.map(|(name, role)| json!({ "AttributeName": name, "KeyType": role })).collect()
    }
}

impl IndexSpec {
    fn definition(self) -> Value {
        let schema = self.key.schema();
        json!({ "IndexName": self.name, "KeySchema": schema, "Projection": { "ProjectionType": "ALL" } })
    }
}

const V1_INDEXES: [IndexSpec; 1] = [IndexSpec { name: "gsi_user_id", key: KeySpec::new("user_id", None) }];
const V2_INDEXES: [IndexSpec; 2] = [
    IndexSpec { name: "user_id_index", key: KeySpec::new("user_id", None) },
    IndexSpec { name: "school_session_index", key: KeySpec::new("school", Some("session_id")) },
];

impl TableSpec {
    pub fn for_reports(table: ReportTable, name: &str) -> Self {
        let (variable, indexes): (_, &[IndexSpec]) = match table {
            ReportTable::Sections => ("REPORTS_TABLE", &V1_INDEXES),
            ReportTable::Students => ("REPORTS_V2_TABLE", &V2_INDEXES),
            ReportTable::FormResponses => ("FORM_RESPONSES_TABLE", &[]),
        };
        Self {
            name: name.to_owned(),
            variable,
            key: KeySpec::new(ReportTable::PARTITION_KEY, Some(table.sort_key())),
            indexes,
            is_kept: true,
            expiry_attribute: None,
        }
    }

    pub fn for_states(name: &str) -> Self {
        Self {
            name: name.to_owned(),
            variable: "SYNC_STATE_TABLE",
            key: KeySpec::new("session_id", Some("sink")),
            indexes: &[],
            is_kept: true,
            expiry_attribute: None,
        }
    }

    pub fn for_notice_memory(name: &str) -> Self {
        Self {
            name: name.to_owned(),
            variable: "NOTICE_MEMORY_TABLE",
            key: KeySpec::new("name", None),
            indexes: &[],
            is_kept: false,
            expiry_attribute: Some("expires_at"),
        }
    }

    pub fn for_snapshots(name: &str) -> Self {
        Self {
            name: name.to_owned(),
            variable: "SNAPSHOTS_TABLE",
            key: KeySpec::new("snapshot_id", None),
            indexes: &[],
            is_kept: false,
            expiry_attribute: Some("expires_at"),
        }
    }

    /// The command that creates the table.
    pub fn create_command(&self) -> String {
        let keys = std::iter::once(self.key).chain(self.indexes.iter().map(|index| index.key));
        let definitions = definitions(keys);
        let mut command = format!(
            "aws dynamodb create-table --table-name {} --billing-mode PAY_PER_REQUEST \
             --attribute-definitions '{definitions}' --key-schema '{}'",
            self.name,
            self.key.schema()
        );
        if !self.indexes.is_empty() {
            let indexes: Value = self.indexes.iter().map(|index| index.definition()).collect();
            let _ = write!(command, " --global-secondary-indexes '{indexes}'");
        }
        command
    }

    /// The command that adds an index.
    pub fn add_index_command(&self, index: IndexSpec) -> String {
        let definitions = definitions(std::iter::once(index.key));
        let update = json!([{ "Create": index.definition() }]);
        format!(
            "aws dynamodb update-table --table-name {} --attribute-definitions '{definitions}' \
             --global-secondary-index-updates '{update}'",
            self.name
        )
    }

    /// The command that turns on point-in-time recovery.
    pub fn recovery_command(&self) -> String {
        format!(
            "aws dynamodb update-continuous-backups --table-name {} \
             --point-in-time-recovery-specification PointInTimeRecoveryEnabled=true",
            self.name
        )
    }

    /// The command that sets the time-to-live attribute.
    pub fn expiry_command(&self, attribute: &str) -> String {
        format!(
            "aws dynamodb update-time-to-live --table-name {} \
             --time-to-live-specification Enabled=true,AttributeName={attribute}",
            self.name
        )
    }
}

fn definitions(keys: impl Iterator<Item = KeySpec>) -> Value {
    let mut names: Vec<&str> = keys.flat_map(KeySpec::attributes).collect();
    names.sort_unstable();
    names.dedup();
    names.into_iter().map(|name| json!({ "AttributeName": name, "AttributeType": "S" })).collect()
}

#[cfg(test)]
mod tests {
    use quiz_domain::reports::ReportTable;

    use super::TableSpec;

    #[test]
    fn commands_create_tables_and_indexes() {
        let v2 = TableSpec::for_reports(ReportTable::Students, "v2");
        let create = v2.create_command();
        for part in [
            "--table-name v2 ",
            r#"{"AttributeName":"school","AttributeType":"S"}"#,
            r#"--key-schema '[{"AttributeName":"session_id","KeyType":"HASH"},{"AttributeName":"user_id","KeyType":"RANGE"}]'"#,
            r#""IndexName":"school_session_index""#,
        ] {
            assert!(create.contains(part), "{part} in {create}");
        }
        let add = v2.add_index_command(v2.indexes[0]);
        assert!(add.contains(r#"[{"Create":{"IndexName":"user_id_index""#), "{add}");
        let memory = TableSpec::for_notice_memory("m").create_command();
        assert!(!memory.contains("RANGE") && !memory.contains("secondary"), "{memory}");
    }
}
