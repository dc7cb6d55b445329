//! What the benches run on: phrases, a pack that looks for them, and log lines that hold them, nearly hold them, or do
//! not. Seeded, so that two runs and two machines see the same bytes; and it says of each line which phrase it holds,
//! so that a bench can tell whether what it timed was right.
//!
//! The first 40 phrases are those of the shipped packs. The rest is made up to be hard: thousands begin alike. No phrase
//! holds another one and all are 15 bytes or longer, without a character that any JSON encoder escapes, so a line holds
//! exactly the phrase that was put in. Lines come in seven families, about 430 bytes each: an application's own JSON,
//! the same with an HTTP response in it, LogDNA around a plain line, LogDNA around JSON, a collector around klog, an
//! access log, a stack trace. Nearly a third holds a backslash, none a `\u`.
//!
//! It knows nothing of the project, so that every bench can take it in with `mod corpus;`.
#![allow(dead_code, reason = "each bench uses a part of it")]

use std::collections::HashSet;
use std::fmt::Write;

use fastrand::Rng;

/// Phrases as the shipped packs have them.
const SHIPPED: [&str; 40] = [
    "failed to create a new kube client",
    "failed to get web key set",
    "error requesting web key set",
    "failed to get the IAM token using the API key",
    "error getting compute identity provider",
    "error registering compute identity provider",
    "error registering compute identity key set",
    "error deleing compute identity provider",
    "error deleting compute identity provider",
    "request returned a non-successful return code:",
    "Failed to create a Kube Client",
    "Failed to update WDEK Secret",
    "Rotation attempt failed",
    "Failure to rotate the service iam-api-key",
    "error completing request, the cluster is busy with another KMS action",
    "Error finding ETCD info for the cluster",
    "check cluster state",
    "check key in use",
    "get key info from ghost",
    "check key status for migration",
    "ErrorMeteringTokenExchangeFailure",
    "ApiKey based rate limit for calls to",
    "Error getting DEK and wrapped DEK for Root Key",
    "Unauthorized: user does not have access to provided resources",
    "Unauthorized: The user does not have access to the specified resource",
    "Unwrap WDEK failed",
    "This operation cannot be completed. Please try your request at a later time. If the issue persists, please contact",
    "error during request to KeyProtect",
    "BXNIM0415E Provided API key could not be found",
    "connection refused",
    "KEY_DELETED_ERR",
    "KEY_ACTION_INVALID_STATE_ERR",
    "failed to get CRN token from IAM",
    "image-admission-config",
    "failed calling webhook",
    "Service to service authentication will be used",
    "KMS V2.0 path, WDEK will be loaded from mounted secret file",
    "KMS V1.0 path, WDEK will be generated",
    ".hs-crypto.cloud.ibm.com",
    ".kms.cloud.ibm.com",
];

// In each list no word begins another one: that is what keeps a made-up phrase from holding another.
const VERBS: [&str; 20] = [
    "failed to",
    "failure to",
    "could not",
    "cannot",
    "unable to",
    "error trying to",
    "error while about to",
    "refused to",
    "not allowed to",
    "no permission to",
    "gave up to",
    "timed out waiting to",
    "timeout on the way to",
    "lost the lock to",
    "lost connection, did not",
    "quota left nothing to",
    "rejected: must not",
    "unexpected error, will not",
    "retries exhausted, did not",
    "deadline exceeded, did not",
];

const ACTIONS: [&str; 20] = [
    "reconcile",
    "attach",
    "detach",
    "mount",
    "decode",
    "encode",
    "rotate",
    "sync",
    "list",
    "watch",
    "patch",
    "validate",
    "schedule",
    "drain",
    "cordon",
    "provision",
    "resolve",
    "authenticate",
    "authorize",
    "bind",
];

const NOUNS: [&str; 40] = [
    "identity provider",
    "web key set",
    "IAM token",
    "API key",
    "kube client",
    "WDEK secret",
    "root key",
    "ETCD record",
    "cluster master",
    "worker node",
    "worker pool",
    "load balancer",
    "persistent volume",
    "volume attachment",
    "ingress secret",
    "service endpoint",
    "service account",
    "subnet",
    "security group",
    "private gateway",
    "image pull secret",
    "billing record",
    "metering event",
    "carrier lock",
    "tugboat quota",
    "BOM version",
    "addon config",
    "audit webhook",
    "admission webhook",
    "vpn client",
    "tunnel agent",
    "node port range",
    "DNS zone",
    "certificate authority",
    "pod identity",
    "block storage key",
    "trusted profile",
    "registry namespace",
    "network policy",
    "console route",
];

const PLACES: [&str; 20] = [
    "for the cluster",
    "for this region",
    "for resource group",
    "from ghost",
    "from etcd",
    "in namespace",
    "in account",
    "in the hub",
    "on carrier",
    "on tugboat",
    "with status code",
    "with an empty answer",
    "after the last retry",
    "because the key is disabled",
    "due to quota",
    "by its owner",
    "during master update",
    "during rollback",
    "while it is locked",
    "before the deadline",
];

const CODES: [&str; 4] = ["IKSE", "KPEV", "ROKS", "CIDP"];

/// The first `n` phrases, 100,000 at most: those of the shipped packs, then made-up ones. A longer list begins with the
/// shorter one. No two are alike in any ASCII case.
pub(crate) fn phrases(n: usize) -> Vec<String> {
    assert!(n <= 100_000, "there are not enough different phrases for {n}");
    let mut phrases: Vec<String> = SHIPPED.iter().take(n).map(|phrase| (*phrase).to_owned()).collect();
    let mut seen = HashSet::new();
    let mut rng = Rng::with_seed(0x0070_6872_6173_6573);
    while phrases.len() < n {
        let phrase = made_up(&mut rng);
        if phrase.len() >= 15 && seen.insert(phrase.to_ascii_lowercase()) {
            phrases.push(phrase);
        }
    }
    phrases
}

fn made_up(rng: &mut Rng) -> String {
    let [verb, action, noun] = [pick(rng, &VERBS), pick(rng, &ACTIONS), pick(rng, &NOUNS)];
    match rng.u32(..10) {
        0..=5 => format!("{verb} {action} {noun} {}", pick(rng, &PLACES)),
        6 | 7 => format!("{verb} {action} {noun}: code {}", rng.u32(100..1000)),
        8 => format!("{}{}E {action} {noun}", pick(rng, &CODES), rng.u32(1000..10_000)),
        _ => format!("Error{}Failure", camel_case(&format!("{action} {noun}"))),
    }
}

fn camel_case(words: &str) -> String {
    words.split(' ').map(|word| word[..1].to_ascii_uppercase() + &word[1..]).collect()
}

fn pick<'a>(rng: &mut Rng, list: &[&'a str]) -> &'a str {
    list[rng.usize(..list.len())]
}

/// A pack that looks for the first `n` phrases: up to 50 in a rule, one in each when there are no more than 79. No rule
/// asks for an app or a level, so a line with a phrase matches exactly one rule.
pub(crate) fn pack(n: usize) -> String {
    let mut pack = "[pack]\nrunbook = \"bench.md\"\nlink = \"/bench/bench.html\"\n\n\
                    [sections]\nactions-to-take = \"Actions to take\"\n"
        .to_owned();
    let severities = ["critical", "error", "warning"];
    for (index, phrases) in phrases(n).chunks((n / 40).clamp(1, 50)).enumerate() {
        let severity = severities[index % severities.len()];
        let _ = write!(
            pack,
            "\n[[rule]]\nid = \"bench.rule-{index}\"\ntitle = \"Trouble of kind {index}\"\nany = {phrases:?}\n\
             severity = \"{severity}\"\nsection = \"actions-to-take\"\n\
             action = \"Look for other trouble on the carrier that runs this cluster's master.\"\n\
             contact = \"#armada-deploy\"\n\
             match = [\"{}\"]\nno_match = [\"all is well\"]\n",
            phrases[0]
        );
    }
    pack
}

/// What a stream of lines holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    /// No phrase at all.
    Clean,
    /// So many lines of a million hold one phrase; every tenth of these in upper case.
    Matching(u32),
    /// The same, and every line holds two to five beginnings of phrases, half of the phrase or more.
    NearMiss(u32),
}

/// One log line.
#[derive(Debug, Clone)]
pub(crate) struct Line {
    /// The line, without a newline: a JSON object.
    pub(crate) json: String,
    /// The index of the phrase that stands in it, the only one.
    pub(crate) phrase: Option<usize>,
}

/// An endless stream of lines, always the same for the same kind, phrases and seed.
#[derive(Debug, Clone)]
pub(crate) struct Lines<'p> {
    kind: Kind,
    phrases: &'p [String],
    rng: Rng,
}

impl<'p> Lines<'p> {
    /// Begins a stream.
    ///
    /// # Panics
    /// Without phrases, unless the kind is `Clean`.
    pub(crate) fn new(kind: Kind, phrases: &'p [String], seed: u64) -> Self {
        assert!(kind == Kind::Clean || !phrases.is_empty(), "{kind:?} lines need phrases");
        Self { kind, phrases, rng: Rng::with_seed(seed) }
    }

    /// Two to five beginnings of phrases. What stands between them is in no phrase, so that none is completed.
    fn near_misses(&mut self) -> String {
        let mut text = String::new();
        for _ in 0..self.rng.usize(2..=5) {
            let phrase = &self.phrases[self.rng.usize(..self.phrases.len())];
            let kept = phrase.len() * self.rng.usize(50..=95) / 100;
            text += &phrase[..kept];
            text += pick(&mut self.rng, &["; ", "~ ", " | ", "= "]);
        }
        text
    }

    fn matching(&mut self) -> (String, usize) {
        let index = self.rng.usize(..self.phrases.len());
        let mut phrase = self.phrases[index].clone();
        if self.rng.u32(..10) == 0 {
            phrase.make_ascii_uppercase();
        }
        let rng = &mut self.rng;
        let before = pick(rng, &["sync loop", "retry 3 of 5", "handler gave up", "worker busy"]);
        (format!("{before}: {phrase}: cluster {}", hex(rng, 20)), index)
    }
}

impl Iterator for Lines<'_> {
    type Item = Line;

    fn next(&mut self) -> Option<Line> {
        let (near, per_million) = match self.kind {
            Kind::Clean => (false, 0),
            Kind::Matching(per_million) => (false, per_million),
            Kind::NearMiss(per_million) => (true, per_million),
        };
        let mut message = if near { self.near_misses() } else { String::new() };
        let mut phrase = None;
        if self.rng.u32(..1_000_000) < per_million {
            let (text, index) = self.matching();
            message += &text;
            phrase = Some(index);
        } else {
            message += &ordinary(&mut self.rng);
        }
        Some(Line { json: around(&mut self.rng, &message), phrase })
    }
}

/// What services say all day.
fn ordinary(rng: &mut Rng) -> String {
    match rng.u32(..12) {
        0 => format!("reconciling cluster {} generation {}", hex(rng, 20), rng.u32(..1000)),
        1 => format!("updated worker pool {} without error in {} ms", hex(rng, 12), rng.u32(..9000)),
        2 => format!("get request completed with return code: {}", rng.u32(200..205)),
        3 => "got an IAM token using the API key, it expires in 3600 seconds".to_owned(),
        4 => format!("identity provider {} exists already, nothing to do", hex(rng, 16)),
        5 => format!("starting the rotation of a service key for cluster {}", hex(rng, 20)),
        6 => {
            let carrier = carrier(rng);
            format!("master operation deploy finished on {carrier}, took {}.{} s", rng.u32(..4000), rng.u32(..10))
        }
        7 => format!("watch of ConfigMap closed: too old resource version: {}", rng.u32(..99_999_999)),
        8 => format!("Liveness probe failed: HTTP probe failed with statuscode: {}", rng.u32(500..504)),
        9 => format!("retry {} of request {}: failed to reach a peer, will back off", rng.u32(1..5), hex(rng, 8)),
        10 => format!("ETCD info loaded, keys={}, errors=0", rng.u32(..100)),
        _ => {
            let [account, cluster] = [hex(rng, 32), hex(rng, 20)];
            format!("user of crn:v1:bluemix:public:containers-kubernetes:us-south:a/{account}:{cluster}:: authorized")
        }
    }
}

/// The line around a message, in one of the seven families.
fn around(rng: &mut Rng, message: &str) -> String {
    let level = pick(rng, &["info", "info", "info", "warn", "debug", "error", "error"]);
    let time = time(rng);
    match rng.u32(..16) {
        0..=2 => format!(r#"{{"level":"{level}","time":"{time}","msg":"{message}"}}"#),
        3..=5 => application(rng, level, &time, message),
        6 => response(rng, level, &time, message),
        7..=9 => {
            let text = format!("{time} {} [{}] {message}", level.to_ascii_uppercase(), uuid(rng));
            logdna(rng, &text)
        }
        10 | 11 => {
            let inner = application(rng, level, &time, message);
            logdna_short(rng, &inner.replace('"', "\\\""))
        }
        12 | 13 => collector(rng, &time, message),
        14 => access(rng, &time, message),
        _ => stack_trace(rng, level, &time, message),
    }
}

fn application(rng: &mut Rng, level: &str, time: &str, message: &str) -> String {
    let file = pick(rng, &["deploy", "rotate", "sync", "kms"]);
    let (line, request, cluster, ms) = (rng.u32(..900), uuid(rng), hex(rng, 32), rng.u32(..60_000));
    format!(
        r#"{{"level":"{level}","time":"{time}","caller":"controllers/{file}.go:{line}","msg":"{message}","requestID":"{request}","clusterID":"{cluster}","region":"us-south","elapsed_ms":{ms}}}"#
    )
}

fn response(rng: &mut Rng, level: &str, time: &str, message: &str) -> String {
    let status = pick(rng, &["200", "204", "404", "500"]);
    format!(
        r#"{{"level":"{level}","time":"{time}","msg":"{message}","response":{{"Status":"","StatusCode":{status},"Proto":"","ProtoMajor":0,"ProtoMinor":0,"Header":null,"Body":{{"Reader":{{}}}},"ContentLength":0,"TransferEncoding":null,"Close":false,"Uncompressed":false,"Trailer":null,"Request":null,"TLS":null}}}}"#
    )
}

fn logdna(rng: &mut Rng, text: &str) -> String {
    let app = pick(rng, &["armada-kp-events", "armada-deploy", "compute-identity", "armada-billing"]);
    let (carrier, worker, ts) = (carrier(rng), rng.u32(..50), timestamp(rng));
    let (set, pod, container) = (hex(rng, 10), hex(rng, 5), hex(rng, 64));
    format!(
        r#"{{"_line":"{text}","_app":"{app}","_host":"{carrier}-worker-{worker}","_ts":{ts},"_logtype":"syslog","_file":"/var/log/containers/{app}-{set}-{pod}_armada_{app}-{container}.log","_cluster":"prod-dal10","_namespace":"armada","_label":{{"app":"{app}","pod-template-hash":"{set}"}}}}"#
    )
}

fn logdna_short(rng: &mut Rng, text: &str) -> String {
    let (carrier, ts, id, cluster, worker) = (carrier(rng), timestamp(rng), hex(rng, 24), hex(rng, 20), address(rng));
    format!(
        r#"{{"_line":"{text}","_app":"armada-deploy","_host":"{carrier}","_ts":{ts},"_id":"{id}","_meta":{{"cluster":"{cluster}","worker":"{worker}"}},"_tag":["prod","us-south"]}}"#
    )
}

fn collector(rng: &mut Rng, time: &str, message: &str) -> String {
    let file = pick(rng, &["reflector", "controller", "trace", "httplog"]);
    let (line, pod, pod_id, host) = (rng.u32(..900), hex(rng, 8), uuid(rng), address(rng));
    let [container, image] = [hex(rng, 64), hex(rng, 64)];
    format!(
        r#"{{"log":"I0617 {clock} 1 {file}.go:{line}] {message}\n","stream":"stderr","time":"{time}","kubernetes":{{"pod_name":"kube-apiserver-{pod}","namespace_name":"kube-system","pod_id":"{pod_id}","labels":{{"component":"kube-apiserver","tier":"control-plane"}},"host":"{host}","container_name":"kube-apiserver","docker_id":"{container}","container_hash":"registry.example.net/master/hyperkube@sha256:{image}"}}}}"#,
        clock = &time[11..19],
    )
}

fn access(rng: &mut Rng, time: &str, message: &str) -> String {
    let (from, cluster, status, bytes) =
        (address(rng), hex(rng, 20), pick(rng, &["200", "201", "404", "500"]), rng.u32(..99_999));
    let (client, ms) = (rng.u32(..500), rng.u32(..999));
    format!(
        r#"{{"time":"{time}","remote_addr":"{from}","method":"GET","path":"/v1/clusters/{cluster}/workers?showDeleted=false","status":{status},"bytes":{bytes},"ua":"containers-cli/1.0.{client} go1.16 linux/amd64","request_time":0.{ms:03},"upstream":"armada-api:6969","msg":"{message}"}}"#
    )
}

fn stack_trace(rng: &mut Rng, level: &str, time: &str, message: &str) -> String {
    let mut frames = String::new();
    for _ in 0..rng.u32(3..=16) {
        let [service, package] =
            [pick(rng, &["deploy", "kp-events", "api"]), pick(rng, &["etcd", "kms", "iam", "kube"])];
        let method = pick(rng, &["Do", "Rotate", "Update", "Get"]);
        let _ = write!(
            frames,
            r"\n\tgit.example.net/armada/armada-{service}/pkg/{package}.(*Client).{method}(0x{})",
            hex(rng, 10)
        );
    }
    format!(
        r#"{{"level":"{level}","time":"{time}","logger":"armada","msg":"{message}","stacktrace":"goroutine {} [running]:{frames}","version":"1.20.{}"}}"#,
        rng.u32(..900),
        rng.u32(..20),
    )
}

fn hex(rng: &mut Rng, digits: usize) -> String {
    (0..digits).map(|_| rng.digit(16)).collect()
}

fn uuid(rng: &mut Rng) -> String {
    let [a, b, c, d, e] = [8, 4, 4, 4, 12].map(|digits| hex(rng, digits));
    format!("{a}-{b}-{c}-{d}-{e}")
}

fn time(rng: &mut Rng) -> String {
    let (day, hour, minute, ms) = (rng.u32(1..29), rng.u32(..24), rng.u32(..60), rng.u32(..60_000));
    format!("2024-06-{day:02}T{hour:02}:{minute:02}:{:02}.{:03}", ms / 1000, ms % 1000)
}

fn timestamp(rng: &mut Rng) -> u64 {
    rng.u64(1_718_000_000_000..1_719_000_000_000)
}

fn address(rng: &mut Rng) -> String {
    format!("10.{}.{}.{}", rng.u8(..), rng.u8(..), rng.u8(..))
}

fn carrier(rng: &mut Rng) -> String {
    format!("prod-dal{}-carrier{}", rng.u32(10..14), rng.u32(..200))
}
