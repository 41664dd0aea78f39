//! What a reader must know before the winner is trained: every reason to doubt it, or to doubt its latency, and what the
//! rails say.

use serde_json::Value;

use super::data::{Data, ms, setting_words};
use super::html::{Page, escaped, list, paragraph};

/// Share of a predicted time from which on it is worth a warning.
const WORTH_SAYING: f64 = 0.005;

pub(super) fn write(page: &mut Page, data: &Data) {
    let mut items = Vec::new();
    if data.text("/best/search/stop_reason") == Some("interrupted") {
        items.push("The search was <strong>interrupted</strong>: more time may find better networks.".to_owned());
    }
    items.extend(rails(data));
    for latency in data.latencies() {
        items.extend(of_latency(data, &latency));
    }
    for table in data.items("/tables") {
        let notes = data.items(&format!("{table}/notes"));
        items.extend(
            notes.iter().map(|note| format!("{}: {}", data.escaped(&format!("{table}/setting")), data.escaped(note))),
        );
    }
    if data.get("/best/lead/told_apart") == Some(&Value::Bool(false)) {
        items.push(format!(
            "The final round <strong>cannot tell the winner and another network apart</strong>: their scores differ by {} ± {}.",
            data.show("/best/lead/difference", |x| format!("{x:.2}")),
            data.show("/best/lead/standard_error", |x| format!("{x:.2}"))
        ));
    }
    let content = match items.is_empty() {
        true => paragraph("Nothing speaks against the winner or its predicted latency."),
        false => list(&items),
    };
    page.section("Before you train it", &format!("{content}{}", price(data)));
}

/// Where the winner is outside the rails, or that they are off.
fn rails(data: &Data) -> Vec<String> {
    let mut items = Vec::new();
    if data.get("/best/rails/on") == Some(&Value::Bool(false)) {
        items.push(
            "The <strong>rails are off</strong>: nothing kept the search from networks whose shape no published network \
             has."
                .to_owned(),
        );
    }
    for rail in data.items("/best/rails/off") {
        items.push(format!("<strong>Outside the rails:</strong> {}.", words(data.get(&rail))));
    }
    items
}

/// What the rails cost.
fn price(data: &Data) -> String {
    let items: Vec<_> = data.items("/best/rails/price").iter().map(|item| words(data.get(item))).collect();
    if items.is_empty() {
        return String::new();
    }
    format!("<h3>What the rails cost</h3>\n{}", list(&items))
}

/// Text of a value that others write: itself, its `text`, or all of it.
fn words(value: Option<&Value>) -> String {
    let text = match value {
        Some(Value::String(text)) => text.clone(),
        Some(Value::Object(fields)) => match fields.get("text").and_then(Value::as_str) {
            Some(text) => text.to_owned(),
            None => {
                let fields = fields.iter().map(|(name, value)| match value {
                    Value::String(text) => format!("{name} {text}"),
                    value => format!("{name} {value}"),
                });
                fields.collect::<Vec<_>>().join(", ")
            }
        },
        Some(other) => other.to_string(),
        None => String::new(),
    };
    escaped(text.trim_end_matches('.'))
}

/// What is to be doubted of one prediction.
fn of_latency(data: &Data, latency: &str) -> Vec<String> {
    let mut items = Vec::new();
    let id = data.text(&format!("{latency}/setting/id"));
    let setting = escaped(&id.map(setting_words).unwrap_or_default());
    let high = format!("{latency}/interval/high_ms");
    let budget = data.latency_budget(id).map(|budget| format!("{budget}/limit"));
    if let (Some(high_ms), Some(limit)) = (data.number(&high), budget)
        && data.number(&limit).is_some_and(|limit_ms| high_ms > limit_ms)
    {
        items.push(format!(
            "On {setting} the interval reaches {}, <strong>over the limit</strong> of {}: measure the network before you \
             rely on it.",
            data.show_ms(&high),
            data.show_ms(&limit)
        ));
    }
    if data.get(&format!("{latency}/error")).is_none() {
        let method = data.escaped(&format!("{latency}/error_method"));
        items.push(format!("The error of the latency on {setting} is <strong>not known</strong>: {method}."));
    }
    let extrapolated = format!("{latency}/extrapolated_share");
    if data.number(&extrapolated).is_some_and(|share| share > WORTH_SAYING) {
        items.push(format!(
            "On {setting}, {} of the predicted time lies <strong>outside the shapes that the table covers</strong>.",
            data.show_share(&extrapolated)
        ));
    }
    let share = without_evidence_share(data, latency);
    if share > WORTH_SAYING {
        items.push(format!(
            "<strong>Not measured:</strong> {:.0}% of the predicted time on {setting} comes from operators that the table \
             has no data for.",
            100.0 * share
        ));
    }
    if data.is_true(&format!("{latency}/host_bound")) {
        items.push(format!(
            "On {setting} the host's launches take longer than the operators ({}): smaller operators save nothing.",
            ms(data.number(&format!("{latency}/ms")).unwrap_or_default())
        ));
    }
    items
}

fn without_evidence_share(data: &Data, latency: &str) -> f64 {
    let operators = data.get(&format!("{latency}/operators")).and_then(Value::as_array);
    let (mut all_ms, mut without_ms) = (0.0, 0.0);
    for operator in operators.into_iter().flatten() {
        let ms = operator["ms"].as_f64().unwrap_or_default();
        all_ms += ms;
        if operator["without_evidence"] == true {
            without_ms += ms;
        }
    }
    without_ms / f64::max(all_ms, f64::MIN_POSITIVE)
}
