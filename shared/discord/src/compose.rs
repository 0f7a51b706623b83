use quiz_events::{
    Alarm, MessagesDropped, MessagesParked, Notice, NoticeKind, NoticeMessage, OtherMessage, SyncFailed,
};

use crate::card::{Card, Severity};
use crate::digest::digest;
use crate::limits::{EMBEDS, MESSAGE};
use crate::next_step::{next_step, replay, shell_word};
use crate::operator::operator_card;
use crate::post::Post;
use crate::reconciled::{requested_card, unknown_quizzes_card};
use crate::senders::Senders;
use crate::session::{SessionNotices, group_by_session};
use crate::text::{ago, counted, plain};
use crate::updates::updates;

/// How many error codes of dropped messages the card lists.
const CODES: usize = 10;
/// Up to so many test sessions have a card each; of more, those without a problem have a line each.
const IN_FULL: usize = EMBEDS;

/// Composes a batch into as few messages as Discord's limits allow, failures first.
#[must_use]
pub fn compose(messages: &[NoticeMessage]) -> Vec<Post> {
    let notices: Vec<Notice> = messages
        .iter()
        .filter_map(|message| match message {
            NoticeMessage::Notice(notice) => Some((**notice).clone()),
            _ => None,
        })
        .collect();
    let mut posts = updates(&notices);
    let (quiet, mut loud): (Vec<SessionNotices<'_>>, Vec<SessionNotices<'_>>) =
        group_by_session(&notices).into_iter().partition(SessionNotices::is_quiet);
    let mut listed = Vec::new();
    if quiet.len() + loud.len() > IN_FULL {
        listed = digest(&quiet);
    } else {
        loud.extend(quiet);
    }
    let mut cards: Vec<Card> = messages.iter().filter_map(own_card).collect();
    cards.extend(loud.iter().enumerate().map(|(number, session)| session.card(number)));
    cards.extend(listed);
    cards.extend(unknown_quizzes_card(&notices));
    cards.sort_by_key(|card| match card.severity {
        Severity::Failure => 0,
        Severity::Warning => 1,
        Severity::Info => 2,
        Severity::Success => 3,
    });
    posts.extend(pack(cards));
    posts
}

/// Puts the cards into messages, in their order.
fn pack(cards: Vec<Card>) -> Vec<Post> {
    let mut posts: Vec<Post> = Vec::new();
    let mut used = 0;
    for card in cards.into_iter().map(Card::fitted) {
        let size = card.size();
        let fits = |post: &Post| post.embeds.len() < EMBEDS && used + size <= MESSAGE;
        if !posts.last().is_some_and(fits) {
            posts.push(Post { embeds: Vec::new(), pictures: Vec::new(), notices: Vec::new(), update: None });
            used = 0;
        }
        used += size;
        if let Some(post) = posts.last_mut() {
            post.embeds.push(card.embed());
            post.pictures.extend(card.picture);
            post.notices.extend(card.notices);
        }
    }
    posts
}

/// The card of a message that shares its card with no other.
fn own_card(message: &NoticeMessage) -> Option<Card> {
    match message {
        NoticeMessage::Alarm(alarm) => Some(alarm_card(alarm)),
        NoticeMessage::Other(other) => Some(other_card(other)),
        NoticeMessage::Notice(notice) => match &notice.kind {
            NoticeKind::MessagesParked(parked) => Some(parked_card(notice, parked)),
            NoticeKind::MessagesDropped(dropped) => Some(dropped_card(notice, dropped)),
            NoticeKind::OperatorActed(acted) => operator_card(notice, acted),
            NoticeKind::SyncsRequested(requested) => Some(requested_card(notice, requested)),
            NoticeKind::SyncFailed(failed) if failed.session_ids.len() != 1 => {
                Some(failed_card(notice, failed))
            }
            _ => None,
        },
    }
}

fn parked_card(notice: &Notice, parked: &MessagesParked) -> Card {
    let messages = counted(parked.messages, "message");
    let steps = [
        "A retry cannot help.".to_owned(),
        "Fix the sender and publish again: docs/RUNBOOK.md, error-codes".to_owned(),
        format!("`quiz-etl dlq list --code {}` shows the messages.", shell_word(&parked.error_code, "CODE")),
    ];
    Card {
        severity: Severity::Warning,
        title: format!("{messages} parked by {}", parked.sink),
        description: format!(
            "{}\nparked with the cause {} {}",
            plain(&parked.error, 900),
            plain(&parked.error_code, 60),
            ago(notice.at)
        ),
        fields: vec![next_step(&steps)],
        picture: None,
        notices: vec![notice.id.clone()],
        senders: Senders::of([notice]),
    }
}

fn dropped_card(notice: &Notice, dropped: &MessagesDropped) -> Card {
    let mut codes: Vec<String> = dropped.error_codes.iter().take(CODES).map(|code| plain(code, 60)).collect();
    let more = u64::try_from(dropped.error_codes.len().saturating_sub(CODES)).unwrap_or_default();
    codes.extend((more > 0).then(|| format!("and {}", counted(more, "more cause"))));
    let by = dropped.requested_by.as_deref().map(|person| format!(" by {}", plain(person, 100)));
    let mut lines = vec![
        format!("reason: {}", plain(&dropped.reason, 900)),
        format!("dropped{} {}", by.unwrap_or_default(), ago(notice.at)),
    ];
    lines.extend((!codes.is_empty()).then(|| format!("parked with: {}", codes.join(", "))));
    let step = "Dropped messages are gone. If a test session needs one, run `quiz-etl sync SESSION`: \
                docs/RUNBOOK.md, sync-one-test-session-again";
    Card {
        severity: Severity::Warning,
        title: format!(
            "{} dropped from {}",
            counted(dropped.messages, "message"),
            plain(&dropped.queue, 100)
        ),
        description: lines.join("\n"),
        fields: vec![next_step(&[step.to_owned()])],
        picture: None,
        notices: vec![notice.id.clone()],
        senders: Senders::of([notice]),
    }
}

/// One failure of several test sessions.
fn failed_card(notice: &Notice, failed: &SyncFailed) -> Card {
    let sessions = counted(u64::try_from(failed.session_ids.len()).unwrap_or_default(), "test session");
    let names: Vec<String> = failed.session_ids.iter().take(20).map(|id| plain(id, 80)).collect();
    let choice = format!("--code {}", shell_word(&failed.error_code, "CODE"));
    Card {
        severity: Severity::Failure,
        title: format!("{} FAILED for {sessions}", failed.sink),
        description: format!(
            "{}\n{} parked ({}) {}\n{}",
            plain(&failed.error, 900),
            counted(failed.messages, "message"),
            plain(&failed.error_code, 60),
            ago(notice.at),
            names.join("\n")
        ),
        fields: vec![next_step(&[replay(&failed.error_code, &choice)])],
        picture: None,
        notices: vec![notice.id.clone()],
        senders: Senders::of([notice]),
    }
}

fn alarm_card(alarm: &Alarm) -> Card {
    let (severity, state) = match alarm.state.as_str() {
        "ALARM" => (Severity::Failure, "alarm"),
        "OK" => (Severity::Success, "recovered"),
        _ => (Severity::Info, "no data"),
    };
    let mut lines = Vec::new();
    lines.extend(alarm.description.as_deref().map(|text| plain(text, 900)));
    lines.push(plain(&alarm.reason, 900));
    lines.extend(alarm.region.as_deref().map(|region| plain(region, 80)));
    lines.extend(alarm.at.map(ago));
    Card {
        severity,
        title: format!("{}: {state}", plain(&alarm.name, 200)),
        description: lines.join("\n"),
        fields: Vec::new(),
        picture: None,
        notices: vec![alarm.id.clone()],
        senders: Senders::default(),
    }
}

fn other_card(other: &OtherMessage) -> Card {
    let lines: Vec<String> = other.text.lines().map(|line| plain(line, 400)).collect();
    Card {
        severity: Severity::Info,
        title: plain(other.subject.as_deref().unwrap_or("A message"), 200),
        description: lines.join("\n"),
        fields: Vec::new(),
        picture: None,
        notices: vec![other.id.clone()],
        senders: Senders::default(),
    }
}
