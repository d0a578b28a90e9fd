//! Skills that their registries took down.

use super::super::revoked::{RevocationKnowledge, find_revoked};
use super::{DoctorContext, DoctorFinding, Examination};
use ba_agent_core::registry::Registry;

/// Asks the registries of installed skills what they took down, not more often than once a minute.
pub(super) fn examine_revoked(context: &DoctorContext<'_>, registry: &Registry, seen: &mut Examination) {
    let world = context.session.world();
    match find_revoked(&registry.skills, RevocationKnowledge::Asked, &world) {
        Ok(revoked) => {
            for one in revoked {
                let finding = DoctorFinding::wrong("revoked", format!("`{}`: {}", one.name, one.reason));
                seen.add(finding.hint(format!("`ba-agent skill uninstall {}` removes it", one.name)).hint(
                    format!("`ba-agent skill update {}` takes another version, where there is one", one.name),
                ));
            }
        }
        Err(error) => seen.add(DoctorFinding::of_error("revoked", &error)),
    }
}
