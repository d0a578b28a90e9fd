//! `skill recommend`: which skills fit a request, also of those that could be installed.

use std::path::PathBuf;

use serde::Serialize;

use super::search::search_catalogs;
use crate::loader::load_skills;
use crate::skill_words::index_words;
use crate::usage_log::count_recent_uses;
use crate::workspace::{Observer, Session, Workspace};
use ba_agent_core::agents::{Agent, find_agent};
use ba_agent_core::error::{Result, error};
use ba_agent_core::loader::{LoadedSkill, SkillOrigin};
use ba_agent_core::recommend::{
    Confidence, LARGEST_RULES, Reason, RequestWords, Signals, SkillRules, SureFit, UserProfile, is_telling,
    lexical_signal, requested_text,
};
use ba_agent_core::search::{SearchIndex, SearchQuery, is_content_word, rank_documents};
use ba_agent_system::fsx;

/// The largest profile that is read.
const LARGEST_PROFILE: u64 = 1 << 20;
/// Below this a skill has nothing to do with the request.
const LOWEST: f32 = 0.05;
/// Words that are named as the reason.
const NAMED_WORDS: usize = 4;

/// What is to be done, and by whom.
#[derive(Debug, Clone, Default)]
pub struct RecommendOptions {
    /// The request.
    pub text: String,
    /// Files that it is about.
    pub files: Vec<String>,
    /// How the person feels, in the words of the caller.
    pub emotion: Option<String>,
    /// A file that says something of the person.
    pub profile: Option<PathBuf>,
    /// Of what this agent has.
    pub agent: Option<String>,
    pub limit: usize,
}

/// The skills that fit best.
#[derive(Debug, Serialize)]
pub struct RecommendReport {
    pub recommendations: Vec<Recommendation>,
    /// How many skills were looked at.
    pub considered: usize,
}

/// A skill that fits.
#[derive(Debug, Clone, Serialize)]
pub struct Recommendation {
    /// What means this skill and no other here, or among the catalogues.
    pub skill_id: String,
    pub name: String,
    pub description: String,
    pub installed: bool,
    /// What `install` takes; absent for one that is there.
    pub install: Option<String>,
    pub score: f32,
    pub confidence: Confidence,
    pub reason: Reason,
    pub signals: Signals,
    /// The reason in a few words.
    pub context: String,
    /// As an agent calls it.
    #[serde(skip)]
    pub(crate) called: String,
    /// The whole path of its SKILL.md.
    #[serde(skip)]
    pub(crate) manifest: Option<PathBuf>,
}

/// What the signals are taken from.
pub(super) struct RecommendInput<'a> {
    pub(super) text: &'a str,
    pub(super) files: &'a [String],
    pub(super) emotion: Option<&'a str>,
    pub(super) profile: Option<&'a UserProfile>,
    /// Whether what was used before counts.
    pub(super) usage: bool,
    /// So many at most.
    pub(super) limit: usize,
}

/// Ranks the skills that are installed and those of the catalogues for a request.
///
/// # Errors
/// `NotFound` for an agent or a profile that is not there; those of opening the session.
pub fn recommend(
    workspace: &Workspace,
    options: &RecommendOptions,
    observer: &dyn Observer,
) -> Result<RecommendReport> {
    let workspace = workspace.or_user_at_home();
    let mut session = workspace.open_unrepaired(observer)?;
    session.offline = true;
    let agent = options.agent.as_deref().map(find_agent).transpose()?;
    let profile = options.profile.as_deref().map(|file| read_profile(&session, file)).transpose()?;
    let input = RecommendInput {
        text: &options.text,
        files: &options.files,
        emotion: options.emotion.as_deref().filter(|text| !text.trim().is_empty()),
        profile: profile.as_ref(),
        usage: true,
        limit: options.limit,
    };
    let (mut all, mut considered) = recommend_installed(&session, agent, &input)?;
    // A catalogue that cannot be read leaves the others, and what is installed.
    let words = requested_text(&options.text);
    let query = SearchQuery::parse(&words);
    match search_catalogs(&session, &words, options.limit + 16) {
        Ok((rows, documents)) => {
            considered += documents;
            let is_there = |name: &str| all.iter().any(|known| known.name == name);
            let new: Vec<Recommendation> = rows
                .into_iter()
                .filter(|row| {
                    !row.installed && row.install.is_some() && row.fit > 0.0 && !is_there(&row.name)
                })
                .map(|row| {
                    let signals = Signals { trigger: Some(row.fit), ..Signals::default() };
                    let context = matched_words(&query, &row.name, &row.description);
                    Recommendation {
                        skill_id: row.install.clone().unwrap_or_default(),
                        name: row.name,
                        description: row.description,
                        installed: false,
                        install: row.install,
                        score: signals.score(),
                        confidence: Confidence::of(signals.score()),
                        reason: signals.reason(),
                        signals,
                        context,
                        called: String::new(),
                        manifest: None,
                    }
                })
                .collect();
            all.extend(new);
        }
        Err(error) => session.warn(&format!("the catalogues were not searched: {}", error.message)),
    }
    sort_recommendations(&mut all);
    all.retain(|one| one.score >= LOWEST);
    all.truncate(options.limit);
    Ok(RecommendReport { recommendations: all, considered })
}

fn sort_recommendations(all: &mut [Recommendation]) {
    all.sort_by(|a, b| {
        let by_score = b.score.total_cmp(&a.score);
        // Those of one score stay in their order.
        by_score.then(b.installed.cmp(&a.installed))
    });
}

/// # Errors
/// `NotFound` where there is none; those of [`fsx::read_plain_file`].
fn read_profile(session: &Session<'_>, file: &std::path::Path) -> Result<UserProfile> {
    let file = session.env.absolute(file);
    let bytes = fsx::read_plain_file(&file, LARGEST_PROFILE)?
        .ok_or_else(|| error!(NotFound, "there is no profile `{}`", file.display()))?;
    Ok(UserProfile::parse(&String::from_utf8_lossy(&bytes)))
}

/// The installed skills with how well each fits, best first, and how many there are. Those that do
/// not fit at all are left out.
///
/// # Errors
/// Those of [`load_skills`].
pub(super) fn recommend_installed(
    session: &Session<'_>,
    agent: Option<&'static Agent>,
    input: &RecommendInput<'_>,
) -> Result<(Vec<Recommendation>, usize)> {
    let skills = load_skills(session, agent)?.listed;
    let index = index_words(session, agent, &skills);
    let Some(index) = index.read() else { return Ok((Vec::new(), skills.len())) };
    let indexes = [index];
    let text = requested_text(input.text);
    let request = RequestWords::of(&text);
    let rules = read_rules(session, &skills);
    let of_text = rank(&indexes, &with_endings(&text, input.files), skills.len());
    let of_emotion = input.emotion.map(|text| rank(&indexes, text, skills.len()));
    let of_profile = input.profile.map(|profile| rank(&indexes, &profile.words, skills.len()));
    let uses = if input.usage { count_recent_uses(session) } else { Default::default() };
    let most = uses.values().map(|count| count.uses).max().unwrap_or(0);
    let is_asked = !text.trim().is_empty() || !input.files.is_empty();
    let mut all = Vec::new();
    for (at, skill) in skills.iter().enumerate() {
        let lexical = of_text.get(at).copied().unwrap_or_default();
        let find = || find_sure_fit(skill, &request, &rules, &indexes, input.files, lexical);
        let sure = is_asked.then(find).flatten();
        let sure = sure.filter(|sure| sure.at_least >= lexical);
        let emotion = of_emotion.as_ref().map(|all| match input.emotion {
            Some(word) if is_label(skill, word) => 1.0,
            _ => all.get(at).copied().unwrap_or_default(),
        });
        let profile = input.profile.map(|profile| {
            let words = of_profile.as_ref().and_then(|all| all.get(at)).copied().unwrap_or_default();
            profile.liking(&skill.name).unwrap_or(words)
        });
        let signals = Signals {
            trigger: is_asked.then_some(sure.as_ref().map_or(lexical, |sure| sure.at_least)),
            emotion,
            profile,
            usage: (most > 0).then(|| usage_signal(uses.get(&skill.qualified).map_or(0, |c| c.uses), most)),
        };
        let fits = [signals.trigger, signals.emotion, signals.profile];
        let fits = fits.into_iter().flatten().any(|signal| signal > 0.0);
        if fits || (!is_asked && signals.score() > 0.0) {
            all.push((at, signals, sure, lexical));
        }
    }
    let name = |at: usize| skills.get(at).map(|skill| &skill.qualified);
    all.sort_by(|a, b| {
        let by_score = b.1.score().total_cmp(&a.1.score());
        by_score.then(b.3.total_cmp(&a.3)).then_with(|| name(a.0).cmp(&name(b.0)))
    });
    let query = SearchQuery::parse(&text);
    // Why one fits costs more to say than to know.
    let best = all.into_iter().take(input.limit).filter_map(|(at, signals, sure, _)| {
        let skill = skills.get(at)?;
        let context = match (sure, signals.reason()) {
            (Some(sure), Reason::BasedOnConversation) => sure.why,
            (None, Reason::BasedOnConversation) => {
                matched_words(&query, &skill.name, &skill.facts.description)
            }
            (_, Reason::BasedOnEmotion) => "fits how the person feels".to_owned(),
            (_, Reason::BasedOnProfile) => "fits the profile".to_owned(),
            (_, Reason::BasedOnUsage) => "is used often here".to_owned(),
        };
        Some(recommendation_of(skill, signals, context))
    });
    Ok((best.collect(), skills.len()))
}

fn recommendation_of(skill: &LoadedSkill, signals: Signals, context: String) -> Recommendation {
    let score = signals.score();
    Recommendation {
        skill_id: skill.qualified.clone(),
        name: skill.name.clone(),
        description: skill.facts.description.clone(),
        installed: skill.origin != SkillOrigin::Builtin,
        install: (skill.origin == SkillOrigin::Builtin).then(|| format!("builtin:{}", skill.name)),
        score,
        confidence: Confidence::of(score),
        reason: signals.reason(),
        signals,
        context,
        called: agents_name_of(skill),
        manifest: Some(skill.manifest.clone()),
    }
}

/// What an agent calls a skill: those of plugins by both names.
pub(super) fn agents_name_of(skill: &LoadedSkill) -> String {
    if skill.plugin.is_some() { skill.qualified.clone() } else { skill.name.clone() }
}

/// How well each document fits a text by its words.
fn rank(indexes: &[SearchIndex<'_>], text: &str, documents: usize) -> Vec<f32> {
    let mut fits = vec![0.0; documents];
    let query = SearchQuery::parse(text);
    if query.is_empty() {
        return fits;
    }
    let hits = rank_documents(indexes, &query).hits;
    let Some(best) = hits.first() else { return fits };
    for hit in &hits {
        if let Some(slot) = fits.get_mut(hit.at) {
            *slot = lexical_signal(best, hit);
        }
    }
    fits
}

/// The text with the endings of files, which skills are often called by.
fn with_endings(text: &str, files: &[String]) -> String {
    let endings = files.iter().filter_map(|file| {
        let ending = std::path::Path::new(file).extension()?.to_str()?;
        Some(format!(" {ending}"))
    });
    format!("{text}{}", endings.collect::<String>())
}

/// Why the request is about this skill whatever its words weigh, where it is.
fn find_sure_fit(
    skill: &LoadedSkill,
    request: &RequestWords,
    rules: &[SkillRules],
    indexes: &[SearchIndex<'_>],
    files: &[String],
    lexical: f32,
) -> Option<SureFit> {
    let fit = |at_least, why: String| Some(SureFit { at_least, why });
    let is_named = |name: &str| request.names_skill(name);
    if is_named(&skill.name) || (skill.qualified != skill.name && is_named(&skill.qualified)) {
        return fit(SureFit::CERTAIN, "is named in the request".to_owned());
    }
    if let Some(why) = rules.iter().find_map(|rules| rules.find_match(&skill.name, request, files)) {
        return fit(SureFit::CERTAIN, why);
    }
    let triggers = || skill.facts.triggers.iter().map(String::as_str);
    let asked = request.find_trigger(triggers());
    // Counting documents costs more than looking into the request.
    let is_telling = |trigger: &&str| indexes.iter().all(|index| is_telling(trigger, index));
    let telling = asked.and_then(|_| request.find_trigger(triggers().filter(is_telling)));
    if let Some(trigger) = telling {
        return fit(SureFit::CERTAIN, format!("matches the trigger `{trigger}`"));
    }
    if request.has_phrase(&skill.name) {
        return fit(SureFit::LIKELY, "has its name in the request".to_owned());
    }
    fit(SureFit::by_common_trigger(lexical), format!("matches the trigger `{}`", asked?))
}

fn is_label(skill: &LoadedSkill, word: &str) -> bool {
    let word = word.trim().to_lowercase();
    skill.facts.triggers.iter().chain(&skill.facts.tags).any(|label| label.to_lowercase() == word)
}

/// Many uses count less and less.
#[expect(clippy::cast_precision_loss, reason = "a share, not a count")]
fn usage_signal(uses: u64, most: u64) -> f32 {
    (1.0 + uses as f32).ln() / (1.0 + most as f32).ln().max(f32::MIN_POSITIVE)
}

/// The `skill-rules.json` of each folder of skills.
fn read_rules(session: &Session<'_>, skills: &[LoadedSkill]) -> Vec<SkillRules> {
    let mut folders: Vec<_> = skills.iter().filter_map(|skill| skill.folder.parent()).collect();
    folders.sort_unstable();
    folders.dedup();
    let read = |folder: &std::path::Path| {
        let file = folder.join("skill-rules.json");
        let bytes = match fsx::read_plain_file(&file, LARGEST_RULES) {
            Ok(bytes) => bytes?,
            Err(error) => {
                session.warn(&format!("`{}` is not used: {}", file.display(), error.message));
                return None;
            }
        };
        match SkillRules::parse(&String::from_utf8_lossy(&bytes)) {
            Ok(rules) => Some(rules),
            Err(why) => {
                session.warn(&format!("`{}` is not used: {why}", file.display()));
                None
            }
        }
    };
    folders.into_iter().filter_map(read).collect()
}

/// Words of the request that a skill has, as a part of a sentence.
fn matched_words(query: &SearchQuery, name: &str, description: &str) -> String {
    let shown = format!("{name} {description}");
    let mut words: Vec<String> = Vec::new();
    for range in query.matched_ranges(&shown) {
        let word = shown.get(range).unwrap_or_default().to_lowercase();
        let is_telling = is_content_word(&word) && !words.contains(&word);
        if is_telling && words.len() < NAMED_WORDS {
            words.push(word);
        }
    }
    match words.is_empty() {
        true => "its instructions have words of the request".to_owned(),
        false => format!("is about {}", words.join(", ")),
    }
}
