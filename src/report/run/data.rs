//! The numbers of a page by their place: `best.json` is written by other programs and versions, so everything in it may
//! be missing.
//!
//! A place is a JSON pointer ("/best/latency/ms"). A number that is shown names its place, so that a test, or a reader's
//! script, can hold the page against the file. Not here: how numbers are laid out (`html` and the parts).

use serde::Serialize;
use serde_json::Value;

use super::html::{escaped, human};
use crate::net::LowerOptions;

/// Everything that the page shows.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Data(Value);

/// A value as JSON; null for what JSON cannot hold, which nothing here is.
pub(super) fn to_value(value: impl Serialize) -> Value {
    serde_json::to_value(value).unwrap_or_default()
}

impl Data {
    pub fn new(value: Value) -> Self {
        Self(value)
    }

    pub fn value(&self) -> &Value {
        &self.0
    }

    pub fn set(&mut self, name: &str, value: Value) {
        self.0[name] = value;
    }

    /// Appends to a list that is there.
    pub fn push(&mut self, place: &str, value: Value) {
        if let Some(Value::Array(list)) = self.0.pointer_mut(&format!("/{place}")) {
            list.push(value);
        }
    }

    /// What stands at a place; none for null.
    pub fn get(&self, place: &str) -> Option<&Value> {
        self.0.pointer(place).filter(|value| !value.is_null())
    }

    pub fn number(&self, place: &str) -> Option<f64> {
        self.get(place)?.as_f64()
    }

    pub fn text(&self, place: &str) -> Option<&str> {
        self.get(place)?.as_str()
    }

    /// Text for people; nothing where there is none.
    pub fn escaped(&self, place: &str) -> String {
        self.text(place).map(escaped).unwrap_or_default()
    }

    pub fn is_true(&self, place: &str) -> bool {
        self.get(place) == Some(&Value::Bool(true))
    }

    /// Places of the items of a list; none where there is no list.
    pub fn items(&self, place: &str) -> Vec<String> {
        let length = self.get(place).and_then(Value::as_array).map_or(0, Vec::len);
        (0..length).map(|i| format!("{place}/{i}")).collect()
    }

    /// A number with its place, as HTML; a dash where it is not known.
    pub fn show(&self, place: &str, format: impl Fn(f64) -> String) -> String {
        match self.number(place) {
            Some(number) => {
                format!("<data value=\"{number}\" data-from=\"{}\">{}</data>", escaped(place), escaped(&format(number)))
            }
            None => "<span class=\"none\" title=\"not known\">–</span>".to_owned(),
        }
    }

    /// As [`Data::show`], with the usual digits and a suffix for millions.
    pub fn show_large(&self, place: &str) -> String {
        self.show(place, human)
    }

    /// As [`Data::show`], for milliseconds.
    pub fn show_ms(&self, place: &str) -> String {
        self.show(place, ms)
    }

    /// As [`Data::show`], for a share of one.
    pub fn show_share(&self, place: &str) -> String {
        self.show(place, |share| match share {
            share if share > 0.0 && share < 0.005 => "<1%".to_owned(),
            share => format!("{:.0}%", 100.0 * share),
        })
    }

    /// The winner's predictions, a place for each setting.
    pub fn latencies(&self) -> Vec<String> {
        let several = self.items("/best/latencies");
        match several.is_empty() {
            true => self.get("/best/latency").map(|_| "/best/latency".to_owned()).into_iter().collect(),
            false => several,
        }
    }

    /// Image size and classes of the search; 0 where they are not known.
    pub fn input(&self) -> (u32, u32) {
        let side = |place| self.get(place).and_then(Value::as_u64).and_then(|n| u32::try_from(n).ok());
        (side("/best/resolution").unwrap_or_default(), side("/best/classes").unwrap_or_default())
    }

    /// How the networks of the search are lowered.
    pub fn lower_options(&self) -> LowerOptions {
        let (resolution, classes) = self.input();
        let squeeze_excite = self.is_true("/best/squeeze_excite");
        LowerOptions { squeeze_excite, ..LowerOptions::new(resolution, classes) }
    }

    /// The limit on the latency of a setting, as the place of its budget.
    pub fn latency_budget(&self, setting: Option<&str>) -> Option<String> {
        let budgets = self.items("/best/budgets");
        budgets.into_iter().find(|budget| {
            let of = self.text(&format!("{budget}/setting"));
            of.is_some() && of == setting
        })
    }
}

/// Milliseconds as far as people read them.
pub(super) fn ms(ms: f64) -> String {
    match ms {
        ms if ms >= 100.0 => format!("{ms:.1} ms"),
        ms if ms >= 10.0 => format!("{ms:.2} ms"),
        ms if ms >= 0.1 || ms == 0.0 => format!("{ms:.3} ms"),
        ms => format!("{ms:.4} ms"),
    }
}

/// A setting in words: `t4 (tensorrt, fp16, batch 1)`.
pub(super) fn setting_words(id: &str) -> String {
    match id.split('/').collect::<Vec<_>>()[..] {
        [device, runtime, precision, batch, ref threads @ ..] => {
            let batch = batch.strip_prefix('b').unwrap_or(batch);
            let threads = threads.first().and_then(|threads| threads.strip_prefix('t'));
            let threads = threads.map(|n| if n == "1" { ", 1 thread".to_owned() } else { format!(", {n} threads") });
            format!("{device} ({runtime}, {precision}, batch {batch}{})", threads.unwrap_or_default())
        }
        _ => id.to_owned(),
    }
}
