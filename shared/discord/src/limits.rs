//! Discord's limits of a message, in characters where nothing else is said.

pub const TITLE: usize = 256;
pub const DESCRIPTION: usize = 4096;
pub const FIELD_NAME: usize = 256;
pub const FIELD_VALUE: usize = 1024;
/// How many.
pub const FIELDS: usize = 25;
/// How many.
pub const EMBEDS: usize = 10;
/// Of all embeds of a message together.
pub const MESSAGE: usize = 6000;
