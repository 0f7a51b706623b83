use anyhow::Result;
use http_body_util::Full;
use hyper::Response;
use hyper::body::Bytes;
use hyper::header::CONTENT_TYPE;
use serde_json::{Value, json};

use super::problem::{Problem, tree};

#[derive(Debug)]
pub struct Reply {
    pub status: u16,
    content_type: &'static str,
    body: String,
    headers: Vec<(&'static str, String)>,
}

impl Reply {
    pub fn empty() -> Self {
        Self { status: 204, content_type: "", body: String::new(), headers: Vec::new() }
    }

    pub fn json(status: u16, body: &Value) -> Self {
        Self { status, content_type: "application/json", body: body.to_string(), headers: Vec::new() }
    }

    pub fn html(status: u16) -> Self {
        let body = format!("<html><head><title>{status}</title></head><body><h1>{status}</h1></body></html>");
        Self { status, content_type: "text/html", body, headers: Vec::new() }
    }

    /// An error with Discord's own code.
    pub fn error(status: u16, code: u32, message: &str) -> Self {
        Self::json(status, &json!({ "message": message, "code": code }))
    }

    /// An error with only a status.
    pub fn status(status: u16) -> Self {
        let reason = hyper::StatusCode::from_u16(status).ok().and_then(|status| status.canonical_reason());
        Self::error(status, 0, &format!("{status}: {}", reason.unwrap_or("Error")))
    }

    pub fn invalid(problems: &[Problem]) -> Self {
        let body = json!({ "message": "Invalid Form Body", "code": 50035, "errors": tree(problems) });
        Self::json(400, &body)
    }

    pub fn with(mut self, headers: Vec<(&'static str, String)>) -> Self {
        self.headers.extend(headers);
        self
    }

    pub fn into_response(self) -> Result<Response<Full<Bytes>>> {
        let mut response = Response::builder().status(self.status);
        if !self.content_type.is_empty() {
            response = response.header(CONTENT_TYPE, self.content_type);
        }
        for (name, value) in self.headers {
            response = response.header(name, value);
        }
        Ok(response.body(Full::from(self.body))?)
    }
}
