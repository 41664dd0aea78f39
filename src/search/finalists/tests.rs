//! The race with a proxy whose means and spread are known.

use std::sync::atomic::{AtomicU32, Ordering};

use super::race::first_draws;
use super::*;
use crate::net::LowerOptions;
use crate::score::{Purpose, ScoreError, Scratch, Trial};
use crate::space::{Draw, Rules, Space};

/// The first block's channels tell the mean, with a standard deviation of 1; no score for 13 channels.
#[derive(Debug)]
struct Channels(AtomicU32);

impl Proxy for Channels {
    fn name(&self) -> &'static str {
        "channels"
    }
    fn about(&self) -> &'static str {
        "a test"
    }
    fn randomness(&self) -> Randomness {
        Randomness::Drawn { batch_size: 1, until: Until::StandardError(0.25) }
    }
    fn score(&self, graph: &Graph, trial: &Trial, _: &mut Scratch) -> Result<f64, ScoreError> {
        self.0.fetch_add(1, Ordering::Relaxed);
        let channels = graph.operators()[1].shape.channels;
        let mut noise = [0.0];
        trial.draw.normal(Purpose::Other(channels), &mut noise);
        match channels {
            13 => Err(ScoreError::NotFinite { proxy: "channels", value: f64::NAN }),
            _ => Ok(channels as f64 + noise[0] as f64),
        }
    }
}

fn config(threads: usize) -> SearchConfig {
    SearchConfig {
        rules: Rules::published(&Space::find("xxbl").unwrap()),
        space: Space::find("xxbl").unwrap(),
        initial: Network::parse("SuperConvK3BNRELU(3,8,1,1)").unwrap(),
        lower: LowerOptions::new(8, 10),
        proxy: score::find("zen-closed").unwrap(),
        sampling: Sampling::default(),
        budgets: Vec::new(),
        population_size: 8,
        iterations: 8,
        draw: Draw::Uniform,
        seed: 7,
        threads,
    }
}

/// Networks with those means in the order of the search; every second layer differs.
fn members(channels: &[u32]) -> Vec<Member> {
    let member = |(i, channels): (usize, &u32)| {
        let text = format!("SuperConvK3BNRELU(3,{channels},1,1)SuperConvK1BNRELU({channels},{},1,1)", 8 << i);
        Member { network: Network::parse(&text).unwrap(), score: -(i as f64) }
    };
    channels.iter().enumerate().map(member).collect()
}

fn round(until: Option<Until>, threads: usize) -> (&'static Channels, FinalRound) {
    let proxy: &'static Channels = Box::leak(Box::new(Channels(AtomicU32::new(0))));
    let sampling = Sampling { until, threads, ..Sampling::default() };
    (proxy, FinalRound { proxy, finalists: 16, nominal_seconds: 4.0, sampling })
}

fn cost(member: &Member) -> f64 {
    draw_cost(&member.network.lower(&config(1).lower).unwrap(), 1)
}

fn race(channels: &[u32], until: Option<Until>, threads: usize, seconds: f64) -> (Vec<Finalist>, u32) {
    let (proxy, round) = round(until, threads);
    let members = members(channels);
    let ranked: Vec<_> = members.iter().collect();
    let mut draws = 0;
    let round = FinalRound { nominal_seconds: seconds, ..round };
    let found = round.run(&ranked, &config(threads), &|| false, &mut |progress| {
        assert!(progress.draws >= draws && progress.expected >= progress.draws, "{progress:?}");
        draws = progress.draws;
    });
    (found.unwrap().unwrap(), proxy.0.load(Ordering::Relaxed))
}

fn draws(finalist: &Finalist) -> u32 {
    finalist.final_score.unwrap().evaluation.draws
}

fn channels(finalists: &[Finalist]) -> Vec<u32> {
    finalists.iter().map(|finalist| finalist.structure.blocks()[0].out_channels).collect()
}

#[test]
fn who_is_told_apart_ahead_wins_and_the_others_stay_in_order() {
    let (found, made) = race(&[10, 11, 30, 20, 12, 34], None, 1, 4.0);
    assert_eq!(channels(&found), [34, 10, 11, 30, 20, 12]);
    assert!(found[1..].iter().all(|finalist| draws(finalist) == first_draws(6)), "{found:?}");
    // A standard deviation of 1 needs about 16 draws for 0.25.
    let winner = found[0].final_score.unwrap().evaluation;
    assert!((8..40).contains(&winner.draws), "{winner:?}");
    assert!(winner.standard_error.unwrap() <= 0.25 && (winner.score - 34.0).abs() < 1.0);
    assert_eq!(made, found.iter().map(draws).sum::<u32>(), "draws were made and not used");
    assert_eq!(found[0].score, -5.0);
    let lead = lead(&found).unwrap();
    assert_eq!(lead.difference, winner.score - found[3].final_score.unwrap().evaluation.score);
    assert!(lead.told_apart && lead.alike == 1, "{lead:?}");
}

#[test]
fn the_first_by_the_search_stays_where_nobody_is_told_apart() {
    // Means that a standard error of 0.5 does not tell apart, the highest one last.
    let (found, _) = race(&[20, 20, 20, 21], Some(Until::Draws(8)), 1, 4.0);
    assert_eq!(channels(&found), [20, 20, 20, 21]);
    let scores: Vec<_> = found.iter().map(|finalist| finalist.score).collect();
    assert_eq!(scores, [0.0, -1.0, -2.0, -3.0]);
    let lead = lead(&found).unwrap();
    assert!(!lead.told_apart && lead.alike > 1 && lead.difference < 2.0 * lead.standard_error, "{lead:?}");
}

#[test]
fn few_finalists_get_more_draws_first() {
    assert_eq!([1, 2, 4, 6, 12, 16, 256].map(first_draws), [8, 7, 4, 3, 2, 2, 2]);
}

#[test]
fn threads_do_not_matter_and_a_fixed_number_is_kept() {
    let channels = [8, 9, 10, 11, 12];
    let little = 30.0 * cost(&members(&channels)[4]) / PER_SECOND;
    for until in [None, Some(Until::StandardError(0.4)), Some(Until::Draws(5))] {
        for seconds in [4.0, little] {
            let (alone, _) = race(&channels, until, 1, seconds);
            for threads in [2, 3, 8] {
                assert_eq!(race(&channels, until, threads, seconds).0, alone, "{until:?}");
            }
            let is_kept = until != Some(Until::Draws(5)) || seconds < 4.0;
            assert!(is_kept || alone.iter().all(|finalist| draws(finalist) == 5));
        }
    }
}

#[test]
fn the_allowance_limits_draws_and_the_winner_always_has_an_error() {
    let channels = [20, 20, 20, 20];
    let members = members(&channels);
    let costs: Vec<f64> = members.iter().map(cost).collect();
    let all: f64 = costs.iter().sum();
    // As few as everyone needs, some more, and more than are of use.
    for (seconds, least, most) in [(2.0, 2, 2), (3.5, 2, 5), (10.0, 5, 20), (1e4, 8, 40)] {
        let (found, _) = race(&channels, None, 1, seconds * all / PER_SECOND);
        assert_eq!(found.len(), 4, "{seconds}");
        let spent: f64 =
            found.iter().map(|finalist| f64::from(draws(finalist)) * costs[-finalist.score as usize]).sum();
        assert!(spent <= seconds * all * (1.0 + 1e-12), "{seconds}: {spent} of {}", seconds * all);
        assert!((least..=most).contains(&draws(&found[0])), "{seconds}: {found:?}");
        assert!(found.iter().all(|finalist| finalist.final_score.unwrap().evaluation.standard_error.is_some()));
    }
    // Time for two of them, and for none.
    assert_eq!(race(&channels, None, 1, 2.01 * (costs[0] + costs[1]) / PER_SECOND).0.len(), 2);
    let (found, made) = race(&channels, None, 1, 1e-12);
    assert_eq!((found.len(), made, found[0].score), (1, 2, 0.0));
    assert!(found[0].final_score.unwrap().evaluation.standard_error.is_some());
    assert_eq!(lead(&found), None);
}

#[test]
fn near_copies_take_no_part() {
    let (_, round) = round(Some(Until::Draws(2)), 1);
    let mut members = members(&[20, 21, 20]);
    members[1].network = Network::parse("SuperConvK3BNRELU(3,21,1,1)SuperConvK1BNRELU(21,8,1,1)").unwrap();
    let run = |finalists| {
        let round = FinalRound { finalists, ..round };
        let found = round.run(&members.iter().collect::<Vec<_>>(), &config(1), &|| false, &mut |_| ());
        found.unwrap().unwrap().iter().map(|finalist| finalist.score).collect::<Vec<_>>()
    };
    assert_eq!(run(3), [0.0, -2.0]);
    assert_eq!(run(1), [0.0]);
}

#[test]
fn who_has_no_score_comes_last_and_alone_keeps_its_place() {
    let (found, _) = race(&[13, 9, 10], Some(Until::Draws(3)), 2, 4.0);
    assert_eq!((channels(&found), found[2].final_score), (vec![9, 10, 13], None));
    let (found, _) = race(&[13], None, 1, 4.0);
    assert_eq!((found.len(), found[0].final_score, lead(&found)), (1, None, None));
    assert!(race(&[], None, 1, 4.0).0.is_empty());
}

#[test]
fn a_stop_leaves_nothing() {
    let (proxy, round) = round(None, 1);
    let members = members(&[8, 9]);
    let stop = || proxy.0.load(Ordering::Relaxed) >= 3;
    assert_eq!(round.run(&members.iter().collect::<Vec<_>>(), &config(1), &stop, &mut |_| ()).unwrap(), None);
    assert_eq!(proxy.0.load(Ordering::Relaxed), 3);
}

#[test]
fn proxies_say_what_is_precise() {
    let round = |proxy: &str, draws| {
        let mut config = config(1);
        config.proxy = score::find(proxy).unwrap();
        config.sampling.until = Some(Until::Draws(draws));
        FinalRound::of(&config, 4, 4.0, None, None).map(|round| (round.proxy.name(), round.sampling.seed))
    };
    assert_eq!(round("params", 1), None);
    assert_eq!(round("flops", 1), None);
    // One draw is all it asks for, and one draw is what the search made.
    assert_eq!(round("random", 1), None);
    if let Ok(zen) = score::find("zen") {
        assert_eq!(round("zen-closed", 1), Some((zen.name(), 7)));
        assert_eq!(round("zen-closed-map-released", 1), Some(("zen-released", 7)));
        let (name, seed) = round("zen", 1).unwrap();
        assert!(name == "zen" && seed != 7, "what candidates were chosen by is not drawn again");
        assert!(FinalRound::of(&config(1), 0, 4.0, None, None).is_none());
    }
}
