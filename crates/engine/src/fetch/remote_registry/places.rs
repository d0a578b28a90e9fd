//! Where the files of a registry are: a host, or a folder of this machine.

use std::io::Read as _;
use std::path::PathBuf;

use url::Url;

use super::super::World;
use ba_agent_core::error::{Error, Kind, Result, error, printable};
use ba_agent_core::source::parse_registry_address;
use ba_agent_net::credentials::{Login, origin};
use ba_agent_net::http::{AGENT, HttpRequest, HttpResponse, from_reader, is_web_page};
use ba_agent_system::fsx;

/// A registry, or a mirror of it.
#[derive(Debug, Clone)]
pub(super) enum RegistryPlace {
    /// Its address, with a slash at the end.
    Web(Url),
    Folder(PathBuf),
}

/// What a place says.
pub(super) enum PlaceAnswer {
    /// The copy that is known is still right.
    NotModified,
    Bytes {
        bytes: Vec<u8>,
        etag: String,
    },
}

impl RegistryPlace {
    /// The place at an address.
    ///
    /// # Errors
    /// `Usage` for an address that may not be asked.
    pub(super) fn parse(url: &str, world: &World<'_>) -> Result<Self> {
        let address = parse_registry_address(url)?;
        if address.starts_with("file:") {
            let folder = Url::parse(&address).ok().and_then(|url| url.to_file_path().ok());
            let shown = printable(url, false);
            return folder.map(Self::Folder).ok_or_else(|| error!(Usage, "`{shown}` is not a folder"));
        }
        world.net().parse_url(&format!("{address}/")).map(Self::Web)
    }

    pub(super) fn is_folder(&self) -> bool {
        matches!(self, Self::Folder(_))
    }

    /// The place as text.
    pub(super) fn shown(&self) -> String {
        match self {
            Self::Web(url) => printable(url.as_str().trim_end_matches('/'), false),
            Self::Folder(folder) => printable(&folder.display().to_string(), false),
        }
    }

    /// Asks for a file. `registry` is the name of the registry, of which `login` is.
    ///
    /// # Errors
    /// `NotFound` for what is not there, `Auth` where a token is wanted or refused, `Network` for a
    /// host that does not answer, answers with a page for people or sends elsewhere, `Integrity`
    /// for more bytes than there can be.
    pub(super) fn ask(
        &self,
        path: &str,
        etag: Option<&str>,
        most: u64,
        login: Option<&Login>,
        registry: Option<&str>,
        world: &World<'_>,
    ) -> Result<PlaceAnswer> {
        let base = match self {
            Self::Web(base) => base,
            Self::Folder(folder) => {
                let missing = || error!(NotFound, "`{}` has no `{path}`", self.shown());
                let bytes = fsx::read_plain_file(&folder.join(path), most).map_err(|e| too_much(e, self))?;
                let bytes = bytes.ok_or_else(missing)?;
                return Ok(PlaceAnswer::Bytes { bytes, etag: String::new() });
            }
        };
        let url = base.join(path).map_err(|e| error!(Usage, "`{path}` has no address").cause(e))?;
        let mut headers = vec![("User-Agent", AGENT)];
        headers.extend(etag.map(|etag| ("If-None-Match", etag)));
        let ask = HttpRequest { headers: &headers, login, asks_helpers: false, ..HttpRequest::get(&url) };
        // An archive is known by its digest, whoever sends it; for all else the host vouches.
        let is_known_by_digest = path.ends_with(".tar.gz");
        let answer = world.net().follow(ask, |from, to| match is_known_by_digest {
            true => Ok(()),
            false => stay_on_host(from, to),
        })?;
        if answer.status_code() == 304 && etag.is_some() {
            return Ok(PlaceAnswer::NotModified);
        }
        let answer = self.check_status(answer, path, login.is_some(), registry, world)?;
        let etag = answer.header("etag").to_owned();
        let bytes = read_all(answer, most, world).map_err(|e| too_much(e, self))?;
        if is_web_page(&bytes) {
            return Err(error!(Network, "{} answered with a web page for `{path}`", self.shown())
                .hint("it may be a sign-in page of the network: open the address in a browser")
                .hint("is this the address of a registry?"));
        }
        Ok(PlaceAnswer::Bytes { bytes, etag })
    }

    fn check_status(
        &self,
        answer: HttpResponse,
        path: &str,
        has_token: bool,
        registry: Option<&str>,
        world: &World<'_>,
    ) -> Result<HttpResponse> {
        let status = answer.status_code();
        let name = registry.unwrap_or("NAME");
        let login = format!("`ba-agent login {name}` keeps a token for it");
        let error = match status {
            401 | 403 if has_token => error!(Auth, "{} refused the token for `{path}`", self.shown())
                .hint("it may be expired, or not be for this: `ba-agent whoami` says whose it is"),
            401 | 403 => error!(Auth, "{} requires a token for `{path}`", self.shown()),
            404 => error!(NotFound, "{} has no `{path}`", self.shown()),
            410 => error!(NotFound, "`{path}` was removed from {}", self.shown()),
            _ => return answer.check_status(&world.net().credentials, &format!("{}/{path}", self.shown())),
        };
        let error = error.cause(format!("the remote returned {status}"));
        Err(match status {
            401 | 403 => error.hint(login),
            404 if !has_token => error.hint(format!("is the name right? where it is private, {login}")),
            _ => error,
        })
    }
}

/// The files of a registry but for its archives are what its host says: another one has no say.
fn stay_on_host(from: &Url, to: &Url) -> Result<()> {
    if origin(from) == origin(to) || (from.host() == to.host() && to.scheme() == "https") {
        return Ok(());
    }
    Err(error!(Network, "{} redirects to another host", printable(from.as_str(), false))
        .cause(printable(&origin(to), false))
        .hint("the registry itself must answer for its index; if it has moved, add it under its new address"))
}

fn read_all(answer: HttpResponse, most: u64, world: &World<'_>) -> Result<Vec<u8>> {
    let length: Option<u64> = answer.header("content-length").parse().ok();
    let mut reader = answer.into_reader(most);
    let (mut bytes, mut buffer) = (Vec::new(), vec![0; 64 * 1024]);
    loop {
        world.check_cancelled()?;
        let read = reader.read(&mut buffer).map_err(from_reader)?;
        bytes.extend_from_slice(&buffer[..read]);
        if read == 0 {
            return Ok(bytes);
        }
        world.progress.advance(bytes.len() as u64, length);
    }
}

/// More bytes than there can be are other bytes.
fn too_much(error: Error, place: &RegistryPlace) -> Error {
    if error.kind != Kind::Invalid {
        return error;
    }
    error!(Integrity, "{} sent more than it said", place.shown()).cause(error.message)
}
