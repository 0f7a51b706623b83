//! `deploy/release` with the real AWS CLI on the local AWS: the stack gets the values of the parameter file, and the
//! defaults for all other parameters.

mod account;
mod github;
mod parameters;

use std::collections::BTreeSet;

use account::Account;
use quiz_e2e::TABLES;

#[tokio::test]
async fn removing_the_pause_resumes() {
    let account = Account::create().await;
    account.release();
    account.wait_for_mappings("Enabled").await;
    let running = account.parameters().await;
    assert_eq!(running.keys().collect::<Vec<_>>(), account::parameter_names().iter().collect::<Vec<_>>());

    account.set_parameters("ConsumeEvents: false\n");
    account.release();
    account.wait_for_mappings("Disabled").await;
    assert_eq!(account.schedules(), ["DISABLED"; 2]);
    let mut paused = account.parameters().await;
    assert_eq!(paused.insert("ConsumeEvents".to_owned(), "true".to_owned()).as_deref(), Some("false"));
    assert_eq!(paused, running, "a pause makes no new version of a function");
    let canary = account.script("smoke-test", &["staging", account::COMMIT, "G_Q"]);
    assert!(canary.contains("staging is paused"), "{canary}");

    account.set_parameters("");
    account.release();
    account.wait_for_mappings("Enabled").await;
    assert_eq!(account.schedules(), ["ENABLED"; 2]);
    assert_eq!(account.parameters().await, running);

    let before = account.last_change().await;
    let output = account.release();
    assert!(output.contains("No changes to deploy"), "{output}");
    assert_eq!(account.last_change().await, before);
    account.wait_for_mappings("Enabled").await;
    assert!(!account.has_leftovers(), "deploy/release removes its file of parameters");
}

/// The tables of a stack with this prefix.
fn tables(prefix: &str) -> BTreeSet<String> {
    TABLES.iter().map(|name| format!("{prefix}{name}")).collect()
}

#[tokio::test]
async fn change_that_loses_a_table_is_refused() {
    let account = Account::create().await;
    account.release();
    let own = tables("quiz-etl-staging-");
    assert_eq!(account.tables(), own);
    let deployed = account.parameters().await;

    account.update_foundation("quiz-etl-foundation", &["Environment=staging", "TablePrefix=none"]);
    let refusal = account.failing_script("release", &["staging", account::COMMIT]);
    assert!(refusal.contains("would remove or replace"), "{refusal}");
    for table in ["ReportsTable", "ReportsV2Table", "FormResponsesTable", "SyncStateTable"] {
        assert!(refusal.contains(table), "{refusal}");
    }
    assert_eq!(account.tables(), own);
    assert_eq!(account.parameters().await, deployed);

    account.script("release", &["staging", account::COMMIT, "--allow-table-changes"]);
    let kept = own.iter().filter(|name| !name.ends_with("_memory") && !name.ends_with("_snapshots")).cloned();
    assert_eq!(account.tables(), &tables("") | &kept.collect(), "the old tables stay");
}

#[tokio::test]
async fn two_environments_share_an_account() {
    let account = Account::create().await;
    account.update_foundation("quiz-etl-foundation", &["Environment=staging", "TablePrefix=none"]);
    account.release();
    let own = ["Environment=dev-anita", "NameSuffix=-dev-anita", "TablePrefix=anita-"];
    account.deploy_foundation("quiz-etl-dev-anita-foundation", &own).await;
    account.set_parameters_of("dev-anita", "ReconcileMinutes: 5\n");
    account.script("release", &["dev-anita", account::COMMIT]);
    assert_eq!(account.tables(), &tables("") | &tables("anita-"));
    let unknown = account.failing_script("release", &["dev-ravi", account::COMMIT]);
    assert!(unknown.contains("have no foundation of dev-ravi"), "{unknown}");
}

#[tokio::test]
async fn failed_creation_leaves_no_tables() {
    let account = Account::create().await;
    let template = account.break_template();
    let failure = account.failing_script("release", &["staging", account::COMMIT]);
    assert!(failure.contains("Fails\t"), "{failure}");
    assert_eq!(account.tables(), BTreeSet::new());
    let again = account.failing_script("release", &["staging", account::COMMIT]);
    assert!(again.contains("delete the stack"), "{again}");

    account.set_template(&template);
    account.aws(&["cloudformation", "delete-stack", "--stack-name", "quiz-etl-staging"]);
    account.release();
    assert_eq!(account.tables(), tables("quiz-etl-staging-"));
    let protected =
        ["dynamodb", "describe-table", "--query", "Table.DeletionProtectionEnabled", "--table-name"];
    for (table, expected) in [("student_quiz_reports", "true"), ("quiz_snapshots", "false")] {
        let said = account.aws(&[&protected[..], &[&format!("quiz-etl-staging-{table}")]].concat());
        assert_eq!(said.trim(), expected, "{table}");
    }
}
