//! `s3://BUCKET/PREFIX?endpoint=…&region=…`: which bucket, and where it is answered for.

use ba_agent_core::error::{Result, error, printable};
use ba_agent_core::path::RelPath;
use ba_agent_system::env::Env;
use url::Url;

/// Where S3 of AWS takes requests of buckets that say no region.
const REGION: &str = "us-east-1";

/// A part of a bucket.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct S3Address {
    pub bucket: String,
    /// `""`, or with a `/` at its end.
    pub prefix: String,
    pub region: String,
    /// `None` for AWS itself.
    pub endpoint: Option<Url>,
    /// The bucket is the first part of the path, not of the host's name: what others than AWS
    /// expect.
    pub path_style: bool,
}

impl S3Address {
    /// Reads an address; what it does not say comes from `AWS_REGION`, `AWS_DEFAULT_REGION`,
    /// `AWS_ENDPOINT_URL_S3` and `AWS_ENDPOINT_URL`.
    ///
    /// # Errors
    /// `Usage` for what is not such an address.
    pub fn parse(text: &str, env: &Env) -> Result<Self> {
        let shown = printable(text, false);
        let refuse = |why: &str| {
            error!(Usage, "`{shown}` is not the address of a bucket: {why}").hint(
                "write `s3://BUCKET/PREFIX`, or `s3://BUCKET/PREFIX?endpoint=https://HOST&region=REGION`",
            )
        };
        let rest = text.strip_prefix("s3://").ok_or_else(|| refuse("it does not begin with `s3://`"))?;
        let (place, query) = rest.split_once('?').unwrap_or((rest, ""));
        let (bucket, prefix) = place.split_once('/').unwrap_or((place, ""));
        let is_bucket = (3..=63).contains(&bucket.len())
            && bucket.bytes().all(|b| matches!(b, b'a'..=b'z' | b'0'..=b'9' | b'-' | b'.'))
            && !bucket.starts_with(['-', '.']);
        if !is_bucket {
            return Err(refuse("a bucket has 3-63 of a-z, 0-9, `-` and `.`"));
        }
        let prefix = prefix.trim_matches('/');
        if !prefix.is_empty() && RelPath::parse(prefix.as_bytes()).is_err() {
            return Err(refuse("its prefix is not a plain path"));
        }
        let set = |names: [&str; 2]| names.iter().find_map(|name| env.var(name)).map(str::to_owned);
        let mut region = set(["AWS_REGION", "AWS_DEFAULT_REGION"]);
        let mut endpoint = set(["AWS_ENDPOINT_URL_S3", "AWS_ENDPOINT_URL"]);
        let mut style = None;
        for pair in query.split('&').filter(|pair| !pair.is_empty()) {
            match pair.split_once('=') {
                Some(("region", value)) => region = Some(value.to_owned()),
                Some(("endpoint", value)) => endpoint = Some(value.to_owned()),
                Some(("style", "path")) => style = Some(true),
                Some(("style", "host")) => style = Some(false),
                _ => {
                    return Err(refuse(
                        "only `endpoint`, `region` and `style=path|host` may stand behind `?`",
                    ));
                }
            }
        }
        let endpoint = endpoint.map(|text| {
            let url = Url::parse(&text)
                .ok()
                .filter(|url| matches!(url.scheme(), "http" | "https") && url.has_host());
            url.ok_or_else(|| refuse("its endpoint is not the address of a host"))
        });
        let endpoint = endpoint.transpose()?;
        let path_style = style.unwrap_or(endpoint.is_some() || bucket.contains('.'));
        let prefix = if prefix.is_empty() { String::new() } else { format!("{prefix}/") };
        let region = region.unwrap_or_else(|| REGION.to_owned());
        Ok(Self { bucket: bucket.to_owned(), prefix, region, endpoint, path_style })
    }
}
