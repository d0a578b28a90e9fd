//! Which certificate authorities are trusted, and what is wrong with a certificate, in
//! plain words. The built-in list and the system's store, and beside them what the user names.

use std::path::{Path, PathBuf};

use fs_err as fs;
use rustls::CertificateError;
use rustls::pki_types::CertificateDer;
use ureq::tls::{Certificate, PemItem, RootCerts, parse_pem};
use url::Url;

use super::pem_file::{plain_reason_of_error, read_pem};
use super::{Net, client_certificate};
use crate::git_config::is_true;
use crate::policy::host_of;
use ba_agent_core::error::{Error, Result, error, printable};

/// The files and folders of authorities that a user names for a URL, each with the name of the
/// setting or variable. Nothing is read yet.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Authorities {
    files: Vec<(&'static str, PathBuf)>,
    folders: Vec<(&'static str, PathBuf)>,
}

impl Authorities {
    /// `ca_file` and `SSL_CERT_FILE`, `CURL_CA_BUNDLE`, `SSL_CERT_DIR`; of git `GIT_SSL_CAINFO`,
    /// else `http.<url>.sslCAInfo`, and the same for folders of certificates.
    ///
    /// # Errors
    /// `Usage` when the git configuration cannot be read.
    pub(super) fn find_for(net: &Net<'_>, url: &Url) -> Result<Self> {
        let env = net.env;
        let path = |text: &str| env.absolute(Path::new(text));
        let config = net.credentials.git_config()?;
        let git = |variable: &'static str, name: &'static str, setting: &'static str| {
            let set = env.var(variable).map(|text| (variable, text));
            let set = set.or_else(|| config.http_text(name, url).map(|text| (setting, text)));
            // Git for Windows writes where it is installed as `%(prefix)`.
            set.filter(|(_, text)| !text.is_empty() && !text.starts_with("%(prefix)"))
                .map(|(source, text)| (source, path(text)))
        };
        let variable = |name: &'static str| env.var(name).map(|text| (name, path(text)));
        let own = net.hosts.ca_file.clone().map(|file| ("ca_file", file));
        let files = [
            own,
            variable("SSL_CERT_FILE"),
            variable("CURL_CA_BUNDLE"),
            git("GIT_SSL_CAINFO", "sslcainfo", "http.sslCAInfo"),
        ];
        let listed = env.var("SSL_CERT_DIR").map(|text| std::env::split_paths(text).collect::<Vec<_>>());
        let listed = listed.into_iter().flatten().filter(|dir| !dir.as_os_str().is_empty());
        let folders = listed.map(|dir| ("SSL_CERT_DIR", env.absolute(&dir)));
        let folders = folders.chain(git("GIT_SSL_CAPATH", "sslcapath", "http.sslCAPath"));
        Ok(Self { files: each_once(files.into_iter().flatten()), folders: each_once(folders) })
    }

    /// All that is trusted. Read once for a run, and not before something is asked by https.
    ///
    /// # Errors
    /// `Usage` for a file that is missing, cannot be read or holds no certificate; it names
    /// the variable.
    pub(super) fn read(&self) -> Result<RootCerts> {
        let mut all: Vec<Certificate<'static>> =
            webpki_root_certs::TLS_SERVER_ROOT_CERTS.iter().map(|der| Certificate::from_der(der)).collect();
        // What of the system's store cannot be read is not what the user asked for.
        all.extend(system_store().iter().map(|der| Certificate::from_der(der).to_owned()));
        for (source, file) in &self.files {
            let found = read_certificates(file).map_err(|why| refused(source, file, "file", &why))?;
            if found.is_empty() {
                return Err(refused(source, file, "file", "it contains no certificate"));
            }
            all.extend(found);
        }
        for (source, folder) in &self.folders {
            fs::read_dir(folder)
                .map_err(|e| refused(source, folder, "folder", &plain_reason_of_error(&e)))?;
            // A folder may hold keys, lists of revoked ones and readmes beside them.
            let found = rustls_native_certs::load_certs_from_paths(None, Some(folder)).certs;
            all.extend(found.iter().map(|der| Certificate::from_der(der).to_owned()));
        }
        // Machines often name one bundle in every way there is.
        all.sort_unstable_by(|a, b| a.der().cmp(b.der()));
        all.dedup_by(|a, b| a.der() == b.der());
        Ok(RootCerts::new_with_certs(&all))
    }
}

/// Where OpenSSL would look: the bundle, which says the same as the folder beside it in one file
/// instead of some hundred.
#[cfg(all(unix, not(target_os = "macos")))]
fn system_store() -> Vec<CertificateDer<'static>> {
    let found = openssl_probe::probe();
    let load =
        |file: Option<&Path>, dir: Option<&Path>| rustls_native_certs::load_certs_from_paths(file, dir).certs;
    match &found.cert_file {
        Some(file) => load(Some(file), None),
        None => found.cert_dir.iter().flat_map(|dir| load(None, Some(dir))).collect(),
    }
}

/// The keychain, or the store of Windows.
#[cfg(not(all(unix, not(target_os = "macos"))))]
fn system_store() -> Vec<CertificateDer<'static>> {
    rustls_native_certs::load_native_certs().certs
}

/// The first of those that name the same place.
fn each_once(named: impl Iterator<Item = (&'static str, PathBuf)>) -> Vec<(&'static str, PathBuf)> {
    let mut all: Vec<(&'static str, PathBuf)> = Vec::new();
    for (source, path) in named {
        if all.iter().all(|(_, known)| *known != path) {
            all.push((source, path));
        }
    }
    all
}

fn refused(source: &str, path: &Path, what: &str, why: &str) -> Error {
    let shown = printable(&path.display().to_string(), false);
    error!(Usage, "the certificates that {source} names cannot be used: `{shown}`")
        .cause(why.to_owned())
        .hint(format!("name a {what} of certificate authorities in PEM form, or unset {source}"))
}

/// The certificates in a PEM file; keys and the like are passed over.
fn read_certificates(file: &Path) -> Result<Vec<Certificate<'static>>, String> {
    let mut found = Vec::new();
    for item in parse_pem(&read_pem(file)?) {
        match item {
            Ok(PemItem::Certificate(certificate)) => found.push(certificate),
            Ok(_) => {}
            Err(e) => return Err(printable(&e.to_string(), false)),
        }
    }
    Ok(found)
}

/// What is wrong with a host's certificate, or with its TLS; `None` for another failure.
pub(super) fn tls_error(net: &Net<'_>, url: &Url, error: &ureq::Error) -> Option<Error> {
    let tls = match error {
        ureq::Error::Rustls(tls) => tls,
        ureq::Error::Io(e) => e.get_ref()?.downcast_ref::<rustls::Error>()?,
        _ => return None,
    };
    let host = host_of(url);
    if let rustls::Error::AlertReceived(alert) = tls
        && client_certificate::is_about_client(*alert)
    {
        let cause = printable(&tls.to_string(), false);
        return Some(client_certificate::certificate_error(net, url, cause));
    }
    let authority = "name its authority: `ca_file` in config.yaml, SSL_CERT_FILE, or git's http.sslCAInfo";
    let error = match tls {
        rustls::Error::InvalidCertificate(why) => match explain_certificate_error(host, why) {
            (sentence, true) => error!(Network, "{sentence}").hint(authority),
            (sentence, false) => error!(Network, "{sentence}").hint("its operator has to renew it"),
        },
        rustls::Error::InvalidMessage(_) => {
            error!(Network, "{host} does not speak TLS on port {}", port(url))
                .hint("is the port right? is it plain http:// there?")
        }
        other => {
            let error =
                error!(Network, "no secure connection to {host}").cause(printable(&other.to_string(), false));
            // By this alert a host may mean nearly anything.
            match client_certificate::closing_hint(net, url) {
                Some(hint) => error.hint(hint),
                None => error,
            }
        }
    };
    Some(if is_verification_off(net, url) {
        error
            .hint("`http.sslVerify=false` and GIT_SSL_NO_VERIFY are ignored: certificates are always checked")
    } else {
        error
    })
}

fn port(url: &Url) -> u16 {
    url.port_or_known_default().unwrap_or_default()
}

/// A sentence, and whether trusting another authority would help.
fn explain_certificate_error(host: &str, why: &CertificateError) -> (String, bool) {
    let unknown = || format!("the certificate of {host} is signed by an unknown authority");
    match why {
        // A bad signature is an authority of the same name with another key.
        CertificateError::UnknownIssuer | CertificateError::BadSignature => (unknown(), true),
        CertificateError::Expired | CertificateError::ExpiredContext { .. } => {
            (format!("the certificate of {host} has expired"), false)
        }
        CertificateError::NotValidYet | CertificateError::NotValidYetContext { .. } => {
            (format!("the certificate of {host} is not valid yet; is this machine's clock right?"), false)
        }
        CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. } => {
            (format!("the certificate of {host} is for another name"), false)
        }
        CertificateError::Revoked => (format!("the certificate of {host} was revoked"), false),
        other if format!("{other:?}").contains("CaUsedAsEndEntity") => (
            format!(
                "the certificate of {host} is a certificate authority's own, not one issued for the host"
            ),
            false,
        ),
        other => {
            let why = printable(&other.to_string(), false);
            (format!("the certificate of {host} cannot be accepted: {why}"), false)
        }
    }
}

/// Whether git would not look at the certificate.
fn is_verification_off(net: &Net<'_>, url: &Url) -> bool {
    let config = net.credentials.git_config().ok();
    let set = config
        .and_then(|config| config.http_values_for_url("sslverify", url).last().map(|one| is_true(one.value)));
    set == Some(false) || net.env.var("GIT_SSL_NO_VERIFY").is_some()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::Bench;
    use ba_agent_core::error::Kind;

    const URL: &str = "https://h.example/o/r.git";

    fn authorities(bench: &Bench) -> Authorities {
        Authorities::find_for(&bench.net(), &Url::parse(URL).unwrap()).unwrap()
    }

    #[test]
    fn named_authorities_are_added_to_those_that_are_known() {
        let mut bench = Bench::new();
        let RootCerts::Specific(known) = authorities(&bench).read().unwrap() else { panic!() };
        assert!(known.len() >= webpki_root_certs::TLS_SERVER_ROOT_CERTS.len());
        let file = bench.home.path().join("ca.pem");
        std::fs::write(&file, "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n").unwrap();
        bench.hosts.ca_file = Some(file);
        let RootCerts::Specific(all) = authorities(&bench).read().unwrap() else { panic!() };
        assert_eq!(all.len(), known.len() + 1);
        let again = bench.hosts.ca_file.clone().unwrap().display().to_string();
        let mut named = Bench::with(&[("SSL_CERT_FILE", &again), ("GIT_SSL_CAINFO", &again)]);
        named.hosts.ca_file = bench.hosts.ca_file.clone();
        assert_eq!(authorities(&named).files.len(), 1, "one file under three names");
    }

    #[test]
    fn a_file_that_cannot_be_used_is_named_with_what_names_it() {
        let here = tempfile::tempdir().unwrap();
        let bad = here.path().join("bad.pem");
        let (bad, folder) = (bad.display().to_string(), here.path().display().to_string());
        for text in ["", "no pem", "-----BEGIN CERTIFICATE-----\n!\n-----END CERTIFICATE-----\n"] {
            std::fs::write(&bad, text).unwrap();
            for variable in ["SSL_CERT_FILE", "CURL_CA_BUNDLE", "GIT_SSL_CAINFO"] {
                for path in [bad.as_str(), "/no/such/file", folder.as_str()] {
                    let error = authorities(&Bench::with(&[(variable, path)])).read().unwrap_err();
                    assert!(
                        error.kind == Kind::Usage && error.message.contains(variable),
                        "{path}: {error:?}"
                    );
                    assert!(error.message.contains(path), "{error:?}");
                }
            }
        }
        for variable in ["SSL_CERT_DIR", "GIT_SSL_CAPATH"] {
            let error = authorities(&Bench::with(&[(variable, "/no/such/folder")])).read().unwrap_err();
            assert!(error.kind == Kind::Usage && error.message.contains(variable), "{error:?}");
        }
    }

    #[test]
    fn git_s_file_is_the_one_for_the_url() {
        let named = |variables: &[(&str, &str)], config: &str| {
            let bench = Bench::with(variables);
            bench.git_config(config);
            let names = authorities(&bench)
                .files
                .into_iter()
                .map(|(name, file)| format!("{name} {}", file.display()));
            names.collect::<Vec<_>>().join(", ")
        };
        let config = "[http]\nsslCAInfo = /all\n[http \"https://h.example\"]\nsslCAInfo = /own\n\
            [http \"https://i.example\"]\nsslCAInfo = /other\n";
        assert_eq!(named(&[], config), "http.sslCAInfo /own");
        assert_eq!(named(&[("GIT_SSL_CAINFO", "/set")], config), "GIT_SSL_CAINFO /set");
        assert_eq!(named(&[("SSL_CERT_FILE", "/f")], config), "SSL_CERT_FILE /f, http.sslCAInfo /own");
        assert_eq!(named(&[], ""), "");
    }
}
