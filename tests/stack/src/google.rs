use anyhow::{Context, Result};
use aws_lc_rs::encoding::{AsDer, Pkcs8V1Der};
use aws_lc_rs::rsa::{KeyPair, KeySize};
use base64::Engine;
use serde_json::{Value, json};

use crate::{Action, Gate};

/// A service account's key as Google gives them out, made anew, whose tokens come from that address.
///
/// # Errors
/// When no key can be made.
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

/// What gives out tokens: it answers every request so.
///
/// # Errors
/// When there is no port for it.
pub fn token_issuer(status: u16, answer: &Value) -> Result<Gate> {
    let body = answer.to_string();
    let nowhere = "http://127.0.0.1:1";
    Gate::start(nowhere, move |_| Action::Reply {
        status,
        content_type: "application/json",
        body: body.clone(),
    })
}
