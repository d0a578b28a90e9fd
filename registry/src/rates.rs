//! How often an address may ask. Each address has a bucket of its own, and nobody shares one for
//! being unknown: an address is always known, it is who is connected, or whom a trusted proxy names.

use std::net::{IpAddr, Ipv6Addr};
use std::num::NonZeroU32;

use axum::http::{HeaderMap, HeaderName, HeaderValue, header};
use governor::clock::{Clock as _, DefaultClock};
use governor::middleware::StateInformationMiddleware;
use governor::state::keyed::DashMapStateStore;
use governor::{Quota, RateLimiter};
use ipnet::IpNet;

/// A bucket for each address.
#[derive(Debug)]
pub(crate) struct AddressRates {
    limiter: RateLimiter<IpAddr, DashMapStateStore<IpAddr>, DefaultClock, StateInformationMiddleware>,
    clock: DefaultClock,
    limit: u32,
}

/// What is left of a bucket.
#[derive(Debug, Clone, Copy)]
pub(crate) struct RateState {
    pub(crate) limit: u32,
    pub(crate) remaining: u32,
    /// Seconds until there is more.
    pub(crate) wait: u64,
    pub(crate) is_over: bool,
}

impl AddressRates {
    /// Buckets of so many requests in a minute.
    pub(crate) fn per_minute(limit: u32) -> Self {
        let limit = NonZeroU32::new(limit).unwrap_or(NonZeroU32::MIN);
        let limiter = RateLimiter::dashmap(Quota::per_minute(limit)).with_middleware();
        Self { limiter, clock: DefaultClock::default(), limit: limit.get() }
    }

    /// Takes one from the bucket of an address.
    pub(crate) fn take(&self, address: IpAddr) -> RateState {
        match self.limiter.check_key(&bucket_of(address)) {
            Ok(state) => {
                let remaining = state.remaining_burst_capacity();
                RateState { limit: self.limit, remaining, wait: 60, is_over: false }
            }
            Err(over) => {
                let wait = over.wait_time_from(self.clock.now()).as_secs() + 1;
                RateState { limit: self.limit, remaining: 0, wait, is_over: true }
            }
        }
    }

    /// Forgets the addresses whose buckets are full again.
    pub(crate) fn forget_full(&self) {
        self.limiter.retain_recent();
        self.limiter.shrink_to_fit();
    }
}

/// A network of IPv6 is given to one customer by 64 bits.
fn bucket_of(address: IpAddr) -> IpAddr {
    match address {
        IpAddr::V4(_) => address,
        IpAddr::V6(v6) => match v6.to_ipv4_mapped() {
            Some(v4) => IpAddr::V4(v4),
            None => IpAddr::V6(Ipv6Addr::from(u128::from(v6) & !u128::from(u64::MAX))),
        },
    }
}

/// Who asks: the peer, or where that is a trusted proxy whom it names, from the right, up to the
/// first that is not one.
pub(crate) fn client_address(peer: IpAddr, headers: &HeaderMap, trusted: &[IpNet]) -> IpAddr {
    let is_trusted = |address: &IpAddr| trusted.iter().any(|net| net.contains(address));
    if !is_trusted(&peer) {
        return peer;
    }
    let lines = headers.get_all("x-forwarded-for").iter().filter_map(|value| value.to_str().ok());
    let named: Vec<&str> = lines.flat_map(|line| line.split(',')).map(str::trim).collect();
    let mut client = peer;
    for text in named.iter().rev() {
        let Ok(address) = text.parse::<IpAddr>() else { break };
        client = address;
        if !is_trusted(&address) {
            break;
        }
    }
    client
}

impl RateState {
    /// Says in the headers what is left.
    pub(crate) fn write_to(self, headers: &mut HeaderMap) {
        let mut set = |name: &'static str, value: u64| {
            headers.insert(HeaderName::from_static(name), HeaderValue::from(value));
        };
        set("ratelimit-limit", u64::from(self.limit));
        set("ratelimit-remaining", u64::from(self.remaining));
        set("ratelimit-reset", self.wait);
        if self.is_over {
            headers.insert(header::RETRY_AFTER, HeaderValue::from(self.wait));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bucket_is_of_one_address() {
        let rates = AddressRates::per_minute(3);
        let (one, two) = ("1.2.3.4".parse().unwrap(), "1.2.3.5".parse().unwrap());
        let taken: Vec<bool> = (0..4).map(|_| rates.take(one).is_over).collect();
        assert_eq!(taken, [false, false, false, true]);
        assert!(!rates.take(two).is_over);
        let (near, far) = ("2001:db8::1".parse().unwrap(), "2001:db8::ffff".parse().unwrap());
        (0..3).for_each(|_| assert!(!rates.take(near).is_over));
        assert!(rates.take(far).is_over, "one network of a customer");
    }

    #[test]
    fn only_a_trusted_proxy_names_somebody_else() {
        let trusted: Vec<IpNet> = vec!["10.0.0.0/8".parse().unwrap()];
        let ask = |peer: &str, forwarded: &str| {
            let mut headers = HeaderMap::new();
            headers.insert("x-forwarded-for", forwarded.parse().unwrap());
            client_address(peer.parse().unwrap(), &headers, &trusted).to_string()
        };
        assert_eq!(ask("1.2.3.4", "9.9.9.9"), "1.2.3.4");
        assert_eq!(ask("10.0.0.1", "9.9.9.9"), "9.9.9.9");
        assert_eq!(
            ask("10.0.0.1", "8.8.8.8, 9.9.9.9, 10.0.0.2"),
            "9.9.9.9",
            "what is left of it is its word"
        );
        assert_eq!(ask("10.0.0.1", "unknown"), "10.0.0.1");
    }
}
