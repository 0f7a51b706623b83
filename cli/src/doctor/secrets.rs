use aws_config::SdkConfig;
use quiz_lambda::{Secret, SecretError, SecretSource};

use crate::doctor::check::{Check, Finding, Group};
use crate::doctor::patience::Patience;

/// A secret that was looked for.
pub enum Found {
    Here(Secret),
    /// Why it is not, as it goes on after "because".
    Not(String),
}

/// Reads a secret and keeps it to itself. One that the environment gives as it is needs no check. `variable` is
/// the one that holds its id; `aws` is `None` where AWS cannot be asked.
pub async fn read(
    variable: &str,
    source: &SecretSource,
    aws: Option<&SdkConfig>,
    patience: Patience,
) -> (Option<Check>, Found) {
    let id = match source {
        SecretSource::Given(secret) => return (None, Found::Here(secret.clone())),
        SecretSource::ById(id) => id,
    };
    let not = |finding| {
        let because = format!("the secret of {variable} could not be read");
        (Some(Group::Secrets.check(variable, finding)), Found::Not(because))
    };
    if !is_id(id) {
        return not(Finding::bad(
            "it holds no id of a secret; it is not shown, as it may be the secret itself",
            format!(
                "put that into Secrets Manager, and its name into {variable}: aws secretsmanager create-secret \
                 --name NAME --secret-string file://FILE"
            ),
        ));
    }
    let Some(aws) = aws else { return not(Finding::skipped("AWS cannot be asked")) };
    let silent = |cause: String| SecretError::Unreadable { id: id.clone(), cause };
    match patience.hold(source.resolve(aws), silent).await {
        Ok(secret) => {
            let finding = Finding::good(format!("{id} can be read, and holds a text"));
            (Some(Group::Secrets.check(variable, finding)), Found::Here(secret))
        }
        Err(error) => not(judge(id, &error)),
    }
}

/// Whether it reads like the name or the ARN of a secret, and not like a URL, a key or Discord's token.
fn is_id(text: &str) -> bool {
    let name = if text.starts_with("arn:") { text.replace(':', "") } else { text.to_owned() };
    let is_token = text.split('.').count() == 3 && text.len() > 50;
    !is_token && name.chars().all(|it| it.is_ascii_alphanumeric() || "/_+=.@-!".contains(it))
}

fn judge(id: &str, error: &SecretError) -> Finding {
    match error {
        SecretError::NoText { .. } => Finding::bad(
            format!("{id} holds no text"),
            format!("aws secretsmanager put-secret-value --secret-id {id} --secret-string file://FILE"),
        ),
        SecretError::Unreadable { cause, .. } if cause.contains("ResourceNotFoundException") => Finding::bad(
            format!("there is no secret {id} in this account and region"),
            format!(
                "correct its id, or make it: aws secretsmanager create-secret --name {id} --secret-string file://FILE"
            ),
        ),
        SecretError::Unreadable { cause, .. } if cause.contains("AccessDenied") => Finding::bad(
            format!("{id} may not be read"),
            format!("allow yourself secretsmanager:GetSecretValue on {id}, and kms:Decrypt on its key"),
        ),
        SecretError::Unreadable { cause, .. } => Finding::bad(
            format!("{id} could not be read: {cause}"),
            "check the network and AWS_ENDPOINT_URL, then run this again",
        ),
    }
}

#[cfg(test)]
mod tests {
    use quiz_lambda::{Secret, SecretError, SecretSource};

    use super::{Found, is_id, judge, read};
    use crate::doctor::check::Status;
    use crate::doctor::patience::Patience;

    const PATIENCE: Patience = Patience(std::time::Duration::from_secs(1));

    #[test]
    fn a_secret_that_is_not_there_is_made_by_the_command_that_is_told() {
        let unreadable =
            |cause: &str| judge("key", &SecretError::Unreadable { id: "key".into(), cause: cause.into() });
        let absent =
            unreadable("ResourceNotFoundException: Secrets Manager can't find the specified secret.");
        assert_eq!(absent.found, "there is no secret key in this account and region");
        assert!(absent.mend.unwrap().contains("create-secret --name key "));
        let denied = unreadable("AccessDeniedException: not authorized to perform GetSecretValue");
        assert!(denied.mend.unwrap().contains("secretsmanager:GetSecretValue on key"));
        let away = unreadable("dispatch failure: refused");
        assert_eq!(away.found, "key could not be read: dispatch failure: refused");
        let empty = judge("key", &SecretError::NoText { id: "key".into() });
        assert!(empty.mend.unwrap().contains("put-secret-value --secret-id key "));
    }

    #[tokio::test]
    async fn a_secret_that_is_given_needs_no_aws() {
        let source = SecretSource::Given(Secret::new("hunter2".into()));
        let (check, found) = read("URI", &source, None, PATIENCE).await;
        assert!(check.is_none() && matches!(found, Found::Here(_)));
    }

    #[tokio::test]
    async fn a_secret_in_place_of_its_id_is_not_shown() {
        for id in
            ["quiz/mongodb-uri", "arn:aws:secretsmanager:ap-south-1:111122223333:secret:quiz/uri-AbCdEf"]
        {
            assert!(is_id(id), "{id}");
        }
        let token = format!("{}.hunter.{}", "a".repeat(26), "b".repeat(38));
        for secret in ["mongodb://user:hunter2@host", r#"{"private_key": "hunter2"}"#, &token] {
            let (check, found) = read("VARIABLE", &SecretSource::ById(secret.into()), None, PATIENCE).await;
            let Found::Not(because) = found else { panic!("{secret} is no id") };
            let check = check.unwrap();
            assert_eq!((check.finding.status, &*check.name), (Status::Bad, "VARIABLE"));
            assert!(!format!("{check:?} {because}").contains("hunter"), "{check:?}");
        }
    }
}
