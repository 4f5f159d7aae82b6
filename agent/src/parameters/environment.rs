//! Names of variables for parameters below a path. Pure.
//!
//! What follows the path in a parameter's name, in capitals, with `_` for everything that is no letter and no digit:
//! below `/app/`, `/app/db/password` is `DB_PASSWORD`. One that would begin with a digit begins with `_`.

/// Why a parameter has no variable.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum VariableError {
    #[error(
        "{first} and {second} would both be {variable}: take one of them with --env NAME={second}, or a deeper path"
    )]
    Twice { variable: String, first: String, second: String },
    #[error("`{0}` is no name of a variable: letters, digits and _, and no digit first")]
    Name(String),
    #[error("`{0}` is not NAME=PARAMETER")]
    Pair(String),
}

/// A variable and the parameter that it has its value from.
pub type Source = (String, String);

/// The variable of a parameter below a path.
#[must_use]
pub fn variable(name: &str, path: &str) -> String {
    let path = path.trim_end_matches('/');
    let below = name.strip_prefix(path).filter(|below| below.starts_with('/')).unwrap_or(name);
    let plain = |letter: char| if letter.is_ascii_alphanumeric() { letter.to_ascii_uppercase() } else { '_' };
    let variable: String = below.trim_start_matches('/').chars().map(plain).collect();
    if variable.starts_with(|first: char| first.is_ascii_digit()) { format!("_{variable}") } else { variable }
}

/// The variables of all parameters below a path.
///
/// # Errors
/// When two of them would have the same one.
pub fn of_path(names: &[String], path: &str) -> Result<Vec<Source>, VariableError> {
    let mut sources: Vec<Source> = Vec::with_capacity(names.len());
    for name in names {
        let variable = variable(name, path);
        if let Some((_, first)) = sources.iter().find(|(taken, _)| *taken == variable) {
            return Err(VariableError::Twice { variable, first: first.clone(), second: name.clone() });
        }
        sources.push((variable, name.clone()));
    }
    Ok(sources)
}

/// `NAME=PARAMETER` as it was written.
///
/// # Errors
/// When it is not that.
pub fn pair(text: &str) -> Result<Source, VariableError> {
    let (variable, parameter) = text.split_once('=').ok_or_else(|| VariableError::Pair(text.to_owned()))?;
    let is_plain = |letter: char| letter.is_ascii_alphanumeric() || letter == '_';
    if variable.is_empty()
        || !variable.chars().all(is_plain)
        || variable.starts_with(|first: char| first.is_ascii_digit())
    {
        return Err(VariableError::Name(variable.to_owned()));
    }
    if parameter.is_empty() {
        return Err(VariableError::Pair(text.to_owned()));
    }
    Ok((variable.to_owned(), parameter.to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn variables_are_what_follows_the_path() {
        for (name, path, wanted) in [
            ("/app/db/password", "/app/", "DB_PASSWORD"),
            ("/app/db/password", "/app", "DB_PASSWORD"),
            ("/app/db/password", "/app/db", "PASSWORD"),
            ("/app/log-level.default", "/app", "LOG_LEVEL_DEFAULT"),
            ("/app/2fa", "/app", "_2FA"),
            ("/app", "/", "APP"),
            ("/applied/x", "/app", "APPLIED_X"),
        ] {
            assert_eq!(variable(name, path), wanted, "{name} below {path}");
        }
    }

    #[test]
    fn what_cannot_be_a_variable_is_told() {
        let names = ["/a/x-y".to_owned(), "/a/x/y".to_owned()];
        let error = of_path(&names, "/a").unwrap_err().to_string();
        assert!(error.contains("/a/x-y and /a/x/y would both be X_Y"), "{error}");
        assert_eq!(pair("DB_URL=/app/url:2").unwrap(), ("DB_URL".to_owned(), "/app/url:2".to_owned()));
        for (text, words) in [
            ("DB_URL", "is not NAME=PARAMETER"),
            ("DB_URL=", "is not NAME=PARAMETER"),
            ("=x", "no name of a variable"),
            ("1X=x", "no name of a variable"),
            ("A B=x", "no name of a variable"),
        ] {
            let error = pair(text).unwrap_err().to_string();
            assert!(error.contains(words), "{text}: {error}");
        }
    }
}
