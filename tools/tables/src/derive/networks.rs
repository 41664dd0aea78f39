//! The networks that tables are chosen for and checked on: the published ones, and random ones of the
//! search spaces.

use rand::SeedableRng;
use rand_pcg::Pcg64Mcg;
use zen_nas::latency::{Fuser, LatencyError, OperatorKey};
use zen_nas::net::{LowerOptions, Network};
use zen_nas::space::{Draw, SPACES};

/// Structures of the published networks.
const STRUCTURES: &str = include_str!("../../../../tests/data/networks.csv");

/// Resolutions at which the published networks say which shapes matter.
const RESOLUTIONS: [u32; 5] = [160, 192, 224, 256, 288];

/// Random networks of each space, mutations behind each, and their resolution.
const RANDOM: usize = 40;
const MUTATIONS: usize = 20;
const CHECK_RESOLUTION: u32 = 224;
/// Seeds of the random networks that tables are checked on, and of those they are chosen for.
const CHECK_SEED: u64 = 0;
const TARGET_SEED: u64 = 1;

/// A published network with a structure.
pub struct ZenNetwork {
    pub name: String,
    network: Network,
    pub text: String,
    pub squeeze_excite: bool,
    pub resolution: u32,
    /// V100, T4, Pixel 2.
    pub published_ms: [f64; 3],
}

/// The networks of [`STRUCTURES`] that have published latencies.
pub fn zen_networks() -> Result<Vec<ZenNetwork>, LatencyError> {
    let bad = |name: &str, reason: String| LatencyError::Published { name: name.to_owned(), reason };
    let mut networks = Vec::new();
    let mut reader = csv::Reader::from_reader(STRUCTURES.as_bytes());
    for record in reader.records() {
        let record = record.map_err(|error| bad("networks.csv", error.to_string()))?;
        let field = |column: usize| record.get(column).unwrap_or_default();
        // name, structure, resolution, classes, se, three published counts, v100, t4, pixel2
        let [Ok(v100), Ok(t4), Ok(pixel2)] = [8, 9, 10].map(|column| field(column).parse::<f64>()) else { continue };
        let short = field(0).trim_start_matches("zennet_imagenet1k_");
        let name = short.split('_').next().unwrap_or(short).to_owned();
        networks.push(ZenNetwork {
            network: Network::parse(field(1)).map_err(|error| bad(&name, error.to_string()))?,
            text: field(1).to_owned(),
            squeeze_excite: field(4) == "1",
            resolution: field(2).parse().map_err(|_| bad(&name, "no resolution".to_owned()))?,
            published_ms: [v100, t4, pixel2],
            name,
        });
    }
    Ok(networks)
}

/// Fused operators of a published network.
pub fn keys_of(network: &ZenNetwork, resolution: u32) -> Result<Vec<OperatorKey>, LatencyError> {
    let options = LowerOptions { squeeze_excite: network.squeeze_excite, ..LowerOptions::new(resolution, 1000) };
    let bad = |reason: String| LatencyError::Published { name: network.name.clone(), reason };
    let graph = network.network.lower(&options).map_err(|error| bad(error.to_string()))?;
    Ok(Fuser::default().fuse(&graph).to_vec())
}

/// Networks that the tables are checked on, at 224 pixels: the published ones and random ones of
/// both spaces.
pub fn check_networks(published: &[ZenNetwork]) -> Result<Vec<Vec<OperatorKey>>, LatencyError> {
    let mut check = Vec::new();
    for network in published {
        check.push(keys_of(network, CHECK_RESOLUTION)?);
    }
    check.extend(random_networks(CHECK_SEED)?);
    Ok(check)
}

/// Operators that say which shapes matter: of the published networks at several resolutions, and of
/// random networks that the check does not know.
pub fn target_operators(published: &[ZenNetwork]) -> Result<Vec<OperatorKey>, LatencyError> {
    let mut targets = Vec::new();
    for network in published {
        for resolution in RESOLUTIONS {
            targets.extend(keys_of(network, resolution)?);
        }
    }
    targets.extend(random_networks(TARGET_SEED)?.into_iter().flatten());
    Ok(targets)
}

/// Random networks of both spaces at 224 pixels, fused.
fn random_networks(seed: u64) -> Result<Vec<Vec<OperatorKey>>, LatencyError> {
    let mut random = Vec::new();
    for space in SPACES.iter() {
        let mut rng = Pcg64Mcg::seed_from_u64(seed);
        for _ in 0..RANDOM {
            let mut network = space.initial(CHECK_RESOLUTION);
            for _ in 0..MUTATIONS {
                network = space.mutate(&network, 2, Draw::Uniform, &mut rng);
            }
            let bad = |reason: String| LatencyError::Published { name: network.to_string(), reason };
            let graph = network.lower(&LowerOptions::new(CHECK_RESOLUTION, 1000)).map_err(|e| bad(e.to_string()))?;
            random.push(Fuser::default().fuse(&graph).to_vec());
        }
    }
    Ok(random)
}

#[cfg(test)]
mod tests {
    use crate::features::Features;

    use super::*;
    use crate::published;

    #[test]
    fn the_nine_networks_with_latencies_are_read() {
        let networks = zen_networks().unwrap();
        assert_eq!(networks.len(), 9);
        assert_eq!(networks[2].name, "flops900M");
        assert_eq!(networks[8].published_ms, [1.2, 0.85, 2051.0]);
        // What is embedded was derived from these networks as they lower now.
        for (network, embedded) in networks.iter().zip(published::networks().unwrap()) {
            let features = Features::of(&keys_of(network, network.resolution).unwrap());
            assert_eq!((&network.name, features), (&embedded.name, embedded.features));
        }
    }
}
