//! Problems of a file, as people want to see them.

use annotate_snippets::renderer::DecorStyle;
use annotate_snippets::{AnnotationKind, Group, Level, Patch, Renderer, Snippet};
use cxwatch_rulebook::Compilation;
use cxwatch_rulebook::yaml::{Problem, Severity};
use std::fmt::Write;
use std::io::IsTerminal;

/// All problems of a file, each with the lines concerned, and what to write instead.
pub(crate) fn render(source: &str, problems: &[Problem]) -> String {
    let styled = std::io::stderr().is_terminal() && std::env::var_os("NO_COLOR").is_none();
    render_with(source, problems, styled)
}

/// The same where problems may stand in several files.
pub(crate) fn render_of(files: &Compilation, problems: &[Problem]) -> String {
    problems.iter().map(|problem| render(files.text(&problem.file), std::slice::from_ref(problem))).collect()
}

fn render_with(source: &str, problems: &[Problem], styled: bool) -> String {
    let renderer = if styled { Renderer::styled() } else { Renderer::plain() };
    let renderer = renderer.decor_style(DecorStyle::Ascii);
    let mut text = String::new();
    for problem in problems {
        let rendered = renderer.render(&report(source, problem));
        writeln!(text, "{rendered}\n").expect("a String takes everything");
    }
    text
}

fn report<'a>(source: &'a str, problem: &'a Problem) -> Vec<Group<'a>> {
    let level = match problem.severity {
        Severity::Error => Level::ERROR,
        Severity::Warning => Level::WARNING,
    };
    let span = span(source, problem);
    let label = problem.expected.as_ref().map(|expected| format!("expected {expected}"));
    let annotation = AnnotationKind::Primary.span(span.clone()).label(label);
    let snippet = Snippet::source(source).line_start(1).path(&*problem.file).annotation(annotation);
    let mut groups = vec![level.primary_title(&problem.message).element(snippet)];
    if let Some(suggestion) = &problem.suggestion {
        let patch = Patch::new(span, suggestion.as_str());
        let snippet = Snippet::source(source).line_start(1).path(&*problem.file).patch(patch);
        groups.push(Level::HELP.secondary_title(format!("write `{suggestion}`?")).element(snippet));
    }
    groups
}

/// The bytes concerned: never empty where the file has any, never across a line end, always whole characters.
fn span(source: &str, problem: &Problem) -> std::ops::Range<usize> {
    let start = floor(source, problem.place.start);
    let line_end = source[start..].find('\n').map_or(source.len(), |i| start + i);
    let end = floor(source, problem.place.end.max(start)).min(line_end);
    if end > start {
        return start..end;
    }
    let next = source[start..line_end].chars().next().map_or(start, |c| start + c.len_utf8());
    start..next
}

fn floor(source: &str, at: usize) -> usize {
    let mut at = at.min(source.len());
    while !source.is_char_boundary(at) {
        at -= 1;
    }
    at
}

/// `2 errors, 1 warning`.
pub(crate) fn count(problems: &[Problem]) -> String {
    let errors = problems.iter().filter(|p| p.severity == Severity::Error).count();
    let warnings = problems.len() - errors;
    let say = |n: usize, what: &str| match n {
        0 => None,
        1 => Some(format!("1 {what}")),
        n => Some(format!("{n} {what}s")),
    };
    let parts: Vec<_> = [say(errors, "error"), say(warnings, "warning")].into_iter().flatten().collect();
    if parts.is_empty() { "no problems".into() } else { parts.join(", ") }
}

#[cfg(test)]
mod tests {
    use super::*;
    use expect_test::expect;

    #[test]
    fn a_misspelt_key_is_shown_with_what_to_write() {
        let source = "rulebook: r\nversion: 1\nrulez: []\n";
        let problems = cxwatch_rulebook::compile(source, "r.yaml").expect_err("misspelt");
        expect![[r#"
            error: a rulebook has no key `rulez`
             --> r.yaml:3:1
              |
            3 | rulez: []
              | ^^^^^ expected one of `about`, `actions`, `calendars`, `customer`, `policy`, `rulebook`, `rules`, `types`, `version`
              |
            help: write `rules`?
              |
            3 - rulez: []
            3 + rules: []
              |

        "#]]
        .assert_eq(&render_with(source, &problems, false));
    }

    #[test]
    fn an_empty_file_has_no_lines_to_show() {
        let problems = cxwatch_rulebook::compile("", "empty.yaml").expect_err("empty");
        assert!(render_with("", &problems, false).contains("empty.yaml"));
    }
}
