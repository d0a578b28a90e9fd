//! What an examination says.

use std::collections::BTreeMap;

use serde::Serialize;

use ba_agent_core::error::Error;
use ba_agent_core::skill::Severity;

/// One thing that was noticed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct DoctorFinding {
    /// A word that stays the same from version to version, for programs.
    pub code: &'static str,
    /// An error is something wrong, and decides the exit status; the others are not.
    pub severity: Severity,
    /// What, and where.
    pub message: String,
    /// The single files, names or causes.
    pub details: Vec<String>,
    /// What to do by hand.
    pub hints: Vec<String>,
    /// What `--fix` does about it; absent where nothing is safe to do.
    pub fix: Option<&'static str>,
}

impl DoctorFinding {
    fn new(code: &'static str, severity: Severity, message: String) -> Self {
        Self { code, severity, message, details: Vec::new(), hints: Vec::new(), fix: None }
    }

    /// Something that is wrong.
    pub(crate) fn wrong(code: &'static str, message: String) -> Self {
        Self::new(code, Severity::Error, message)
    }

    /// Something that will bite sooner or later.
    pub(crate) fn warning(code: &'static str, message: String) -> Self {
        Self::new(code, Severity::Warning, message)
    }

    /// Something to know.
    pub(crate) fn note(code: &'static str, message: String) -> Self {
        Self::new(code, Severity::Info, message)
    }

    /// A failure that a command would have met.
    pub(crate) fn of_error(code: &'static str, error: &Error) -> Self {
        let wrong = Self::wrong(code, error.message.clone());
        Self { details: error.causes.clone(), hints: error.hints.clone(), ..wrong }
    }

    pub(crate) fn details(self, details: Vec<String>) -> Self {
        Self { details, ..self }
    }

    pub(crate) fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hints.push(hint.into());
        self
    }

    pub(crate) fn fixed_by(self, fix: &'static str) -> Self {
        Self { fix: Some(fix), ..self }
    }
}

/// Everything that was noticed, and the surroundings it was noticed in.
#[derive(Debug, Default)]
pub struct Examination {
    pub findings: Vec<DoctorFinding>,
    /// Paths and versions, for a report of a fault.
    pub facts: BTreeMap<&'static str, String>,
}

impl Examination {
    pub(crate) fn add(&mut self, finding: DoctorFinding) {
        self.findings.push(finding);
    }

    pub(crate) fn fact(&mut self, key: &'static str, value: &str) {
        self.facts.insert(key, value.to_owned());
    }

    /// How many findings are something wrong.
    pub fn wrong(&self) -> usize {
        self.findings.iter().filter(|finding| finding.severity == Severity::Error).count()
    }

    /// The findings that `later` no longer has and that could be mended.
    pub(crate) fn mended(&self, later: &Self) -> Vec<DoctorFinding> {
        let gone = |finding: &&DoctorFinding| finding.fix.is_some() && !later.findings.contains(finding);
        self.findings.iter().filter(gone).cloned().collect()
    }
}
