//! One Alertmanager over HTTP: `POST /api/v2/alerts`, an array of alerts, as its version 2 interface has it.
//!
//! Three things can come of it: it took them, it will never take them as they are, or something failed that may pass.

use std::path::Path;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use serde_json::Value as Json;
use ureq::Agent;
use ureq::tls::{Certificate, PemItem, RootCerts, TlsConfig, TlsProvider, parse_pem};

use super::{Settings, SignIn};
use crate::NAME;
use crate::files::{self, SECRET_MAX};
use crate::telemetry::foreign;

/// Until there is a connection.
const CONNECT_PATIENCE: Duration = Duration::from_secs(5);
/// For all of a request.
const PATIENCE: Duration = Duration::from_secs(15);
/// Bytes of an answer that are looked at.
const ANSWER_MAX: u64 = 4096;

/// What came of a request.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Posted {
    /// All of it is there.
    Taken,
    /// It will never be taken as it is, for this reason.
    Refused(String),
    /// It may be taken later.
    Failed(String),
}

/// See the top of the file.
pub(super) struct Poster {
    agent: Agent,
    address: String,
    url: String,
    sign_in: Option<SignIn>,
}

impl Poster {
    pub(super) fn new(address: &str, settings: &Settings) -> Self {
        // What cannot be read was refused with the configuration.
        let authorities = settings.authorities.as_deref().and_then(|pem| certificates(pem).ok());
        let roots = authorities.map_or(RootCerts::PlatformVerifier, |list| RootCerts::Specific(list.into()));
        let tls = TlsConfig::builder().provider(TlsProvider::NativeTls).root_certs(roots).build();
        let agent = Agent::config_builder()
            .tls_config(tls)
            .timeout_connect(Some(CONNECT_PATIENCE))
            .timeout_global(Some(PATIENCE))
            // A redirect would take the secret elsewhere.
            .max_redirects(0)
            .max_redirects_will_error(false)
            .http_status_as_error(false)
            .user_agent(concat!(env!("CARGO_PKG_NAME"), "/", env!("CARGO_PKG_VERSION")))
            .build()
            .into();
        let address = address.to_owned();
        let url = format!("{address}/api/v2/alerts");
        Self { agent, address, url, sign_in: settings.sign_in.clone() }
    }

    pub(super) fn address(&self) -> &str {
        &self.address
    }

    pub(super) fn post(&self, alerts: &[Json]) -> Posted {
        let body = Json::Array(alerts.to_vec()).to_string();
        let mut request = self.agent.post(&self.url).header("content-type", "application/json");
        match self.sign_in.as_ref().map(authorization).transpose() {
            Ok(Some(authorization)) => request = request.header("authorization", authorization),
            Ok(None) => {}
            Err(why) => return Posted::Failed(why),
        }
        let mut response = match request.send(body.as_bytes()) {
            Ok(response) => response,
            Err(error) => return Posted::Failed(foreign(error.to_string().as_bytes())),
        };
        let status = response.status().as_u16();
        if response.status().is_success() {
            return Posted::Taken;
        }
        let answer = response.body_mut().with_config().limit(ANSWER_MAX).read_to_string().unwrap_or_default();
        let why = format!("{status} {}", foreign(answer.trim().as_bytes()));
        match status {
            // Whatever is wrong with the request is wrong with the alerts in it.
            400 | 413 | 422 => Posted::Refused(why),
            401 | 403 => Posted::Failed(format!("{why}; mend what alerts.token_file or alerts.password_file holds")),
            404 => Posted::Failed(format!(
                "{why}; is {} the address of an Alertmanager of version 0.16 or newer?",
                self.address
            )),
            300..400 => Posted::Failed(format!("{why}; redirects are not followed, name the address itself")),
            _ => Posted::Failed(why),
        }
    }
}

/// The header's value, from what the file holds now.
fn authorization(sign_in: &SignIn) -> Result<String, String> {
    match sign_in {
        SignIn::Bearer { file } => Ok(format!("Bearer {}", secret(file)?.trim())),
        SignIn::Password { name, file } => {
            let secret = secret(file)?;
            let secret = secret.strip_suffix('\n').unwrap_or(&secret);
            Ok(format!("Basic {}", BASE64.encode(format!("{name}:{}", secret.strip_suffix('\r').unwrap_or(secret)))))
        }
    }
}

fn secret(file: &Path) -> Result<String, String> {
    let text = files::read(file, SECRET_MAX).map(String::from_utf8);
    let why = |error: &dyn std::fmt::Display| format!("{} cannot be read: {error}", file.display());
    text.map_err(|error| why(&error))?.map_err(|_| why(&"it is not UTF-8 text"))
}

fn certificates(pem: &[u8]) -> Result<Vec<Certificate<'static>>, String> {
    let mut found = Vec::new();
    for item in parse_pem(pem) {
        match item {
            Ok(PemItem::Certificate(certificate)) => found.push(certificate),
            Ok(_) => {}
            Err(error) => return Err(error.to_string()),
        }
    }
    if found.is_empty() { Err(format!("{NAME} finds no certificate in it")) } else { Ok(found) }
}

/// Whether this is PEM text with certificates.
///
/// # Errors
/// Why it is not.
pub fn check_authorities(pem: &[u8]) -> Result<(), String> {
    certificates(pem).map(|_| ())
}
