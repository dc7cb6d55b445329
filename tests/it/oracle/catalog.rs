//! The catalog, row by row: which rules hold for a line, how severe, under which section, with which facts.
//!
//! It is written from the catalog's words alone. It knows nothing of packs, of earlier lines (those come as [`Said`]) or
//! of what is done with the answer.

use std::cmp::Reverse;

use serde_json::Value;

use super::captures::{
    Operation, RESPONSE, Response, behind, bxnim_codes, code_in_parentheses, corr_id, correlation_id, crn_segment,
    crns, crns_starting_anywhere, has_words, host, host_behind, key_id, key_id_behind, occurrences, operations,
    provider, responses, says, starts_with,
};
use super::reading::{Reading, without_controls};
use super::{Facts, Said};
use Severity::{Critical, Warning};

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Severity {
    Critical,
    Warning,
}

impl Severity {
    pub(super) fn word(self) -> &'static str {
        match self {
            Severity::Critical => "critical",
            Severity::Warning => "warning",
        }
    }
}

/// A rule that holds for the line.
#[derive(Debug)]
pub(super) struct Match {
    pub(super) id: &'static str,
    pub(super) severity: Severity,
    pub(super) section: &'static str,
    /// Bytes of its longest phrase that occurred.
    longest: usize,
    pub(super) facts: Facts,
}

impl Match {
    /// Ascending: the primary comes first.
    pub(super) fn rank(&self) -> (Severity, Reverse<usize>, &'static str) {
        (self.severity, Reverse(self.longest), self.id)
    }
}

const SERVICE_TO_SERVICE: &str = "Service to service authentication will be used";
const KMS_2: &str = "KMS V2.0 path, WDEK will be loaded from mounted secret file";
const KMS_1: &str = "KMS V1.0 path, WDEK will be generated";

/// Takes in what a line says that later lines of its source (and it itself) are judged by.
///
/// Interpretation: of several providers on one line the first is "the one last seen"; of both KMS sentences on one line
/// the one said last counts.
pub(super) fn listen(said: &mut Said, reading: &Reading) {
    said.service_to_service |= says(reading, SERVICE_TO_SERVICE);
    for text in &reading.texts {
        let last = |phrase| occurrences(text, phrase).last().copied();
        match (last(KMS_2), last(KMS_1)) {
            (None, None) => {}
            (two, one) => said.kms_version = Some(if two > one { "2.0" } else { "1.0" }),
        }
    }
    said.provider = reading.texts.iter().find_map(|text| provider(text)).or(said.provider);
}

/// All rules that hold, in no order.
pub(super) fn matches(reading: &Reading, said: &Said) -> Vec<Match> {
    let mut judge = Judge { reading, said, found: Vec::new() };
    judge.compute_identity();
    judge.kms();
    judge.deploy();
    judge.key_rotation();
    judge.kp_events();
    judge.metering();
    judge.iam();
    judge.add_common_facts();
    judge.found
}

struct Judge<'a> {
    reading: &'a Reading,
    said: &'a Said,
    found: Vec<Match>,
}

/// Whether a row is for lines that name no app.
#[derive(Clone, Copy, PartialEq)]
enum App {
    Optional,
    Required,
}

const COMPUTE_IDENTITY: &[&str] = &["armada-compute-identity", "compute-identity"];
const KP_EVENTS: &[&str] = &["armada-kp-events"];
const METERING: &[&str] = &["armada-cluster", "armada-billing"];

impl Judge<'_> {
    fn compute_identity(&mut self) {
        const SECTION: &str = "actions-to-take";
        if self.in_scope(COMPUTE_IDENTITY, App::Required)
            && self.says("etcd")
            && self.longest(FAILURES).is_some()
            && self.error_level() != Some(false)
        {
            let longest = self.longest(&["etcd", "fail", "error", "unable"]);
            self.add("compute-identity.etcd", Critical, SECTION, longest);
        }
        if !self.in_scope(COMPUTE_IDENTITY, App::Optional) {
            return;
        }
        for (id, phrases) in COMPUTE_IDENTITY_PHRASES {
            self.add(id, Critical, SECTION, self.longest(phrases));
        }
        self.iam_response(SECTION);
    }

    fn iam_response(&mut self, section: &'static str) {
        let responses: Vec<Response> = self.reading.texts.iter().flat_map(|text| responses(text)).collect();
        let Some(first) = responses.first() else { return };
        let member = self.reading.member(&["response.StatusCode"]).and_then(int);
        let status = member.or_else(|| int(&first.code));
        let severity = if status == Some(Value::from(500)) { Critical } else { Warning };
        self.add("compute-identity.iam-response", severity, section, Some(RESPONSE.len()));
        self.fact("http_status", status);
        // Interpretation: the first response that has a word before "request" gives it.
        self.fact("request", responses.into_iter().find_map(|response| response.request).map(Value::from));
    }

    fn kms(&mut self) {
        const SECTION: &str = "error-messages";
        const DEK: &str = "Error getting DEK and wrapped DEK for Root Key";
        const PROVIDED: &str = "Unauthorized: user does not have access to provided resources";
        let before = self.found.len();
        if self.says(DEK) && self.says(PROVIDED) {
            self.add("kms.no-reader-role", Critical, SECTION, self.longest(&[DEK, PROVIDED]));
        }
        self.unauthorized(SECTION);
        self.try_later();
        for (id, phrase, section) in KMS_PHRASES {
            self.add(id, Critical, section, self.longest(&[phrase]));
        }
        self.connection_refused(SECTION);
        self.other_bxnim(SECTION);
        for index in before..self.found.len() {
            let facts = &mut self.found[index].facts;
            facts.extend(self.said.provider.map(|provider| ("provider".to_owned(), provider.into())));
            facts.extend(self.said.kms_version.map(|version| ("kms_version".to_owned(), version.into())));
        }
    }

    fn unauthorized(&mut self, section: &'static str) {
        let longest = self.longest(&["Unauthorized: The user does not have access to the specified resource"]);
        if self.says("Unwrap WDEK failed") && self.said.service_to_service {
            self.add("kms.missing-service-policy", Critical, section, longest);
        } else {
            self.add("kms.unauthorized-resource", Warning, section, longest);
        }
    }

    fn try_later(&mut self) {
        const PHRASE: &str = "This operation cannot be completed. Please try your request at a later time. \
                              If the issue persists, please contact";
        let names =
            |rest: &str| ["IBM KeyProtect", "Key Protect"].iter().any(|name| starts_with(rest.trim_start(), name));
        if self.reading.texts.iter().any(|text| behind(text, PHRASE).into_iter().any(names)) {
            self.add("kms.try-later", Critical, "which-kms-provider-is-being-used", Some(PHRASE.len()));
        }
    }

    fn connection_refused(&mut self, section: &'static str) {
        let both = ["error during request to KeyProtect", "connection refused"];
        if both.iter().all(|phrase| self.says(phrase)) {
            self.add("kms.connection-refused", Critical, section, self.longest(&both));
            let id = self.in_text(correlation_id).or_else(|| self.reading.member(&["correlation_id"]).map(Value::from));
            self.fact("correlation_id", id);
            self.fact("host", self.in_text(|text| host_behind(text, both[0])).or_else(|| self.in_text(host)));
            self.fact("key_id", self.in_text(|text| key_id_behind(text, both[0])).or_else(|| self.in_text(key_id)));
        }
    }

    fn other_bxnim(&mut self, section: &'static str) {
        let codes = self.reading.texts.iter().flat_map(|text| bxnim_codes(text));
        let other = codes.into_iter().find(|code| code != "BXNIM0410E" && code != "BXNIM0415E");
        if let Some(code) = other {
            self.add("kms.bxnim-other", Warning, section, Some("BXNIM".len()));
            self.fact("code", Some(Value::from(code)));
        }
    }

    fn deploy(&mut self) {
        let longest = self.longest(&["image-admission-config", "failed calling webhook"]);
        self.add("deploy.webhook", Warning, "webhooks-causing-failures", longest);
        if self.in_text(|text| operations(text).map(|found| found.status).next()).is_some() {
            let section = "1-locate-the-failed-master-operation-slack-message";
            self.add("deploy.operation-failed", Critical, section, Some("on Carrier:".len()));
            self.operation_facts();
        }
    }

    fn operation_facts(&mut self) {
        let text = |value: &str| Some(Value::from(value));
        self.operation_fact("status", text, |message| Some(message.status));
        self.operation_fact("operation", text, |message| Some(message.operation));
        self.operation_fact("carrier", text, |message| message.carrier());
        self.operation_fact("node_ip", text, |message| message.node_ip());
        self.operation_fact("finished_at", text, |message| message.finished_at());
        self.operation_fact("region", text, |message| message.labelled("Region:"));
        self.operation_fact("cluster", text, |message| message.labelled("Cluster:"));
        self.operation_fact("master", text, |message| message.labelled("Master:"));
        self.operation_fact("bom", text, |message| message.labelled("BOM:"));
        self.operation_fact("is_paid", boolean, |message| message.labelled("IsPaid:"));
        self.operation_fact("request_id", text, |message| message.labelled("ReqID:"));
        self.operation_fact("attempts", int, |message| message.labelled("Attempts:"));
        self.operation_fact("elapsed_seconds", float, |message| message.labelled("Elapsed Time:"));
    }

    /// From the message where it has the fact, else from the member of the fact's name.
    ///
    /// Interpretation: the first message that has the fact gives it, in the first text value where it is of the fact's
    /// type.
    fn operation_fact(
        &mut self,
        name: &str,
        typed: impl Fn(&str) -> Option<Value>,
        part: impl for<'t> Fn(&Operation<'t>) -> Option<&'t str>,
    ) {
        let from_text = |text: &String| operations(text).find_map(|message| part(&message)).and_then(&typed);
        let value = self.reading.texts.iter().find_map(from_text);
        let value = value.or_else(|| self.reading.member(&[name]).and_then(&typed));
        self.fact(name, value);
    }

    fn key_rotation(&mut self) {
        const SECTION: &str = "actions-to-take";
        if self.in_scope(KP_EVENTS, App::Required)
            && self.says("etcd")
            && self.longest(FAILURES).is_some()
            && self.says("rotat")
        {
            let longest = self.longest(&["etcd", "fail", "error", "unable", "rotat"]);
            self.add("key-rotation.etcd", Critical, SECTION, longest);
        }
        if self.in_scope(KP_EVENTS, App::Optional) {
            for (id, phrase, severity) in KEY_ROTATION_PHRASES {
                self.add(id, *severity, SECTION, self.longest(&[phrase]));
            }
        }
    }

    fn kp_events(&mut self) {
        if self.in_scope(KP_EVENTS, App::Optional) {
            for (id, phrase) in KP_EVENTS_PHRASES {
                self.add(id, Warning, "actions-to-take", self.longest(&[phrase]));
            }
        }
        if self.in_scope(KP_EVENTS, App::Required) {
            for (id, phrase) in MIGRATION_PHRASES {
                self.migration(id, phrase);
            }
        }
    }

    fn migration(&mut self, id: &'static str, phrase: &str) {
        let failure = self.error_level() == Some(true) || self.says("error") || self.says("fail");
        if failure && self.says(phrase) {
            self.add(id, Warning, "general-debugging", self.longest(&[phrase, "error", "fail"]));
            self.fact("provider", self.said.provider.map(Value::from));
        }
    }

    fn metering(&mut self) {
        const PHRASE: &str = "ErrorMeteringTokenExchangeFailure";
        if !(self.in_scope(METERING, App::Optional) && self.says(PHRASE)) {
            return;
        }
        let status = self.in_text(code_in_parentheses);
        let code = status.as_ref().and_then(Value::as_str).map(str::to_owned);
        let (id, section) = match code.as_deref() {
            Some("401" | "403") => ("metering.auth", "actions-to-take"),
            Some("429") => ("metering.rate-limited", "notes-for-troutbridge-squad"),
            _ if self.says("ApiKey based rate limit") => ("metering.rate-limited", "notes-for-troutbridge-squad"),
            _ => ("metering.other", "actions-to-take"),
        };
        self.add(id, Critical, section, Some(PHRASE.len()));
        self.fact("http_status", code.as_deref().and_then(int));
    }

    fn iam(&mut self) {
        const WORDS: &[&str] = &["iam", "apikey", "rate limit"];
        if self.found.iter().any(|found| found.id.starts_with("metering.")) {
            return;
        }
        let phrase = self.longest(&["ApiKey based rate limit for calls to"]);
        let words = self.reading.texts.iter().any(|text| has_words(text, WORDS)).then_some("rate limit".len());
        self.add("iam.rate-limited", Warning, "notes-for-troutbridge-squad", phrase.or(words));
    }

    fn add_common_facts(&mut self) {
        let crns: Vec<String> = self.reading.texts.iter().flat_map(|text| crns(text)).map(without_controls).collect();
        // Interpretation: a CRN that runs into the next one without a break does not hide it.
        let starting_anywhere = self.reading.texts.iter().flat_map(|text| crns_starting_anywhere(text));
        let of_cluster = starting_anywhere.into_iter().find(|crn| crn_segment(crn, 4) == "containers-kubernetes");
        let in_text = of_cluster.map(without_controls).or(crns.first().cloned());
        let crn = self.reading.member(&["crn", "CRN"]).map(str::to_owned).or(in_text);
        let crn = crn.as_deref();
        let mut others: Vec<&str> = Vec::new();
        for other in &crns {
            if Some(other.as_str()) != crn && !others.contains(&other.as_str()) {
                others.push(other);
            }
        }
        let instance = crn.map(|crn| crn_segment(crn, 7)).filter(|instance| !instance.is_empty());
        let cluster = self.reading.member(&["cluster", "clusterID", "cluster_id"]).or(instance);
        let id = self.reading.member(&["CorrID"]).map(Value::from).or_else(|| self.in_text(corr_id));
        let key_crns = (!others.is_empty()).then(|| others.join(" "));
        let common = [
            ("crn", crn.map(Value::from)),
            ("key_crns", key_crns.map(Value::from)),
            ("cluster", cluster.map(Value::from)),
            ("corr_id", id),
        ];
        for found in &mut self.found {
            for (name, value) in &common {
                if let Some(value) = value {
                    found.facts.entry((*name).to_owned()).or_insert_with(|| value.clone());
                }
            }
        }
    }

    /// Adds the rule when a phrase of it occurred.
    fn add(&mut self, id: &'static str, severity: Severity, section: &'static str, longest: Option<usize>) {
        if let Some(longest) = longest {
            self.found.push(Match { id, severity, section, longest, facts: Facts::new() });
        }
    }

    /// A fact of the rule that was added last.
    fn fact(&mut self, name: &str, value: Option<Value>) {
        let value = match value {
            Some(Value::String(text)) => Some(without_controls(&text)).filter(|text| !text.is_empty()).map(Value::from),
            other => other,
        };
        if let (Some(found), Some(value)) = (self.found.last_mut(), value) {
            found.facts.insert(name.to_owned(), value);
        }
    }

    fn says(&self, phrase: &str) -> bool {
        says(self.reading, phrase)
    }

    /// The length of the longest of these phrases that occurs.
    fn longest(&self, phrases: &[&str]) -> Option<usize> {
        phrases.iter().filter(|phrase| self.says(phrase)).map(|phrase| phrase.len()).max()
    }

    /// What the first text value that has it gives.
    fn in_text<'t>(&'t self, find: impl Fn(&'t str) -> Option<&'t str>) -> Option<Value> {
        self.reading.texts.iter().find_map(|text| find(text)).map(Value::from)
    }

    fn in_scope(&self, apps: &[&str], app: App) -> bool {
        self.reading.app().map_or(app == App::Optional, |named| apps.contains(&named))
    }

    /// Whether the line's level is an error; nothing when it has no level, or only one that says nothing.
    fn error_level(&self) -> Option<bool> {
        self.reading.error_level()
    }
}

/// A whole number, as a JSON number or as digits. A sign may stand before it.
fn int(text: &str) -> Option<Value> {
    let digits = text.strip_prefix('-').unwrap_or(text);
    let whole = !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit());
    if whole { text.parse::<i64>().ok().map(Value::from) } else { None }
}

fn float(text: &str) -> Option<Value> {
    let digits = text.bytes().all(|byte| byte.is_ascii_digit() || b"+-.eE".contains(&byte));
    text.parse::<f64>().ok().filter(|number| digits && number.is_finite()).map(Value::from)
}

fn boolean(text: &str) -> Option<Value> {
    text.to_ascii_lowercase().parse::<bool>().ok().map(Value::from)
}

const FAILURES: &[&str] = &["fail", "error", "unable"];

const COMPUTE_IDENTITY_PHRASES: &[(&str, &[&str])] = &[
    ("compute-identity.kube-client", &["failed to create a new kube client"]),
    ("compute-identity.web-key-set", &["failed to get web key set", "error requesting web key set"]),
    ("compute-identity.iam-token", &["failed to get the IAM token using the API key"]),
    ("compute-identity.get-provider", &["error getting compute identity provider"]),
    ("compute-identity.register-provider", &["error registering compute identity provider"]),
    ("compute-identity.register-key-set", &["error registering compute identity key set"]),
    (
        "compute-identity.delete-provider",
        &["error deleing compute identity provider", "error deleting compute identity provider"],
    ),
];

const KMS_PHRASES: &[(&str, &str, &str)] = &[
    ("kms.user-not-found", "BXNIM0410E", "error-messages"),
    ("kms.api-key-missing", "BXNIM0415E", "error-messages"),
    ("kms.key-deleted", "KEY_DELETED_ERR", "error-messages"),
    ("kms.key-invalid-state", "KEY_ACTION_INVALID_STATE_ERR", "error-messages"),
    ("kms.crn-token", "failed to get CRN token from IAM", "failed-to-get-crn-token-from-iam"),
];

const KEY_ROTATION_PHRASES: &[(&str, &str, Severity)] = &[
    ("key-rotation.kube-client", "Failed to create a Kube Client", Critical),
    ("key-rotation.wdek-secret", "Failed to update WDEK Secret", Critical),
    ("key-rotation.attempt", "Rotation attempt failed", Warning),
    ("key-rotation.exhausted", "Failure to rotate the service iam-api-key", Critical),
];

const KP_EVENTS_PHRASES: &[(&str, &str)] = &[
    ("kp-events.busy", "error completing request, the cluster is busy with another KMS action"),
    ("kp-events.no-etcd-info", "Error finding ETCD info for the cluster"),
];

const MIGRATION_PHRASES: &[(&str, &str)] = &[
    ("kp-events.cluster-state", "check cluster state"),
    ("kp-events.key-in-use", "check key in use"),
    ("kp-events.ghost-key-info", "get key info from ghost"),
    ("kp-events.key-status", "check key status for migration"),
];
