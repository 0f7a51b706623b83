//! The Lambda `sync-reports`: for each test session that an SQS batch names, it writes the reports of all participants
//! to DynamoDB. The same handler runs embedded in `quiz-etl demo` and `quiz-etl local`.

mod connect;

pub use connect::connect;
