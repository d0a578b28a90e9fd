//! A registry that is only read: at an address, in a folder, in a bucket.

use ba_agent_core::error::{Kind, Result, error, printable};
use ba_agent_net::http::Net;
use ba_agent_objects::{ListedObject, Objects};
use ba_agent_system::env::Env;
use url::Url;

/// Where the files of a registry are read.
pub(crate) enum RegistryReader<'a> {
    Objects(Objects<'a>),
    Web { base: Url, net: &'a Net<'a> },
}

impl<'a> RegistryReader<'a> {
    /// The registry at `https://…`, `file:///…`, `s3://…` or in a folder.
    ///
    /// # Errors
    /// `Usage` for what is none of them; those of [`Objects::open`].
    pub(crate) fn open(address: &str, env: &Env, net: &'a Net<'a>) -> Result<Self> {
        if let Some(folder) = local_folder_of(address)? {
            return Objects::open(&folder, env, net).map(Self::Objects);
        }
        if !address.starts_with("https://") && !address.starts_with("http://") {
            return Objects::open(address, env, net).map(Self::Objects);
        }
        let mut base = net.parse_url(address)?;
        base.set_query(None);
        base.set_fragment(None);
        if !base.path().ends_with('/') {
            let path = format!("{}/", base.path());
            base.set_path(&path);
        }
        Ok(Self::Web { base, net })
    }

    /// How a person calls it.
    pub(crate) fn shown(&self) -> String {
        match self {
            Self::Objects(objects) => objects.shown(),
            Self::Web { base, .. } => printable(base.as_str().trim_end_matches('/'), false),
        }
    }

    /// A file of at most `cap` bytes; `None` where there is none.
    ///
    /// # Errors
    /// Those of the disk or the network; `Invalid` for a larger file.
    pub(crate) fn get(&self, path: &str, cap: u64) -> Result<Option<Vec<u8>>> {
        match self {
            Self::Objects(objects) => Ok(objects.get(path, cap)?.map(|file| file.bytes)),
            Self::Web { base, net } => {
                let url = base.join(path).map_err(|e| error!(Invalid, "`{path}` has no address").cause(e))?;
                match net.download(url.as_str(), cap) {
                    Ok(bytes) => Ok(Some(bytes)),
                    Err(error) if error.kind == Kind::NotFound => Ok(None),
                    Err(error) => Err(error),
                }
            }
        }
    }

    /// All files, where they can be listed: a web server lists none.
    ///
    /// # Errors
    /// Those of the disk or the network.
    pub(crate) fn list(&self) -> Result<Option<Vec<ListedObject>>> {
        match self {
            Self::Objects(objects) => objects.list("").map(Some),
            Self::Web { .. } => Ok(None),
        }
    }
}

/// The folder that `file:///…` names.
fn local_folder_of(address: &str) -> Result<Option<String>> {
    if !address.starts_with("file:") {
        return Ok(None);
    }
    let folder = Url::parse(address).ok().and_then(|url| url.to_file_path().ok());
    match folder.as_ref().and_then(|folder| folder.to_str()) {
        Some(folder) => Ok(Some(folder.to_owned())),
        None => Err(error!(Usage, "`{}` is not a folder", printable(address, false))),
    }
}
