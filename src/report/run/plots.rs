//! The two plots: the front of a trade-off, and the progress of the best score. Both have the proven bound as a line where
//! there is one.

use super::data::Data;
use super::headline::percent;
use super::html::{Column, Page, human, paragraph, table};
use crate::report::svg::axis::Axis;
use crate::report::svg::draw::{Anchor, Drawing, Point};
use crate::report::svg::linear::Linear;

const WIDTH: f64 = 480.0;
const HEIGHT: f64 = 320.0;
const LEFT: f64 = 56.0;
const RIGHT: f64 = 14.0;
const TOP: f64 = 30.0;
const BOTTOM: f64 = 48.0;
const FONT: f64 = 13.0;

pub(super) fn write(page: &mut Page, data: &Data) {
    if let Some(front) = front(data) {
        page.section("The trade-off", &front);
    }
    page.section("Progress of the search", &progress(data));
}

/// A frame with logarithmic x and linear y.
struct Plot {
    x: Axis,
    y: Linear,
    drawing: Drawing,
}

impl Plot {
    fn new(x: Axis, y: Linear, label: &str, x_name: &str, y_name: &str) -> Self {
        let mut drawing = Drawing::inline(WIDTH, HEIGHT, label);
        let right = WIDTH - RIGHT;
        let bottom = HEIGHT - BOTTOM;
        // A label's width at this size, so that none covers another.
        let mut free_from = f64::NEG_INFINITY;
        for (value, label) in x.ticks() {
            let at = LEFT + (right - LEFT) * x.place(value);
            let label = if value >= 1e4 { short(value) } else { label };
            drawing.line((at, TOP), (at, bottom), "var(--grid)", 1.0, "");
            let half = 4.0 * label.chars().count() as f64;
            if at - half > free_from {
                drawing.text((at, bottom + 18.0), FONT, "var(--faint)", Anchor::Middle, &label);
                free_from = at + half + 6.0;
            }
        }
        for (value, label) in y.ticks() {
            let at = bottom - (bottom - TOP) * y.place(value);
            drawing.line((LEFT, at), (right, at), "var(--grid)", 1.0, "");
            drawing.text((LEFT - 7.0, at + 4.5), FONT, "var(--faint)", Anchor::End, &label);
        }
        drawing.text((right, HEIGHT - 8.0), FONT, "var(--ink)", Anchor::End, x_name);
        drawing.text((LEFT, 16.0), FONT, "var(--ink)", Anchor::Start, y_name);
        Self { x, y, drawing }
    }

    fn at(&self, x: f64, y: f64) -> Point {
        let bottom = HEIGHT - BOTTOM;
        (LEFT + (WIDTH - RIGHT - LEFT) * self.x.place(x), bottom - (bottom - TOP) * self.y.place(y))
    }

    fn finish(self, caption: &str) -> String {
        format!("<figure>\n{}<figcaption>{caption}</figcaption>\n</figure>\n", self.drawing.finish())
    }
}

/// A round number of five digits and more: `50 k`.
fn short(value: f64) -> String {
    let (divisor, suffix) = if value >= 1e6 { (1e6, "M") } else { (1e3, "k") };
    // Without the noise of powers of ten.
    format!("{} {suffix}", (value / divisor * 1e3).round() / 1e3)
}

/// The best score over the candidates that were looked at.
fn progress(data: &Data) -> String {
    let points: Vec<_> = data.items("/progress");
    let points = points.iter().filter_map(|point| {
        Some((data.number(&format!("{point}/candidates"))?, data.number(&format!("{point}/score"))?))
    });
    let points: Vec<(f64, f64)> = points.collect();
    let last = data.number("/best/search/iterations").unwrap_or_default();
    let bound = data.number("/best/optimum/bound");
    let facts = progress_facts(data);
    let x = Axis::covering(points.iter().map(|(x, _)| x.max(1.0)).chain((last >= 1.0).then_some(last)));
    let y = Linear::covering(points.iter().map(|(_, y)| *y).chain(bound));
    let (Some(x), Some(y), true) = (x, y, points.len() > 1) else { return facts };
    let mut plot =
        Plot::new(x, y, "Best score over the candidates looked at", "candidates looked at", "best score so far");
    let mut steps: Vec<Point> = Vec::with_capacity(2 * points.len() + 1);
    let mut best = points[0].1;
    for (candidates, score) in &points {
        let candidates = candidates.max(1.0);
        steps.push(plot.at(candidates, best));
        best = score.max(best);
        steps.push(plot.at(candidates, best));
    }
    steps.push(plot.at(last.max(points[points.len() - 1].0).max(1.0), best));
    plot.drawing.path(&steps, "var(--accent)", 2.2);
    for (candidates, score) in &points {
        let about = format!("{score:.2} after {} candidates", human(*candidates));
        plot.drawing.dot(plot.at(candidates.max(1.0), *score), 2.6, "var(--accent)", &about);
    }
    if let Some(bound) = bound {
        bound_line(&mut plot, bound);
    }
    let caption = match bound {
        Some(_) => "Score by the proxy of the search. The dashed line is the proven bound: no network can be above it.",
        None => "Score by the proxy of the search. No bound was proven.",
    };
    plot.finish(caption) + &facts
}

fn bound_line(plot: &mut Plot, bound: f64) {
    let (_, y) = plot.at(plot.x.low, bound);
    plot.drawing.line((LEFT, y), (WIDTH - RIGHT, y), "var(--bound)", 1.8, "stroke-dasharray=\"7 4\"");
    let label = format!("proven bound {bound:.2}");
    plot.drawing.text((LEFT + 6.0, y + 16.0), FONT, "var(--bound)", Anchor::Start, &label);
}

/// How many candidates, and what became of them.
fn progress_facts(data: &Data) -> String {
    let show = |name: &str| data.show_large(&format!("/best/search/{name}"));
    // What is solved has looked at no candidates.
    let solved = data.number("/best/search/iterations") == Some(0.0) && data.get("/best/optimum/bound").is_some();
    let mut text = match solved {
        true => "Solved, without candidates".to_owned(),
        false => format!("{} candidates", show("iterations")),
    };
    if !solved && data.get("/best/search/counts").is_some() {
        text.push_str(&format!(
            ": {} accepted, {} not better, {} duplicates",
            show("counts/accepted"),
            show("counts/not_better"),
            show("counts/duplicates")
        ));
    }
    text.push('.');
    if data.get("/elapsed_s").is_some() {
        let elapsed = data.show("/elapsed_s", |s| format!("{s:.1} s"));
        text.push_str(&format!(" The run took {elapsed}, the final round included."));
    }
    paragraph(&text)
}

/// The front with the bound of each of its points; none without a front.
fn front(data: &Data) -> Option<String> {
    let axes: Vec<(String, String)> = data
        .items("/front/axes")
        .iter()
        .map(|axis| {
            let text = |name: &str| data.text(&format!("{axis}/{name}")).unwrap_or_default().to_owned();
            let unit = match data.number(&format!("{axis}/confidence")) {
                Some(confidence) => format!("{}, with {:.0}% confidence", text("unit"), confidence * 100.0),
                None => text("unit"),
            };
            (text("name"), unit)
        })
        .collect();
    let score = axes.iter().position(|(name, _)| name == "score").unwrap_or(axes.len().saturating_sub(1));
    let cost = axes.iter().enumerate().position(|(i, _)| i != score)?;
    let places = data.items("/front/points");
    let read = |place: &String| {
        let value = |i: usize| data.number(&format!("{place}/values/{i}"));
        Some((value(cost)?, value(score)?, data.number(&format!("{place}/bound"))))
    };
    let mut points: Vec<(f64, f64, Option<f64>)> = places.iter().filter_map(read).collect();
    points.retain(|(x, y, _)| *x > 0.0 && y.is_finite());
    points.sort_by(|a, b| a.0.total_cmp(&b.0));
    let x = Axis::covering(points.iter().map(|(x, ..)| *x))?;
    let y = Linear::covering(points.iter().flat_map(|(_, y, bound)| [Some(*y), *bound]).flatten())?;
    let named = |(name, unit): &(String, String)| match unit.is_empty() {
        true => name.clone(),
        false => format!("{name} ({unit})"),
    };
    let label = format!("{} networks: {} against {}", points.len(), axes[score].0, axes[cost].0);
    let mut plot = Plot::new(x, y, &label, &named(&axes[cost]), &named(&axes[score]));
    let bounds: Vec<Point> = points.iter().filter_map(|(x, _, bound)| Some(plot.at(*x, (*bound)?))).collect();
    plot.drawing.path(&bounds, "var(--bound)", 1.8);
    let line: Vec<Point> = points.iter().map(|(x, y, _)| plot.at(*x, *y)).collect();
    plot.drawing.path(&line, "var(--accent)", 1.4);
    for (x, y, bound) in &points {
        let bound = bound.map(|bound| format!(", bound {bound:.2}")).unwrap_or_default();
        plot.drawing.dot(plot.at(*x, *y), 4.0, "var(--accent)", &format!("{x:.4}: {y:.2}{bound}"));
    }
    let structure = data.text("/best/structure");
    let is_winner = |place: &String| structure.is_some() && data.text(&format!("{place}/structure")) == structure;
    if let Some((x, y, _)) = places.iter().find(|place| is_winner(place)).and_then(read) {
        plot.drawing.ring(plot.at(x, y), 7.0, "var(--ink)", "the winner");
        plot.drawing.dot(plot.at(x, y), 4.0, "var(--accent)", "the winner");
    }
    let caption = match bounds.is_empty() {
        true => "Each point is a network that no other of the front beats in all axes. The winner has a ring.",
        false => {
            "Each point is a network that no other of the front beats in all axes. The upper line is the proven bound. The \
             winner has a ring."
        }
    };
    let hypervolume = match data.get("/front/hypervolume") {
        Some(_) => paragraph(&format!("Hypervolume: {}.", data.show_large("/front/hypervolume"))),
        None => String::new(),
    };
    let superset = match data.escaped("/front/superset") {
        text if text.is_empty() => String::new(),
        text => paragraph(&format!("Each bound is proven, within the limits of its point, for {text}.")),
    };
    let rows: Vec<_> = places
        .iter()
        .enumerate()
        .map(|(i, place)| {
            let mut cells = vec![format!("{}", i + 1)];
            cells.extend((0..axes.len()).map(|axis| {
                data.show(
                    &format!("{place}/values/{axis}"),
                    |v| if axis == score { format!("{v:.2}") } else { human(v) },
                )
            }));
            cells.push(data.show(&format!("{place}/bound"), |bound| format!("{bound:.2}")));
            cells.push(data.show(&format!("{place}/gap_percent"), percent));
            cells.push(format!("<code>{}</code>", data.escaped(&format!("{place}/structure"))));
            (is_winner(place), cells)
        })
        .collect();
    let listed = front_table(&axes.iter().map(named).collect::<Vec<_>>(), &rows);
    Some(format!(
        "{}{hypervolume}{superset}<details><summary>All {} points</summary>\n{listed}</details>\n",
        plot.finish(caption),
        rows.len()
    ))
}

fn front_table(axes: &[String], rows: &[(bool, Vec<String>)]) -> String {
    let mut columns = vec![Column::Number("Point")];
    columns.extend(axes.iter().map(|axis| Column::Number(axis)));
    columns.extend([Column::Number("Bound"), Column::Number("Gap"), Column::Text("Structure")]);
    table("Points of the front", &columns, rows)
}
