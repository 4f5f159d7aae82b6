//! Draws diagnostics over the text, for people at a terminal.

use annotate_snippets::{AnnotationKind, Group, Level, Renderer, Snippet};

use crate::diagnostic::{Diagnostic, Diagnostics, Severity};

/// Whether the drawing has colours.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Colours {
    Off,
    On,
}

/// All findings in the manner of rustc. `name` is what the reader calls the text: a path, or `-`.
///
/// The text must be the one that was checked; what is not UTF-8 in it is drawn as replacement characters.
#[must_use]
pub fn render(diagnostics: &Diagnostics, name: &str, text: &[u8], colours: Colours) -> String {
    let text = String::from_utf8_lossy(text);
    let renderer = match colours {
        Colours::Off => Renderer::plain(),
        Colours::On => Renderer::styled(),
    };
    let drawn: Vec<String> =
        diagnostics.iter().map(|diagnostic| renderer.render(&[group(diagnostic, name, &text)])).collect();
    drawn.join("\n\n")
}

fn group<'a>(diagnostic: &'a Diagnostic, name: &'a str, text: &'a str) -> Group<'a> {
    let level = match diagnostic.severity {
        Severity::Error => Level::ERROR,
        Severity::Warning => Level::WARNING,
    };
    let title = level.primary_title(&diagnostic.message).id(diagnostic.code);
    let annotation = AnnotationKind::Primary.span(first_line(diagnostic, text)).label(&diagnostic.path);
    let group = title.element(Snippet::source(text).path(name).annotation(annotation));
    if diagnostic.help.is_empty() { group } else { group.element(Level::HELP.message(&diagnostic.help)) }
}

/// The part of the span that is on its first line: a whole list is marked where it begins.
fn first_line(diagnostic: &Diagnostic, text: &str) -> std::ops::Range<usize> {
    let start = diagnostic.span.start.min(text.len());
    let end = diagnostic.span.end.clamp(start, text.len());
    let line_end = text.get(start..end).and_then(|span| span.find(['\r', '\n'])).map_or(end, |at| start + at);
    if text.is_char_boundary(start) && text.is_char_boundary(line_end) { start..line_end } else { 0..0 }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn drawn(text: &str) -> String {
        let found = crate::parse(text.as_bytes()).expect_err("it must be refused");
        render(&found, "disk.yaml", text.as_bytes(), Colours::Off)
    }

    #[test]
    fn a_finding_is_drawn_over_its_line() {
        insta::assert_snapshot!(
            drawn("schemaVersion: '2.2'\nmainSteps:\n- name: free\n  action: aws:runShelScript\n  inputs: {runCommand: [df]}\n"),
            @r"
    error[unknown-action]: there is no action `aws:runShelScript`
     --> disk.yaml:4:11
      |
    4 |   action: aws:runShelScript
      |           ^^^^^^^^^^^^^^^^^ mainSteps[0].action
      |
      = help: did you mean aws:runShellScript?
    "
        );
    }

    #[test]
    fn no_place_is_too_odd_to_draw() {
        for text in ["", "\u{feff}{", "é: [", "{\"schemaVersion\": \"2.2\",\r\n\"mainSteps\": [\r\n1\r\n]}"]
        {
            assert!(drawn(text).contains("disk.yaml"), "{text:?}");
        }
        let text = b"a: \xff\xfe";
        let found = crate::parse(text).expect_err("it must be refused");
        assert!(render(&found, "-", text, Colours::On).contains("UTF-8"));
    }
}
