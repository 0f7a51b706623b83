//! Reads the functions' roles from the template.

use std::collections::BTreeSet;

use serde_json::Value;

use crate::permissions::sdk::Action;

/// A function of the template.
pub struct Function<'a> {
    /// The function's name, such as `sync-reports`.
    pub name: String,
    /// The name of the function's role in the template.
    pub role: String,
    pub properties: &'a Value,
}

pub fn functions(template: &Value) -> Vec<Function<'_>> {
    let resources = template["Resources"].as_object().unwrap().values();
    resources
        .filter(|resource| resource["Type"] == "AWS::Serverless::Function")
        .map(|function| {
            let properties = &function["Properties"];
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

/// The statements of a role, which has one inline policy. Those of a condition are left out.
pub fn statements(role: &Value) -> Vec<&Value> {
    assert_eq!(role["Type"], "AWS::IAM::Role");
    let policies = role["Properties"]["Policies"].as_array().unwrap();
    assert_eq!(policies.len(), 1);
    let all = policies[0]["PolicyDocument"]["Statement"].as_array().unwrap();
    all.iter().filter(|statement| statement["Fn::If"].is_null()).collect()
}

/// The statements of a role that only a function in a VPC has.
pub fn network_statements(role: &Value) -> Vec<&Value> {
    let all = role["Properties"]["Policies"][0]["PolicyDocument"]["Statement"].as_array().unwrap();
    let conditional = all.iter().filter_map(|statement| statement["Fn::If"].as_array());
    conditional
        .map(|parts| {
            assert!(parts[0].as_str().unwrap().ends_with("HasNetwork"), "{parts:?}");
            assert_eq!(parts[2]["Ref"], "AWS::NoValue");
            &parts[1]
        })
        .collect()
}

/// One text or several.
pub fn texts(value: &Value) -> Vec<&str> {
    match value {
        Value::Array(several) => several.iter().map(|text| text.as_str().unwrap()).collect(),
        one => vec![one.as_str().unwrap()],
    }
}

/// The permissions that are allowed but not needed, and those that are needed but not allowed.
pub fn differences(needed: &BTreeSet<Action>, statements: &[&Value]) -> Vec<String> {
    let allowed: BTreeSet<Action> =
        statements.iter().flat_map(|statement| texts(&statement["Action"])).map(str::to_owned).collect();
    let needless = allowed.difference(needed).map(|action| format!("{action} is allowed but not needed"));
    let missing = needed.difference(&allowed).map(|action| format!("{action} is needed but not allowed"));
    needless.chain(missing).collect()
}
