//! What the category of a skill means for whether agents have it. Most categories are words of
//! their author's (`Office`); three mean something here.

/// What a category means.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SkillCategory {
    /// Never disabled.
    Core,
    /// Enabled until somebody disables it. Every word but the other two.
    Default,
    /// Installed disabled, unless it is chosen by its name.
    Professional,
}

impl SkillCategory {
    /// What this word means; of either case.
    pub fn of(word: &str) -> Self {
        match word.trim().to_ascii_lowercase().as_str() {
            "core" => Self::Core,
            "professional" => Self::Professional,
            _ => Self::Default,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_two_words_mean_something_else() {
        for (word, expected) in [
            ("core", SkillCategory::Core),
            (" Core ", SkillCategory::Core),
            ("PROFESSIONAL", SkillCategory::Professional),
            ("default", SkillCategory::Default),
            ("Office", SkillCategory::Default),
            ("", SkillCategory::Default),
            ("core-tools", SkillCategory::Default),
        ] {
            assert_eq!(SkillCategory::of(word), expected, "{word}");
        }
    }
}
