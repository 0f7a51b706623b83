//! Load jobs with their data, for which the client package has no call.
//!
//! A small file goes with its job in one request. A large one goes in chunks: after a cut the server says how many bytes
//! it has, and the upload continues there. The job's name makes retries safe: an existing job of the name is the answer.

use std::fs::File;
use std::os::unix::fs::FileExt;

use gcp_bigquery_client::model::job::Job;
use reqwest::StatusCode;
use reqwest::header::{CONTENT_RANGE, CONTENT_TYPE, LOCATION, RANGE};

use crate::answer;
use crate::api::Api;
use crate::error::{BigQueryError, ErrorKind};

/// The sizes of an upload's requests, in bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct UploadSizes {
    /// A file of up to so many bytes goes in one request; a larger one goes in chunks.
    pub at_once: u64,
    /// The size of a chunk: BigQuery requires a multiple of 256 KiB.
    pub chunk: u64,
}

impl Default for UploadSizes {
    fn default() -> Self {
        Self { at_once: 4 << 20, chunk: 8 << 20 }
    }
}

/// Starts the load job `job_id` with the file's bytes.
///
/// If the job exists already, the answer to an earlier try was lost: returns that job, and loads nothing twice.
pub(crate) async fn load(
    api: &Api,
    job_id: &str,
    job: &Job,
    file: &File,
    bytes: u64,
) -> Result<Job, BigQueryError> {
    let once = || async {
        let sent = if bytes <= api.uploads.at_once {
            multipart(api, job, file, bytes).await
        } else {
            resumable(api, job, file, bytes).await
        };
        match sent {
            Err(error) if error.kind == ErrorKind::Exists => api.job(job_id).await,
            other => other,
        }
    };
    api.run("load rows", once).await
}

/// Sends the job and the file in one request.
async fn multipart(api: &Api, job: &Job, file: &File, bytes: u64) -> Result<Job, BigQueryError> {
    let boundary = format!("quiz_etl_{:032x}", fastrand::u128(..));
    let json = to_json(job)?;
    let head = format!(
        "--{boundary}\r\nContent-Type: application/json\r\n\r\n{json}\r\n\
         --{boundary}\r\nContent-Type: application/octet-stream\r\n\r\n"
    );
    let mut body = head.into_bytes();
    body.extend(read(file, 0, bytes).await?);
    body.extend(format!("\r\n--{boundary}--\r\n").into_bytes());
    let request = api
        .http
        .post(api.upload_url("multipart"))
        .header(CONTENT_TYPE, format!("multipart/related; boundary={boundary}"))
        .body(body);
    api.send(request).await
}

/// Sends the file in chunks.
async fn resumable(api: &Api, job: &Job, file: &File, bytes: u64) -> Result<Job, BigQueryError> {
    // Begin the upload: its URL is in the header `Location`.
    let request = api
        .http
        .post(api.upload_url("resumable"))
        .bearer_auth(api.bearer.current().await?)
        .header("X-Upload-Content-Type", "application/octet-stream")
        .header("X-Upload-Content-Length", bytes)
        .header(CONTENT_TYPE, "application/json; charset=UTF-8")
        .body(to_json(job)?);
    let begun = request.send().await?;
    let location = begun.headers().get(LOCATION).and_then(|value| value.to_str().ok());
    let Some(session) = location.map(str::to_owned) else {
        let status = begun.status();
        answer::success(begun).await?;
        return Err(BigQueryError::not_json(status));
    };

    // Send chunks until the job is created.
    let mut offset = 0;
    loop {
        let end = (offset + api.uploads.chunk).min(bytes);
        let chunk = read(file, offset, end - offset).await?;
        let range = format!("bytes {offset}-{}/{bytes}", end.saturating_sub(1));
        let sent = put(api, &session, &range, chunk).await;
        let progress = match sent {
            // A part of the chunk may have arrived: continue where the server says.
            Err(error) if error.kind == ErrorKind::Transient => {
                let resume = || put(api, &session, "bytes */", Vec::new());
                api.retries.run("resume an upload", resume).await?
            }
            other => other?,
        };
        match progress {
            Progress::Done(job) => return Ok(*job),
            Progress::Received(received) => offset = received,
        }
    }
}

enum Progress {
    /// The number of bytes that the server has.
    Received(u64),
    Done(Box<Job>),
}

/// Sends a chunk; with the range `bytes */` reads how many bytes the server has.
async fn put(api: &Api, session: &str, range: &str, chunk: Vec<u8>) -> Result<Progress, BigQueryError> {
    let request = api.http.put(session).bearer_auth(api.bearer.current().await?).body(chunk);
    let request = if range == "bytes */" {
        request.header(CONTENT_RANGE, "bytes */*")
    } else {
        request.header(CONTENT_RANGE, range)
    };
    let answer = request.send().await?;
    if answer.status() == StatusCode::PERMANENT_REDIRECT {
        let last = answer.headers().get(RANGE).and_then(|value| value.to_str().ok());
        let last = last.and_then(|range| range.rsplit_once('-')?.1.parse::<u64>().ok());
        return Ok(Progress::Received(last.map_or(0, |last| last + 1)));
    }
    if matches!(answer.status(), StatusCode::NOT_FOUND | StatusCode::GONE) {
        let lost = "the session of the upload is gone: the upload begins again";
        return Err(BigQueryError::new(ErrorKind::Transient, lost));
    }
    answer::json(answer).await.map(|job| Progress::Done(Box::new(job)))
}

async fn read(file: &File, offset: u64, length: u64) -> Result<Vec<u8>, BigQueryError> {
    let failed = |cause: &dyn std::fmt::Display| {
        BigQueryError::new(ErrorKind::Transient, format!("cannot read the staging file: {cause}"))
    };
    let file = file.try_clone().map_err(|cause| failed(&cause))?;
    let length = usize::try_from(length).map_err(|cause| failed(&cause))?;
    let read = tokio::task::spawn_blocking(move || {
        let mut bytes = vec![0; length];
        file.read_exact_at(&mut bytes, offset).map(|()| bytes)
    });
    read.await.map_err(|cause| failed(&cause))?.map_err(|cause| failed(&cause))
}

fn to_json(job: &Job) -> Result<String, BigQueryError> {
    serde_json::to_string(job).map_err(|error| BigQueryError::new(ErrorKind::Refused, error.to_string()))
}
