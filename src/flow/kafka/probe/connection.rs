//! Whether an address of a broker can be connected to, speaks Kafka there, and speaks it as configured: with TLS or
//! without.

use std::net::{SocketAddr, TcpStream, ToSocketAddrs};
use std::time::Duration;

use super::brokers::{has_tls, option};
use super::finding::{Finding, Mark};
use super::greeting::{Answer, greet};
use super::handshake::{Tls, Trouble, own_certificate};
use crate::flow::Settings;

/// How connections are tried.
pub(crate) struct Connector<'a> {
    settings: &'a Settings,
    timeout: Duration,
    /// `None` where the configuration has no TLS.
    tls: Option<Tls>,
}

impl<'a> Connector<'a> {
    /// Reads the files for TLS, where it is configured.
    ///
    /// # Errors
    /// What is wrong with them.
    pub(crate) fn new(settings: &'a Settings, timeout: Duration) -> Result<Self, Finding> {
        let tls = has_tls(settings).then(|| Tls::new(settings)).transpose().map_err(unusable)?;
        match own_certificate(settings).filter(|_| tls.is_some()) {
            Some(trouble) => Err(our_own(&trouble)),
            None => Ok(Self { settings, timeout, tls }),
        }
    }

    /// Tries `host:port`, each step for the time that all steps have.
    pub(crate) fn connect(&self, address: &str) -> Finding {
        let subject = format!("broker {address}");
        let (stream, socket) = match self.reach(address, &subject) {
            Ok(reached) => reached,
            Err(finding) => return finding,
        };
        let Some(tls) = &self.tls else { return self.in_plain_text(subject, stream, socket) };
        let host = address.rsplit_once(':').map_or(address, |(host, _)| host).trim_matches(['[', ']']);
        let mut troubles = tls.shake(host, stream);
        if troubles.iter().any(|trouble| matches!(trouble, Trouble::Other(_))) && self.is_plain(socket) {
            troubles = vec![Trouble::Plaintext];
        }
        let says = troubles.iter().map(|trouble| self.says(trouble, host)).collect::<Vec<_>>().join("; ");
        match troubles.first() {
            None => Finding::new(
                Mark::Good,
                subject,
                format!("accepts connections ({}), its certificate holds", socket.ip()),
            ),
            Some(first) => Finding::new(Mark::Bad, subject, says).fix(self.fix(first, host)),
        }
    }

    fn reach(&self, address: &str, subject: &str) -> Result<(TcpStream, SocketAddr), Finding> {
        let bad = |says: String, fix: &str| Finding::new(Mark::Bad, subject, says).fix(fix);
        let resolved = address.to_socket_addrs().map_err(|error| {
            bad(
                format!("its name does not resolve: {error}"),
                "mend the host in kafka.bootstrap_servers, or the name service of this machine",
            )
        })?;
        let mut last = None;
        for socket in resolved {
            match self.open(socket) {
                Ok(stream) => return Ok((stream, socket)),
                Err(error) => last = Some(error),
            }
        }
        let why = last.map_or_else(|| "it has no address".to_owned(), |error| error.to_string());
        let fix = "is it the right port, is the broker running, is there a firewall between?";
        Err(bad(format!("no connection: {why}"), fix))
    }

    fn open(&self, socket: SocketAddr) -> std::io::Result<TcpStream> {
        let stream = TcpStream::connect_timeout(&socket, self.timeout)?;
        stream.set_read_timeout(Some(self.timeout))?;
        stream.set_write_timeout(Some(self.timeout))?;
        Ok(stream)
    }

    fn in_plain_text(&self, subject: String, mut stream: TcpStream, socket: SocketAddr) -> Finding {
        match greet(&mut stream) {
            Answer::Kafka => Finding::new(Mark::Good, subject, format!("accepts connections ({})", socket.ip())),
            _ if self.has_tls_at(socket) => {
                let (with, signed_in) =
                    if signs_in(self.settings) { ("sasl_ssl", "") } else { ("ssl", " (\"sasl_ssl\" with a sign-in)") };
                Finding::new(Mark::Bad, subject, "the port speaks TLS, and we do not").fix(format!(
                    "set kafka.security_protocol to \"{with}\"{signed_in}, or use the broker's plaintext port"
                ))
            }
            Answer::Other => Finding::new(Mark::Bad, subject, "something answers there that is not Kafka")
                .fix("is it the right port?"),
            Answer::Nothing(error) => {
                Finding::new(Mark::Bad, subject, format!("it takes connections, and no Kafka answers: {error}"))
                    .fix("is it the right port, and is the broker well?")
            }
        }
    }

    fn is_plain(&self, socket: SocketAddr) -> bool {
        self.open(socket).is_ok_and(|mut stream| matches!(greet(&mut stream), Answer::Kafka))
    }

    /// Whether anything speaks TLS there, with whatever certificate.
    fn has_tls_at(&self, socket: SocketAddr) -> bool {
        let Ok(stream) = self.open(socket) else { return false };
        super::handshake::speaks_tls(stream)
    }

    fn says(&self, trouble: &Trouble, host: &str) -> String {
        let whose = |authority: &Option<String>| match authority {
            None => "the broker's certificate".to_owned(),
            Some(name) => format!("the certificate of the authority {name}"),
        };
        match trouble {
            Trouble::Expired(authority, when) => format!("{} expired on {when}", whose(authority)),
            Trouble::NotYetValid(authority, when) => format!("{} is not valid before {when}", whose(authority)),
            Trouble::OtherName(names) => {
                format!("the broker's certificate is for another name: not {host}, but {}", names.join(", "))
            }
            Trouble::UnknownAuthority(issuer) => {
                format!("nobody whom we trust vouches for the broker's certificate: {issuer} signed it")
            }
            Trouble::WantsCertificate => "the broker wants a certificate of ours".to_owned(),
            Trouble::RefusesCertificate(words) => format!("the broker does not take our certificate ({words})"),
            Trouble::Plaintext => "we speak TLS, and the port does not".to_owned(),
            Trouble::Other(words) => format!("no TLS connection: {words}"),
        }
    }

    fn fix(&self, trouble: &Trouble, host: &str) -> String {
        match trouble {
            Trouble::Expired(..) => "have it renewed (or is the clock of this machine wrong?)".to_owned(),
            Trouble::NotYetValid(..) => "is the clock of this machine right? Else have it made anew".to_owned(),
            Trouble::OtherName(_) => format!(
                "use the name that the certificate has in kafka.bootstrap_servers (and in the broker's \
                 advertised.listeners), or have {host} put into it"
            ),
            Trouble::UnknownAuthority(_) => match option(self.settings, "ssl.ca.location") {
                None => "set kafka.ssl_ca_file to the PEM file of the authority that signed it".to_owned(),
                Some(file) => format!("put the authority that signed it into {file} (kafka.ssl_ca_file)"),
            },
            Trouble::WantsCertificate => "set kafka.ssl_certificate_file and kafka.ssl_key_file".to_owned(),
            Trouble::RefusesCertificate(_) => {
                "set kafka.ssl_certificate_file and kafka.ssl_key_file to a pair that the broker's authority signed"
                    .to_owned()
            }
            Trouble::Plaintext => {
                let without = if signs_in(self.settings) { "sasl_plaintext" } else { "plaintext" };
                format!("set kafka.security_protocol to \"{without}\", or use the broker's TLS port")
            }
            Trouble::Other(_) => "is it the broker's TLS port, and is the broker well?".to_owned(),
        }
    }
}

fn signs_in(settings: &Settings) -> bool {
    option(settings, "security.protocol").is_some_and(|protocol| protocol.starts_with("sasl_"))
}

fn unusable((name, why): (&'static str, String)) -> Finding {
    let key = match name {
        "ssl.ca.location" => "kafka.ssl_ca_file",
        "ssl.certificate.location" => "kafka.ssl_certificate_file",
        "ssl.key.location" => "kafka.ssl_key_file",
        _ => "kafka.security_protocol",
    };
    let fix = match name {
        "ssl.key.location" => {
            "name the key that belongs to the certificate, as PEM; its password, if it has one, in kafka.ssl_key_password_file"
        }
        _ => "name a file of certificates as PEM",
    };
    Finding::new(Mark::Bad, format!("tls {key}"), format!("cannot be used: {why}")).fix(fix)
}

fn our_own(trouble: &Trouble) -> Finding {
    let says = match trouble {
        Trouble::Expired(_, when) => format!("our certificate expired on {when}"),
        Trouble::NotYetValid(_, when) => format!("our certificate is not valid before {when}"),
        _ => "our certificate does not hold".to_owned(),
    };
    Finding::new(Mark::Bad, "tls kafka.ssl_certificate_file", says)
        .fix("have it renewed; a file that changes is taken up without a restart")
}
