use std::fmt;

use serde_json::{Map, Value, json};

/// A violation in a body.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    /// A JSON pointer into the body.
    pub path: String,
    pub text: String,
}

impl Problem {
    pub fn new(path: impl Into<String>, text: impl Into<String>) -> Self {
        Self { path: path.into(), text: text.into() }
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", if self.path.is_empty() { "body" } else { &self.path }, self.text)
    }
}

/// The problems in Discord's format: nested like the body, with `_errors` at each place.
pub fn tree(problems: &[Problem]) -> Value {
    let mut root = Map::new();
    for problem in problems {
        insert(&mut root, problem.path.split('/').filter(|key| !key.is_empty()), &problem.text);
    }
    Value::Object(root)
}

fn insert<'a>(node: &mut Map<String, Value>, mut keys: impl Iterator<Item = &'a str>, text: &str) {
    let Some(key) = keys.next() else {
        let errors = node.entry("_errors").or_insert_with(|| json!([]));
        if let Some(errors) = errors.as_array_mut() {
            errors.push(json!({ "code": "INVALID", "message": text }));
        }
        return;
    };
    let child = node.entry(key).or_insert_with(|| json!({}));
    if let Some(child) = child.as_object_mut() {
        let rest: Vec<&str> = keys.collect();
        insert(child, rest.into_iter(), text);
    }
}
