//! Skills that other skills need: what is missing, in a circle, in the wrong version, or not ready
//! on this machine.

use super::super::tree::{SkillForest, list_forest};
use super::{DoctorContext, DoctorFinding, Examination};
use ba_agent_core::error::printable;
use ba_agent_core::registry::Registry;

/// Looks at what installed skills need.
pub(super) fn examine_needs(context: &DoctorContext<'_>, registry: &Registry, seen: &mut Examination) {
    let forest = match list_forest(registry, &context.session) {
        Ok(forest) => forest,
        Err(error) => return seen.add(DoctorFinding::of_error("dependencies", &error)),
    };
    for one in &forest.missing {
        let (name, by) = (printable(&one.name, false), one.wanted_by.join(", "));
        let by_first = one.wanted_by.first().map_or("", String::as_str);
        seen.add(
            DoctorFinding::warning(
                "dependency-missing",
                format!("the skill `{name}` is missing: {by} needs it"),
            )
            .hint(format!("`ba-agent skill deps {by_first}` says where that is written"))
            .hint(format!("`ba-agent skill update {by_first}` brings it, where its source has it")),
        );
    }
    for one in &forest.conflicts {
        let version = one.version.as_deref().unwrap_or("without a version");
        let message = format!("`{}` is {version}, which others cannot do with", one.name);
        let by = one.wanted_by.iter().map(|by| {
            let range = by.range.as_deref().unwrap_or("any version");
            format!("{} needs {range} ({})", by.name, printable(&by.at, false))
        });
        seen.add(DoctorFinding::warning("dependency-version", message).details(by.collect()));
    }
    for cycle in &forest.cycles {
        let message = format!("these skills need each other: {}", cycle.join(" -> "));
        seen.add(DoctorFinding::note("dependency-circle", message));
    }
    note_unready(&forest, seen);
}

fn note_unready(forest: &SkillForest, seen: &mut Examination) {
    for node in forest.nodes.iter().filter(|node| !node.ready && node.enabled) {
        let message = format!("`{}` is not ready on this machine", node.name);
        seen.add(DoctorFinding::note("readiness", message).details(node.unmet.clone()));
    }
}
