//! Other networks that the search found: really different ones where it looked for them, otherwise the other finalists.

use super::data::{Data, setting_words};
use super::html::{Column, Page, paragraph, table};

pub(super) fn write(page: &mut Page, data: &Data) {
    let alternatives = places(data);
    let Some(first) = alternatives.first() else { return };
    let has = |name: &str| alternatives.iter().any(|place| data.get(&format!("{place}/{name}")).is_some());
    let final_round = data.get("/best/final/score").is_some() && has("final");
    let costs = [("parameters", "Parameters"), ("flops", "Multiply-adds"), ("layers", "Layers")];
    let costs: Vec<_> = costs.into_iter().filter(|(name, _)| has(name)).collect();
    let settings = settings(data, first);
    let latency_names: Vec<String> =
        settings.iter().map(|(_, id)| format!("Latency on {}", setting_words(id))).collect();

    let mut columns = vec![Column::Text("Rank"), Column::Number("Score")];
    columns.extend(final_round.then_some(Column::Number("Exact score")));
    columns.extend(costs.iter().map(|(_, heading)| Column::Number(heading)));
    columns.extend(latency_names.iter().map(|name| Column::Number(name)));
    columns.extend(has("distance").then_some(Column::Number("Layers that differ")));
    columns.push(Column::Text("Structure"));

    let row = |rank: usize, place: &str| {
        let is_winner = rank == 1;
        let score = |place: &str| data.show(place, |score| format!("{score:.2}"));
        let mut cells = vec![if is_winner { "1, winner".to_owned() } else { rank.to_string() }];
        cells.push(score(&format!("{place}/score")));
        if final_round {
            cells.push(score(&format!("{place}/final/score")));
        }
        cells.extend(costs.iter().map(|(name, _)| data.show_large(&format!("{place}/{name}"))));
        let latencies = if is_winner { data.latencies() } else { data.items(&format!("{place}/latencies")) };
        cells.extend(settings.iter().map(|(i, _)| match latencies.get(*i) {
            Some(latency) => data.show_ms(&format!("{latency}/ms")),
            None => data.show_ms(""),
        }));
        if has("distance") {
            cells.push(if is_winner { String::new() } else { data.show_share(&format!("{place}/distance")) });
        }
        cells.push(format!("<code>{}</code>", data.escaped(&format!("{place}/structure"))));
        (is_winner, cells)
    };
    let mut rows = vec![row(1, "/best")];
    rows.extend(alternatives.iter().enumerate().map(|(i, place)| row(i + 2, place)));
    let about = match data.items("/best/alternatives").is_empty() {
        true => "The other networks of the final round.",
        false => "Networks under the same budgets that differ from the winner and from each other.",
    };
    page.section(
        "Alternatives",
        &format!("{}{}", paragraph(about), table("The winner and its alternatives", &columns, &rows)),
    );
}

/// Where the other networks are, best first.
pub(super) fn places(data: &Data) -> Vec<String> {
    let found = data.items("/best/alternatives");
    if !found.is_empty() {
        return found;
    }
    let winner = data.text("/best/structure");
    let mut finalists = data.items("/best/finalists");
    finalists.retain(|place| data.text(&format!("{place}/structure")) != winner);
    finalists
}

/// Settings that alternatives have latencies on, by their place in the lists.
fn settings(data: &Data, first: &str) -> Vec<(usize, String)> {
    let latencies = data.items(&format!("{first}/latencies"));
    let of_winner = data.latencies();
    let named = latencies.iter().enumerate().map(|(i, latency)| {
        let own = data.text(&format!("{latency}/setting/id")).or_else(|| data.text(&format!("{latency}/setting")));
        let id = own.or_else(|| data.text(&format!("{}/setting/id", of_winner.get(i)?)));
        Some((i, id?.to_owned()))
    });
    named.flatten().collect()
}
