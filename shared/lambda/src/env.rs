use std::collections::HashMap;
use std::fmt;
use std::str::FromStr;

use thiserror::Error;

use crate::secrets::{Secret, SecretSource};

/// All missing and wrong variables of the environment, in one error. It contains no value of a variable.
#[derive(Debug, Error, PartialEq, Eq)]
#[error("the configuration is not complete: {}", .problems.join("; "))]
pub struct ConfigError {
    pub problems: Vec<String>,
}

/// Environment variables, read once at start. Problems are collected until [`Environment::finish`] reports all of them.
#[derive(Default)]
pub struct Environment {
    variables: HashMap<String, String>,
    problems: Vec<String>,
}

impl fmt::Debug for Environment {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Environment").field("problems", &self.problems).finish_non_exhaustive()
    }
}

impl Environment {
    /// The variables of this process. A variable that is not Unicode counts as not set.
    #[must_use]
    pub fn from_process() -> Self {
        let unicode = |(name, value): (std::ffi::OsString, std::ffi::OsString)| {
            Some((name.into_string().ok()?, value.into_string().ok()?))
        };
        Self { variables: std::env::vars_os().filter_map(unicode).collect(), problems: Vec::new() }
    }

    /// The given variables only.
    #[must_use]
    pub fn from_variables<const N: usize>(variables: [(&str, &str); N]) -> Self {
        let owned = variables.map(|(name, value)| (name.to_owned(), value.to_owned()));
        Self { variables: owned.into(), problems: Vec::new() }
    }

    /// The trimmed value of a variable. An empty value counts as not set.
    #[must_use]
    pub fn optional(&self, name: &str) -> Option<String> {
        let value = self.variables.get(name)?.trim();
        (!value.is_empty()).then(|| value.to_owned())
    }

    /// The value of a variable, or its default.
    #[must_use]
    pub fn or(&self, name: &str, default: &str) -> String {
        self.optional(name).unwrap_or_else(|| default.to_owned())
    }

    /// The entries of a list that is separated by commas.
    #[must_use]
    pub fn list(&self, name: &str, default: &str) -> Vec<String> {
        let entries = self.or(name, default);
        entries.split(',').map(str::trim).filter(|entry| !entry.is_empty()).map(str::to_owned).collect()
    }

    /// The parsed value of a variable, or its default. `wanted` describes valid values in the problem.
    pub fn parsed<T: FromStr>(&mut self, name: &str, default: T, wanted: &str) -> T {
        match self.optional(name).map(|value| value.parse()) {
            None => default,
            Some(Ok(value)) => value,
            Some(Err(_)) => {
                self.problem(format!("{name} must be {wanted}"));
                default
            }
        }
    }

    /// A secret whose text is in the variable `name`, or whose Secrets Manager id is in `{name}_SECRET_ID`.
    pub fn secret(&mut self, name: &str) -> SecretSource {
        let by_id = format!("{name}_SECRET_ID");
        match (self.optional(name), self.optional(&by_id)) {
            (Some(_), Some(_)) => {
                self.problem(format!("{name} and {by_id} are both set: set one of them"));
                SecretSource::Given(Secret::default())
            }
            (Some(value), None) => SecretSource::Given(Secret::new(value)),
            (None, Some(id)) => SecretSource::ById(id),
            (None, None) => {
                self.problem(format!("{name} or {by_id} must be set"));
                SecretSource::Given(Secret::default())
            }
        }
    }

    /// Adds a problem for [`Environment::finish`].
    pub fn problem(&mut self, problem: String) {
        self.problems.push(problem);
    }

    /// Returns the configuration if no problem was found.
    ///
    /// # Errors
    /// [`ConfigError`] with all problems.
    pub fn finish<T>(self, config: T) -> Result<T, ConfigError> {
        if self.problems.is_empty() { Ok(config) } else { Err(ConfigError { problems: self.problems }) }
    }
}

#[cfg(test)]
mod tests {
    use super::Environment;

    #[test]
    fn error_lists_all_problems_and_no_value() {
        let mut env = Environment::from_variables([("PORT", "hunter2"), ("B", "x"), ("B_SECRET_ID", "y")]);
        env.parsed("PORT", 1, "a number");
        let _ = env.secret("A");
        let _ = env.secret("B");
        let text = env.finish(()).unwrap_err().to_string();
        assert_eq!(
            text,
            "the configuration is not complete: PORT must be a number; A or A_SECRET_ID must be set; \
             B and B_SECRET_ID are both set: set one of them"
        );
    }

    #[test]
    fn blank_values_are_unset_and_lists_trimmed() {
        let env = Environment::from_variables([("A", "  "), ("L", " test_admin, ,qa ")]);
        assert_eq!(env.optional("A"), None);
        assert_eq!(env.list("L", ""), ["test_admin", "qa"]);
        assert_eq!(env.or("A", "quiz"), "quiz");
    }

    #[test]
    fn secret_is_not_printed() {
        let mut env = Environment::from_variables([("MONGODB_URI", "mongodb://user:hunter2@host")]);
        let secret = env.secret("MONGODB_URI");
        assert!(!format!("{secret:?} {env:?}").contains("hunter2"));
    }
}
