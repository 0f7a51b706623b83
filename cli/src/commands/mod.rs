mod demo;
mod local;
mod report;

pub use demo::demo;
pub use local::local;
pub use report::report;
