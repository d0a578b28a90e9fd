//! World: what the server asks of others over HTTP: an issuer's keys, a webhook. Neither follows a
//! redirect. Addresses that a user gave lead to no machine of the operator's own network.

use std::net::IpAddr;
use std::time::Duration;

use ureq::config::Config;
use ureq::http::Uri;
use ureq::unversioned::resolver::{DefaultResolver, ResolvedSocketAddrs, Resolver};
use ureq::unversioned::transport::{DefaultConnector, NextTimeout};

/// Finds only addresses that anybody could reach.
#[derive(Debug, Default)]
struct PublicAddresses(DefaultResolver);

impl Resolver for PublicAddresses {
    fn resolve(
        &self,
        uri: &Uri,
        config: &Config,
        timeout: NextTimeout,
    ) -> Result<ResolvedSocketAddrs, ureq::Error> {
        let found = self.0.resolve(uri, config, timeout)?;
        let mut public = self.empty();
        for address in found.iter().filter(|address| is_public(address.ip())) {
            public.push(*address);
        }
        if public.is_empty() { Err(ureq::Error::HostNotFound) } else { Ok(public) }
    }
}

/// True for an address that is not of this machine, a private network, or of a special kind.
fn is_public(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(v4) => {
            let [a, b, ..] = v4.octets();
            let is_shared = a == 100 && (64..128).contains(&b);
            let is_special = a == 0 || a >= 240 || (a == 192 && b == 0) || (a == 198 && (b == 18 || b == 19));
            !(v4.is_private()
                || v4.is_loopback()
                || v4.is_link_local()
                || v4.is_multicast()
                || v4.is_broadcast()
                || v4.is_documentation()
                || is_shared
                || is_special)
        }
        IpAddr::V6(v6) => {
            if let Some(v4) = v6.to_ipv4_mapped() {
                return is_public(IpAddr::V4(v4));
            }
            // 2000::/3 is what is given to anybody; what tunnels IPv4 in it is left out.
            let first = v6.segments()[0];
            (0x2000..0x4000).contains(&first) && first != 0x2002 && v6.segments()[..2] != [0x2001, 0]
        }
    }
}

fn agent(timeout: Duration, only_public: bool) -> ureq::Agent {
    let config = Config::builder()
        .timeout_global(Some(timeout))
        .max_redirects(0)
        .http_status_as_error(false)
        .proxy(None)
        .user_agent(concat!("ba-agent-registry/", env!("CARGO_PKG_VERSION")))
        .build();
    match only_public {
        true => ureq::Agent::with_parts(config, DefaultConnector::default(), PublicAddresses::default()),
        false => ureq::Agent::new_with_config(config),
    }
}

/// The bytes at an address that the operator set, at most `limit` of them.
///
/// # Errors
/// Why they could not be had.
pub(crate) async fn fetch_public(url: &str, limit: u64, timeout: Duration) -> Result<Vec<u8>, String> {
    let url = url.to_owned();
    let fetched = tokio::task::spawn_blocking(move || {
        let mut response = agent(timeout, false).get(&url).call().map_err(|e| e.to_string())?;
        if response.status() != 200 {
            return Err(format!("`{url}` answered {}", response.status()));
        }
        response.body_mut().with_config().limit(limit).read_to_vec().map_err(|e| e.to_string())
    });
    fetched.await.unwrap_or_else(|e| Err(e.to_string()))
}

/// Posts JSON to an address that a user gave; the status of the answer, whose body nobody reads.
///
/// # Errors
/// Why it could not be reached.
pub(crate) async fn post_json(
    url: &str,
    headers: Vec<(&'static str, String)>,
    body: Vec<u8>,
    allow_private: bool,
) -> Result<u16, String> {
    let url = url.to_owned();
    let posted = tokio::task::spawn_blocking(move || {
        let mut request = agent(Duration::from_secs(10), !allow_private).post(&url);
        for (name, value) in headers {
            request = request.header(name, value);
        }
        request.send(&body[..]).map(|response| response.status().as_u16()).map_err(|e| e.to_string())
    });
    posted.await.unwrap_or_else(|e| Err(e.to_string()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_addresses_that_anybody_could_reach_are_public() {
        let public = ["1.1.1.1", "93.184.216.34", "2606:4700::1111"];
        let own = [
            "127.0.0.1",
            "10.1.2.3",
            "172.16.0.1",
            "192.168.1.1",
            "169.254.169.254",
            "0.0.0.0",
            "100.64.0.1",
            "198.18.0.1",
            "224.0.0.1",
            "255.255.255.255",
            "::1",
            "::",
            "fe80::1",
            "fd00::1",
            "::ffff:10.0.0.1",
            "::ffff:127.0.0.1",
            "2002:7f00:1::",
            "64:ff9b::a00:1",
            "2001::1",
        ];
        for address in public {
            assert!(is_public(address.parse().unwrap()), "{address}");
        }
        for address in own {
            assert!(!is_public(address.parse().unwrap()), "{address}");
        }
    }
}
