//! The functions' roles, as the template has them.

use std::collections::BTreeSet;

use serde_json::Value;

use crate::permissions::sdk::Action;

/// A function of the template.
pub struct Function<'a> {
    /// Such as `sync-reports`.
    pub name: String,
    /// The template's name of its role.
    pub role: String,
    pub properties: &'a Value,
}

pub fn functions(template: &Value) -> Vec<Function<'_>> {
    let resources = template["Resources"].as_object().unwrap().values();
    resources
        .filter(|it| it["Type"] == "AWS::Serverless::Function")
        .map(|it| {
            let properties = &it["Properties"];
            let name = properties["FunctionName"]["Fn::Sub"].as_str().unwrap();
            let role = &properties["Role"]["Fn::GetAtt"];
            assert_eq!(role[1], "Arn", "{name}");
            Function {
                name: name.strip_prefix("${AWS::StackName}-").unwrap().to_owned(),
                role: role[0].as_str().unwrap().to_owned(),
                properties,
            }
        })
        .collect()
}

/// The statements of a role, all in one policy of its own.
pub fn statements(role: &Value) -> &Vec<Value> {
    assert_eq!(role["Type"], "AWS::IAM::Role");
    let policies = role["Properties"]["Policies"].as_array().unwrap();
    assert_eq!(policies.len(), 1);
    policies[0]["PolicyDocument"]["Statement"].as_array().unwrap()
}

/// One text or several.
pub fn texts(value: &Value) -> Vec<&str> {
    match value {
        Value::Array(several) => several.iter().map(|it| it.as_str().unwrap()).collect(),
        one => vec![one.as_str().unwrap()],
    }
}

/// What is allowed and not needed, and what is needed and not allowed.
pub fn differences(needed: &BTreeSet<Action>, statements: &[Value]) -> Vec<String> {
    let allowed: BTreeSet<Action> =
        statements.iter().flat_map(|it| texts(&it["Action"])).map(str::to_owned).collect();
    let needless = allowed.difference(needed).map(|it| format!("{it} is allowed, and nothing needs it"));
    let missing = needed.difference(&allowed).map(|it| format!("{it} is needed, and not allowed"));
    needless.chain(missing).collect()
}
