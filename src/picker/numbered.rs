//! The same question for a terminal that cannot move its cursor: a numbered list and a line.

use std::fmt::Write as _;
use std::io::{self, BufRead as _, Write as _};

use dialoguer::console::Term;

use super::state::{PickerItem, PickerQuestion, SelectionMode};
use ba_agent_core::error::{Result, printable};
use ba_agent_system::interrupt;

/// Prints the list and reads lines until one of them is an answer; `None` for an empty one.
///
/// # Errors
/// `Interrupted` where the input ends, and at Ctrl-C.
pub(crate) fn ask_for_numbers(question: &PickerQuestion) -> Result<Option<Vec<usize>>> {
    let lost = super::error_of_lost_terminal;
    let mut term = Term::stderr();
    let how = match question.mode() {
        SelectionMode::Many => "Numbers (1,3-5), names or `all`; an empty answer leaves: ",
        SelectionMode::One => "A number or a name; an empty answer leaves: ",
    };
    term.write_all(list_with_numbers(question).as_bytes()).map_err(lost)?;
    loop {
        term.write_all(how.as_bytes()).map_err(lost)?;
        let mut answer = String::new();
        let length = io::stdin().lock().read_line(&mut answer).map_err(lost)?;
        interrupt::check()?;
        if length == 0 {
            let _ = term.write_all(b"\n");
            return Err(lost(io::ErrorKind::UnexpectedEof.into()));
        }
        match read_answer(&answer, question) {
            Ok(chosen) => return Ok(Some(chosen).filter(|chosen| !chosen.is_empty())),
            Err(word) => {
                let word = printable(&word, false);
                term.write_all(format!("`{word}` is not in the list.\n").as_bytes()).map_err(lost)?;
            }
        }
    }
}

fn list_with_numbers(question: &PickerQuestion) -> String {
    let mut text = format!("{}\n", question.title());
    let digits = question.items.len().to_string().len();
    for (at, item) in question.items.iter().enumerate() {
        let marked = if item.marked { "*" } else { " " };
        let PickerItem { name, description, .. } = item;
        let short: String = description.chars().take(60).collect();
        let more = if short.len() < description.len() { "…" } else { "" };
        let _ = writeln!(text, "{marked}{:>digits$}  {name}  {short}{more}", at + 1);
    }
    text
}

/// The items that an answer names.
///
/// # Errors
/// The first word that names none; the whole answer where it names several and one was asked for.
pub(super) fn read_answer(
    answer: &str,
    question: &PickerQuestion,
) -> std::result::Result<Vec<usize>, String> {
    let items = &question.items;
    let mut chosen = Vec::new();
    let words = answer.split([',', ' ', '\t', '\r', '\n']).filter(|word| !word.is_empty());
    for word in words {
        let number = |text: &str| {
            text.parse::<usize>().ok().and_then(|n| n.checked_sub(1)).filter(|at| *at < items.len())
        };
        let range = || {
            let (from, to) = word.split_once('-')?;
            let (from, to) = (number(from)?, number(to)?);
            (from <= to).then_some(from..=to)
        };
        if let Some(at) = number(word).or_else(|| items.iter().position(|item| item.name == word)) {
            chosen.push(at);
        } else if let Some(range) = range() {
            chosen.extend(range);
        } else if word == "all" {
            chosen.extend(0..items.len());
        } else {
            return Err(word.to_owned());
        }
    }
    chosen.sort_unstable();
    chosen.dedup();
    if question.mode() == SelectionMode::One && chosen.len() > 1 {
        return Err(answer.trim().to_owned());
    }
    Ok(chosen)
}
