//! A verdict as JUnit XML, the form that CI servers read: a test case for each check.

use super::verdict::{Check, CheckKind, MISSING, NEW, Verdict};
use crate::report::escaped;

/// The whole file. Text from outside is escaped, and what XML cannot hold is left out.
pub fn to_junit(verdict: &Verdict) -> String {
    let mut cases: Vec<String> = verdict.checks.iter().map(case).collect();
    let unmatched = verdict.new.iter().map(|one| (one, NEW)).chain(verdict.missing.iter().map(|one| (one, MISSING)));
    let skipped: Vec<String> = unmatched
        .map(|(one, why)| {
            let what = one.setting.as_ref().map_or("baseline".to_owned(), |id| format!("latency_ms on {id}, baseline"));
            element(&one.network, &what, &format!("<skipped message=\"{}\"/>", attribute(why)))
        })
        .collect();
    let errors: Vec<String> = verdict
        .failed
        .iter()
        .map(|message| element("inputs", message, &format!("<error message=\"{}\"/>", attribute(message))))
        .collect();
    let (failures, errors_count, skipped_count) = (verdict.broken().count(), errors.len(), skipped.len());
    cases.extend(skipped);
    cases.extend(errors);
    let counts = format!(
        "name=\"zen-score\" tests=\"{}\" failures=\"{failures}\" errors=\"{errors_count}\" skipped=\"{skipped_count}\"",
        cases.len()
    );
    format!(
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<testsuites {counts}>\n<testsuite {counts}>\n{}</testsuite>\n\
         </testsuites>\n",
        cases.concat()
    )
}

fn case(check: &Check) -> String {
    let against = match check.kind {
        CheckKind::Budget => "budget",
        CheckKind::Baseline => "baseline",
    };
    let on = check.used.setting.as_ref().map_or(String::new(), |id| format!(" on {id}"));
    let text = &check.used.text;
    let result = match check.holds {
        true => format!("<system-out>{}</system-out>", escaped(text)),
        false => format!("<failure message=\"{}\"/>", attribute(text)),
    };
    element(&check.network, &format!("{}{on}, {against}", check.used.name), &result)
}

fn element(network: &str, name: &str, inside: &str) -> String {
    format!("<testcase classname=\"{}\" name=\"{}\">{inside}</testcase>\n", attribute(network), attribute(name))
}

/// Line ends would be read as spaces.
fn attribute(text: &str) -> String {
    escaped(&text.replace(char::is_control, " "))
}
