use futures::future::join_all;
use quiz_dynamo::{IndexFacts, InspectError, KeyFacts, TableFacts, TableInspector};

use crate::doctor::check::{Check, Finding, Group};
use crate::doctor::patience::Patience;
use crate::doctor::table_spec::{IndexSpec, KeySpec, TableSpec};

const ACTIVE: &str = "ACTIVE";

pub async fn check(inspector: &TableInspector, tables: &[TableSpec], patience: Patience) -> Vec<Check> {
    let checks = tables.iter().map(|table| of_table(inspector, table, patience));
    join_all(checks).await.into_iter().flatten().collect()
}

async fn of_table(inspector: &TableInspector, table: &TableSpec, patience: Patience) -> Vec<Check> {
    let name = table.name.as_str();
    let facts = patience.hold(inspector.describe(name), InspectError::Failed).await;
    let mut checks = vec![Group::Dynamodb.check(name, judge_table(table, &facts))];
    for index in table.indexes {
        let finding = match &facts {
            Ok(facts) => judge_index(table, *index, facts),
            Err(_) => Finding::skipped("the table could not be looked at"),
        };
        checks.push(Group::Dynamodb.check(format!("{name} index {}", index.name), finding));
    }
    // without a right to look at a table there may be one to read it
    let absent = match &facts {
        Ok(_) | Err(InspectError::Denied(_)) => None,
        Err(InspectError::NoTable) => Some("there is no such table"),
        Err(InspectError::Failed(_)) => Some("DynamoDB does not tell of the table"),
    };
    let key = table.key.attributes();
    let (read, recovers, expires) = futures::join!(
        patience.hold(inspector.read(name, &key), InspectError::Failed),
        patience.hold(inspector.recovers(name), InspectError::Failed),
        patience.hold(inspector.expires_by(name), InspectError::Failed),
    );
    let other = |finding: Finding| absent.map_or(finding, Finding::skipped);
    let keys_differ = facts.as_ref().is_ok_and(|facts| !is(&facts.key, table.key));
    let read = if keys_differ { Finding::skipped("its keys are others") } else { judge_read(table, &read) };
    checks.push(Group::Dynamodb.check(format!("{name} read"), other(read)));
    if table.is_kept {
        let finding = other(judge_recovery(table, &recovers));
        checks.push(Group::Dynamodb.check(format!("{name} recovery"), finding));
    }
    if let Some(attribute) = table.expires_by {
        let finding = other(judge_expiry(table, attribute, &expires));
        checks.push(Group::Dynamodb.check(format!("{name} expiry"), finding));
    }
    checks
}

fn judge_table(table: &TableSpec, facts: &Result<TableFacts, InspectError>) -> Finding {
    let facts = match facts {
        Ok(facts) => facts,
        Err(InspectError::NoTable) => {
            let mend = format!("correct {}, or make it: {}", table.variable, table.create());
            return Finding::bad("there is no such table in this account and region", mend);
        }
        Err(error @ InspectError::Denied(_)) => {
            return Finding::warning(error.to_string(), "allow yourself dynamodb:DescribeTable on it");
        }
        Err(error) => return Finding::bad(error.to_string(), UNREACHED),
    };
    if !is(&facts.key, table.key) {
        let mend = format!(
            "keys cannot be changed: make another table (aws dynamodb create-table, with the keys {}), and set {} to its name",
            wanted(table.key),
            table.variable
        );
        let (told, wanted) = (told(&facts.key), wanted(table.key));
        return Finding::bad(format!("its keys are {told}; they must be {wanted}"), mend);
    }
    // a table that is being changed can be used meanwhile
    if ![ACTIVE, "UPDATING"].contains(&&*facts.status) {
        let mend = format!("wait for it: aws dynamodb wait table-exists --table-name {}", table.name);
        return Finding::bad(format!("its status is {}, not ACTIVE", facts.status), mend);
    }
    Finding::good(format!("active, with the keys {}", wanted(table.key)))
}

const UNREACHED: &str = "check the network and AWS_ENDPOINT_URL, then run this again";

fn judge_index(table: &TableSpec, index: IndexSpec, facts: &TableFacts) -> Finding {
    let found: Option<&IndexFacts> = facts.indexes.iter().find(|it| it.name == index.name);
    match found {
        None => Finding::bad("the table has no such index", format!("add it: {}", table.add(index))),
        Some(it) if !is(&it.key, index.key) => Finding::bad(
            format!("its keys are {}; they must be {}", told(&it.key), wanted(index.key)),
            format!("delete it, then: {}", table.add(index)),
        ),
        Some(it) if it.status != ACTIVE => Finding::warning(
            format!("its status is {}, so it tells not all", it.status),
            format!("wait until it is ACTIVE: aws dynamodb describe-table --table-name {}", table.name),
        ),
        Some(_) => Finding::good(format!("active, with the keys {}", wanted(index.key))),
    }
}

fn judge_read(table: &TableSpec, read: &Result<(), InspectError>) -> Finding {
    match read {
        Ok(()) => Finding::good("a read is allowed"),
        Err(error @ InspectError::Denied(_)) => {
            Finding::bad(error.to_string(), format!("allow yourself dynamodb:GetItem on {}", table.name))
        }
        Err(error) => Finding::bad(error.to_string(), UNREACHED),
    }
}

fn judge_recovery(table: &TableSpec, recovers: &Result<bool, InspectError>) -> Finding {
    match recovers {
        Ok(true) => Finding::good("point-in-time recovery is on"),
        Ok(false) => Finding::warning("point-in-time recovery is off", table.recover()),
        Err(error) => Finding::warning(
            format!("whether point-in-time recovery is on is not told: {error}"),
            "allow yourself dynamodb:DescribeContinuousBackups on it",
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
            format!("turn that off, then: {}", table.expire(attribute)),
        ),
        Ok(None) => Finding::warning("items never expire, so the table only grows", table.expire(attribute)),
        Err(error) => Finding::warning(
            format!("whether items expire is not told: {error}"),
            "allow yourself dynamodb:DescribeTimeToLive on it",
        ),
    }
}

fn is(key: &KeyFacts, wanted: KeySpec) -> bool {
    let text = |name: &str| Some(quiz_dynamo::KeyAttribute { name: name.to_owned(), kind: "S".to_owned() });
    key.partition == text(wanted.partition) && key.sort == wanted.sort.and_then(text)
}

fn wanted(key: KeySpec) -> String {
    let names: Vec<String> = key.attributes().iter().map(|name| format!("{name} (S)")).collect();
    names.join(" and ")
}

fn told(key: &KeyFacts) -> String {
    let names = key.partition.iter().chain(&key.sort).map(|it| format!("{} ({})", it.name, it.kind));
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
        let of = |(name, kind): (&str, &str)| KeyAttribute { name: name.into(), kind: kind.into() };
        KeyFacts { partition: Some(of((partition, "S"))), sort: sort.map(of) }
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
        (TableSpec::of_reports(ReportTable::Sections, "v1"), facts)
    }

    #[test]
    fn keys_are_right_to_the_name_and_the_type() {
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
            assert!(found.mend.unwrap().contains("REPORTS_TABLE"));
        }
        let updating = TableFacts { status: "CREATING".into(), ..good };
        assert_eq!(judge_table(&table, &Ok(updating)).status, Status::Bad);
    }

    #[test]
    fn an_absent_table_is_made_by_the_command_that_is_told() {
        let (table, _) = v1();
        let found = judge_table(&table, &Err(InspectError::NoTable));
        assert!(found.mend.unwrap().contains("aws dynamodb create-table --table-name v1 "));
        let denied = judge_table(&table, &Err(InspectError::Denied("no".into())));
        assert_eq!(denied.status, Status::Warning);
    }

    #[test]
    fn an_index_is_there_with_its_keys() {
        let (table, mut facts) = v1();
        let index = table.indexes[0];
        assert_eq!(judge_index(&table, index, &facts).status, Status::Good);
        facts.indexes[0].status = "CREATING".into();
        assert_eq!(judge_index(&table, index, &facts).status, Status::Warning);
        facts.indexes[0].key = key("user", None);
        let other = judge_index(&table, index, &facts);
        assert_eq!(other.found, "its keys are user (S); they must be user_id (S)");
        facts.indexes.clear();
        let absent = judge_index(&table, index, &facts);
        assert!(absent.mend.unwrap().starts_with("add it: aws dynamodb update-table --table-name v1 "));
    }

    #[test]
    fn what_only_should_be_is_a_warning_and_so_is_what_is_not_told() {
        let memory = TableSpec::of_notice_memory("memory");
        let denied = || InspectError::Denied("not you".into());
        assert_eq!(judge_recovery(&memory, &Ok(false)).status, Status::Warning);
        assert_eq!(judge_recovery(&memory, &Err(denied())).status, Status::Warning);
        let expiry = |by: Option<&str>| judge_expiry(&memory, "expires_at", &Ok(by.map(str::to_owned)));
        assert_eq!(expiry(Some("expires_at")).status, Status::Good);
        assert_eq!(expiry(Some("ttl")).status, Status::Warning);
        assert!(expiry(None).mend.unwrap().contains("AttributeName=expires_at"));
        assert_eq!(judge_read(&memory, &Err(denied())).status, Status::Bad);
    }
}
