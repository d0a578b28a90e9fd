//! Where the JSON Schemas of our files are, for editors that look at `$schema`. Nothing here
//! ever asks for them.

/// The folder above `schemas/` as it is served: the one place that names the address.
const SERVED_FROM: &str = "https://raw.githubusercontent.com/ba-agent/ba-agent/main/";

/// The schema of the registry.
pub const REGISTRY: &str = "skills_registry.schema.json";
/// The schema of the list of marketplaces.
pub const MARKETPLACES: &str = "schemas/marketplaces.schema.json";
/// The schema of `config.yaml`.
pub const SETTINGS: &str = "schemas/settings.schema.json";

/// The address of a schema of this repository.
pub fn schema_address(file: &str) -> String {
    format!("{SERVED_FROM}{file}")
}
