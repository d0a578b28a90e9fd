//! What the long attacks share: how often, chance that can be repeated, and all processors.

use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

/// The short number, or the long one at night.
pub(crate) fn times(short: usize, nightly: usize) -> usize {
    if std::env::var_os("BA_AGENT_NIGHTLY").is_some() { nightly } else { short }
}

/// Prints what an attack has shown; `tests/figures` gathers these lines.
#[allow(clippy::print_stdout, reason = "it is for people")]
pub(crate) fn figure(attack: &str, tried: usize, survived: usize, more: &str) {
    println!("figure: {attack} | {tried} | {survived} | {more}");
}

/// A small generator of numbers, so that a failure can be run again: xorshift64*.
pub(crate) struct Dice(u64);

impl Dice {
    /// Seeds that lie side by side give sequences that have nothing in common.
    pub(crate) fn new(seed: u64) -> Self {
        // One round of splitmix64; xorshift must not begin with zero.
        let mixed = (seed ^ 0x9E37_79B9_7F4A_7C15).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        let mut dice = Self((mixed ^ (mixed >> 31)) | 1);
        dice.roll(2);
        dice
    }

    pub(crate) fn roll(&mut self, sides: usize) -> usize {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        usize::try_from(self.0.wrapping_mul(0x2545_F491_4F6C_DD1D) >> 33).unwrap() % sides
    }

    /// True once in so many times.
    pub(crate) fn one_in(&mut self, times: usize) -> bool {
        self.roll(times) == 0
    }

    pub(crate) fn pick<'a, T>(&mut self, of: &'a [T]) -> &'a T {
        &of[self.roll(of.len())]
    }
}

/// Does `job` for the numbers below `count` on all processors. Each thread makes a world of
/// its own with `begin`. The first fault ends it; with `BA_AGENT_KEEP_GOING` all are gathered.
pub(crate) fn on_all_processors<W>(
    count: usize,
    begin: impl Fn() -> W + Sync,
    job: impl Fn(&mut W, usize) -> Result<(), String> + Sync,
) -> Result<(), String> {
    let (next, faults) = (AtomicUsize::new(0), Mutex::new(Vec::new()));
    let keep_going = std::env::var_os("BA_AGENT_KEEP_GOING").is_some();
    let threads = std::thread::available_parallelism().map_or(2, usize::from).min(count.max(1));
    std::thread::scope(|scope| {
        for _ in 0..threads {
            scope.spawn(|| {
                let mut world = begin();
                loop {
                    let number = next.fetch_add(1, Ordering::SeqCst);
                    if number >= count || (!keep_going && !faults.lock().unwrap().is_empty()) {
                        return;
                    }
                    if let Err(text) = job(&mut world, number) {
                        faults.lock().unwrap().push(text);
                    }
                }
            });
        }
    });
    let faults = faults.into_inner().unwrap();
    if faults.is_empty() { Ok(()) } else { Err(faults.join("\n\n")) }
}
