use super::*;

#[tokio::test]
async fn values_at_the_limits_are_accepted() {
    let discord = discord();
    let (description, value) = ("d".repeat(4096), "v".repeat(1024));
    let embed = json!({
        "title": "t".repeat(256), "description": description, "author": { "name": "a".repeat(256) },
        "fields": [{ "name": "n".repeat(256), "value": value }, { "name": "n", "value": "v".repeat(111) }],
    });
    for payload in
        [with_embed(&embed), json!({ "content": "c".repeat(2000), "allowed_mentions": { "parse": [] } })]
    {
        let posted = post(&discord.webhook_url(), &payload).await;
        assert_eq!(posted.status, StatusCode::NO_CONTENT, "{}", posted.body);
    }
}

#[tokio::test]
async fn schema_and_limit_violations_are_refused() {
    let long = |length: usize| "x".repeat(length);
    let field =
        |name: &str, value: &str| with_embed(&json!({ "fields": [{ "name": name, "value": value }] }));
    let with_attachments = |ids: Value| {
        let mut payload = hello();
        payload["attachments"] = ids;
        payload
    };
    let cases = [
        (with_embed(&json!({ "title": long(257) })), "/embeds/0/title"),
        // 258 units of UTF-16
        (with_embed(&json!({ "title": "🎓".repeat(129) })), "/embeds/0/title"),
        (with_embed(&json!({ "description": long(4097) })), "/embeds/0/description"),
        (with_embed(&json!({ "fields": fields(26) })), "/embeds/0/fields"),
        (field("", "v"), "/embeds/0/fields/0/name is empty"),
        (field("n", " "), "/embeds/0/fields/0/value is empty"),
        (field(&long(257), "v"), "/embeds/0/fields/0/name"),
        (field("n", &long(1025)), "/embeds/0/fields/0/value"),
        (with_embed(&json!({ "title": "t", "footer": { "text": long(2049) } })), "/embeds/0/footer"),
        (with_embed(&json!({ "title": "t", "author": { "name": long(257) } })), "/embeds/0/author"),
        (with_embed(&json!({})), "/embeds/0 is an empty embed"),
        (
            json!({
                "embeds": [{ "description": long(4096) }, { "description": long(1905) }],
                "allowed_mentions": { "parse": [] },
            }),
            "/embeds has 6001 characters in all",
        ),
        (
            json!({ "embeds": vec![json!({ "title": "t" }); 11], "allowed_mentions": { "parse": [] } }),
            "/embeds",
        ),
        (json!({ "content": long(2001), "allowed_mentions": { "parse": [] } }), "/content"),
        (
            json!({ "content": " ", "sticker_ids": [], "allowed_mentions": { "parse": [] } }),
            "body is an empty message",
        ),
        (json!({ "content": "@everyone" }), "/allowed_mentions"),
        (json!({ "content": "x", "allowed_mentions": { "parse": ["everyone"] } }), "/allowed_mentions"),
        (
            with_embed(&json!({ "image": { "url": "attachment://no.png" } })),
            "/embeds/0/image/url is attachment",
        ),
        (with_embed(&json!({ "title": "t", "url": "ftp://example.org" })), "/embeds/0/url is none of"),
        (with_attachments(json!([{ "id": "0" }])), "/attachments/0/id is 0, which is no file"),
        (with_embed(&json!({ "title": 5 })), "/embeds/0/title"),
        (with_embed(&json!({ "title": "t", "color": "red" })), "/embeds/0/color"),
        (with_embed(&json!({ "title": "t", "timestamp": "today" })), "/embeds/0/timestamp"),
        (json!({ "content": "x", "tts": "no", "allowed_mentions": { "parse": [] } }), "/tts"),
        (json!({ "content": "x", "embed": {}, "allowed_mentions": { "parse": [] } }), "/embed value is not"),
        (json!([]), "body"),
    ];
    let discord = discord();
    for (index, (payload, problem)) in cases.iter().enumerate() {
        for url in [discord.webhook_url(), channel_url(&discord)] {
            let refused = post(&url, payload).await;
            assert_eq!((refused.status, &refused.body["code"]), (StatusCode::BAD_REQUEST, &json!(50035)));
            let found = discord.requests().pop().unwrap().problems;
            assert!(found.iter().any(|text| text.starts_with(problem)), "{index}: {problem}: {found:?}");
        }
    }
    assert!(discord.messages().is_empty());
    assert!(discord.violations().len() >= 2 * cases.len(), "{:#?}", discord.violations());
    let refused = post(&discord.webhook_url(), &with_embed(&json!({ "title": long(257) }))).await;
    let errors = &refused.body["errors"]["embeds"]["0"]["title"]["_errors"];
    assert_eq!(errors[0]["message"], "value is longer than 256 characters");
}

#[tokio::test]
async fn files_must_match_the_payload() {
    let discord = discord();
    let url = discord.webhook_url();
    let mut payload = hello();
    payload["attachments"] = json!([{ "id": 1, "filename": "renamed.png" }]);
    let refused = post_files("POST", &url, &payload, &["a.png", "b.png"]).await;
    assert_eq!(refused.status, StatusCode::BAD_REQUEST);
    assert!(
        discord.violations()[0].ends_with("/attachments does not list files[0]"),
        "{:?}",
        discord.violations()
    );
    let names = ["a.png"; 11];
    assert_eq!(post_files("POST", &url, &hello(), &names).await.status, StatusCode::BAD_REQUEST);
    assert!(discord.violations()[1].contains("part \"files[10]\""), "{:?}", discord.violations());
    for (content_type, body) in [("text/plain", "{}"), (JSON, "{"), ("multipart/form-data; boundary=e", "{}")]
    {
        assert_eq!(send("POST", &url, content_type, body).await.unwrap().status, StatusCode::BAD_REQUEST);
        assert!(discord.requests().pop().unwrap().problems[0].starts_with("body is "));
    }
    payload["attachments"] = json!([{ "id": 0, "filename": "renamed.png" }]);
    assert_eq!(post_files("POST", &url, &payload, &["a.png"]).await.status, StatusCode::NO_CONTENT);
    assert_eq!(discord.messages()[0].attachments[0].filename, "renamed.png");
}
