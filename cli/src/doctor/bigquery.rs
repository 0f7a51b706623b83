use futures::future::join_all;
use quiz_bigquery::{BigQueryError, BigQueryInspector, BigQueryLocation, Credentials, ErrorKind, TableFacts};
use quiz_domain::rows::WarehouseTable;
use quiz_lambda::Secret;
use quiz_lambda::config::BigQueryCredentials;

use crate::doctor::check::{Check, Finding, Group, Status};
use crate::doctor::patience::Patience;

fn silent(message: String) -> BigQueryError {
    BigQueryError { kind: ErrorKind::Transient, message }
}

/// `key`: the service account's, where the credentials are one.
pub async fn check(
    config: &quiz_lambda::config::WarehouseConfig,
    key: Option<&Secret>,
    patience: Patience,
) -> Vec<Check> {
    let of = |name: &str, finding| Group::Bigquery.check(name, finding);
    let place = &config.location;
    let (who, credentials) = match (&config.credentials, key) {
        (BigQueryCredentials::Secret(_), Some(key)) => {
            ("a service account's key", Credentials::ServiceAccountKey(key.expose().to_owned()))
        }
        (BigQueryCredentials::ApplicationDefault { file }, _) => {
            ("Application Default Credentials", Credentials::ApplicationDefault { file: file.clone() })
        }
        (BigQueryCredentials::Secret(_) | BigQueryCredentials::Nobody, _) => {
            ("none, as BIGQUERY_ENDPOINT is an emulator", Credentials::Nobody)
        }
    };
    let connected = BigQueryInspector::connect(place.clone(), credentials);
    let inspector = match patience.hold(connected, silent).await {
        Ok(inspector) => inspector,
        Err(error) => {
            let rest = Finding::skipped("BigQuery cannot be asked without credentials");
            return vec![of("credentials", judge_credentials(&error)), of("everything else", rest)];
        }
    };
    let mut checks = vec![of("credentials", Finding::good(who))];
    let (location, jobs) = futures::join!(
        patience.hold(inspector.location(), silent),
        patience.hold(inspector.may_run_jobs(), silent),
    );
    let dataset = judge_dataset(place, &location);
    let is_elsewhere = dataset.status != Status::Good;
    checks.push(of("dataset", dataset));
    checks.push(of("jobs", judge_jobs(place, &jobs)));
    if !matches!(location, Ok(Some(_))) {
        checks.push(of("tables", Finding::skipped("the dataset could not be looked at")));
        return checks;
    }
    let look = async |table: WarehouseTable| {
        let facts = patience.hold(inspector.table(table), silent).await;
        let lacks = match &facts {
            Ok(TableFacts::Ours { .. }) => patience.hold(inspector.lacks_on(table), silent).await,
            _ => Ok(Vec::new()),
        };
        of(table.name(), judge_table(place, &facts, &lacks))
    };
    let (make, tables) = futures::join!(
        patience.hold(inspector.may_make_tables(), silent),
        join_all(WarehouseTable::ALL.map(look)),
    );
    let making = if jobs.is_err() {
        Finding::skipped("no job may be run")
    } else if is_elsewhere {
        Finding::skipped("jobs are run elsewhere than the dataset is")
    } else {
        judge_making(place, &make)
    };
    checks.push(of("making tables", making));
    checks.extend(tables);
    checks
}

fn judge_credentials(error: &BigQueryError) -> Finding {
    Finding::bad(
        error.to_string(),
        "give a service account's key by BIGQUERY_CREDENTIALS_SECRET_ID, or run: gcloud auth application-default login",
    )
}

fn judge_dataset(place: &BigQueryLocation, location: &Result<Option<String>, BigQueryError>) -> Finding {
    let BigQueryLocation { project, dataset, location: wanted, .. } = place;
    match location {
        Ok(None) => Finding::bad(
            format!("there is no dataset {dataset} in the project {project}"),
            format!("bq --location={wanted} mk --dataset {project}:{dataset}"),
        ),
        Ok(Some(told)) if told.eq_ignore_ascii_case(wanted) => {
            Finding::good(format!("{project}.{dataset} is in {told}"))
        }
        Ok(Some(told)) => Finding::bad(
            format!("it is in {told}, and jobs are run in {wanted}, where it is not found"),
            format!("set BIGQUERY_LOCATION to {told}"),
        ),
        Err(error) => Finding::bad(error.to_string(), reach(place, error, "roles/bigquery.dataEditor")),
    }
}

/// What to do where BigQuery does not do what it is asked to.
fn reach(place: &BigQueryLocation, error: &BigQueryError, role: &str) -> String {
    if matches!(error.kind, ErrorKind::Refused | ErrorKind::Unauthorized) {
        return format!(
            "grant it: gcloud projects add-iam-policy-binding {} --member=serviceAccount:NAME --role={role}",
            place.project
        );
    }
    let endpoint = place.endpoint.as_deref().unwrap_or("https://bigquery.googleapis.com");
    format!("check BIGQUERY_PROJECT, and that {endpoint} is reached from here")
}

fn judge_jobs(place: &BigQueryLocation, jobs: &Result<(), BigQueryError>) -> Finding {
    match jobs {
        Ok(()) => Finding::good("may be run: a dry run was accepted"),
        Err(error) => Finding::bad(error.to_string(), reach(place, error, "roles/bigquery.jobUser")),
    }
}

fn judge_making(place: &BigQueryLocation, make: &Result<(), BigQueryError>) -> Finding {
    match make {
        Ok(()) => Finding::good("is allowed: a dry run was accepted"),
        Err(error) => Finding::bad(
            format!("each sync makes a table to load into: {error}"),
            reach(place, error, "roles/bigquery.dataEditor"),
        ),
    }
}

fn judge_table(
    place: &BigQueryLocation,
    facts: &Result<TableFacts, BigQueryError>,
    lacks: &Result<Vec<&'static str>, BigQueryError>,
) -> Finding {
    let to_add = match facts {
        Ok(TableFacts::Ours { to_add }) => to_add,
        Ok(TableFacts::Absent) => return Finding::good("is not there yet; the first sync makes it"),
        Ok(TableFacts::Other(wrong)) => {
            return Finding::bad(
                wrong.join("; "),
                "rename it (ALTER TABLE … RENAME TO …), so that the next sync makes it anew, then backfill",
            );
        }
        Err(error) => {
            return Finding::bad(error.to_string(), reach(place, error, "roles/bigquery.dataEditor"));
        }
    };
    let columns = if to_add.is_empty() {
        "has the columns that are written".to_owned()
    } else {
        format!("lacks {}, which the next sync adds", to_add.join(", "))
    };
    match lacks {
        Ok(lacks) if lacks.is_empty() => Finding::good(columns),
        Ok(lacks) => {
            let refused = BigQueryError { kind: ErrorKind::Refused, message: String::new() };
            Finding::bad(
                format!("{columns}, but {} is not allowed", lacks.join(", ")),
                reach(place, &refused, "roles/bigquery.dataEditor"),
            )
        }
        Err(error) => Finding::warning(
            format!("{columns}; what may be done with it is not told: {error}"),
            "see that the account has roles/bigquery.dataEditor on the dataset",
        ),
    }
}

#[cfg(test)]
mod tests {
    use quiz_bigquery::{BigQueryError, BigQueryLocation, ErrorKind, TableFacts};

    use super::{judge_dataset, judge_jobs, judge_table, silent};
    use crate::doctor::check::Status;

    fn place() -> BigQueryLocation {
        let [project, dataset, location] = ["p", "assessments", "asia-south1"].map(str::to_owned);
        BigQueryLocation { project, dataset, location, endpoint: None }
    }

    fn refused() -> BigQueryError {
        BigQueryError { kind: ErrorKind::Refused, message: "BigQuery answered 403".into() }
    }

    #[test]
    fn a_dataset_is_where_jobs_are_run() {
        let judged = |location: Option<&str>| judge_dataset(&place(), &Ok(location.map(str::to_owned)));
        assert_eq!(judged(Some("ASIA-SOUTH1")).status, Status::Good);
        assert_eq!(judged(Some("US")).mend.as_deref(), Some("set BIGQUERY_LOCATION to US"));
        assert_eq!(
            judged(None).mend.as_deref(),
            Some("bq --location=asia-south1 mk --dataset p:assessments")
        );
        let away = judge_dataset(&place(), &Err(silent("no answer".into())));
        assert!(away.mend.unwrap().contains("https://bigquery.googleapis.com is reached"));
    }

    #[test]
    fn a_missing_permission_names_its_role() {
        let jobs = judge_jobs(&place(), &Err(refused())).mend.unwrap();
        assert!(jobs.contains("add-iam-policy-binding p ") && jobs.contains("roles/bigquery.jobUser"));
        let ours = Ok(TableFacts::Ours { to_add: Vec::new() });
        let table = judge_table(&place(), &ours, &Ok(vec!["bigquery.tables.updateData"]));
        assert_eq!(table.status, Status::Bad);
        assert!(table.found.contains("bigquery.tables.updateData is not allowed"));
        assert_eq!(judge_table(&place(), &ours, &Err(refused())).status, Status::Warning);
    }

    #[test]
    fn what_a_sync_makes_by_itself_is_good() {
        let judged = |facts| judge_table(&place(), &Ok(facts), &Ok(Vec::new()));
        assert_eq!(judged(TableFacts::Absent).status, Status::Good);
        assert_eq!(
            judged(TableFacts::Ours { to_add: vec!["rank"] }).found,
            "lacks rank, which the next sync adds"
        );
        let other = judged(TableFacts::Other(vec!["its column rank is STRING, not INT64".into()]));
        assert_eq!((other.status, &*other.found), (Status::Bad, "its column rank is STRING, not INT64"));
    }
}
