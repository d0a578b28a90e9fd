//! What a host said before it closed the connection. A host that does not take the client
//! certificate says so and closes, often while the request is still being written: the failed
//! write is not the reason, the bytes that wait to be read are.

use std::io::ErrorKind;

use ureq::Error;
use ureq::unversioned::transport::{Buffers, ConnectionDetails, Connector, NextTimeout, Transport};

/// Stands between TCP and TLS.
#[derive(Debug)]
pub(super) struct EarlyCloses;

impl<In: Transport> Connector<In> for EarlyCloses {
    type Out = EarlyClose<In>;

    fn connect(&self, _: &ConnectionDetails, chained: Option<In>) -> Result<Option<Self::Out>, Error> {
        Ok(chained.map(|inner| EarlyClose { inner }))
    }
}

/// A connection whose other end may have closed it: writes into nothing succeed, and the next
/// read tells what was said, or that nothing was.
#[derive(Debug)]
pub(super) struct EarlyClose<T> {
    inner: T,
}

impl<T: Transport> Transport for EarlyClose<T> {
    fn buffers(&mut self) -> &mut dyn Buffers {
        self.inner.buffers()
    }

    fn transmit_output(&mut self, amount: usize, timeout: NextTimeout) -> Result<(), Error> {
        match self.inner.transmit_output(amount, timeout) {
            Err(Error::Io(e)) if is_closed(e.kind()) => Ok(()),
            other => other,
        }
    }

    fn await_input(&mut self, timeout: NextTimeout) -> Result<bool, Error> {
        self.inner.await_input(timeout)
    }

    fn is_open(&mut self) -> bool {
        self.inner.is_open()
    }

    fn is_tls(&self) -> bool {
        self.inner.is_tls()
    }
}

fn is_closed(kind: ErrorKind) -> bool {
    matches!(kind, ErrorKind::BrokenPipe | ErrorKind::ConnectionReset | ErrorKind::ConnectionAborted)
}

#[cfg(test)]
mod tests {
    use ureq::unversioned::transport::LazyBuffers;

    use super::*;

    /// Fails every write, and has something to say.
    #[derive(Debug)]
    struct Closed(LazyBuffers, ErrorKind);

    impl Transport for Closed {
        fn buffers(&mut self) -> &mut dyn Buffers {
            &mut self.0
        }

        fn transmit_output(&mut self, _: usize, _: NextTimeout) -> Result<(), Error> {
            Err(Error::Io(self.1.into()))
        }

        fn await_input(&mut self, _: NextTimeout) -> Result<bool, Error> {
            self.0.input_append_buf()[..3].copy_from_slice(b"no!");
            self.0.input_appended(3);
            Ok(true)
        }

        fn is_open(&mut self) -> bool {
            false
        }
    }

    #[test]
    fn what_was_said_before_is_read_and_other_failures_are_told() {
        let timeout = NextTimeout::default();
        let connection = |kind| EarlyClose { inner: Closed(LazyBuffers::new(64, 64), kind) };
        for kind in [ErrorKind::BrokenPipe, ErrorKind::ConnectionReset] {
            let mut closed = connection(kind);
            closed.transmit_output(1, timeout).unwrap();
            assert!(closed.await_input(timeout).unwrap());
            assert_eq!(closed.buffers().input(), b"no!");
        }
        assert!(connection(ErrorKind::TimedOut).transmit_output(1, timeout).is_err());
    }
}
