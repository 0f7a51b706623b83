//! `deploy/github-environment` with a stub of the command `gh`, which records its calls.

use std::os::unix::fs::PermissionsExt;

use crate::release::account::{Account, COMMIT};

/// Answers as GitHub does for an environment that `main` and all tags may deploy.
const GH: &str = r#"#!/bin/sh
printf '%s\n' "$*" >>"$(dirname "$0")/calls"
case "$*" in
  *"--input -"*) cat >>"$(dirname "$0")/calls" ;;
  *branch_policies*) printf '7 branch:main\n8 tag:*\n' ;;
  *users/*) echo 42 ;;
esac
"#;

#[tokio::test]
async fn github_environment_admits_one_branch() {
    let account = Account::create().await;
    let gh = account.commands_folder().join("gh");
    std::fs::write(&gh, GH).unwrap();
    std::fs::set_permissions(&gh, std::fs::Permissions::from_mode(0o755)).unwrap();
    let calls = gh.with_file_name("calls");
    let run = |arguments: &[&str]| {
        let said = account.script("github-environment", arguments);
        let made = std::fs::read_to_string(&calls).unwrap();
        std::fs::remove_file(&calls).unwrap();
        (said, made)
    };

    let (said, made) = run(&["staging", "OWNER/NAME", "branch:main", "G_Q"]);
    assert!(said.contains("removed the rule tag:*"), "{said}");
    let lines: Vec<&str> = made.lines().collect();
    assert_eq!(lines[0], "api --method PUT repos/OWNER/NAME/environments/staging --input -", "{made}");
    assert!(
        made.contains("\"custom_branch_policies\": true"),
        "no branch deploys before it has a rule: {made}"
    );
    assert!(
        made.contains("--method DELETE repos/OWNER/NAME/environments/staging/deployment-branch-policies/8")
    );
    assert!(!made.contains("--method POST") && !made.contains("policies/7"), "main has its rule: {made}");
    assert!(
        made.contains(
            "variable set AWS_DEPLOY_ROLE_ARN --repo OWNER/NAME --env staging --body arn:aws:iam::"
        )
    );
    assert!(
        made.contains("variable set CANARY_SESSION --repo OWNER/NAME --env staging --body G_Q"),
        "{made}"
    );

    let (said, made) = run(&["staging", "OWNER/NAME", "tag:v*", "G_Q", "anita"]);
    assert!(said.contains("removed the rule branch:main"), "{said}");
    assert!(made.contains("\"id\": 42"), "{made}");
    assert!(made.contains("deployment-branch-policies -f name=v* -f type=tag"), "{made}");

    let wrong = account.failing_script("github-environment", &["staging", "OWNER/NAME", "main", COMMIT]);
    assert!(wrong.contains("usage: deploy/github-environment"), "{wrong}");
}
