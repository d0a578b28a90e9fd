//! Findings as GitHub's runners read them: a line on stdout becomes a note at its place in the
//! changed files.

use ba_agent_core::error::printable;
use ba_agent_core::skill::Severity;
use clap::ValueEnum;

/// `--output-format`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum OutputFormat {
    /// For people.
    Text,
    /// Commands of GitHub's workflows, `::error file=…::…`.
    Github,
}

/// Where an annotation stands.
pub(crate) struct AnnotationPlace<'a> {
    /// From the working directory, which should be the repository.
    pub(crate) file: &'a str,
    /// Line and column, where they are known.
    pub(crate) at: Option<(usize, usize)>,
}

/// The line for one finding. Nothing in it can end the line or begin another command.
pub(crate) fn annotation(
    severity: Severity,
    place: &AnnotationPlace<'_>,
    title: &str,
    message: &str,
) -> String {
    let word = match severity {
        Severity::Error => "error",
        Severity::Warning => "warning",
        Severity::Info => "notice",
    };
    let file = place.file.strip_prefix("./").unwrap_or(place.file);
    let at = place.at.map_or(String::new(), |(line, column)| format!(",line={line},col={column}"));
    format!("::{word} file={}{at},title={}::{}", property(file), property(title), data(message))
}

fn data(text: &str) -> String {
    let text = text.replace('%', "%25").replace('\r', "%0D").replace('\n', "%0A");
    // What acts on a terminal acts on a log too.
    printable(&text, false)
}

fn property(text: &str) -> String {
    data(text).replace(':', "%3A").replace(',', "%2C")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_of_others_never_ends_the_command() {
        let place = AnnotationPlace { file: "./a,b:c\n::error::x", at: Some((3, 7)) };
        assert_eq!(
            annotation(Severity::Warning, &place, "dead-link", "100 %\r\n::set-output\u{1b}[31m"),
            "::warning file=a%2Cb%3Ac%0A%3A%3Aerror%3A%3Ax,line=3,col=7,title=dead-link::100 %25%0D%0A::set-output\\u{1b}[31m"
        );
        let place = AnnotationPlace { file: "a", at: None };
        assert_eq!(annotation(Severity::Info, &place, "x", "y"), "::notice file=a,title=x::y");
    }
}
