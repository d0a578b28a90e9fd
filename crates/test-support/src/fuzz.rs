//! The fuzz targets, run where there is no fuzzer: so they do not rot where there is no nightly compiler.

/// A name, what it does with bytes, and what a fuzzer may begin with.
pub type FuzzTarget = (&'static str, fn(&[u8]), fn() -> Vec<Vec<u8>>);

/// Mutations of all seeds of a target together.
const MOST: usize = 300;

/// Runs each target on a thread of its own over its seeds as they are, then with one bit turned,
/// one byte gone, or cut short, at places that are spread evenly.
///
/// # Panics
/// Where a target panics, and where it has no seeds.
pub fn run_near_seeds(targets: &[FuzzTarget]) {
    assert!(targets.is_sorted_by_key(|(name, ..)| name));
    std::thread::scope(|scope| {
        for target in targets {
            // A panic tells the name of its thread.
            let thread = std::thread::Builder::new().name(target.0.to_owned());
            thread.spawn_scoped(scope, || run_target(target)).expect("a thread");
        }
    });
}

fn run_target((name, run, seeds): &FuzzTarget) {
    let seeds = seeds();
    assert!(!seeds.is_empty(), "{name} has no seeds");
    run(b"");
    let share = MOST.div_ceil(seeds.len());
    for seed in &seeds {
        run(seed);
        for n in 0..share.min(seed.len() * 8) {
            let (at, mut bytes) = (n * seed.len() / share.min(seed.len() * 8), seed.clone());
            match n % 8 {
                0..6 => bytes[at] ^= 1 << (n % 7),
                6 => drop(bytes.remove(at)),
                _ => bytes.truncate(at),
            }
            run(&bytes);
        }
    }
}
