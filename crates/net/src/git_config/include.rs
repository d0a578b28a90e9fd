//! World: `includeIf "gitdir:…"`, by which people have another configuration for the projects
//! below a folder. libgit2 only follows it with a repository at hand, whose own configuration
//! it would read, too.

use std::path::{Path, PathBuf};

use ba_agent_system::env::Env;

/// Where the command runs, as far as conditions ask for it.
#[derive(Debug, Default)]
pub(super) struct Location {
    home: Option<PathBuf>,
    /// The git folder of the project, as it is written and as it really is.
    git_dirs: Vec<PathBuf>,
}

impl Location {
    /// The nearest `.git` folder upwards of the working directory. A `.git` *file*, which
    /// would name any other folder, is not followed.
    pub(super) fn find(env: &Env) -> Self {
        let found = env.cwd.ancestors().map(|dir| dir.join(".git")).find(|dir| dir.is_dir());
        let real = found.as_ref().and_then(|dir| std::fs::canonicalize(dir).ok());
        let git_dirs = found.into_iter().chain(real).collect();
        Self { home: env.home.clone(), git_dirs }
    }

    /// The file that the setting `name` of `file` includes, if it is an `includeIf` whose
    /// condition holds. A plain `include` libgit2 has followed already.
    pub(super) fn included(&self, name: &str, value: Option<&str>, file: &Path) -> Option<PathBuf> {
        let condition = name.strip_prefix("includeif.")?.strip_suffix(".path")?;
        let folder = file.parent().unwrap_or(Path::new("/"));
        let holds = if let Some(pattern) = condition.strip_prefix("gitdir:") {
            self.is_below(pattern, folder, false)
        } else if let Some(pattern) = condition.strip_prefix("gitdir/i:") {
            self.is_below(pattern, folder, true)
        } else {
            false
        };
        let path = value.filter(|path| holds && !path.is_empty())?;
        Some(self.expand(path, folder))
    }

    fn expand(&self, path: &str, folder: &Path) -> PathBuf {
        match (path.strip_prefix("~/"), &self.home) {
            (Some(rest), Some(home)) => home.join(rest),
            _ => folder.join(path),
        }
    }

    /// As git-config(1) says: `~/` is the home, `./` the folder of the file, a pattern that
    /// begins with neither may stand anywhere, and one that ends in `/` means all below.
    fn is_below(&self, pattern: &str, folder: &Path, any_case: bool) -> bool {
        let rooted =
            pattern.starts_with("~/") || pattern.starts_with("./") || Path::new(pattern).is_absolute();
        let base = pattern.strip_prefix("./").unwrap_or(pattern);
        let mut full = match rooted {
            true => self.expand(base, folder).to_string_lossy().into_owned(),
            false => format!("**/{pattern}"),
        };
        if pattern.ends_with('/') {
            full.push_str(if full.ends_with('/') { "**" } else { "/**" });
        }
        let fold = |text: String| if any_case { text.to_lowercase() } else { text };
        let full = fold(full);
        self.git_dirs.iter().any(|dir| matches_path(&full, &fold(dir.to_string_lossy().into_owned())))
    }
}

/// Whether a path fits a pattern in which `**` stands for any folders, `*` for any part of a
/// name, `?` for a character.
fn matches_path(pattern: &str, path: &str) -> bool {
    fn parts_of_pattern(text: &str) -> Vec<&str> {
        text.split('/').filter(|part| !part.is_empty()).collect()
    }
    fn match_path_pattern(pattern: &[&str], path: &[&str]) -> bool {
        match (pattern.split_first(), path.split_first()) {
            (None, None) => true,
            (Some((&"**", rest)), _) => {
                // Neighbours of `**` say the same again.
                let rest = &rest[rest.iter().take_while(|part| **part == "**").count()..];
                (0..=path.len()).any(|skip| match_path_pattern(rest, &path[skip..]))
            }
            (Some((first, rest)), Some((name, below))) => {
                matches_name(first, name) && match_path_pattern(rest, below)
            }
            _ => false,
        }
    }
    match_path_pattern(&parts_of_pattern(pattern), &parts_of_pattern(path))
}

/// Goes back to the last `*` only, so that it ends soon whatever the pattern is.
fn matches_name(pattern: &str, name: &str) -> bool {
    let (pattern, name): (Vec<char>, Vec<char>) = (pattern.chars().collect(), name.chars().collect());
    let (mut p, mut n, mut star) = (0, 0, None);
    while n < name.len() {
        match pattern.get(p) {
            Some('*') => {
                star = Some((p, n));
                p += 1;
            }
            Some(c) if *c == '?' || *c == name[n] => (p, n) = (p + 1, n + 1),
            _ => match star {
                Some((at, from)) => {
                    (p, n) = (at + 1, from + 1);
                    star = Some((at, from + 1));
                }
                None => return false,
            },
        }
    }
    pattern[p..].iter().all(|c| *c == '*')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_condition_is_held_against_the_git_folder() {
        let location = Location {
            home: Some(PathBuf::from("/home/u")),
            git_dirs: vec![PathBuf::from("/home/u/work/acme/app/.git")],
        };
        let check = |condition: &str, holds: bool| {
            let name = format!("includeif.{condition}.path");
            let found = location.included(&name, Some("other"), Path::new("/home/u/.gitconfig"));
            assert_eq!(found, holds.then(|| PathBuf::from("/home/u/other")), "{condition}");
        };
        check("gitdir:~/work/", true);
        check("gitdir:~/work", false);
        check("gitdir:~/work/acme/app/.git", true);
        check("gitdir:~/work/*/app/", true);
        check("gitdir:~/w?rk/**", true);
        check("gitdir:./work/", true);
        check("gitdir:work/", true);
        check("gitdir:acme/", true);
        check("gitdir:/home/u/**/.git", true);
        check("gitdir:~/play/", false);
        check("gitdir:~/WORK/", false);
        check("gitdir/i:~/WORK/", true);
        check("gitdir:~/wor/", false);
        check("onbranch:main", false);
        check("hasconfig:remote.*.url:x", false);
        let plain = location.included("include.path", Some("x"), Path::new("/home/u/.gitconfig"));
        assert_eq!(plain, None);
    }

    #[test]
    fn many_stars_do_not_take_long() {
        assert!(!matches_name(&"*a".repeat(40), &"a".repeat(39)));
        assert!(matches_path(&"**/".repeat(60), &"x/".repeat(60)));
    }
}
