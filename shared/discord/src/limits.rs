//! Discord's limits for a message, in characters if not stated otherwise.

pub const TITLE: usize = 256;
pub const DESCRIPTION: usize = 4096;
pub const FIELD_NAME: usize = 256;
pub const FIELD_VALUE: usize = 1024;
/// Fields of an embed.
pub const FIELDS: usize = 25;
/// Embeds of a message.
pub const EMBEDS: usize = 10;
/// The sum over all embeds of a message.
pub const MESSAGE: usize = 6000;
