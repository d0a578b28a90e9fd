//! Writes the seeds of every target to `corpus/NAME/`, beside what a fuzzer has found.

use std::fs;
use std::path::Path;

fn main() -> std::io::Result<()> {
    let corpus = Path::new(env!("CARGO_MANIFEST_DIR")).join("corpus");
    for target in ba_agent::fuzz::TARGETS {
        let folder = corpus.join(target.name);
        fs::create_dir_all(&folder)?;
        let seeds = (target.seeds)();
        for (n, seed) in seeds.iter().enumerate() {
            fs::write(folder.join(format!("seed-{n:03}")), seed)?;
        }
        println!("{}: {}", target.name, seeds.len());
    }
    Ok(())
}
