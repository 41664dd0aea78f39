//! The page of a search, `report.html`: the winner, how far it can be from the best network, where its time goes, what
//! else there is, and how to repeat the search.
//!
//! One self-contained file without scripts: it is read from a folder, on a phone, in light and dark. Every number on it is
//! one of [`RunReport::data`], which the page carries along; `data` reads them and names their place in the page. `files`
//! reads the run directory, `anatomy` divides the winner's time, `reference` has published networks as a scale, `proxies`
//! scores by other proxies. The others write one part of the page each. Not here: the error report of a table (`report`).

mod alternatives;
mod anatomy;
mod data;
mod drawn;
mod files;
mod headline;
mod html;
mod plots;
mod provenance;
mod proxies;
mod reference;
mod scale;
#[cfg(test)]
mod tests;
mod warnings;

use serde_json::{Value, json};

use self::data::{Data, to_value};
use self::reference::REFERENCES;
use super::Quality;
use crate::latency::Predictor;

/// What the page of a run is made of.
#[derive(Clone, Debug, PartialEq)]
pub struct RunReport {
    data: Data,
}

impl RunReport {
    /// Every number of the page: `best` is `best.json` as it is, `front` is `front.json`; the others are worked out.
    pub fn data(&self) -> &Value {
        self.data.value()
    }

    /// Adds what a latency table says: its error, and the latency of published networks. Once for each setting of the
    /// search.
    pub fn add_table(&mut self, predictor: &Predictor, quality: &Quality) {
        let setting = predictor.setting();
        let table = json!({
            "setting": setting.id(),
            "source": quality.table.to_string(),
            "error": quality.to_string(),
            "notes": quality.lines(),
        });
        self.data.push("tables", table);
        let (resolution, classes) = self.data.input();
        for (i, reference) in REFERENCES.iter().enumerate() {
            let Some(graph) = reference.graph(resolution, classes) else { continue };
            let prediction = predictor.predict(&graph);
            let latency = json!({
                "setting": setting.id(),
                "ms": prediction.ms,
                "error": prediction.error,
                "evidence": prediction.evidence.to_string(),
            });
            self.data.push(&format!("references/{i}/latencies"), latency);
        }
    }

    /// The published networks with what they cost at the image size and classes of the search.
    fn add_references(&mut self) {
        let (resolution, classes) = self.data.input();
        for reference in &REFERENCES {
            let Some(graph) = reference.graph(resolution, classes) else { continue };
            // An accuracy holds for the image size and classes that it was measured with.
            let top1_percent = (resolution == 224 && classes == 1000).then_some(reference.top1_percent);
            let mut value = to_value(graph.cost());
            value["name"] = reference.name.into();
            value["top1_percent"] = top1_percent.into();
            value["latencies"] = json!([]);
            self.data.push("references", value);
        }
    }
}

/// The whole page.
pub fn html(report: &RunReport) -> String {
    let data = &report.data;
    let mut page = html::Page::new(&headline::title(data));
    headline::write(&mut page, data);
    warnings::write(&mut page, data);
    plots::write(&mut page, data);
    drawn::write(&mut page, data);
    alternatives::write(&mut page, data);
    proxies::write(&mut page, data);
    scale::write(&mut page, data);
    provenance::write(&mut page, data);
    page.finish(data.value())
}
