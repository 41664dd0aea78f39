//! Draws of the exact score, on any number of threads at once.

use std::time::Instant;

use zen_nas::net::Graph;
use zen_nas::score::{self, Draw, Proxy, Scratch, Trial};

/// The exact score.
pub fn zen() -> &'static dyn Proxy {
    score::find("zen").expect("the exact score is built in")
}

/// Our side: every thread makes draws of its own.
pub struct Ours {
    scratch: Vec<Scratch>,
    number: u32,
}

impl Ours {
    pub fn new(threads: usize) -> Self {
        Self { scratch: (0..threads).map(|_| Scratch::default()).collect(), number: 0 }
    }

    /// Milliseconds per draw and the scores of `count` draws on each thread.
    pub fn draws(&mut self, graph: &Graph, batch_size: usize, count: u32) -> (f64, Vec<f64>) {
        let first = self.number;
        self.number += count * self.scratch.len() as u32;
        let started = Instant::now();
        let scores: Vec<f64> = std::thread::scope(|scope| {
            let threads = self.scratch.iter_mut().enumerate();
            let handles: Vec<_> = threads
                .map(|(thread, scratch)| {
                    let score = move |i: u32| {
                        let draw = Draw { seed: 0, number: first + thread as u32 * count + i };
                        let trial = Trial { draw, batch_size, ..Trial::NONE };
                        zen().score(graph, &trial, scratch).expect("a score")
                    };
                    scope.spawn(move || (0..count).map(score).collect::<Vec<f64>>())
                })
                .collect();
            handles.into_iter().flat_map(|handle| handle.join().expect("a thread")).collect()
        });
        (started.elapsed().as_secs_f64() * 1e3 / scores.len() as f64, scores)
    }
}
