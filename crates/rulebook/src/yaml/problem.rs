//! What is wrong, where, and what to write instead.

use super::Place;
use std::fmt;
use std::sync::Arc;

/// Whether a problem keeps the file from being used.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Severity {
    /// The file is refused.
    Error,
    /// The file can be used, but probably does not say what its author means.
    Warning,
}

/// One thing that is wrong with a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    /// Error or warning.
    pub severity: Severity,
    /// The file's name as the caller gave it.
    pub file: Arc<str>,
    /// Where in the file.
    pub place: Place,
    /// What is wrong: lower case, no full stop.
    pub message: String,
    /// What would be right there.
    pub expected: Option<String>,
    /// What to write instead of the text at `place`.
    pub suggestion: Option<String>,
}

impl fmt::Display for Problem {
    /// `file:line:column: error: message; expected ...; write `...`?`
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let severity = match self.severity {
            Severity::Error => "error",
            Severity::Warning => "warning",
        };
        let Problem { file, place, message, .. } = self;
        write!(f, "{file}:{}:{}: {severity}: {message}", place.line, place.column)?;
        if let Some(expected) = &self.expected {
            write!(f, "; expected {expected}")?;
        }
        if let Some(suggestion) = &self.suggestion {
            write!(f, "; write `{suggestion}`?")?;
        }
        Ok(())
    }
}

/// Whether one of them is an error.
pub fn has_errors(problems: &[Problem]) -> bool {
    problems.iter().any(|p| p.severity == Severity::Error)
}

/// The known name that a misspelt one most likely stands for: the nearest by optimal string alignment distance, if
/// it differs in no more than a third of its letters.
pub fn nearest<'a>(word: &str, known: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    known
        .into_iter()
        .map(|name| (strsim::osa_distance(&word.to_lowercase(), &name.to_lowercase()), name))
        .filter(|(distance, name)| *distance <= (name.chars().count().max(word.chars().count()) / 3).max(1))
        .min()
        .map(|(_, name)| name)
}
