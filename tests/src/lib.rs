//! The local stack that integration tests run against: SNS, SQS, Lambda and DynamoDB from ministack, MongoDB from
//! secantusdb, both in a Python environment that the first test sets up by itself.
//!
//! All test processes of one runner (`cargo test`) share one stack. It is started by the first that asks
//! ([`Stack::get`]) and ended by its supervisor when the runner is gone. `AWS_ENDPOINT_URL` and `MONGODB_URI` name
//! servers to use instead.

mod interpreter;
mod lambda;
mod logs;
mod mongo;
mod names;
mod package;
mod paths;
mod process;
mod queues;
mod run;
mod stack;
mod tables;
mod venv;
mod wait;

pub use lambda::{FunctionSpec, MappingSpec};
pub use mongo::insert;
pub use names::unique;
pub use queues::{Delivery, QueueDepth, QueuePair};
pub use stack::{REGION, Stack};
pub use wait::eventually;
