//! The pure parts, one by one, so that a regression is seen where it is made.
use crate::options::Options;

#[cfg(not(feature = "bench"))]
pub(crate) fn run(_: &Options) {
    println!("the pure parts are measured with `cargo bench --features bench`");
}
