//! Laws of the picker, over any keys and any size of the screen.

use proptest::prelude::*;

use super::draw::{PickerFrame, draw_frame};
use super::fit::{cut_to_width, width_of, wrap_to_width};
use super::keys::{KeyDecoder, PickerKey};
use super::numbered::read_answer;
use super::state::{Outcome, PickerItem, PickerQuestion, PickerState, SelectionMode};

fn items(names: &[&str]) -> Vec<PickerItem> {
    names.iter().map(|name| PickerItem::new(name).described(&format!("Does {name}."))).collect()
}

fn question(mode: SelectionMode, names: &[&str]) -> PickerQuestion {
    PickerQuestion::new("Which ones?", "install", mode, items(names))
}

fn many(names: &[&str]) -> PickerState {
    PickerState::new(question(SelectionMode::Many, names))
}

fn typed(state: &mut PickerState, text: &str) {
    for c in text.chars() {
        assert_eq!(state.press(PickerKey::Char(c), 5), Outcome::Open);
    }
}

fn shown_names(state: &PickerState) -> Vec<&str> {
    state.shown.iter().map(|at| state.question.items[*at].name.as_str()).collect()
}

fn text_of(frame: &PickerFrame) -> String {
    frame.lines.iter().map(|line| line.text().trim_end().to_owned() + "\n").collect()
}

/// What must hold of each drawing.
fn check_frame(state: &PickerState, columns: usize, rows: usize) {
    let frame = draw_frame(state, (columns, rows));
    assert!(frame.lines.len() <= rows, "{} lines on {rows} rows", frame.lines.len());
    for line in &frame.lines {
        let text = line.text();
        assert!(width_of(&text) <= columns, "{} columns of {columns}: {text:?}", width_of(&text));
        assert!(!text.contains(|c: char| c.is_control()), "{text:?}");
    }
    let (row, column) = frame.cursor;
    assert!(row < rows && column < columns, "{:?} of {columns}x{rows}", frame.cursor);
    assert!(frame.page >= 1);
    if let (Some(current), None) = (state.current(), state.reading) {
        assert!(current < state.question.items.len());
        let stands = |text: &str| text.starts_with('>') || (rows == 1 && text.contains('>'));
        let seen = frame.lines.iter().filter(|line| stands(&line.text())).count();
        assert!(seen >= 1 || (rows == 1 && columns < 4), "{}", text_of(&frame));
    }
}

#[test]
fn letters_filter_and_never_choose() {
    let mut state = many(&["angular-architect", "api-designer", "kubernetes-specialist", "rest"]);
    typed(&mut state, "api");
    assert_eq!(shown_names(&state), ["api-designer"]);
    assert_eq!(state.count_marked(), 0);
    state.press(PickerKey::ClearFilter, 5);
    typed(&mut state, "kspec");
    assert_eq!(shown_names(&state), ["kubernetes-specialist"]);
    state.press(PickerKey::DeleteWord, 5);
    assert_eq!(shown_names(&state).len(), 4);
    // A piece of the description does too, after what is in a name.
    typed(&mut state, "DOES");
    assert_eq!(shown_names(&state).len(), 4);
    typed(&mut state, "zz");
    assert!(shown_names(&state).is_empty());
    assert_eq!(state.press(PickerKey::Enter, 5), Outcome::Open);
}

#[test]
fn any_script_filters() {
    let mut state = many(&["报表-生成", "数据分析", "résumé", "straße"]);
    for (text, expected) in [
        ("分析", "数据分析"),
        ("表生", "报表-生成"),
        ("resume", "résumé"),
        ("ÉSUM", "résumé"),
        ("straß", "straße"),
    ] {
        typed(&mut state, text);
        assert_eq!(shown_names(&state), [expected], "{text}");
        state.press(PickerKey::ClearFilter, 5);
    }
}

#[test]
fn enter_takes_what_is_marked_or_else_where_one_stands() {
    let mut state = many(&["a", "b", "c"]);
    state.press(PickerKey::Down, 5);
    assert_eq!(state.press(PickerKey::Enter, 5), Outcome::Chosen(vec![1]));
    state.press(PickerKey::Down, 5);
    state.press(PickerKey::Char(' '), 5);
    state.press(PickerKey::Home, 5);
    state.press(PickerKey::Char(' '), 5);
    state.press(PickerKey::Down, 5);
    assert_eq!(state.press(PickerKey::Enter, 5), Outcome::Chosen(vec![0, 2]));
    let mut one = PickerState::new(question(SelectionMode::One, &["a", "b b"]));
    typed(&mut one, "b b");
    for key in [PickerKey::MarkAll, PickerKey::Right] {
        one.press(key, 5);
    }
    assert_eq!(one.press(PickerKey::Enter, 5), Outcome::Chosen(vec![1]));
}

/// Who unmarks everything that was marked for them does not want the line that they stand on.
#[test]
fn nothing_is_taken_of_a_list_that_was_emptied() {
    let items = items(&["a", "b"]).into_iter().map(|item| item.marked(true)).collect();
    let mut state = PickerState::new(PickerQuestion::new("?", "update", SelectionMode::Many, items));
    assert!(text_of(&draw_frame(&state, (60, 20))).contains("enter: update 2"));
    state.press(PickerKey::MarkAll, 5);
    assert!(text_of(&draw_frame(&state, (60, 20))).contains("enter: update 0"));
    assert_eq!(state.press(PickerKey::Enter, 5), Outcome::Open);
    state.press(PickerKey::Char(' '), 5);
    assert_eq!(state.press(PickerKey::Enter, 5), Outcome::Chosen(vec![0]));
}

#[test]
fn all_shown_or_none_are_marked() {
    let mut state = many(&["pdf", "pdf-forms", "docx"]);
    typed(&mut state, "pdf");
    state.press(PickerKey::Right, 5);
    assert_eq!(state.marked, [true, true, false]);
    state.press(PickerKey::ClearFilter, 5);
    typed(&mut state, "forms");
    state.press(PickerKey::Left, 5);
    assert_eq!(state.marked, [true, false, false]);
    state.press(PickerKey::MarkAll, 5);
    assert_eq!(state.marked, [true; 3]);
    state.press(PickerKey::MarkAll, 5);
    assert_eq!(state.marked, [false; 3]);
}

#[test]
fn a_pasted_line_chooses_nothing() {
    let mut state = many(&["pdf", "docx"]);
    let keys = KeyDecoder::default().feed_bytes(b"\x1b[200~do\rcx \x1b[A\x1b[201~");
    assert_eq!(keys, [PickerKey::Pasted("do\rcx \u{1b}[A".into())]);
    for key in keys {
        assert_eq!(state.press(key, 5), Outcome::Open);
    }
    assert_eq!(state.filter, "do cx [A");
}

#[test]
fn headings_stand_where_groups_are_worth_a_line() {
    let grouped = |groups: &[&str]| {
        let one = |(at, group): (usize, &&str)| PickerItem::new(&format!("s{at}")).in_group(group);
        let items = groups.iter().enumerate().map(one).collect();
        let state = PickerState::new(PickerQuestion::new("?", "install", SelectionMode::Many, items));
        text_of(&draw_frame(&state, (40, 20)))
    };
    let seen = grouped(&["two", "one", "two", "one", "two", "one"]);
    let at = |words: &str| seen.find(words).unwrap_or_else(|| panic!("no {words:?} in {seen}"));
    assert!(at("one (3)") < at("s1") && at("s1") < at("two (3)") && at("two (3)") < at("s0"), "{seen}");
    assert!(!grouped(&["one", "two", "three", "four", "one", "two"]).contains("(2)"));
    assert!(!grouped(&["one", "one", "one"]).contains("(3)"));
}

#[test]
fn the_whole_description_can_be_read_on_a_small_screen() {
    let words: Vec<String> = (0..200).map(|n| format!("word{n}")).collect();
    let item = PickerItem::new("long").described(&words.join(" "));
    let question = PickerQuestion::new("?", "show", SelectionMode::One, vec![item]);
    let mut state = PickerState::new(question);
    let list = text_of(&draw_frame(&state, (40, 24)));
    assert!(list.contains("tab: read all of it"), "{list}");
    state.press(PickerKey::Tab, 10);
    let mut seen = String::new();
    for _ in 0..60 {
        let frame = draw_frame(&state, (40, 6));
        seen.push_str(&text_of(&frame));
        state.press(PickerKey::PageDown, frame.page);
    }
    assert!(words.iter().all(|word| seen.contains(word.as_str())), "{seen}");
    assert_eq!(state.press(PickerKey::Escape, 5), Outcome::Open);
    assert_eq!(state.press(PickerKey::Escape, 5), Outcome::Left);
}

#[test]
fn keys_are_read_from_bytes() {
    let check = |bytes: &[u8], expected: &[PickerKey]| {
        assert_eq!(KeyDecoder::default().feed_bytes(bytes), expected, "{bytes:?}");
        // However the bytes come.
        let mut decoder = KeyDecoder::default();
        let apart: Vec<_> = bytes.iter().flat_map(|byte| decoder.feed_bytes(&[*byte])).collect();
        assert_eq!(apart, expected, "{bytes:?}");
    };
    check(b"\x1b[A\x1bOB\x1b[1;5A", &[PickerKey::Up, PickerKey::Down, PickerKey::Up]);
    check(
        b"\x1b[5~\x1b[6~\x1b[H\x1b[4~",
        &[PickerKey::PageUp, PickerKey::PageDown, PickerKey::Home, PickerKey::End],
    );
    check("é数\u{202e}x".as_bytes(), &[PickerKey::Char('é'), PickerKey::Char('数'), PickerKey::Char('x')]);
    // F1 of the Linux console, a letter with Alt, what is no text.
    check(b"\x1b[[Ax\x1bf\xff\xfey", &[PickerKey::Char('x'), PickerKey::Char('y')]);
    check(b"\x0e\x10\x03\x7f", &[PickerKey::Down, PickerKey::Up, PickerKey::Interrupt, PickerKey::Backspace]);
    let mut decoder = KeyDecoder::default();
    assert_eq!(decoder.feed_bytes(b"\x1b"), []);
    assert_eq!(decoder.end_sequence(), Some(PickerKey::Escape));
    assert_eq!(decoder.feed_bytes(b"\x1b["), []);
    assert_eq!(decoder.end_sequence(), None);
    assert_eq!(decoder.feed_bytes(b"A"), [PickerKey::Char('A')]);
    // A paste without an end does not lock anybody in.
    assert_eq!(decoder.feed_bytes(b"\x1b[200~abc\x03"), [PickerKey::Interrupt]);
}

#[test]
fn numbers_ranges_and_names_answer() {
    let question = question(SelectionMode::Many, &["pdf", "docx", "7", "xlsx"]);
    let check = |answer: &str, expected: Result<&[usize], &str>| {
        let expected = expected.map(<[usize]>::to_vec).map_err(str::to_owned);
        assert_eq!(read_answer(answer, &question), expected, "{answer}");
    };
    check("1,3-4\n", Ok(&[0, 2, 3]));
    check("docx 7 pdf", Ok(&[0, 1, 2]));
    check("all", Ok(&[0, 1, 2, 3]));
    check("\n", Ok(&[]));
    check("0", Err("0"));
    check("1 5", Err("5"));
    check("3-1", Err("3-1"));
    check("99999999999999999999", Err("99999999999999999999"));
}

/// Signs of every width, and what must not reach a terminal.
fn any_text() -> impl Strategy<Value = String> {
    let wide = "数据分析报表생성";
    const ODD: &[&str] = &[
        "e\u{301}",
        "👩‍👩‍👧",
        "❤\u{fe0f}",
        "🇩🇪",
        "\u{1b}[2J",
        "\u{202e}",
        "ﷺ",
        "\u{644}\u{627}",
        "a b",
        "-",
        "\n",
    ];
    let pieces = prop_oneof![
        "[a-z]{1,9}",
        Just(wide.to_owned()),
        proptest::sample::select(ODD).prop_map(str::to_owned),
        any::<char>().prop_map(String::from),
    ];
    proptest::collection::vec(pieces, 0..8).prop_map(|pieces| pieces.concat())
}

fn any_item() -> impl Strategy<Value = PickerItem> {
    (any_text(), proptest::sample::select(&["", "one", "数据"][..]), any_text(), any_text(), any::<bool>())
        .prop_map(|(name, group, fact, description, marked)| {
            PickerItem::new(&name)
                .in_group(group)
                .with_fact(&fact)
                .described(&description.repeat(3))
                .with_detail(&fact)
                .marked(marked)
        })
}

fn any_key() -> impl Strategy<Value = PickerKey> {
    use PickerKey::*;
    let plain = [
        Tab,
        Backspace,
        ClearFilter,
        DeleteWord,
        Up,
        Down,
        PageUp,
        PageDown,
        Home,
        End,
        Left,
        Right,
        MarkAll,
        Redraw,
        Enter,
        Escape,
    ];
    prop_oneof![
        3 => "[a-e ]".prop_map(|text| Char(text.chars().next().unwrap())),
        6 => proptest::sample::select(plain.to_vec()),
        1 => any_text().prop_map(Pasted),
        1 => any::<char>().prop_map(Char),
    ]
}

fn any_question() -> impl Strategy<Value = PickerQuestion> {
    let mode = prop_oneof![Just(SelectionMode::One), Just(SelectionMode::Many)];
    (proptest::collection::vec(any_item(), 0..24), mode, any_text())
        .prop_map(|(items, mode, title)| PickerQuestion::new(&title, "install", mode, items))
}

proptest! {
    #[test]
    fn any_keys_on_any_screen(
        question in any_question(),
        keys in proptest::collection::vec((any_key(), 1..200_usize, 1..100_usize), 1..30),
    ) {
        let mut state = PickerState::new(question);
        let items = state.question.items.len();
        check_frame(&state, 80, 24);
        for (key, columns, rows) in keys {
            let before = (state.marked.clone(), state.shown.clone());
            let letter = matches!(&key, PickerKey::Pasted(_))
                || matches!(key, PickerKey::Char(c) if c != ' ');
            match state.press(key, rows) {
                Outcome::Chosen(chosen) => {
                    prop_assert!(!chosen.is_empty() && chosen.iter().all(|at| *at < items));
                    prop_assert!(chosen.is_sorted());
                    prop_assert!(state.question.mode() == SelectionMode::Many || chosen.len() == 1);
                }
                Outcome::Interrupted => prop_assert!(false, "nobody pressed Ctrl-C"),
                _ => {}
            }
            prop_assert!(!letter || state.marked == before.0, "a letter marked something");
            prop_assert!(state.shown.is_empty() || state.cursor < state.shown.len());
            check_frame(&state, columns, rows);
            // What is shown does not depend on how one came there.
            let mut anew = PickerState::new(state.question.clone());
            anew.press(PickerKey::Pasted(state.filter.clone()), 1);
            prop_assert_eq!(&anew.shown, &state.shown);
        }
    }

    #[test]
    fn any_bytes_are_keys(bytes in proptest::collection::vec(any::<u8>(), 0..200), cut in 0..200_usize) {
        let whole = KeyDecoder::default().feed_bytes(&bytes);
        let (first, rest) = bytes.split_at(cut.min(bytes.len()));
        let mut decoder = KeyDecoder::default();
        let mut keys = decoder.feed_bytes(first);
        keys.extend(decoder.feed_bytes(rest));
        prop_assert_eq!(keys, whole);
    }

    #[test]
    fn texts_fit(text in any_text(), columns in 0..60_usize) {
        prop_assert!(width_of(&cut_to_width(&text, columns)) <= columns);
        let lines = wrap_to_width(&text, columns);
        prop_assert!(lines.iter().all(|line| width_of(line) <= columns.max(1)), "{:?}", lines);
        if columns > 8 {
            let letters = |text: &str| text.chars().filter(|c| !c.is_whitespace()).collect::<String>();
            prop_assert_eq!(letters(&lines.concat()), letters(&text));
        }
    }

    #[test]
    fn any_answer_is_in_the_list(answer in "[0-9a-z, -]{0,20}") {
        let question = question(SelectionMode::Many, &["pdf", "docx", "xlsx"]);
        if let Ok(chosen) = read_answer(&answer, &question) {
            prop_assert!(chosen.iter().all(|at| *at < 3));
        }
    }
}

/// A key among ten thousand skills, in the words of a person: no pause. The figure is printed and
/// not asserted, since machines differ; the bound is one that only another algorithm would break.
#[test]
fn ten_thousand_items_are_filtered_at_once() {
    let words = ["pdf", "data", "review", "kubernetes", "design", "writer", "sql", "test", "cloud", "数据"];
    let item = |at: usize| {
        let name = format!("{}-{}-{at}", words[at % 10], words[at / 10 % 10]);
        let description =
            words.iter().map(|word| format!("{word} {at} helps where it is wanted. ")).collect::<String>();
        PickerItem::new(&name).described(&description).in_group(words[at / 100 % 10])
    };
    let items = (0..10_000).map(item).collect();
    let mut state = PickerState::new(PickerQuestion::new("?", "install", SelectionMode::Many, items));
    let mut slowest = std::time::Duration::ZERO;
    let mut keys: Vec<PickerKey> =
        "kubernetes sql".chars().filter(|c| *c != ' ').map(PickerKey::Char).collect();
    keys.extend(std::iter::repeat_n(PickerKey::Backspace, 13));
    keys.extend([PickerKey::End, PickerKey::Up, PickerKey::MarkAll]);
    let count = u32::try_from(keys.len()).unwrap();
    let begin = std::time::Instant::now();
    for key in keys {
        let begin = std::time::Instant::now();
        state.press(key, 20);
        check_frame(&state, 110, 35);
        slowest = slowest.max(begin.elapsed());
    }
    println!("10,000 items: {:?} a key, the slowest {slowest:?}", begin.elapsed() / count);
    assert!(slowest < std::time::Duration::from_secs(5), "{slowest:?}");
}
