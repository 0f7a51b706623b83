use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;

use jiff::Timestamp;
use quiz_events::{ParkCause, QueueMessage};

use super::{DeadLetter, VisibilityError};

/// A message's place in the order of sending.
type Number = u64;

/// The state of a queue. Each message is either in `visible` or in `hidden`.
#[derive(Default)]
pub(super) struct Messages {
    all: HashMap<Number, Stored>,
    visible: BTreeSet<Number>,
    hidden: BTreeSet<(Timestamp, Number)>,
    sent: Number,
    pub dead_letters: Vec<DeadLetter>,
}

struct Stored {
    /// Shared with the other queues that get the same message.
    body: Arc<str>,
    event_type: Option<String>,
    sent_at: Timestamp,
    receive_count: u32,
    hidden_until: Option<Timestamp>,
}

impl Stored {
    fn into_dead_letter(self, message_id: String) -> DeadLetter {
        let attributes = type_attribute(self.event_type.as_deref());
        DeadLetter { message_id, body: self.body.to_string(), attributes, sent_at: self.sent_at }
    }
}

impl Messages {
    pub fn send(
        &mut self,
        body: Arc<str>,
        event_type: Option<String>,
        sent_at: Timestamp,
        visible_at: Timestamp,
    ) -> String {
        let number = self.take_number();
        let hidden_until = (visible_at > sent_at).then_some(visible_at);
        match hidden_until {
            Some(until) => drop(self.hidden.insert((until, number))),
            None => drop(self.visible.insert(number)),
        }
        let message = Stored { body, event_type, sent_at, receive_count: 0, hidden_until };
        self.all.insert(number, message);
        message_id(number)
    }

    pub fn receive(
        &mut self,
        most: usize,
        now: Timestamp,
        hidden_until: Timestamp,
        max_receive_count: Option<u32>,
    ) -> Vec<QueueMessage> {
        self.uncover(now);
        let mut received = Vec::new();
        while received.len() < most {
            let Some(number) = self.visible.pop_first() else { break };
            let Some(message) = self.all.get_mut(&number) else { continue };
            if max_receive_count.is_some_and(|most| message.receive_count >= most) {
                if let Some(message) = self.all.remove(&number) {
                    self.dead_letters.push(message.into_dead_letter(message_id(number)));
                }
                continue;
            }
            message.receive_count += 1;
            message.hidden_until = Some(hidden_until);
            self.hidden.insert((hidden_until, number));
            received.push(QueueMessage {
                message_id: message_id(number),
                receipt_handle: format!("{number}:{}", message.receive_count),
                body: message.body.to_string(),
                event_type: message.event_type.clone(),
                sent_at: Some(message.sent_at),
                receive_count: message.receive_count,
                ..QueueMessage::default()
            });
        }
        received
    }

    pub fn delete(&mut self, receipt_handle: &str) -> bool {
        let Some(number) = self.newest_receipt_of(receipt_handle) else { return false };
        self.visible.remove(&number);
        if let Some(until) = self.all.remove(&number).and_then(|message| message.hidden_until) {
            self.hidden.remove(&(until, number));
        }
        true
    }

    pub fn hide_until(
        &mut self,
        receipt_handle: &str,
        now: Timestamp,
        until: Timestamp,
    ) -> Result<(), VisibilityError> {
        self.uncover(now);
        let number = self.newest_receipt_of(receipt_handle);
        let message = number.and_then(|number| Some((number, self.all.get_mut(&number)?)));
        let Some((number, message)) = message else {
            return Err(VisibilityError::UnknownReceipt(receipt_handle.to_owned()));
        };
        let Some(before) = message.hidden_until else {
            return Err(VisibilityError::NotInFlight(receipt_handle.to_owned()));
        };
        message.hidden_until = Some(until);
        self.hidden.remove(&(before, number));
        self.hidden.insert((until, number));
        Ok(())
    }

    pub fn next_visible_at(&mut self, now: Timestamp) -> Option<Timestamp> {
        self.uncover(now);
        self.hidden.first().map(|(until, _)| *until)
    }

    pub fn visible(&mut self, now: Timestamp) -> usize {
        self.uncover(now);
        self.visible.len()
    }

    pub fn len(&self) -> usize {
        self.all.len()
    }

    pub fn park(&mut self, message: &QueueMessage, cause: &ParkCause, now: Timestamp) {
        let number = self.take_number();
        let mut attributes = type_attribute(message.event_type.as_deref());
        attributes.insert("error_code".into(), cause.code.clone());
        attributes.insert("error".into(), cause.error.clone());
        attributes.insert("parked_at".into(), cause.parked_at.to_string());
        let body = message.body.clone();
        self.dead_letters.push(DeadLetter { message_id: message_id(number), body, attributes, sent_at: now });
    }

    /// Makes messages visible whose timeout is over.
    fn uncover(&mut self, now: Timestamp) {
        while let Some((until, number)) = self.hidden.first().copied().filter(|(until, _)| *until <= now) {
            self.hidden.remove(&(until, number));
            if let Some(message) = self.all.get_mut(&number) {
                message.hidden_until = None;
                self.visible.insert(number);
            }
        }
    }

    fn newest_receipt_of(&self, receipt_handle: &str) -> Option<Number> {
        let (number, receipt) = receipt_handle.split_once(':')?;
        let number = number.parse().ok()?;
        let newest = self.all.get(&number)?.receive_count;
        (newest > 0 && receipt.parse() == Ok(newest)).then_some(number)
    }

    fn take_number(&mut self) -> Number {
        self.sent += 1;
        self.sent
    }
}

fn message_id(number: Number) -> String {
    format!("message-{number:06}")
}

fn type_attribute(event_type: Option<&str>) -> BTreeMap<String, String> {
    event_type.map(|value| ("type".to_owned(), value.to_owned())).into_iter().collect()
}
