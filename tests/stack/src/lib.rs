//! The local stack that integration tests run against: SNS, SQS, Lambda and DynamoDB from ministack, MongoDB from
//! secantusdb and BigQuery from local-bigquery, all in a Python environment that the first test installs.
//!
//! All test processes of one runner (`cargo test`) share one stack. The first call of [`Stack::get`] starts the stack,
//! and its supervisor ends the stack when the runner has ended. `AWS_ENDPOINT_URL`, `MONGODB_URI` and
//! `BIGQUERY_ENDPOINT` name servers to use instead. A [`Gate`] before a server makes faults.

mod bigquery;
mod cloudformation;
mod deployment;
mod discord;
mod federation;
mod gate;
mod google;
mod http;
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
mod tcp_gate;
mod template;
mod venv;
mod wait;

pub use bigquery::{BIGQUERY_PROJECT, BigQuery};
pub use deployment::{Deployment, DeploymentOptions, Release, Variables};
pub use discord::{Discord, DiscordAttachment, DiscordMessage, DiscordRules, Fault, Script, SeenRequest};
pub use federation::{AwsKey, Federation};
pub use gate::{Action, Gate, GateRequest};
pub use google::{service_account_key, token_issuer};
pub use interpreter::{Interpreter, find as find_python};
pub use lambda::{FunctionSpec, MappingSpec};
pub use mongo::insert;
pub use names::unique;
pub use process::signal;
pub use queues::{Delivery, QueueDepth, QueuePair};
pub use stack::{REGION, Stack};
pub use tcp_gate::TcpGate;
pub use template::{package_natively, template};
pub use venv::deployment_commands;
pub use wait::eventually;
