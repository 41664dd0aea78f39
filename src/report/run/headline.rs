//! The beginning of the page: the winner in one sentence, its figures, and the budgets with their use.

use super::data::{Data, ms, setting_words};
use super::html::{Column, Page, bar, escaped, human, paragraph, table};
use crate::units::human_bytes;

/// What a browser's tab shows.
pub(super) fn title(data: &Data) -> String {
    match data.text("/name") {
        Some(name) if !name.is_empty() => format!("Search {name}"),
        _ => "Search".to_owned(),
    }
}

pub(super) fn write(page: &mut Page, data: &Data) {
    let title = escaped(&title(data));
    page.raw(&format!("<header>\n<p class=\"kicker\">zen-nas search report</p>\n<h1>{title}</h1>\n"));
    page.raw(&format!("<p class=\"lead\">{}</p>", sentence(data)));
    page.raw(&optimum(data));
    page.raw(&figures(data));
    page.raw("</header>");
    page.section("Budgets", &budgets(data));
}

/// The winner in one sentence.
fn sentence(data: &Data) -> String {
    let mut text = format!(
        "The winner has <strong>{} parameters</strong> and {} layers and scores {}",
        data.show_large("/best/parameters"),
        data.show_large("/best/layers"),
        score(data)
    );
    for (i, latency) in data.latencies().iter().enumerate() {
        let setting = data.text(&format!("{latency}/setting/id"));
        let verb = if i == 0 { "; it is predicted to take" } else { " and" };
        let words = setting.map(setting_words).unwrap_or_default();
        text.push_str(&format!(
            "{verb} <strong>{}</strong> per call on {}",
            data.show_ms(&format!("{latency}/ms")),
            escaped(&words)
        ));
        if let Some(budget) = data.latency_budget(setting) {
            text.push_str(&format!(" (limit {})", data.show(&format!("{budget}/limit"), |ms| format!("{ms} ms"))));
        }
    }
    text + "."
}

/// The score that decided, with its error and name.
fn score(data: &Data) -> String {
    let place = if data.get("/best/final/score").is_some() { "/best/final" } else { "/best" };
    let error = match data.get(&format!("{place}/standard_error")) {
        Some(_) => format!(" ± {}", data.show(&format!("{place}/standard_error"), |error| format!("{error:.2}"))),
        None => String::new(),
    };
    let score = data.show(&format!("{place}/score"), |score| format!("{score:.2}"));
    format!("<strong>{score}{error}</strong> (<code>{}</code>)", data.escaped(&format!("{place}/proxy")))
}

/// How far the winner can be from the best network.
fn optimum(data: &Data) -> String {
    if data.number("/best/optimum/bound").is_none() {
        return String::new();
    }
    let superset = data.escaped("/best/optimum/superset");
    let superset = if superset.is_empty() { String::new() } else { format!(" The proof covers {superset}.") };
    paragraph(&format!(
        "No network within the budgets can score more than <strong>{}</strong> (<code>{}</code>); the winner scores {}, \
         within <strong>{}</strong> of that bound.{superset}",
        data.show("/best/optimum/bound", |bound| format!("{bound:.2}")),
        data.escaped("/best/proxy"),
        data.show("/best/score", |score| format!("{score:.2}")),
        data.show("/best/optimum/gap_percent", percent)
    ))
}

/// A gap in percent: small ones keep their first digits.
pub(super) fn percent(percent: f64) -> String {
    match percent {
        p if p >= 1.0 => format!("{p:.1}%"),
        p if p >= 0.01 || p <= 0.0 => format!("{p:.2}%"),
        p => format!("{p:.4}%"),
    }
}

/// The figures people look for first.
fn figures(data: &Data) -> String {
    let mut figures = vec![
        ("Parameters".to_owned(), data.show_large("/best/parameters"), String::new()),
        ("Multiply-adds per image".to_owned(), data.show_large("/best/flops"), String::new()),
        (
            "Activations at the peak".to_owned(),
            data.show("/best/peak_activation_bytes", human_bytes),
            "float32, one image".to_owned(),
        ),
        (
            "Image, classes".to_owned(),
            format!(
                "{}, {}",
                data.show("/best/resolution", |side| format!("{side} px")),
                data.show("/best/classes", human)
            ),
            if data.is_true("/best/squeeze_excite") { "squeeze-and-excitation".to_owned() } else { String::new() },
        ),
    ];
    for (i, latency) in data.latencies().iter().enumerate() {
        let setting = data.text(&format!("{latency}/setting/id")).map(setting_words).unwrap_or_default();
        let interval = format!("{latency}/interval");
        let note = match data.get(&interval) {
            Some(_) => format!(
                "{} of such networks: {} to {}",
                data.show_share(&format!("{interval}/coverage")),
                data.show_ms(&format!("{interval}/low_ms")),
                data.show_ms(&format!("{interval}/high_ms"))
            ),
            None => "no calibrated interval".to_owned(),
        };
        let label = format!("Latency on {setting}");
        figures.insert(i, (label, data.show_ms(&format!("{latency}/ms")), note));
    }
    let items = figures.iter().map(|(label, value, note)| {
        let note = if note.is_empty() { String::new() } else { format!("<dd class=\"note\">{note}</dd>") };
        format!("<div><dt>{}</dt><dd>{value}</dd>{note}</div>\n", escaped(label))
    });
    format!("<dl class=\"figures\">\n{}</dl>", items.collect::<String>())
}

/// Every budget with its use.
fn budgets(data: &Data) -> String {
    let budgets = data.items("/best/budgets");
    if budgets.is_empty() {
        return paragraph("The search had no budget.");
    }
    let rows = budgets.iter().map(|budget| {
        let [value, limit] = ["value", "limit"].map(|name| format!("{budget}/{name}"));
        let unit = data.text(&format!("{budget}/unit")).unwrap_or_default();
        let amount = |value: f64| match unit {
            // The row says what it is.
            "" | "parameters" | "layers" => human(value),
            "bytes" => format!("{}B", human(value)),
            unit if unit.starts_with("ms") => ms(value),
            unit => format!("{} {unit}", human(value)),
        };
        let show = |place: &str| data.show(place, amount);
        let used = match (data.number(&value), data.number(&limit)) {
            (Some(value), Some(limit)) if limit > 0.0 => value / limit,
            _ => 0.0,
        };
        let setting = data.text(&format!("{budget}/setting")).map(setting_words).unwrap_or_default();
        let name = data.text(&format!("{budget}/name")).unwrap_or_default().replace('_', " ");
        let name = name.strip_suffix(" ms").unwrap_or(&name).to_owned();
        let on =
            if setting.is_empty() { escaped(&name) } else { format!("{} on {}", escaped(&name), escaped(&setting)) };
        let cells = vec![on, show(&value), show(&limit), format!("{:.1}%", 100.0 * used), bar(used, "used")];
        (false, cells)
    });
    let columns = [
        Column::Text("Budget"),
        Column::Number("Winner"),
        Column::Number("Limit"),
        Column::Number("Used"),
        Column::Text("Share of the limit"),
    ];
    table("How much of each budget the winner uses", &columns, &rows.collect::<Vec<_>>())
}
