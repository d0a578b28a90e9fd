//! Faces: tables that fit their terminal. Columns are left out before a name or a commit would be
//! broken; texts of several words are broken between words.

use comfy_table::{Attribute, Cell, ColumnConstraint, ContentArrangement, Table, Width, presets};
use dialoguer::console::measure_text_width;

/// A column of a table.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Column {
    heading: &'static str,
    /// Where there is too little room the column of the highest rank goes first; those of 0 stay.
    rank: u8,
}

impl Column {
    /// A column that may be left out; of several the one of the highest rank goes first.
    pub(crate) fn optional(heading: &'static str, rank: u8) -> Self {
        Self { heading, rank }
    }
}

/// A column that is always there.
impl From<&'static str> for Column {
    fn from(heading: &'static str) -> Self {
        Self { heading, rank: 0 }
    }
}

/// The columns that a cell has before and behind its text.
const PADDING: usize = 2;

/// How a table is drawn.
#[derive(Debug, Clone, Copy)]
pub(crate) struct TableStyle {
    /// The columns of the terminal.
    pub(crate) width: usize,
    pub(crate) is_coloured: bool,
}

/// The lines of a table; the cells are safe to print.
pub(crate) fn draw_table(columns: &[Column], rows: &[Vec<String>], style: TableStyle) -> Vec<String> {
    let needs: Vec<Need> = columns.iter().enumerate().map(|(n, column)| Need::of(column, n, rows)).collect();
    let kept = choose_columns(columns, &needs, style.width);
    let mut table = Table::new();
    table.load_style(presets::NOTHING);
    let least: usize = kept.iter().map(|n| needs[*n].word + PADDING).sum();
    if least <= style.width {
        table.set_content_arrangement(ContentArrangement::Dynamic);
        table.set_width(u16::try_from(style.width).unwrap_or(u16::MAX));
    }
    let bold = |n: &usize| Cell::new(columns[*n].heading.to_uppercase()).add_attribute(Attribute::Bold);
    table.set_header(kept.iter().map(bold));
    if style.is_coloured {
        table.enforce_styling();
    } else {
        table.force_no_tty();
    }
    for row in rows {
        table.add_row(kept.iter().map(|n| row.get(*n).map_or("", String::as_str)));
    }
    for (column, n) in table.column_iter_mut().zip(&kept) {
        let word = u16::try_from(needs[*n].word + PADDING).unwrap_or(u16::MAX);
        column.set_constraint(ColumnConstraint::LowerBoundary(Width::Fixed(word)));
    }
    table.lines().map(|line| line.trim_end().to_owned()).collect()
}

/// The room that a column takes, by what is in it.
#[derive(Debug, Clone, Copy)]
struct Need {
    /// Of its longest text.
    full: usize,
    /// Of its longest word, which is not broken.
    word: usize,
}

impl Need {
    fn of(column: &Column, n: usize, rows: &[Vec<String>]) -> Self {
        let mut need = Self { full: 0, word: 0 };
        let cells = rows.iter().filter_map(|row| row.get(n)).map(String::as_str);
        for text in cells.chain([column.heading]) {
            need.full = need.full.max(measure_text_width(text));
            need.word = text.split(' ').map(measure_text_width).fold(need.word, usize::max);
        }
        need
    }
}

/// Texts narrower than this are hard to read: a column goes sooner.
const NARROWEST_TEXT: usize = 16;

/// Which columns are shown at this width.
fn choose_columns(columns: &[Column], needs: &[Need], width: usize) -> Vec<usize> {
    let mut kept: Vec<usize> = (0..columns.len()).collect();
    let taken = |n: &usize| needs[*n].full.min(needs[*n].word.max(NARROWEST_TEXT)) + PADDING;
    while kept.iter().map(taken).sum::<usize>() > width {
        let Some(next) = kept.iter().copied().max_by_key(|n| columns[*n].rank) else { break };
        if columns[next].rank == 0 {
            break;
        }
        kept.retain(|n| *n != next);
    }
    kept
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn draw(columns: &[Column], rows: &[&[&str]], width: usize) -> String {
        let rows: Vec<Vec<String>> =
            rows.iter().map(|row| row.iter().map(|cell| (*cell).to_owned()).collect()).collect();
        draw_table(columns, &rows, TableStyle { width, is_coloured: false }).join("\n")
    }

    #[test]
    fn a_narrow_terminal_has_fewer_columns_and_whole_words() {
        let columns = [
            Column::from("name"),
            Column::optional("source", 2),
            Column::from("pin"),
            Column::optional("targets", 1),
        ];
        let rows: &[&[&str]] = &[&["frontend-design", "github:anthropics/skills", "51a9ff6", "claude-code"]];
        assert_eq!(
            draw(&columns, rows, 80),
            " NAME             SOURCE                    PIN      TARGETS\n \
              frontend-design  github:anthropics/skills  51a9ff6  claude-code"
        );
        assert_eq!(
            draw(&columns, rows, 40),
            " NAME             PIN      TARGETS\n frontend-design  51a9ff6  claude-code"
        );
        assert_eq!(draw(&columns, rows, 30), " NAME             PIN\n frontend-design  51a9ff6");
        // What does not fit even so is left to the terminal, in one piece.
        assert_eq!(draw(&columns, rows, 10), " NAME             PIN\n frontend-design  51a9ff6");
    }

    #[test]
    fn texts_are_broken_between_words() {
        let columns = [Column::from("name"), Column::from("description")];
        let text = draw(&columns, &[&["pdf", "Reads tables out of documents and 表格"]], 30);
        assert!(
            text.lines().count() > 2 && text.lines().all(|line| measure_text_width(line) <= 30),
            "{text}"
        );
        for word in ["Reads", "documents", "表格"] {
            assert!(text.contains(word), "{text}");
        }
    }

    proptest! {
        /// Every word of a column that is shown is shown whole, and where the words fit no line
        /// is longer than the terminal.
        #[test]
        fn no_word_is_broken(
            rows in proptest::collection::vec(
                proptest::collection::vec("([a-z0-9表é-]{1,12} ?){1,4}", 4..5), 1..5),
            ranks in proptest::collection::vec(0u8..4, 4..5),
            width in 10usize..120,
        ) {
            let names = ["one", "two", "three", "four"];
            let columns: Vec<Column> =
                names.iter().zip(&ranks).map(|(name, rank)| Column::optional(name, *rank)).collect();
            let style = TableStyle { width, is_coloured: false };
            let lines = draw_table(&columns, &rows, style);
            let needs: Vec<Need> = columns.iter().enumerate().map(|(n, c)| Need::of(c, n, &rows)).collect();
            let kept = choose_columns(&columns, &needs, width);
            let text = lines.join("\n");
            for row in &rows {
                for word in kept.iter().flat_map(|n| row[*n].split(' ')) {
                    prop_assert!(text.contains(word), "{word} in {text}");
                }
            }
            for (n, column) in columns.iter().enumerate() {
                prop_assert!(column.rank > 0 || kept.contains(&n));
            }
            if kept.iter().map(|n| needs[*n].word + PADDING).sum::<usize>() <= width {
                prop_assert!(lines.iter().all(|line| measure_text_width(line) <= width), "{text}");
            }
        }
    }
}
