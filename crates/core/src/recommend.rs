//! Which skills fit what somebody is about to do: the signals of a skill, and their sum.
//!
//! A signal is between 0 and 1, and counts only where it is given: what is asked of the request
//! itself (`trigger`), how the caller says the person feels (`emotion`), what the caller knows of
//! the person (`profile`), what was used before (`usage`).
//!
//! Words alone do not say that a skill is wanted: some skill always has most of them. So what the
//! ranking of [`crate::search`] finds is scaled by how sure that is, which needs two rare words of
//! the request, and most of it answered. Body words weigh a fifth, and the first 4,096 bytes of a
//! body are looked at: half as many or all of them put fewer right skills first.

use std::borrow::Cow;

use serde::{Deserialize, Serialize};

use crate::search::{Hit, SearchIndex, fold_words, is_content_word};

/// Weights of the four signals.
const WEIGHTS: [f32; 4] = [0.4, 0.25, 0.2, 0.15];
/// From this score on a recommendation is a confident one.
pub const CONFIDENT: f32 = 0.7;
/// So much in rare words is enough to be sure; see [`Hit::evidence`].
const ENOUGH: f32 = 2.0;
/// Characters of a request that are looked at, from its beginning and its end.
const BEGINNING: usize = 4_000;
const END: usize = 2_000;

/// What is known of how well one skill fits.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize)]
pub struct Signals {
    pub trigger: Option<f32>,
    pub emotion: Option<f32>,
    pub profile: Option<f32>,
    pub usage: Option<f32>,
}

/// Why a skill fits before its words are looked at, and how well at least.
#[derive(Debug, Clone, PartialEq)]
pub struct SureFit {
    pub at_least: f32,
    pub why: String,
}

impl SureFit {
    /// It is named, or a trigger or a rule says so that few others have.
    pub const CERTAIN: f32 = 1.0;
    /// The words of its name stand in the request.
    pub const LIKELY: f32 = 0.8;
    /// At least so well fits a skill with a trigger in the request whose words many skills have:
    /// `error`, `mobile app`.
    const POSSIBLE: f32 = 0.1;
    /// So much more such a trigger makes of the fit by words.
    const BY_TRIGGER: f32 = 1.5;

    /// How well a skill fits whose trigger stands in the request and is not [telling](is_telling).
    /// Of prompts that others wrote such triggers put the wrong skill first more often than the
    /// right one when they counted by themselves.
    pub fn by_common_trigger(lexical: f32) -> f32 {
        (lexical * Self::BY_TRIGGER).clamp(Self::POSSIBLE, Self::CERTAIN)
    }
}

/// True for a trigger that says something by itself: one of its words is one that hardly any
/// skill has, a four-hundredth of them or two of few.
pub fn is_telling(trigger: &str, index: &SearchIndex<'_>) -> bool {
    let words = fold_words(trigger);
    let is_rare = |word: &str| index.count_documents_with(word) <= (index.len() / 400).max(2);
    words.split_whitespace().any(|word| is_content_word(word) && is_rare(word))
}

/// Which signal decided.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Reason {
    BasedOnConversation,
    BasedOnEmotion,
    BasedOnProfile,
    BasedOnUsage,
}

/// How sure a recommendation is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Confidence {
    High,
    Low,
}

impl Confidence {
    /// That of a score.
    pub fn of(score: f32) -> Self {
        if score >= CONFIDENT { Self::High } else { Self::Low }
    }
}

impl Signals {
    fn weighted(&self) -> [(Option<f32>, f32, Reason); 4] {
        let [trigger, emotion, profile, usage] = WEIGHTS;
        [
            (self.trigger, trigger, Reason::BasedOnConversation),
            (self.emotion, emotion, Reason::BasedOnEmotion),
            (self.profile, profile, Reason::BasedOnProfile),
            (self.usage, usage, Reason::BasedOnUsage),
        ]
    }

    /// The mean of the signals that are given, by their weights, to three places.
    pub fn score(&self) -> f32 {
        let given = self.weighted();
        let given = given.iter().filter_map(|(signal, weight, _)| Some((signal.as_ref()?, weight)));
        let (sum, weight) =
            given.fold((0.0, 0.0), |(sum, all), (signal, weight)| (sum + signal * weight, all + weight));
        if weight > 0.0 { (sum / weight * 1_000.0).round() / 1_000.0 } else { 0.0 }
    }

    /// The signal that adds most.
    pub fn reason(&self) -> Reason {
        let worth =
            |(signal, weight, _): &(Option<f32>, f32, Reason)| signal.map_or(-1.0, |signal| signal * weight);
        let mut best = self.weighted();
        best.reverse();
        best.into_iter()
            .max_by(|a, b| worth(a).total_cmp(&worth(b)))
            .map_or(Reason::BasedOnConversation, |(_, _, reason)| reason)
    }
}

/// How well a hit fits, between 0 and 1, beside the best one, which is as good as it is sure.
pub fn lexical_signal(best: &Hit, hit: &Hit) -> f32 {
    let sure = best.strength.min(1.0) * (best.evidence / ENOUGH).min(1.0);
    (hit.score / best.score.max(f32::MIN_POSITIVE) * sure).clamp(0.0, 1.0)
}

/// What of a request is looked at: its beginning and its end, without blocks of code where
/// anything else is left.
pub fn requested_text(text: &str) -> Cow<'_, str> {
    let text = text.trim();
    let text = if text.contains("```") { without_code(text) } else { Cow::Borrowed(text) };
    let start = text.char_indices().nth(BEGINNING).map(|(at, _)| at);
    let Some(start) = start else { return text };
    let end = text.char_indices().rev().nth(END - 1).map_or(0, |(at, _)| at).max(start);
    let parts = (text.get(..start).unwrap_or_default(), text.get(end..).unwrap_or_default());
    Cow::Owned(format!("{}\n{}", parts.0, parts.1))
}

fn without_code(text: &str) -> Cow<'_, str> {
    let outside: Vec<&str> = text.split("```").step_by(2).collect();
    let outside = outside.join("\n");
    if outside.trim().is_empty() { Cow::Borrowed(text) } else { Cow::Owned(outside) }
}

/// A description without the sentences that say what the skill is not for: their words lead to it
/// who wants something else.
pub fn without_exclusions(description: &str) -> Cow<'_, str> {
    let lower = description.to_ascii_lowercase();
    let signs =
        ["do not use", "don't use", "do not trigger", "don't trigger", "not for ", "not intended for"];
    if !signs.iter().any(|sign| lower.contains(sign)) {
        return Cow::Borrowed(description);
    }
    let mut kept = String::with_capacity(description.len());
    let mut rest = description;
    while !rest.is_empty() {
        let end = rest.find(". ").map_or(rest.len(), |at| at + 2);
        let (sentence, after) = rest.split_at(end);
        let lower = sentence.to_ascii_lowercase();
        // The same length, since only ASCII letters were changed.
        let excluded = signs.iter().filter_map(|sign| lower.find(sign)).min();
        match excluded {
            Some(at) => kept.push_str(sentence.get(..at).unwrap_or_default()),
            None => kept.push_str(sentence),
        }
        rest = after;
    }
    Cow::Owned(kept)
}

/// A request as whole words, to look for names and triggers in it.
#[derive(Debug, Clone)]
pub struct RequestWords {
    text: String,
    /// Folded words with a blank before and behind each.
    words: String,
}

impl RequestWords {
    pub fn of(text: &str) -> Self {
        Self { text: text.to_lowercase(), words: format!(" {} ", fold_words(text)) }
    }

    fn has_words(&self, words: &str) -> bool {
        self.words.contains(&format!(" {words} "))
    }

    /// The first declared trigger that stands in the request as whole words; in writing without
    /// blanks between words, as it is.
    pub fn find_trigger<'a>(&self, triggers: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
        triggers.into_iter().find(|trigger| {
            let words = fold_words(trigger);
            if words.is_empty() || !words.split(' ').any(is_content_word) {
                return false;
            }
            let is_spaced = words.chars().any(|c| c.is_ascii_alphanumeric());
            self.has_words(&words) || (!is_spaced && self.text.contains(&trigger.trim().to_lowercase()))
        })
    }

    /// True where the request names the skill: as it is written where that is more than a word
    /// (`systematic-debugging`), or marked as a skill's (`/pdf`, `$pdf`, `@pdf`, `the pdf skill`).
    pub fn names_skill(&self, name: &str) -> bool {
        // Most stand nowhere in it: to fold them all takes longer than the rest.
        let is_there = |name: &str| self.words.contains(" skill ") || self.text.contains(name);
        let is_lower = name.bytes().all(|byte| byte.is_ascii() && !byte.is_ascii_uppercase());
        if is_lower && !is_there(name) {
            return false;
        }
        let words = fold_words(name);
        if words.is_empty() {
            return false;
        }
        let name = name.to_lowercase();
        (words.contains(' ') && self.has_as_written(&name))
            || self.has_words(&format!("{words} skill"))
            || self.has_words(&format!("skill {words}"))
            || self.has_sign_before(&name)
    }

    /// True where the words of a name of several stand there one behind the other, which they may
    /// do by chance.
    pub fn has_phrase(&self, name: &str) -> bool {
        let first = name.split(|c: char| !c.is_ascii_alphanumeric()).next().unwrap_or_default();
        if name.is_ascii() && !self.words.contains(first.to_ascii_lowercase().as_str()) {
            return false;
        }
        let words = fold_words(name);
        words.contains(' ') && self.has_words(&words)
    }

    fn has_as_written(&self, name: &str) -> bool {
        let is_of_word = |c: char| c.is_alphanumeric() || matches!(c, '-' | '_');
        name.contains(['-', '_', ':'])
            && self.text.match_indices(name).any(|(at, _)| {
                let before = self.text[..at].chars().next_back();
                let behind = self.text[at + name.len()..].chars().next();
                !before.is_some_and(is_of_word) && !behind.is_some_and(is_of_word)
            })
    }

    fn has_sign_before(&self, name: &str) -> bool {
        let is_of_word = |c: char| c.is_alphanumeric() || matches!(c, '-' | '_' | '/' | ':' | '.');
        self.text.match_indices(name).any(|(at, _)| {
            let mut before = self.text[..at].chars().rev();
            let is_marked = before.next().is_some_and(|c| matches!(c, '/' | '$' | '@'));
            let is_start = before.next().is_none_or(char::is_whitespace);
            let is_end = self.text[at + name.len()..].chars().next().is_none_or(|c| !is_of_word(c));
            is_marked && is_start && is_end
        })
    }
}

/// Largest `skill-rules.json` that is read, and how much of it counts.
pub const LARGEST_RULES: u64 = 1 << 20;
const MOST_PATTERNS: usize = 200;
const LONGEST_PATTERN: usize = 300;
/// Bytes of a request that patterns are looked for in: whoever wrote them, they take milliseconds.
const SEARCHED: usize = 1_000;

/// What a `skill-rules.json` says of when each skill is wanted.
#[derive(Debug, Clone, Default, Deserialize)]
pub struct SkillRules {
    #[serde(default)]
    skills: std::collections::BTreeMap<String, ActivationRule>,
}

#[derive(Debug, Clone, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct ActivationRule {
    prompt_triggers: PromptTriggers,
    file_triggers: FileTriggers,
}

#[derive(Debug, Clone, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct PromptTriggers {
    keywords: Vec<String>,
    intent_patterns: Vec<String>,
}

#[derive(Debug, Clone, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct FileTriggers {
    path_patterns: Vec<String>,
    path_exclusions: Vec<String>,
}

impl SkillRules {
    /// Reads the file.
    ///
    /// # Errors
    /// What is wrong with it, in a sentence.
    pub fn parse(text: &str) -> Result<Self, String> {
        let mut rules: Self =
            serde_json::from_str(text).map_err(|e| format!("not a valid skill-rules.json: {e}"))?;
        let mut left = MOST_PATTERNS;
        for rule in rules.skills.values_mut() {
            let patterns = &mut rule.prompt_triggers.intent_patterns;
            patterns.retain(|pattern| pattern.len() <= LONGEST_PATTERN);
            patterns.truncate(left);
            left -= patterns.len();
        }
        Ok(rules)
    }

    /// Why a skill is wanted for this request and these files, as a part of a sentence.
    pub fn find_match(&self, name: &str, request: &RequestWords, files: &[String]) -> Option<String> {
        let ActivationRule { prompt_triggers, file_triggers } = self.skills.get(name)?;
        if let Some(keyword) = request.find_trigger(prompt_triggers.keywords.iter().map(String::as_str)) {
            return Some(format!("matches the keyword `{keyword}`"));
        }
        if prompt_triggers.intent_patterns.iter().any(|pattern| has_pattern(pattern, request)) {
            return Some("matches a pattern of skill-rules.json".to_owned());
        }
        let is_meant = |file: &&String| {
            let matches = |pattern: &String| matches_path(pattern, file);
            file_triggers.path_patterns.iter().take(MOST_PATTERNS).any(matches)
                && !file_triggers.path_exclusions.iter().take(MOST_PATTERNS).any(matches)
        };
        files.iter().find(is_meant).map(|file| format!("is for files such as `{file}`"))
    }
}

/// True where the pattern, which somebody wrote for JavaScript, is found. One that cannot be read
/// here finds nothing; none takes more than linear time.
fn has_pattern(pattern: &str, request: &RequestWords) -> bool {
    let compiled = regex_lite::RegexBuilder::new(pattern).case_insensitive(true).size_limit(16 << 10).build();
    let text = &request.text;
    let end = (0..=SEARCHED.min(text.len())).rev().find(|end| text.is_char_boundary(*end)).unwrap_or(0);
    compiled.is_ok_and(|regex| regex.is_match(text.get(..end).unwrap_or_default()))
}

fn matches_path(pattern: &str, file: &str) -> bool {
    let file = file.replace('\\', "/");
    let file = file.trim_start_matches("./");
    // `**/` is any folders, or none.
    let pattern = wildmatch::WildMatch::new(&pattern.replace("**/", "*"));
    pattern.matches(file) || file.match_indices('/').any(|(at, _)| pattern.matches(&file[at + 1..]))
}

/// What a caller knows of a person: words, and skills with how much they are liked.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct UserProfile {
    /// Everything that it says, to be looked for in skills.
    pub words: String,
    liked: Vec<(String, f32)>,
}

impl UserProfile {
    /// Reads a profile: a JSON or YAML object, of which every text counts as words and `skills` may
    /// say how much each is liked, from 0 to 1; or any other text.
    pub fn parse(text: &str) -> Self {
        let value = serde_yaml::from_str::<serde_json::Value>(text).ok().filter(serde_json::Value::is_object);
        let Some(value) = value else { return Self { words: text.to_owned(), liked: Vec::new() } };
        let mut profile = Self::default();
        if let Some(skills) = value.get("skills").and_then(serde_json::Value::as_object) {
            let liked = skills.iter().filter_map(|(name, much)| Some((name.clone(), much.as_f64()? as f32)));
            profile.liked = liked.map(|(name, much)| (name, much.clamp(0.0, 1.0))).collect();
        }
        collect_words(&value, &mut profile.words, 0);
        profile
    }

    /// How much the person likes a skill, where the profile says so.
    pub fn liking(&self, name: &str) -> Option<f32> {
        self.liked.iter().find(|(known, _)| known == name).map(|(_, much)| *much)
    }
}

fn collect_words(value: &serde_json::Value, words: &mut String, depth: usize) {
    match value {
        serde_json::Value::String(text) => {
            words.push_str(text);
            words.push(' ');
        }
        serde_json::Value::Array(all) if depth < 16 => {
            all.iter().for_each(|one| collect_words(one, words, depth + 1));
        }
        serde_json::Value::Object(all) if depth < 16 => {
            all.values().for_each(|one| collect_words(one, words, depth + 1));
        }
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn the_score_is_the_mean_of_what_is_given() {
        let check = |trigger, emotion, profile, usage, score: f32| {
            let signals = Signals { trigger, emotion, profile, usage };
            assert!((signals.score() - score).abs() < 0.001, "{signals:?}: {}", signals.score());
        };
        check(None, None, None, None, 0.0);
        check(Some(1.0), None, None, None, 1.0);
        check(Some(1.0), None, Some(0.4), Some(0.2), 0.68);
        check(Some(0.5), Some(0.5), Some(0.5), Some(0.5), 0.5);
        check(None, None, None, Some(0.3), 0.3);
        let reason = |trigger, emotion| Signals { trigger, emotion, ..Signals::default() }.reason();
        assert_eq!(reason(Some(0.1), Some(0.9)), Reason::BasedOnEmotion);
        assert_eq!(reason(Some(1.0), Some(0.9)), Reason::BasedOnConversation);
        assert_eq!(reason(None, None), Reason::BasedOnConversation);
    }

    #[test]
    fn one_word_that_happens_to_be_there_is_not_sure() {
        let hit = |score, strength, evidence| Hit { volume: 0, at: 0, score, strength, evidence };
        let signals = |hits: &[Hit]| hits.iter().map(|hit| lexical_signal(&hits[0], hit)).collect::<Vec<_>>();
        assert_eq!(signals(&[hit(8.0, 1.5, 3.0), hit(4.0, 0.7, 1.5)]), [1.0, 0.5]);
        assert_eq!(signals(&[hit(8.0, 1.5, 0.5), hit(4.0, 0.7, 0.2)]), [0.25, 0.125]);
        assert_eq!(signals(&[hit(8.0, 0.2, 3.0)]), [0.2]);
    }

    #[test]
    fn a_trigger_that_many_share_is_a_hint() {
        use crate::search::{SearchDocument, build_index};
        let document = |description: &'static str| SearchDocument {
            name: "a".into(),
            description: description.into(),
            ..SearchDocument::default()
        };
        let mut documents = vec![document("Builds a mobile app"); 6];
        documents.extend(["Signs an app with notarytool", "Draws flame graphs"].map(document));
        let bytes = build_index(&documents);
        let index = SearchIndex::read(&bytes).unwrap();
        for (trigger, telling) in [
            ("flame graph", true),
            ("mobile notarytool", true),
            ("mobile app", false),
            ("app", false),
            ("the app of the", false),
            ("nobody says this", true),
            ("", false),
        ] {
            assert_eq!(is_telling(trigger, &index), telling, "{trigger}");
        }
        let fits = [0.0, 0.02, 0.4, 0.9].map(SureFit::by_common_trigger);
        assert!(fits[0] > 0.0 && fits[0] == fits[1] && fits[1] < 0.35, "{fits:?}");
        assert!(fits[2] > 0.4 && fits[2] < 0.7 && fits[3] == 1.0, "{fits:?}");
    }

    #[test]
    fn names_and_triggers_are_whole_words() {
        let named = |text: &str, name: &str| RequestWords::of(text).names_skill(name);
        for (text, name) in [
            ("use systematic-debugging to find out", "systematic-debugging"),
            ("do Systematic-Debugging here", "systematic-debugging"),
            ("please use the brainstorming skill", "brainstorming"),
            ("run /pdf on this", "pdf"),
            ("$pdf merge these", "pdf"),
            ("take the skill pdf", "pdf"),
            ("/tools:pdf now", "tools:pdf"),
        ] {
            assert!(named(text, name), "{text}");
        }
        for (text, name) in [
            ("merge these pdf files", "pdf"),
            ("look into /home/pdf", "pdf"),
            ("/pdf-tools now", "pdf"),
            ("http://x/pdf", "pdf"),
            ("systematic about debugging", "systematic-debugging"),
            ("do Systematic Debugging here", "systematic-debugging"),
            ("not-systematic-debugging", "systematic-debugging"),
            ("", ""),
        ] {
            assert!(!named(text, name), "{text}");
        }
        let phrase = |text: &str| RequestWords::of(text).has_phrase("code-review");
        assert!(phrase("please do a Code Review") && !phrase("review this code") && !phrase("code"));
        let trigger = |text: &str, triggers: &[&'static str]| {
            RequestWords::of(text).find_trigger(triggers.iter().copied()).map(str::to_owned)
        };
        assert_eq!(trigger("Fill in the PDF form!", &["docx", "pdf form"]).as_deref(), Some("pdf form"));
        assert_eq!(trigger("a pdfform", &["pdf form", "form"]), None);
        assert_eq!(trigger("what is the thing", &["the", "", "!"]), None);
        assert_eq!(trigger("请帮我做数据分析吧", &["数据分析"]).as_deref(), Some("数据分析"));
    }

    #[test]
    fn rules_are_read_and_matched() {
        let rules = r#"{"version":"1.0","skills":{"backend":{"type":"domain","priority":"high",
            "promptTriggers":{"keywords":["endpoint"],"intentPatterns":["(create|add).*?route","(broken"]},
            "fileTriggers":{"pathPatterns":["src/**/*.ts"],"pathExclusions":["**/*.test.ts"]}}}}"#;
        let rules = SkillRules::parse(rules).unwrap();
        let found = |text: &str, files: &[&str]| {
            let files: Vec<String> = files.iter().map(|file| (*file).to_owned()).collect();
            rules.find_match("backend", &RequestWords::of(text), &files)
        };
        assert_eq!(found("a new Endpoint please", &[]).as_deref(), Some("matches the keyword `endpoint`"));
        assert!(found("Add me a ROUTE", &[]).is_some());
        assert!(found("nothing", &["src/a.ts"]).is_some() && found("nothing", &["./src/x/y/a.ts"]).is_some());
        assert!(found("nothing", &["src/a.test.ts"]).is_none() && found("nothing", &["lib/a.ts"]).is_none());
        assert!(found("nothing", &[]).is_none());
        assert!(rules.find_match("other", &RequestWords::of("endpoint"), &[]).is_none());
        assert!(SkillRules::parse("[").is_err() && SkillRules::parse(r#"{"skills":{"a":3}}"#).is_err());
    }

    #[test]
    fn what_a_skill_is_not_for_does_not_lead_to_it() {
        let check = |text: &str, left: &str| assert_eq!(without_exclusions(text), left);
        check("Reads PDF files.", "Reads PDF files.");
        check("Reads PDF. Do NOT use for Word files. Fast.", "Reads PDF. Fast.");
        check("Builds large artifacts - not for simple pages.", "Builds large artifacts - ");
    }

    #[test]
    fn of_a_long_request_both_ends_count() {
        let long = format!("begin {} end", "x".repeat(10_000_000));
        let text = requested_text(&long);
        assert!(text.starts_with("begin ") && text.ends_with(" end") && text.len() < 6_100);
        assert_eq!(requested_text("fix this\n```\nlet pdf = 1;\n```\nplease"), "fix this\n\n\nplease");
        assert_eq!(requested_text("```\ncode\n```"), "```\ncode\n```");
    }

    #[test]
    fn profiles_are_read_in_any_form() {
        let json = UserProfile::parse(r#"{"role":"data analyst","skills":{"xlsx":2,"pdf":0.5},"years":3}"#);
        assert_eq!((json.liking("xlsx"), json.liking("pdf"), json.liking("x")), (Some(1.0), Some(0.5), None));
        assert_eq!(json.words, "data analyst ");
        assert_eq!(UserProfile::parse("interests: [charts, maps]\n").words, "charts maps ");
        assert_eq!(UserProfile::parse("likes charts").words, "likes charts");
    }

    proptest! {
        #[test]
        fn no_text_is_too_much(text in "\\PC{0,300}", name in "\\PC{0,20}") {
            let words = RequestWords::of(&requested_text(&text));
            let _ = words.names_skill(&name);
            let _ = words.find_trigger([name.as_str(), text.as_str()]);
            let _ = without_exclusions(&text);
            let _ = UserProfile::parse(&text);
            let _ = matches_path(&name, &text);
            let _ = has_pattern(&name, &words);
        }
    }
}
