//! The functions' roles in `deploy/template.yaml` allow exactly the calls of the code.
//!
//! Three sources name the calls: the source files, the operations that the linker left in the binaries, and the requests
//! of the deployed functions.

mod boundary;
mod calls;
mod deployed;
mod requests;
mod resource_policies;
mod roles;
mod sdk;
use std::collections::BTreeSet;

use quiz_stack::template;
use roles::{differences, functions, statements};
use sdk::Workspace;
use serde_json::json;

#[test]
fn every_call_names_its_callers() {
    let named =
        calls::CALLS.iter().flat_map(|(file, actions, _)| actions.iter().map(move |action| (*file, *action)));
    let named: BTreeSet<(String, String)> =
        named.map(|(file, it)| (file.to_owned(), it.to_owned())).collect();
    let made = Workspace::read().calls();
    let unnamed: Vec<_> = made.difference(&named).collect();
    assert!(unnamed.is_empty(), "add these calls to calls.rs, with their callers: {unnamed:#?}");
    let gone: Vec<_> = named.difference(&made).collect();
    assert!(gone.is_empty(), "remove these unused calls from calls.rs: {gone:#?}");
}

#[test]
fn binaries_hold_exactly_their_calls() {
    for binary in calls::FUNCTIONS.into_iter().chain([calls::OPERATOR]) {
        let mut linked = sdk::linked(&quiz_e2e::binary(binary));
        linked.retain(|action| !calls::OF_THE_SDK.contains(&action.as_str()));
        let never_called = calls::NEVER_CALLED.iter().filter(|(of, _, _)| *of == binary);
        let never_called =
            never_called.flat_map(|(_, actions, _)| *actions).map(|action| (*action).to_owned()).collect();
        let called = calls::of(binary);
        assert!(called.is_disjoint(&never_called), "{binary} does call some of {never_called:?}");
        assert_eq!(linked, &called | &never_called, "{binary}");
    }
}

#[test]
fn roles_allow_exactly_the_calls() {
    let template = template("template.yaml").unwrap();
    let functions = functions(&template);
    let names: BTreeSet<&str> = functions.iter().map(|function| function.name.as_str()).collect();
    assert_eq!(names, BTreeSet::from(calls::FUNCTIONS));
    for function in &functions {
        let needed = &calls::of(&function.name) | &calls::on_behalf_of(&function.name);
        let differences = differences(&needed, &statements(&template["Resources"][&function.role]));
        assert!(differences.is_empty(), "{}: {differences:#?}", function.name);
    }
}

#[test]
fn operator_may_exactly_what_the_command_calls() {
    let template = template("template.yaml").unwrap();
    let role = &template["Resources"]["OperatorRole"];
    let mut needed = calls::of(calls::OPERATOR);
    needed.extend(calls::ON_BEHALF_OF_THE_OPERATOR.map(|(action, _)| action.to_owned()));
    // every identity may call it
    needed.remove("sts:GetCallerIdentity");
    let differences = differences(&needed, &statements(role));
    assert!(differences.is_empty(), "{differences:#?}");
    assert_eq!(role["Condition"], "HasOperator");
    let trusted = json!({"Effect": "Allow", "Principal": {"AWS": {"Ref": "OperatorPrincipalArn"}}, "Action": "sts:AssumeRole"});
    assert_eq!(role["Properties"]["AssumeRolePolicyDocument"]["Statement"], json!([trusted]));
}

#[test]
fn surplus_and_missing_statements_are_found() {
    let needed = BTreeSet::from(["sns:Publish".to_owned(), "dynamodb:GetItem".to_owned()]);
    let reads = json!({"Action": ["dynamodb:GetItem"]});
    let tells = json!({"Action": "sns:Publish"});
    let empties = json!({"Action": ["dynamodb:GetItem", "sqs:PurgeQueue"]});
    assert_eq!(differences(&needed, &[&reads, &tells]), Vec::<String>::new());
    assert_eq!(differences(&needed, &[&reads]), ["sns:Publish is needed but not allowed"]);
    assert_eq!(differences(&needed, &[&empties, &tells]), ["sqs:PurgeQueue is allowed but not needed"]);
}

/// The paragraph "Permissions" in a function's README names exactly the function's calls.
#[test]
fn the_readmes_name_the_calls() {
    let root = Workspace::read().root().to_owned();
    for function in calls::FUNCTIONS {
        let readme =
            std::fs::read_to_string(root.join("functions").join(function).join("README.md")).unwrap();
        let paragraph = readme.split("\n\n").find(|paragraph| paragraph.starts_with("Permissions")).unwrap();
        let named = paragraph.split('`').skip(1).step_by(2).filter(|name| !name.starts_with("roles/"));
        let named: BTreeSet<&str> = named.map(|action| action.rsplit(':').next().unwrap()).collect();
        let mut needed = calls::of(function);
        needed.extend(calls::on_behalf_of(function).into_iter().filter(|action| action.starts_with("kms:")));
        let needed = needed.iter().map(|action| action.rsplit(':').next().unwrap()).collect();
        assert_eq!(named, needed, "{function}");
    }
}
