use http_body_util::{BodyExt, Full};
use hyper::HeaderMap;
use hyper::body::Bytes;
use hyper::header::CONTENT_TYPE;
use multer::{Field, Multipart};
use serde_json::{Value, json};

use super::problem::Problem;

/// The body of a request.
#[derive(Debug)]
pub struct Sent {
    pub payload: Value,
    pub files: Vec<File>,
    /// Errors in the encoding of the body.
    pub problems: Vec<Problem>,
}

/// A part `files[N]`.
#[derive(Debug)]
pub struct File {
    /// The number N.
    pub id: String,
    pub filename: Option<String>,
    pub content_type: Option<String>,
    pub bytes: Bytes,
}

impl Sent {
    pub async fn read(headers: &HeaderMap, body: Bytes) -> Self {
        let mut sent = Self { payload: json!({}), files: Vec::new(), problems: Vec::new() };
        let content_type =
            headers.get(CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
        if let Ok(boundary) = multer::parse_boundary(content_type) {
            let stream = Full::new(body).into_data_stream();
            if let Err(error) = sent.read_parts(Multipart::new(stream, boundary)).await {
                sent.problem(format!("is no multipart/form-data: {error}"));
            }
        } else if content_type.starts_with("application/json") {
            sent.read_payload(&body);
        } else {
            sent.problem(format!("is neither JSON nor multipart/form-data but {content_type:?}"));
        }
        sent
    }

    async fn read_parts(&mut self, mut parts: Multipart<'static>) -> multer::Result<()> {
        while let Some(part) = parts.next_field().await? {
            let name = part.name().unwrap_or_default().to_owned();
            if name == "payload_json" {
                self.read_payload(&part.bytes().await?);
            } else if let Some(id) = file_id(&name) {
                self.read_file(id, part).await?;
            } else {
                self.problem(format!(
                    "has a part {name:?}, which is neither payload_json nor files[0] to files[9]"
                ));
            }
        }
        Ok(())
    }

    async fn read_file(&mut self, id: &str, part: Field<'static>) -> multer::Result<()> {
        if self.files.iter().any(|file| file.id == id) {
            self.problem(format!("has files[{id}] twice"));
        }
        self.files.push(File {
            id: id.to_owned(),
            filename: part.file_name().map(str::to_owned),
            content_type: part.content_type().map(ToString::to_string),
            bytes: part.bytes().await?,
        });
        Ok(())
    }

    fn read_payload(&mut self, json: &[u8]) {
        match serde_json::from_slice(json) {
            Ok(payload) => self.payload = payload,
            Err(error) => self.problem(format!("is invalid JSON: {error}")),
        }
    }

    fn problem(&mut self, text: String) {
        self.problems.push(Problem::new("", text));
    }
}

fn file_id(part: &str) -> Option<&str> {
    let id = part.strip_prefix("files[")?.strip_suffix(']')?;
    matches!(id.as_bytes(), [b'0'..=b'9']).then_some(id)
}
