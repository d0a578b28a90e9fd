//! The same work for many things at once, on plain threads.

use std::sync::Mutex;
use std::sync::PoisonError;
use std::sync::atomic::{AtomicUsize, Ordering};

/// Threads for work on this machine: one for each core.
pub fn count_cores() -> usize {
    std::thread::available_parallelism().map_or(1, usize::from)
}

/// At most so many hosts are asked at the same time; waiting for one costs no core.
pub const MAX_HOSTS: usize = 8;

/// Runs `work` over `jobs` on at most `threads` threads, this one among them, results in the order
/// of the jobs. `check` is asked before each: whether the command is to end.
///
/// # Errors
/// The failure of the first job that failed, or of `check`; jobs not yet begun are then left out.
pub fn run_jobs<J: Sync, T: Send, E: Send>(
    threads: usize,
    jobs: &[J],
    check: impl Fn() -> Result<(), E> + Sync,
    work: impl Fn(&J) -> Result<T, E> + Sync,
) -> Result<Vec<T>, E> {
    let threads = threads.min(jobs.len());
    let work = |job: &J| check().and_then(|()| work(job));
    if threads < 2 {
        return jobs.iter().map(work).collect();
    }
    let next = AtomicUsize::new(0);
    let results: Mutex<Vec<(usize, Result<T, E>)>> = Mutex::new(Vec::with_capacity(jobs.len()));
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
        for _ in 1..threads {
            scope.spawn(take);
        }
        take();
    });
    let mut results = results.into_inner().unwrap_or_else(PoisonError::into_inner);
    results.sort_by_key(|(at, _)| *at);
    results.into_iter().map(|(_, result)| result).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use ba_agent_core::error::{Error, error};

    fn go_on() -> Result<(), Error> {
        Ok(())
    }

    #[test]
    fn results_come_in_the_order_of_the_jobs_and_a_failure_ends_it() {
        let jobs: Vec<u32> = (0..100).collect();
        for threads in [1, 2, 7, 200] {
            assert_eq!(
                run_jobs(threads, &jobs, go_on, |n| Ok(n * 2)).unwrap(),
                jobs.iter().map(|n| n * 2).collect::<Vec<_>>()
            );
            let fails = |n: &u32| if *n == 42 { Err(error!(Failed, "at {n}")) } else { Ok(()) };
            assert_eq!(run_jobs(threads, &jobs, go_on, fails).unwrap_err().message, "at 42");
        }
        assert!(run_jobs(4, &[] as &[u32], go_on, |_| Ok(())).unwrap().is_empty());
    }

    #[test]
    fn who_says_stop_is_asked_before_each_job() {
        let jobs: Vec<u32> = (0..100).collect();
        for threads in [1, 4] {
            let (asked, done) = (AtomicUsize::new(0), AtomicUsize::new(0));
            let check = || match asked.fetch_add(1, Ordering::SeqCst) {
                ..10 => Ok(()),
                _ => Err(error!(Interrupted, "stop")),
            };
            let work = |_: &u32| {
                done.fetch_add(1, Ordering::SeqCst);
                Ok(())
            };
            assert_eq!(run_jobs(threads, &jobs, check, work).unwrap_err().message, "stop");
            assert_eq!(done.into_inner(), 10);
        }
    }
}
