use quiz_events::{
    Alarm, MessagesDropped, MessagesParked, Notice, NoticeKind, NoticeMessage, OtherMessage, SyncFailed,
};

use crate::card::{Card, Outcome};
use crate::digest::digest;
use crate::limits::{EMBEDS, MESSAGE};
use crate::post::Post;
use crate::reconciled::{of_requested, of_unknown};
use crate::senders::Senders;
use crate::tests_of_batch::{OfTest, by_test};
use crate::text::{ago, counted, plain};
use crate::updates::updates;

/// So many causes of dropped messages are told.
const CODES: usize = 10;
/// So many tests of a batch are told in full; when there are more, those without a problem have a line each.
const IN_FULL: usize = EMBEDS;

/// Makes of a batch as few messages as Discord's limits allow: what is bad first.
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
    let (quiet, mut loud): (Vec<OfTest<'_>>, Vec<OfTest<'_>>) =
        by_test(&notices).into_iter().partition(OfTest::is_quiet);
    let mut listed = Vec::new();
    if quiet.len() + loud.len() > IN_FULL {
        listed = digest(&quiet);
    } else {
        loud.extend(quiet);
    }
    let mut cards: Vec<Card> = messages.iter().filter_map(of_message).collect();
    cards.extend(loud.iter().enumerate().map(|(number, test)| test.card(number)));
    cards.extend(listed);
    cards.extend(of_unknown(&notices));
    cards.sort_by_key(|card| match card.outcome {
        Outcome::Bad => 0,
        Outcome::Odd => 1,
        Outcome::News => 2,
        Outcome::Good => 3,
    });
    posts.extend(pack(cards));
    posts
}

/// Cards into messages, in their order.
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

/// What has a card of its own.
fn of_message(message: &NoticeMessage) -> Option<Card> {
    match message {
        NoticeMessage::Alarm(alarm) => Some(of_alarm(alarm)),
        NoticeMessage::Other(other) => Some(of_other(other)),
        NoticeMessage::Notice(notice) => match &notice.kind {
            NoticeKind::MessagesParked(parked) => Some(of_parked(notice, parked)),
            NoticeKind::MessagesDropped(dropped) => Some(of_dropped(notice, dropped)),
            NoticeKind::SyncsRequested(requested) => Some(of_requested(notice, requested)),
            NoticeKind::SyncFailed(failed) if failed.session_ids.len() != 1 => {
                Some(of_failed(notice, failed))
            }
            _ => None,
        },
    }
}

fn of_parked(notice: &Notice, parked: &MessagesParked) -> Card {
    let messages = counted(parked.messages, "message");
    Card {
        outcome: Outcome::Odd,
        title: format!("{messages} parked by {}", parked.sink),
        description: format!(
            "{}\nThe dead-letter queue has them, with the cause ({}) {}. They can never succeed as they are: mend \
             the sender, or publish them anew.",
            plain(&parked.error, 900),
            plain(&parked.error_code, 60),
            ago(notice.at)
        ),
        fields: Vec::new(),
        picture: None,
        notices: vec![notice.id.clone()],
        senders: Senders::of([notice]),
    }
}

fn of_dropped(notice: &Notice, dropped: &MessagesDropped) -> Card {
    let mut codes: Vec<String> = dropped.error_codes.iter().take(CODES).map(|it| plain(it, 60)).collect();
    let more = u64::try_from(dropped.error_codes.len().saturating_sub(CODES)).unwrap_or_default();
    codes.extend((more > 0).then(|| format!("and {}", counted(more, "more cause"))));
    let by = dropped.requested_by.as_deref().map(|it| format!(" by {}", plain(it, 100)));
    let mut lines = vec![
        format!("because: {}", plain(&dropped.reason, 900)),
        format!("dropped{} {}", by.unwrap_or_default(), ago(notice.at)),
    ];
    lines.extend((!codes.is_empty()).then(|| format!("they lay there with: {}", codes.join(", "))));
    lines
        .push("They are gone. Where a test waits for them, `quiz-etl sync SESSION` does it anew.".to_owned());
    Card {
        outcome: Outcome::Odd,
        title: format!(
            "{} dropped from {}",
            counted(dropped.messages, "message"),
            plain(&dropped.queue, 100)
        ),
        description: lines.join("\n"),
        fields: Vec::new(),
        picture: None,
        notices: vec![notice.id.clone()],
        senders: Senders::of([notice]),
    }
}

fn of_failed(notice: &Notice, failed: &SyncFailed) -> Card {
    let tests = counted(u64::try_from(failed.session_ids.len()).unwrap_or_default(), "test");
    let names: Vec<String> = failed.session_ids.iter().take(20).map(|it| plain(it, 80)).collect();
    Card {
        outcome: Outcome::Bad,
        title: format!("{} FAILED for {tests}", failed.sink),
        description: format!(
            "{}\n{} in the dead-letter queue ({}) {}\nMend the cause, then replay the dead-letter queue.\n{}",
            plain(&failed.error, 900),
            counted(failed.messages, "message"),
            plain(&failed.error_code, 60),
            ago(notice.at),
            names.join("\n")
        ),
        fields: Vec::new(),
        picture: None,
        notices: vec![notice.id.clone()],
        senders: Senders::of([notice]),
    }
}

fn of_alarm(alarm: &Alarm) -> Card {
    let (outcome, what) = match alarm.state.as_str() {
        "ALARM" => (Outcome::Bad, "alarm"),
        "OK" => (Outcome::Good, "recovered"),
        _ => (Outcome::News, "no data"),
    };
    let mut lines = Vec::new();
    lines.extend(alarm.description.as_deref().map(|it| plain(it, 900)));
    lines.push(plain(&alarm.reason, 900));
    lines.extend(alarm.region.as_deref().map(|it| plain(it, 80)));
    lines.extend(alarm.at.map(ago));
    Card {
        outcome,
        title: format!("{}: {what}", plain(&alarm.name, 200)),
        description: lines.join("\n"),
        fields: Vec::new(),
        picture: None,
        notices: vec![alarm.id.clone()],
        senders: Senders::default(),
    }
}

fn of_other(other: &OtherMessage) -> Card {
    let lines: Vec<String> = other.text.lines().map(|line| plain(line, 400)).collect();
    Card {
        outcome: Outcome::News,
        title: plain(other.subject.as_deref().unwrap_or("A message"), 200),
        description: lines.join("\n"),
        fields: Vec::new(),
        picture: None,
        notices: vec![other.id.clone()],
        senders: Senders::default(),
    }
}
