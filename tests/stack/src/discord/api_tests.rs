use hyper::header::{AUTHORIZATION, CONTENT_TYPE, USER_AGENT};
use hyper::{HeaderMap, StatusCode};
use serde_json::json;

use super::*;
use crate::http;

mod refusals;

const PNG: &[u8] = b"\x89PNG\r\n\x1a\nnot really";
const JSON: &str = "application/json";

struct Answer {
    status: StatusCode,
    headers: HeaderMap,
    body: Value,
}

fn discord() -> Discord {
    Discord::start(DiscordRules { per_window: 1000, ..DiscordRules::default() }).unwrap()
}

async fn send(method: &str, url: &str, content_type: &str, body: impl Into<Bytes>) -> Result<Answer> {
    let request = Request::builder().method(method).uri(url).header(CONTENT_TYPE, content_type);
    let request = request.header(USER_AGENT, "DiscordBot (https://example.org, 1)");
    answer(request.header(AUTHORIZATION, "Bot stub.token.of-a-bot").body(Full::new(body.into()))?).await
}

async fn answer(request: Request<Full<Bytes>>) -> Result<Answer> {
    let (head, body) = http::send(request).await?.into_parts();
    let body = serde_json::from_slice(&body).unwrap_or_else(|_| String::from_utf8_lossy(&body).into());
    Ok(Answer { status: head.status, headers: head.headers, body })
}

async fn post(url: &str, payload: &Value) -> Answer {
    send("POST", url, JSON, payload.to_string()).await.unwrap()
}

async fn patch(url: &str, payload: &Value) -> Answer {
    send("PATCH", url, JSON, payload.to_string()).await.unwrap()
}

async fn post_files(method: &str, url: &str, payload: &Value, names: &[&str]) -> Answer {
    let mut body = Vec::new();
    for (id, name) in names.iter().enumerate() {
        let head = format!(
            "--edge\r\nContent-Disposition: form-data; name=\"files[{id}]\"; filename=\"{name}\"\r\n\
             Content-Type: image/png\r\n\r\n"
        );
        body.extend_from_slice(head.as_bytes());
        body.extend_from_slice(PNG);
        body.extend_from_slice(b"\r\n");
    }
    let payload = format!(
        "--edge\r\nContent-Disposition: form-data; name=\"payload_json\"\r\n\r\n{payload}\r\n--edge--\r\n"
    );
    body.extend_from_slice(payload.as_bytes());
    send(method, url, "multipart/form-data; boundary=edge", body).await.unwrap()
}

fn with_embed(embed: &Value) -> Value {
    json!({ "embeds": [embed], "allowed_mentions": { "parse": [] } })
}

fn hello() -> Value {
    json!({ "content": "hello", "allowed_mentions": { "parse": [] } })
}

fn fields(count: usize) -> Value {
    vec![json!({ "name": "n", "value": "v" }); count].into()
}

#[tokio::test]
async fn webhook_posts_embed_with_picture() {
    let discord = discord();
    let mut payload = with_embed(&json!({
        "title": "T", "color": 0x00ff_ffff, "timestamp": "2026-01-02T03:04:05Z", "fields": fields(25),
        "image": { "url": "attachment://marks.png" }, "footer": { "text": "f", "icon_url": null },
    }));
    payload["attachments"] = json!([{ "id": "0", "description": "all marks" }]);
    let url = format!("{}?wait=true", discord.webhook_url());
    let posted = post_files("POST", &url, &payload, &["marks.png"]).await;
    assert_eq!(posted.status, StatusCode::OK, "{}", posted.body);
    let message = &discord.messages()[0];
    assert_eq!((&posted.body["id"], message.edits), (&json!(message.id), 0));
    assert_eq!(posted.body["embeds"][0]["title"], "T");
    assert_eq!(posted.body["attachments"][0]["filename"], "marks.png");
    assert_eq!(message.payload, payload);
    let file = &message.attachments[0];
    assert_eq!((file.filename.as_str(), file.content_type.as_deref()), ("marks.png", Some("image/png")));
    assert_eq!(file.bytes, PNG);

    let url = discord.webhook_url().replace("/api/", "/api/v10/");
    let posted = post(&url, &hello()).await;
    assert_eq!((posted.status, posted.body), (StatusCode::NO_CONTENT, json!("")));
    assert_eq!(discord.messages()[1].payload["content"], "hello");
    assert_eq!(discord.requests()[1].status, 204);
    assert!(discord.violations().is_empty(), "{:?}", discord.violations());
}

#[tokio::test]
async fn edit_replaces_only_given_members() {
    let discord = discord();
    let mut payload = with_embed(&json!({ "title": "1 of 2", "image": { "url": "attachment://a.png" } }));
    payload["content"] = json!("running");
    let url = format!("{}?wait=true", discord.webhook_url());
    let id = post_files("POST", &url, &payload, &["a.png"]).await.body["id"].as_str().unwrap().to_owned();
    let url = format!("{}/messages/{id}", discord.webhook_url());
    let edited = patch(&url, &with_embed(&json!({ "title": "2 of 2" }))).await;
    assert_eq!((edited.status, &edited.body["content"]), (StatusCode::OK, &json!("running")));
    assert!(edited.body["edited_timestamp"].is_string());
    let message = &discord.messages()[0];
    assert_eq!((message.edits, &message.payload["embeds"][0]["title"]), (1, &json!("2 of 2")));
    assert_eq!(message.attachments[0].filename, "a.png");

    let mut exchange = hello();
    exchange["attachments"] = json!([{ "id": "0" }]);
    assert_eq!(post_files("PATCH", &url, &exchange, &["b.png"]).await.status, StatusCode::OK);
    let message = &discord.messages()[0];
    assert_eq!((message.attachments.len(), message.attachments[0].filename.as_str()), (1, "b.png"));
    exchange["attachments"] = json!([{ "id": message.attachments[0].id }]);
    assert_eq!(patch(&url, &exchange).await.status, StatusCode::OK);
    assert_eq!(discord.messages()[0].attachments[0].filename, "b.png");

    let unknown = patch(&format!("{}/messages/1", discord.webhook_url()), &hello()).await;
    assert_eq!((unknown.status, &unknown.body["code"]), (StatusCode::NOT_FOUND, &json!(10008)));
    assert!(discord.violations().is_empty(), "{:?}", discord.violations());
    assert_eq!(discord.messages().len(), 1);
}

fn channel_url(discord: &Discord) -> String {
    format!("{}/api/v10/channels/{}/messages", discord.url(), discord.channel_id())
}

#[tokio::test]
async fn bot_edits_only_its_own_messages() {
    let discord = discord();
    let url = channel_url(&discord);
    let posted = post(&url, &hello()).await;
    assert_eq!((posted.status, &posted.body["channel_id"]), (StatusCode::OK, &json!(discord.channel_id())));
    let own = format!("{url}/{}", posted.body["id"].as_str().unwrap());
    assert_eq!(patch(&own, &with_embed(&json!({ "title": "t" }))).await.status, StatusCode::OK);
    assert_eq!(discord.messages()[0].edits, 1);

    post(&discord.webhook_url(), &hello()).await;
    let foreign = patch(&format!("{url}/{}", discord.messages()[1].id), &hello()).await;
    assert_eq!((foreign.status, &foreign.body["code"]), (StatusCode::FORBIDDEN, &json!(50005)));
    assert_eq!(patch(&format!("{url}/1"), &hello()).await.body["code"], 10008);
    assert!(discord.violations().is_empty(), "{:?}", discord.violations());
}

#[tokio::test]
async fn wrong_tokens_are_refused_as_discord_does() {
    let discord = discord();
    let id = routes::WEBHOOK_ID;
    let cases = [
        (discord.webhook_url() + "x", 401, json!({ "message": "Invalid Webhook Token", "code": 50027 })),
        (discord.webhook_url().replace(id, "1"), 404, json!({ "message": "Unknown Webhook", "code": 10015 })),
        (
            format!("{}/api/v10/channels/1/messages", discord.url()),
            404,
            json!({ "message": "Unknown Channel", "code": 10003 }),
        ),
    ];
    for (url, status, body) in cases {
        let refused = post(&url, &hello()).await;
        assert_eq!((refused.status.as_u16(), refused.body), (status, body));
    }
    let request = Request::post(channel_url(&discord)).header(USER_AGENT, "DiscordBot (x, 1)");
    let request = request.header(AUTHORIZATION, "Bot wrong").header(CONTENT_TYPE, JSON);
    let refused = answer(request.body(hello().to_string().into()).unwrap()).await.unwrap();
    let body = json!({ "message": "401: Unauthorized", "code": 0 });
    assert_eq!((refused.status, refused.body), (StatusCode::UNAUTHORIZED, body));
    assert!(discord.violations().is_empty(), "{:?}", discord.violations());
    assert!(discord.messages().is_empty());
}

#[tokio::test]
async fn other_routes_queries_and_agents_are_violations() {
    let discord = discord();
    assert_eq!(post(&format!("{}/api/v9/channels/1/messages", discord.url()), &hello()).await.status, 404);
    post(&format!("{}?wait=yes&x=1", discord.webhook_url()), &hello()).await;
    let request = Request::post(discord.webhook_url()).header(CONTENT_TYPE, JSON);
    answer(request.body(hello().to_string().into()).unwrap()).await.unwrap();
    let violations = discord.violations();
    let expected = ["no such operation", "wait=yes", "x=1", "User-Agent"];
    assert_eq!(violations.len(), expected.len(), "{violations:?}");
    let are_found = violations.iter().zip(expected).all(|(violation, part)| violation.contains(part));
    assert!(are_found, "{violations:?}");
}

#[tokio::test]
async fn early_retry_after_429_is_a_violation() {
    let window = Duration::from_secs(2);
    let rules = DiscordRules { per_window: 2, window, ..DiscordRules::default() };
    let discord = Discord::start(rules).unwrap();
    let url = discord.webhook_url();
    for remaining in ["1", "0"] {
        let taken = post(&url, &hello()).await;
        assert_eq!(
            (taken.status, &taken.headers["x-ratelimit-limit"]),
            (StatusCode::NO_CONTENT, &"2".parse().unwrap())
        );
        assert_eq!(taken.headers["x-ratelimit-remaining"], remaining);
    }
    let limited = post(&url, &hello()).await;
    assert_eq!(limited.status, StatusCode::TOO_MANY_REQUESTS);
    assert_eq!(
        (&limited.headers["retry-after"], &limited.headers["x-ratelimit-scope"]),
        (&"2".parse().unwrap(), &"user".parse().unwrap())
    );
    assert_eq!(limited.headers["x-ratelimit-remaining"], "0");
    assert_eq!(
        (&limited.body["global"], &limited.body["message"]),
        (&json!(false), &json!("You are being rate limited."))
    );
    assert!(discord.violations().is_empty());
    assert_eq!(post(&channel_url(&discord), &hello()).await.status, StatusCode::OK, "a bucket of its own");

    let ignored = post(&url, &hello()).await;
    assert_eq!(ignored.status, StatusCode::TOO_MANY_REQUESTS);
    assert!(discord.violations()[0].contains("429 ignored"), "{:?}", discord.violations());
    tokio::time::sleep(Duration::from_secs_f64(ignored.body["retry_after"].as_f64().unwrap())).await;
    assert_eq!(post(&url, &hello()).await.status, StatusCode::NO_CONTENT);
    assert_eq!((discord.violations().len(), discord.messages().len()), (1, 4));
}

#[tokio::test]
async fn global_429_is_sent_once() {
    let window = Duration::from_millis(100);
    let rules = DiscordRules { window, global_429_once: true, ..DiscordRules::default() };
    let discord = Discord::start(rules).unwrap();
    let limited = post(&discord.webhook_url(), &hello()).await;
    assert_eq!((limited.status, &limited.body["global"]), (StatusCode::TOO_MANY_REQUESTS, &json!(true)));
    assert_eq!(limited.headers["x-ratelimit-global"], "true");
    tokio::time::sleep(Duration::from_secs_f64(limited.body["retry_after"].as_f64().unwrap())).await;
    assert_eq!(post(&channel_url(&discord), &hello()).await.status, StatusCode::OK);
    assert!(discord.violations().is_empty(), "{:?}", discord.violations());
}

#[tokio::test]
async fn script_chooses_the_faults() {
    let faults = [Fault::Status(503), Fault::Html(502), Fault::Cut, Fault::CutAfterAccepting];
    let script: Script = Arc::new(move |_, index| faults.get(index).copied());
    let discord = Discord::start(DiscordRules { script: Some(script), ..DiscordRules::default() }).unwrap();
    let url = discord.webhook_url();
    let outage = post(&url, &hello()).await;
    assert_eq!((outage.status.as_u16(), &outage.body["message"]), (503, &json!("503: Service Unavailable")));
    let page = post(&url, &hello()).await;
    assert_eq!((page.status.as_u16(), &page.headers[CONTENT_TYPE]), (502, &"text/html".parse().unwrap()));
    assert!(page.body.as_str().unwrap().starts_with("<html>"));
    for posted in [0, 1] {
        let error = send("POST", &url, JSON, hello().to_string()).await.err().unwrap();
        assert!(error.downcast_ref::<hyper::Error>().unwrap().is_incomplete_message(), "{error:#}");
        assert_eq!(discord.messages().len(), posted);
    }
    discord.set_rules(DiscordRules::default());
    assert_eq!(post(&url, &hello()).await.status, StatusCode::NO_CONTENT);
    let statuses: Vec<u16> = discord.requests().iter().map(|seen| seen.status).collect();
    assert_eq!(statuses, [503, 502, 0, 0, 204]);
    assert!(discord.violations().is_empty(), "{:?}", discord.violations());
    drop(discord);
    assert!(send("POST", &url, JSON, "{}").await.is_err());
}
