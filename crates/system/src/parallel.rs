//! The same work for many things at once, on plain threads.

use std::sync::Mutex;
use std::sync::PoisonError;
use std::sync::atomic::{AtomicUsize, Ordering};

use crate::interrupt;
use ba_agent_core::error::Result;

/// Threads for work on this machine: one for each core.
pub fn count_cores() -> usize {
    std::thread::available_parallelism().map_or(1, usize::from)
}

/// At most so many hosts are asked at the same time; waiting for one costs no core.
pub const MAX_HOSTS: usize = 8;

/// Runs `work` over `jobs` on at most `threads` threads, results in the order of the jobs.
///
/// # Errors
/// The failure of the first job that failed; jobs not yet begun are then left out, as they are
/// when the person asks to stop.
pub fn run_jobs<J: Sync, T: Send>(
    threads: usize,
    jobs: &[J],
    work: impl Fn(&J) -> Result<T> + Sync,
) -> Result<Vec<T>> {
    let threads = threads.min(jobs.len());
    let work = |job: &J| interrupt::check().and_then(|()| work(job));
    if threads < 2 {
        return jobs.iter().map(work).collect();
    }
    let next = AtomicUsize::new(0);
    let results: Mutex<Vec<(usize, Result<T>)>> = Mutex::new(Vec::with_capacity(jobs.len()));
    let take = || {
        loop {
            let at = next.fetch_add(1, Ordering::Relaxed);
            let Some(job) = jobs.get(at) else { break };
            let result = work(job);
            if result.is_err() {
                next.store(jobs.len(), Ordering::Relaxed);
            }
            results.lock().unwrap_or_else(PoisonError::into_inner).push((at, result));
        }
    };
    std::thread::scope(|scope| {
        for _ in 0..threads {
            scope.spawn(take);
        }
    });
    let mut results = results.into_inner().unwrap_or_else(PoisonError::into_inner);
    results.sort_by_key(|(at, _)| *at);
    results.into_iter().map(|(_, result)| result).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use ba_agent_core::error::error;

    #[test]
    fn results_come_in_the_order_of_the_jobs_and_a_failure_ends_it() {
        let jobs: Vec<u32> = (0..100).collect();
        for threads in [1, 2, 7, 200] {
            assert_eq!(
                run_jobs(threads, &jobs, |n| Ok(n * 2)).unwrap(),
                jobs.iter().map(|n| n * 2).collect::<Vec<_>>()
            );
            let fails = |n: &u32| if *n == 42 { Err(error!(Failed, "at {n}")) } else { Ok(()) };
            assert_eq!(run_jobs(threads, &jobs, fails).unwrap_err().message, "at 42");
        }
        assert!(run_jobs(4, &[] as &[u32], |_| Ok(())).unwrap().is_empty());
    }
}
