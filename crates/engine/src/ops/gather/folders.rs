//! Many skills of which the folder in the repository is known, as lock files name them: each
//! repository is asked once, whatever the number of skills.

use std::collections::BTreeMap;
use std::sync::{Arc, OnceLock};

use super::{
    Candidate, Choice, Gathered, SkillRequest, is_reachable, name_all, note_of_age, read_manifest, skill_at,
};
use crate::fetch::{self, OpenOptions, World};
use ba_agent_core::error::{Error, Result, error};
use ba_agent_core::path::RelPath;
use ba_agent_core::skill::{self, Profile};
use ba_agent_core::source::Request;
use ba_agent_git::Extent;
use ba_agent_system::parallel;

/// As [`super::gather`] for each of `requests`, in their order; those that name folders of one
/// repository at one reference are fetched together. Where that fails each is gathered alone, so
/// that what is wrong is said of the one that has it.
///
/// # Errors
/// `Interrupted` when the command is to end. What is wrong with a request stands in its place.
pub(crate) fn gather_each(requests: &[SkillRequest], world: &World<'_>) -> Result<Vec<Result<Gathered>>> {
    let mut groups: BTreeMap<String, Vec<usize>> = BTreeMap::new();
    for (at, ask) in requests.iter().enumerate() {
        let key = match folder_of(ask) {
            Some(_) => {
                format!("{} {:?} {:?} {:?}", ask.request.source, ask.request.reference, ask.commit, ask.allow)
            }
            None => format!("alone {at}"),
        };
        groups.entry(key).or_default().push(at);
    }
    let groups: Vec<Vec<usize>> = groups.into_values().collect();
    let gathered = parallel::run_jobs(
        parallel::MAX_HOSTS,
        &groups,
        || world.check_cancelled(),
        |group| {
            let asks: Vec<&SkillRequest> = group.iter().filter_map(|at| requests.get(*at)).collect();
            Ok(gather_group(&asks, world))
        },
    )?;
    let mut each: Vec<(usize, Result<Gathered>)> = groups
        .into_iter()
        .zip(gathered)
        .flat_map(|(group, gathered)| group.into_iter().zip(gathered))
        .collect();
    each.sort_by_key(|(at, _)| *at);
    Ok(each.into_iter().map(|(_, gathered)| gathered).collect())
}

/// The folder of the one skill that is asked for, where it is known before anything is fetched.
fn folder_of(ask: &SkillRequest) -> Option<&RelPath> {
    let is_plain = ask.choice == Choice::Only && ask.integrity.is_none() && !ask.live;
    ask.request.subdirectory.as_ref().filter(|_| is_plain && ask.request.source.is_git())
}

fn gather_group(asks: &[&SkillRequest], world: &World<'_>) -> Vec<Result<Gathered>> {
    if asks.len() > 1
        && let Ok(all) = gather_folders(asks, world)
    {
        return all.into_iter().map(Ok).collect();
    }
    asks.iter().map(|ask| super::gather(ask, world, &mut |_| Ok(Vec::new()))).collect()
}

/// The skills of one repository at one commit, each in its folder.
fn gather_folders(asks: &[&SkillRequest], world: &World<'_>) -> Result<Vec<Gathered>> {
    let nothing = || error!(Failed, "nothing is asked for");
    let first = asks.first().ok_or_else(nothing)?;
    let request = Request { subdirectory: None, ..first.request.clone() };
    let options =
        OpenOptions { commit: first.commit.as_ref(), extent: Extent::Partial, ..OpenOptions::default() };
    let mut opened = fetch::open_source(&request, options, world)?;
    let folders: Vec<&RelPath> = asks.iter().filter_map(|ask| folder_of(ask)).collect();
    opened.ensure_folders(&folders)?;
    let notes: Vec<String> = note_of_age(&opened).into_iter().collect();
    let (resolved, fetched) = opened.into_package(&[], |_| false)?;
    let (resolved, fetched) = (Arc::new(resolved), Arc::new(fetched));
    let reachable = is_reachable(&resolved, world);
    let limits = &world.settings.limits;
    let gather_one = |(ask, folder): (&&SkillRequest, &RelPath)| -> Result<Gathered> {
        let package = fetched.package();
        let gone = || -> Error { error!(NotFound, "there is no skill in `{folder}`") };
        let found = skill_at(&package.listing, folder).ok_or_else(gone)?;
        let mut document = read_manifest(package, &found, limits)?;
        document.findings.extend(skill::check_files(&package.dir(&found.folder).entries(), Profile::Install));
        let named = name_all(std::slice::from_ref(&found), std::slice::from_ref(&document), &resolved, world);
        let (own, clashes) = named.into_iter().next().ok_or_else(gone)?;
        document.findings.extend(clashes);
        skill::allow_findings(&mut document.findings, &ask.allow)?;
        let name = ask.alias.clone().unwrap_or_else(|| own.clone());
        let written = document.frontmatter.as_ref().and_then(|front| front.name.clone());
        let candidate = Candidate {
            alias_of: Some(written.unwrap_or_else(|| own.to_string())).filter(|own| *own != name.as_str()),
            name,
            given: None,
            fetched: Arc::clone(&fetched),
            folder: found.folder,
            manifest: found.manifest,
            resolved: Arc::clone(&resolved),
            document,
            marketplace: None,
            reachable,
            allow: ask.allow.clone(),
            live: None,
            digest: OnceLock::new(),
            needs: OnceLock::new(),
        };
        candidate.check(limits)?;
        let (resolved, notes) = (Arc::clone(&resolved), notes.clone());
        Ok(Gathered {
            resolved,
            candidates: vec![candidate],
            needed: Vec::new(),
            skipped: Vec::new(),
            found: 1,
            notes,
            plugin: None,
        })
    };
    asks.iter().zip(folders).map(gather_one).collect()
}
