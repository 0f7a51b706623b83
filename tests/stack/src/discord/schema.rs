use anyhow::{Context, Result, anyhow};
use jsonschema::{Draft, Validator};
use serde_json::{Value, json};

use super::problem::Problem;
use super::routes::Operation;

const DOCUMENT: &str = include_str!("../../discord/openapi.json");

/// The schemas of the bodies, from Discord's OpenAPI document.
pub struct Schemas {
    execute_webhook: Validator,
    edit_webhook_message: Validator,
    create_message: Validator,
    edit_message: Validator,
}

impl Schemas {
    pub fn load() -> Result<Self> {
        let mut document: Value = serde_json::from_str(DOCUMENT)?;
        forbid_unknown_members(&mut document);
        let webhook = "/webhooks/{webhook_id}/{webhook_token}";
        Ok(Self {
            execute_webhook: validator(&document, webhook, "post")?,
            edit_webhook_message: validator(
                &document,
                &format!("{webhook}/messages/{{message_id}}"),
                "patch",
            )?,
            create_message: validator(&document, "/channels/{channel_id}/messages", "post")?,
            edit_message: validator(&document, "/channels/{channel_id}/messages/{message_id}", "patch")?,
        })
    }

    pub fn check(&self, operation: Operation, payload: &Value) -> Vec<Problem> {
        let validator = match operation {
            Operation::ExecuteWebhook => &self.execute_webhook,
            Operation::EditWebhookMessage => &self.edit_webhook_message,
            Operation::CreateMessage => &self.create_message,
            Operation::EditMessage => &self.edit_message,
            Operation::GetWebhook | Operation::GetBot | Operation::GetChannel => return Vec::new(),
        };
        let payload = with_text_ids(payload);
        let errors = validator.iter_errors(&payload);
        errors.map(|error| Problem::new(error.instance_path().as_str(), error.masked().to_string())).collect()
    }
}

/// Forbids unknown members, so that a misspelt member is found; the document itself allows them.
fn forbid_unknown_members(document: &mut Value) {
    let schemas = document.pointer_mut("/components/schemas").and_then(Value::as_object_mut);
    for schema in schemas.into_iter().flat_map(|schemas| schemas.values_mut()) {
        if let Some(schema) = schema.as_object_mut().filter(|schema| schema.contains_key("properties")) {
            schema.insert("additionalProperties".to_owned(), json!({ "type": "null" }));
        }
    }
}

fn validator(document: &Value, path: &str, method: &str) -> Result<Validator> {
    let found = document.get("paths").and_then(|paths| paths.get(path)).and_then(|path| path.get(method));
    let schema = found.and_then(|found| found.pointer("/requestBody/content/application~1json/schema"));
    // the second of two alternatives is for edits and would accept wrong types in members of new messages
    let schema = schema.map(|schema| schema.pointer("/anyOf/0").unwrap_or(schema));
    let mut schema = schema.cloned().with_context(|| format!("no schema of {method} {path}"))?;
    if let (Some(schema), Some(components)) = (schema.as_object_mut(), document.get("components")) {
        schema.insert("components".to_owned(), components.clone());
    }
    let options = jsonschema::options().with_draft(Draft::Draft202012).should_validate_formats(true);
    options.build(&schema).map_err(|error| anyhow!("{method} {path}: {error}"))
}

/// The ids of attachments may be numbers, as Discord's guide shows; the document allows text only.
fn with_text_ids(payload: &Value) -> Value {
    let mut payload = payload.clone();
    let attachments = payload.get_mut("attachments").and_then(Value::as_array_mut);
    for id in attachments.into_iter().flatten().filter_map(|attachment| attachment.get_mut("id")) {
        if let Some(number) = id.as_u64() {
            *id = Value::from(number.to_string());
        }
    }
    payload
}
