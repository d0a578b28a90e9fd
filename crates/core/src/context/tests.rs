use super::*;
use proptest::prelude::*;

fn entry(name: &str, description: &str) -> ContextEntry {
    ContextEntry {
        name: name.to_owned(),
        description: description.to_owned(),
        location: format!("/s/{name}/SKILL.md"),
        ..ContextEntry::default()
    }
}

fn shown(listing: &FittedList) -> Vec<(usize, ShownAs)> {
    listing.skills.iter().map(|one| (one.entry, one.shown_as)).collect()
}

#[test]
fn shares_are_of_the_whole_and_the_rest_is_the_systems() {
    let budget = ContextBudget::split(15_000, 0.4, 0.3, 0.1);
    assert_eq!((budget.metadata, budget.active, budget.buffer, budget.system), (6_000, 4_500, 1_500, 3_000));
    let odd = ContextBudget::split(333, 0.4, 0.3, 0.1);
    assert_eq!(odd.metadata + odd.active + odd.buffer + odd.system, 333);
}

#[test]
fn each_form_is_written_as_it_is_known() {
    let one = [entry("pdf", "Reads <b> & \"c\".\nUse it's.")];
    let text = |format| fit_listing(&one, format, 1000, 60).text;
    assert_eq!(
        text(ListingFormat::Plain),
        "<available_skills>\n\"pdf\": Reads <b> & \"c\". Use it's.\n</available_skills>"
    );
    assert_eq!(
        text(ListingFormat::List),
        "<available_skills>\n- pdf: Reads <b> & \"c\". Use it's.\n</available_skills>"
    );
    assert_eq!(
        text(ListingFormat::Brackets),
        "<available_skills>\n[pdf] Reads <b> & \"c\". Use it's.\n</available_skills>"
    );
    assert_eq!(
        text(ListingFormat::Xml),
        "<available_skills>\n<skill>\n<name>\npdf\n</name>\n<description>\nReads &lt;b&gt; &amp; &quot;c&quot;.\nUse it&#x27;s.\n\
         </description>\n<location>\n/s/pdf/SKILL.md\n</location>\n</skill>\n</available_skills>"
    );
    assert_eq!(fit_listing(&[], ListingFormat::Xml, 1000, 60).text, "");
}

#[test]
fn a_description_is_cut_behind_a_sentence_or_between_words() {
    for (text, most, expected) in [
        ("short", 60, "short"),
        ("exactly", 7, "exactly"),
        ("Reads tables. Writes them too.", 20, "Reads tables. …"),
        ("Reads tables and more of it", 20, "Reads tables and…"),
        ("Reads v1.2 of a thing, that", 24, "Reads v1.2 of a thing…"),
        ("读取表格并写入它们还有更多的内容", 8, "读取表格并写入…"),
        ("读取表格。写入它们还有更多", 8, "读取表格。 …"),
        ("abcdefghij", 5, "abcd…"),
        ("abc", 1, "…"),
        ("abc", 0, ""),
    ] {
        assert_eq!(cut_description(text, most), expected, "{text} {most}");
    }
}

#[test]
fn the_four_stages_follow_each_other() {
    let long =
        "Does a thing with many words in it. And then another thing, with more words than before, twice.";
    let mut entries: Vec<ContextEntry> = (0..10).map(|n| entry(&format!("skill-{n}"), long)).collect();
    entries[7].mode = true;
    entries[4].uses = 3;
    let of = |limit| fit_listing(&entries, ListingFormat::Plain, limit, 60);
    assert_eq!(of(2000).status, ListingStatus::Full);
    let shortened = of(900);
    assert_eq!(shortened.status, ListingStatus::Shortened);
    assert_eq!(shortened.skills[0].entry, 7, "a mode command is first");
    assert!(shortened.skills.iter().all(|one| count_chars(&one.shown) >= 30 && one.shown.ends_with('…')));
    let names = of(300);
    assert_eq!(names.status, ListingStatus::Names);
    assert!(names.skills.iter().any(|one| one.entry == 4 && one.shown_as == ShownAs::Shortened));
    assert_eq!(names.skills.iter().filter(|one| one.shown_as == ShownAs::Name).count(), 9);
    let dropped = of(130);
    assert_eq!(dropped.status, ListingStatus::Dropped);
    assert_eq!((dropped.skills[0].entry, dropped.skills.len() + dropped.dropped.len()), (7, 10));
    assert!(dropped.skills.iter().any(|one| one.entry == 4), "what is used stays");
    let last = dropped.text.lines().rev().nth(1).unwrap();
    assert_eq!(last, format!("… and {} more: search_skills", dropped.dropped.len()));
    assert_eq!(of(3).text, "");
}

#[test]
fn what_the_question_is_about_keeps_its_description() {
    let long = "Does a thing with many words in it, then another one with more of them, and so on for long.";
    let mut entries: Vec<ContextEntry> = (0..10).map(|n| entry(&format!("skill-{n}"), long)).collect();
    entries[6].relevance = 2.0;
    let listing = fit_listing(&entries, ListingFormat::Plain, 300, 60);
    assert_eq!(listing.skills.iter().position(|one| one.shown_as != ShownAs::Name), Some(6));
}

#[test]
fn entries_are_ranked_as_a_search_ranks_them() {
    let entries =
        [entry("pdf", "Reads tables out of documents."), entry("deploy", "Ships a release."), entry("x", "")];
    let scores = rank_entries(&entries, "a table from this document");
    assert!(scores[0] > 0.0 && scores[1] == 0.0 && scores[2] == 0.0, "{scores:?}");
    assert!(rank_entries(&entries, "pdf")[0] > 0.0);
}

#[test]
fn active_skills_share_their_area_and_a_cut_one_says_where_to_read_on() {
    let skill = |name: &str, lines: usize| ActiveInstructions {
        name: name.to_owned(),
        body: format!("{name} line\n").repeat(lines),
        location: format!("/s/{name}/SKILL.md"),
    };
    let fitted = fit_active(&[skill("long", 500), skill("short", 3), skill("other", 500)], 1_000);
    assert_eq!(fitted.iter().map(|one| one.cut).collect::<Vec<_>>(), [true, false, true]);
    assert!(fitted.iter().map(|one| one.chars).sum::<usize>() <= 1_000);
    assert!(fitted[0].chars > 400, "what the short one leaves goes to the others: {}", fitted[0].chars);
    assert!(fitted[0].text.contains("… cut here; read on in /s/long/SKILL.md\n</skill_content>"));
    assert!(fitted[1].text.starts_with("<skill_content name=\"short\">\nshort line\n"));
    assert_eq!(fit_active(&[skill("long", 500)], 10)[0].text, "");
}

#[test]
fn claude_code_keeps_names_and_drops_whole_descriptions() {
    let entries = [entry("a", &"x".repeat(50)), entry("b", &"y".repeat(200)), entry("c", &"z".repeat(40))];
    let all = fit_for_agent(&entries, AgentListing::ClaudeCode { budget: 8_000 });
    assert_eq!((all.status, all.text.lines().count()), (ListingStatus::Full, 3));
    let some = fit_for_agent(&entries, AgentListing::ClaudeCode { budget: 140 });
    assert_eq!(shown(&some), [(0, ShownAs::Full), (1, ShownAs::Name), (2, ShownAs::Full)]);
    assert_eq!(some.text.lines().nth(1), Some("- b"));
    let tags = fit_for_agent(&[entry("a", "Makes <b> & 'c'.")], AgentListing::ClaudeCode { budget: 100 });
    assert_eq!(tags.text, "- a: Makes &lt;b&gt; & 'c'.");
    assert_eq!(AgentListing::of_agent("claude-code", None).limit(), Some(23_923));
    let long = fit_for_agent(&[entry("a", &"x".repeat(2_000))], AgentListing::ClaudeCode { budget: 8_000 });
    assert_eq!(long.status, ListingStatus::Shortened);
}

#[test]
fn claude_code_has_lines_in_brackets_and_labels() {
    let broken = entry("a", "One  two \n\n  three.\r\n\nFour.\n");
    let listed = fit_for_agent(&[broken], AgentListing::ClaudeCode { budget: 8_000 });
    assert_eq!(listed.text, "- a: One  two    three. Four.");
    let skills = [
        ("one", Some("first")),
        ("two", Some("first")),
        ("three", Some("three")),
        ("four", Some("two words")),
        ("five", Some("context")),
        ("six", Some("one")),
        ("p:seven", Some("seven")),
        ("eight", None),
        ("nine", Some("twelve")),
        ("twelve", Some("nine")),
    ];
    let labels = label_for_claude(&skills);
    let expected = ["one (first)", "two", "three", "four", "five", "six", "p:seven", "eight"];
    assert_eq!(labels[..8], expected);
    assert_eq!(labels[8..], ["nine (twelve)", "twelve"]);
}

#[test]
fn elements_and_lists_of_other_agents_are_theirs() {
    let one = entry("a", "Does \"a\" & <b>.");
    let text = |id: &str| fit_for_agent(std::slice::from_ref(&one), AgentListing::of_agent(id, None)).text;
    let element = "<available_skills>\n  <skill>\n    <name>a</name>\n    <description>Does \"a\" & <b>.</description>\n    \
                   <location>/s/a/SKILL.md</location>\n  </skill>\n</available_skills>";
    assert_eq!([text("gemini-cli"), text("opencode")], [element, element]);
    assert_eq!(
        text("deepagents"),
        "- **a**: Does \"a\" & <b>.\n  -> Read `/s/a/SKILL.md` for full instructions"
    );
    assert_eq!(fit_for_agent(&[], AgentListing::GeminiCli).text, "");
}

#[test]
fn codex_shortens_evenly_then_drops_descriptions_then_skills() {
    let entries: Vec<ContextEntry> = (0..4).map(|n| entry(&format!("s{n}"), &"word ".repeat(20))).collect();
    let of = |budget| fit_for_agent(&entries, AgentListing::Codex { budget });
    assert_eq!(of(200).status, ListingStatus::Full);
    assert_eq!(
        of(200).text.lines().next(),
        Some(&*format!("- s0: {} (file: /s/s0/SKILL.md)", "word ".repeat(20).trim()))
    );
    let some = of(80);
    assert_eq!(some.status, ListingStatus::Shortened);
    let lengths: Vec<usize> = some.skills.iter().map(|one| one.shown.len()).collect();
    assert!(lengths.iter().max().unwrap() - lengths.iter().min().unwrap() <= 4, "{lengths:?}");
    let few = of(16);
    assert_eq!((few.status, few.dropped), (ListingStatus::Dropped, vec![2, 3]));
}

fn any_entries() -> impl Strategy<Value = Vec<ContextEntry>> {
    let one = ("[a-z:-]{1,30}", "(\\PC|\n){0,300}", any::<bool>(), 0_u64..4, 0_i64..3, 0.0..2.0_f64);
    proptest::collection::vec(one, 0..40).prop_map(|all| {
        all.into_iter()
            .map(|(name, description, mode, uses, last, relevance)| ContextEntry {
                mode,
                uses,
                relevance,
                last_used: (last > 0).then(|| Timestamp::from_second(last).unwrap()),
                ..entry(&name, &description)
            })
            .collect()
    })
}

proptest! {
    /// The laws of a list: never longer than its limit, every skill in it or dropped and once,
    /// a larger limit never a later stage, and the same again for the same.
    #[test]
    fn a_list_keeps_its_limit_and_loses_nobody(
        entries in any_entries(),
        limit in 0_usize..12_000,
        more in 0_usize..4_000,
        format in 0_usize..4,
    ) {
        let format = ListingFormat::ALL[format].1;
        let listing = fit_listing(&entries, format, limit, 60);
        prop_assert!(count_chars(&listing.text) <= limit || entries.is_empty());
        let mut all: Vec<usize> = listing.skills.iter().map(|one| one.entry).chain(listing.dropped.clone()).collect();
        all.sort_unstable();
        prop_assert_eq!(all, (0..entries.len()).collect::<Vec<_>>());
        prop_assert_eq!(listing.dropped.is_empty(), listing.status != ListingStatus::Dropped);
        prop_assert!(fit_listing(&entries, format, limit + more, 60).status <= listing.status);
        prop_assert_eq!(&fit_listing(&entries, format, limit, 60), &listing);
        let modes: Vec<bool> = listing.skills.iter().map(|one| entries[one.entry].mode).collect();
        prop_assert!(modes.is_sorted_by_key(|mode| !mode));
        for one in &listing.skills {
            prop_assert_eq!(one.shown_as == ShownAs::Full, one.shown == format.plain_description(&entries[one.entry].description));
        }
    }

    #[test]
    fn a_cut_description_is_no_longer_than_its_limit(text in "(\\PC|[ .\n]){0,200}", most in 0_usize..250) {
        let cut = cut_description(&text, most);
        prop_assert!(count_chars(&cut) <= most || text.chars().nth(most).is_none());
        prop_assert!(cut == text || cut.is_empty() || cut.ends_with('…'));
    }

    #[test]
    fn active_skills_keep_their_limit(
        bodies in proptest::collection::vec("(\\PC|\n){0,800}", 0..4),
        limit in 0_usize..3_000,
    ) {
        let skills: Vec<ActiveInstructions> = bodies.into_iter().enumerate().map(|(n, body)| ActiveInstructions {
            name: format!("s{n}"), body, location: format!("/s/{n}/SKILL.md"),
        }).collect();
        let fitted = fit_active(&skills, limit);
        prop_assert!(fitted.iter().map(|one| count_chars(&one.text)).sum::<usize>() <= limit);
        prop_assert_eq!(fitted.len(), skills.len());
    }

    #[test]
    fn agents_list_or_drop_every_skill_once(entries in any_entries(), budget in 1_usize..3_000) {
        for listing in [
            AgentListing::ClaudeCode { budget },
            AgentListing::Codex { budget },
            AgentListing::Xml,
            AgentListing::Unbounded,
        ] {
            let listed = fit_for_agent(&entries, listing);
            let mut all: Vec<usize> = listed.skills.iter().map(|one| one.entry).chain(listed.dropped).collect();
            all.sort_unstable();
            prop_assert_eq!(all, (0..entries.len()).collect::<Vec<_>>());
        }
    }
}

#[test]
fn a_description_adds_what_it_takes_in_each_form() {
    let one = entry("p d\tf", "");
    for (_, format) in ListingFormat::ALL {
        for text in ["", "Reads.", "<b> & \"c\"\n's", "表格 …"] {
            let added = count_chars(&format.render(&one, text)) - count_chars(&format.render(&one, ""));
            assert_eq!(format.count_added(text), added, "{format:?} {text:?}");
        }
    }
}

#[test]
fn ascii_is_cut_as_any_text() {
    // A sign behind the cut that is not ASCII changes nothing before it.
    for text in ["One. Two three, four; five. Six seven-eight nine! Ten", "abcdefghijklmnopqrstuvwxyz", "a b"]
    {
        let other = format!("{text}é");
        for most in 0..text.len() - 1 {
            assert_eq!(cut_description(text, most), cut_description(&other, most), "{most} of {text}");
        }
    }
}
