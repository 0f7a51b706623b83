//! Encodes reports as DynamoDB items, and checks DynamoDB's limits first.
//!
//! A request with one invalid item fails whole, so an item beyond a limit is refused here and its neighbours are
//! written. If an item just below a limit is invalid after all, the writer finds it with a few more requests.

use std::collections::HashMap;

use aws_sdk_dynamodb::types::{AttributeValue, DeleteRequest, PutRequest, WriteRequest};
use quiz_domain::reports::{ReportItem, ReportTable};
use quiz_pipeline::ports::Refusal;
use serde_dynamo::aws_sdk_dynamodb_1::to_item;

use crate::measure::Measure;

pub(crate) type Item = HashMap<String, AttributeValue>;

/// DynamoDB's limits, in bytes and levels.
const MAX_STORED: usize = 400 * 1024;
const MAX_DEPTH: usize = 32;
const MAX_PARTITION_KEY: usize = 2048;
const MAX_SORT_KEY: usize = 1024;

/// The request to write or delete one item.
pub(crate) struct Write {
    pub request: WriteRequest,
    /// The request's size in bytes, about.
    pub wire: usize,
}

/// Whether an item can have this partition key.
pub(crate) fn is_partition_key(session_id: &str) -> bool {
    !session_id.is_empty() && session_id.len() <= MAX_PARTITION_KEY
}

/// Whether an item can have this sort key.
pub(crate) fn is_sort_key(sort_key: &str) -> bool {
    !sort_key.is_empty() && sort_key.len() <= MAX_SORT_KEY
}

/// Checks the item against DynamoDB's limits, without a request.
///
/// # Errors
/// [`Refusal`] with the reason, if the item exceeds a limit.
pub fn can_hold(item: &ReportItem) -> Result<(), Refusal> {
    put(item).map(drop)
}

/// Makes the request that writes the item, or a refusal if the item exceeds a limit.
pub(crate) fn put(item: &ReportItem) -> Result<Write, Refusal> {
    let refuse = |reason: String| Refusal { sort_key: item.sort_key().to_owned(), reason };
    check_key("session_id", item.session_id(), MAX_PARTITION_KEY).map_err(refuse)?;
    check_key(item.table().sort_key(), item.sort_key(), MAX_SORT_KEY).map_err(refuse)?;
    let attributes: Item =
        to_item(item).map_err(|error| refuse(format!("cannot encode the item: {error}")))?;
    let measure = Measure::item(&attributes);
    if measure.stored > MAX_STORED {
        return Err(refuse(format!(
            "the item has {} bytes; DynamoDB accepts at most {MAX_STORED}",
            measure.stored
        )));
    }
    if measure.depth > MAX_DEPTH {
        return Err(refuse(format!(
            "the item has {} levels of lists and objects; DynamoDB accepts at most {MAX_DEPTH}",
            measure.depth
        )));
    }
    let put = PutRequest::builder().set_item(Some(attributes)).build();
    let put = put.map_err(|error| refuse(format!("cannot encode the item: {error}")))?;
    Ok(Write { request: WriteRequest::builder().put_request(put).build(), wire: measure.wire })
}

fn check_key(name: &str, key: &str, max_bytes: usize) -> Result<(), String> {
    if key.is_empty() {
        return Err(format!("its {name} is empty"));
    }
    if key.len() > max_bytes {
        return Err(format!("its {name} has {} bytes; DynamoDB accepts at most {max_bytes}", key.len()));
    }
    Ok(())
}

/// Makes the request that deletes an item.
pub(crate) fn delete(
    table: ReportTable,
    session_id: &str,
    sort_key: String,
) -> Result<Write, aws_sdk_dynamodb::error::BuildError> {
    let wire = session_id.len() + sort_key.len();
    let delete = DeleteRequest::builder()
        .key(ReportTable::PARTITION_KEY, AttributeValue::S(session_id.to_owned()))
        .key(table.sort_key(), AttributeValue::S(sort_key))
        .build()?;
    Ok(Write { request: WriteRequest::builder().delete_request(delete).build(), wire })
}

/// The sort key of the item that a request writes or deletes.
pub(crate) fn request_sort_key(request: &WriteRequest, table: ReportTable) -> String {
    let put = request.put_request().map(PutRequest::item);
    let attributes = put.or_else(|| request.delete_request().map(DeleteRequest::key));
    let key = attributes.and_then(|attributes| attributes.get(table.sort_key())?.as_s().ok());
    key.cloned().unwrap_or_default()
}
