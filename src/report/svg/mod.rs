//! The report as a picture: predicted against measured, on logarithmic axes of the same range.
//!
//! Hand-written SVG without scripts or external parts, so that any browser or converter shows it.

pub(super) mod axis;
pub(super) mod draw;
pub(super) mod linear;

use self::axis::Axis;
use self::draw::{Anchor, Drawing};
use super::{ComparedNetwork, Comparison, Report};
use crate::latency::Setting;

/// Side of the square that holds the points, and the space around it, in pixels.
const SIDE: f64 = 560.0;
const LEFT: f64 = 84.0;
const TOP: f64 = 136.0;
const RIGHT: f64 = 28.0;
const BOTTOM: f64 = 72.0;

/// Limit of the shaded band.
const BAND: f64 = 0.10;

/// Colours of the groups, told apart also by people who see colours differently (Okabe and Ito,
/// "Color Universal Design", 2008); the last is for all further groups.
const COLOURS: [&str; 6] = ["#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9"];
const INK: &str = "#222222";
const FAINT: &str = "#666666";
const GRID: &str = "#e4e4e4";
const SHADE: &str = "#e8eff5";

/// The scatter plot; none where there is nothing to draw.
pub fn to_svg(report: &Report) -> Option<String> {
    let figures = report.figures.as_ref()?;
    let outside = report.left_out.iter().filter_map(|network| Some((network, network.predicted_ms?)));
    let outside: Vec<_> = outside.collect();
    let times = report.compared.iter().flat_map(|network| [network.predicted_ms, network.measured_ms]);
    let times = times.chain(outside.iter().flat_map(|(network, predicted)| [*predicted, network.measured_ms]));
    let axis = Axis::covering(times.filter(|ms| ms.is_finite() && *ms > 0.0))?;
    let measured = match report.comparison {
        Comparison::LeaveOneOut => "published",
        _ => "measured",
    };
    let mut drawing = Drawing::new(LEFT + SIDE + RIGHT, TOP + SIDE + BOTTOM);
    drawing.title(&format!("Predicted against {measured} latency on {}", report.setting));
    title(&mut drawing, report, measured, &format!("{figures}, bias {:+.1}%", figures.bias * 100.0));
    frame(&mut drawing, &axis, &report.setting, measured);

    let kinds = kinds(&report.compared);
    for network in &report.compared {
        let colour = colour(&kinds, network);
        let (x, y) = (x(&axis, network.measured_ms), y(&axis, network.predicted_ms));
        if let Some(interval) = network.interval {
            let (low, high) = (y_clamped(&axis, interval.low_ms), y_clamped(&axis, interval.high_ms));
            drawing.line((x, low), (x, high), colour, 1.0, "stroke-opacity=\"0.35\"");
        }
        drawing.dot((x, y), 4.2, colour, &tooltip(network, measured));
    }
    for (network, predicted_ms) in &outside {
        let at = (x(&axis, network.measured_ms), y(&axis, *predicted_ms));
        drawing.ring(at, 4.2, FAINT, &format!("{}: {}", network.name, network.reason));
        if report.comparison == Comparison::LeaveOneOut {
            drawing.text(
                (at.0 + 9.0, at.1 + 4.0),
                11.0,
                FAINT,
                Anchor::Start,
                &format!("{} (in no fit)", network.name),
            );
        }
    }
    legend(&mut drawing, &kinds, report);
    Some(drawing.finish())
}

fn title(drawing: &mut Drawing, report: &Report, measured: &str, figures: &str) {
    let Setting { device, runtime, precision, batch_size, threads } = &report.setting;
    let threads = match threads {
        0 => String::new(),
        1 => ", 1 thread".to_owned(),
        n => format!(", {n} threads"),
    };
    // Long versions ("TensorRT, version not stated") are in the text form.
    let version = match report.runtime_version.as_str() {
        version if version.len() <= 12 && !version.is_empty() => format!(" {version}"),
        _ => String::new(),
    };
    let what = match report.comparison {
        Comparison::LeaveOneOut => {
            format!("{} published networks, each predicted by the fit to all others", report.networks)
        }
        Comparison::Verified => format!("{} networks given to be verified, no random sample", report.networks),
        _ => format!("{} random networks held out of every fit", report.networks),
    };
    drawing.heading((LEFT, 32.0), 18.0, INK, &format!("{device}: predicted against {measured} latency"));
    let setting = format!("device {device}, runtime {runtime}{version}, {precision}, batch {batch_size}{threads}");
    for (i, line) in
        [setting, format!("predicted time: {}", report.evidence.unwrap_or_default()), what, figures.to_owned()]
            .into_iter()
            .enumerate()
    {
        drawing.text((LEFT, 54.0 + 19.0 * i as f64), 13.0, FAINT, Anchor::Start, &line);
    }
}

/// Grid, band, identity line, ticks and labels.
fn frame(drawing: &mut Drawing, axis: &Axis, setting: &Setting, measured: &str) {
    let (low, high) = (axis.low, axis.high);
    // The band between (1 - BAND) and (1 + BAND) of the measured time, cut at the frame.
    let corners = [
        (low, low * (1.0 - BAND)),
        (high, high * (1.0 - BAND)),
        (high, high * (1.0 + BAND)),
        (low, low * (1.0 + BAND)),
    ];
    drawing.clipped((LEFT, TOP), SIDE, |drawing| {
        drawing.area(&corners.map(|(measured, predicted)| (x(axis, measured), y(axis, predicted))), SHADE);
    });
    for (ms, label) in axis.ticks() {
        let (x, y) = (x(axis, ms), y(axis, ms));
        drawing.line((x, TOP), (x, TOP + SIDE), GRID, 1.0, "");
        drawing.line((LEFT, y), (LEFT + SIDE, y), GRID, 1.0, "");
        drawing.text((x, TOP + SIDE + 20.0), 12.0, FAINT, Anchor::Middle, &label);
        drawing.text((LEFT - 10.0, y + 4.0), 12.0, FAINT, Anchor::End, &label);
    }
    drawing.line((x(axis, low), y(axis, low)), (x(axis, high), y(axis, high)), FAINT, 1.2, "");
    drawing.frame((LEFT, TOP), SIDE, "#9a9a9a");
    let images = if setting.batch_size == 1 { "1 image".to_owned() } else { format!("{} images", setting.batch_size) };
    let below = (LEFT + SIDE / 2.0, TOP + SIDE + 50.0);
    drawing.text(below, 14.0, INK, Anchor::Middle, &format!("{measured}, ms per call with {images}"));
    drawing.text_upwards((28.0, TOP + SIDE / 2.0), 14.0, INK, &format!("predicted, ms per call with {images}"));
}

/// In the upper left corner, where a prediction would be far too slow.
fn legend(drawing: &mut Drawing, kinds: &[(&'static str, u32, bool)], report: &Report) {
    let (left, mut top) = (LEFT + 16.0, TOP + 24.0);
    let mut label = |drawing: &mut Drawing, text: &str| {
        drawing.text((left + 28.0, top + 4.0), 12.0, INK, Anchor::Start, text);
        top += 20.0;
        top - 20.0
    };
    let at = label(drawing, "equal");
    drawing.line((left, at), (left + 20.0, at), FAINT, 1.2, "");
    let at = label(drawing, "within 10%");
    drawing.area(&[(left, at - 6.0), (left + 20.0, at - 6.0), (left + 20.0, at + 6.0), (left, at + 6.0)], SHADE);
    for (i, (space, resolution, squeeze_excite)) in kinds.iter().enumerate().filter(|_| kinds.len() > 1) {
        let gates = if *squeeze_excite { ", gates" } else { "" };
        let at = label(drawing, &format!("{space} at {resolution}x{resolution}{gates}"));
        drawing.dot((left + 10.0, at), 4.2, COLOURS[i.min(COLOURS.len() - 1)], "");
    }
    if let Some(coverage) = &report.coverage {
        let at = label(drawing, &format!("interval, meant to hold {:.0}%", coverage.stated * 100.0));
        drawing.line((left + 10.0, at - 7.0), (left + 10.0, at + 7.0), COLOURS[0], 1.0, "stroke-opacity=\"0.5\"");
    }
    if report.left_out.iter().any(|network| network.predicted_ms.is_some()) {
        let at = label(drawing, "not in the figures");
        drawing.ring((left + 10.0, at), 4.2, FAINT, "");
    }
}

/// Kinds of networks that get a colour each; published ones share one, they differ in everything.
fn kinds(networks: &[ComparedNetwork]) -> Vec<(&'static str, u32, bool)> {
    let kinds: std::collections::BTreeSet<_> = networks
        .iter()
        .filter(|network| network.name.is_none())
        .map(|network| (network.space, network.resolution, network.squeeze_excite))
        .collect();
    kinds.into_iter().collect()
}

fn colour(kinds: &[(&'static str, u32, bool)], network: &ComparedNetwork) -> &'static str {
    let kind = (network.space, network.resolution, network.squeeze_excite);
    let place = kinds.iter().position(|known| *known == kind).unwrap_or(0);
    COLOURS[place.min(COLOURS.len() - 1)]
}

fn tooltip(network: &ComparedNetwork, measured: &str) -> String {
    let what = network.name.as_ref().or(network.structure.as_ref()).map_or("", String::as_str);
    format!(
        "{measured} {:.4} ms, predicted {:.4} ms ({:+.1}%): {what}",
        network.measured_ms,
        network.predicted_ms,
        network.off * 100.0
    )
}

fn x(axis: &Axis, ms: f64) -> f64 {
    LEFT + SIDE * axis.place(ms)
}

fn y(axis: &Axis, ms: f64) -> f64 {
    TOP + SIDE * (1.0 - axis.place(ms))
}

fn y_clamped(axis: &Axis, ms: f64) -> f64 {
    y(axis, ms.clamp(axis.low, axis.high))
}
