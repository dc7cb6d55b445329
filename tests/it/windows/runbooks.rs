//! The "Example Alerts" of runbooks, reproduced: from lines that speak of the same cluster, app or request, the shipped packs
//! make alerts with every label and annotation that the block shows. A count is a whole number here, whatever fraction an
//! extrapolating counter showed.
//!
//! `FINGERPOST_RUNBOOKS` names a directory of the real ones; made-up ones of the same shape are always read.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use regex::Regex;

use super::boundaries::Scene;
use crate::skip::skipped;

const CRN: &str = r"crn:v1:[^\s]*::";

/// What the blocks of a runbook show.
#[derive(Debug, Default)]
struct Shown {
    labels: BTreeMap<String, String>,
    annotations: BTreeMap<String, String>,
    /// App and region of each title.
    titles: Vec<(String, String)>,
    /// A message about a failed operation.
    message: Option<String>,
}

#[test]
fn made_up_runbooks_show_what_comes_out() {
    assert_eq!(reproduced(Path::new("tests/cases/alerts/runbooks")), 5);
}

#[test]
fn real_runbooks_show_what_comes_out() {
    match std::env::var_os("FINGERPOST_RUNBOOKS") {
        Some(directory) => assert_eq!(reproduced(Path::new(&directory)), 5),
        None => skipped("example alerts: FINGERPOST_RUNBOOKS names no directory of runbooks"),
    }
}

/// Reproduces each runbook's alerts; gives how many runbooks show some.
fn reproduced(directory: &Path) -> usize {
    let mut paths: Vec<_> = fs::read_dir(directory).unwrap().map(|entry| entry.unwrap().path()).collect();
    paths.retain(|path| path.extension().is_some_and(|extension| extension == "md"));
    paths.sort();
    let shown = paths.iter().map(|path| (path, shown(&fs::read_to_string(path).unwrap())));
    shown.filter(|(path, shown)| reproduce(shown, &path.display().to_string())).count()
}

fn shown(text: &str) -> Shown {
    let item = Regex::new(r#"^\s*- (\w+) = "?(.*?)"?\s*$"#).unwrap();
    let title =
        Regex::new(r"bluemix\.containers-kubernetes\.([\w-]+)_error_metering_token_exchange\.([\w-]+)").unwrap();
    let mut shown = Shown::default();
    let (mut in_fence, mut in_annotations) = (false, false);
    for line in text.lines() {
        let fence = line.trim_start();
        if fence.starts_with("~~~") || fence.starts_with("```") {
            (in_fence, in_annotations) = (!in_fence, false);
        }
        if !in_fence {
            continue;
        }
        in_annotations |= line.starts_with("Annotations:");
        if let Some(found) = item.captures(line) {
            let place = if in_annotations { &mut shown.annotations } else { &mut shown.labels };
            place.insert(found[1].to_owned(), found[2].to_owned());
        }
        shown.titles.extend(title.captures(line).map(|found| (found[1].to_owned(), found[2].to_owned())));
        if line.contains("on Carrier:") && line.contains("ReqID:") && shown.message.is_none() {
            shown.message = Some(line.trim().to_owned());
        }
    }
    shown
}

/// Whether the runbook shows an alert; it is made, and held against what is shown.
fn reproduce(shown: &Shown, name: &str) -> bool {
    let crn = Regex::new(CRN).unwrap();
    let texts = shown.labels.values().chain(shown.annotations.values());
    let crn = texts.filter_map(|text| crn.find(text)).map(|found| found.as_str().to_owned()).next();
    let alertname = shown.labels.get("alertname").map(String::as_str);
    match (alertname, shown.titles.as_slice(), &shown.message) {
        (Some("armada-compute-identity/armada_compute_identity_failures"), ..) => {
            hold(shown, r#"{"app":"armada-compute-identity","msg":"failed to get web key set"}"#, 5, name);
        }
        (Some("armada-kp-events/armada_kp_events_key_rotation_failures"), ..) => {
            let line = serde_json::json!({ "app": "armada-kp-events", "crn": crn.unwrap(),
                "msg": "Failure to rotate the service iam-api-key" });
            hold(shown, &line.to_string(), 1, name);
        }
        (Some("ArmadaKPEventsProcessingErrors"), ..) => {
            let line = serde_json::json!({ "app": "armada-kp-events", "CRN": crn.unwrap(), "msg": "check key in use failed",
                "carrier_name": shown.labels["carrier_name"], "carrier_type": shown.labels["carrier_type"] });
            hold(shown, &line.to_string(), 1, name);
        }
        (None, titles, None) if !titles.is_empty() => {
            for (app, region) in titles {
                let line = serde_json::json!({ "app": app, "region": region,
                    "msg": "ErrorMeteringTokenExchangeFailure: (503)" });
                let title = format!("bluemix.containers-kubernetes.{app}_error_metering_token_exchange.{region}");
                let annotations = BTreeMap::from([("title".to_owned(), title)]);
                hold(&Shown { annotations, ..Shown::default() }, &line.to_string(), 51, name);
            }
        }
        (None, _, Some(message)) => {
            let labels = shown.labels.iter().filter(|(label, _)| *label == "request");
            let labels = labels.map(|(label, value)| (label.clone(), value.clone())).collect();
            hold(&Shown { labels, ..Shown::default() }, message, 1, name);
        }
        _ => return false,
    }
    true
}

/// The last of so many lines fires, and no line before it; what is shown is there.
fn hold(shown: &Shown, line: &str, times: i64, name: &str) {
    let mut scene = Scene::new();
    for second in 0..times {
        assert!(scene.told().is_empty(), "{name} fires too early");
        scene.line(0, second * 1_000, line).unwrap();
    }
    let [change] = scene.told() else { panic!("{name} does not fire: {line}") };
    let value = |there: &[(String, String)], key: &str| {
        there.iter().find(|(known, _)| known == key).map(|(_, value)| value.clone())
    };
    for (key, wanted) in &shown.labels {
        assert_eq!(value(&change.labels, key).as_ref(), Some(wanted), "{name}: label {key}");
    }
    for (key, wanted) in &shown.annotations {
        let found = value(&change.annotations, key).map(|found| alike(&found));
        assert_eq!(found, Some(alike(wanted)), "{name}: annotation {key}");
    }
    assert!(!shown.labels.is_empty() || !shown.annotations.is_empty(), "{name} shows nothing");
}

/// The text with every CRN and every number made the same.
fn alike(text: &str) -> String {
    let text = Regex::new(CRN).unwrap().replace_all(text, "CRN").into_owned();
    Regex::new(r"\b[0-9]+(\.[0-9]+)?\b").unwrap().replace_all(&text, "0").into_owned()
}
