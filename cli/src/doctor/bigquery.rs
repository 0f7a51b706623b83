//! Checks credentials, dataset, jobs and tables of BigQuery. Dry runs test permissions, so nothing is written.

use std::sync::Arc;

use async_trait::async_trait;
use aws_config::SdkConfig;
use futures::future::join_all;
use quiz_bigquery::{
    BigQueryError, BigQueryInspector, BigQueryLocation, Credentials, CredentialsSource, ErrorKind,
    TableDifferences,
};
use quiz_domain::rows::WarehouseTable;
use quiz_events::Cause;
use quiz_lambda::Secret;
use quiz_lambda::config::BigQueryCredentials;

use crate::doctor::call_timeout::CallTimeout;
use crate::doctor::check::{Check, Finding, Group, Status};

fn no_answer(message: String) -> BigQueryError {
    BigQueryError { kind: ErrorKind::Transient, message }
}

/// The configured credentials, and the AWS identity of this machine.
struct Configured {
    credentials: Credentials,
    aws: SdkConfig,
}

#[async_trait]
impl CredentialsSource for Configured {
    async fn credentials(&self) -> Result<Credentials, Cause> {
        Ok(self.credentials.clone())
    }

    fn can_change(&self) -> bool {
        false
    }

    fn aws(&self) -> Option<&SdkConfig> {
        Some(&self.aws)
    }
}

/// Gets a token; returns the kind of the credentials and the identity behind them.
async fn sign_in(inspector: &BigQueryInspector, timeout: CallTimeout) -> Result<String, BigQueryError> {
    let identity = timeout.limit(inspector.identity(), no_answer).await?;
    match timeout.limit(inspector.check_token(), no_answer).await {
        Ok(()) => Ok(identity),
        Err(error) => Err(BigQueryError { message: format!("{identity}: {}", error.message), ..error }),
    }
}

/// Checks everything that the warehouse sink needs. `json`: the secret's text, if the configuration names a secret.
pub async fn check(
    config: &quiz_lambda::config::WarehouseConfig,
    json: Option<&Secret>,
    aws: Option<&SdkConfig>,
    timeout: CallTimeout,
) -> Vec<Check> {
    let check = |name: &str, finding| Group::Bigquery.check(name, finding);
    let location = &config.location;
    let credentials = match (&config.credentials, json) {
        (BigQueryCredentials::Secret(_), Some(json)) => Credentials::Json(json.expose().to_owned()),
        (BigQueryCredentials::ApplicationDefault { file }, _) => {
            Credentials::ApplicationDefault { file: file.clone() }
        }
        (BigQueryCredentials::Secret(_) | BigQueryCredentials::Anonymous, _) => Credentials::Anonymous,
    };
    let aws = match aws {
        Some(aws) => aws.clone(),
        None => quiz_lambda::aws::config().await,
    };
    let connected = BigQueryInspector::new(location.clone(), Arc::new(Configured { credentials, aws }));
    let signed_in = match &connected {
        Ok(inspector) => sign_in(inspector, timeout).await,
        Err(error) => Err(error.clone()),
    };
    let (inspector, identity) = match (connected, signed_in) {
        (Ok(inspector), Ok(identity)) => (inspector, identity),
        (_, Err(error)) | (Err(error), _) => {
            let rest = Finding::skipped("BigQuery answers only with credentials");
            return vec![check("credentials", judge_credentials(&error)), check("everything else", rest)];
        }
    };
    let mut checks = vec![check("credentials", Finding::good(identity))];
    let (found_location, jobs) = futures::join!(
        timeout.limit(inspector.location(), no_answer),
        timeout.limit(inspector.check_run_jobs(), no_answer),
    );
    let dataset = judge_dataset(location, &found_location);
    let is_elsewhere = dataset.status != Status::Good;
    checks.push(check("dataset", dataset));
    checks.push(check("jobs", judge_jobs(location, &jobs)));
    if !matches!(found_location, Ok(Some(_))) {
        checks.push(check("tables", Finding::skipped("the dataset could not be read")));
        return checks;
    }
    let check_table = async |table: WarehouseTable| {
        let existing = timeout.limit(inspector.table(table), no_answer).await;
        let missing_rights = match &existing {
            Ok(Some(_)) => timeout.limit(inspector.missing_permissions(table), no_answer).await,
            _ => Ok(Vec::new()),
        };
        check(table.name(), judge_table(location, &existing, &missing_rights))
    };
    let (creation, tables) = futures::join!(
        timeout.limit(inspector.check_create_tables(), no_answer),
        join_all(WarehouseTable::ALL.map(check_table)),
    );
    let table_creation = if jobs.is_err() {
        Finding::skipped("jobs are not allowed")
    } else if is_elsewhere {
        Finding::skipped("jobs run in another location than the dataset")
    } else {
        judge_table_creation(location, &creation)
    };
    checks.push(check("making tables", table_creation));
    checks.extend(tables);
    checks
}

fn judge_credentials(error: &BigQueryError) -> Finding {
    Finding::bad(
        error.to_string(),
        "set BIGQUERY_CREDENTIALS_SECRET_ID to the secret with the credentials, or run: gcloud auth application-default login (docs/DEPLOY.md, step 2)",
    )
}

fn judge_dataset(
    location: &BigQueryLocation,
    found_location: &Result<Option<String>, BigQueryError>,
) -> Finding {
    let BigQueryLocation { project, dataset, location: wanted, .. } = location;
    match found_location {
        Ok(None) => Finding::bad(
            format!("project {project} has no dataset {dataset}"),
            format!("bq --location={wanted} mk --dataset {project}:{dataset}"),
        ),
        Ok(Some(found)) if found.eq_ignore_ascii_case(wanted) => {
            Finding::good(format!("{project}.{dataset} is in {found}"))
        }
        Ok(Some(found)) => Finding::bad(
            format!("the dataset is in {found}, but jobs run in {wanted} and do not find it there"),
            format!("set BIGQUERY_LOCATION to {found}"),
        ),
        Err(error) => {
            Finding::bad(error.to_string(), access_fix(location, error, "roles/bigquery.dataEditor"))
        }
    }
}

/// The next step after a failed call: grant `role` if BigQuery refused, else check the connection.
fn access_fix(location: &BigQueryLocation, error: &BigQueryError, role: &str) -> String {
    if matches!(error.kind, ErrorKind::Refused | ErrorKind::Unauthorized) {
        return format!(
            "grant it: gcloud projects add-iam-policy-binding {} --member=serviceAccount:NAME --role={role}",
            location.project
        );
    }
    let endpoint = location.endpoint.as_deref().unwrap_or("https://bigquery.googleapis.com");
    format!("check BIGQUERY_PROJECT, and that this machine reaches {endpoint}")
}

fn judge_jobs(location: &BigQueryLocation, jobs: &Result<(), BigQueryError>) -> Finding {
    match jobs {
        Ok(()) => Finding::good("allowed: BigQuery accepted a dry run"),
        Err(error) => Finding::bad(error.to_string(), access_fix(location, error, "roles/bigquery.jobUser")),
    }
}

fn judge_table_creation(location: &BigQueryLocation, creation: &Result<(), BigQueryError>) -> Finding {
    match creation {
        Ok(()) => Finding::good("allowed: BigQuery accepted a dry run"),
        Err(error) => Finding::bad(
            format!("not allowed, but each sync loads into a table that it creates: {error}"),
            access_fix(location, error, "roles/bigquery.dataEditor"),
        ),
    }
}

fn judge_table(
    location: &BigQueryLocation,
    existing: &Result<Option<TableDifferences>, BigQueryError>,
    missing_rights: &Result<Vec<&'static str>, BigQueryError>,
) -> Finding {
    let differences = match existing {
        Ok(Some(differences)) => differences,
        Ok(None) => return Finding::good("does not exist yet; the first sync creates it"),
        Err(error) => {
            return Finding::bad(error.to_string(), access_fix(location, error, "roles/bigquery.dataEditor"));
        }
    };
    let found = describe(differences);
    if !differences.refusals.is_empty() {
        // One statement can fix several differences.
        let mut fixes: Vec<&str> = differences.refusals.iter().map(|refusal| &*refusal.fix).collect();
        fixes.dedup();
        return Finding::bad(found, fixes.join("; "));
    }
    match missing_rights {
        Ok(missing) if missing.is_empty() && differences.warnings.is_empty() => Finding::good(found),
        Ok(missing) if missing.is_empty() => Finding::warning(
            found,
            "leave it, or copy the table: docs/WAREHOUSE.md#tables-that-exist-already",
        ),
        Ok(missing) => {
            let refused = BigQueryError { kind: ErrorKind::Refused, message: String::new() };
            Finding::bad(
                format!("{found}, but {} is not allowed", missing.join(", ")),
                access_fix(location, &refused, "roles/bigquery.dataEditor"),
            )
        }
        Err(error) => Finding::warning(
            format!("{found}; cannot read its permissions: {error}"),
            "check that the account has roles/bigquery.dataEditor on the dataset",
        ),
    }
}

/// The refusals first, then the costs, then the columns that the next sync adds.
fn describe(differences: &TableDifferences) -> String {
    let refusals = differences.refusals.iter().map(|refusal| refusal.reason.clone());
    let mut found: Vec<String> = refusals.chain(differences.warnings.iter().cloned()).collect();
    let to_add: Vec<&str> = differences.to_add.iter().map(|column| column.name).collect();
    if !to_add.is_empty() {
        found.push(format!("the next sync adds {}", to_add.join(", ")));
    } else if differences.refusals.is_empty() {
        found.push("has all columns that a sync writes".to_owned());
    }
    found.join("; ")
}

#[cfg(test)]
mod tests {
    use quiz_bigquery::{BigQueryError, BigQueryLocation, ErrorKind, Refusal, TableDifferences};
    use quiz_domain::rows::START_DATE;

    use super::{judge_dataset, judge_jobs, judge_table, no_answer};
    use crate::doctor::check::Status;

    fn configured() -> BigQueryLocation {
        let [project, dataset, location] = ["p", "assessments", "asia-south1"].map(str::to_owned);
        BigQueryLocation { project, dataset, location, endpoint: None }
    }

    fn refused() -> BigQueryError {
        BigQueryError { kind: ErrorKind::Refused, message: "BigQuery answered 403".into() }
    }

    #[test]
    fn dataset_must_be_where_jobs_run() {
        let judged = |location: Option<&str>| judge_dataset(&configured(), &Ok(location.map(str::to_owned)));
        assert_eq!(judged(Some("ASIA-SOUTH1")).status, Status::Good);
        assert_eq!(judged(Some("US")).fix.as_deref(), Some("set BIGQUERY_LOCATION to US"));
        assert_eq!(judged(None).fix.as_deref(), Some("bq --location=asia-south1 mk --dataset p:assessments"));
        let unreachable = judge_dataset(&configured(), &Err(no_answer("no answer".into())));
        assert!(unreachable.fix.unwrap().contains("reaches https://bigquery.googleapis.com"));
    }

    #[test]
    fn missing_permission_names_its_role() {
        let jobs = judge_jobs(&configured(), &Err(refused())).fix.unwrap();
        assert!(jobs.contains("add-iam-policy-binding p ") && jobs.contains("roles/bigquery.jobUser"));
        let ours = Ok(Some(TableDifferences::default()));
        let table = judge_table(&configured(), &ours, &Ok(vec!["bigquery.tables.updateData"]));
        assert_eq!(table.status, Status::Bad);
        assert!(table.found.contains("bigquery.tables.updateData is not allowed"));
        assert_eq!(judge_table(&configured(), &ours, &Err(refused())).status, Status::Warning);
    }

    #[test]
    fn table_shows_refusals_costs_and_additions() {
        let judged = |existing| judge_table(&configured(), &Ok(existing), &Ok(Vec::new()));
        assert_eq!(judged(None).status, Status::Good);
        let new = judged(Some(TableDifferences::default()));
        assert_eq!((new.status, &*new.found), (Status::Good, "has all columns that a sync writes"));
        let added = TableDifferences { to_add: vec![&START_DATE], ..TableDifferences::default() };
        let good = judged(Some(added.clone()));
        assert_eq!((good.status, &*good.found), (Status::Good, "the next sync adds start_date"));

        let costly = TableDifferences { warnings: vec!["it has no partitions".into()], ..added };
        let warning = judged(Some(costly.clone()));
        assert_eq!(warning.status, Status::Warning);
        assert_eq!(warning.found, "it has no partitions; the next sync adds start_date");
        assert!(warning.fix.unwrap().ends_with("docs/WAREHOUSE.md#tables-that-exist-already"));

        let refusal = |reason: &str, fix: &str| Refusal { reason: reason.into(), fix: fix.into() };
        let refusals = vec![refusal("a", "ALTER 1"), refusal("b", "ALTER 1"), refusal("c", "ALTER 2")];
        let bad = judged(Some(TableDifferences { refusals, ..costly }));
        assert_eq!((bad.status, bad.fix.as_deref()), (Status::Bad, Some("ALTER 1; ALTER 2")));
        assert_eq!(bad.found, "a; b; c; it has no partitions; the next sync adds start_date");
    }
}
