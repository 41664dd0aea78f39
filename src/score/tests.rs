//! The contract that every proxy fulfils.

use super::*;
use crate::net::{LowerOptions, Network};

fn graph(structure: &str) -> Graph {
    Network::parse(structure).unwrap().lower(&LowerOptions::new(16, 10)).unwrap()
}

#[test]
fn contract() {
    let small = graph("SuperConvK3BNRELU(3,8,1,1)SuperResK3K3(8,16,2,8,1)");
    let large = graph("SuperConvK3BNRELU(3,16,1,1)SuperResK3K3(16,32,2,16,2)SuperResIDWE2K5(32,40,2,32,1)");
    for proxy in PROXIES {
        let name = proxy.name();
        assert_eq!(proxy.about().lines().count(), 1, "{name}");
        assert_eq!(find(name).unwrap().name(), name);
        // What is more precise is the end of it, and is built in or left out with a feature.
        let precise = proxy.precise().and_then(|precise| find(precise).ok());
        assert!(precise.is_none_or(|precise| precise.precise() == Some(precise.name())), "{name}");
        assert!(precise.is_none_or(|precise| precise.randomness() != Randomness::None), "{name}");
        let mut scratch = Scratch::default();
        let batch_size = match proxy.randomness() {
            Randomness::None => 1,
            Randomness::Drawn { batch_size, .. } => batch_size,
        };
        let mut score = |graph: &Graph, seed, number| {
            let trial = Trial { draw: Draw { seed, number }, batch_size, ..Trial::NONE };
            proxy.score(graph, &trial, &mut scratch).unwrap_or_else(|error| panic!("{name}: {error}"))
        };
        let first = score(&small, 1, 0);
        let second = score(&large, 1, 0);
        assert!(first.is_finite() && second.is_finite(), "{name}");
        assert_ne!(first, second, "{name}");
        assert_eq!(first.to_bits(), score(&small, 1, 0).to_bits(), "{name}: scratch or chance changed a score");
        for (seed, number) in [(1, 1), (2, 0)] {
            let other = score(&small, seed, number);
            match proxy.randomness() {
                Randomness::None => assert_eq!(first.to_bits(), other.to_bits(), "{name} draws, but says it does not"),
                Randomness::Drawn { .. } => {
                    assert_ne!(first, other, "{name}: seed {seed}, draw {number} changes nothing")
                }
            }
        }
    }
}

/// The mean of several trials does not depend on threads, and knows its noise.
#[test]
fn evaluations_do_not_depend_on_threads() {
    let graph = graph("SuperConvK3BNRELU(3,8,1,1)SuperResK3K3(8,16,2,8,1)");
    for proxy in PROXIES {
        let evaluate = |threads| {
            let sampling = Sampling { seed: 3, until: Some(Until::Draws(3)), threads, ..Sampling::default() };
            Evaluator::new(sampling).evaluate(*proxy, &graph, &mut |_| ()).unwrap()
        };
        let alone = evaluate(1);
        assert_eq!(alone, evaluate(2), "{}", proxy.name());
        match proxy.randomness() {
            Randomness::None => assert_eq!((alone.draws, alone.standard_error), (1, None)),
            Randomness::Drawn { .. } => {
                assert_eq!(alone.draws, 3);
                assert!(alone.standard_error.is_some_and(|error| error > 0.0), "{}: {alone:?}", proxy.name());
            }
        }
    }
}

#[test]
fn unknown_names_get_a_hint() {
    let error = find("zen-close").map(|p| p.name()).unwrap_err().to_string();
    assert!(error.contains("did you mean zen-closed?"), "{error}");
    assert!(find("accuracy").is_err_and(|e| !e.to_string().contains("did you mean")));
}
