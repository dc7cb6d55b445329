//! Lines whose answer was worked out by hand, so that the oracle is not believed on its word.
//!
//! Every catalog row stands here once at least, beside lines that only look like it.

use serde_json::json;

use super::super::lines::Made;
use super::{Expected, Oracle, Told, expected_untouched, strip};

fn judged(line: &str) -> Expected {
    Oracle::default().classify(line.as_bytes(), None)
}

/// Checks ids (separated by spaces), severity and section of one line without a past.
#[track_caller]
fn is(line: &str, ids: &str, severity: &str, section: &str) {
    let expected = judged(line);
    assert_eq!(expected.matches.join(" "), ids, "{line}");
    assert_eq!((expected.severity, expected.section), (severity, section), "{line}");
}

#[track_caller]
fn is_nothing(line: &str) {
    is(line, "", "", "");
}

#[track_caller]
fn has_facts(line: &str, facts: serde_json::Value) {
    assert_eq!(json!(judged(line).facts), facts, "{line}");
}

#[test]
fn compute_identity_rows() {
    let critical = |line: &str, id: &str| is(line, id, "critical", "actions-to-take");
    critical(r#"{"app":"compute-identity","msg":"unable to reach ETCD"}"#, "compute-identity.etcd");
    critical(r#"{"app":"compute-identity","level":"Fatal","msg":"etcd","e":"fail"}"#, "compute-identity.etcd");
    critical(r#"{"app":"compute-identity","level":"error ","msg":"unable to reach ETCD"}"#, "compute-identity.etcd");
    critical(r#"{"app":"compute-identity","level":"quux","msg":"unable to reach ETCD"}"#, "compute-identity.etcd");
    critical(r#"{"msg":"Failed to create a new Kube client"}"#, "compute-identity.kube-client");
    critical("error requesting web key set", "compute-identity.web-key-set");
    critical("failed to get web key set", "compute-identity.web-key-set");
    critical("failed to get the IAM token using the API key", "compute-identity.iam-token");
    critical("error getting compute identity provider", "compute-identity.get-provider");
    critical("error registering compute identity provider", "compute-identity.register-provider");
    critical("error registering compute identity key set", "compute-identity.register-key-set");
    critical("error deleing compute identity provider", "compute-identity.delete-provider");
    critical("error deleting compute identity provider", "compute-identity.delete-provider");
}

#[test]
fn compute_identity_lookalikes() {
    is_nothing(r#"{"msg":"unable to reach ETCD"}"#);
    is_nothing(r#"{"app":"compute-identity","level":"info","msg":"unable to reach ETCD"}"#);
    is_nothing(r#"{"app":"compute-identity","level":"[WARN]","msg":"unable to reach ETCD"}"#);
    is_nothing(r#"{"app":"other","msg":"failed to create a new kube client"}"#);
    is_nothing(r#"{"failed to get web key set":"a key is no text"}"#);
    is_nothing(r#"{"a":"failed to get web","b":" key set"}"#);
    is_nothing("error deletin compute identity provider");
}

#[test]
fn iam_responses() {
    let id = "compute-identity.iam-response";
    let line = r#"{"msg":"get request returned a non-successful return code: 500","response":{"StatusCode":500}}"#;
    is(line, id, "critical", "actions-to-take");
    has_facts(line, json!({"http_status": 500, "request": "get"}));
    let other =
        r#"{"msg":"a  POST request returned a non-successful return code:404.","response":{"StatusCode":"429"}}"#;
    is(other, id, "warning", "actions-to-take");
    has_facts(other, json!({"http_status": 429, "request": "POST"}));
    has_facts("request returned a non-successful return code:\n 503", json!({"http_status": 503}));
    is_nothing("get request returned a non-successful return code: 5000");
    is_nothing("get request returned a non-successful return code: 50");
    is_nothing(r#"{"msg":"get request returned a non-successful return code:","response":{"StatusCode":500}}"#);
}

#[test]
fn kms_rows() {
    let critical = |line: &str, id: &str| is(line, id, "critical", "error-messages");
    critical(
        r#"{"msg":"Error getting DEK and wrapped DEK for Root Key:'*'","error":"Unauthorized: user does not have access to provided resources."}"#,
        "kms.no-reader-role",
    );
    critical("BXNIM0410E Provided user not found or active", "kms.user-not-found");
    critical("bxnim0415e", "kms.api-key-missing");
    critical("KEY_DELETED_ERR: Key has been deleted", "kms.key-deleted");
    critical("KEY_ACTION_INVALID_STATE_ERR KEY_ACTION_INVALID_STATE_ERR", "kms.key-invalid-state");
    is("failed to get CRN token from IAM", "kms.crn-token", "critical", "failed-to-get-crn-token-from-iam");
    let try_later = "This operation cannot be completed. Please try your request at a later time. If the issue persists, please contact";
    let section = "which-kms-provider-is-being-used";
    is(&format!("{try_later} IBM KeyProtect"), "kms.try-later", "critical", section);
    is(&format!("{try_later}Key protect."), "kms.try-later", "critical", section);
    is_nothing(&format!("{try_later} IBM Key Protect"));
    is_nothing(&format!(r#"{{"a":"{try_later}","b":"Key Protect"}}"#));
    is_nothing("Unauthorized: user does not have access to provided resources");
}

#[test]
fn unlisted_iam_codes() {
    is("bxnim \u{2003}0408\te", "kms.bxnim-other", "warning", "error-messages");
    has_facts("BXNIM0410E and bxnim 0999 e", json!({"code": "BXNIM0999E"}));
    is("BXNIM0410E, BXNIM0109E", "kms.user-not-found kms.bxnim-other", "critical", "error-messages");
    is_nothing("BXNIM 0410 E");
    is_nothing("BXNIM04081E BXNIM040E BXNIM0408");
}

#[test]
fn a_missing_service_policy_needs_the_context() {
    let phrase = "Unauthorized: The user does not have access to the specified resource";
    is(phrase, "kms.unauthorized-resource", "warning", "error-messages");
    let line = format!(r#"{{"pod":"a","msg":"Unwrap WDEK failed","error":"{phrase}"}}"#);
    is(&line, "kms.unauthorized-resource", "warning", "error-messages");
    let mut oracle = Oracle::default();
    let context = r#"{"pod":"a","app":"any","msg":"Service to service authentication will be used"}"#;
    assert!(oracle.classify(context.as_bytes(), None).matches.is_empty());
    assert_eq!(oracle.classify(line.as_bytes(), Some("b")).matches, ["kms.missing-service-policy"]);
    let other = line.replace(r#""pod":"a""#, r#""pod":"b""#);
    assert_eq!(oracle.classify(other.as_bytes(), Some("a")).matches, ["kms.unauthorized-resource"]);
    let at_once = format!("Service to service authentication will be used. Unwrap WDEK failed. {phrase}");
    is(&at_once, "kms.missing-service-policy", "critical", "error-messages");
}

#[test]
fn connection_refused_names_the_endpoint() {
    let line = "error during request to KeyProtect correlation_id='a72fd89c-71c7': Post \
                https://api.us-south.hs-crypto.cloud.ibm.com:8451/api/v2/keys/13b69934-96b4?action=wrap: dial tcp \
                169.63.25.194:8451: connect: connection refused";
    is(line, "kms.connection-refused", "critical", "error-messages");
    has_facts(
        line,
        json!({"correlation_id": "a72fd89c-71c7", "host": "api.us-south.hs-crypto.cloud.ibm.com",
            "key_id": "13b69934-96b4", "provider": "hyper-protect"}),
    );
    is_nothing("dial tcp 127.0.0.1:2379: connect: connection refused");
}

#[test]
fn providers() {
    let provider = |url: &str| judged(&format!("KEY_DELETED_ERR {url}")).facts.remove("provider");
    assert_eq!(provider("HTTPS://eu-de.KMS.cloud.ibm.com"), Some(json!("key-protect")));
    assert_eq!(provider("'http://keyprotect.us-south.bluemix.net'"), Some(json!("key-protect")));
    assert_eq!(provider("https://a.example.com https://a.hs-crypto.cloud.ibm.com/x"), Some(json!("hyper-protect")));
    assert_eq!(provider("https://a.kms.cloud.ibm.com.example.net"), None);
    assert_eq!(provider("https://.kms.cloud.ibm.com"), None);
    assert_eq!(provider("https://keyprotect.bluemix.net"), None);
    assert_eq!(provider("https://a.kms.cloud.ibm.com|"), None);
    assert_eq!(provider("eu-de.kms.cloud.ibm.com"), None);
}

#[test]
fn a_source_is_remembered() {
    let mut oracle = Oracle::default();
    let provider = br#"{"pod":"a","x":["{\"url\":\"https://a.kms.cloud.ibm.com/\"}"]}"#;
    oracle.classify(provider, None);
    oracle.classify(b"KMS V2.0 path, WDEK will be loaded from mounted secret file", Some("a"));
    let facts = oracle.classify(b"KEY_DELETED_ERR", Some("a")).facts;
    assert_eq!(json!(facts), json!({"provider": "key-protect", "kms_version": "2.0"}));
    oracle.classify(b"kms v1.0 path, wdek will be generated", Some("a"));
    assert_eq!(oracle.classify(b"KEY_DELETED_ERR", Some("a")).facts["kms_version"], json!("1.0"));
    assert!(oracle.classify(b"KEY_DELETED_ERR", None).facts.is_empty());
}

#[test]
fn deploy_rows() {
    is("image-admission-config", "deploy.webhook", "warning", "webhooks-causing-failures");
    is("Failed calling webhook \"x\"", "deploy.webhook", "warning", "webhooks-causing-failures");
    let line = "*FAILED* *deploy* on Carrier: *stage-dal09-carrier0* (10.143.139.204) at 2018-03-30T16:05:12+0000 - \
                Region: *us-south*, Cluster: *9850e*, Master: *stage-9850e-m1*, BOM: *1.8.8_1507*, IsPaid: *false*, \
                ReqID: *ffa52190-a17d*, Attempts: *5*, Elapsed Time: *3535.64* seconds";
    let section = "1-locate-the-failed-master-operation-slack-message";
    is(line, "deploy.operation-failed", "critical", section);
    has_facts(
        line,
        json!({"status": "FAILED", "operation": "deploy", "carrier": "stage-dal09-carrier0",
            "node_ip": "10.143.139.204", "finished_at": "2018-03-30T16:05:12+0000", "region": "us-south",
            "cluster": "9850e", "master": "stage-9850e-m1", "bom": "1.8.8_1507", "is_paid": false,
            "request_id": "ffa52190-a17d", "attempts": 5, "elapsed_seconds": 3535.64}),
    );
    let short =
        r#"{"text":"Failed update-master on Carrier: c1, IsPaid: maybe","is_paid":true,"attempts":"7","region":"eu"}"#;
    let facts = json!({"status": "Failed", "operation": "update-master", "carrier": "c1", "is_paid": true,
        "attempts": 7, "region": "eu"});
    has_facts(short, facts);
    is_nothing("*FAILED* on Carrier: x");
    is_nothing("*FAILED* two words on Carrier: x");
    is_nothing("*SUCCEEDED* *deploy* on Carrier: x");
}

#[test]
fn key_rotation_rows() {
    let critical = |line: &str, id: &str| is(line, id, "critical", "actions-to-take");
    critical(r#"{"app":"armada-kp-events","msg":"etcd error in rotation"}"#, "key-rotation.etcd");
    critical("failed to create a kube client", "key-rotation.kube-client");
    critical("Failed to update WDEK Secret", "key-rotation.wdek-secret");
    critical("Failure to rotate the service iam-api-key", "key-rotation.exhausted");
    is("Rotation attempt failed", "key-rotation.attempt", "warning", "actions-to-take");
    is_nothing("etcd error in rotation");
    is_nothing(r#"{"app":"armada-kp-events","msg":"etcd error"}"#);
    is_nothing(r#"{"app":"amrada-kp-events","msg":"Rotation attempt failed"}"#);
}

#[test]
fn kp_events_rows() {
    let busy = "error completing request, the cluster is busy with another KMS action,";
    is(busy, "kp-events.busy", "warning", "actions-to-take");
    is("Error finding ETCD info for the cluster", "kp-events.no-etcd-info", "warning", "actions-to-take");
    let rows = [
        ("check cluster state", "kp-events.cluster-state"),
        ("check key in use", "kp-events.key-in-use"),
        ("get key info from ghost", "kp-events.ghost-key-info"),
        ("check key status for migration", "kp-events.key-status"),
    ];
    for (phrase, id) in rows {
        let line = format!(r#"{{"app":"armada-kp-events","level":"ERR","msg":"{phrase}","CorrID":17}}"#);
        is(&line, id, "warning", "general-debugging");
        has_facts(&line, json!({"corr_id": "17"}));
        is(&line.replace(r#""ERR""#, r#""info","x":"failed""#), id, "warning", "general-debugging");
        is_nothing(&line.replace("ERR", "info"));
        is_nothing(&line.replace("armada-kp-events", ""));
    }
    let provider = r#"{"app":"armada-kp-events","msg":"check key in use: error https://x.kms.cloud.ibm.com"}"#;
    has_facts(provider, json!({"provider": "key-protect"}));
}

#[test]
fn metering_rows() {
    let phrase = "ErrorMeteringTokenExchangeFailure";
    let notes = "notes-for-troutbridge-squad";
    is(&format!("{phrase} (1234) (403)"), "metering.auth", "critical", "actions-to-take");
    is(&format!("{phrase} (429), (401)"), "metering.rate-limited", "critical", notes);
    is(&format!("{phrase} (500) apikey Based rate limit for calls to"), "metering.rate-limited", "critical", notes);
    is(&format!("{phrase} (401) apikey Based rate limit"), "metering.auth", "critical", "actions-to-take");
    is(&format!("{phrase} timeout"), "metering.other", "critical", "actions-to-take");
    has_facts(&format!("{phrase} (418)"), json!({"http_status": 418}));
    has_facts(&format!("{phrase} ( 418)"), json!({}));
    is_nothing(&format!(r#"{{"app":"kms","msg":"{phrase}"}}"#));
}

#[test]
fn iam_rows() {
    let warning = |line: &str| is(line, "iam.rate-limited", "warning", "notes-for-troutbridge-squad");
    warning("ApiKey based rate limit for calls to /token");
    warning(r#"{"app":"other","msg":"IAM-apikey hit its rate limit!"}"#);
    is_nothing("iam_apikey rate limit");
    is_nothing("iams apikey rate limit");
    is_nothing(r#"{"a":"iam apikey","b":"rate limit"}"#);
}

#[test]
fn crns_and_clusters() {
    let key = "crn:v1:bluemix:public:kms:eu-de:a/1:inst:key:k1";
    let cluster = "crn:v1:bluemix:public:containers-kubernetes:eu-de:a/1:c1::";
    let line = format!("KEY_DELETED_ERR {key}. ({cluster}) {key}; crn:v1:too:short:x:y:z:1 CorrID = 'c-1'.");
    has_facts(&line, json!({"crn": cluster, "key_crns": key, "cluster": "c1", "corr_id": "c-1"}));
    let member = format!(r#"{{"msg":"KEY_DELETED_ERR {cluster}","CRN":"x","cluster_id":"c2"}}"#);
    has_facts(&member, json!({"crn": "x", "key_crns": cluster, "cluster": "c2"}));
    let first = format!("KEY_DELETED_ERR {key}\\ CorrID abc");
    has_facts(&first, json!({"crn": key, "cluster": "inst"}));
}

#[test]
fn the_primary_is_the_most_severe_then_the_longest_then_the_first() {
    is("image-admission-config KEY_DELETED_ERR", "kms.key-deleted deploy.webhook", "critical", "error-messages");
    let both = "KEY_DELETED_ERR KEY_ACTION_INVALID_STATE_ERR";
    is(both, "kms.key-invalid-state kms.key-deleted", "critical", "error-messages");
    is("BXNIM0415E BXNIM0410E", "kms.api-key-missing kms.user-not-found", "critical", "error-messages");
}

#[test]
fn what_is_text() {
    let hit = |line: &str| is(line, "kms.key-deleted", "critical", "error-messages");
    hit(r#"{"a":[{"b":"KEY\u005fDELETED_ERR"}]}"#);
    hit(r#"{"a":" {\"b\":[\"[\\\"KEY_DELETED_ERR\\\"]\"]}\n"}"#);
    hit(r#"{"a":"{\"KEY_DELETED_ERR\":1} behind"}"#);
    hit(r#"{"app":["KEY_DELETED_ERR"]}"#);
    hit(r#"{"level":{"x":"KEY_DELETED_ERR"}}"#);
    hit(r#"["a key": "KEY_DELETED_ERR"#);
    hit("{\"a\":\"tab\t\",\"KEY_DELETED_ERR\":1}");
    is_nothing(r#"{"a":"{\"KEY_DELETED_ERR\":1}"}"#);
    is_nothing(r#"{"app":"KEY_DELETED_ERR"}"#);
    is_nothing(r#"{"level":"KEY_DELETED_ERR"}"#);
    hit(r#"[1, "KEY\u005fDELETED_ERR"]"#);
    hit("\u{feff}{\"a\":NaN,\"b\":-Infinity,\"c\":\"KEY\\u005fDELETED_ERR\"}");
    is_nothing(r#"{"a":"{\"ts\":\"KEY_DELETED_ERR\"}"}"#);
    is_nothing(r#"{"region":"{\"a\":\"KEY_DELETED_ERR\"}"}"#);
    is_nothing("");
}

#[test]
fn broken_characters_are_replaced() {
    let mut oracle = Oracle::default();
    let lone = br#"{"a":"\ud83d KEY_DELETED_ERR \udc00\ud83d\ude00","b":-0.5E+7}"#;
    assert!(oracle.classify(lone, None).is_object);
    let invalid = b"{\"a\":\"\xff KEY_DELETED_ERR \xe2\x82\"}";
    let expected = oracle.classify(invalid, None);
    assert!(expected.is_object);
    assert_eq!(expected.matches, ["kms.key-deleted"]);
    for text in [&b"{\"a\":1\xff}"[..], b"{\"a\":01}", b"{\"a\":1,}", b"{} x", b"[{}]", b"{\"a\":\"\\x\"}", b"{'a':1}"]
    {
        assert!(!oracle.classify(text, None).is_object, "{}", text.escape_ascii());
    }
}

#[test]
fn the_innermost_object_says_who_wrote_the_line() {
    let line = r#"{"msg":"{\"app\":\"armada-kp-events\"} ","app":"other","x":"Rotation attempt failed"}"#;
    is(line, "key-rotation.attempt", "warning", "actions-to-take");
    is_nothing(r#"{"app":"other","x":"Rotation attempt failed"}"#);
    let twice = r#"{"app":"other","app":"armada-kp-events","app":null,"x":"Rotation attempt failed"}"#;
    is(twice, "key-rotation.attempt", "warning", "actions-to-take");
    let in_array = r#"{"a":[{"app":"other"}],"x":"Rotation attempt failed"}"#;
    is(in_array, "key-rotation.attempt", "warning", "actions-to-take");
}

fn of_app(app: &str, line: &str) -> Told {
    Told { line: line.into(), app: Some(app.to_owned()), ..Told::default() }
}

fn made(told: Vec<Told>) -> Made {
    Made { payload: b"{}".to_vec(), source: None, layers: Vec::new(), told }
}

#[test]
fn what_is_told_counts_where_the_line_says_nothing() {
    let ids = |told: Told| Oracle::default().judge(&made(vec![told])).matches.join(" ");
    assert_eq!(ids(of_app("other", "Rotation attempt failed")), "");
    assert_eq!(
        ids(of_app("other", r#"{"app":"armada-kp-events","x":"Rotation attempt failed"}"#)),
        "key-rotation.attempt"
    );
    let etcd = |level: &str, own, stamp| {
        let line = format!(r#"{{"msg":"unable to reach etcd"{level}}}"#);
        ids(Told { own, stamp, ..of_app("compute-identity", &line) })
    };
    assert_eq!(etcd("", None, None), "compute-identity.etcd");
    assert_eq!(etcd("", None, Some(false)), "compute-identity.etcd", "a stamp shuts nothing out");
    assert_eq!(etcd("", Some(false), Some(true)), "");
    assert_eq!(etcd(r#","level":"info""#, Some(true), None), "");
    assert_eq!(etcd(r#","level":"quux""#, Some(false), None), "");
    let migration = |own, stamp| ids(Told { own, stamp, ..of_app("armada-kp-events", "check key in use") });
    assert_eq!(migration(None, Some(true)), "kp-events.key-in-use");
    assert_eq!(migration(Some(false), Some(true)), "");
    assert_eq!(migration(None, Some(false)), "");
}

#[test]
fn of_several_lines_the_most_severe_speaks_for_all() {
    let at = |path: &str, line: &str| Told { path: Some(path.to_owned()), ..of_app("kms", line) };
    let lines = vec![
        at("[0]", "image-admission-config"),
        at("[1]", "fine"),
        at("[2]", "KEY_DELETED_ERR crn:v1:a:b:c:d:e:f:g:h"),
    ];
    let expected = Oracle::default().judge(&made(lines));
    assert_eq!(expected.matches, ["kms.key-deleted", "deploy.webhook"]);
    assert_eq!((expected.severity, expected.record.as_deref()), ("critical", Some("[2]")));
    assert_eq!(json!(expected.facts), json!({"crn": "crn:v1:a:b:c:d:e:f:g:h", "cluster": "f"}));
}

#[test]
fn nesting_ends_at_sixty_four_levels() {
    let nested = |arrays: usize, inner: &str| {
        let line = format!(r#"{{"a":{}{inner}{}}}"#, "[".repeat(arrays), "]".repeat(arrays));
        let expected = judged(&line);
        assert!(expected.is_object);
        expected.matches.len()
    };
    assert_eq!(nested(63, r#""KEY_DELETED_ERR""#), 1);
    assert_eq!(nested(64, r#""KEY_DELETED_ERR""#), 0);
    assert_eq!(nested(61, r#""[\"KEY_DELETED_ERR\"]""#), 1);
    assert_eq!(nested(62, r#""[\"KEY_DELETED_ERR\"]""#), 0);
    assert_eq!(nested(62, r#""{\"a\":\"KEY_DELETED_ERR\"}""#), 0);
    assert_eq!(nested(100_000, ""), 0);
}

#[test]
fn a_wrapped_line_is_read_as_the_line_itself() {
    let hit = r#"{"_line":"[\"KEY_DELETED_ERR\", 1]","fingerpost":{"v":1,"x":"KEY_ACTION_INVALID_STATE_ERR"}}"#;
    is(hit, "kms.key-deleted", "critical", "error-messages");
    assert!(judged(hit).is_object);
    is_nothing(r#"{"_line":"{\"KEY_DELETED_ERR\":1}"}"#);
    is_nothing(r#"{"_line":"[{\"KEY_DELETED_ERR\":1}]","a":1}"#);
}

#[test]
fn the_probe_is_no_line() {
    let expected = judged(r#"{"app":"logdna-selfstream-config-validation","msg":"KEY_DELETED_ERR"}"#);
    assert!(expected.probe && expected.is_object && expected.matches.is_empty());
}

#[test]
fn stale_members_are_cut() {
    let cut = |line: &str, rest: &str| {
        assert_eq!(String::from_utf8(expected_untouched(line.as_bytes())).unwrap(), rest, "{line}");
    };
    cut(r#"{"a":1 , "fingerpost" : {"v":1} }"#, r#"{"a":1  }"#);
    cut(r#"{ "fingerpost":{"rule":"x"} , "a":1}"#, r#"{  "a":1}"#);
    cut(r#" { "finger\u0070ost":{"x":{},"rule":0} } "#, " {  } ");
    cut(r#"{"a":1,"fingerpost":{"v":1},"b":2,"fingerpost":{"v":2}}"#, r#"{"a":1,"b":2}"#);
    cut(r#"{"fingerpost":{"v":1},"fingerpost":{"v":2},"b":2}"#, r#"{"b":2}"#);
    for foreign in
        [r#"{"fingerpost":{"w":1}}"#, r#"{"fingerpost":"v"}"#, r#"{"a":{"fingerpost":{"v":1}}}"#, r#"[{"v":1}]"#]
    {
        cut(foreign, foreign);
    }
    is_nothing(r#"{"fingerpost":{"v":1,"title":"KEY_DELETED_ERR"}}"#);
    is(r#"{"fingerpost":{"w":"KEY_DELETED_ERR"}}"#, "kms.key-deleted", "critical", "error-messages");
}

#[test]
fn the_added_member_is_taken_out() {
    let stripped = |output: &str, input: &str| assert_eq!(String::from_utf8(strip(output.as_bytes())).unwrap(), input);
    stripped(r#"{"a":1 ,"fingerpost":{"v":1}} "#, r#"{"a":1 } "#);
    stripped(r#"{ "fingerpost":{"v":1}}"#, "{ }");
    stripped(r#"{"fingerpost":"mine","fingerpost":{"v":1}}"#, r#"{"fingerpost":"mine"}"#);
    stripped("KEY_DELETED_ERR", "KEY_DELETED_ERR");
}
