//! Notices as Discord messages that the ops team reads on a phone.
//!
//! [`compose`] turns a batch of notices into messages, and `DiscordClient` posts them (feature `client`). Invariants:
//!
//! - Names from outside (test names, groups, errors) are escaped, so they neither format a message nor link out of it.
//!   `allowed_mentions` of each message is empty, so no name pings a person.
//! - A message keeps every limit of Discord. Lengths are counted in UTF-16 units, which are never fewer than the
//!   characters that Discord counts.
//! - The client waits as long as Discord asks, if the wait ends before the caller's deadline.
//!
//! Decision: `docs/decisions/0007-notices.md`.

mod backfill;
mod card;
#[cfg(feature = "client")]
mod client;
mod compose;
mod digest;
#[cfg(feature = "client")]
mod error;
mod limits;
mod next_step;
mod operator;
mod outage;
mod post;
mod reconciled;
#[cfg(feature = "client")]
mod refusal;
mod senders;
mod session;
mod text;
mod updates;

#[cfg(feature = "client")]
pub use client::{ChannelFacts, ChannelKind, DiscordClient, PosterFacts, Target};
pub use compose::compose;
#[cfg(feature = "client")]
pub use error::DiscordError;
pub use post::{Picture, Post};
