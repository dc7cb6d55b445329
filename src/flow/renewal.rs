//! Files with passwords and certificates that change while the daemon runs, as they do where certificates live for days and
//! passwords are rotated.
//!
//! They are read again every few seconds, and count once two readings in a row agree, so that half a file is never used. A
//! new password is told to the clients, which go on. TLS is decided when a client is made: where those files change, the
//! flow drains, lets its clients go, and is started anew by whoever runs it, within the same process; nothing is lost or
//! repeated by that. What cannot be used (a certificate without its key) is told, and the flow goes on as it is.

use std::path::{Path, PathBuf};
use std::time::Duration;

use sha2::{Digest as _, Sha256};

use super::kafka::clients;
use super::shutdown::{StopFlag, Stopper};
use super::{Failure, Kafka, Settings};
use crate::files::{self, TEXT_MAX, secret_text};

/// Between two readings.
const INTERVAL: Duration = Duration::from_secs(5);
/// How soon the thread notices that the flow has ended.
const STEP: Duration = Duration::from_millis(500);

/// librdkafka's settings that name a file which it reads itself, when a client is made.
const READ_BY_CLIENTS: [&str; 3] = ["ssl.ca.location", "ssl.certificate.location", "ssl.key.location"];
const PASSWORD: &str = "sasl.password";

/// What the files hold; `None` where one cannot be read at the moment.
#[derive(Clone, PartialEq, Eq)]
struct Reading {
    /// Option and text of each secret.
    secrets: Vec<(String, String)>,
    /// Digest of all files that clients read.
    tls: [u8; 32],
}

/// What has changed.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
struct Change {
    password: bool,
    tls: bool,
}

/// What is in use, and what was read last.
struct Watch {
    used: Reading,
    last: Option<Reading>,
}

impl Watch {
    /// Takes a reading in. What two in a row say is in use from then on.
    fn look(&mut self, now: Option<Reading>) -> Change {
        let is_settled = now.is_some() && now == self.last;
        self.last.clone_from(&now);
        let Some(now) = now.filter(|now| is_settled && *now != self.used) else { return Change::default() };
        let secret = |reading: &Reading, option: &str| {
            reading.secrets.iter().find(|(name, _)| name == option).map(|(_, text)| text.clone())
        };
        let differs = |option: &str| secret(&now, option) != secret(&self.used, option);
        let change =
            Change { password: differs(PASSWORD), tls: now.tls != self.used.tls || differs("ssl.key.password") };
        self.used = now;
        change
    }
}

fn read(kafka: &Kafka) -> Option<Reading> {
    let secret = |(option, path): &(String, PathBuf)| {
        let text = String::from_utf8(files::read(path, TEXT_MAX).ok()?).ok()?;
        let text = secret_text(&text);
        (!text.trim().is_empty()).then(|| (option.clone(), text.to_owned()))
    };
    let mut digest = Sha256::new();
    for (_, path) in kafka.options.iter().filter(|(name, _)| READ_BY_CLIENTS.contains(&name.as_str())) {
        let bytes = files::read(Path::new(path), TEXT_MAX).ok()?;
        digest.update((bytes.len() as u64).to_le_bytes());
        digest.update(&bytes);
    }
    Some(Reading {
        secrets: kafka.secret_files.iter().map(secret).collect::<Option<_>>()?,
        tls: digest.finalize().into(),
    })
}

impl Kafka {
    /// Reads the secrets' files again, and takes over what they hold now. What cannot be read stays as it was.
    pub fn read_secrets_again(&mut self) {
        for (option, text) in read(self).into_iter().flat_map(|reading| reading.secrets) {
            self.options.iter_mut().filter(|(name, _)| *name == option).for_each(|(_, value)| value.clone_from(&text));
        }
    }
}

/// Watches the files on a thread of its own until the flow stops. Where there are none, nobody watches.
///
/// # Errors
/// When there is no thread to be had.
pub(super) fn watch(settings: &Settings, stop: &StopFlag, stopper: &Stopper) -> Result<(), Failure> {
    let has_files = settings.kafka.options.iter().any(|(name, _)| READ_BY_CLIENTS.contains(&name.as_str()));
    if !has_files && settings.kafka.secret_files.is_empty() {
        return Ok(());
    }
    let (settings, stop, stopper) = (settings.clone(), stop.clone(), stopper.clone());
    std::thread::Builder::new()
        .name("credentials".to_owned())
        .spawn(move || Watcher { settings, stopper }.run(&stop))
        .map(drop)
        .map_err(|error| Failure::software(format!("no thread for credentials: {error}")))
}

struct Watcher {
    settings: Settings,
    stopper: Stopper,
}

impl Watcher {
    fn run(&mut self, stop: &StopFlag) {
        let mut watch = Watch { used: self.in_use(), last: None };
        loop {
            for _ in 0..INTERVAL.as_millis() / STEP.as_millis() {
                std::thread::sleep(STEP);
                if stop.is_raised() {
                    return;
                }
            }
            let change = watch.look(read(&self.settings.kafka));
            if change != Change::default() {
                self.settings.kafka.read_secrets_again();
            }
            if change.password {
                self.change_password();
            }
            if change.tls {
                self.renew();
            }
        }
    }

    /// Secrets are as the clients were given them; certificates as they are now, since the clients were made a moment ago.
    fn in_use(&self) -> Reading {
        let Kafka { options, secret_files, .. } = &self.settings.kafka;
        let given = |name: &String| options.iter().find(|(option, _)| option == name).map(|(_, text)| text.clone());
        let secrets = secret_files.iter().map(|(name, _)| (name.clone(), given(name).unwrap_or_default())).collect();
        Reading { secrets, tls: read(&self.settings.kafka).map_or([0; 32], |reading| reading.tls) }
    }

    fn change_password(&self) {
        let option = |name: &str| {
            let found = self.settings.kafka.options.iter().find(|(option, _)| option == name);
            found.map_or("", |(_, value)| value.as_str())
        };
        let clients = self.settings.kafka.credentials.change(option("sasl.username"), option(PASSWORD));
        tracing::info!(clients, "the password has changed: it is used from the next sign-in on");
    }

    fn renew(&self) {
        match clients::try_out(&self.settings) {
            Ok(()) => {
                tracing::info!("certificates have changed: draining, and starting anew with them");
                self.stopper.renew();
            }
            Err(failure) => {
                tracing::error!("certificates have changed and cannot be used, going on with the old ones: {failure}")
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn reading(password: &str, tls: u8) -> Option<Reading> {
        Some(Reading { secrets: vec![(PASSWORD.to_owned(), password.to_owned())], tls: [tls; 32] })
    }

    #[test]
    fn a_change_counts_when_two_readings_agree() {
        let mut watch = Watch { used: reading("a", 1).unwrap(), last: None };
        let nothing = Change::default();
        assert_eq!(watch.look(reading("a", 1)), nothing);
        assert_eq!(watch.look(reading("b", 1)), nothing, "it may be half of it");
        assert_eq!(watch.look(None), nothing, "it is being replaced");
        assert_eq!(watch.look(reading("b", 1)), nothing);
        assert_eq!(watch.look(reading("b", 1)), Change { password: true, tls: false });
        assert_eq!(watch.look(reading("b", 1)), nothing, "once");
        assert_eq!(watch.look(reading("c", 2)), nothing);
        assert_eq!(watch.look(reading("c", 2)), Change { password: true, tls: true });
        assert_eq!(watch.look(reading("d", 2)), nothing);
        assert_eq!(watch.look(reading("c", 2)), nothing, "it went back");
        assert_eq!(watch.look(reading("c", 2)), nothing);
    }

    #[test]
    fn secrets_are_read_again_as_they_were_read_first() {
        let dir = std::env::temp_dir().join(format!("fingerpost-secrets-{}", std::process::id()));
        std::fs::create_dir_all(&dir).unwrap();
        let file = dir.join("password");
        std::fs::write(&file, "new\r\n").unwrap();
        let mut kafka = crate::flow::test_settings().kafka;
        kafka.options = vec![(PASSWORD.into(), "old".into())];
        kafka.secret_files = vec![(PASSWORD.into(), file.clone())];
        kafka.read_secrets_again();
        assert_eq!(kafka.options[0].1, "new");
        std::fs::write(&file, "\n").unwrap();
        kafka.read_secrets_again();
        assert_eq!(kafka.options[0].1, "new", "an empty file is one still to be written");
        std::fs::remove_dir_all(&dir).unwrap();
        kafka.read_secrets_again();
        assert_eq!(kafka.options[0].1, "new");
        assert!(read(&kafka).is_none());
    }
}
