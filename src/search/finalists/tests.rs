//! The race with a proxy whose means and spread are known.

use std::sync::atomic::{AtomicU32, Ordering};

use super::*;
use crate::net::LowerOptions;
use crate::score::{Purpose, ScoreError, Scratch, Trial};
use crate::space::{Draw, Rails, Space};

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
        rails: Rails::default(),
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

fn member(channels: u32) -> Member {
    let network = Network::parse(&format!("SuperConvK3BNRELU(3,{channels},1,1)")).unwrap();
    // The search had them the wrong way round.
    Member { network, score: -(channels as f64) }
}

fn race(channels: &[u32], until: Option<Until>, threads: usize) -> (Vec<Finalist>, u32) {
    let proxy: &'static Channels = Box::leak(Box::new(Channels(AtomicU32::new(0))));
    let round = FinalRound { proxy, finalists: 16, sampling: Sampling { until, threads, ..Sampling::default() } };
    let members: Vec<_> = channels.iter().map(|channels| member(*channels)).collect();
    let ranked: Vec<_> = members.iter().collect();
    let mut draws = 0;
    let found = round.run(&ranked, &config(threads), &|| false, &mut |progress| {
        assert!(progress.draws >= draws && progress.expected >= progress.draws, "{progress:?}");
        draws = progress.draws;
    });
    (found.unwrap().unwrap(), proxy.0.load(Ordering::Relaxed))
}

fn draws(finalist: &Finalist) -> u32 {
    finalist.final_score.unwrap().evaluation.draws
}

#[test]
fn the_best_wins_and_the_hopeless_are_left_behind() {
    let (found, made) = race(&[10, 11, 30, 20, 12, 31], None, 1);
    let order: Vec<_> = found.iter().map(|finalist| finalist.structure.blocks()[0].out_channels).collect();
    assert_eq!(order, [31, 30, 20, 12, 11, 10]);
    assert!(found[2..].iter().all(|finalist| draws(finalist) == first_draws(6)), "{found:?}");
    // A standard deviation of 1 needs about 16 draws for 0.25.
    let winner = found[0].final_score.unwrap();
    assert!((8..40).contains(&winner.evaluation.draws), "{winner:?}");
    assert!(winner.evaluation.standard_error.unwrap() <= 0.25 && (winner.evaluation.score - 31.0).abs() < 1.0);
    assert_eq!(made, found.iter().map(draws).sum::<u32>(), "draws were made and not used");
    assert_eq!(found[0].score, -31.0);
    let lead = lead(&found).unwrap();
    let second = found[1].final_score.unwrap().evaluation;
    assert_eq!(lead.difference, winner.evaluation.score - second.score);
    assert_eq!(lead.told_apart, lead.difference >= 2.0 * lead.standard_error);
}

#[test]
fn few_finalists_get_more_draws_first() {
    assert_eq!([1, 2, 4, 6, 12, 16, 256].map(first_draws), [8, 7, 4, 3, 2, 2, 2]);
}

#[test]
fn threads_do_not_matter_and_a_fixed_number_is_kept() {
    let channels = [8, 9, 10, 11, 12];
    for until in [None, Some(Until::StandardError(0.4)), Some(Until::Draws(5))] {
        let (alone, _) = race(&channels, until, 1);
        for threads in [2, 3, 8] {
            assert_eq!(race(&channels, until, threads).0, alone, "{until:?}");
        }
        assert!(until != Some(Until::Draws(5)) || alone.iter().all(|finalist| draws(finalist) == 5));
    }
}

#[test]
fn who_has_no_score_comes_last_and_alone_keeps_its_place() {
    let (found, _) = race(&[13, 9, 10], Some(Until::Draws(3)), 2);
    assert_eq!(found[2].final_score, None);
    assert_eq!(found[2].structure.blocks()[0].out_channels, 13);
    let (found, _) = race(&[13], None, 1);
    assert_eq!((found.len(), found[0].final_score, lead(&found)), (1, None, None));
    assert!(race(&[], None, 1).0.is_empty());
}

#[test]
fn a_stop_leaves_nothing() {
    let proxy: &'static Channels = Box::leak(Box::new(Channels(AtomicU32::new(0))));
    let round = FinalRound { proxy, finalists: 16, sampling: Sampling::default() };
    let members = [member(8), member(9)];
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
        FinalRound::of(&config, 4, None, None).map(|round| (round.proxy.name(), round.sampling.seed))
    };
    assert_eq!(round("params", 1), None);
    assert_eq!(round("flops", 1), None);
    // One draw is all it asks for, and one draw is what the search made.
    assert_eq!(round("random", 1), None);
    if let Ok(zen) = score::find("zen") {
        assert_eq!(round("zen-closed", 1), Some((zen.name(), 7)));
        assert_eq!(round("zen-closed-map-released", 1), Some(("zen-released", 7)));
        let (name, seed) = round("zen", 1).unwrap();
        assert!(name == "zen" && seed != 7, "what children were chosen by is not drawn again");
        assert!(FinalRound::of(&config(1), 0, None, None).is_none());
    }
}
