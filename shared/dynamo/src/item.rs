use std::collections::HashMap;

use aws_sdk_dynamodb::types::{AttributeValue, DeleteRequest, PutRequest, WriteRequest};
use quiz_domain::reports::{ReportItem, ReportTable};
use quiz_pipeline::ports::Refusal;
use serde_dynamo::aws_sdk_dynamodb_1::to_item;

use crate::measure::Measure;

pub(crate) type Item = HashMap<String, AttributeValue>;

/// What is at the edge of these is DynamoDB's to judge: an item that it finds invalid after all costs a
/// few requests more and no neighbour.
const MAX_STORED: usize = 400 * 1024;
const MAX_DEPTH: usize = 32;
const MAX_PARTITION_KEY: usize = 2048;
const MAX_SORT_KEY: usize = 1024;

/// A request for one item, and about how many bytes it has.
pub(crate) struct Write {
    pub request: WriteRequest,
    pub wire: usize,
}

/// Whether there can be items under this partition key.
pub(crate) fn is_partition_key(session_id: &str) -> bool {
    !session_id.is_empty() && session_id.len() <= MAX_PARTITION_KEY
}

/// Whether there can be items under this sort key.
pub(crate) fn is_sort_key(sort_key: &str) -> bool {
    !sort_key.is_empty() && sort_key.len() <= MAX_SORT_KEY
}

/// Whether DynamoDB can hold the item, as far as that can be told without asking it.
///
/// # Errors
/// [`Refusal`] says why not.
pub fn can_hold(item: &ReportItem) -> Result<(), Refusal> {
    put(item).map(drop)
}

/// The request that writes the item; a refusal where DynamoDB cannot hold it.
pub(crate) fn put(item: &ReportItem) -> Result<Write, Refusal> {
    let refuse = |reason: String| Refusal { sort_key: item.sort_key().to_owned(), reason };
    check_key("session_id", item.session_id(), MAX_PARTITION_KEY).map_err(refuse)?;
    check_key(item.table().sort_key(), item.sort_key(), MAX_SORT_KEY).map_err(refuse)?;
    let attributes: Item =
        to_item(item).map_err(|error| refuse(format!("the item cannot be written: {error}")))?;
    let measure = Measure::of_item(&attributes);
    if measure.stored > MAX_STORED {
        return Err(refuse(format!(
            "the item has {} bytes; DynamoDB takes at most {MAX_STORED}",
            measure.stored
        )));
    }
    if measure.depth > MAX_DEPTH {
        return Err(refuse(format!(
            "the item has {} levels of lists and objects; DynamoDB takes at most {MAX_DEPTH}",
            measure.depth
        )));
    }
    let put = PutRequest::builder().set_item(Some(attributes)).build();
    let put = put.map_err(|error| refuse(format!("the item cannot be written: {error}")))?;
    Ok(Write { request: WriteRequest::builder().put_request(put).build(), wire: measure.wire })
}

fn check_key(name: &str, key: &str, most: usize) -> Result<(), String> {
    if key.is_empty() {
        return Err(format!("its {name} is empty"));
    }
    if key.len() > most {
        return Err(format!("its {name} has {} bytes; DynamoDB takes at most {most}", key.len()));
    }
    Ok(())
}

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

/// The sort key of the item that a request is about.
pub(crate) fn sort_key_of(request: &WriteRequest, table: ReportTable) -> String {
    let put = request.put_request().map(PutRequest::item);
    let attributes = put.or_else(|| request.delete_request().map(DeleteRequest::key));
    let key = attributes.and_then(|it| it.get(table.sort_key())?.as_s().ok());
    key.cloned().unwrap_or_default()
}
