//! Reading what the API answers.

use gcp_bigquery_client::error::{BQError, ResponseError};
use reqwest::Response;
use serde::de::DeserializeOwned;

use crate::error::BigQueryError;

/// The JSON of a successful answer.
pub(crate) async fn json<T: DeserializeOwned>(answer: Response) -> Result<T, BigQueryError> {
    let status = answer.status();
    serde_json::from_slice(&success(answer).await?).map_err(|_| BigQueryError::not_json(status))
}

/// The body of a successful answer; else the error that the API names, or the status where it names none.
pub(crate) async fn success(answer: Response) -> Result<Vec<u8>, BigQueryError> {
    let status = answer.status();
    let body = answer.bytes().await?;
    if status.is_success() {
        return Ok(body.into());
    }
    Err(match serde_json::from_slice::<ResponseError>(&body) {
        Ok(error) => BQError::ResponseError { error }.into(),
        Err(_) => BigQueryError::not_json(status),
    })
}
