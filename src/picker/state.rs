//! What is chosen from, what was typed and marked so far, and what each key makes of it.

use std::collections::HashMap;

use unicode_segmentation::UnicodeSegmentation as _;

use super::filter::FilterIndex;
use super::keys::PickerKey;
use ba_agent_core::error::{is_unprintable, printable};

/// A filter is no longer than this, in signs.
const LONGEST_FILTER: usize = 100;
/// Groups of fewer items than this on average are no help: each heading takes a line.
const WORTH_A_HEADING: usize = 3;

/// How many may be chosen.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum SelectionMode {
    One,
    Many,
}

/// A line to choose from. Its texts are made safe to show as they come in.
#[derive(Debug, Clone, Default)]
pub(crate) struct PickerItem {
    pub(super) name: String,
    pub(super) group: String,
    pub(super) fact: String,
    pub(super) description: String,
    pub(super) details: Vec<String>,
    pub(super) marked: bool,
}

impl PickerItem {
    pub(crate) fn new(name: &str) -> Self {
        Self { name: on_one_line(name), ..Self::default() }
    }

    pub(crate) fn name(&self) -> &str {
        &self.name
    }

    /// The heading that it stands below.
    pub(crate) fn in_group(self, group: &str) -> Self {
        Self { group: on_one_line(group), ..self }
    }

    /// A few words beside the name, as a version or a state.
    pub(crate) fn with_fact(self, fact: &str) -> Self {
        Self { fact: on_one_line(fact), ..self }
    }

    /// What is shown whole while one stands on it.
    pub(crate) fn described(self, description: &str) -> Self {
        Self { description: on_one_line(description), ..self }
    }

    /// A line below the description; none where it is empty.
    pub(crate) fn with_detail(mut self, detail: &str) -> Self {
        self.details.extend(Some(on_one_line(detail)).filter(|detail| !detail.is_empty()));
        self
    }

    /// Columns of the name and the words beside it.
    fn width_of_name(&self) -> usize {
        let fact = super::fit::width_of(&self.fact);
        super::fit::width_of(&self.name) + if fact > 0 { fact + 1 } else { 0 }
    }

    /// Whether it is chosen at the beginning.
    pub(crate) fn marked(self, marked: bool) -> Self {
        Self { marked, ..self }
    }
}

fn on_one_line(text: &str) -> String {
    let words: Vec<&str> = text.split_whitespace().collect();
    printable(&words.join(" "), false)
}

/// What is asked.
#[derive(Debug, Clone)]
pub(crate) struct PickerQuestion {
    title: String,
    verb: &'static str,
    mode: SelectionMode,
    pub(super) items: Vec<PickerItem>,
}

impl PickerQuestion {
    /// `verb` is what Enter does with what is chosen, as `install`. The items are shown in the
    /// order in which they are given, below the headings of their groups.
    pub(crate) fn new(title: &str, verb: &'static str, mode: SelectionMode, items: Vec<PickerItem>) -> Self {
        Self { title: on_one_line(title), verb, mode, items }
    }

    pub(crate) fn title(&self) -> &str {
        &self.title
    }

    pub(crate) fn mode(&self) -> SelectionMode {
        self.mode
    }
}

/// What a key led to.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Outcome {
    /// The question stays open.
    Open,
    /// And what is on the screen cannot be trusted.
    Redraw,
    /// Positions of what was chosen, in the order of the items.
    Chosen(Vec<usize>),
    Left,
    Interrupted,
}

/// The question and all that was done about it.
pub(crate) struct PickerState {
    pub(super) question: PickerQuestion,
    /// Some items share a heading, and few enough headings to show them.
    pub(super) has_headings: bool,
    /// Columns of the widest name with what stands beside it, and of the longest description.
    pub(super) widest_name: usize,
    pub(super) widest_text: usize,
    index: FilterIndex,
    /// All items in the order in which they are shown without a filter.
    in_order: Vec<usize>,
    pub(super) filter: String,
    /// The items that match, in the order in which they are shown.
    pub(super) shown: Vec<usize>,
    /// Where one stands, in `shown`.
    pub(super) cursor: usize,
    pub(super) marked: Vec<bool>,
    /// Something was chosen in advance: whoever takes all of that away wants nothing.
    begins_marked: bool,
    /// Lines of the description above the screen, while it is read on the whole of it.
    pub(super) reading: Option<usize>,
}

impl PickerState {
    pub(crate) fn new(question: PickerQuestion) -> Self {
        let items = &question.items;
        let mut groups: HashMap<&str, usize> = HashMap::new();
        items.iter().for_each(|item| *groups.entry(&item.group).or_default() += 1);
        let has_headings = groups.len() > 1 && groups.len() * WORTH_A_HEADING <= items.len();
        let mut in_order: Vec<usize> = (0..items.len()).collect();
        if has_headings {
            in_order.sort_by_key(|at| items.get(*at).map(|item| &item.group));
        }
        let everything = |item: &PickerItem| {
            let details = item.details.join(" ");
            format!("{} {} {} {details}", item.description, item.group, item.fact)
        };
        let index = FilterIndex::new(items.iter().map(|item| (item.name.as_str(), everything(item))));
        let widest_name = items.iter().map(PickerItem::width_of_name).max().unwrap_or(0);
        let widest_text = items.iter().map(|item| super::fit::width_of(&item.description)).max().unwrap_or(0);
        let is_marked = |item: &PickerItem| item.marked && question.mode == SelectionMode::Many;
        let marked: Vec<bool> = items.iter().map(is_marked).collect();
        let begins_marked = marked.contains(&true);
        let shown = in_order.clone();
        Self {
            has_headings,
            widest_name,
            widest_text,
            index,
            in_order,
            filter: String::new(),
            shown,
            cursor: 0,
            marked,
            begins_marked,
            reading: None,
            question,
        }
    }

    /// The item that one stands on.
    pub(super) fn current(&self) -> Option<usize> {
        self.shown.get(self.cursor).copied()
    }

    pub(super) fn count_marked(&self) -> usize {
        self.marked.iter().filter(|marked| **marked).count()
    }

    /// Which signs of the name are what was typed.
    pub(super) fn matched_signs(&self, item: usize) -> Vec<u32> {
        if self.filter.is_empty() { Vec::new() } else { self.index.matched_signs(&self.filter, item) }
    }

    /// What Enter does now, in words.
    pub(super) fn words_for_enter(&self) -> String {
        match self.count_marked() {
            0 if !self.begins_marked => self.question.verb.to_owned(),
            n => format!("{} {n}", self.question.verb),
        }
    }

    /// Does what a key asks for; `page` is how many lines the list has on the screen.
    pub(crate) fn press(&mut self, key: PickerKey, page: usize) -> Outcome {
        match key {
            PickerKey::Interrupt => return Outcome::Interrupted,
            PickerKey::Redraw => return Outcome::Redraw,
            PickerKey::Enter => return self.take_chosen(),
            PickerKey::Escape if self.reading.is_none() => return Outcome::Left,
            PickerKey::Escape => self.reading = None,
            PickerKey::Tab => {
                self.reading = if self.reading.is_some() { None } else { self.current().map(|_| 0) };
            }
            _ if self.reading.is_some() => self.scroll_description(&key, page),
            PickerKey::Char(' ') if self.question.mode == SelectionMode::Many => self.toggle_current(),
            PickerKey::Char(c) => self.type_text(&c.to_string()),
            PickerKey::Pasted(text) => self.type_text(&text),
            PickerKey::Backspace => self.delete_sign(),
            PickerKey::DeleteWord => self.delete_word(),
            PickerKey::ClearFilter => self.set_filter(String::new()),
            PickerKey::MarkAll => self.mark_all_or_none(),
            PickerKey::Right => self.mark_shown(true),
            PickerKey::Left => self.mark_shown(false),
            PickerKey::Up => self.move_cursor_to(self.cursor.saturating_sub(1)),
            PickerKey::Down => self.move_cursor_to(self.cursor + 1),
            PickerKey::PageUp => self.move_cursor_to(self.cursor.saturating_sub(page.max(1))),
            PickerKey::PageDown => self.move_cursor_to(self.cursor + page.max(1)),
            PickerKey::Home => self.move_cursor_to(0),
            PickerKey::End => self.move_cursor_to(usize::MAX),
        }
        Outcome::Open
    }

    /// What is marked; the line that one stands on where nothing is, nor was at the beginning.
    fn take_chosen(&self) -> Outcome {
        let marked: Vec<usize> = (0..self.marked.len()).filter(|at| self.marked[*at]).collect();
        match self.current() {
            _ if !marked.is_empty() => Outcome::Chosen(marked),
            Some(current) if !self.begins_marked => Outcome::Chosen(vec![current]),
            _ => Outcome::Open,
        }
    }

    fn scroll_description(&mut self, key: &PickerKey, page: usize) {
        let Some(above) = &mut self.reading else { return };
        // Drawing stops at the last line: how long the text is depends on the width.
        *above = match key {
            PickerKey::Up => above.saturating_sub(1),
            PickerKey::Down => above.saturating_add(1),
            PickerKey::PageUp => above.saturating_sub(page.max(1)),
            PickerKey::PageDown | PickerKey::Char(' ') => above.saturating_add(page.max(1)),
            PickerKey::Home => 0,
            _ => *above,
        };
        *above = (*above).min(usize::from(u16::MAX));
    }

    fn move_cursor_to(&mut self, cursor: usize) {
        self.cursor = cursor.min(self.shown.len().saturating_sub(1));
    }

    fn toggle_current(&mut self) {
        if let Some(marked) = self.current().and_then(|current| self.marked.get_mut(current)) {
            *marked = !*marked;
        }
    }

    fn mark_shown(&mut self, marked: bool) {
        if self.question.mode == SelectionMode::Many {
            for at in &self.shown {
                self.marked[*at] = marked;
            }
        }
    }

    /// Every item, shown or not; where every one is marked already, none.
    fn mark_all_or_none(&mut self) {
        if self.question.mode == SelectionMode::Many {
            let marked = !self.marked.iter().all(|marked| *marked);
            self.marked.fill(marked);
        }
    }

    fn type_text(&mut self, text: &str) {
        let mut filter = self.filter.clone();
        filter.extend(text.chars().map(|c| if c.is_whitespace() { ' ' } else { c }));
        filter.retain(|c| !is_unprintable(c));
        let end = filter.grapheme_indices(true).nth(LONGEST_FILTER).map_or(filter.len(), |(at, _)| at);
        filter.truncate(end);
        self.set_filter(filter);
    }

    fn delete_sign(&mut self) {
        let end = self.filter.grapheme_indices(true).next_back().map_or(0, |(at, _)| at);
        self.set_filter(self.filter.get(..end).unwrap_or_default().to_owned());
    }

    fn delete_word(&mut self) {
        let kept = self.filter.trim_end();
        let end = kept.rfind(' ').map_or(0, |at| at + 1);
        self.set_filter(kept.get(..end).unwrap_or_default().to_owned());
    }

    /// Looks anew for what matches; the best match is where one stands then. A longer filter can
    /// only have what the shorter one had.
    fn set_filter(&mut self, filter: String) {
        if filter == self.filter {
            return;
        }
        if filter.trim().is_empty() {
            self.shown.clone_from(&self.in_order);
        } else {
            let narrows = !self.filter.trim().is_empty() && filter.starts_with(&self.filter);
            let mut from = if narrows { std::mem::take(&mut self.shown) } else { self.in_order.clone() };
            from.sort_unstable();
            let mut scored = self.index.score_items(&filter, &from);
            self.put_in_order(&mut scored);
            self.shown = scored.into_iter().map(|(at, _)| at).collect();
        }
        self.filter = filter;
        self.cursor = 0;
    }

    /// The best first, what matches as well as another in the order of the items; with headings
    /// the group of the best first.
    fn put_in_order(&self, scored: &mut [(usize, u32)]) {
        let group = |at: usize| self.question.items.get(at).map_or("", |item| item.group.as_str());
        let mut best: HashMap<&str, u32> = HashMap::new();
        if self.has_headings {
            for (at, score) in scored.iter() {
                let known = best.entry(group(*at)).or_default();
                *known = (*known).max(*score);
            }
        }
        let key = |(at, score): &(usize, u32)| {
            let of_group = best.get(group(*at)).copied().unwrap_or(0);
            let name = if self.has_headings { group(*at) } else { "" };
            (std::cmp::Reverse(of_group), name, std::cmp::Reverse(*score), *at)
        };
        scored.sort_by(|one, other| key(one).cmp(&key(other)));
    }
}
