use std::time::Duration;

use hyper::StatusCode;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use super::*;
use crate::eventually;

const SOON: Duration = Duration::from_secs(10);

/// A server that answers every request with its method, path and number of bytes.
fn upstream() -> Gate {
    let nowhere = "http://127.0.0.1:1";
    Gate::start(nowhere, |seen| {
        let body = format!("{} {} {}", seen.method, seen.path_and_query, seen.body.len());
        Action::Reply { status: 201, content_type: "text/plain", body }
    })
    .unwrap()
}

async fn post(url: &str, body: impl Into<Bytes>) -> Result<(StatusCode, String)> {
    let answer = http::send(Request::post(url).body(Full::new(body.into()))?).await?;
    Ok((answer.status(), String::from_utf8(answer.into_body().to_vec())?))
}

async fn wait_until_held(gate: &Gate, count: usize) {
    eventually("held requests", SOON, async || {
        if gate.held() == count { Ok(Some(())) } else { Err(anyhow!("{} held", gate.held())) }
    })
    .await
    .unwrap();
}

#[tokio::test]
async fn a_request_is_forwarded_whole() {
    let upstream = upstream();
    let gate = Gate::start(&format!("{}/", upstream.url()), |_| Action::Forward).unwrap();
    let megabytes = vec![7; 40_000_000];
    let answer = post(&format!("{}/a%20b?c=d", gate.url()), megabytes.clone()).await.unwrap();
    assert_eq!(answer, (StatusCode::CREATED, "POST /a%20b?c=d 40000000".to_owned()));
    let seen = &gate.requests()[0];
    assert_eq!((seen.method.as_str(), seen.path_and_query.as_str(), seen.index), ("POST", "/a%20b?c=d", 0));
    assert_eq!(seen.body, upstream.requests()[0].body);
    assert_eq!(seen.body, megabytes);
}

#[tokio::test]
async fn chunked_request_on_kept_connection_is_forwarded() {
    let upstream = upstream();
    let gate = Gate::start(upstream.url(), |_| Action::Forward).unwrap();
    let mut connection = TcpStream::connect(gate.url().trim_start_matches("http://")).await.unwrap();
    let chunked =
        "PUT / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n1\r\n!\r\n0\r\n\r\n";
    let last = "GET /last HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n";
    connection.write_all(format!("{chunked}{last}").as_bytes()).await.unwrap();
    let mut answers = String::new();
    connection.read_to_string(&mut answers).await.unwrap();
    assert!(answers.contains("PUT / 6") && answers.contains("GET /last 0"), "{answers}");
    assert_eq!(gate.requests()[0].body, "hello!");
}

#[tokio::test]
async fn headers_pass_and_location_names_the_gate() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let host = listener.local_addr().unwrap().to_string();
    let gate = Gate::start(&format!("http://{host}"), |_| Action::Forward).unwrap();
    let request = Request::get(format!("{}/start", gate.url())).header("x-from", "test");
    let sent = http::send(request.body(Full::default()).unwrap());
    let served = async {
        let (mut stream, _) = listener.accept().await.unwrap();
        let mut head = vec![0; 4096];
        let length = stream.read(&mut head).await.unwrap();
        let answer = format!(
            "HTTP/1.1 308 Go on\r\nLocation: http://{host}/next?id=1\r\nX-To: test\r\n\
             Transfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n"
        );
        stream.write_all(answer.as_bytes()).await.unwrap();
        String::from_utf8_lossy(&head[..length]).to_lowercase()
    };
    let (answer, head) = tokio::join!(sent, served);
    let answer = answer.unwrap();
    assert_eq!(answer.status(), StatusCode::PERMANENT_REDIRECT);
    assert_eq!(answer.headers()[LOCATION], format!("{}/next?id=1", gate.url()));
    assert_eq!((&answer.headers()["x-to"], &answer.body()[..]), (&"test".parse().unwrap(), &b"ok"[..]));
    assert!(head.contains(&format!("host: {host}\r\n")) && head.contains("x-from: test\r\n"), "{head}");
}

#[tokio::test]
async fn faults_act_before_or_after_the_upstream() {
    let upstream = upstream();
    let (status, content_type, body) = (503, "application/json", String::from("{}"));
    let actions = [
        Action::Reply { status, content_type, body: body.clone() },
        Action::ReplyAfterForwarding { status, content_type, body },
        Action::Cut,
        Action::CutAfterForwarding,
        Action::Forward,
    ];
    let gate = Gate::start(upstream.url(), move |seen| actions[seen.index].clone()).unwrap();
    let mut reached = Vec::new();
    for number in 0..5 {
        let answer = post(&format!("{}/{number}", gate.url()), "body").await;
        match number {
            0 | 1 => assert_eq!(answer.unwrap(), (StatusCode::SERVICE_UNAVAILABLE, "{}".to_owned())),
            2 | 3 => {
                let error = answer.unwrap_err();
                assert!(error.downcast_ref::<hyper::Error>().unwrap().is_incomplete_message(), "{error:#}");
            }
            _ => assert_eq!(answer.unwrap().1, "POST /4 4"),
        }
        reached.push(upstream.requests().len());
    }
    assert_eq!(reached, [0, 1, 1, 2, 3]);
    assert_eq!(gate.requests().len(), 5);
}

#[tokio::test]
async fn held_request_outlives_its_client() {
    let upstream = upstream();
    let gate = Gate::start(upstream.url(), |_| Action::Hold).unwrap();
    let url = gate.url().to_owned();
    let impatient = tokio::spawn({
        let url = url.clone();
        async move { post(&url, "late").await }
    });
    wait_until_held(&gate, 1).await;
    impatient.abort();
    assert!(impatient.await.unwrap_err().is_cancelled());
    let patient = tokio::spawn(async move { post(&url, "").await });
    wait_until_held(&gate, 2).await;
    assert!(upstream.requests().is_empty());

    gate.release();
    assert_eq!(gate.held(), 0);
    assert_eq!(patient.await.unwrap().unwrap().1, "POST / 0");
    eventually("the late request", SOON, async || Ok((upstream.requests().len() == 2).then_some(())))
        .await
        .unwrap();

    let url = gate.url().to_owned();
    let last = tokio::spawn(async move { post(&url, "last").await });
    wait_until_held(&gate, 1).await;
    let url = gate.url().to_owned();
    drop(gate);
    assert_eq!(last.await.unwrap().unwrap().1, "POST / 4");
    let refused = format!("{:#}", post(&url, "").await.unwrap_err());
    assert!(refused.contains("cannot reach"), "{refused}");
}

#[tokio::test]
async fn unreachable_upstream_gives_502() {
    let gate = Gate::start("http://127.0.0.1:1", |_| Action::CutAfterForwarding).unwrap();
    let (status, text) = post(gate.url(), "").await.unwrap();
    assert_eq!(status, StatusCode::BAD_GATEWAY);
    assert!(text.contains("cannot reach 127.0.0.1:1"), "{text}");
}
