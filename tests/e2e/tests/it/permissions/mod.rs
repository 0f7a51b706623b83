//! Each statement of the functions' roles in `deploy/template.yaml` is tied to a call that the code makes, and each call
//! of the code to a statement: by the source files, by what the linker left in the binaries, and by what the deployed
//! functions ask AWS for.

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
fn every_call_of_the_source_files_has_its_callers_named() {
    let named = calls::CALLS.iter().flat_map(|(file, actions, _)| actions.iter().map(move |it| (*file, *it)));
    let named: BTreeSet<(String, String)> =
        named.map(|(file, it)| (file.to_owned(), it.to_owned())).collect();
    let made = Workspace::read().calls();
    let unnamed: Vec<_> = made.difference(&named).collect();
    assert!(unnamed.is_empty(), "name in calls.rs who makes these calls: {unnamed:#?}");
    let gone: Vec<_> = named.difference(&made).collect();
    assert!(gone.is_empty(), "no longer made, take it out of calls.rs: {gone:#?}");
}

#[test]
fn the_binaries_hold_the_calls_that_are_theirs_and_no_others() {
    for binary in calls::FUNCTIONS.into_iter().chain([calls::OPERATOR]) {
        let mut linked = sdk::linked(&quiz_e2e::binary(binary));
        linked.retain(|action| !calls::OF_THE_SDK.contains(&action.as_str()));
        let never_called = calls::NEVER_CALLED.iter().filter(|(of, _, _)| *of == binary);
        let never_called =
            never_called.flat_map(|(_, actions, _)| *actions).map(|it| (*it).to_owned()).collect();
        let called = calls::of(binary);
        assert!(called.is_disjoint(&never_called), "{binary} does call some of {never_called:?}");
        assert_eq!(linked, &called | &never_called, "{binary}");
    }
}

#[test]
fn the_roles_allow_what_is_called_and_nothing_else() {
    let template = template("template.yaml").unwrap();
    let functions = functions(&template);
    let names: BTreeSet<&str> = functions.iter().map(|it| it.name.as_str()).collect();
    assert_eq!(names, BTreeSet::from(calls::FUNCTIONS));
    for function in &functions {
        let needed = &calls::of(&function.name) | &calls::on_behalf_of(&function.name);
        let differences = differences(&needed, statements(&template["Resources"][&function.role]));
        assert!(differences.is_empty(), "{}: {differences:#?}", function.name);
    }
}

#[test]
fn a_statement_too_many_and_one_too_few_are_noticed() {
    let needed = BTreeSet::from(["sns:Publish".to_owned(), "dynamodb:GetItem".to_owned()]);
    let reads = json!({"Action": ["dynamodb:GetItem"]});
    let tells = json!({"Action": "sns:Publish"});
    let empties = json!({"Action": ["dynamodb:GetItem", "sqs:PurgeQueue"]});
    assert_eq!(differences(&needed, &[reads.clone(), tells.clone()]), Vec::<String>::new());
    assert_eq!(differences(&needed, &[reads]), ["sns:Publish is needed, and not allowed"]);
    assert_eq!(differences(&needed, &[empties, tells]), ["sqs:PurgeQueue is allowed, and nothing needs it"]);
}

/// The paragraph of a function's README that begins with "Permissions" names the calls, and no others.
#[test]
fn the_readmes_name_the_calls() {
    let root = Workspace::read().root().to_owned();
    for function in calls::FUNCTIONS {
        let readme =
            std::fs::read_to_string(root.join("functions").join(function).join("README.md")).unwrap();
        let paragraph = readme.split("\n\n").find(|it| it.starts_with("Permissions")).unwrap();
        let told = paragraph.split('`').skip(1).step_by(2).filter(|it| !it.starts_with("roles/"));
        let told: BTreeSet<&str> = told.map(|it| it.rsplit(':').next().unwrap()).collect();
        let mut needed = calls::of(function);
        needed.extend(calls::on_behalf_of(function).into_iter().filter(|it| it.starts_with("kms:")));
        let needed = needed.iter().map(|it| it.rsplit(':').next().unwrap()).collect();
        assert_eq!(told, needed, "{function}");
    }
}
