//! Secrets: read from files, never shown.
//!
//! A secret is given by the name of a file that holds it (`kafka.sasl_password_file`), never in the configuration, in
//! the environment or on the command line, where process lists, shells and container inspectors show it. One that
//! stands there all the same is refused, and the complaint about it does not show it either.

use std::fmt;
use std::path::Path;

use super::codes;
use super::keys::{KEYS, Kind};
use super::layers::Origin;
use super::mask::names_a_secret;
use crate::diagnostic::Diagnostic;
use crate::files::{self, SECRET_MAX, secret_text};

/// Text that does not show itself.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(String);

impl Secret {
    /// Keeps this text.
    #[must_use]
    pub fn new(text: String) -> Self {
        Self(text)
    }

    /// The text itself, for the one who must have it.
    #[must_use]
    pub fn reveal(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str("<secret>")
    }
}

impl fmt::Display for Secret {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str("<secret>")
    }
}

/// Reads the secret of a key.
pub(super) fn read(key: &str, path: &Path, origin: &Origin, problems: &mut Vec<Diagnostic>) -> Option<Secret> {
    let bad = |why: &str| {
        origin.error(codes::BAD_FILE, format!("`{key}`: {}: {why}", files::shown(path)), "this file").help(
            match files::is_there(path) {
                true => "the file must hold the secret alone, and be readable by the user that the daemon runs as",
                false => {
                    "it must name a file that holds the secret alone; what is not there is not shown, as it may be the \
                          secret itself: then change it, it has been seen"
                }
            },
        )
    };
    let text = match files::read(path, SECRET_MAX).map(String::from_utf8) {
        Ok(Ok(text)) => text,
        Ok(Err(_)) => {
            problems.push(bad("not UTF-8 text"));
            return None;
        }
        Err(error) => {
            problems.push(bad(&error.to_string()));
            return None;
        }
    };
    problems.extend(others_can_read(key, path, origin));
    let text = secret_text(&text);
    if text.trim().is_empty() {
        problems.push(bad("the file is empty"));
        return None;
    }
    Some(Secret::new(text.to_owned()))
}

/// A warning, not an error: container platforms mount secrets readable for all, and there nobody else is.
pub(super) fn others_can_read(key: &str, path: &Path, origin: &Origin) -> Option<Diagnostic> {
    use std::os::unix::fs::PermissionsExt;
    let mode = std::fs::metadata(path).ok()?.permissions().mode() & 0o777;
    let message = format!("`{key}`: other users can read {} (mode {mode:03o})", path.display());
    (mode & 0o077 != 0).then(|| {
        origin.warning(codes::OPEN_FILE, message, "holds a secret").help(format!("chmod 600 {}", path.display()))
    })
}

/// The key to use in place of one that would hold the secret itself: `kafka.sasl_password_file` for `kafka.sasl_password`.
pub(super) fn twin(name: &str) -> Option<&'static str> {
    let file = |key: &&super::keys::Key| key.kind == Kind::SecretFile && key.name.strip_suffix("_file") == Some(name);
    KEYS.iter().find(file).map(|key| key.name)
}

/// The key to use in place of a librdkafka setting that would hold a secret.
pub(super) fn option_twin(option: &str) -> Option<&'static str> {
    match option {
        "sasl.password" | "sasl.oauthbearer.client.secret" | "sasl.oauthbearer.client.credentials.client.secret" => {
            Some("kafka.sasl_password_file")
        }
        "ssl.key.password" | "ssl.keystore.password" => Some("kafka.ssl_key_password_file"),
        "ssl.key.pem" | "ssl.keystore.location" => Some("kafka.ssl_key_file"),
        "sasl.oauthbearer.config" => Some("kafka.sasl_password_file"),
        _ if names_a_secret(option) => Some("kafka.sasl_password_file"),
        _ => None,
    }
}

/// Refuses a secret that stands in the open.
pub(super) fn inline(name: &str, twin: &str, origin: &Origin) -> Diagnostic {
    origin
        .error_at_key(codes::INLINE_SECRET, format!("`{name}` would hold a secret in the open"), "a secret is never written here")
        .help(format!(
            "put the secret alone into a file that only the daemon's user can read (chmod 600), set `{twin}` to its path, \
             and change the secret: it has been seen"
        ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_does_not_show_itself() {
        let secret = Secret::new("hunter2".into());
        assert_eq!(format!("{secret} {secret:?}"), "<secret> <secret>");
    }
}
