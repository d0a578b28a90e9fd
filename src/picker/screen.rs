//! The screen that the question is drawn on: the terminal's second one, so that whatever stood
//! there comes back; only lines that changed are written, all at once.

use std::io::{self, Write as _};

use anstyle::{AnsiColor, Style};
use dialoguer::console::Term;

use super::draw::{PickerFrame, StyledLine, TextStyle};

/// The second screen, lines that are cut at the edge and not continued, and marked pastes.
const ENTER: &str = "\x1b[?1049h\x1b[?7l\x1b[?2004h\x1b[H\x1b[J";
/// All of that undone, on a terminal without a second screen too.
pub(super) const LEAVE: &str = "\x1b[H\x1b[J\x1b[?2004l\x1b[?7h\x1b[?1049l\x1b[?25h";
/// What stands between is shown at once, by terminals that know how to.
const BEGIN_UPDATE: &str = "\x1b[?2026h\x1b[?25l";
const END_UPDATE: &str = "\x1b[?25h\x1b[?2026l";

/// The terminal while a question is on it; it is as before when this is dropped.
pub(crate) struct Screen {
    term: Term,
    coloured: bool,
    /// The lines that stand there.
    last: Vec<String>,
}

impl Screen {
    /// Takes the screen.
    ///
    /// # Errors
    /// Where the terminal takes nothing.
    pub(crate) fn open(coloured: bool) -> io::Result<Self> {
        let mut screen = Self { term: Term::stderr(), coloured, last: Vec::new() };
        screen.term.write_all(ENTER.as_bytes())?;
        Ok(screen)
    }

    /// Columns and rows.
    pub(crate) fn size(&self) -> (usize, usize) {
        let (rows, columns) = self.term.size();
        (usize::from(columns).max(1), usize::from(rows).max(1))
    }

    /// Everything is to be written anew.
    pub(crate) fn forget(&mut self) {
        self.last.clear();
    }

    /// Writes what is not there already.
    ///
    /// # Errors
    /// Where the terminal takes nothing any more.
    pub(crate) fn show(&mut self, frame: &PickerFrame) -> io::Result<()> {
        let lines: Vec<String> = frame.lines.iter().map(|line| paint_line(line, self.coloured)).collect();
        let mut text = String::from(BEGIN_UPDATE);
        if self.last.len() != lines.len() {
            text.push_str("\x1b[H\x1b[J");
            self.last.clear();
        }
        for (at, line) in lines.iter().enumerate().filter(|(at, line)| self.last.get(*at) != Some(line)) {
            // Erased before and not behind: behind a line that ends at the edge, its last sign
            // would be erased.
            text.push_str(&format!("\x1b[{};1H\x1b[2K{line}", at + 1));
        }
        let (row, column) = frame.cursor;
        text.push_str(&format!("\x1b[{};{}H{END_UPDATE}", row + 1, column + 1));
        self.last = lines;
        self.term.write_all(text.as_bytes())
    }
}

impl Drop for Screen {
    fn drop(&mut self) {
        let _ = self.term.write_all(LEAVE.as_bytes());
    }
}

fn paint_line(line: &StyledLine, coloured: bool) -> String {
    let mut out = String::new();
    for piece in &line.pieces {
        let style = if coloured { style_of(piece.style) } else { Style::new() };
        out.push_str(&format!("{style}{}{style:#}", piece.text));
    }
    out
}

fn style_of(style: TextStyle) -> Style {
    match style {
        TextStyle::Plain => Style::new(),
        TextStyle::Bold => Style::new().bold(),
        TextStyle::Dim => Style::new().dimmed(),
        TextStyle::Accent => AnsiColor::Cyan.on_default().bold(),
        TextStyle::Mark => AnsiColor::Green.on_default().bold(),
        TextStyle::Match => AnsiColor::Yellow.on_default().bold(),
    }
}
