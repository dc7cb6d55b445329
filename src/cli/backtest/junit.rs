//! A backtest as JUnit's XML: a test for each rule and for each alert. One fails when lines or alerts of it would come
//! out otherwise than with the packs to compare with; a rule that was never seen is skipped.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use anyhow::Result;
use quick_junit::{NonSuccessKind, TestCase, TestCaseStatus, TestSuite};

use super::difference::{Difference, Kind};
use super::report::{Against, Report};
use super::sample::Samples;
use crate::alert::time;

/// The whole report.
///
/// # Errors
/// When the XML cannot be written.
pub fn junit(report: &Report) -> Result<String> {
    let mut out = quick_junit::Report::new("fingerpost backtest");
    out.add_test_suite(rules(report));
    out.add_test_suite(alerts(report));
    Ok(out.to_string()?)
}

fn rules(report: &Report) -> TestSuite {
    let mut suite = TestSuite::new("rules");
    let mut ids: BTreeMap<&str, u64> = report.never.iter().map(|id| (id.as_str(), 0)).collect();
    ids.extend(report.rows.iter().map(|row| (row.id.as_str(), row.claimed.samples.lines)));
    let differences = report.against.iter().flat_map(|against| &against.differences);
    // A rule that only the others have is one, too.
    ids.extend(differences.flat_map(|(it, _)| &it.before).map(|id| (id.as_str(), 0)).filter(|(id, _)| {
        !report.never.iter().any(|known| known == id) && !report.rows.iter().any(|row| row.id == *id)
    }));
    for (id, lines) in ids {
        let told = report.against.as_ref().map(|against| about(against, id)).unwrap_or_default();
        let mut case = match (told.is_empty(), lines) {
            (false, _) => TestCase::new(id, failure("tags are not the same", &told)),
            (true, 0) => TestCase::new(id, TestCaseStatus::skipped()),
            (true, _) => TestCase::new(id, TestCaseStatus::success()),
        };
        case.set_classname("rule");
        case.set_system_out(format!("{lines} lines"));
        suite.add_test_case(case);
    }
    suite
}

/// What is different at lines of a rule: one that is in one of both lists, or in both when something else differs.
fn about(against: &Against, id: &str) -> String {
    let mut told = String::new();
    for (difference, samples) in &against.differences {
        let Difference { before, after, .. } = difference;
        let (had, has) = (before.iter().any(|it| it == id), after.iter().any(|it| it == id));
        if had || has {
            let _ = writeln!(told, "{}", sentence(difference, samples));
        }
    }
    told
}

fn sentence(difference: &Difference, samples: &Samples) -> String {
    let Difference { kind, before, after, members } = difference;
    let lines = samples.lines;
    let what = match kind {
        Kind::New => format!("{lines} lines newly tagged {}", after.join(", ")),
        Kind::Lost => format!("{lines} lines no longer tagged {}", before.join(", ")),
        Kind::Otherwise if before == after => {
            format!("{lines} lines of {} with other {}", after.join(", "), members.join(", "))
        }
        Kind::Otherwise => format!("{lines} lines tagged {} instead of {}", after.join(", "), before.join(", ")),
    };
    let places: Vec<&str> = samples.kept().into_iter().map(|sample| sample.place.as_str()).collect();
    if places.is_empty() { what } else { format!("{what}, as {}", places.join(", ")) }
}

fn alerts(report: &Report) -> TestSuite {
    let mut suite = TestSuite::new("alerts");
    let mut told: BTreeMap<&str, (u64, String)> = BTreeMap::new();
    for fired in &report.alerts.fired {
        told.entry(&fired.change.alert).or_default().0 += 1;
    }
    for (kind, fired) in report.against.iter().flat_map(|against| &against.alerts) {
        let entry = told.entry(&fired.change.alert).or_default();
        let labels: Vec<String> = fired.change.labels.iter().map(|(name, value)| format!("{name}={value}")).collect();
        let _ = writeln!(entry.1, "{}: {} {}", kind.text(), time(fired.change.starts_at), labels.join(" "));
    }
    for (id, (times, different)) in told {
        let status = if different.is_empty() {
            TestCaseStatus::success()
        } else {
            failure("fires at other times, or not", &different)
        };
        let mut case = TestCase::new(id, status);
        case.set_classname("alert");
        case.set_system_out(format!("fires {times} times"));
        suite.add_test_case(case);
    }
    suite
}

fn failure(message: &str, told: &str) -> TestCaseStatus {
    let mut status = TestCaseStatus::non_success(NonSuccessKind::Failure);
    status.set_type("difference").set_message(message).set_description(told);
    status
}
