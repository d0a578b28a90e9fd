//! Writes the seeds of every target to `corpus/NAME/`, beside what a fuzzer has found.

use std::fs;
use std::path::Path;

fn main() -> std::io::Result<()> {
    let corpus = Path::new(env!("CARGO_MANIFEST_DIR")).join("corpus");
    let all = [
        ba_agent_core::fuzz::TARGETS,
        ba_agent_archive::fuzz::TARGETS,
        ba_agent_system::fuzz::TARGETS,
        ba_agent_net::fuzz::TARGETS,
        ba_agent_git::fuzz::TARGETS,
        ba_agent_engine::fuzz::TARGETS,
    ];
    for (name, _, seeds) in all.concat() {
        let folder = corpus.join(name);
        fs::create_dir_all(&folder)?;
        let seeds = seeds();
        for (n, seed) in seeds.iter().enumerate() {
            fs::write(folder.join(format!("seed-{n:03}")), seed)?;
        }
        println!("{name}: {}", seeds.len());
    }
    Ok(())
}
