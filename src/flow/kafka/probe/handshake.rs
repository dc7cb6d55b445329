//! A TLS handshake of our own, as the Kafka client makes it: librdkafka says of most troubles only that the
//! certificate could not be verified.
//!
//! Everything that OpenSSL minds about the certificates is noted and let pass, so that one look tells all of it: expired,
//! not yet valid, for another name, signed by nobody whom we trust. Nothing is sent over such a connection but the first
//! question of Kafka's protocol, which holds no secret.

use std::net::{IpAddr, TcpStream};
use std::sync::{Arc, Mutex, PoisonError};

use openssl::error::ErrorStack;
use openssl::nid::Nid;
use openssl::pkey::{PKey, Private};
use openssl::ssl::{HandshakeError, Ssl, SslContext, SslContextBuilder, SslMethod, SslVerifyMode};
use openssl::x509::{X509, X509NameRef, X509Ref, X509StoreContextRef, X509VerifyResult};

use super::greeting::{Answer, greet};
use crate::flow::Settings;
use crate::telemetry::foreign;

/// What is wrong with a TLS connection.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Trouble {
    /// A certificate has expired: whose (`None`: the broker's own), and when.
    Expired(Option<String>, String),
    /// A certificate is not valid yet: whose, and from when on it is.
    NotYetValid(Option<String>, String),
    /// The certificate is for these names, and not for the one that was asked for.
    OtherName(Vec<String>),
    /// Signed by this one, whom we do not trust.
    UnknownAuthority(String),
    /// The broker wants a certificate of ours.
    WantsCertificate,
    /// The broker does not take our certificate; what it says.
    RefusesCertificate(String),
    /// The port speaks Kafka without TLS.
    Plaintext,
    /// Something else, in OpenSSL's words.
    Other(String),
}

/// What is configured, as far as TLS goes.
pub(crate) struct Tls {
    context: SslContext,
    has_certificate: bool,
    checks_names: bool,
    noted: Arc<Mutex<Vec<Trouble>>>,
}

impl Tls {
    /// Reads the files.
    ///
    /// # Errors
    /// The option whose file cannot be used, and why.
    pub(crate) fn new(settings: &Settings) -> Result<Self, (&'static str, String)> {
        let option = |name: &str| super::brokers::option(settings, name);
        let why = |name: &'static str| move |error: ErrorStack| (name, words(&error));
        let mut context = SslContext::builder(SslMethod::tls_client()).map_err(why("security.protocol"))?;
        match (option("ssl.ca.location"), option("ssl.ca.pem")) {
            (Some(file), _) => context.set_ca_file(file).map_err(why("ssl.ca.location"))?,
            (None, Some(text)) => trust(&mut context, text).map_err(why("ssl.ca.pem"))?,
            (None, None) => context.set_default_verify_paths().map_err(why("ssl.ca.location"))?,
        }
        let certificate = our_certificates(settings).map_err(|why| ("ssl.certificate.location", why))?;
        show(&mut context, &certificate).map_err(why("ssl.certificate.location"))?;
        if let Some(file) = option("ssl.key.location") {
            let key = read_key(file, option("ssl.key.password")).map_err(|why| ("ssl.key.location", why))?;
            context.set_private_key(&key).map_err(why("ssl.key.location"))?;
        }
        let noted: Arc<Mutex<Vec<Trouble>>> = Arc::default();
        if option("enable.ssl.certificate.verification") == Some("false") {
            context.set_verify(SslVerifyMode::NONE);
        } else {
            note_troubles(&mut context, noted.clone());
        }
        Ok(Self {
            context: context.build(),
            has_certificate: !certificate.is_empty(),
            checks_names: option("ssl.endpoint.identification.algorithm") != Some("none"),
            noted,
        })
    }

    /// Shakes hands and greets; everything that is wrong, nothing where all is well.
    pub(crate) fn shake(&self, host: &str, stream: TcpStream) -> Vec<Trouble> {
        self.noted.lock().unwrap_or_else(PoisonError::into_inner).clear();
        let said = self.connected(host, stream).err();
        let mut troubles = std::mem::take(&mut *self.noted.lock().unwrap_or_else(PoisonError::into_inner));
        troubles.extend(said);
        troubles
    }

    fn connected(&self, host: &str, stream: TcpStream) -> Result<(), Trouble> {
        let setup = |error: ErrorStack| Trouble::Other(words(&error));
        let mut ssl = Ssl::new(&self.context).map_err(setup)?;
        let ip: Option<IpAddr> = host.parse().ok();
        match ip {
            Some(ip) if self.checks_names => ssl.param_mut().set_ip(ip).map_err(setup)?,
            Some(_) => {}
            None => {
                ssl.set_hostname(host).map_err(setup)?;
                if self.checks_names {
                    ssl.param_mut().set_host(host).map_err(setup)?;
                }
            }
        }
        let mut stream = ssl.connect(stream).map_err(|error| match error {
            HandshakeError::SetupFailure(error) => Trouble::Other(words(&error)),
            HandshakeError::Failure(broken) | HandshakeError::WouldBlock(broken) => self.said(&tell(broken.error())),
        })?;
        // With TLS 1.3, whether our certificate was taken is told with the first answer.
        match greet(&mut stream) {
            Answer::Kafka => Ok(()),
            Answer::Other => Err(Trouble::Other("something answers there that is not Kafka".to_owned())),
            Answer::Nothing(error) => Err(self.said(&ssl_words(&error).unwrap_or_else(|| error.to_string()))),
        }
    }

    /// What the other side's last words mean.
    fn said(&self, words: &str) -> Trouble {
        const OF_CERTIFICATES: [&str; 7] = [
            "certificate required",
            "bad certificate",
            "unknown ca",
            "certificate unknown",
            "certificate expired",
            "unsupported certificate",
            "certificate revoked",
        ];
        let is_alert = words.contains("alert") && OF_CERTIFICATES.iter().any(|alert| words.contains(alert));
        match (is_alert, self.has_certificate) {
            (true, false) => Trouble::WantsCertificate,
            (true, true) => Trouble::RefusesCertificate(words.to_owned()),
            (false, _) => Trouble::Other(words.to_owned()),
        }
    }
}

/// Trusts these authorities, and nobody else.
fn trust(context: &mut SslContextBuilder, text: &str) -> Result<(), ErrorStack> {
    X509::stack_from_pem(text.as_bytes())?.into_iter().try_for_each(|one| context.cert_store_mut().add_cert(one))
}

/// Shows who we are: a certificate, and those that lead to its authority.
fn show(context: &mut SslContextBuilder, certificates: &[X509]) -> Result<(), ErrorStack> {
    let Some((own, chain)) = certificates.split_first() else { return Ok(()) };
    context.set_certificate(own)?;
    chain.iter().try_for_each(|one| context.add_extra_chain_cert(one.clone()))
}

fn read_key(file: &str, password: Option<&str>) -> Result<PKey<Private>, String> {
    let text = std::fs::read(file).map_err(|error| error.to_string())?;
    // Without a password OpenSSL would ask for one on the terminal.
    let key = PKey::private_key_from_pem_passphrase(&text, password.unwrap_or_default().as_bytes());
    key.map_err(|error| words(&error))
}

/// Notes everything, and lets everything pass.
fn note_troubles(context: &mut SslContextBuilder, noted: Arc<Mutex<Vec<Trouble>>>) {
    context.set_verify_callback(SslVerifyMode::PEER, move |holds, chain| {
        if !holds {
            let trouble = trouble(chain);
            let mut noted = noted.lock().unwrap_or_else(PoisonError::into_inner);
            let is_new = noted.iter().all(|known| std::mem::discriminant(known) != std::mem::discriminant(&trouble));
            if is_new {
                noted.push(trouble);
            }
        }
        true
    });
}

/// OpenSSL's numbers for what is wrong with a certificate (`X509_V_ERR_…`).
mod number {
    pub(crate) const NOT_YET_VALID: i32 = 9;
    pub(crate) const HAS_EXPIRED: i32 = 10;
    /// Nobody whom we trust stands at the end of the chain.
    pub(crate) const UNTRUSTED: [i32; 6] = [2, 18, 19, 20, 21, 27];
    pub(crate) const OTHER_NAME: [i32; 2] = [62, 64];
}

fn trouble(chain: &X509StoreContextRef) -> Trouble {
    let error = chain.error();
    let Some(certificate) = chain.current_cert() else { return Trouble::Other(error.error_string().to_owned()) };
    let whose = (chain.error_depth() > 0).then(|| name(certificate.subject_name()));
    match error.as_raw() {
        number::HAS_EXPIRED => Trouble::Expired(whose, certificate.not_after().to_string()),
        number::NOT_YET_VALID => Trouble::NotYetValid(whose, certificate.not_before().to_string()),
        raw if number::OTHER_NAME.contains(&raw) => Trouble::OtherName(names(certificate)),
        raw if number::UNTRUSTED.contains(&raw) => Trouble::UnknownAuthority(name(certificate.issuer_name())),
        _ => Trouble::Other(verify_words(error)),
    }
}

fn verify_words(error: X509VerifyResult) -> String {
    format!("the certificate does not hold: {}", error.error_string())
}

/// `CN=broker,O=here`
fn name(name: &X509NameRef) -> String {
    let mut parts: Vec<String> = name
        .entries()
        .map(|entry| {
            let value = entry.data().to_string().unwrap_or_else(|_| "?".to_owned());
            format!("{}={value}", entry.object().nid().short_name().unwrap_or("?"))
        })
        .collect();
    // As RFC 2253 has it, and so Kafka: the most particular first.
    parts.reverse();
    foreign(parts.join(",").as_bytes())
}

/// The names and addresses that a certificate is for.
fn names(certificate: &X509Ref) -> Vec<String> {
    let mut names = Vec::new();
    for other in certificate.subject_alt_names().into_iter().flatten() {
        names.extend(other.dnsname().map(str::to_owned));
        names.extend(other.ipaddress().and_then(address));
    }
    if names.is_empty() {
        let common = certificate.subject_name().entries_by_nid(Nid::COMMONNAME);
        names.extend(common.filter_map(|entry| entry.data().to_string().ok()));
    }
    names.iter().map(|name| foreign(name.as_bytes())).collect()
}

fn address(bytes: &[u8]) -> Option<String> {
    let four = <[u8; 4]>::try_from(bytes).map(IpAddr::from);
    let address = four.or_else(|_| <[u8; 16]>::try_from(bytes).map(IpAddr::from));
    address.ok().map(|address| address.to_string())
}

fn tell(error: &openssl::ssl::Error) -> String {
    match (error.ssl_error(), error.io_error()) {
        (Some(stack), _) => words(stack),
        (None, Some(error)) => error.to_string(),
        (None, None) => error.to_string(),
    }
}

fn ssl_words(error: &std::io::Error) -> Option<String> {
    Some(tell(error.get_ref()?.downcast_ref::<openssl::ssl::Error>()?))
}

/// The reasons, without numbers, files and lines of OpenSSL's.
fn words(stack: &ErrorStack) -> String {
    let reasons: Vec<String> =
        stack.errors().iter().map(|error| error.reason().map_or_else(|| error.to_string(), str::to_owned)).collect();
    reasons.join(", ")
}

/// What is wrong with our own certificate, told before any broker is asked.
pub(crate) fn own_certificate(settings: &Settings) -> Option<Trouble> {
    let certificate = our_certificates(settings).ok()?.into_iter().next()?;
    let now = openssl::asn1::Asn1Time::days_from_now(0).ok()?;
    if certificate.not_after() < now {
        return Some(Trouble::Expired(None, certificate.not_after().to_string()));
    }
    (certificate.not_before() > now).then(|| Trouble::NotYetValid(None, certificate.not_before().to_string()))
}

/// Whether it is TLS that is spoken there, whatever the certificate: a handshake that comes to its end, or to a complaint
/// of the other side's.
pub(crate) fn speaks_tls(stream: TcpStream) -> bool {
    let Ok(mut context) = SslContext::builder(SslMethod::tls_client()) else { return false };
    context.set_verify(SslVerifyMode::NONE);
    let Ok(ssl) = Ssl::new(&context.build()) else { return false };
    match ssl.connect(stream) {
        Ok(_) => true,
        Err(HandshakeError::Failure(broken)) => tell(broken.error()).contains("alert"),
        Err(_) => false,
    }
}

/// Whom our certificate says that we are, as the brokers read it.
pub(crate) fn subject_of_ours(settings: &Settings) -> Option<String> {
    Some(name(our_certificates(settings).ok()?.first()?.subject_name()))
}

/// Ours, and those that lead to its authority; none where there is none.
fn our_certificates(settings: &Settings) -> Result<Vec<X509>, String> {
    let option = |name: &str| super::brokers::option(settings, name);
    let text = match (option("ssl.certificate.location"), option("ssl.certificate.pem")) {
        (Some(file), _) => std::fs::read(file).map_err(|error| error.to_string())?,
        (None, Some(text)) => text.as_bytes().to_vec(),
        (None, None) => return Ok(Vec::new()),
    };
    X509::stack_from_pem(&text).map_err(|error| words(&error))
}
