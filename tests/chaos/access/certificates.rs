//! Authorities and certificates, made anew in each run.

use std::fs;
use std::path::{Path, PathBuf};

use openssl::asn1::Asn1Time;
use openssl::bn::{BigNum, MsbOption};
use openssl::ec::{EcGroup, EcKey};
use openssl::hash::MessageDigest;
use openssl::nid::Nid;
use openssl::pkey::{PKey, Private};
use openssl::x509::extension::{BasicConstraints, SubjectAlternativeName};
use openssl::x509::{X509, X509Builder, X509Name, X509NameBuilder};

const DAY: i64 = 86_400;

/// From when on something is valid, and how long, both in days from now.
pub(crate) type Days = (i64, i64);

pub(crate) const NOW: Days = (-1, 30);
pub(crate) const PAST: Days = (-30, -1);
pub(crate) const FUTURE: Days = (10, 30);

/// Who signs certificates.
pub(crate) struct Authority {
    certificate: X509,
    key: PKey<Private>,
    dir: PathBuf,
}

impl Authority {
    pub(crate) fn new(dir: &Path, common_name: &str) -> Self {
        fs::create_dir_all(dir).unwrap();
        let (subject, key) = (name(common_name), new_key());
        let mut builder = builder(&subject, &subject, &key, NOW);
        builder.append_extension(BasicConstraints::new().critical().ca().build().unwrap()).unwrap();
        builder.sign(&key, MessageDigest::sha256()).unwrap();
        let authority = Self { certificate: builder.build(), key, dir: dir.to_owned() };
        fs::write(authority.file(), authority.certificate.to_pem().unwrap()).unwrap();
        authority
    }

    /// Its certificate.
    pub(crate) fn file(&self) -> PathBuf {
        self.dir.join("authority.pem")
    }

    /// A certificate for a host name or an address, and its key: files named after it.
    pub(crate) fn sign(&self, file: &str, common_name: &str, host: &str, days: Days) -> Pair {
        let key = new_key();
        let mut builder = builder(&name(common_name), self.certificate.subject_name(), &key, days);
        let mut names = SubjectAlternativeName::new();
        match host.parse::<std::net::IpAddr>() {
            Ok(_) => names.ip(host),
            Err(_) => names.dns(host),
        };
        let names = names.build(&builder.x509v3_context(Some(&self.certificate), None)).unwrap();
        builder.append_extension(names).unwrap();
        builder.sign(&self.key, MessageDigest::sha256()).unwrap();
        let certificate = builder.build().to_pem().unwrap();
        let key = key.private_key_to_pem_pkcs8().unwrap();
        let pair = Pair {
            certificate: self.dir.join(format!("{file}.pem")),
            key: self.dir.join(format!("{file}.key")),
            both: self.dir.join(format!("{file}.both")),
        };
        fs::write(&pair.certificate, &certificate).unwrap();
        fs::write(&pair.key, &key).unwrap();
        // As Kafka wants it.
        fs::write(&pair.both, [key, certificate].concat()).unwrap();
        pair
    }
}

/// A certificate and its key, as files.
pub(crate) struct Pair {
    pub(crate) certificate: PathBuf,
    pub(crate) key: PathBuf,
    /// The two of them in one.
    pub(crate) both: PathBuf,
}

fn new_key() -> PKey<Private> {
    let group = EcGroup::from_curve_name(Nid::X9_62_PRIME256V1).unwrap();
    PKey::from_ec_key(EcKey::generate(&group).unwrap()).unwrap()
}

fn name(common_name: &str) -> X509Name {
    let mut builder = X509NameBuilder::new().unwrap();
    builder.append_entry_by_text("CN", common_name).unwrap();
    builder.build()
}

fn builder(
    subject: &X509Name,
    issuer: &openssl::x509::X509NameRef,
    key: &PKey<Private>,
    (from, until): Days,
) -> X509Builder {
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap().as_secs() as i64;
    let at = |days: i64| Asn1Time::from_unix(now + days * DAY).unwrap();
    let mut serial = BigNum::new().unwrap();
    serial.rand(128, MsbOption::MAYBE_ZERO, false).unwrap();
    let mut builder = X509::builder().unwrap();
    builder.set_version(2).unwrap();
    builder.set_serial_number(&serial.to_asn1_integer().unwrap()).unwrap();
    builder.set_subject_name(subject).unwrap();
    builder.set_issuer_name(issuer).unwrap();
    builder.set_pubkey(key).unwrap();
    builder.set_not_before(&at(from)).unwrap();
    builder.set_not_after(&at(until)).unwrap();
    builder
}
