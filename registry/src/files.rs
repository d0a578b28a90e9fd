//! Reading: the files of the registry, out of memory where they are asked for often. This is what
//! every installation goes through, so it asks no database.

use std::sync::Arc;

use axum::body::Body;
use axum::http::{HeaderMap, HeaderValue, Method, StatusCode, header};
use axum::response::{IntoResponse as _, Response};
use bytes::Bytes;

use crate::problem::{Answer, Problem};
use crate::registry::RegistryServer;
use crate::settings::BlobRedirect;
use crate::stored_file::{FileKind, StoredFile};

/// Files of at most so many bytes are kept in memory.
pub(crate) const KEPT: u64 = 256 * 1024;

/// True where `If-None-Match` names the tag.
fn is_unchanged(headers: &HeaderMap, etag: &HeaderValue) -> bool {
    let Some(wanted) = headers.get(header::IF_NONE_MATCH).and_then(|value| value.to_str().ok()) else {
        return false;
    };
    let own = etag.to_str().unwrap_or_default();
    wanted.split(',').map(|one| one.trim().trim_start_matches("W/")).any(|one| one == own || one == "*")
}

impl RegistryServer {
    /// Answers a request for a file.
    ///
    /// # Errors
    /// 404 for what is not there, 410 and 451 for what was taken down, 503 when the store is away.
    pub(crate) async fn serve_file(&self, method: &Method, path: &str, headers: &HeaderMap) -> Answer {
        if let Some(file) = self.files.get(path) {
            if file.kind.is_blob {
                self.count_download(path);
            }
            return Ok(self.answer_file(method, headers, &file));
        }
        let kind = FileKind::of(path).ok_or_else(Problem::not_found)?;
        if !matches!(*method, Method::GET | Method::HEAD) {
            let allowed = Problem::new(StatusCode::METHOD_NOT_ALLOWED, "a file is read by GET or HEAD");
            return Err(allowed.with_header(header::ALLOW, "GET, HEAD"));
        }
        self.check_removed(path, kind)?;
        match &self.settings.blobs.redirect {
            BlobRedirect::Cdn(base) if kind.is_blob => {
                self.count_download(path);
                return Ok(redirect_to(&format!("{}/{path}", base.as_str().trim_end_matches('/'))));
            }
            BlobRedirect::Presign if kind.is_blob => {
                if let Some(url) = self.store.presign(path) {
                    self.count_download(path);
                    return Ok(redirect_to(&url));
                }
            }
            _ => {}
        }
        let large = if kind.is_blob { self.store.open_large(path, KEPT).await? } else { None };
        if let Some((file, length)) = large {
            self.count_download(path);
            return Ok(self.stream_blob(method, path, kind, file, length));
        }
        let file = self.load_file(path, kind).await?.ok_or_else(Problem::not_found)?;
        if kind.is_blob {
            self.count_download(path);
        }
        Ok(self.answer_file(method, headers, &file))
    }

    /// A file of the layout, from memory or from the store, and into memory where it is small.
    ///
    /// # Errors
    /// 503 when the store is away.
    pub(crate) async fn load_file(&self, path: &str, kind: FileKind) -> Answer<Option<Arc<StoredFile>>> {
        if let Some(file) = self.files.get(path) {
            return Ok(Some(file));
        }
        let before = self.files_changed(path);
        let Some(stored) = self.store.get(path).await? else { return Ok(None) };
        let file = Arc::new(StoredFile::new(kind, stored.bytes));
        if file.bytes.len() as u64 <= KEPT {
            self.files.insert(path.to_owned(), file.clone());
            // What was written meanwhile is newer than what was read.
            if self.files_changed(path) != before {
                self.files.invalidate(path);
            }
        }
        Ok(Some(file))
    }

    fn check_removed(&self, path: &str, kind: FileKind) -> Answer<()> {
        let hex = path.rsplit('/').next().and_then(|name| name.split('.').next()).unwrap_or_default();
        let reason = if kind.is_blob { self.shelf.removed_reason(hex) } else { None };
        match reason {
            Some(reason) if reason.starts_with("legal:") => {
                let status = StatusCode::UNAVAILABLE_FOR_LEGAL_REASONS;
                Err(Problem::new(status, format!("this archive was taken down: {reason}")))
            }
            Some(reason) => Err(Problem::gone(format!("this archive was taken down: {reason}"))),
            None => match self.shelf.is_buried(path) {
                true => Err(Problem::gone("this skill was removed; its name is never given again")),
                false => Ok(()),
            },
        }
    }

    fn cache_control(&self, kind: FileKind) -> HeaderValue {
        match self.is_private() {
            // Behind a token nothing is for a cache that others share.
            true => HeaderValue::from_static("private, max-age=60"),
            false => HeaderValue::from_static(kind.cache_control),
        }
    }

    fn answer_file(&self, method: &Method, headers: &HeaderMap, file: &StoredFile) -> Response {
        let mut response = Response::new(Body::empty());
        let out = response.headers_mut();
        out.insert(header::ETAG, file.etag.clone());
        out.insert(header::CACHE_CONTROL, self.cache_control(file.kind));
        if is_unchanged(headers, &file.etag) {
            *response.status_mut() = StatusCode::NOT_MODIFIED;
            return response;
        }
        out.insert(header::CONTENT_TYPE, HeaderValue::from_static(file.kind.content_type));
        if *method == Method::HEAD {
            out.insert(header::CONTENT_LENGTH, HeaderValue::from(file.bytes.len()));
        } else {
            *response.body_mut() = Body::from(file.bytes.clone());
        }
        response
    }

    fn stream_blob(
        &self,
        method: &Method,
        path: &str,
        kind: FileKind,
        file: tokio::fs::File,
        length: u64,
    ) -> Response {
        let hex = path.rsplit('/').next().and_then(|name| name.split('.').next()).unwrap_or_default();
        let body = if *method == Method::HEAD { Body::empty() } else { Body::from_stream(read_chunks(file)) };
        let mut response = body.into_response();
        let out = response.headers_mut();
        if let Ok(etag) = HeaderValue::from_str(&format!("\"{}\"", hex.get(..32).unwrap_or(hex))) {
            out.insert(header::ETAG, etag);
        }
        out.insert(header::CACHE_CONTROL, self.cache_control(kind));
        out.insert(header::CONTENT_TYPE, HeaderValue::from_static(kind.content_type));
        out.insert(header::CONTENT_LENGTH, HeaderValue::from(length));
        response
    }
}

/// The bytes of a file, 64 KiB at a time.
fn read_chunks(file: tokio::fs::File) -> impl futures_util::Stream<Item = std::io::Result<Bytes>> + Send {
    use tokio::io::AsyncReadExt as _;
    futures_util::stream::try_unfold(file, |mut file| async move {
        let mut chunk = bytes::BytesMut::with_capacity(64 * 1024);
        let read = file.read_buf(&mut chunk).await?;
        Ok((read > 0).then(|| (chunk.freeze(), file)))
    })
}

fn redirect_to(url: &str) -> Response {
    let mut response = StatusCode::FOUND.into_response();
    if let Ok(url) = HeaderValue::from_str(url) {
        response.headers_mut().insert(header::LOCATION, url);
    }
    response
}
