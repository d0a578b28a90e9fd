//! Deeds: the same work over many skills, on all cores.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};

use crate::error::Result;

/// Runs `work` over `jobs` on as many threads as there are cores, results in order.
///
/// # Errors
/// The first failure; the others are dropped, jobs not yet begun are left out.
pub(super) fn in_parallel<J: Sync, T: Send>(
    jobs: &[J],
    work: impl Fn(&J) -> Result<T> + Sync,
) -> Result<Vec<T>> {
    let threads = std::thread::available_parallelism().map_or(1, usize::from).min(jobs.len());
    if threads < 2 {
        return jobs.iter().map(work).collect();
    }
    let next = AtomicUsize::new(0);
    let results: Mutex<Vec<(usize, Result<T>)>> = Mutex::new(Vec::with_capacity(jobs.len()));
    std::thread::scope(|scope| {
        for _ in 0..threads {
            scope.spawn(|| {
                loop {
                    let at = next.fetch_add(1, Ordering::Relaxed);
                    let Some(job) = jobs.get(at) else { break };
                    let result = work(job);
                    if result.is_err() {
                        next.store(jobs.len(), Ordering::Relaxed);
                    }
                    results.lock().unwrap_or_else(PoisonError::into_inner).push((at, result));
                }
            });
        }
    });
    let mut results = results.into_inner().unwrap_or_else(PoisonError::into_inner);
    results.sort_by_key(|(at, _)| *at);
    results.into_iter().map(|(_, result)| result).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::error;

    #[test]
    fn results_come_in_the_order_of_the_jobs() {
        let jobs: Vec<usize> = (0..100).collect();
        let doubled: Vec<usize> = jobs.iter().map(|n| n * 2).collect();
        assert_eq!(in_parallel(&jobs, |n| Ok(n * 2)).unwrap(), doubled);
        assert_eq!(in_parallel(&[], |n: &usize| Ok(*n)).unwrap(), Vec::<usize>::new());
    }

    #[test]
    fn a_failure_is_the_outcome() {
        let jobs: Vec<usize> = (0..100).collect();
        let work = |n: &usize| if *n == 7 { Err(error!(Failed, "seven")) } else { Ok(*n) };
        assert_eq!(in_parallel(&jobs, work).unwrap_err().message, "seven");
    }
}
