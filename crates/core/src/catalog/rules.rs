//! The table of what can be wrong with a catalogue.

use crate::skill::Severity;

/// A stable name and how grave it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct CatalogRule {
    pub(super) code: &'static str,
    pub(super) severity: Severity,
    /// Nothing of the catalogue can be used then.
    fatal: bool,
}

macro_rules! rules {
    ($($name:ident $code:literal $severity:ident $fatal:literal)+) => {
        $(pub(super) const $name: CatalogRule = CatalogRule { code: $code, severity: Severity::$severity, fatal: $fatal };)+
        const ALL: &[CatalogRule] = &[$($name),+];
    };
}

// constant          code                     severity fatal
rules! {
    TOO_LARGE        "too-large"              Error true
    NOT_JSON         "not-json"               Error true
    NOT_AN_OBJECT    "not-an-object"          Error true
    NAME_MISSING     "name-missing"           Error true
    NAME_INVALID     "name-invalid"           Warning false
    NAME_RESERVED    "name-reserved"          Warning false
    OWNER_MISSING    "owner-missing"          Error true
    OWNER_TYPE       "owner-type"             Error true
    PLUGINS_MISSING  "plugins-missing"        Error true
    PLUGINS_TYPE     "plugins-type"           Error true
    WRONG_TYPE       "wrong-type"             Error false
    LIST_EXPECTED    "list-expected"          Warning false
    KEY_DUPLICATE    "key-duplicate"          Error false
    KEY_UNKNOWN      "key-unknown"            Warning false
    PLUGIN_ROOT      "plugin-root"            Error false
    RENAMES_CYCLE    "renames-cycle"          Error false
    RENAMES_TARGET   "renames-target"         Warning false
    ENTRY_TYPE       "entry-type"             Error false
    ENTRY_NAME       "entry-name"             Error false
    ENTRY_DUPLICATE  "entry-duplicate"        Error false
    SOURCE_MISSING   "source-missing"         Error false
    SOURCE_TYPE      "source-type"            Error false
    SOURCE_COMMAND   "source-command"         Error false
    SOURCE_PIN       "source-pin"             Error false
    SOURCE_PATH      "source-path"            Error false
    SOURCE_ADDRESS   "source-address"         Error false
    SOURCE_SHA       "source-sha"             Error false
    SOURCE_SHAPE     "source-undocumented"    Warning false
    SOURCE_PLAIN     "source-plain-http"      Warning false
    SOURCE_FLOATS    "source-floating"        Info false
    SOURCE_GONE      "source-gone"            Error false
    SKILLS_PATH      "skills-path"            Error false
    SKILLS_GONE      "skills-gone"            Warning false
}

/// True when a break of the rule leaves nothing that could be used.
pub(super) fn is_fatal(code: &str) -> bool {
    ALL.iter().any(|rule| rule.code == code && rule.fatal)
}
