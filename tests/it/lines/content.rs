//! What a line says: sentences, app, source, level and other members, before any shape is put around them.
//!
//! It knows the catalog's phrases and things that come near to them. It makes no promise about what a line means: a
//! phrase may be spoilt, torn apart, or stand where it does not count.

use fastrand::Rng;

use super::json::{INVALID, LONE, Members, Node, TORN};
use super::{guarded, percent, pick, text};

#[derive(Debug, Clone, Default)]
pub(super) struct Content {
    pub(super) app: Option<String>,
    pub(super) source: Option<String>,
    pub(super) level: Option<Node>,
    /// At least one.
    pub(super) texts: Vec<String>,
    pub(super) members: Members,
}

impl Content {
    /// Its app, where that can be a container's name.
    pub(super) fn plain_app(&self) -> Option<&str> {
        let is_plain = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
        self.app.as_deref().filter(|app| !app.is_empty() && app.bytes().all(is_plain))
    }

    /// With U+FFFD for what is no character: how it comes to that depends on what stands around it.
    pub(super) fn without_odd_characters(&self) -> Self {
        let texts = self.texts.iter().map(|text| text.replace([LONE, INVALID, TORN], "\u{fffd}")).collect();
        Self { texts, ..self.clone() }
    }
}

/// The parts that make a row hold together, each with its alternatives, and the apps that it is for.
type Recipe = (&'static [&'static [&'static str]], &'static [&'static str]);

const PROBE: &str = "logdna-selfstream-config-validation";
const IDENTITY: &[&str] = &["armada-compute-identity", "compute-identity"];
const EVENTS: &[&str] = &["armada-kp-events"];
const METERING: &[&str] = &["armada-cluster", "armada-billing"];
const ANY: &[&str] = &["kms", "armada-deploy", "armada-api"];
const OTHER_APPS: &[&str] = &[
    "armada-compute-identity",
    "armada-kp-events",
    "armada-cluster",
    "kms",
    "Armada-KP-Events",
    "armada-kp-events ",
    "amrada-kp-events",
    "",
    "{\"app\":\"armada-kp-events\"}",
    PROBE,
];
const SOURCES: &[&str] = &["pod-a", "pod-b", "pod-c", "kms-5d9c"];

const UNAUTHORIZED: &[&str] = &["Unauthorized: The user does not have access to the specified resource"];
const FAILURE: &[&str] = &["fail", "error", "unable", "failed to dial", "Unable to reach", "ERROR"];
const METERING_FAILURE: &[&str] =
    &["ErrorMeteringTokenExchangeFailure: Failed to prepare OpenShift license metering  IAM token exchange failure"];
const CODE: &[&str] = &["({code})", "token exchange request failed. ({code})", "({code}), then (429)"];

const RECIPES: &[Recipe] = &[
    (&[&["etcd", "ETCD", "the etcd of the carrier:"], FAILURE], IDENTITY),
    (&[&["failed to create a new kube client"]], IDENTITY),
    (&[&["failed to get web key set", "error requesting web key set"]], IDENTITY),
    (&[&["failed to get the IAM token using the API key"]], IDENTITY),
    (&[&["error getting compute identity provider"]], IDENTITY),
    (&[&["error registering compute identity provider"]], IDENTITY),
    (&[&["error registering compute identity key set"]], IDENTITY),
    (&[&["error deleing compute identity provider", "error deleting compute identity provider"]], IDENTITY),
    (&[&["{word} request returned a non-successful return code:{ws}{code}"]], IDENTITY),
    (&[&["{word}request returned a non-successful return code:{ws}{code}"]], IDENTITY),
    (
        &[
            &["Error getting DEK and wrapped DEK for Root Key:'***'"],
            &["Unauthorized: user does not have access to provided resources."],
        ],
        ANY,
    ),
    (&[UNAUTHORIZED], ANY),
    (&[UNAUTHORIZED, &["Unwrap WDEK failed"]], ANY),
    (&[UNAUTHORIZED, &["Unwrap WDEK failed"]], ANY),
    (
        &[&[
            "This operation cannot be completed. Please try your request at a later time. If the issue persists, please \
             contact{ws}{support}",
        ]],
        ANY,
    ),
    (&[&["BXNIM0410E Provided user not found or active"]], ANY),
    (&[&["BXNIM0415E Provided API key could not be found"]], ANY),
    (&[&["BXNIM{ws}{digits}{ws}E", "BXNIM{digits}E", "BXNIM0410E, bxnim{digits}e"]], ANY),
    (
        &[&[
            "error during request to KeyProtect correlation_id='{id}': Post {url}: dial tcp: connect: connection refused",
        ]],
        ANY,
    ),
    (
        &[&["error during request to KeyProtect", "error during request to KeyProtect {url}"], &["connection refused"]],
        ANY,
    ),
    (&[&["KEY_DELETED_ERR", "KEY_DELETED_ERR: Key has been deleted. ({url})"]], ANY),
    (&[&["KEY_ACTION_INVALID_STATE_ERR", "KEY_ACTION_INVALID_STATE_ERR for {crn}"]], ANY),
    (&[&["failed to get CRN token from IAM"]], ANY),
    (&[&["image-admission-config", "failed calling webhook \"{word}.example.com\""]], ANY),
    (
        &[&[
            "*FAILED* *{operation}* on Carrier: *stage-dal09-carrier0* (10.143.139.204) at 2018-03-30T16:05:12+0000 - \
             Region: *us-south*, Cluster: *9850e*, Master: *stage-9850e-m1*, BOM: *1.8.8_1507*, IsPaid: *false*, ReqID: \
             *{id}*, Attempts: *5*, Elapsed Time: *3535.64* seconds",
        ]],
        ANY,
    ),
    (
        &[&[
            "FAILED {operation} on Carrier: carrier-2",
            "*FAILED* *{operation}* on Carrier:*carrier-3*, Attempts: many, IsPaid: true",
            "FAILED{ws}{operation} on{ws}Carrier: *carrier-4* at noon, Region: *eu-de*",
        ]],
        ANY,
    ),
    (&[&["etcd"], FAILURE, &["rotating the key", "rotation"]], EVENTS),
    (&[&["Failed to create a Kube Client"]], EVENTS),
    (&[&["Failed to update WDEK Secret"]], EVENTS),
    (&[&["Rotation attempt failed"]], EVENTS),
    (&[&["Failure to rotate the service iam-api-key"]], EVENTS),
    (&[&["error completing request, the cluster is busy with another KMS action, {crn}"]], EVENTS),
    (&[&["Error finding ETCD info for the cluster"]], EVENTS),
    (&[&["check cluster state"], FAILURE], EVENTS),
    (&[&["check key in use"], FAILURE], EVENTS),
    (&[&["get key info from ghost CorrID: {id}"], FAILURE], EVENTS),
    (&[&["check key status for migration {url}"]], EVENTS),
    (&[METERING_FAILURE, CODE], METERING),
    (&[METERING_FAILURE, CODE], METERING),
    (&[METERING_FAILURE, &["(500): \"ApiKey based rate limit for calls to /token\"", "timeout"]], METERING),
    (&[&["ApiKey based rate limit for calls to /token"]], ANY),
    (&[&["the iam service: apikey over its rate limit", "rate limit, apikey, IAM"]], ANY),
];

/// What is said for later lines; at most one of them on a line.
const CONTEXTS: &[&str] = &[
    "Service to service authentication will be used",
    "KMS V2.0 path, WDEK will be loaded from mounted secret file",
    "KMS V1.0 path, WDEK will be generated",
    "KPInfo.url={url}",
    "provider at {url}",
];

const TWINS: &[&str] = &[
    "This operation cannot be completed. Please try your request at a later time. If the issue persists, please contact \
     IBM Key Protect",
    "This operation cannot be completed. Please try your request at a later time. If the issue persists, please contact us",
    "Unauthorized: The user does not have access to provided resources",
    "Error getting DEK and wrapped DEK for Root Key",
    "failed to create a the new kube client",
    "failed  to get web key set",
    "request returned a non-successful return code: 5000",
    "request returned a non-successful return code: 50O",
    "BXNIM04150E BXNIM041E BXNIM 0410 E BXNIM",
    "dial tcp 127.0.0.1:2379: connect: connection refused",
    "*FAILED* on Carrier: *x*",
    "*SUCCEEDED* *deploy* on Carrier: *x*",
    "*FAILED* *two words* on Carrier: *x*",
    "iam_apikey rate limit",
    "iams apikey rate limit 2iam",
    "KEY_DELETED-ERR KEY-DELETED_ERR KEY_DELETEDERR",
    "ErrorMeteringToken ExchangeFailure (403)",
    "KMS V2.0 path, WDEK will be loaded from a mounted secret file",
    "Service-to-service authentication will be used",
];

const NOISE: &[&str] = &[
    "starting reconcile loop",
    "GET /v1/clusters?limit=50&offset=<none> took 12ms",
    "user said: \"it's fine\"",
    "C:\\kms\\log\\path",
    "päth/über/日本/😀",
    "line one\nline two\tand a tab",
    "bell \u{7} null \0 delete \u{7f} separator \u{2028}",
    "{not json}",
    "[INFO] done",
    "",
    " ",
    "null",
    "{}",
    "[]",
    "etcd is fine",
    "no error",
    "https://example.com/a?b=https://example.org#c",
];

const URLS: &[&str] = &[
    "https://us-south.kms.cloud.ibm.com/api/v2/keys/13b69934-96b4?action=wrap",
    "https://private.eu-de.kms.cloud.ibm.com",
    "HTTPS://EU-GB.KMS.CLOUD.IBM.COM:443/api/v2/keys/k9",
    "http://keyprotect.us-south.bluemix.net/api/v2/keys/",
    "https://api.us-south.hs-crypto.cloud.ibm.com:8451/api/v2/keys/5ef3-6?action=wrap",
    "\"https://api.us-south.hs-crypto.cloud.ibm.com:8451\"",
    "https://instance.hs-crypto.cloud.ibm.com\\",
    "https://instance.hs-crypto.cloud.ibm.com.",
    "https://us-south.kms.cloud.ibm.com.example.net/",
    "https://kms.cloud.ibm.com",
    "https://.kms.cloud.ibm.com",
    "https://keyprotect.bluemix.net",
    "https://keyprotect..bluemix.net",
    "https://mykeyprotect.us-south.bluemix.net",
    "https://user@eu-de.kms.cloud.ibm.com",
    "https://eu-de.kms.cloud.ibm.com|x",
    "eu-de.kms.cloud.ibm.com/api",
    "https:///keys/x",
];

const CRNS: &[&str] = &[
    "crn:v1:bluemix:public:containers-kubernetes:eu-de:a/1:cluster-1::",
    "crn:v1:bluemix:public:containers-kubernetes:us-south:a/2:cluster-2:worker:w1",
    "crn:v1:bluemix:public:kms:eu-de:a/1:inst-1:key:k1",
    "crn:v1:staging:public:hs-crypto:eu-de:a/1:inst-2:key:k2",
    "crn:v2:bluemix:public:kms:eu-de:a/1::key:k3:more:parts",
    "crn:v1:bluemix:public:kms:too-short:a/1:inst",
    "crn:v:bluemix:public:kms:eu-de:a/1:inst-1:key:k1",
    "CRN:v1:bluemix:public:kms:eu-de:a/1:inst-1:key:k1",
];

const CODES: &[&str] = &["500", "500", "404", "401", "403", "429", "418", "000", "5000", "42", "٤٠٤", ""];

pub(super) fn content(rng: &mut Rng) -> Content {
    let mut content = Content { texts: vec![noise(rng)], ..Content::default() };
    let apps = match rng.u8(..100) {
        0..58 => recipe(rng, &mut content),
        58..72 => context(rng, &mut content),
        72..80 => twin(rng, &mut content),
        _ => ANY,
    };
    for _ in 0..rng.u8(..3) {
        let more = noise(rng);
        place(rng, &mut content.texts, more);
    }
    content.texts.iter_mut().for_each(|text| *text = guarded(text));
    content.app = app(rng, apps);
    content.source = percent(rng, 70).then(|| pick(rng, SOURCES).to_owned());
    content.level = percent(rng, 65).then(|| level(rng));
    members(rng, &mut content);
    content
}

/// A probe line says nothing for later: whether its words are a context is left open.
fn app(rng: &mut Rng, apps: &[&str]) -> Option<String> {
    let app = match rng.u8(..100) {
        0..58 => pick(rng, apps),
        58..84 => return None,
        84..86 => "compute-identity",
        _ => pick(rng, OTHER_APPS),
    };
    Some(app.to_owned())
}

fn recipe(rng: &mut Rng, content: &mut Content) -> &'static [&'static str] {
    let count = pick(rng, &[1, 1, 1, 1, 1, 1, 2, 2, 3]);
    let mut apps = ANY;
    for _ in 0..count {
        let (parts, for_apps) = pick(rng, RECIPES);
        apps = for_apps;
        say(rng, content, parts);
    }
    if percent(rng, 8) {
        context(rng, content);
    }
    apps
}

/// Puts the parts into one value, or each into its own.
fn say(rng: &mut Rng, content: &mut Content, parts: &[&[&str]]) {
    let mut said: Vec<String> = Vec::new();
    for alternatives in parts {
        let template = pick(rng, alternatives);
        let part = expand(rng, template);
        said.extend(spoilt(rng, part));
    }
    if percent(rng, 15) {
        rng.shuffle(&mut said);
    }
    if said.len() > 1 && rng.bool() {
        said = vec![said.join(pick(rng, &[" ", ": ", "\n", "','", ""]))];
    }
    for part in said {
        let part = decorated(rng, part);
        place(rng, &mut content.texts, part);
    }
}

fn context(rng: &mut Rng, content: &mut Content) -> &'static [&'static str] {
    let said = pick(rng, CONTEXTS);
    say(rng, content, &[&[said]]);
    ANY
}

fn twin(rng: &mut Rng, content: &mut Content) -> &'static [&'static str] {
    let twin = pick(rng, TWINS).to_owned();
    place(rng, &mut content.texts, twin);
    pick(rng, &[IDENTITY, EVENTS, METERING, ANY])
}

/// Replaces a value, or stands beside the others.
fn place(rng: &mut Rng, texts: &mut Vec<String>, said: String) {
    match rng.u8(..10) {
        0..3 => texts.insert(0, said),
        3..5 if texts.len() == 1 && texts[0].len() < 3 => texts[0] = said,
        _ => texts.push(said),
    }
}

fn expand(rng: &mut Rng, template: &str) -> String {
    const SLOTS: &[(&str, &[&str])] = &[
        ("{code}", CODES),
        ("{url}", URLS),
        ("{crn}", CRNS),
        ("{ws}", &["", " ", " ", "  ", "\n\t", "\u{2003}", "\u{a0}", "\u{200b}"]),
        ("{word}", &["get", "POST", "delete ", "x-put", "é", "p2", ""]),
        ("{digits}", &["0408", "0109", "9999", "0410", "0415", "410", "04108"]),
        ("{support}", &["IBM KeyProtect", "Key Protect.", "key protect", "KeyProtect", "IBM  KeyProtect"]),
        ("{operation}", &["deploy", "delete", "update-master", "kms_update", "two words", "v2"]),
        ("{id}", &["a72fd89c-71c7", "ffa52190", "'q'", "x_y.z", "\"5\""]),
    ];
    let mut text = template.to_owned();
    for (slot, values) in SLOTS {
        while text.contains(slot) {
            text = text.replacen(slot, pick(rng, values), 1);
        }
    }
    text
}

/// The part as it is, or in other case, doubled, with one character wrong, or torn into two values.
fn spoilt(rng: &mut Rng, part: String) -> Vec<String> {
    match rng.u8(..100) {
        0..10 => vec![recased(rng, &part)],
        10..14 => vec![format!("{part}{part}")],
        14..22 => vec![one_wrong(rng, &part)],
        22..25 => {
            let (left, right) = part.split_at(part.floor_char_boundary(rng.usize(..=part.len())));
            vec![left.to_owned(), right.to_owned()]
        }
        _ => vec![part],
    }
}

fn recased(rng: &mut Rng, part: &str) -> String {
    match rng.u8(..3) {
        0 => part.to_ascii_uppercase(),
        1 => part.to_ascii_lowercase(),
        _ => part.chars().map(|c| if rng.bool() { c.to_ascii_uppercase() } else { c.to_ascii_lowercase() }).collect(),
    }
}

/// One character dropped, changed or added; or put in a form that only full case folding takes for the same.
fn one_wrong(rng: &mut Rng, part: &str) -> String {
    let mut characters: Vec<char> = part.chars().collect();
    let at = rng.usize(..characters.len().max(1));
    let odd = pick(rng, &['x', ' ', '-', '0', 'é', '\u{200d}', '\u{301}', LONE, INVALID, TORN]);
    match rng.u8(..4) {
        0 if at < characters.len() => drop(characters.remove(at)),
        1 if at < characters.len() => characters[at] = odd,
        2 => characters.insert(at, odd),
        _ => return part.replacen(['k', 'K'], "\u{212a}", 1).replacen('s', "\u{17f}", 1),
    }
    characters.into_iter().collect()
}

fn decorated(rng: &mut Rng, part: String) -> String {
    let mut part = part;
    if percent(rng, 30) {
        part = format!("{}{}{part}", noise(rng), pick(rng, &[" ", "", ": ", "'", "\""]));
    }
    if percent(rng, 30) {
        part = format!("{part}{}{}", pick(rng, &[" ", "", ".", "'", ", "]), noise(rng));
    }
    if percent(rng, 15) {
        part = format!("{part} {}", pick(rng, CRNS));
    }
    if percent(rng, 5) {
        part = format!("{part} {}. ({})", pick(rng, CRNS), pick(rng, CRNS));
    }
    if percent(rng, 8) {
        let sign = pick(rng, &[": ", "=", " = ", "=\"", ":\n'", " ", "==", ": \"'"]);
        part = format!("{part} CorrID{sign}{}", pick(rng, &["c-1", "ab.c_d-9", "", "é", "77."]));
    }
    part
}

fn noise(rng: &mut Rng) -> String {
    let mut said = pick(rng, NOISE).to_owned();
    if percent(rng, 4) {
        said.push(pick(rng, &[LONE, INVALID, TORN, '\u{ffff}', '\u{10ffff}']));
    }
    said
}

fn level(rng: &mut Rng) -> Node {
    // What each of them means the oracle knows.
    const WORDS: &[&str] = &[
        "error", "error", "ERROR", "Err", "fatal", "critical", "panic", "Alert", "emerg", "info", "INFO", "warn",
        "debug", "error ", "errors", "",
    ];
    match rng.u8(..20) {
        0 | 1 => Node::Raw(pick(rng, &["50", "3", "1e999", "-0", "17"]).to_owned()),
        2 => Node::Raw(pick(rng, &["null", "true"]).to_owned()),
        3 => Node::Object(vec![("name".to_owned(), text("error"))]),
        _ => text(pick(rng, WORDS)),
    }
}

/// Members beside the message: some are captured, some are fields whose text does not count.
fn members(rng: &mut Rng, content: &mut Content) {
    for _ in 0..pick(rng, &[0, 0, 1, 1, 2, 3]) {
        let member = member(rng);
        content.members.push(member);
    }
}

fn member(rng: &mut Rng) -> (String, Node) {
    const PHRASES: &[&str] = &[
        "KEY_DELETED_ERR",
        "image-admission-config",
        "{\"msg\":\"BXNIM0415E\",\"app\":\"kms\"}",
        "Rotation attempt failed",
    ];
    const FIELDS: &[&str] = &["region", "crn_region", "time", "_ts", "timestamp", "ts"];
    const FACTS: &[&str] =
        &["carrier", "operation", "master", "bom", "is_paid", "attempts", "elapsed_seconds", "region"];
    match rng.u8(..11) {
        0 | 1 => (pick(rng, &["crn", "CRN", "key_crn"]).to_owned(), text(pick(rng, CRNS))),
        2 => ("CorrID".to_owned(), scalar(rng)),
        3 => (pick(rng, &["cluster", "clusterID", "cluster_id"]).to_owned(), scalar(rng)),
        4 | 5 => status_code(rng),
        6 => (pick(rng, FIELDS).to_owned(), text(pick(rng, PHRASES))),
        7 => (pick(rng, PHRASES).to_owned(), scalar(rng)),
        8 => (pick(rng, FACTS).to_owned(), scalar(rng)),
        9 => ("url".to_owned(), text(pick(rng, URLS))),
        _ => ("n".to_owned(), number(rng)),
    }
}

fn status_code(rng: &mut Rng) -> (String, Node) {
    let code = match rng.u8(..4) {
        0 => text(pick(rng, CODES)),
        1 => scalar(rng),
        _ => Node::Raw(pick(rng, &["500", "404", "429", "500.0", "5e2"]).to_owned()),
    };
    if rng.bool() {
        return ("response.StatusCode".to_owned(), code);
    }
    ("response".to_owned(), Node::Object(vec![("Status".to_owned(), text("")), ("StatusCode".to_owned(), code)]))
}

fn scalar(rng: &mut Rng) -> Node {
    match rng.u8(..6) {
        0 => number(rng),
        1 => Node::Raw(pick(rng, &["null", "true", "false"]).to_owned()),
        2 => text(pick(rng, &["", " ", "true", "5", "3.5", "é"])),
        3 => Node::Array(vec![text(pick(rng, CRNS))]),
        _ => text(pick(rng, &["c-1", "cluster-9", "carrier-7", "x"])),
    }
}

fn number(rng: &mut Rng) -> Node {
    const NUMBERS: &[&str] =
        &["0", "-0", "7", "12345", "1e999", "-1E-999", "0.1", "123456789012345678901234567890", "3.50"];
    Node::Raw(pick(rng, NUMBERS).to_owned())
}
