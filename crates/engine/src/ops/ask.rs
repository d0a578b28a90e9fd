//! What a command asks of whoever runs it. The terminal asks a person; a caller without one
//! answers by itself, or lets [`Unattended`] do it.

use super::gather::Offer;
use ba_agent_core::catalog::KnownCatalog;
use ba_agent_core::error::{Error, Result, error};
use ba_agent_core::skill::SkillName;
use ba_agent_core::text::{count_noun, list_some};

/// Answers the questions of a command.
pub trait Ask {
    /// Which skills of a source are meant, of several and where none was named: positions in
    /// `offers`.
    ///
    /// # Errors
    /// `Usage` where nobody can choose, `Interrupted` when the person
    /// leaves.
    fn choose_skills(&mut self, source: &str, offers: &[Offer]) -> Result<Vec<usize>>;

    /// Which known catalogues are added before a search that has none: positions in `known`.
    /// Asked of a person alone.
    ///
    /// # Errors
    /// `Interrupted` when the person leaves.
    fn choose_catalogs(&mut self, known: &[KnownCatalog]) -> Result<Vec<usize>>;

    /// Who answers.
    fn attendance(&self) -> Attendance;

    /// Which of several updates are carried out: positions in `offers`. Whoever is not there to
    /// choose wants them all, as without this question.
    ///
    /// # Errors
    /// `Interrupted` when the person leaves.
    fn choose_updates(&mut self, offers: &[UpdateOffer<'_>]) -> Result<Vec<usize>>;

    /// Whether a skill is updated although something speaks against it. Asked of a person alone.
    ///
    /// # Errors
    /// `Interrupted` when the person leaves; those of the diff.
    fn approve_update(&mut self, update: &CautionedUpdate<'_>) -> Result<bool>;

    /// Yes or no.
    ///
    /// # Errors
    /// `Interrupted` when the person leaves.
    fn confirm(&mut self, question: &str) -> Result<bool>;

    /// Yes or no to something that takes away what somebody may want: no is what an empty answer
    /// means. `diff` shows what it is about, where there is something to show.
    ///
    /// # Errors
    /// `Interrupted` when the person leaves; those of `diff`.
    fn consent(&mut self, question: &str, diff: Option<ShowDiff<'_>>) -> Result<bool>;
}

/// One of several updates that a person can choose from.
#[derive(Debug, Clone)]
pub struct UpdateOffer<'a> {
    pub name: &'a SkillName,
    /// What is installed, as a person knows it: a tag, a shortened commit; empty where it has no
    /// such name.
    pub from: String,
    /// What it would be then.
    pub to: String,
    /// What speaks against it, one sentence each.
    pub cautions: Vec<String>,
    /// How its files would change, a line each, as with `--stat`.
    pub stat: Vec<String>,
}

/// Gives what a question is about, each file as a unified diff.
pub type ShowDiff<'a> = &'a dyn Fn() -> Result<Vec<String>>;

/// An update that a person should agree to. What speaks against it was told before.
pub struct CautionedUpdate<'a> {
    pub name: &'a SkillName,
    /// How the files of this skill would change, each as a unified diff.
    pub diff: ShowDiff<'a>,
}

/// Who answers the questions of a command.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Attendance {
    Person,
    /// Nobody, and every question was agreed to in advance.
    Agrees,
    Nobody,
}

/// For callers without a person: every question has the answer that was given in advance.
#[derive(Debug, Clone, Copy, Default)]
pub struct Unattended {
    /// What `--yes` says.
    pub agrees: bool,
}

impl Ask for Unattended {
    fn choose_skills(&mut self, source: &str, offers: &[Offer]) -> Result<Vec<usize>> {
        Err(must_name_skills(source, offers))
    }

    /// None: `--yes` agrees to what was asked for, and no catalogue was.
    fn choose_catalogs(&mut self, _: &[KnownCatalog]) -> Result<Vec<usize>> {
        Ok(Vec::new())
    }

    fn attendance(&self) -> Attendance {
        if self.agrees { Attendance::Agrees } else { Attendance::Nobody }
    }

    fn choose_updates(&mut self, offers: &[UpdateOffer<'_>]) -> Result<Vec<usize>> {
        Ok((0..offers.len()).collect())
    }

    fn approve_update(&mut self, _: &CautionedUpdate<'_>) -> Result<bool> {
        Ok(self.agrees)
    }

    fn confirm(&mut self, _: &str) -> Result<bool> {
        Ok(self.agrees)
    }

    fn consent(&mut self, _: &str, _: Option<ShowDiff<'_>>) -> Result<bool> {
        Ok(self.agrees)
    }
}

/// The error for a source with several skills where nobody can be asked which are meant.
fn must_name_skills(source: &str, offers: &[Offer]) -> Error {
    let names: Vec<&str> = offers.iter().map(|offer| offer.name.as_str()).collect();
    error!(Usage, "{source} has {}: specify one or more", count_noun(offers.len(), "skill"))
        .hint(format!("it has {}", list_some(&names, LISTED)))
        .hint("choose with `--skill NAME` (repeatable), or install all with `--all`")
}

/// At most this many names are listed in a message.
pub const LISTED: usize = 40;
