use anyhow::{Context, Result};
use aws_lc_rs::encoding::{AsDer, Pkcs8V1Der};
use aws_lc_rs::rsa::{KeyPair, KeySize};
use base64::Engine;
use serde_json::{Value, json};

use crate::{Action, Gate};

/// A new service account key in Google's format, with `token_uri` at the given address.
///
/// # Errors
/// When the key cannot be made.
pub fn service_account_key(token_uri: &str) -> Result<Value> {
    let pair = KeyPair::generate(KeySize::Rsa2048).ok().context("no RSA key")?;
    let der: Pkcs8V1Der<'_> = pair.as_der().ok().context("no PKCS #8")?;
    let base64 = base64::engine::general_purpose::STANDARD.encode(der.as_ref());
    Ok(json!({
        "type": "service_account", "project_id": "p", "client_email": "etl@p.iam.gserviceaccount.com",
        "private_key": format!("-----BEGIN PRIVATE KEY-----\n{base64}\n-----END PRIVATE KEY-----\n"),
        "token_uri": token_uri,
    }))
}

/// A stub of Google's token server that answers every request with a token.
///
/// # Errors
/// When no port is free.
pub fn token_issuer(status: u16, answer: &Value) -> Result<Gate> {
    let body = answer.to_string();
    let nowhere = "http://127.0.0.1:1";
    Gate::start(nowhere, move |_| Action::Reply {
        status,
        content_type: "application/json",
        body: body.clone(),
    })
}
