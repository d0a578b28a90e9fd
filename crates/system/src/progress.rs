//! How whoever called sees that work goes on, and ends it.

use std::io::Read;

use crate::interrupt;
use ba_agent_core::error::Result;

/// What a face gives to see how a fetch goes.
pub trait Progress: Sync {
    /// A step begins, for instance "Fetching anthropics/skills".
    fn begin(&self, what: &str);

    /// How far it is, in bytes or objects; the total where it is known.
    fn advance(&self, done: u64, total: Option<u64>);

    /// Asked between two steps and two pieces of an answer. A process that runs one command is
    /// stopped by Ctrl-C; one that runs several can say here which of them is to end.
    ///
    /// # Errors
    /// `Interrupted` when the command is to end.
    fn check_cancelled(&self) -> Result<()> {
        interrupt::check()
    }
}

/// A reader that ends with an error when the command is to end.
pub struct CancellableReader<'a, R> {
    inner: R,
    progress: &'a dyn Progress,
}

impl<'a, R> CancellableReader<'a, R> {
    pub fn new(inner: R, progress: &'a dyn Progress) -> Self {
        Self { inner, progress }
    }
}

impl<R: Read> Read for CancellableReader<'_, R> {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        self.progress.check_cancelled().map_err(std::io::Error::other)?;
        self.inner.read(buffer)
    }
}
