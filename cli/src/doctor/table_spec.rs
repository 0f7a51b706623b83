//! The tables as they must be, and the commands that make them so.

use std::fmt::Write;

use quiz_domain::reports::ReportTable;
use serde_json::{Value, json};

/// A key whose attributes are all strings.
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
    /// Whether it holds what is to be kept.
    pub is_kept: bool,
    /// The attribute that its items expire by.
    pub expires_by: Option<&'static str>,
}

impl KeySpec {
    pub const fn of(partition: &'static str, sort: Option<&'static str>) -> Self {
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

const V1_INDEXES: [IndexSpec; 1] = [IndexSpec { name: "gsi_user_id", key: KeySpec::of("user_id", None) }];
const V2_INDEXES: [IndexSpec; 2] = [
    IndexSpec { name: "user_id_index", key: KeySpec::of("user_id", None) },
    IndexSpec { name: "school_session_index", key: KeySpec::of("school", Some("session_id")) },
];

impl TableSpec {
    pub fn of_reports(table: ReportTable, name: &str) -> Self {
        let (variable, indexes): (_, &[IndexSpec]) = match table {
            ReportTable::Sections => ("REPORTS_TABLE", &V1_INDEXES),
            ReportTable::Students => ("REPORTS_V2_TABLE", &V2_INDEXES),
            ReportTable::FormResponses => ("FORM_RESPONSES_TABLE", &[]),
        };
        Self {
            name: name.to_owned(),
            variable,
            key: KeySpec::of(ReportTable::PARTITION_KEY, Some(table.sort_key())),
            indexes,
            is_kept: true,
            expires_by: None,
        }
    }

    pub fn of_states(name: &str) -> Self {
        Self {
            name: name.to_owned(),
            variable: "SYNC_STATE_TABLE",
            key: KeySpec::of("session_id", Some("sink")),
            indexes: &[],
            is_kept: true,
            expires_by: None,
        }
    }

    pub fn of_notice_memory(name: &str) -> Self {
        Self {
            name: name.to_owned(),
            variable: "NOTICE_MEMORY_TABLE",
            key: KeySpec::of("name", None),
            indexes: &[],
            is_kept: false,
            expires_by: Some("expires_at"),
        }
    }

    pub fn of_snapshots(name: &str) -> Self {
        Self {
            name: name.to_owned(),
            variable: "SNAPSHOTS_TABLE",
            key: KeySpec::of("snapshot_id", None),
            indexes: &[],
            is_kept: false,
            expires_by: Some("expires_at"),
        }
    }

    /// Makes the table.
    pub fn create(&self) -> String {
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

    /// Adds an index to the table.
    pub fn add(&self, index: IndexSpec) -> String {
        let definitions = definitions(std::iter::once(index.key));
        let update = json!([{ "Create": index.definition() }]);
        format!(
            "aws dynamodb update-table --table-name {} --attribute-definitions '{definitions}' \
             --global-secondary-index-updates '{update}'",
            self.name
        )
    }

    pub fn recover(&self) -> String {
        format!(
            "aws dynamodb update-continuous-backups --table-name {} \
             --point-in-time-recovery-specification PointInTimeRecoveryEnabled=true",
            self.name
        )
    }

    pub fn expire(&self, attribute: &str) -> String {
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
    fn the_commands_make_what_is_missing() {
        let v2 = TableSpec::of_reports(ReportTable::Students, "v2");
        let create = v2.create();
        for part in [
            "--table-name v2 ",
            r#"{"AttributeName":"school","AttributeType":"S"}"#,
            r#"--key-schema '[{"AttributeName":"session_id","KeyType":"HASH"},{"AttributeName":"user_id","KeyType":"RANGE"}]'"#,
            r#""IndexName":"school_session_index""#,
        ] {
            assert!(create.contains(part), "{part} in {create}");
        }
        let add = v2.add(v2.indexes[0]);
        assert!(add.contains(r#"[{"Create":{"IndexName":"user_id_index""#), "{add}");
        let memory = TableSpec::of_notice_memory("m").create();
        assert!(!memory.contains("RANGE") && !memory.contains("secondary"), "{memory}");
    }
}
