//! `allowedPattern`: Java's dialect, matched against the whole value.

/// Work that a pattern with look-around or back-references may do before the match is given up.
const BACKTRACK_LIMIT: usize = 200_000;

/// Memory that a pattern may compile to.
const SIZE_LIMIT: usize = 2 * 1024 * 1024;

/// Why a pattern gives no answer.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum PatternError {
    #[error("the pattern is not valid: {0}")]
    Invalid(String),
    #[error("it takes too long")]
    TooSlow,
    #[cfg(not(feature = "patterns"))]
    #[error("this program does not match patterns")]
    NotBuilt,
}

#[cfg(feature = "patterns")]
fn compile(pattern: &str) -> Result<fancy_regex::Regex, PatternError> {
    fancy_regex::RegexBuilder::new(&format!(r"\A(?:{})\z", translated(pattern)))
        .backtrack_limit(BACKTRACK_LIMIT)
        .delegate_size_limit(SIZE_LIMIT)
        .delegate_dfa_size_limit(SIZE_LIMIT)
        .build()
        .map_err(|error| PatternError::Invalid(error.to_string()))
}

#[cfg(feature = "patterns")]
pub(crate) fn matches(pattern: &str, text: &str) -> Result<bool, PatternError> {
    compile(pattern)?.is_match(text).map_err(|_| PatternError::TooSlow)
}

#[cfg(not(feature = "patterns"))]
pub(crate) fn matches(_pattern: &str, _text: &str) -> Result<bool, PatternError> {
    Err(PatternError::NotBuilt)
}

/// What Java writes and the engine spells otherwise.
#[cfg(feature = "patterns")]
fn translated(pattern: &str) -> String {
    pattern.to_owned()
}
