//! The skills that a program ships inside itself and hands to the engine.

/// A skill of the program's own.
#[derive(Debug)]
pub struct BuiltinSkill {
    /// Its name, as in `builtin:NAME`; a valid name.
    pub name: &'static str,
    /// Paths relative to the skill, in byte order, with the bytes of the files.
    pub files: &'static [(&'static str, &'static [u8])],
}

/// All skills that a program ships, in order of their names.
#[derive(Debug, Clone, Copy, Default)]
pub struct BuiltinSkills {
    /// The version of the program, which is recorded as theirs.
    pub version: &'static str,
    pub all: &'static [BuiltinSkill],
}
