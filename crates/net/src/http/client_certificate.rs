//! The certificate by which the user shows a host who they are, as git's `http.sslCert` and
//! `http.sslKey` name it.
//!
//! It tells its host who the user is, so it goes where a token would: never to a host that only
//! a project names. One that is set for a URL goes there; one that is set for all hosts goes to
//! those that the user has named.

use std::path::{Path, PathBuf};

use rustls::pki_types::pem::{Error as PemError, PemObject as _};
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::sign::CertifiedKey;
use rustls::{AlertDescription, InconsistentKeys};
use ureq::tls::{Certificate, ClientCert, PrivateKey};
use url::Url;

use super::Net;
use super::pem_file::read_pem;
use crate::credentials::origin;
use crate::policy::host_of;
use ba_agent_core::error::{Error, Result, error, printable};

/// A file, and the setting or variable that names it.
type NamedFile = (&'static str, PathBuf);

/// A certificate and its key, where they are. Nothing is read yet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct ClientCertificate {
    certificate: NamedFile,
    /// `None`: it stands in the certificate's file, as curl has it.
    key: Option<NamedFile>,
}

/// What the user has for a host.
pub(super) enum CertificateChoice {
    Nothing,
    Certificate(ClientCertificate),
    /// What is set with this name is for all hosts, and this one is not the user's.
    Withheld(&'static str),
}

impl ClientCertificate {
    /// `GIT_SSL_CERT` and `GIT_SSL_KEY`, else `http.<url>.sslCert` and `http.<url>.sslKey`, for
    /// requests to `url`.
    ///
    /// # Errors
    /// `Usage` when the git configuration cannot be read.
    pub(super) fn find_for(net: &Net<'_>, url: &Url) -> Result<CertificateChoice> {
        if url.scheme() != "https" {
            return Ok(CertificateChoice::Nothing);
        }
        let set = named_for(net, url, "GIT_SSL_CERT", "sslcert", "http.sslCert")?;
        if set.is_empty() {
            return Ok(CertificateChoice::Nothing);
        }
        let may_have_all = net.credentials.is_host_of_user(url)?;
        let is_of_project = net.credentials.is_of_project(url);
        let fit = set.iter().find(|one| !is_of_project && (may_have_all || !one.is_for_all));
        let Some(certificate) = fit else {
            return Ok(set
                .first()
                .map_or(CertificateChoice::Nothing, |one| CertificateChoice::Withheld(one.file.0)));
        };
        let key = named_for(net, url, "GIT_SSL_KEY", "sslkey", "http.sslKey")?;
        Ok(CertificateChoice::Certificate(Self {
            certificate: certificate.file.clone(),
            key: key.into_iter().next().map(|one| one.file),
        }))
    }

    /// Reads both, and holds the key to the certificate.
    ///
    /// # Errors
    /// `Usage` for a file that is missing, cannot be read or does not hold what it should, for a
    /// key behind a password and for the key of another certificate; it names file and setting.
    pub(super) fn read(&self) -> Result<ClientCert> {
        let (source, file) = &self.certificate;
        let refuse = |why: &str| refused("client certificate", source, file, why);
        let bytes = read_pem(file).map_err(|why| refuse(&why))?;
        let chain = CertificateDer::pem_slice_iter(&bytes).collect::<Result<Vec<_>, _>>();
        let chain = chain.map_err(|e| refuse(&printable(&e.to_string(), false)))?;
        if chain.is_empty() {
            return Err(refuse("it contains no certificate in PEM form")
                .hint("`openssl pkcs12 -in FILE -out NEW.pem` converts a .p12 or .pfx file"));
        }
        let (key, key_to_check) = self.read_key()?;
        let certificates: Vec<_> = chain.iter().map(|one| Certificate::from_der(one).to_owned()).collect();
        check_pair(chain, key_to_check).map_err(|why| match &self.key {
            Some((source, file)) => refused("private key", source, file, &why),
            None => refuse(&why),
        })?;
        Ok(ClientCert::new_with_certs(&certificates, key))
    }

    /// The key, as both libraries have it.
    fn read_key(&self) -> Result<(PrivateKey<'static>, PrivateKeyDer<'static>)> {
        let (source, file) = self.key.as_ref().unwrap_or(&self.certificate);
        let refuse = |why: &str| refused("private key", source, file, why);
        let bytes = read_pem(file).map_err(|why| refuse(&why))?;
        // Both ways to write one: `ENCRYPTED PRIVATE KEY`, and `Proc-Type: 4,ENCRYPTED` inside.
        if bytes.windows(9).any(|word| word == b"ENCRYPTED") {
            let shown = printable(&file.display().to_string(), false);
            return Err(refuse("it is protected by a password, which is not asked for here").hint(format!(
                "write it without one into a file that only you can read, `openssl pkey -in {shown} -out NEW.pem`, and name that with http.sslKey"
            )));
        }
        match (PrivateKeyDer::from_pem_slice(&bytes), PrivateKey::from_pem(&bytes)) {
            (Ok(to_check), Ok(key)) => Ok((key, to_check)),
            (Err(PemError::NoItemsFound), _) => {
                let error = refuse("it contains no private key in PEM form");
                Err(match &self.key {
                    Some(_) => error,
                    None => error.hint("name the file of the key with http.sslKey or GIT_SSL_KEY"),
                })
            }
            (Err(why), _) => Err(refuse(&printable(&why.to_string(), false))),
            (_, Err(why)) => Err(refuse(&printable(&why.to_string(), false))),
        }
    }

    fn shown(&self) -> String {
        printable(&self.certificate.1.display().to_string(), false)
    }
}

struct NamedForUrl {
    file: NamedFile,
    is_for_all: bool,
}

/// What the variable and the setting name for `url`: the one that git takes first, then the
/// setting that has a URL of its own.
fn named_for(
    net: &Net<'_>,
    url: &Url,
    variable: &'static str,
    name: &'static str,
    setting: &'static str,
) -> Result<Vec<NamedForUrl>> {
    let set = net.env.var(variable).map(|text| (variable, text, true));
    let values = net.credentials.git_config()?.http_values_for_url(name, url);
    let configured = values.last().and_then(|one| Some((setting, one.value?, one.is_for_all)));
    let all = set.into_iter().chain(configured);
    // Git for Windows writes where it is installed as `%(prefix)`.
    let named = all.filter(|(_, text, _)| !text.is_empty() && !text.starts_with("%(prefix)"));
    let at = |(source, text, is_for_all): (_, &str, _)| NamedForUrl {
        file: (source, net.env.absolute(Path::new(text))),
        is_for_all,
    };
    Ok(named.map(at).collect())
}

fn refused(what: &str, source: &str, file: &Path, why: &str) -> Error {
    let shown = printable(&file.display().to_string(), false);
    error!(Usage, "the {what} that {source} names cannot be used: `{shown}`").cause(why.to_owned())
}

/// Whether the TLS library takes the key, and for this certificate. It would end the program
/// otherwise.
fn check_pair(chain: Vec<CertificateDer<'static>>, key: PrivateKeyDer<'static>) -> Result<(), String> {
    match CertifiedKey::from_der(chain, key, &rustls::crypto::ring::default_provider()) {
        Ok(_) => Ok(()),
        Err(rustls::Error::InconsistentKeys(InconsistentKeys::KeyMismatch)) => {
            Err("the key and the certificate do not belong together".to_owned())
        }
        Err(other) => Err(printable(&other.to_string(), false)),
    }
}

/// Whether a host says by this alert that it wants a client certificate, or another one.
pub(super) fn is_about_client(alert: AlertDescription) -> bool {
    use AlertDescription as Alert;
    matches!(
        alert,
        Alert::CertificateRequired
            | Alert::NoCertificate
            | Alert::BadCertificate
            | Alert::UnsupportedCertificate
            | Alert::CertificateRevoked
            | Alert::CertificateExpired
            | Alert::CertificateUnknown
            | Alert::UnknownCA
            | Alert::AccessDenied
            // A certificate of an authority that only has the name of a known one.
            | Alert::DecryptError
    )
}

/// The error for a host that wants a client certificate, or does not take the one it got.
pub(super) fn certificate_error(net: &Net<'_>, url: &Url, cause: String) -> Error {
    let host = host_of(url);
    match ClientCertificate::find_for(net, url) {
        Ok(CertificateChoice::Certificate(sent)) => {
            error!(Auth, "{host} refused the client certificate `{}`", sent.shown())
                .cause(cause)
                .hint("is it the one for this host, and not expired? `openssl x509 -in FILE -noout -subject -enddate` shows it")
        }
        other => {
            let error = error!(Auth, "{host} requires a client certificate").cause(cause);
            let error = match other {
                Ok(CertificateChoice::Withheld(source)) => error.cause(format!(
                    "{source} is for every host, and this one is not one that you have named, so it was not sent"
                )),
                _ => error,
            };
            error.hint(format!(
                "`git config --global http.{0}/.sslCert FILE` names it, `http.{0}/.sslKey` its key",
                origin(url)
            ))
        }
    }
}

/// What a host may have meant that closed the connection; `None` where certificates have
/// nothing to do with it.
pub(super) fn closing_hint(net: &Net<'_>, url: &Url) -> Option<String> {
    match ClientCertificate::find_for(net, url).ok()? {
        CertificateChoice::Nothing => None,
        CertificateChoice::Certificate(sent) => {
            Some(format!("it may have refused the client certificate `{}`", sent.shown()))
        }
        CertificateChoice::Withheld(source) => Some(format!(
            "if it wants a client certificate: {source} is for every host, so it was not sent; write `http.{}/.sslCert`",
            origin(url)
        )),
    }
}
