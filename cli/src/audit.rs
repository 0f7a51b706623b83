//! Records who acts on a deployment, when and why, before the action begins.
//!
//! An action that changes something publishes the notice `operator.acted`, and is refused if SNS does not accept the
//! notice. So no action is without its record; a record may exist without its action, if the command ends in between.
//! `notify-discord` writes the notice to its log, which is the record, and shows it on Discord.
//! Reading verbs and dry runs publish nothing.

use anyhow::{Context, anyhow};
use aws_config::SdkConfig;
use aws_sdk_sts::operation::get_caller_identity::builders::GetCallerIdentityFluentBuilder;
use clap::Args;
use jiff::Timestamp;
use quiz_events::{Notice, NoticeKind, OperatorActed};
use quiz_lambda::aws::error_cause;
use quiz_lambda::{Commit, Environment};
use quiz_sns_sqs::SnsNotices;

use crate::ui::{Interrupt, Question, Terminal, WrongUse, clean, cut, line};

/// How many test sessions a notice names.
const SESSIONS: usize = 5;
/// The most characters of an id or a target in a notice, so that the notice fits into an SNS message.
const LONGEST: usize = 500;

/// Who acts, and why.
#[derive(Clone, Debug, Default, Args)]
#[command(next_help_heading = "Audit")]
pub struct AuditArgs {
    /// The reason; shown in the log and on Discord. Name no student.
    #[arg(long, value_name = "TEXT", value_parser = reason)]
    pub reason: Option<String>,
    /// The name of the requester; without it, the environment variable USER.
    #[arg(long, value_name = "NAME")]
    pub requested_by: Option<String>,
}

impl AuditArgs {
    /// The requester: the name on the command line, else the variable `USER`.
    #[must_use]
    pub fn requester(&self) -> Option<String> {
        let given = self.requested_by.clone().or_else(|| std::env::var("USER").ok());
        given.filter(|name| !name.is_empty())
    }

    /// The given reason, or the answer to a question on the terminal.
    ///
    /// # Errors
    /// [`WrongUse`] without a reason and without a terminal to ask on; an empty answer, or Ctrl-C.
    pub async fn require_reason(&self, terminal: Terminal, interrupt: &Interrupt) -> anyhow::Result<String> {
        if let Some(reason) = &self.reason {
            return Ok(reason.clone());
        }
        let text = "Give the reason, which the log and Discord show; name no student.".to_owned();
        let question = Question { text, hint: "", option: "--reason" };
        let answer = line(terminal, question, interrupt).await?;
        let answer = answer.ok_or_else(|| anyhow!("stopped: nothing was changed"))?;
        reason(&answer).map_err(|error| WrongUse(error).into())
    }
}

fn reason(text: &str) -> Result<String, String> {
    let reason = text.trim();
    if reason.is_empty() { Err("give the reason in a few words".to_owned()) } else { Ok(reason.to_owned()) }
}

/// An action before it begins.
#[derive(Clone, Debug)]
pub struct Action {
    /// One of the names in [`OperatorActed`].
    pub name: &'static str,
    pub by: Option<String>,
    pub reason: Option<String>,
    /// The target in words, without a student's id.
    pub target: String,
    /// The number of test sessions, messages or students in the target.
    pub count: usize,
    /// The test sessions of the target; the notice names the first ones.
    pub session_ids: Vec<String>,
}

/// The topic of notices, for an operator's actions.
pub struct Audit {
    aws: SdkConfig,
    topic: String,
}

impl Audit {
    #[must_use]
    pub fn new(aws: &SdkConfig, topic: String) -> Self {
        Self { aws: aws.clone(), topic }
    }

    /// Reads the topic from the environment; reports a missing one as a problem.
    pub fn require_topic(env: &mut Environment) -> String {
        let topic = env.optional("NOTICES_TOPIC_ARN");
        if topic.is_none() {
            env.problem(
                "NOTICES_TOPIC_ARN must be set: the command records there who acts, and why".to_owned(),
            );
        }
        topic.unwrap_or_default()
    }

    /// Publishes the action. The caller begins the action only if this succeeds.
    ///
    /// # Errors
    /// STS does not say who calls, or the topic does not accept the notice; the text says that nothing was changed.
    pub async fn record(&self, action: Action) -> anyhow::Result<()> {
        const REFUSED: &str = "nothing was changed, because the action cannot be recorded";
        let identity = get_identity(&self.aws).send().await;
        let identity =
            identity.map_err(|error| anyhow!("STS does not say who calls: {}", error_cause(&error)));
        let identity =
            identity.context(REFUSED)?.arn.context("STS answers without an ARN").context(REFUSED)?;
        let at = Timestamp::now();
        let id = format!("acted:{}:{}:{:08x}", action.name, at.as_millisecond(), fastrand::u32(..));
        let notice = Notice::new(id, at, NoticeKind::OperatorActed(acted(&action, identity)));
        let sns = aws_sdk_sns::Client::new(&self.aws);
        let topic = SnsNotices::new(sns, self.topic.clone(), Commit::from_process().hash());
        topic.publish_one(notice).await.context(REFUSED)
    }
}

/// Asks STS for the identity behind the credentials. The call needs no permission.
pub fn get_identity(aws: &SdkConfig) -> GetCallerIdentityFluentBuilder {
    aws_sdk_sts::Client::new(aws).get_caller_identity()
}

fn acted(action: &Action, identity: String) -> OperatorActed {
    let shortened = |text: &str| cut(&clean(text), LONGEST);
    OperatorActed {
        action: action.name.to_owned(),
        by: action.by.as_deref().map(shortened),
        identity,
        reason: action.reason.as_deref().map(|reason| cut(&clean(reason), 4 * LONGEST)),
        target: shortened(&action.target),
        count: u64::try_from(action.count).unwrap_or(u64::MAX),
        session_ids: action.session_ids.iter().take(SESSIONS).map(|id| shortened(id)).collect(),
        version: crate::version().to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::{Action, acted, reason};

    #[test]
    fn notice_of_a_large_action_stays_small() {
        let long = "x".repeat(100_000);
        let action = Action {
            name: "replay",
            by: Some("olivia\u{202e}".into()),
            reason: Some(long.clone()),
            target: long.clone(),
            count: 12,
            session_ids: vec![long; 12],
        };
        let acted = acted(&action, "arn:aws:iam::1:user/olivia".into());
        assert_eq!((acted.count, acted.session_ids.len()), (12, 5));
        assert_eq!(acted.by.as_deref(), Some("olivia\u{fffd}"));
        let size = serde_json::to_string(&acted).unwrap().len();
        assert!(size < 10_000, "{size}");
    }

    #[test]
    fn blank_reason_is_refused() {
        assert_eq!(reason(" a test "), Ok("a test".to_owned()));
        assert!(reason(" \t").is_err());
    }
}
