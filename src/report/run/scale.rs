//! Published networks as a scale: what they cost and how fast they are predicted to be on the settings of the search.

use super::data::{Data, setting_words};
use super::html::{Column, Page, bar, escaped, paragraph, table};

pub(super) fn write(page: &mut Page, data: &Data) {
    let references = data.items("/references");
    if references.is_empty() {
        return;
    }
    let settings: Vec<String> = data
        .latencies()
        .iter()
        .filter_map(|latency| data.text(&format!("{latency}/setting/id")))
        .map(str::to_owned)
        .collect();
    let of_setting = |place: &str, id: &str| {
        let latencies = data.items(&format!("{place}/latencies"));
        latencies.into_iter().find(|latency| data.text(&format!("{latency}/setting")) == Some(id))
    };
    let has_latencies = settings.iter().any(|id| of_setting(&references[0], id).is_some());
    let has_accuracies = references.iter().any(|place| data.get(&format!("{place}/top1_percent")).is_some());

    let headings: Vec<String> = settings.iter().map(|id| format!("Latency on {}", setting_words(id))).collect();
    let mut columns = vec![Column::Text("Network")];
    columns.extend(has_accuracies.then_some(Column::Number("ImageNet top-1, published")));
    columns.extend([Column::Number("Parameters"), Column::Number("Multiply-adds")]);
    if has_latencies {
        columns.extend(headings.iter().flat_map(|name| [Column::Number(name), Column::Text("Scale")]));
    }

    // Of the winner and the published networks, for the length of the bars.
    let winner = data.latencies();
    let slowest = |i: usize, id: &str| {
        let of_references =
            references.iter().filter_map(|place| data.number(&format!("{}/ms", of_setting(place, id)?)));
        of_references.chain(data.number(&format!("{}/ms", winner[i]))).fold(f64::MIN_POSITIVE, f64::max)
    };
    let latency_cells = |ms: Option<String>, i: usize, id: &str, class: &str| match ms {
        Some(place) => {
            let share = data.number(&place).unwrap_or_default() / slowest(i, id);
            [data.show_ms(&place), bar(share, class)]
        }
        None => [data.show_ms(""), String::new()],
    };
    let mut rows = Vec::new();
    let mut cells = vec!["The winner".to_owned()];
    cells.extend(has_accuracies.then(|| "not trained".to_owned()));
    cells.extend(["parameters", "flops"].map(|name| data.show_large(&format!("/best/{name}"))));
    if has_latencies {
        let places = settings.iter().enumerate().map(|(i, id)| (Some(format!("{}/ms", winner[i])), i, id));
        cells.extend(places.flat_map(|(place, i, id)| latency_cells(place, i, id, "used")));
    }
    rows.push((true, cells));
    for place in &references {
        let mut cells = vec![data.escaped(&format!("{place}/name"))];
        cells.extend(has_accuracies.then(|| data.show(&format!("{place}/top1_percent"), |top1| format!("{top1:.1}%"))));
        cells.extend(["parameters", "flops"].map(|name| data.show_large(&format!("{place}/{name}"))));
        if has_latencies {
            let places = settings.iter().enumerate();
            cells.extend(places.flat_map(|(i, id)| {
                latency_cells(of_setting(place, id).map(|latency| format!("{latency}/ms")), i, id, "other")
            }));
        }
        rows.push((false, cells));
    }
    let about = paragraph(&format!(
        "The same image size and classes as the search ({}), and the same table as the winner. The published networks have no \
         Zen-score: it needs a structure string.{}",
        data.show("/best/resolution", |side| format!("{side} px")),
        match has_accuracies {
            true => " Accuracies are the authors', torchvision's for ResNet-50, with their own training.",
            false => "",
        }
    ));
    let missing = match (has_latencies, settings.is_empty()) {
        (false, false) => paragraph(&format!(
            "Their latency is not predicted here: the table of {} was not at hand.",
            escaped(&settings.join(", "))
        )),
        _ => String::new(),
    };
    let listed = table("The winner beside published networks", &columns, &rows);
    page.section("Published networks as a scale", &format!("{about}{listed}{missing}"));
}
