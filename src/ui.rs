//! Faces: what a person sees. Data goes to stdout, talk to stderr; quiet, colour and json
//! are decided once, here. Every untrusted string is escaped on its way out.

use std::borrow::Cow;
use std::io::{self, Write as _};
use std::process::ExitCode;
use std::sync::Mutex;

use anstyle::{AnsiColor, Style};
use indicatif::{ProgressBar, ProgressStyle};
use serde::Serialize;

use crate::pager::show_in_pager;
use crate::picker::{
    PickerItem, PickerQuestion, SelectionMode, ask_for_numbers, choose_on_screen, error_of_lost_terminal,
};
use crate::table::{Column, TableStyle, draw_table};
use ba_agent_core::catalog::KnownCatalog;
use ba_agent_core::error::{Error, Kind, Result, is_unprintable, printable};
use ba_agent_core::skill::{Finding, Severity};
use ba_agent_core::text::count_noun;
use ba_agent_engine::ops::ask::{Ask, Attendance, CautionedUpdate, ShowDiff, Unattended, UpdateOffer};
use ba_agent_engine::ops::gather::Offer;
use ba_agent_engine::workspace::{Notice, Observer, ResolvedNotice};
use ba_agent_system::env::Env;
use ba_agent_system::progress::Progress;

/// At most this many skills or warnings get lines of their own, unless with `--verbose`.
pub(crate) const LISTED_ALONE: usize = 30;

/// `--color`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum ColorChoice {
    /// On a terminal, unless `NO_COLOR` or `CLICOLOR=0` is set; everywhere with `CLICOLOR_FORCE=1`.
    Auto,
    Always,
    Never,
}

/// The flags that decide how a command talks.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Manner {
    pub(crate) json: bool,
    pub(crate) quiet: bool,
    pub(crate) verbose: bool,
    pub(crate) yes: bool,
    pub(crate) color: ColorChoice,
}

/// The one way to stdout, stderr and the keyboard.
#[derive(Debug)]
pub(crate) struct Ui {
    manner: Manner,
    color_out: bool,
    color_err: bool,
    /// A person is there: questions may be asked.
    interactive: bool,
    /// The terminal knows more than lines.
    moves_cursor: bool,
    stdout_is_terminal: bool,
    stderr_is_terminal: bool,
    bar: Mutex<Option<ProgressBar>>,
    show_progress: bool,
    /// Why stdout took no more, once that happened.
    broken: Mutex<Option<io::Error>>,
    /// Where the user's pager is named.
    env: Option<Env>,
}

const GREEN: Style = AnsiColor::Green.on_default().bold();
const YELLOW: Style = AnsiColor::Yellow.on_default().bold();
const RED: Style = AnsiColor::Red.on_default().bold();
const CYAN: Style = AnsiColor::Cyan.on_default().bold();

/// Whether the terminal understands where the cursor is to go, as all do but those of some editors
/// and serial lines.
fn moves_cursor(env: &Env) -> bool {
    if cfg!(windows) {
        return dialoguer::console::Term::stderr().features().colors_supported();
    }
    env.var("TERM").is_some_and(|term| term != "dumb")
}

impl Ui {
    pub(crate) fn new(manner: Manner, env: &Env) -> Self {
        let color = |terminal: bool| match manner.color {
            ColorChoice::Always => true,
            ColorChoice::Never => false,
            ColorChoice::Auto => is_colour_wanted(terminal, env),
        };
        Self {
            manner,
            color_out: color(env.stdout_is_terminal),
            color_err: color(env.stderr_is_terminal),
            stderr_is_terminal: env.stderr_is_terminal,
            interactive: env.stdin_is_terminal && env.stderr_is_terminal && !manner.json && !manner.yes,
            moves_cursor: moves_cursor(env),
            stdout_is_terminal: env.stdout_is_terminal,
            bar: Mutex::new(None),
            show_progress: env.stderr_is_terminal && !manner.json && !manner.quiet,
            broken: Mutex::new(None),
            env: Some(env.clone()),
        }
    }

    /// For the time before the surroundings are known: no colour, no questions.
    pub(crate) fn without_terminal(manner: Manner) -> Self {
        Self {
            manner,
            color_out: false,
            color_err: false,
            stderr_is_terminal: false,
            interactive: false,
            moves_cursor: false,
            stdout_is_terminal: false,
            bar: Mutex::new(None),
            show_progress: false,
            broken: Mutex::new(None),
            env: None,
        }
    }

    /// The flags that it was made with.
    pub(crate) fn manner(&self) -> Manner {
        self.manner
    }

    pub(crate) fn json(&self) -> bool {
        self.manner.json
    }

    pub(crate) fn quiet(&self) -> bool {
        self.manner.quiet
    }

    pub(crate) fn verbose(&self) -> bool {
        self.manner.verbose
    }

    /// A line of talk: a right-aligned verb, then what happened.
    pub(crate) fn status(&self, verb: &str, what: &str) {
        self.print_labelled(GREEN, &format!("{verb:>12}"), what);
    }

    /// Something that went on all the same.
    pub(crate) fn warn(&self, what: &str) {
        self.print_labelled(YELLOW, "warning:", what);
    }

    /// Something worth knowing.
    pub(crate) fn note(&self, what: &str) {
        self.print_labelled(CYAN, "note:", what);
    }

    /// A line below a status that must not be overlooked.
    pub(crate) fn attention(&self, word: &str, what: &str) {
        self.print_labelled(YELLOW, &format!("{word:>12}"), what);
    }

    /// A line below a status, in its column.
    pub(crate) fn detail(&self, what: &str) {
        self.print_labelled(Style::new(), &" ".repeat(12), what);
    }

    fn print_labelled(&self, style: Style, word: &str, what: &str) {
        if self.manner.quiet || self.manner.json {
            return;
        }
        let what = self.wrap_message(&printable(what, true), word.len() + 1);
        self.print_to_stderr(&format!("{} {what}\n", self.paint_err(style, word)));
    }

    /// A message whose lines are broken between words where the terminal ends; `label` columns
    /// stand before the first, and the others go on below it. As it is where stderr is no terminal.
    fn wrap_message(&self, text: &str, label: usize) -> String {
        let columns =
            dialoguer::console::Term::stderr().size_checked().map(|(_, columns)| usize::from(columns));
        let Some(columns) = columns.filter(|_| self.stderr_is_terminal) else { return text.to_owned() };
        let below = " ".repeat(label.min(columns / 3));
        let first = " ".repeat(label);
        let lines = text.split('\n').enumerate().map(|(at, line)| {
            let before = if at == 0 { &first } else { &below };
            let options = between_words(columns.max(20))
                .break_words(false)
                .initial_indent(before)
                .subsequent_indent(&below);
            textwrap::fill(line, options)
        });
        let wrapped = lines.collect::<Vec<_>>().join("\n");
        wrapped.strip_prefix(first.as_str()).unwrap_or(wrapped.trim_start()).to_owned()
    }

    fn print_to_stderr(&self, line: &str) {
        let write = || {
            let _ = std::io::stderr().lock().write_all(line.as_bytes());
        };
        match self.bar.lock().ok().and_then(|bar| bar.clone()) {
            Some(bar) => bar.suspend(write),
            None => write(),
        }
    }

    fn paint_err(&self, style: Style, text: &str) -> String {
        if self.color_err { format!("{style}{text}{style:#}") } else { text.to_owned() }
    }

    /// True when a person reads stdout.
    pub(crate) fn stdout_is_terminal(&self) -> bool {
        self.stdout_is_terminal
    }

    /// True when what is printed is looked at and not processed: on a terminal, or in colour.
    pub(crate) fn is_for_eyes(&self) -> bool {
        self.stdout_is_terminal || self.color_out
    }

    /// Text in bold on a coloured stdout.
    pub(crate) fn bold(&self, text: &str) -> String {
        let style = Style::new().bold();
        if self.color_out { format!("{style}{text}{style:#}") } else { text.to_owned() }
    }

    /// Names with a sentence each on stderr: beside the name where there is room, else below it,
    /// broken between words.
    pub(crate) fn print_items_to_stderr(&self, items: &[(&str, &str)]) {
        if self.manner.quiet || self.manner.json {
            return;
        }
        let columns =
            dialoguer::console::Term::stderr().size_checked().map_or(80, |(_, columns)| columns.into());
        let widest = items.iter().map(|(name, _)| name.len()).max().unwrap_or(0) + 4;
        let is_narrow = columns < widest + 30;
        let indent = if is_narrow { 4 } else { widest };
        let below = " ".repeat(indent);
        for (name, sentence) in items {
            let options = between_words(columns.max(20)).initial_indent(&below).subsequent_indent(&below);
            let sentence = textwrap::fill(&printable(sentence, false), options);
            let head = self.paint_err(Style::new().bold(), name);
            let text = match is_narrow {
                true => format!("  {head}\n{sentence}\n"),
                false => format!("  {head}{}\n", sentence.get(name.len() + 2..).unwrap_or_default()),
            };
            self.print_to_stderr(&text);
        }
    }

    /// A failure: the message, its causes, its hints; with `--json` one document on stdout.
    pub(crate) fn error(&self, error: &Error) {
        self.finish_progress();
        if self.manner.json {
            self.print_json_document(&serde_json::json!({ "error": error }));
            if self.flush() {
                return;
            }
        }
        self.print_error_to_terminal(error);
    }

    fn print_error_to_terminal(&self, error: &Error) {
        let message = self.wrap_message(&printable(&error.message, true), 7);
        let mut text = format!("{} {message}\n", self.paint_err(RED, "error:"));
        for cause in &error.causes {
            let cause = printable(cause, true).replace('\n', "\n    ");
            text.push_str(&format!("  caused by: {}\n", self.wrap_message(&cause, 13)));
        }
        if !error.hints.is_empty() {
            text.push('\n');
        }
        for hint in &error.hints {
            let hint = self.wrap_message(&printable(hint, true), 6);
            text.push_str(&format!("{} {hint}\n", self.paint_err(CYAN, "hint:")));
        }
        self.print_to_stderr(&text);
    }

    /// One JSON document on stdout.
    pub(crate) fn print_json_document(&self, value: &impl Serialize) {
        let text = serde_json::to_string_pretty(value).unwrap_or_default();
        self.print(&json_for_terminals(&text));
        self.print("\n");
    }

    /// A line of data on stdout; escape what is not ours before.
    pub(crate) fn line(&self, text: &str) {
        self.print(text);
        self.print("\n");
    }

    /// Raw text on stdout. What could not be written is told by [`Ui::end`].
    pub(crate) fn print(&self, text: &str) {
        self.write(text.as_bytes());
    }

    /// A line that a reader gets now, and not when the program ends; false when nobody takes it.
    pub(crate) fn print_at_once(&self, text: &str) -> bool {
        self.line(text);
        self.flush()
    }

    /// A document of one line, as [`Ui::print_at_once`] prints it.
    pub(crate) fn print_json_line(&self, value: &impl Serialize) -> bool {
        let text = serde_json::to_string(value).unwrap_or_default();
        self.print_at_once(&json_for_terminals(&text))
    }

    /// Text on stdout; on a terminal that has fewer lines, through the user's pager.
    pub(crate) fn print_paged(&self, env: &Env, text: &str) {
        let fits = || {
            let (rows, columns) = dialoguer::console::Term::stdout().size();
            let taken =
                |line: &str| dialoguer::console::measure_text_width(line) / usize::from(columns).max(1) + 1;
            text.lines().map(taken).sum::<usize>() < usize::from(rows)
        };
        self.finish_progress();
        if !self.stdout_is_terminal || fits() || !show_in_pager(env, text) {
            self.print(text);
        }
    }

    /// The columns that a line of stdout may take; `None` where that is no terminal.
    fn columns(&self) -> Option<usize> {
        let columns = || usize::from(dialoguer::console::Term::stdout().size().1);
        self.stdout_is_terminal.then(columns).filter(|columns| *columns > 0)
    }

    /// True where a line has room for details: anywhere but on a narrow terminal.
    pub(crate) fn is_wide(&self) -> bool {
        self.columns().is_none_or(|columns| columns >= 60)
    }

    /// A line that is safe to print, cut where the terminal ends if `indent` columns stand before it.
    pub(crate) fn cut_line(&self, text: &str, indent: usize) -> String {
        match self.columns() {
            Some(columns) => {
                let room = columns.saturating_sub(indent).max(10);
                dialoguer::console::truncate_str(text, room, "…").into_owned()
            }
            None => text.to_owned(),
        }
    }

    /// A text whose lines are broken between words where they do not fit, with `indent` columns
    /// less than the terminal has. As it is where stdout is no terminal.
    pub(crate) fn wrap_lines(&self, text: &str, indent: usize) -> String {
        match self.columns() {
            Some(columns) => textwrap::fill(text, between_words(columns.saturating_sub(indent).max(20))),
            None => text.to_owned(),
        }
    }

    /// A line with `first` before it, broken between words where the terminal ends; `below` stands
    /// before what goes on. As it is where stdout is no terminal.
    pub(crate) fn wrap_line(&self, line: &str, first: &str, below: &str) -> String {
        match self.columns() {
            Some(columns) => {
                let options = between_words(columns.max(20));
                textwrap::fill(line, options.initial_indent(first).subsequent_indent(below))
            }
            None => format!("{first}{line}"),
        }
    }

    /// The lines of a Markdown text, broken as [`Ui::wrap_lines`] does. A list's item goes on
    /// below its own text; code and tables stay as they are, since a break changes what they mean.
    pub(crate) fn wrap_text(&self, text: &str) -> String {
        let Some(columns) = self.columns() else { return text.to_owned() };
        let mut in_fence = false;
        let lines = text.lines().map(|line| {
            let bare = line.trim_start();
            let is_fence = bare.starts_with("```") || bare.starts_with("~~~");
            in_fence ^= is_fence;
            let is_code = in_fence || is_fence || line.starts_with("    ") || line.starts_with('\t');
            if is_code || bare.starts_with('|') {
                return Cow::Borrowed(line);
            }
            let below = " ".repeat((line.len() - bare.len() + marker_width(bare)).min(columns / 2));
            Cow::Owned(textwrap::fill(line, between_words(columns.max(20)).subsequent_indent(&below)))
        });
        lines.collect::<Vec<_>>().join("\n")
    }

    /// Raw bytes on stdout, for what need not be text.
    pub(crate) fn write(&self, bytes: &[u8]) {
        self.finish_progress();
        self.note_broken(io::stdout().lock().write_all(bytes));
    }

    /// Hands over what is still held back; false when stdout did not take everything.
    fn flush(&self) -> bool {
        self.note_broken(io::stdout().lock().flush());
        self.broken.lock().is_ok_and(|broken| broken.is_none())
    }

    fn note_broken(&self, written: io::Result<()>) {
        if let (Err(error), Ok(mut broken)) = (written, self.broken.lock()) {
            broken.get_or_insert(error);
        }
    }

    /// The last word: the status of the process, which is no success where stdout did not
    /// take everything. A reader that went away (`| head`) is no failure.
    pub(crate) fn end(&self, status: u8) -> ExitCode {
        self.flush();
        let broken = self.broken.lock().ok().and_then(|mut broken| broken.take());
        match broken.as_ref().and_then(error_of_failed_write) {
            Some(error) => {
                self.print_error_to_terminal(&error);
                ExitCode::from(if status == 0 { error.kind.exit_status() } else { status })
            }
            None => ExitCode::from(status),
        }
    }

    fn severity(&self, severity: Severity) -> String {
        let (style, word) = match severity {
            Severity::Error => (RED, "error"),
            Severity::Warning => (YELLOW, "warning"),
            Severity::Info => (CYAN, "info"),
        };
        if self.color_out { format!("{style}{word}{style:#}") } else { word.to_owned() }
    }

    /// One finding that belongs to no line of a file: `error[code]: message`.
    pub(crate) fn print_verdict(&self, severity: Severity, code: &str, message: &str) {
        self.line(&format!("{}[{code}]: {}", self.severity(severity), printable(message, false)));
    }

    /// One finding of the rules, as compilers print them; `folder` is the skill's.
    pub(crate) fn print_finding_of(&self, folder: &str, finding: &Finding) {
        self.print(&self.describe_finding(folder, finding));
    }

    /// The lines of [`Ui::print_finding_of`].
    pub(crate) fn describe_finding(&self, folder: &str, finding: &Finding) -> String {
        let word = self.severity(finding.severity);
        let file = if folder == "." { finding.file.clone() } else { format!("{folder}/{}", finding.file) };
        let Finding { line, column, code, message, help, .. } = finding;
        let mut text = format!(
            "{}:{line}:{column}: {word}[{code}]: {}\n",
            printable(&file, false),
            printable(message, false)
        );
        if !help.is_empty() {
            text.push_str(&format!("    help: {}\n", printable(help, false)));
        }
        text
    }

    /// Several diffs in colour; where they do not fit on the terminal, through the user's pager.
    pub(crate) fn print_paged_diff(&self, diffs: &[impl AsRef<str>]) {
        let text: String = diffs.iter().map(|diff| self.colour_diff(diff.as_ref())).collect();
        match &self.env {
            Some(env) => self.print_paged(env, &text),
            None => self.print(&text),
        }
    }

    /// The lines of a unified diff, coloured as git colours them. What it quotes is escaped already.
    fn colour_diff(&self, text: &str) -> String {
        let mut out = String::with_capacity(text.len());
        for line in text.lines() {
            let style = match line.as_bytes().first() {
                _ if line.starts_with("+++") || line.starts_with("---") => Style::new().bold(),
                Some(b'+') => AnsiColor::Green.on_default(),
                Some(b'-') => AnsiColor::Red.on_default(),
                Some(b'@') => AnsiColor::Cyan.on_default(),
                _ => Style::new(),
            };
            match self.color_out {
                true => out.push_str(&format!("{style}{line}{style:#}\n")),
                false => out.extend([line, "\n"]),
            }
        }
        out
    }

    /// A table on a terminal, tab-separated rows without a heading in a pipe.
    pub(crate) fn print_as_table<C: Into<Column> + Copy>(&self, columns: &[C], rows: &[Vec<String>]) {
        self.print_rows_as_table(columns, rows.iter());
    }

    /// As [`Ui::print_as_table`], of rows that are made one by one: there may be thousands.
    pub(crate) fn print_rows_as_table<C: Into<Column> + Copy, R: AsRef<[String]>>(
        &self,
        columns: &[C],
        rows: impl Iterator<Item = R>,
    ) {
        if !self.stdout_is_terminal {
            // At once: a line at a time is a system call for each.
            let mut text = String::new();
            for row in rows {
                for (at, cell) in row.as_ref().iter().enumerate() {
                    text.push_str(if at == 0 { "" } else { "\t" });
                    text.push_str(&printable(cell, false));
                }
                text.push('\n');
            }
            self.print(&text);
            return;
        }
        let mut rows = rows.peekable();
        // A heading above nothing says nothing.
        if rows.peek().is_none() {
            return;
        }
        let columns: Vec<Column> = columns.iter().map(|column| (*column).into()).collect();
        let clean = |row: R| row.as_ref().iter().map(|cell| printable(cell, false)).collect();
        let rows: Vec<Vec<String>> = rows.map(clean).collect();
        let style = TableStyle { width: self.columns().unwrap_or(usize::MAX), is_coloured: self.color_out };
        draw_table(&columns, &rows, style).iter().for_each(|line| self.line(line));
    }

    /// Asks yes or no; without a person the answer is `--yes`.
    ///
    /// # Errors
    /// `Interrupted` when the person leaves.
    fn confirm(&self, question: &str) -> Result<bool> {
        if !self.interactive {
            return Ok(self.manner.yes);
        }
        self.finish_progress();
        let question = printable(question, false);
        ask_on_terminal(|| dialoguer::Confirm::new().with_prompt(question).default(true).interact())
    }

    /// Asks for something that is not to be agreed to by the way: no is what an empty answer
    /// means, and `d` shows what it is about.
    ///
    /// # Errors
    /// `Interrupted` when the person leaves; those of `diff`.
    fn consent(&self, question: &str, diff: Option<ShowDiff<'_>>) -> Result<bool> {
        self.finish_progress();
        let keys = if diff.is_some() { "y: yes, n: no, d: show the diff" } else { "y: yes, n: no" };
        let question = format!("{} ({keys}) [n]", printable(question, false));
        loop {
            let answer = ask_on_terminal(|| {
                dialoguer::Input::<String>::new().with_prompt(&question).allow_empty(true).interact_text()
            })?;
            match (answer.trim().to_ascii_lowercase().as_str(), diff) {
                ("y" | "yes", _) => return Ok(true),
                ("" | "n" | "no", _) => return Ok(false),
                ("d" | "diff", Some(diff)) => self.print_paged_diff(&diff()?),
                _ => {}
            }
        }
    }

    /// True where a command that was told of no skill may ask which: there is a person, and a talk
    /// is wanted.
    pub(crate) fn may_ask_which(&self) -> bool {
        self.interactive && !self.manner.quiet
    }

    /// True where a list may take the screen of a command that has an answer without it too.
    pub(crate) fn may_choose_on_screen(&self) -> bool {
        self.may_ask_which() && self.stdout_is_terminal && self.moves_cursor
    }

    /// Lets the person choose from a list: positions in the items of the question.
    ///
    /// # Errors
    /// `Interrupted` when the person leaves.
    pub(crate) fn choose(&self, question: PickerQuestion) -> Result<Vec<usize>> {
        let nothing = || Error::new(Kind::Interrupted, "nothing was chosen, and nothing was changed");
        self.choose_or_leave(question)?.ok_or_else(nothing)
    }

    /// As [`Ui::choose`], where it is an answer to leave with Esc.
    ///
    /// # Errors
    /// `Interrupted` at Ctrl-C and where the terminal goes away.
    pub(crate) fn choose_or_leave(&self, question: PickerQuestion) -> Result<Option<Vec<usize>>> {
        self.finish_progress();
        if self.moves_cursor {
            choose_on_screen(question, self.color_err)
        } else {
            ask_for_numbers(&question)
        }
    }

    fn finish_progress(&self) {
        if let Some(bar) = self.bar.lock().ok().and_then(|mut bar| bar.take()) {
            bar.finish_and_clear();
        }
    }
}

/// Lines of at most `columns`, not broken at hyphens: a flag, a path and a name stay whole.
fn between_words(columns: usize) -> textwrap::Options<'static> {
    textwrap::Options::new(columns).word_splitter(textwrap::WordSplitter::NoHyphenation)
}

/// The columns before the text of a list's item or a quotation; 0 for other lines.
fn marker_width(line: &str) -> usize {
    let digits = line.bytes().take_while(u8::is_ascii_digit).count();
    let rest = &line[digits..];
    let is_item = match digits {
        0 => ["- ", "* ", "+ ", "> "].iter().any(|marker| rest.starts_with(marker)),
        _ => rest.starts_with(". ") || rest.starts_with(") "),
    };
    if is_item { digits + 2 } else { 0 }
}

/// Asks a question. Ctrl-C ends the question and not the process, which would leave the
/// terminal without a cursor.
///
/// # Errors
/// `Interrupted` when the person leaves.
fn ask_on_terminal<T>(question: impl FnOnce() -> dialoguer::Result<T>) -> Result<T> {
    let answer = ba_agent_system::interrupt::hold_while_asking(question);
    answer.map_err(|error| {
        let term = dialoguer::console::Term::stderr();
        let _ = term.show_cursor();
        // The question stands there, half answered.
        let _ = term.write_line("");
        let dialoguer::Error::IO(error) = error;
        match error.kind() {
            io::ErrorKind::Interrupted => {
                Error::new(Kind::Interrupted, "stopped before anything was changed")
            }
            _ => error_of_lost_terminal(error),
        }
    })
}

impl Progress for Ui {
    fn begin(&self, what: &str) {
        self.finish_progress();
        if !self.show_progress {
            return;
        }
        let bar = ProgressBar::new_spinner();
        bar.set_style(silent_bar_style());
        bar.set_message(printable(what, false));
        bar.enable_steady_tick(std::time::Duration::from_millis(100));
        if let Ok(mut slot) = self.bar.lock() {
            *slot = Some(bar);
        }
    }

    fn advance(&self, done: u64, total: Option<u64>) {
        let Ok(slot) = self.bar.lock() else { return };
        let Some(bar) = slot.as_ref() else { return };
        // Several fetches share the bar: what one of them says must not meet another's total. So
        // total and position are set together, while the slot is locked.
        match total.filter(|total| done <= *total) {
            Some(total) if bar.length() != Some(total) => {
                bar.set_position(0);
                bar.set_length(total);
                bar.set_style(counted_bar_style());
            }
            Some(_) => {}
            None => {
                if bar.length().is_some() {
                    bar.unset_length();
                }
                if done > 0 {
                    bar.set_style(spinner_bar_style());
                }
            }
        }
        bar.set_position(done);
    }
}

impl Observer for Ui {
    fn notice(&self, notice: Notice<'_>) {
        match notice {
            Notice::Note(text) => self.note(text),
            Notice::Warning(text) => self.warn(text),
            Notice::Resolved(resolved) => self.print_resolved_source(&resolved),
        }
    }
}

impl Ui {
    fn print_resolved_source(&self, resolved: &ResolvedNotice) {
        self.status("Resolved", &resolved.source);
        if resolved.found > 1 {
            self.status("Chose", &format!("{} of {}", resolved.chosen, count_noun(resolved.found, "skill")));
        }
        self.warn_some(&resolved.left_out, "left out");
        self.warn_some(&resolved.warnings, "warned of");
    }

    /// The first of many warnings, and how many there are.
    pub(crate) fn warn_some(&self, warnings: &[String], what: &str) {
        let told = if self.verbose() { warnings.len() } else { LISTED_ALONE };
        for warning in warnings.iter().take(told) {
            self.warn(warning);
        }
        if warnings.len() > told {
            self.warn(&format!("{} more are {what}: `--verbose` names them all", warnings.len() - told));
        }
    }
}

/// The questions of a command, asked at the terminal; without a person `--yes` answers.
pub(crate) struct TerminalAsk<'u>(&'u Ui);

impl Ui {
    /// Whoever answers the questions of a command.
    pub(crate) fn terminal_questions(&self) -> TerminalAsk<'_> {
        TerminalAsk(self)
    }
}

/// A skill of a source, as a line to choose from. It stands below the plugin, or the folder, that
/// it shares with others.
fn item_of_offer(offer: &Offer) -> PickerItem {
    let above = offer.path.rsplit_once('/').map_or("", |(above, _)| above);
    let above = above.strip_suffix("/skills").unwrap_or(above);
    PickerItem::new(offer.name.as_str())
        .in_group(above)
        .with_fact(if offer.fault.is_some() { "invalid" } else { "" })
        .described(&offer.description)
        .with_detail(offer.fault.as_deref().unwrap_or_default())
        .with_detail(&format!("folder: {}", offer.path))
}

fn item_of_update(offer: &UpdateOffer<'_>) -> PickerItem {
    let fact = match (offer.from.as_str(), offer.to.as_str()) {
        (from, to) if from == to => to.to_owned(),
        (from, to) => format!("{from} -> {to}"),
    };
    let fact = if offer.cautions.is_empty() { fact } else { format!("{fact} !") };
    let item = PickerItem::new(offer.name.as_str()).with_fact(&fact).marked(true);
    let item = item.described(&offer.cautions.join(". "));
    offer.stat.iter().fold(item, |item, line| item.with_detail(line))
}

impl Ui {
    /// Lets the person choose from these items, which are shown by their names.
    ///
    /// # Errors
    /// `Interrupted` when the person leaves.
    fn choose_sorted(&self, title: String, verb: &'static str, items: Vec<PickerItem>) -> Result<Vec<usize>> {
        let mut order: Vec<usize> = (0..items.len()).collect();
        order.sort_by_cached_key(|at| items.get(*at).map(|item| item.name().to_owned()));
        let sorted = order.iter().filter_map(|at| items.get(*at).cloned()).collect();
        let chosen = self.choose(PickerQuestion::new(&title, verb, SelectionMode::Many, sorted))?;
        let mut chosen: Vec<usize> = chosen.iter().filter_map(|at| order.get(*at).copied()).collect();
        chosen.sort_unstable();
        Ok(chosen)
    }
}

impl Ask for TerminalAsk<'_> {
    fn choose_skills(&mut self, source: &str, offers: &[Offer]) -> Result<Vec<usize>> {
        if !self.0.interactive {
            return Unattended { agrees: self.0.manner.yes }.choose_skills(source, offers);
        }
        let title = format!("{source} has {}. Which ones?", count_noun(offers.len(), "skill"));
        self.0.choose_sorted(title, "take", offers.iter().map(item_of_offer).collect())
    }

    fn choose_catalogs(&mut self, known: &[KnownCatalog]) -> Result<Vec<usize>> {
        let item =
            |one: &KnownCatalog| PickerItem::new(one.name).described(one.about).with_detail(one.source);
        let title = "No marketplace is registered. Which of these public ones to fetch and search?";
        let items = known.iter().map(item).collect();
        let question = PickerQuestion::new(title, "add", SelectionMode::Many, items);
        Ok(self.0.choose_or_leave(question)?.unwrap_or_default())
    }

    fn attendance(&self) -> Attendance {
        if self.0.interactive {
            Attendance::Person
        } else {
            Unattended { agrees: self.0.manner.yes }.attendance()
        }
    }

    fn choose_updates(&mut self, offers: &[UpdateOffer<'_>]) -> Result<Vec<usize>> {
        if !self.0.may_ask_which() {
            return Unattended { agrees: self.0.manner.yes }.choose_updates(offers);
        }
        let title = format!("{} can be updated. Which ones?", count_noun(offers.len(), "skill"));
        self.0.choose_sorted(title, "update", offers.iter().map(item_of_update).collect())
    }

    fn approve_update(&mut self, update: &CautionedUpdate<'_>) -> Result<bool> {
        self.0.consent(&format!("Update `{}` anyway?", update.name), Some(update.diff))
    }

    fn consent(&mut self, question: &str, diff: Option<ShowDiff<'_>>) -> Result<bool> {
        if !self.0.interactive {
            return Ok(self.0.manner.yes);
        }
        self.0.consent(question, diff)
    }

    fn confirm(&mut self, question: &str) -> Result<bool> {
        self.0.confirm(question)
    }
}

/// What the surroundings say of colour: `NO_COLOR` goes before `CLICOLOR_FORCE` (and `FORCE_COLOR`,
/// which means the same), that before `CLICOLOR=0` and a terminal that knows no colours.
fn is_colour_wanted(terminal: bool, env: &Env) -> bool {
    let is_on = |name: &str| env.var(name).is_some_and(|value| value != "0");
    if env.var("NO_COLOR").is_some() {
        return false;
    }
    if is_on("CLICOLOR_FORCE") || is_on("FORCE_COLOR") {
        return true;
    }
    terminal && env.var("CLICOLOR") != Some("0") && env.var("TERM") != Some("dumb")
}

/// Nothing is known of how far it is yet.
fn silent_bar_style() -> ProgressStyle {
    ProgressStyle::with_template("{spinner:>12} {msg}").unwrap_or_else(|_| ProgressStyle::default_spinner())
}

fn spinner_bar_style() -> ProgressStyle {
    ProgressStyle::with_template("{spinner:>12} {msg} {bytes}")
        .unwrap_or_else(|_| ProgressStyle::default_spinner())
}

fn counted_bar_style() -> ProgressStyle {
    ProgressStyle::with_template("{spinner:>12} {msg} [{bar:24}] {pos}/{len}")
        .unwrap_or_else(|_| ProgressStyle::default_bar())
}

/// The error for output that could not be written; none for a reader that went away.
fn error_of_failed_write(error: &io::Error) -> Option<Error> {
    (error.kind() != io::ErrorKind::BrokenPipe).then(|| {
        Error::new(Kind::Failed, "the output could not be written to stdout in full")
            .cause(error)
            .hint("everything else the command did is done; if it only reads, run it again")
    })
}

/// What is said when a command is ended because it does not end by itself; the terminal may be in
/// the middle of a line, or of a question on the whole of it.
pub(crate) fn print_last_words(manner: Manner, error: &Error) {
    // Nobody else writes from here on: a question that is just being put would hide the cursor again.
    std::mem::forget(std::io::stderr().lock());
    let term = dialoguer::console::Term::stderr();
    if term.is_term() {
        let _ = term.show_cursor();
        let _ = term.write_line("");
    }
    Ui::without_terminal(manner).error(error);
}

/// Prints a page of help, or the version: to stdout, but to stderr where nothing was typed.
pub(crate) fn print_help_page(page: &clap::Error) -> ExitCode {
    let ui = before_parsing(false);
    let printed = page.print();
    if page.use_stderr() {
        return ui.end(Kind::Usage.exit_status());
    }
    ui.note_broken(printed);
    ui.end(0)
}

/// Prints what is wrong with a command line, as JSON where that was asked for.
pub(crate) fn print_usage_error(error: &Error) -> ExitCode {
    let ui = before_parsing(std::env::args_os().any(|arg| arg == "--json"));
    ui.error(error);
    ui.end(error.kind.exit_status())
}

/// For a line that could not be understood: its flags are looked for by hand.
fn before_parsing(json: bool) -> Ui {
    let is_plain = std::env::args_os().any(|arg| arg == "--color=never");
    let color = if is_plain { ColorChoice::Never } else { ColorChoice::Auto };
    let manner = Manner { json, quiet: false, verbose: false, yes: false, color };
    Env::read(None).map_or_else(|_| Ui::without_terminal(manner), |env| Ui::new(manner, &env))
}

/// The same JSON with `\u` for what acts on a terminal or cannot be seen. Such characters can
/// only stand inside of strings, where both mean the same; control characters below U+0020
/// are escaped already.
fn json_for_terminals(text: &str) -> Cow<'_, str> {
    let acts = |c: char| c != '\n' && is_unprintable(c);
    if !text.contains(acts) {
        return Cow::Borrowed(text);
    }
    let mut out = String::with_capacity(text.len() + 64);
    let mut units = [0; 2];
    for c in text.chars() {
        if acts(c) {
            c.encode_utf16(&mut units).iter().for_each(|unit| out.push_str(&format!("\\u{unit:04x}")));
        } else {
            out.push(c);
        }
    }
    Cow::Owned(out)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Several fetches at once, of which one knows no total and one says more than its own.
    #[test]
    fn progress_is_never_more_than_its_total() {
        let color = ColorChoice::Never;
        let manner = Manner { json: false, quiet: false, verbose: false, yes: false, color };
        let ui = Ui { show_progress: true, ..Ui::without_terminal(manner) };
        ui.begin("Fetching four things");
        let looked = std::sync::atomic::AtomicUsize::new(0);
        std::thread::scope(|scope| {
            for total in [Some(3), Some(1_000), None, Some(0)] {
                let (ui, looked) = (&ui, &looked);
                scope.spawn(move || {
                    for done in 0..2_000 {
                        ui.advance(done, total);
                        let slot = ui.bar.lock().unwrap();
                        let bar = slot.as_ref().unwrap();
                        assert!(bar.length().is_none_or(|length| bar.position() <= length), "{bar:?}");
                        looked.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
                    }
                });
            }
        });
        assert_eq!(looked.into_inner(), 8_000);
    }

    #[test]
    fn json_means_the_same_and_a_terminal_obeys_none_of_it() {
        for text in ["plain", "a\u{202e}b", "\u{9b}31m", "\u{e0041}\u{200b}é\u{feff}", "\u{1b}[31m\n\t\u{7f}"]
        {
            let value = serde_json::json!({ text: [text] });
            let shown = serde_json::to_string_pretty(&value).unwrap();
            let shown = json_for_terminals(&shown);
            assert!(!shown.contains(|c| c != '\n' && is_unprintable(c)), "{shown}");
            assert_eq!(serde_json::from_str::<serde_json::Value>(&shown).unwrap(), value);
        }
    }
}
