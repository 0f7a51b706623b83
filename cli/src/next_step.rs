//! What to do about an error that a service or a driver words for programmers.

use anyhow::anyhow;

/// What is wrong, and the next step.
type Meaning = (&'static str, &'static str);

const REFUSED: Meaning = ("AWS refuses the credentials", "run aws sso login, or set AWS_PROFILE");
const SIGN_IN: Meaning = ("MongoDB refuses the sign-in", "check user and password in MONGODB_URI");
const SERVER: Meaning = (
    "no server of the MongoDB URI answers",
    "check MONGODB_URI, that the server runs, and that it lets this machine in",
);

/// Codes and words of the services, and what they mean to a person.
const MEANINGS: [(&str, Meaning); 10] = [
    ("ExpiredToken", REFUSED),
    ("RequestExpired", REFUSED),
    ("UnrecognizedClientException", REFUSED),
    ("InvalidClientTokenId", REFUSED),
    ("SignatureDoesNotMatch", REFUSED),
    ("InvalidSignatureException", REFUSED),
    ("IncompleteSignature", REFUSED),
    ("SCRAM failure", SIGN_IN),
    ("Authentication failed", SIGN_IN),
    ("Server selection timeout", SERVER),
];

/// What the error means and what to do next, in place of the service's words; the error itself where they are not known.
pub fn explained(error: anyhow::Error) -> anyhow::Error {
    let text = format!("{error:#}");
    let known = MEANINGS.iter().find(|(word, _)| text.contains(word));
    known.map_or(error, |(word, (wrong, next_step))| anyhow!("{wrong} ({word}): {next_step}"))
}

#[cfg(test)]
mod tests {
    use crate::ui::WrongUse;
    use anyhow::{Context, anyhow};

    use super::explained;

    #[test]
    fn known_cause_comes_with_its_next_step() {
        let error = |text: &str| format!("{:#}", explained(anyhow!("{text}").context("cannot read table t")));
        assert_eq!(
            error("UnrecognizedClientException: The security token is invalid."),
            "AWS refuses the credentials (UnrecognizedClientException): run aws sso login, or set AWS_PROFILE"
        );
        assert_eq!(
            error(
                "Server selection timeout: No available servers. Topology: { Type: Unknown, Servers: [ { } ] }"
            ),
            "no server of the MongoDB URI answers (Server selection timeout): check MONGODB_URI, that the server runs, \
             and that it lets this machine in"
        );
        assert_eq!(
            error("SCRAM failure: Authentication failed."),
            "MongoDB refuses the sign-in (SCRAM failure): check user and password in MONGODB_URI"
        );
    }

    #[test]
    fn other_error_stays_as_it_is() {
        let wrong: anyhow::Result<()> = Err(WrongUse("say which".to_owned()).into());
        let error = explained(wrong.context("no").err().unwrap());
        assert!(error.downcast_ref::<WrongUse>().is_some());
        assert_eq!(format!("{error:#}"), "no: say which");
    }
}
