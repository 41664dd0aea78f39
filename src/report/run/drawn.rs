//! The winner drawn stage by stage, and where its milliseconds go.

use super::data::{Data, setting_words};
use super::html::{Column, Page, bar, escaped, paragraph, table};
use crate::report::svg::draw::{Anchor, Drawing};

/// Evidence as the page colours and orders it.
const EVIDENCE: [&str; 4] = ["measured", "interpolated", "fitted", "extrapolated"];

pub(super) fn write(page: &mut Page, data: &Data) {
    let structure = format!(
        "<details><summary>Structure string</summary><pre tabindex=\"0\"><code>{}</code></pre></details>\n",
        data.escaped("/best/structure")
    );
    if data.get("/anatomy").is_none() {
        let missing = paragraph(
            "This version cannot divide the winner into its stages: its structure or the operators of its prediction are \
             of another version.",
        );
        return page.section("The winner", &format!("{missing}{structure}"));
    }
    let stages = data.items("/anatomy/stages");
    let drawn: String = stages.iter().enumerate().map(|(i, stage)| draw_stage(data, i, stage)).collect();
    let content = format!("{}<ol class=\"stages\">\n{drawn}{}</ol>\n{structure}", silhouette(data), head(data));
    page.section("The winner, stage by stage", &content);
    let times: String = data.latencies().iter().enumerate().map(|(i, latency)| kinds(data, i, latency)).collect();
    if !times.is_empty() {
        page.section("Where the milliseconds go", &times);
    }
}

/// Blocks from left to right: as high as their maps, as wide as they have layers.
fn silhouette(data: &Data) -> String {
    const HEIGHT: f64 = 150.0;
    const WIDTH: f64 = 480.0;
    const BASE: f64 = HEIGHT - 26.0;
    let stages = data.items("/anatomy/stages");
    let blocks_of = |stage: &str| data.items(&format!("{stage}/blocks"));
    let layers = |block: &str| data.number(&format!("{block}/layers")).unwrap_or(1.0);
    let blocks = stages.iter().flat_map(|stage| blocks_of(stage)).collect::<Vec<_>>();
    let all: f64 = blocks.iter().map(|block| layers(block)).sum();
    let largest = stages.iter().filter_map(|stage| data.number(&format!("{stage}/side"))).fold(1.0, f64::max);
    let mut drawing = Drawing::inline(
        WIDTH,
        HEIGHT,
        "The winner from image to classifier: boxes are higher the larger their maps, wider the more layers they have, \
         and stronger in colour the more of the predicted time a layer takes",
    );
    let gap = 2.0;
    // The side of its maps fits below a short block, unless there are very many.
    let least = f64::min(24.0, WIDTH / 2.0 / blocks.len().max(1) as f64);
    let unit = (WIDTH - (gap + least) * blocks.len() as f64) / all.max(1.0);
    let mut x = 0.0;
    for stage in &stages {
        let side = data.number(&format!("{stage}/side")).unwrap_or(1.0);
        // The smallest maps stay visible.
        let height = 14.0 + (BASE - 24.0) * (side / largest).sqrt();
        let begin = x;
        for block in blocks_of(stage) {
            let width = least + unit * layers(&block);
            let share = data.number(&format!("{block}/times/0/share"));
            let about = format!("{} at {side}x{side}", data.text(&format!("{block}/name")).unwrap_or_default());
            let about = match share {
                Some(share) => format!("{about}: {:.0}% of the time", 100.0 * share),
                None => about,
            };
            // Per layer, so that long blocks are not strong for their length alone.
            let depth =
                share.map_or(0.5, |share| (0.25 + 0.75 * (share * all / layers(&block) / 2.5)).clamp(0.25, 1.0));
            drawing.bar((x, BASE - height), (width, height), "var(--accent)", depth, &about);
            x += width + gap;
        }
        if x - begin > 20.0 {
            drawing.text(
                ((begin + x - gap) / 2.0, HEIGHT - 8.0),
                13.0,
                "var(--faint)",
                Anchor::Middle,
                &format!("{side}"),
            );
        }
    }
    let caption = "Higher: larger maps, whose side in pixels is below. Wider: more layers. Stronger colour: more time in each layer.";
    format!("<figure>\n{}<figcaption>{caption}</figcaption>\n</figure>\n", drawing.finish())
}

fn draw_stage(data: &Data, i: usize, stage: &str) -> String {
    let blocks: String = data.items(&format!("{stage}/blocks")).iter().map(|block| draw_block(data, block)).collect();
    format!(
        "<li>\n<h3>Stage {}: {} px maps</h3>\n{}<ul class=\"blocks\">\n{blocks}</ul>\n</li>\n",
        i + 1,
        data.show(&format!("{stage}/side"), |side| format!("{side} × {side}")),
        times(data, &format!("{stage}/times"))
    )
}

fn draw_block(data: &Data, block: &str) -> String {
    let number = |name: &str| data.show(&format!("{block}/{name}"), |n| n.to_string());
    let mut lines = format!(
        "<strong>{}</strong> <span class=\"repeat\">× {}</span><br>{} → {} channels",
        escaped(data.text(&format!("{block}/name")).unwrap_or_default().trim_start_matches("Super")),
        number("layers"),
        number("in_channels"),
        number("out_channels")
    );
    if data.get(&format!("{block}/bottleneck")).is_some() {
        lines.push_str(&format!(", through {}", number("bottleneck")));
    }
    if data.number(&format!("{block}/stride")).is_some_and(|stride| stride > 1.0) {
        lines.push_str(&format!(", stride\u{a0}{}", number("stride")));
    }
    let times: Vec<_> =
        data.items(&format!("{block}/times")).iter().map(|time| data.show_ms(&format!("{time}/ms"))).collect();
    if !times.is_empty() {
        lines.push_str(&format!("<br><span class=\"note\">{}</span>", times.join(" / ")));
    }
    format!("<li>{lines}</li>\n")
}

/// One line for each setting: milliseconds, share, and how they are known.
fn times(data: &Data, list: &str) -> String {
    let settings = data.latencies();
    let lines = data.items(list).into_iter().enumerate().map(|(i, time)| {
        let on = match settings.len() {
            0 | 1 => String::new(),
            _ => format!(" on {}", data.escaped(&format!("{}/setting/id", settings[i]))),
        };
        format!(
            "<p class=\"time\">{} {}{on} · {} · {}</p>\n",
            bar(data.number(&format!("{time}/share")).unwrap_or_default(), "used"),
            data.show_ms(&format!("{time}/ms")),
            data.show_share(&format!("{time}/share")),
            evidence(data, &time)
        )
    });
    lines.collect()
}

fn head(data: &Data) -> String {
    format!(
        "<li>\n<h3>Head: global pooling, {} classes</h3>\n{}</li>\n",
        data.show_large("/best/classes"),
        times(data, "/anatomy/head")
    )
}

/// How a time is known: `62% measured, 38% fitted`.
fn evidence(data: &Data, time: &str) -> String {
    let parts = EVIDENCE.iter().map(|name| (name, format!("{time}/{name}")));
    let parts = parts.filter(|(_, place)| data.number(place).is_some_and(|share| share >= 0.005));
    let parts: Vec<_> = parts.map(|(name, place)| format!("{} {name}", data.show_share(&place))).collect();
    parts.join(", ")
}

/// A bar in the colours of the evidence, as long as the share.
fn evidence_bar(data: &Data, time: &str) -> String {
    let share = data.number(&format!("{time}/share")).unwrap_or_default();
    let parts = EVIDENCE.iter().filter_map(|name| {
        let part = data.number(&format!("{time}/{name}"))?;
        Some(format!("<span class=\"{name}\" style=\"width:{:.1}%\"></span>", (100.0 * part * share).clamp(0.0, 100.0)))
    });
    format!("<span class=\"track\" aria-hidden=\"true\">{}</span>", parts.collect::<String>())
}

/// The time by kind of operator on one setting.
fn kinds(data: &Data, i: usize, latency: &str) -> String {
    let setting = data.text(&format!("{latency}/setting/id")).map(setting_words).unwrap_or_default();
    let mut rows: Vec<_> = data
        .items(&format!("/anatomy/kinds/{i}"))
        .iter()
        .map(|kind| {
            let cells = vec![
                data.escaped(&format!("{kind}/kind")),
                data.show_large(&format!("{kind}/operators")),
                data.show_ms(&format!("{kind}/ms")),
                data.show_share(&format!("{kind}/share")),
                evidence(data, kind),
                evidence_bar(data, kind),
            ];
            (false, cells)
        })
        .collect();
    let call = format!("/anatomy/call_ms/{i}");
    if data.number(&call).is_some_and(|ms| ms > 1e-4) {
        let [none, evidence, bar] = [const { String::new() }; 3];
        rows.push((false, vec!["the call itself".to_owned(), none.clone(), data.show_ms(&call), none, evidence, bar]));
    }
    let columns = [
        Column::Text("Operators"),
        Column::Number("Number"),
        Column::Number("Time"),
        Column::Number("Share"),
        Column::Text("How it is known"),
        Column::Text("Share by evidence"),
    ];
    let caption = format!("Predicted time by kind of operator on {setting}");
    let legend: String =
        EVIDENCE.iter().map(|name| format!("<li><span class=\"key {name}\"></span>{name}</li>")).collect();
    format!("{}<ul class=\"legend\">{legend}</ul>\n", table(&caption, &columns, &rows))
}
