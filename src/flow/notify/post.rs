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

use super::{Address, Settings, SignIn};
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
    name: String,
    url: String,
    /// An answer may repeat what was asked for, so of one nothing is shown where that may be a secret.
    is_secret: bool,
    sign_in: Option<SignIn>,
}

impl Poster {
    /// `name` is what it is called in logs and metrics.
    pub(super) fn new(address: &Address, name: String, settings: &Settings) -> Self {
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
        let url = format!("{}/api/v2/alerts", address.reveal());
        Self { agent, name, url, is_secret: address.has_more(), sign_in: settings.sign_in.clone() }
    }

    pub(super) fn name(&self) -> &str {
        &self.name
    }

    pub(super) fn post(&self, alerts: &[Json]) -> Posted {
        let body = Json::Array(alerts.to_vec()).to_string();
        let mut request = self.agent.post(&self.url).header("content-type", "application/json");
        let authorization = match self.sign_in.as_ref().map(authorization).transpose() {
            Ok(authorization) => authorization,
            Err(why) => return Posted::Failed(why),
        };
        if let Some(Authorization { header, .. }) = &authorization {
            request = request.header("authorization", header);
        }
        let mut response = match request.send(body.as_bytes()) {
            Ok(response) => response,
            Err(error) => return Posted::Failed(failure(&error)),
        };
        let status = response.status().as_u16();
        if response.status().is_success() {
            return Posted::Taken;
        }
        let answer = response.body_mut().with_config().limit(ANSWER_MAX).read_to_string().unwrap_or_default();
        let repeats = authorization.is_some_and(|authorization| authorization.is_in(&answer));
        let why = match self.is_secret || repeats {
            true => format!("{status} (its answer is not shown: it may repeat a secret)"),
            false => format!("{status} {}", foreign(answer.trim().as_bytes())),
        };
        match status {
            // Whatever is wrong with the request is wrong with the alerts in it.
            400 | 413 | 422 => Posted::Refused(why),
            401 | 403 => Posted::Failed(format!("{why}; mend what alerts.token_file or alerts.password_file holds")),
            404 => Posted::Failed(format!(
                "{why}; is {} the address of an Alertmanager of version 0.16 or newer?",
                self.name
            )),
            300..400 => Posted::Failed(format!("{why}; redirects are not followed, name the address itself")),
            _ => Posted::Failed(why),
        }
    }
}

/// Why there is no answer, without what the client repeats of the address, or of a proxy's in the environment.
fn failure(error: &ureq::Error) -> String {
    match error {
        ureq::Error::BadUri(_) | ureq::Error::Http(_) | ureq::Error::RequireHttpsOnly(_) => {
            "what was configured makes no request".to_owned()
        }
        ureq::Error::ConnectProxyFailed(_) => "the proxy does not let it through".to_owned(),
        error => foreign(error.to_string().as_bytes()),
    }
}

/// How a request signs in.
struct Authorization {
    /// The header's value.
    header: String,
    /// What nobody is to see, as it is and as it is sent.
    secrets: [String; 2],
}

impl Authorization {
    fn is_in(&self, answer: &str) -> bool {
        self.secrets.iter().any(|secret| answer.contains(secret))
    }
}

/// From what the file holds now.
fn authorization(sign_in: &SignIn) -> Result<Authorization, String> {
    match sign_in {
        SignIn::Bearer { file } => {
            let token = secret(file)?.trim().to_owned();
            Ok(Authorization { header: format!("Bearer {token}"), secrets: [token.clone(), token] })
        }
        SignIn::Password { name, file } => {
            let secret = secret(file)?;
            let secret = files::secret_text(&secret);
            let both = BASE64.encode(format!("{name}:{secret}"));
            Ok(Authorization { header: format!("Basic {both}"), secrets: [secret.to_owned(), both] })
        }
    }
}

fn secret(file: &Path) -> Result<String, String> {
    let text = files::read(file, SECRET_MAX).map(String::from_utf8);
    let why = |error: &dyn std::fmt::Display| format!("{} cannot be read: {error}", files::shown(file));
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
