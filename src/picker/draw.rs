//! What is seen of the question on a screen of any size: at most its rows, none wider than its
//! columns, and among them always the line that one stands on.

use unicode_segmentation::UnicodeSegmentation as _;

use super::fit::{cut_to_width, fitting_suffix, width_of, wrap_to_width};
use super::state::{PickerItem, PickerState, SelectionMode};

/// From here on the description stands beside the list, not below it.
const WIDE: usize = 100;
/// The list of a wide screen takes no more than this.
const WIDEST_LIST: usize = 52;
/// Names are padded to no more than this, so that the descriptions beside them begin alike; where
/// there are few columns to less.
const WIDEST_PADDING: usize = 40;
const NARROW_PADDING: usize = 26;
const NARROW: usize = 72;
/// A line between, the name, the details, and what breaks between words cost of a description.
const LINES_BESIDE_TEXT: usize = 6;
/// Columns that the filter keeps, whatever is counted beside it.
const FILTER_ROOM: usize = 12;

/// How a piece of a line looks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum TextStyle {
    Plain,
    Bold,
    Dim,
    /// Headings and the sign of the line that one stands on.
    Accent,
    /// What is marked.
    Mark,
    /// What was typed, where it was found.
    Match,
}

/// A piece of a line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct StyledText {
    pub(crate) text: String,
    pub(crate) style: TextStyle,
}

/// A line of the screen.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct StyledLine {
    pub(crate) pieces: Vec<StyledText>,
    width: usize,
}

impl StyledLine {
    /// Adds as much as fits into `columns`.
    fn push_text(&mut self, text: &str, style: TextStyle, columns: usize) {
        let text = cut_to_width(text, columns.saturating_sub(self.width));
        if !text.is_empty() {
            self.width += width_of(&text);
            self.pieces.push(StyledText { text, style });
        }
    }

    fn pad_to(&mut self, columns: usize) {
        if self.width < columns {
            let style = TextStyle::Plain;
            self.pieces.push(StyledText { text: " ".repeat(columns - self.width), style });
            self.width = columns;
        }
    }

    fn of_text(text: &str, style: TextStyle, columns: usize) -> Self {
        let mut line = Self::default();
        line.push_text(text, style, columns);
        line
    }

    /// The text of the line without its looks.
    #[cfg(test)]
    pub(crate) fn text(&self) -> String {
        self.pieces.iter().map(|piece| piece.text.as_str()).collect()
    }
}

/// A whole screen.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct PickerFrame {
    pub(crate) lines: Vec<StyledLine>,
    /// Row and column, from 0, in which the next sign of the filter will stand.
    pub(crate) cursor: (usize, usize),
    /// Lines that the list, or the text that is read, has.
    pub(crate) page: usize,
}

/// Draws the question for a screen of these columns and rows.
pub(crate) fn draw_frame(state: &PickerState, (columns, rows): (usize, usize)) -> PickerFrame {
    let (columns, rows) = (columns.max(1), rows.max(1));
    match (state.reading, state.current()) {
        (Some(above), Some(current)) if rows > 1 => draw_description(state, current, above, columns, rows),
        _ if rows == 1 => draw_one_row(state, columns),
        _ => draw_list(state, columns, rows),
    }
}

/// All in one row: what was typed, and the line that one stands on.
fn draw_one_row(state: &PickerState, columns: usize) -> PickerFrame {
    let mut line = StyledLine::default();
    line.push_text(fitting_suffix(&state.filter, columns / 2), TextStyle::Bold, columns.saturating_sub(1));
    let cursor = (0, line.width.min(columns - 1));
    match state.current() {
        Some(current) => push_item(&mut line, state, current, true, columns, false),
        None => line.push_text(" nothing matches", TextStyle::Dim, columns),
    }
    PickerFrame { lines: vec![line], cursor, page: 1 }
}

fn draw_list(state: &PickerState, columns: usize, rows: usize) -> PickerFrame {
    let has_title = rows >= 5;
    let has_help = rows >= 4;
    let body = rows - 1 - usize::from(has_title) - usize::from(has_help);
    let mut lines = Vec::new();
    if has_title {
        lines.push(StyledLine::of_text(state.question.title(), TextStyle::Bold, columns));
    }
    let (filter, column) = draw_filter(state, columns);
    let cursor = (lines.len(), column);
    lines.push(filter);
    let page;
    if columns >= WIDE && body >= 3 {
        let marks = if state.question.mode() == SelectionMode::Many { 7 } else { 3 };
        let list = (state.widest_name + marks).clamp(30, WIDEST_LIST);
        page = body;
        let pane = draw_pane(state, columns - list - 2, body);
        for (at, mut line) in draw_rows(state, list, body, true).into_iter().enumerate() {
            line.pad_to(list);
            line.push_text("│ ", TextStyle::Dim, columns);
            for piece in pane.get(at).into_iter().flat_map(|line| &line.pieces) {
                line.push_text(&piece.text, piece.style, columns);
            }
            lines.push(line);
        }
    } else {
        let pane = match body {
            0..=5 => 0,
            6..=11 => body / 2 - 1,
            // Enough for the longest description, and no more: it does not move with the cursor.
            _ => (state.widest_text / columns + LINES_BESIDE_TEXT).clamp(5, body / 2),
        };
        page = body - pane;
        lines.extend(draw_rows(state, columns, page, pane == 0 && columns < 24));
        if pane > 0 {
            lines.push(StyledLine::of_text(&"─".repeat(columns), TextStyle::Dim, columns));
            lines.extend(draw_pane(state, columns, pane - 1));
        }
    }
    if has_help {
        lines.push(draw_help(&help_for_list(state), columns));
    }
    PickerFrame { lines, cursor, page: page.max(1) }
}

/// What was typed, how much of all is shown and marked, and the column behind what was typed.
fn draw_filter(state: &PickerState, columns: usize) -> (StyledLine, usize) {
    let all = state.question.items.len();
    let mut counts = format!("{} of {all}", state.shown.len());
    if state.count_marked() > 0 {
        counts.push_str(&format!(", {} marked", state.count_marked()));
    }
    let label = if columns >= 30 { "Filter: " } else { "/" };
    let mut line = StyledLine::default();
    line.push_text(label, TextStyle::Accent, columns);
    let has_counts = columns >= line.width + FILTER_ROOM + counts.len() + 2;
    let room = columns - line.width - if has_counts { counts.len() + 2 } else { 1.min(columns - line.width) };
    line.push_text(fitting_suffix(&state.filter, room), TextStyle::Bold, columns);
    let column = line.width.min(columns - 1);
    if state.filter.is_empty() && room >= 16 {
        line.push_text("type to filter", TextStyle::Dim, columns);
    }
    if has_counts {
        line.pad_to(columns - counts.len());
        line.push_text(&counts, TextStyle::Dim, columns);
    }
    (line, column)
}

/// A row of the list.
enum ListRow<'a> {
    Heading(&'a str, usize),
    /// A position in what is shown.
    Shown(usize),
}

/// The rows of the list around the line that one stands on.
fn draw_rows(state: &PickerState, columns: usize, rows: usize, names_alone: bool) -> Vec<StyledLine> {
    let all = list_rows(state);
    let stands = |row: &ListRow<'_>| matches!(row, ListRow::Shown(at) if *at == state.cursor);
    let cursor = all.iter().position(stands).unwrap_or(0);
    let top = cursor.saturating_sub(rows / 2).min(all.len().saturating_sub(rows));
    let draw = |row: &ListRow<'_>| match row {
        ListRow::Heading(group, count) => {
            let mut line = StyledLine::of_text(group, TextStyle::Accent, columns);
            line.push_text(&format!(" ({count})"), TextStyle::Dim, columns);
            line
        }
        ListRow::Shown(at) => {
            let mut line = StyledLine::default();
            if let Some(item) = state.shown.get(*at) {
                push_item(&mut line, state, *item, *at == state.cursor, columns, names_alone);
            }
            line
        }
    };
    let mut lines: Vec<StyledLine> = all.iter().skip(top).take(rows).map(draw).collect();
    if all.is_empty() && rows > 0 {
        let words = if state.question.items.is_empty() { "  nothing to choose" } else { "  nothing matches" };
        lines.push(StyledLine::of_text(words, TextStyle::Dim, columns));
    }
    lines.resize_with(rows, StyledLine::default);
    lines
}

fn list_rows(state: &PickerState) -> Vec<ListRow<'_>> {
    let group = |at: &usize| state.question.items.get(*at).map_or("", |item| item.group.as_str());
    let mut rows = Vec::with_capacity(state.shown.len() + 8);
    let mut at = 0;
    for run in state.shown.chunk_by(|one, other| group(one) == group(other)) {
        if let Some(first) = run.first().filter(|_| state.has_headings) {
            rows.push(ListRow::Heading(group(first), run.len()));
        }
        rows.extend((at..at + run.len()).map(ListRow::Shown));
        at += run.len();
    }
    rows
}

/// `> [x] name fact  description…`.
fn push_item(
    line: &mut StyledLine,
    state: &PickerState,
    at: usize,
    stands: bool,
    columns: usize,
    name_alone: bool,
) {
    let Some(item) = state.question.items.get(at) else { return };
    // By signs, since the first of them is to be seen on the narrowest screen.
    line.push_text(if stands { ">" } else { " " }, TextStyle::Accent, columns);
    line.push_text(" ", TextStyle::Plain, columns);
    if state.question.mode() == SelectionMode::Many {
        let marked = state.marked.get(at).is_some_and(|marked| *marked);
        let (text, style) = if marked { ("[x] ", TextStyle::Mark) } else { ("[ ] ", TextStyle::Plain) };
        line.push_text(text, style, columns);
    }
    let begin = line.width;
    push_name(line, item, &state.matched_signs(at), stands, columns);
    if !item.fact.is_empty() && line.width + 2 < columns {
        line.push_text(&format!(" {}", item.fact), TextStyle::Dim, columns);
    }
    let padding = if columns < NARROW { NARROW_PADDING } else { WIDEST_PADDING };
    let behind = begin + state.widest_name.min(padding);
    if !name_alone && columns >= behind + 10 && !item.description.is_empty() {
        line.pad_to(behind);
        line.push_text(&format!("  {}", item.description), TextStyle::Dim, columns);
    }
}

/// The name, with what was typed standing out.
fn push_name(line: &mut StyledLine, item: &PickerItem, found: &[u32], stands: bool, columns: usize) {
    let plain = if stands { TextStyle::Bold } else { TextStyle::Plain };
    let name = cut_to_width(&item.name, columns.saturating_sub(line.width));
    let mut piece = (String::new(), plain);
    for (at, sign) in name.graphemes(true).enumerate() {
        let is_found = u32::try_from(at).is_ok_and(|at| found.binary_search(&at).is_ok());
        let style = if is_found { TextStyle::Match } else { plain };
        if style != piece.1 {
            line.push_text(&std::mem::take(&mut piece.0), piece.1, columns);
            piece.1 = style;
        }
        piece.0.push_str(sign);
    }
    line.push_text(&piece.0, piece.1, columns);
}

/// What is known of the line that one stands on; where it does not fit, how to see the rest.
fn draw_pane(state: &PickerState, columns: usize, rows: usize) -> Vec<StyledLine> {
    let Some(current) = state.current() else { return vec![StyledLine::default(); rows] };
    let mut lines = describe_item(state, current, columns);
    if lines.len() > rows {
        lines.truncate(rows);
        if let Some(last) = lines.last_mut() {
            *last = StyledLine::of_text("… tab: read all of it", TextStyle::Accent, columns);
        }
    }
    lines.resize_with(rows, StyledLine::default);
    lines
}

/// The description on the whole screen.
fn draw_description(
    state: &PickerState,
    current: usize,
    above: usize,
    columns: usize,
    rows: usize,
) -> PickerFrame {
    let page = rows - 1;
    let text = describe_item(state, current, columns);
    let above = above.min(text.len().saturating_sub(page));
    let is_whole = text.len() <= page;
    let mut lines: Vec<StyledLine> = text.into_iter().skip(above).take(page).collect();
    lines.resize_with(page, StyledLine::default);
    let enter = format!("enter: {}", state.words_for_enter());
    let scroll = if is_whole { None } else { Some("up/down: scroll".to_owned()) };
    let help: Vec<String> = ["tab: back".to_owned()].into_iter().chain(scroll).chain([enter]).collect();
    lines.push(draw_help(&help, columns));
    PickerFrame { lines, cursor: (rows - 1, 0), page }
}

fn describe_item(state: &PickerState, at: usize, columns: usize) -> Vec<StyledLine> {
    let Some(item) = state.question.items.get(at) else { return Vec::new() };
    let mut lines = Vec::new();
    let mut add = |text: &str, style| {
        let wrapped = wrap_to_width(text, columns);
        lines.extend(wrapped.iter().map(|line| StyledLine::of_text(line, style, columns)));
    };
    add(&format!("{} {}", item.name, item.fact), TextStyle::Bold);
    add(&item.description, TextStyle::Plain);
    item.details.iter().for_each(|detail| add(detail, TextStyle::Dim));
    lines
}

fn help_for_list(state: &PickerState) -> Vec<String> {
    let many = state.question.mode() == SelectionMode::Many;
    let enter = format!("enter: {}", state.words_for_enter());
    let marking = ["right/left: mark/unmark shown", "ctrl-a: all/none"];
    let mut help = vec![enter, "esc: leave".to_owned()];
    help.extend(many.then(|| "space: mark".to_owned()));
    help.push("tab: read".to_owned());
    help.extend(marking.iter().filter(|_| many).map(|words| (*words).to_owned()));
    help
}

/// As many of the hints as fit, the most needed first.
fn draw_help(hints: &[String], columns: usize) -> StyledLine {
    let mut text = String::new();
    for hint in hints {
        let gap = if text.is_empty() { 0 } else { 2 };
        if width_of(&text) + gap + width_of(hint) <= columns {
            text.push_str(&" ".repeat(gap));
            text.push_str(hint);
        }
    }
    StyledLine::of_text(&text, TextStyle::Dim, columns)
}
