use super::*;

fn verdict(message: &str, earlier: &[&str], caller: Option<bool>) -> FollowUpVerdict {
    let terms = message_terms(message);
    let earlier: Vec<BTreeSet<String>> = earlier.iter().map(|text| message_terms(text)).collect();
    decide_follow_up(&FollowUpQuestion { message, is_active: true, terms: &terms, earlier: &earlier, caller })
}

#[test]
fn the_questions_are_asked_in_their_order() {
    let check = |message: &str, earlier: &[&str], caller, expected: (bool, FollowUpStep)| {
        let found = verdict(message, earlier, caller);
        assert_eq!((found.is_follow_up, found.step), expected, "{message}");
        assert!((0.5..=1.0).contains(&found.confidence), "{message}: {}", found.confidence);
    };
    let before = ["Extract the tables of the quarterly report"];
    check("Now save them as CSV", &before, Some(false), (true, FollowUpStep::Reference));
    check("New topic: write a poem for my aunt", &before, Some(true), (false, FollowUpStep::Reference));
    check("page 4", &before, Some(false), (true, FollowUpStep::Reference));
    check("blue ink please", &before, None, (true, FollowUpStep::Length));
    check("Write a letter to the bank", &before, None, (false, FollowUpStep::Nothing));
    check("make the title darker", &before, None, (true, FollowUpStep::Reference));
    check("Sum up every table of the report by quarter", &before, None, (true, FollowUpStep::Terms));
    check("Write a cheerful birthday poem for aunt Ann", &before, Some(true), (true, FollowUpStep::Caller));
    check("Write a cheerful birthday poem for aunt Ann", &before, Some(false), (false, FollowUpStep::Caller));
    check("Write a cheerful birthday poem for aunt Ann", &before, None, (false, FollowUpStep::Nothing));
    check("继续处理第二页", &before, None, (true, FollowUpStep::Reference));
    let terms = BTreeSet::new();
    let question = FollowUpQuestion {
        message: "and now?",
        is_active: false,
        terms: &terms,
        earlier: &[],
        caller: Some(true),
    };
    assert_eq!(decide_follow_up(&question).step, FollowUpStep::Inactive);
}

/// Bytes of the `SKILL.md` of skills of these names, as published.
const SIZES: &[(&str, usize)] = &[
    ("algorithmic-art", 19_769),
    ("brand-guidelines", 2_235),
    ("canvas-design", 11_939),
    ("claude-api", 73_938),
    ("doc-coauthoring", 15_815),
    ("docx", 20_084),
    ("frontend-design", 8_260),
    ("internal-comms", 1_511),
    ("mcp-builder", 9_092),
    ("pdf", 8_072),
    ("pptx", 9_182),
    ("skill-creator", 33_168),
    ("slack-gif-creator", 7_841),
    ("theme-factory", 3_124),
    ("web-artifacts-builder", 3_087),
    ("webapp-testing", 3_913),
    ("xlsx", 11_463),
];
/// Bytes of the one line that stands for instructions that are there.
const LIGHT: usize = 190;

struct Line<'t> {
    skill: &'t str,
    is_follow_up: bool,
    message: &'t str,
}

fn conversations() -> Vec<(&'static str, Vec<Line<'static>>)> {
    let mut all: Vec<(&str, Vec<Line<'_>>)> = Vec::new();
    let lines = include_str!("conversations.txt").lines().map(str::trim);
    for line in lines.filter(|line| !line.is_empty() && !line.starts_with('#')) {
        if let Some(title) = line.strip_prefix('[') {
            all.push((title.trim_end_matches(']'), Vec::new()));
            continue;
        }
        let mut parts = line.splitn(3, ' ');
        let (skill, verdict, message) = (parts.next().unwrap(), parts.next().unwrap(), parts.next().unwrap());
        assert!(matches!(verdict, "new" | "follow"), "{line}");
        all.last_mut().unwrap().1.push(Line { skill, is_follow_up: verdict == "follow", message });
    }
    all
}

/// What came of some conversations.
#[derive(Default)]
struct Tally {
    messages: usize,
    /// Those where the skill was active, so that there was something to decide.
    asked: usize,
    /// Taken for a follow-up, and is a new task: the instructions are missing.
    wrongly_light: usize,
    /// A follow-up, and not taken for one: the instructions are there twice.
    wrongly_full: usize,
    tokens_without: usize,
    tokens_with: usize,
    /// Light answers, right or wrong.
    light: usize,
    faults: Vec<String>,
}

fn hold_conversation(lines: &[Line<'_>], tally: &mut Tally) {
    let mut earlier: Vec<BTreeSet<String>> = Vec::new();
    let mut active = BTreeSet::new();
    for line in lines {
        let terms = message_terms(line.message);
        let is_active = active.contains(line.skill);
        let verdict = decide_follow_up(&FollowUpQuestion {
            message: line.message,
            is_active,
            terms: &terms,
            earlier: &earlier,
            caller: None,
        });
        let size = SIZES.iter().find(|(name, _)| *name == line.skill).unwrap().1;
        tally.messages += 1;
        tally.asked += usize::from(is_active);
        tally.tokens_without += size.div_ceil(4);
        tally.light += usize::from(verdict.is_follow_up);
        tally.tokens_with += if verdict.is_follow_up { LIGHT.div_ceil(4) } else { size.div_ceil(4) };
        if is_active && verdict.is_follow_up != line.is_follow_up {
            let count = if verdict.is_follow_up { &mut tally.wrongly_light } else { &mut tally.wrongly_full };
            *count += 1;
            tally.faults.push(format!("{:?} {}: {}", verdict.step, verdict.is_follow_up, line.message));
        }
        active.insert(line.skill);
        earlier.push(terms);
        let excess = earlier.len().saturating_sub(REMEMBERED_MESSAGES);
        earlier.drain(..excess);
    }
}

/// Figures: `cargo test -p ba-agent-core follow_up -- --nocapture`.
#[test]
fn conversations_are_followed() {
    let all = conversations();
    assert_eq!(all.len(), 20);
    let (seen, unseen) = all.split_at(10);
    let tally_of = |name: &str, half: &[(&str, Vec<Line<'_>>)]| {
        let mut tally = Tally::default();
        for (title, lines) in half {
            assert!((6..=12).contains(&lines.len()), "{title}: {} messages", lines.len());
            hold_conversation(lines, &mut tally);
        }
        let saved = 100 - tally.tokens_with * 100 / tally.tokens_without;
        // If every skill were as long as the median of 1,988: 2,996 bytes.
        let of_median = tally.light * (2_996 - LIGHT) * 100 / (tally.messages * 2_996);
        println!(
            "{name}: {} messages, {} decided, {} wrong ({} light, {} full), tokens {} -> {}, {saved} % saved ({of_median} % of skills of median length)",
            tally.messages,
            tally.asked,
            tally.faults.len(),
            tally.wrongly_light,
            tally.wrongly_full,
            tally.tokens_without,
            tally.tokens_with
        );
        tally.faults.iter().for_each(|fault| println!("  {fault}"));
        (tally, saved)
    };
    tally_of("first half", seen);
    let (unseen, _) = tally_of("second half", unseen);
    let (all, saved) = tally_of("all", &all);
    // As measured, with a little room.
    assert_eq!((all.messages, all.asked), (153, 130));
    assert!(all.faults.len() <= 11 && all.wrongly_light <= 2, "{:#?}", all.faults);
    assert!(unseen.faults.len() <= 7, "{:#?}", unseen.faults);
    assert!(saved >= 67, "{saved} %");
}
