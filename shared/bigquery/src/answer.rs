//! Reads the answers of BigQuery's API.

use reqwest::Response;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::{Map, Value};

use crate::error::BigQueryError;

/// An error of the API. The client package's model requires a list of reasons, which Google's general errors lack.
#[derive(Deserialize)]
struct Refusal {
    error: RefusalBody,
}

#[derive(Deserialize)]
struct RefusalBody {
    code: i64,
    #[serde(default)]
    message: String,
    #[serde(default)]
    errors: Vec<Map<String, Value>>,
}

/// Reads the JSON of a successful answer.
pub(crate) async fn json<T: DeserializeOwned>(answer: Response) -> Result<T, BigQueryError> {
    let status = answer.status();
    serde_json::from_slice(&success(answer).await?).map_err(|_| BigQueryError::not_json(status))
}

/// Reads the body of a successful answer; otherwise returns the API's error, or the status if there is none.
pub(crate) async fn success(answer: Response) -> Result<Vec<u8>, BigQueryError> {
    let status = answer.status();
    let body = answer.bytes().await?;
    if status.is_success() {
        return Ok(body.into());
    }
    let Ok(Refusal { error }) = serde_json::from_slice(&body) else {
        return Err(BigQueryError::not_json(status));
    };
    let reason = error.errors.first().and_then(|first| first.get("reason")?.as_str());
    Err(BigQueryError::answered(error.code, reason.unwrap_or_default(), &error.message))
}
