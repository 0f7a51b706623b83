//! Checks the keys, indexes, permissions and settings of the DynamoDB tables.

use futures::future::join_all;
use quiz_dynamo::{IndexFacts, InspectError, KeyFacts, TableFacts, TableInspector};

use crate::doctor::call_timeout::CallTimeout;
use crate::doctor::check::{Check, Finding, Group};
use crate::doctor::table_spec::{IndexSpec, KeySpec, TableSpec};

const ACTIVE: &str = "ACTIVE";

/// Checks all tables at the same time.
pub async fn check(inspector: &TableInspector, tables: &[TableSpec], timeout: CallTimeout) -> Vec<Check> {
    let checks = tables.iter().map(|table| check_table(inspector, table, timeout));
    join_all(checks).await.into_iter().flatten().collect()
}

async fn check_table(inspector: &TableInspector, table: &TableSpec, timeout: CallTimeout) -> Vec<Check> {
    let name = table.name.as_str();
    let facts = timeout.limit(inspector.describe(name), InspectError::Failed).await;
    let mut checks = vec![Group::Dynamodb.check(name, judge_table(table, &facts))];
    for index in table.indexes {
        let finding = match &facts {
            Ok(facts) => judge_index(table, *index, facts),
            Err(_) => Finding::skipped("the table is not readable"),
        };
        checks.push(Group::Dynamodb.check(format!("{name} index {}", index.name), finding));
    }
    // an account that may not describe the table may still read it
    let skip_reason = match &facts {
        Ok(_) | Err(InspectError::Denied(_)) => None,
        Err(InspectError::NoTable) => Some("the table does not exist"),
        Err(InspectError::Failed(_)) => Some("DynamoDB does not describe the table"),
    };
    let key = table.key.attributes();
    let (read, has_point_in_time_recovery, expires) = futures::join!(
        timeout.limit(inspector.read(name, &key), InspectError::Failed),
        timeout.limit(inspector.has_point_in_time_recovery(name), InspectError::Failed),
        timeout.limit(inspector.expiry_attribute(name), InspectError::Failed),
    );
    let unless_skipped = |finding: Finding| skip_reason.map_or(finding, Finding::skipped);
    let keys_differ = facts.as_ref().is_ok_and(|facts| !has_key(&facts.key, table.key));
    let read = if keys_differ { Finding::skipped("its keys are wrong") } else { judge_read(table, &read) };
    checks.push(Group::Dynamodb.check(format!("{name} read"), unless_skipped(read)));
    if table.is_kept {
        let finding = unless_skipped(judge_recovery(table, &has_point_in_time_recovery));
        checks.push(Group::Dynamodb.check(format!("{name} recovery"), finding));
    }
    if let Some(attribute) = table.expiry_attribute {
        let finding = unless_skipped(judge_expiry(table, attribute, &expires));
        checks.push(Group::Dynamodb.check(format!("{name} expiry"), finding));
    }
    checks
}

fn judge_table(table: &TableSpec, facts: &Result<TableFacts, InspectError>) -> Finding {
    let facts = match facts {
        Ok(facts) => facts,
        Err(InspectError::NoTable) => {
            let fix = format!("correct {}, or create the table: {}", table.variable, table.create_command());
            return Finding::bad("the table does not exist in this account and region", fix);
        }
        Err(error @ InspectError::Denied(_)) => {
            return Finding::warning(error.to_string(), "grant yourself dynamodb:DescribeTable on the table");
        }
        Err(error) => return Finding::bad(error.to_string(), CHECK_CONNECTION),
    };
    if !has_key(&facts.key, table.key) {
        let fix = format!(
            "keys cannot change: create another table (aws dynamodb create-table, with the keys {}), and set {} to its name",
            wanted_key(table.key),
            table.variable
        );
        let (found, wanted) = (found_key(&facts.key), wanted_key(table.key));
        return Finding::bad(format!("the keys are {found}; they must be {wanted}"), fix);
    }
    // a table stays usable during an update
    if ![ACTIVE, "UPDATING"].contains(&&*facts.status) {
        let fix = format!("wait: aws dynamodb wait table-exists --table-name {}", table.name);
        return Finding::bad(format!("status {}, not ACTIVE", facts.status), fix);
    }
    Finding::good(format!("active, with the keys {}", wanted_key(table.key)))
}

const CHECK_CONNECTION: &str = "check the network and AWS_ENDPOINT_URL, then run this again";

fn judge_index(table: &TableSpec, index: IndexSpec, facts: &TableFacts) -> Finding {
    let found: Option<&IndexFacts> = facts.indexes.iter().find(|found| found.name == index.name);
    match found {
        None => Finding::bad("missing", format!("add it: {}", table.add_index_command(index))),
        Some(found) if !has_key(&found.key, index.key) => Finding::bad(
            format!("the keys are {}; they must be {}", found_key(&found.key), wanted_key(index.key)),
            format!("delete it, then: {}", table.add_index_command(index)),
        ),
        Some(found) if found.status != ACTIVE => Finding::warning(
            format!("status {:?}, not ACTIVE: queries may miss items", found.status),
            format!(
                "wait until the status is ACTIVE: aws dynamodb describe-table --table-name {}",
                table.name
            ),
        ),
        Some(_) => Finding::good(format!("active, with the keys {}", wanted_key(index.key))),
    }
}

fn judge_read(table: &TableSpec, read: &Result<(), InspectError>) -> Finding {
    match read {
        Ok(()) => Finding::good("allowed"),
        Err(error @ InspectError::Denied(_)) => {
            Finding::bad(error.to_string(), format!("grant yourself dynamodb:GetItem on {}", table.name))
        }
        Err(error) => Finding::bad(error.to_string(), CHECK_CONNECTION),
    }
}

fn judge_recovery(table: &TableSpec, has_point_in_time_recovery: &Result<bool, InspectError>) -> Finding {
    match has_point_in_time_recovery {
        Ok(true) => Finding::good("point-in-time recovery is on"),
        Ok(false) => Finding::warning("point-in-time recovery is off", table.recovery_command()),
        Err(error) => Finding::warning(
            format!("cannot read the setting of point-in-time recovery: {error}"),
            "grant yourself dynamodb:DescribeContinuousBackups on the table",
        ),
    }
}

fn judge_expiry(
    table: &TableSpec,
    attribute: &str,
    expires: &Result<Option<String>, InspectError>,
) -> Finding {
    match expires {
        Ok(Some(by)) if by == attribute => Finding::good(format!("items expire by {attribute}")),
        Ok(Some(by)) => Finding::warning(
            format!("items expire by {by}, not by {attribute}"),
            format!("turn this expiry off, then: {}", table.expiry_command(attribute)),
        ),
        Ok(None) => {
            Finding::warning("items never expire: the table only grows", table.expiry_command(attribute))
        }
        Err(error) => Finding::warning(
            format!("cannot read the setting of the expiry: {error}"),
            "grant yourself dynamodb:DescribeTimeToLive on the table",
        ),
    }
}

fn has_key(key: &KeyFacts, wanted: KeySpec) -> bool {
    let text = |name: &str| Some(quiz_dynamo::KeyAttribute { name: name.to_owned(), kind: "S".to_owned() });
    key.partition == text(wanted.partition) && key.sort == wanted.sort.and_then(text)
}

fn wanted_key(key: KeySpec) -> String {
    let names: Vec<String> = key.attributes().iter().map(|name| format!("{name} (S)")).collect();
    names.join(" and ")
}

fn found_key(key: &KeyFacts) -> String {
    let names = key
        .partition
        .iter()
        .chain(&key.sort)
        .map(|attribute| format!("{} ({})", attribute.name, attribute.kind));
    names.collect::<Vec<_>>().join(" and ")
}

#[cfg(test)]
mod tests {
    use quiz_domain::reports::ReportTable;
    use quiz_dynamo::{IndexFacts, InspectError, KeyAttribute, KeyFacts, TableFacts};

    use super::{judge_expiry, judge_index, judge_read, judge_recovery, judge_table};
    use crate::doctor::check::Status;
    use crate::doctor::table_spec::TableSpec;

    fn key(partition: &str, sort: Option<(&str, &str)>) -> KeyFacts {
        let attribute = |(name, kind): (&str, &str)| KeyAttribute { name: name.into(), kind: kind.into() };
        KeyFacts { partition: Some(attribute((partition, "S"))), sort: sort.map(attribute) }
    }

    fn v1() -> (TableSpec, TableFacts) {
        let facts = TableFacts {
            status: "ACTIVE".into(),
            key: key("session_id", Some(("user_id-section", "S"))),
            indexes: vec![IndexFacts {
                name: "gsi_user_id".into(),
                status: "ACTIVE".into(),
                key: key("user_id", None),
            }],
        };
        (TableSpec::for_reports(ReportTable::Sections, "v1"), facts)
    }

    #[test]
    fn keys_match_by_name_and_type() {
        let (table, good) = v1();
        assert_eq!(judge_table(&table, &Ok(good.clone())).status, Status::Good);
        for wrong in [
            key("session_id", None),
            key("session_id", Some(("user_id-section", "N"))),
            key("id", Some(("user_id-section", "S"))),
        ] {
            let found = judge_table(&table, &Ok(TableFacts { key: wrong, ..good.clone() }));
            assert_eq!(found.status, Status::Bad);
            assert!(found.found.ends_with("they must be session_id (S) and user_id-section (S)"));
            assert!(found.fix.unwrap().contains("REPORTS_TABLE"));
        }
        let updating = TableFacts { status: "CREATING".into(), ..good };
        assert_eq!(judge_table(&table, &Ok(updating)).status, Status::Bad);
    }

    #[test]
    fn missing_table_comes_with_its_command() {
        let (table, _) = v1();
        let found = judge_table(&table, &Err(InspectError::NoTable));
        assert!(found.fix.unwrap().contains("aws dynamodb create-table --table-name v1 "));
        let denied = judge_table(&table, &Err(InspectError::Denied("no".into())));
        assert_eq!(denied.status, Status::Warning);
    }

    #[test]
    fn index_must_be_active_with_its_keys() {
        let (table, mut facts) = v1();
        let index = table.indexes[0];
        assert_eq!(judge_index(&table, index, &facts).status, Status::Good);
        facts.indexes[0].status = "CREATING".into();
        assert_eq!(judge_index(&table, index, &facts).status, Status::Warning);
        facts.indexes[0].key = key("user", None);
        let other = judge_index(&table, index, &facts);
        assert_eq!(other.found, "the keys are user (S); they must be user_id (S)");
        facts.indexes.clear();
        let absent = judge_index(&table, index, &facts);
        assert!(absent.fix.unwrap().starts_with("add it: aws dynamodb update-table --table-name v1 "));
    }

    #[test]
    fn missing_or_unknown_setting_is_a_warning() {
        let memory = TableSpec::for_notice_memory("memory");
        let denied = || InspectError::Denied("not you".into());
        assert_eq!(judge_recovery(&memory, &Ok(false)).status, Status::Warning);
        assert_eq!(judge_recovery(&memory, &Err(denied())).status, Status::Warning);
        let expiry = |by: Option<&str>| judge_expiry(&memory, "expires_at", &Ok(by.map(str::to_owned)));
        assert_eq!(expiry(Some("expires_at")).status, Status::Good);
        assert_eq!(expiry(Some("ttl")).status, Status::Warning);
        assert!(expiry(None).fix.unwrap().contains("AttributeName=expires_at"));
        assert_eq!(judge_read(&memory, &Err(denied())).status, Status::Bad);
    }
}
