//! The pictures of the terminal in the README: taken from the program at a terminal, and held
//! against the files in `docs/screens`. `UPDATE_GOLDEN=1` takes them anew.

#![cfg(unix)]

use std::fmt::Write as _;
use std::path::Path;

use crate::env::{TestEnv, skill_md};
use crate::pty::Terminal;

/// Of a cell, in a font of 14.
const WIDTH: f32 = 8.4;
const HEIGHT: f32 = 18.0;

/// Skills of our own making, in plugins as large repositories have them.
fn source(env: &TestEnv) {
    for (plugin, name, about) in [
        (
            "documents",
            "docx",
            "Writes and edits Word documents with comments and tracked changes. Use when a .docx file is wanted.",
        ),
        (
            "documents",
            "pdf",
            "Reads PDF files, fills their forms, joins and splits them. Use when a PDF is to be read, filled or made out of other files.",
        ),
        (
            "documents",
            "pdf-tables",
            "Extracts tables from PDF files, also from scanned ones, and writes them as CSV. Use when a PDF holds tables.",
        ),
        (
            "documents",
            "xlsx",
            "Reads and writes spreadsheets, formulas included. Use when an .xlsx file is there or wanted.",
        ),
        (
            "infrastructure",
            "kubernetes-specialist",
            "Writes manifests, Helm charts and operators, and finds out why a pod does not start. Use when something runs, or should run, on Kubernetes.",
        ),
        (
            "infrastructure",
            "postgres-tuning",
            "Reads query plans and proposes indexes. Use when a PostgreSQL query is slow.",
        ),
        (
            "infrastructure",
            "terraform-review",
            "Looks at a plan for what it destroys. Use before a plan is applied.",
        ),
        (
            "languages",
            "rust-reviewer",
            "Reviews Rust for panics, needless clones and unclear ownership. Use when Rust code is to be reviewed.",
        ),
        (
            "languages",
            "sql-style",
            "Formats SQL and names what is hard to read in it. Use when SQL is written or reviewed.",
        ),
        ("languages", "report-cn", "Writes reports in Chinese out of tables. Use when a 报表 is wanted."),
    ] {
        env.write(&format!("src/plugins/{plugin}/skills/{name}/SKILL.md"), skill_md(name, about));
    }
}

/// The list when it has come, and after the keys that show what it does.
fn choosing(columns: u16, rows: u16, keys: &str, shown: &str) -> String {
    let env = TestEnv::new();
    source(&env);
    let mut terminal = Terminal::run_sized(env.command(&["skill", "install", "../src"]), columns, rows);
    terminal.wait_for_screen("the list", |screen| screen.contains("> [ ] docx"));
    terminal.press(keys);
    terminal.wait_for_screen(shown, |screen| screen.contains(shown));
    let picture = draw(terminal.screen());
    terminal.press("\u{3}");
    terminal.end();
    picture
}

#[test]
fn the_pictures_of_the_readme_are_current() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/screens");
    let two_down = "\u{1b}[B \u{1b}[B ";
    for (name, picture) in [
        ("choose-40.svg", choosing(40, 20, two_down, "2 marked")),
        ("choose-80.svg", choosing(80, 24, two_down, "2 marked")),
        ("choose-110.svg", choosing(110, 20, two_down, "2 marked")),
        ("filter-80.svg", choosing(80, 16, "kspec", "1 of 10")),
    ] {
        let path = folder.join(name);
        if std::env::var_os("UPDATE_GOLDEN").is_some() {
            std::fs::create_dir_all(&folder).unwrap();
            std::fs::write(&path, &picture).unwrap();
        }
        let kept = std::fs::read_to_string(&path).unwrap_or_default();
        let how = "`UPDATE_GOLDEN=1 cargo test --test it -- screens` takes the pictures anew";
        assert!(kept == picture, "{name} is not what the terminal shows; {how}");
    }
}

/// A screen as SVG: a text for each run of cells that look alike.
fn draw(screen: &vt100::Screen) -> String {
    let (rows, columns) = screen.size();
    let (rows, columns) = (rows.get(), columns.get());
    let (width, height) = (f32::from(columns) * WIDTH + 16.0, f32::from(rows) * HEIGHT + 16.0);
    let mut svg = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{width:.0}\" height=\"{height:.0}\" \
         font-family=\"ui-monospace, Menlo, Consolas, monospace\" font-size=\"14\" xml:space=\"preserve\">\n\
         <rect width=\"100%\" height=\"100%\" rx=\"6\" fill=\"#16181d\"/>\n"
    );
    let (cursor_row, cursor_column) = screen.cursor_position();
    let place = |row: u16, column: u16| (8.0 + f32::from(column) * WIDTH, 8.0 + f32::from(row) * HEIGHT);
    let (x, y) = place(cursor_row, cursor_column);
    let _ = writeln!(
        svg,
        "<rect x=\"{x:.1}\" y=\"{y:.1}\" width=\"{WIDTH}\" height=\"{HEIGHT}\" fill=\"#8a8f98\"/>"
    );
    for row in 0..rows {
        let mut column = 0;
        while column < columns {
            let begin = column;
            let look = look_of(screen.cell(row, column));
            let mut text = String::new();
            while column < columns && look_of(screen.cell(row, column)) == look {
                let cell = screen.cell(row, column).filter(|cell| cell.has_contents());
                text.push_str(cell.map_or(" ", vt100::Cell::contents));
                column += if cell.is_some_and(vt100::Cell::is_wide) { 2 } else { 1 };
            }
            if text.trim().is_empty() {
                continue;
            }
            let (x, y) = place(row, begin);
            let length = f32::from(column - begin) * WIDTH;
            let text = text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;");
            let _ = writeln!(
                svg,
                "<text x=\"{x:.1}\" y=\"{:.1}\" textLength=\"{length:.1}\" {look}>{text}</text>",
                y + 13.5
            );
        }
    }
    svg.push_str("</svg>\n");
    svg
}

fn look_of(cell: Option<&vt100::Cell>) -> String {
    let Some(cell) = cell.filter(|cell| cell.has_contents()) else { return "fill=\"#d5d8dd\"".to_owned() };
    let colour = match cell.fgcolor() {
        vt100::Color::Idx(2) => "#7ec77b",
        vt100::Color::Idx(3) => "#e2c15c",
        vt100::Color::Idx(6) => "#5cc5d6",
        _ if cell.dim() => "#8a8f98",
        _ => "#d5d8dd",
    };
    let bold = if cell.bold() { " font-weight=\"bold\"" } else { "" };
    format!("fill=\"{colour}\"{bold}")
}
