//! Translates errors of services and drivers into a cause and a next step for operators.

use anyhow::anyhow;

/// The cause and the next step.
type Meaning = (&'static str, &'static str);

const REFUSED: Meaning = ("AWS refuses the credentials", "run aws sso login, or set AWS_PROFILE");
const CLOCK: Meaning = ("this machine's clock is wrong", "set the clock, or turn on NTP");
const SIGN_IN: Meaning = ("MongoDB refuses the sign-in", "check user and password in MONGODB_URI");
const SERVER: Meaning = (
    "no server of the MongoDB URI answers",
    "check MONGODB_URI, that the server runs, and that its network access list has this machine",
);

/// Codes and words in errors of the services, and their meaning for a person.
const MEANINGS: [(&str, Meaning); 12] = [
    ("Signature expired", CLOCK),
    ("Signature not yet current", CLOCK),
    ("RequestExpired", CLOCK),
    ("ExpiredToken", REFUSED),
    ("UnrecognizedClientException", REFUSED),
    ("InvalidClientTokenId", REFUSED),
    ("SignatureDoesNotMatch", REFUSED),
    ("InvalidSignatureException", REFUSED),
    ("IncompleteSignature", REFUSED),
    ("SCRAM failure", SIGN_IN),
    ("Authentication failed", SIGN_IN),
    ("Server selection timeout", SERVER),
];

/// The most characters of the original error after its meaning: a driver's error can fill pages.
const MOST_SHOWN: usize = 200;

/// The meaning of a known error with its next step, then the original text; any other error stays as it is.
pub fn explained(error: anyhow::Error) -> anyhow::Error {
    let text = format!("{error:#}");
    let known = MEANINGS.iter().find(|(word, _)| text.contains(word));
    known.map_or(error, |(_, (wrong, next_step))| {
        let mut words: String = text.chars().take(MOST_SHOWN).collect();
        if words.len() < text.len() {
            words.push('…');
        }
        anyhow!("{wrong}: {next_step} ({words})")
    })
}

#[cfg(test)]
mod tests {
    use crate::ui::WrongUse;
    use anyhow::{Context, anyhow};

    use super::explained;

    #[test]
    fn known_error_comes_with_its_next_step() {
        let error = |text: &str| format!("{:#}", explained(anyhow!("{text}").context("cannot read table t")));
        assert_eq!(
            error("UnrecognizedClientException: The security token is invalid."),
            "AWS refuses the credentials: run aws sso login, or set AWS_PROFILE \
             (cannot read table t: UnrecognizedClientException: The security token is invalid.)"
        );
        assert_eq!(
            error(
                "Server selection timeout: No available servers. Topology: { Type: Unknown, Servers: [ { } ] }"
            ),
            "no server of the MongoDB URI answers: check MONGODB_URI, that the server runs, and that its network access list has this machine \
             (cannot read table t: Server selection timeout: No available servers. Topology: { Type: Unknown, Servers: [ { } ] })"
        );
        assert_eq!(
            error("SCRAM failure: Authentication failed."),
            "MongoDB refuses the sign-in: check user and password in MONGODB_URI \
             (cannot read table t: SCRAM failure: Authentication failed.)"
        );
        let clock = error(
            "InvalidSignatureException: Signature expired: 20261130T10 is now earlier than 20261130T11",
        );
        assert!(clock.starts_with("this machine's clock is wrong: "), "{clock}");
    }

    #[test]
    fn unknown_error_stays_as_it_is() {
        let wrong: anyhow::Result<()> = Err(WrongUse("name a sink".to_owned()).into());
        let error = explained(wrong.context("no").err().unwrap());
        assert!(error.downcast_ref::<WrongUse>().is_some());
        assert_eq!(format!("{error:#}"), "no: name a sink");
    }
}
