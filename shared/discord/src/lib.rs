//! Notices as Discord messages: what a person on the ops team reads on a phone. [`compose`] makes the messages,
//! [`DiscordClient`] posts them.
//!
//! Names from outside (tests, groups, errors) are escaped, so that they can neither format a message nor link
//! out of it; a message's `allowed_mentions` is empty, so that none can ping anyone. Every limit of Discord is
//! kept, counted in UTF-16 units, which are never fewer than the characters that Discord counts.

mod backfill;
mod card;
mod client;
mod compose;
mod digest;
mod error;
mod limits;
mod outage;
mod post;
mod reconciled;
mod refusal;
mod senders;
mod tests_of_batch;
mod text;
mod updates;

pub use client::{ChannelFacts, ChannelKind, DiscordClient, PosterFacts, Target};
pub use compose::compose;
pub use error::DiscordError;
pub use post::{Picture, Post};
