//! `deploy/release` with the real SAM CLI on the local AWS: the stack gets the values of the parameter file, and the
//! defaults for all other parameters.

mod account;
mod parameters;

use account::Account;

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
