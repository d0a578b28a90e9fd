//! Files in a bucket of S3. Requests are signed into their address and sent by the program's one
//! client; a write on condition goes with `If-None-Match: *` or `If-Match`.

use std::io::Read as _;
use std::time::Duration;

use ba_agent_core::error::{Error, Result, error, printable};
use ba_agent_net::http::{HttpResponse, Net, SignedMethod, SignedRequest, from_reader};
use ba_agent_system::env::Env;
use rusty_s3::actions::{ListObjectsV2, S3Action};
use rusty_s3::{Bucket, Credentials, UrlStyle};
use url::Url;

use crate::{ListedObject, ObjectTag, S3Address, StoredObject};

/// How long a signature is good: a large file over a slow line.
const SIGNED_FOR: Duration = Duration::from_secs(15 * 60);
/// Bytes of a list of a thousand files.
const MAX_LIST: u64 = 8 * 1024 * 1024;
/// Bytes of an error that are read.
const MAX_ERROR: u64 = 4 * 1024;
/// Tries of a write that met another one at the same moment (409).
const TRIES: usize = 4;

/// A part of a bucket with the files of a registry.
pub struct S3Objects<'a> {
    address: S3Address,
    bucket: Bucket,
    credentials: Credentials,
    net: &'a Net<'a>,
}

impl<'a> S3Objects<'a> {
    /// The files at an address, with the key of `AWS_ACCESS_KEY_ID`, `AWS_SECRET_ACCESS_KEY` and
    /// `AWS_SESSION_TOKEN`.
    ///
    /// # Errors
    /// `Auth` where no key is set, `Usage` for an endpoint that cannot be asked.
    pub fn new(address: S3Address, env: &Env, net: &'a Net<'a>) -> Result<Self> {
        let (Some(key), Some(secret)) = (env.var("AWS_ACCESS_KEY_ID"), env.var("AWS_SECRET_ACCESS_KEY"))
        else {
            return Err(error!(Auth, "there is no key for the bucket `{}`", address.bucket)
                .hint("set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY"));
        };
        let credentials = match env.var("AWS_SESSION_TOKEN") {
            Some(token) => Credentials::new_with_token(key, secret, token),
            None => Credentials::new(key, secret),
        };
        let endpoint = match &address.endpoint {
            Some(endpoint) => net.parse_url(endpoint.as_str())?,
            None => net.parse_url(&format!("https://s3.{}.amazonaws.com", address.region))?,
        };
        let style = if address.path_style { UrlStyle::Path } else { UrlStyle::VirtualHost };
        let bucket = Bucket::new(endpoint, style, address.bucket.clone(), address.region.clone());
        let bucket =
            bucket.map_err(|e| error!(Usage, "the endpoint of the bucket cannot be asked").cause(e))?;
        Ok(Self { address, bucket, credentials, net })
    }

    pub(crate) fn shown(&self) -> String {
        format!("s3://{}/{}", self.address.bucket, self.address.prefix)
    }

    fn key(&self, path: &str) -> String {
        format!("{}{path}", self.address.prefix)
    }

    /// # Errors
    /// Those of the method of [`crate::Objects`].
    pub(crate) fn get(&self, path: &str, cap: u64) -> Result<Option<StoredObject>> {
        let key = self.key(path);
        let url = self.bucket.get_object(Some(&self.credentials), &key).sign(SIGNED_FOR);
        let answer = self.send(SignedMethod::Get, &url, &[], &[])?;
        match answer.status_code() {
            200 => {}
            404 => return Ok(None),
            _ => return Err(self.refused_error(path, answer)),
        }
        let etag = ObjectTag(answer.header("etag").to_owned());
        let length: Option<u64> = answer.header("content-length").parse().ok();
        let mut bytes = Vec::new();
        answer.into_reader(cap).read_to_end(&mut bytes).map_err(from_reader)?;
        if length.is_some_and(|length| length != bytes.len() as u64) {
            return Err(error!(Network, "`{path}` was cut off on its way from {}", self.shown()));
        }
        Ok(Some(StoredObject { bytes, etag }))
    }

    /// # Errors
    /// Those of the method of [`crate::Objects`].
    pub(crate) fn put(&self, path: &str, bytes: &[u8]) -> Result<()> {
        let answer = self.send_put(path, bytes, None)?;
        match answer.status_code() {
            200..=299 => Ok(()),
            _ => Err(self.refused_error(path, answer)),
        }
    }

    /// # Errors
    /// Those of the method of [`crate::Objects`].
    pub(crate) fn put_if_absent(&self, path: &str, bytes: &[u8]) -> Result<bool> {
        self.put_on_condition(path, bytes, ("if-none-match", "*"))
    }

    /// # Errors
    /// Those of the method of [`crate::Objects`].
    pub(crate) fn put_if_match(&self, path: &str, bytes: &[u8], etag: &ObjectTag) -> Result<bool> {
        self.put_on_condition(path, bytes, ("if-match", &etag.0))
    }

    /// 412: the condition does not hold; 404: what should match is gone; 409: another write on
    /// condition was under way, so this one is tried again.
    fn put_on_condition(&self, path: &str, bytes: &[u8], condition: (&'static str, &str)) -> Result<bool> {
        for last in (0..TRIES).rev() {
            let answer = self.send_put(path, bytes, Some(condition))?;
            match answer.status_code() {
                200..=299 => return Ok(true),
                404 | 412 => return Ok(false),
                409 if last > 0 => {
                    ba_agent_system::interrupt::sleep(Duration::from_millis(100), || Ok(()))?;
                }
                _ => return Err(self.refused_error(path, answer)),
            }
        }
        Ok(false)
    }

    fn send_put(
        &self,
        path: &str,
        bytes: &[u8],
        condition: Option<(&'static str, &str)>,
    ) -> Result<HttpResponse> {
        let key = self.key(path);
        let mut action = self.bucket.put_object(Some(&self.credentials), &key);
        let kind = content_type(path);
        action.headers_mut().insert("content-type", kind);
        let mut headers = vec![("content-type", kind)];
        if let Some((name, value)) = condition {
            action.headers_mut().insert(name, value.to_owned());
            headers.push((name, value));
        }
        let url = action.sign(SIGNED_FOR);
        self.send(SignedMethod::Put, &url, &headers, bytes)
    }

    /// # Errors
    /// Those of the method of [`crate::Objects`].
    pub(crate) fn list(&self, folder: &str) -> Result<Vec<ListedObject>> {
        let prefix = if folder.is_empty() { self.address.prefix.clone() } else { self.key(folder) + "/" };
        let mut listed = Vec::new();
        let mut next: Option<String> = None;
        loop {
            let mut action = self.bucket.list_objects_v2(Some(&self.credentials));
            action.with_prefix(prefix.as_str());
            if let Some(token) = &next {
                action.with_continuation_token(token.as_str());
            }
            let url = action.sign(SIGNED_FOR);
            let answer = self.send(SignedMethod::Get, &url, &[], &[])?;
            if answer.status_code() != 200 {
                return Err(self.refused_error(folder, answer));
            }
            let mut text = String::new();
            answer.into_reader(MAX_LIST).read_to_string(&mut text).map_err(from_reader)?;
            let read = ListObjectsV2::parse_response(&text).map_err(|e| {
                error!(Network, "the list of {} cannot be read", self.shown())
                    .cause(printable(&e.to_string(), false))
            })?;
            for object in read.contents {
                let key = percent_decoded(&object.key, read.encoding_type.as_deref());
                if let Some(path) = key.strip_prefix(&self.address.prefix) {
                    listed.push(ListedObject { path: path.to_owned(), size: object.size.unwrap_or(0) });
                }
            }
            match read.next_continuation_token.filter(|token| next.as_ref() != Some(token)) {
                Some(token) => next = Some(token),
                None => break,
            }
        }
        listed.sort();
        Ok(listed)
    }

    /// # Errors
    /// Those of the method of [`crate::Objects`].
    pub(crate) fn delete(&self, path: &str) -> Result<()> {
        let key = self.key(path);
        let url = self.bucket.delete_object(Some(&self.credentials), &key).sign(SIGNED_FOR);
        let answer = self.send(SignedMethod::Delete, &url, &[], &[])?;
        match answer.status_code() {
            200..=299 | 404 => Ok(()),
            _ => Err(self.refused_error(path, answer)),
        }
    }

    pub(crate) fn presign(&self, path: &str, expires_in: Duration) -> Url {
        self.bucket.get_object(Some(&self.credentials), &self.key(path)).sign(expires_in)
    }

    fn send(
        &self,
        method: SignedMethod,
        url: &Url,
        headers: &[(&'static str, &str)],
        body: &[u8],
    ) -> Result<HttpResponse> {
        self.net.send_signed(SignedRequest { method, url, headers, body })
    }

    /// What S3 says of a refusal, in words. The address of the request holds the signature and is
    /// not shown.
    fn refused_error(&self, path: &str, answer: HttpResponse) -> Error {
        let status = answer.status_code();
        let mut body = Vec::new();
        // What cannot be read says nothing.
        let _ = answer.into_reader(MAX_ERROR).read_to_end(&mut body);
        let text = String::from_utf8_lossy(&body);
        let code =
            text.split_once("<Code>").and_then(|(_, rest)| rest.split_once("</Code>")).map(|(code, _)| code);
        let shown = format!("{}{}", self.shown(), printable(path, false));
        let error = match (status, code) {
            (401 | 403, _) => error!(Auth, "the key does not open `{shown}`")
                .hint("check AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY, the region and the rights of the key"),
            (404, Some("NoSuchBucket")) => error!(NotFound, "there is no bucket `{}`", self.address.bucket)
                .hint("make it first, or check its name and region"),
            (301 | 307 | 308, _) => {
                error!(Network, "the bucket `{}` is answered for elsewhere", self.address.bucket)
                    .hint("name its region, for instance `s3://BUCKET/PREFIX?region=eu-central-1`")
            }
            (507, _) => error!(Failed, "there is no room left for `{shown}`"),
            (500..=599 | 429, _) => {
                error!(Network, "`{shown}` could not be reached").hint("try again in a few minutes")
            }
            _ => error!(Network, "`{shown}` was refused"),
        };
        let code = code.map(|code| format!(" ({})", printable(code, false))).unwrap_or_default();
        error.cause(format!("the remote returned {status}{code}"))
    }
}

/// Keys come as URLs write them where the list says so.
fn percent_decoded(key: &str, encoding: Option<&str>) -> String {
    if encoding != Some("url") {
        return key.to_owned();
    }
    let pairs = format!("k={key}");
    let decoded = url::form_urlencoded::parse(pairs.as_bytes()).next().map(|(_, value)| value.into_owned());
    decoded.unwrap_or_else(|| key.to_owned())
}

/// What browsers and other programs are told that a file is.
fn content_type(path: &str) -> &'static str {
    let end = path.rsplit_once('.').map_or("", |(_, end)| end);
    match end {
        "json" => "application/json",
        "jsonl" => "application/jsonl",
        "gz" => "application/gzip",
        "atom" => "application/atom+xml",
        "html" => "text/html; charset=utf-8",
        "css" => "text/css",
        "svg" => "image/svg+xml",
        _ => "application/octet-stream",
    }
}
