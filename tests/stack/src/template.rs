use std::path::Path;

use anyhow::{Context, Result, bail};
use saphyr::{LoadableYamlNode, Scalar, Yaml};
use serde_json::{Map, Value, json};

/// The template in `deploy/` as JSON, with CloudFormation's short forms (`!Ref x`) in full (`{"Ref": "x"}`).
///
/// # Errors
/// A file that cannot be read or is not valid YAML.
pub fn template(name: &str) -> Result<Value> {
    read_template(&Path::new(env!("CARGO_MANIFEST_DIR")).join("../../deploy").join(name))
}

/// Reads a template as [`template`] does.
pub(crate) fn read_template(path: &Path) -> Result<Value> {
    let text = std::fs::read_to_string(path).with_context(|| format!("cannot read {}", path.display()))?;
    let documents = Yaml::load_from_str(&text).with_context(|| format!("{} is no YAML", path.display()))?;
    json_of(documents.first().context("an empty template")?)
}

fn json_of(yaml: &Yaml) -> Result<Value> {
    Ok(match yaml {
        Yaml::Value(scalar) => json_of_scalar(scalar),
        Yaml::Sequence(items) => Value::Array(items.iter().map(json_of).collect::<Result<_>>()?),
        Yaml::Mapping(fields) => {
            let field = |(name, value)| Ok((text(name)?, json_of(value)?));
            Value::Object(fields.iter().map(field).collect::<Result<_>>()?)
        }
        Yaml::Tagged(tag, value) => written_out(&tag.suffix, json_of(value)?),
        Yaml::Representation(text, _, Some(tag)) => written_out(&tag.suffix, json!(text)),
        other => bail!("{other:?} has no place in a template"),
    })
}

fn json_of_scalar(scalar: &Scalar) -> Value {
    match scalar {
        Scalar::Null => Value::Null,
        Scalar::Boolean(flag) => json!(flag),
        Scalar::Integer(number) => json!(number),
        Scalar::FloatingPoint(number) => json!(number.into_inner()),
        Scalar::String(text) => json!(text),
    }
}

fn text(key: &Yaml) -> Result<String> {
    match json_of(key)? {
        Value::String(text) => Ok(text),
        other => bail!("{other} is no key"),
    }
}

fn written_out(tag: &str, value: Value) -> Value {
    match (tag, value) {
        ("Ref" | "Condition", value) => Value::Object(Map::from_iter([(tag.to_owned(), value)])),
        ("GetAtt", Value::String(path)) => json!({"Fn::GetAtt": path.splitn(2, '.').collect::<Vec<_>>()}),
        (_, value) => Value::Object(Map::from_iter([(format!("Fn::{tag}"), value)])),
    }
}

/// Adapts the template to ministack. Each function becomes a native package in the bucket, with the name of its image's
/// parameter. CodeDeploy and alarms on metric expressions are removed, because ministack lacks both. The concurrency of a
/// trigger becomes a number, because ministack makes a text of a parameter there.
///
/// # Errors
/// A template with a function whose image is not named by a parameter.
pub fn package_natively(template: &mut Value, bucket: &str) -> Result<()> {
    let resources = template.get_mut("Resources").and_then(Value::as_object_mut);
    let resources = resources.context("a template without resources")?;
    let is_expression = |resource: &Value| {
        resource.pointer("/Type").and_then(Value::as_str) == Some("AWS::CloudWatch::Alarm")
            && resource.pointer("/Properties/Metrics").is_some()
    };
    resources.retain(|_, resource| !is_expression(resource));
    let mut images = Vec::new();
    let concurrency = "/Queue/Properties/ScalingConfig/MaximumConcurrency";
    for resource in resources.values_mut() {
        if resource.get("Type").and_then(Value::as_str) != Some("AWS::Serverless::Function") {
            continue;
        }
        let function = resource.get_mut("Properties").and_then(Value::as_object_mut);
        let function = function.context("a function without properties")?;
        if let Some(limit) = function.get_mut("Events").and_then(|events| events.pointer_mut(concurrency)) {
            *limit = json!(2);
        }
        let image =
            function.remove("ImageUri").and_then(|image| image.get("Ref")?.as_str().map(str::to_owned));
        let image = image.context("a function whose image is no parameter")?;
        function.remove("DeploymentPreference");
        function.insert("PackageType".to_owned(), json!("Zip"));
        function.insert("Runtime".to_owned(), json!("provided.al2023"));
        function.insert("Handler".to_owned(), json!("bootstrap"));
        function.insert("CodeUri".to_owned(), json!({"Bucket": bucket, "Key": image}));
        images.push(image);
    }
    let parameters = template.get_mut("Parameters").and_then(Value::as_object_mut);
    let parameters = parameters.context("a template without parameters")?;
    parameters.retain(|name, _| !images.contains(name));
    Ok(())
}
