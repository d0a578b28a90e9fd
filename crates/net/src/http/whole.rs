//! The head and the body of a POST in one write. ureq writes them one after the other,
//! which costs a packet and, with TLS, a record of its own for some hundred bytes.

use ureq::Error;
use ureq::unversioned::transport::{Buffers, ConnectionDetails, Connector, NextTimeout, Transport};

/// Stands behind all other connectors, so that TLS gets the whole request, too.
#[derive(Debug)]
pub(super) struct WholeRequests;

impl<In: Transport> Connector<In> for WholeRequests {
    type Out = Whole<In>;

    fn connect(&self, _: &ConnectionDetails, chained: Option<In>) -> Result<Option<Self::Out>, Error> {
        Ok(chained.map(|inner| Whole { inner, head: Vec::new() }))
    }
}

/// A connection that holds the head of a POST back until its body comes.
#[derive(Debug)]
pub(super) struct Whole<T> {
    inner: T,
    head: Vec<u8>,
}

fn is_head_of_post(bytes: &[u8]) -> bool {
    bytes.starts_with(b"POST ") && bytes.ends_with(b"\r\n\r\n")
}

impl<T: Transport> Whole<T> {
    /// Sends what was held back, and then the first `amount` bytes of the output.
    fn send(&mut self, amount: usize, timeout: NextTimeout) -> Result<(), Error> {
        let head = std::mem::take(&mut self.head);
        let output = self.inner.buffers().output();
        let whole = head.len() + amount;
        if whole <= output.len() {
            output.copy_within(..amount, head.len());
            output[..head.len()].copy_from_slice(&head);
            return self.inner.transmit_output(whole, timeout);
        }
        let body = output[..amount].to_vec();
        output[..head.len()].copy_from_slice(&head);
        self.inner.transmit_output(head.len(), timeout)?;
        self.inner.buffers().output()[..amount].copy_from_slice(&body);
        self.inner.transmit_output(amount, timeout)
    }
}

impl<T: Transport> Transport for Whole<T> {
    fn buffers(&mut self) -> &mut dyn Buffers {
        self.inner.buffers()
    }

    fn transmit_output(&mut self, amount: usize, timeout: NextTimeout) -> Result<(), Error> {
        if !self.head.is_empty() {
            return self.send(amount, timeout);
        }
        let output = &self.inner.buffers().output()[..amount];
        if is_head_of_post(output) {
            self.head = output.to_vec();
            return Ok(());
        }
        self.inner.transmit_output(amount, timeout)
    }

    fn await_input(&mut self, timeout: NextTimeout) -> Result<bool, Error> {
        if !self.head.is_empty() {
            // A POST without a body.
            self.send(0, timeout)?;
        }
        self.inner.await_input(timeout)
    }

    fn is_open(&mut self) -> bool {
        self.inner.is_open()
    }

    fn is_tls(&self) -> bool {
        self.inner.is_tls()
    }
}

#[cfg(test)]
mod tests {
    use ureq::unversioned::transport::LazyBuffers;

    use super::*;

    /// Notes each write.
    #[derive(Debug)]
    struct Notes {
        buffers: LazyBuffers,
        writes: Vec<String>,
    }

    impl Transport for Notes {
        fn buffers(&mut self) -> &mut dyn Buffers {
            &mut self.buffers
        }

        fn transmit_output(&mut self, amount: usize, _: NextTimeout) -> Result<(), Error> {
            let bytes = self.buffers.output()[..amount].to_vec();
            self.writes.push(String::from_utf8(bytes).unwrap());
            Ok(())
        }

        fn await_input(&mut self, _: NextTimeout) -> Result<bool, Error> {
            Ok(false)
        }

        fn is_open(&mut self) -> bool {
            true
        }
    }

    /// What is written when these texts are sent, one after the other, and an answer is
    /// waited for, with an output buffer of so many bytes.
    fn writes(texts: &[&str], buffer: usize) -> Vec<String> {
        let timeout = NextTimeout::default();
        let inner = Notes { buffers: LazyBuffers::new(64, buffer), writes: Vec::new() };
        let mut whole = Whole { inner, head: Vec::new() };
        for text in texts {
            whole.buffers().output()[..text.len()].copy_from_slice(text.as_bytes());
            whole.transmit_output(text.len(), timeout).unwrap();
        }
        whole.await_input(timeout).unwrap();
        whole.inner.writes
    }

    #[test]
    fn a_post_is_one_write_and_all_else_stays_as_it_is() {
        let (post, get) = ("POST / HTTP/1.1\r\n\r\n", "GET / HTTP/1.1\r\n\r\n");
        let both = format!("{post}body");
        assert_eq!(writes(&[post, "body"], 64), [both.as_str()]);
        assert_eq!(writes(&[post, "body", "more"], 64), [both.as_str(), "more"]);
        assert_eq!(writes(&[post], 64), [post]);
        assert_eq!(writes(&[get], 64), [get]);
        assert_eq!(writes(&[get, post, "body"], 64), [get, both.as_str()]);
        assert_eq!(writes(&[post, "0123456789"], 24), [post, "0123456789"], "no room for both");
    }
}
