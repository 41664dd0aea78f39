//! Other proxies on the winner and its alternatives, and where they put another network first.
//!
//! Parameters and multiply-adds are among them: a score that ranks as they do adds nothing. What draws weights takes
//! seconds a network, so it is worked out where somebody asks for the report ([`RunReport::add_proxies`]).

use serde_json::{Value, json};

use super::RunReport;
use super::alternatives;
use super::data::{Data, to_value};
use super::html::{Column, Page, escaped, human, list, paragraph, table};
use crate::report::scores::{Board, Step, Subject, Work, compared, compared_names};
use crate::score::compare::compare;
use crate::score::{self, Proxy, Sampling, Until};

/// Proxies beside the search's own and the baselines.
const OTHERS: [&str; 2] = ["naswot", "swap"];
/// Networks that are looked at, the winner among them.
const MOST: usize = 6;
/// Draws of each score: enough to see large differences, and seconds on large networks.
const DRAWS: u32 = 1;

impl RunReport {
    /// Scores the winner and its alternatives by other proxies. Stops early where `stop` says so; then the page has
    /// none. `observe` hears of the progress.
    pub fn add_proxies(&mut self, threads: usize, stop: &dyn Fn() -> bool, observe: &mut dyn FnMut(Step<'_>)) {
        let own = self.data.text("/best/proxy").and_then(|name| score::find(name).ok());
        let others = OTHERS.iter().filter_map(|name| score::find(name).ok());
        let mut proxies: Vec<&'static dyn Proxy> = own.into_iter().collect();
        proxies.extend(others.filter(|other| own.is_none_or(|own| own.name() != other.name())));
        let subjects = self.subjects();
        let sampling = Sampling { threads, until: Some(Until::Draws(DRAWS)), ..Sampling::default() };
        let work = Work { proxies: &proxies, sampling, predictor: None, compared: &[] };
        let Board { networks, interrupted, .. } = work.run(&subjects, stop, observe);
        if interrupted || networks.len() < 2 {
            return;
        }
        let proxy_names: Vec<&'static str> = proxies.iter().map(|proxy| proxy.name()).collect();
        let mut names = compared_names(&networks, &proxy_names);
        // The search's own first: the others are held against it.
        names.sort_by_key(|name| Some(*name) != own.map(|own| own.name()));
        let figures = compared(&networks, &names);
        let agreements = compare(&names, &figures).into_iter().flat_map(|group| group.agreements);
        let scores: Vec<Value> = figures.iter().map(|network| to_value(&network.figures)).collect();
        self.data.set(
            "proxies",
            json!({
                "names": names,
                "draws": DRAWS,
                "scores": scores,
                "agreements": to_value(agreements.collect::<Vec<_>>()),
            }),
        );
    }

    /// The winner and its alternatives, in the order of the page.
    fn subjects(&self) -> Vec<Subject> {
        let options = self.data.lower_options();
        let places = std::iter::once("/best".to_owned()).chain(alternatives::places(&self.data)).take(MOST);
        let texts = places.filter_map(|place| self.data.text(&format!("{place}/structure")).map(str::to_owned));
        let subject =
            |text| Subject { origin: String::new(), name: None, text, options, dataset: None, accuracy: None };
        texts.map(subject).collect()
    }
}

pub(super) fn write(page: &mut Page, data: &Data) {
    let names = data.items("/proxies/names");
    if names.is_empty() {
        return;
    }
    let names: Vec<&str> = names.iter().filter_map(|place| data.text(place)).collect();
    let networks = data.items("/proxies/scores");
    let score = |network: &str, proxy: usize| data.number(&format!("{network}/{proxy}"));
    // 1 for the highest; equals share the better rank.
    let rank = |network: &str, proxy: usize| {
        let own = score(network, proxy)?;
        Some(1 + networks.iter().filter(|other| score(other, proxy).is_some_and(|score| score > own)).count())
    };
    let rows = networks.iter().enumerate().map(|(i, network)| {
        let mut cells = vec![network_name(i)];
        cells.extend((0..names.len()).map(|proxy| {
            let rank =
                rank(network, proxy).map_or(String::new(), |rank| format!(" <span class=\"rank\">#{rank}</span>"));
            format!("{}{rank}", data.show(&format!("{network}/{proxy}"), human))
        }));
        (i == 0, cells)
    });
    let mut columns = vec![Column::Text("Network")];
    columns.extend(names.iter().map(|name| Column::Number(name)));
    let listed = table("Scores and ranks by each proxy", &columns, &rows.collect::<Vec<_>>());

    let mut disagreements = Vec::new();
    for (proxy, name) in names.iter().enumerate().skip(1) {
        let first = networks.iter().position(|network| rank(network, proxy) == Some(1));
        let (Some(first), Some(of_winner)) = (first, networks.first().and_then(|winner| rank(winner, proxy))) else {
            continue;
        };
        if of_winner > 1 {
            disagreements.push(format!(
                "<code>{}</code> puts {} first and the winner {} of {}{}.",
                escaped(name),
                network_name(first).to_lowercase(),
                ordinal(of_winner),
                networks.len(),
                tau(data, names[0], name)
            ));
        }
    }
    let said = match disagreements.is_empty() {
        true => paragraph("All of them put the winner first."),
        false => list(&disagreements),
    };
    let about = format!(
        "Higher is better. <code>{}</code> ranked the search; parameters and multiply-adds are the baselines that a score must \
         beat. Scores that draw weights are of {} draw with the proxy's own batch.",
        escaped(names[0]),
        data.show_large("/proxies/draws")
    );
    page.section("What other proxies say", &format!("{}{listed}{said}", paragraph(&about)));
}

fn network_name(i: usize) -> String {
    if i == 0 { "Winner".to_owned() } else { format!("Rank {}", i + 1) }
}

fn ordinal(n: usize) -> String {
    match n {
        1 => "1st".to_owned(),
        2 => "2nd".to_owned(),
        3 => "3rd".to_owned(),
        n => format!("{n}th"),
    }
}

/// How far two proxies order the networks alike.
fn tau(data: &Data, a: &str, b: &str) -> String {
    let pairs = data.items("/proxies/agreements");
    let pair = pairs.iter().find(|pair| {
        let names = [data.text(&format!("{pair}/a")), data.text(&format!("{pair}/b"))];
        names == [Some(a), Some(b)] || names == [Some(b), Some(a)]
    });
    match pair.map(|pair| format!("{pair}/kendall_tau")).filter(|place| data.number(place).is_some()) {
        Some(place) => {
            format!(" (Kendall tau {} with <code>{}</code>)", data.show(&place, |tau| format!("{tau:.2}")), escaped(a))
        }
        None => String::new(),
    }
}
