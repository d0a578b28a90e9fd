//! `config`: the settings, each with who says it; single ones changed, comments and order kept.

use std::path::PathBuf;

use crate::settings::change::{self, SettingsFile};
pub use crate::settings::change::{EffectiveSetting, SettingOrigin};
use crate::store::lock::Lock;
use crate::workspace::{Observer, Session, Workspace, settings_files};
use ba_agent_core::error::{Result, error};

/// Every setting as it counts here.
///
/// # Errors
/// Those of finding the scope and reading the files.
pub fn list_settings(workspace: &Workspace) -> Result<Vec<EffectiveSetting>> {
    let workspace = workspace.or_user_at_home();
    let scope = workspace.find_scope().ok();
    let (user, project) = settings_files(workspace.env(), scope.as_ref());
    change::list_settings(workspace.env(), user.as_deref(), project.as_deref())
}

/// One of them.
///
/// # Errors
/// `NotFound` for a name that is no setting; those of [`list_settings`].
pub fn find_setting(workspace: &Workspace, name: &str) -> Result<EffectiveSetting> {
    let name = change::known_name(name)?;
    let mut all = list_settings(workspace)?.into_iter();
    all.find(|setting| setting.key == name).ok_or_else(|| error!(NotFound, "`{name}` is not a setting"))
}

/// What a change of the settings did.
#[derive(Debug, serde::Serialize)]
pub struct ConfigChange {
    pub key: String,
    /// The file that says it.
    pub file: PathBuf,
    /// False where it said so already.
    pub changed: bool,
    /// The setting as it counts now, which another file or a variable may decide.
    pub setting: EffectiveSetting,
}

/// Sets a key of this scope's file to `words`, or takes it out.
///
/// # Errors
/// `NotFound` for a name that is no setting; `Usage` for what is no value of it, or not this
/// scope's to say; `Conflict` where the file was changed meanwhile.
pub fn change_setting(
    workspace: &Workspace,
    name: &str,
    words: Option<&[String]>,
    observer: &dyn Observer,
) -> Result<ConfigChange> {
    let workspace = workspace.or_user_at_home();
    let name = change::known_name(name)?;
    let session = workspace.open_unrepaired(observer)?;
    let path = session.store.state_dir().settings_lock_file();
    let lock = Lock::take(&path, session.lock_wait()?, &|what: &str| session.note(what))?;
    let outcome = write_change(&session, name, words);
    lock.release();
    let (file, changed) = outcome?;
    let key = name.to_owned();
    Ok(ConfigChange { key, file: file.file, changed, setting: find_setting(&workspace, name)? })
}

/// The file, and whether it is another one now.
fn write_change(session: &Session<'_>, name: &str, words: Option<&[String]>) -> Result<(SettingsFile, bool)> {
    let file = open_file(session)?;
    let changed = file.with_change(name, words, &session.env)?;
    if let Some(text) = &changed {
        warn_of_editor(session, &file);
        file.write(text)?;
    }
    Ok((file, changed.is_some()))
}

fn open_file(session: &Session<'_>) -> Result<SettingsFile> {
    let root = session.scope.is_project().then(|| session.scope.base());
    SettingsFile::read(&session.scope.settings_file(), root, &session.settings.allow_links_to)
}

fn warn_of_editor(session: &Session<'_>, file: &SettingsFile) {
    if let Some(note) = file.editors_note() {
        session.warn(&format!(
            "an editor seems to have `{}` open (`{}`): load it again there",
            file.file.display(),
            note.file_name().unwrap_or_default().to_string_lossy()
        ));
    }
}

/// Settings that a person edits in a copy, until they can be used.
#[derive(Debug)]
pub struct EditedSettings {
    file: SettingsFile,
    /// The copy.
    pub copy: PathBuf,
}

/// Puts a copy of this scope's settings into a folder of the user's own.
///
/// # Errors
/// Those of reading the file, and of writing the copy. A file that cannot be used is no error: it
/// is what one may want to mend.
pub fn begin_edit(workspace: &Workspace, observer: &dyn Observer) -> Result<EditedSettings> {
    let workspace = workspace.or_user_at_home();
    let scope = workspace.find_scope()?;
    let session = workspace.open_with(scope, crate::settings::Settings::default(), observer)?;
    let allowed = workspace.for_user().settings().map(|own| own.allow_links_to).unwrap_or_default();
    let root = session.scope.is_project().then(|| session.scope.base());
    let file = SettingsFile::read(&session.scope.settings_file(), root, &allowed)?;
    let text = match file.text()? {
        text if text.is_empty() => SettingsFile::new_text(),
        text => text,
    };
    warn_of_editor(&session, &file);
    let folder = session.store.state_dir().folder().join("edit");
    ba_agent_system::fsx::create_folders(&folder)?;
    let copy = folder.join("config.yaml");
    ba_agent_system::fsx::write_atomic(&copy, text.as_bytes())?;
    Ok(EditedSettings { file, copy })
}

/// Takes the copy over if it can be used; true where it is another text than before. What was
/// typed stays in the copy where that fails.
///
/// # Errors
/// `Usage` for what cannot be used, `Conflict` where the file was changed meanwhile.
pub fn finish_edit(workspace: &Workspace, edited: EditedSettings) -> Result<bool> {
    let text = ba_agent_system::fsx::read_plain_file(&edited.copy, 1 << 20)?.unwrap_or_default();
    let kept = |e: ba_agent_core::error::Error| {
        e.hint(format!("the settings are as before; what you wrote is in `{}`", edited.copy.display()))
    };
    let text = String::from_utf8(text).map_err(|_| kept(error!(Usage, "the settings are not UTF-8")))?;
    let same = edited
        .file
        .text()
        .is_ok_and(|before| before == text || (before.is_empty() && text == SettingsFile::new_text()));
    if !same {
        edited.file.check_text(&text, workspace.env()).map_err(kept)?;
        edited.file.write(&text).map_err(kept)?;
    }
    let _ = std::fs::remove_file(&edited.copy);
    Ok(!same)
}
