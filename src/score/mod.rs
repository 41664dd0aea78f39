//! Proxies: what ranks networks without training them.
//!
//! A proxy reads a [`Graph`] and returns a number, larger for networks that are expected to be
//! more accurate. Which one a search uses is not decided here. Adding one: a file with a type that
//! implements [`Proxy`], and its line in [`PROXIES`].

mod baseline;
pub mod zen;

use crate::names::UnknownName;
use crate::net::Graph;

pub use zen::closed_form::Taps;

/// Ranks untrained networks.
pub trait Proxy: Sync {
    /// Name on the command line and in output.
    fn name(&self) -> &'static str;

    /// One line for `--help`: what it is, its unit, where it comes from.
    fn about(&self) -> &'static str;

    /// The score of a network; finite, the same for the same graph, higher is better.
    fn score(&self, graph: &Graph, scratch: &mut Scratch) -> f64;
}

/// Working memory that proxies keep between networks; one per thread. Never changes a score.
#[derive(Debug, Default)]
pub struct Scratch {
    pub(crate) taps: Taps,
}

/// Every proxy, the default first.
pub static PROXIES: &[&dyn Proxy] = &[
    &zen::closed_form::Form1 { variant: zen::Variant::Paper },
    &zen::closed_form::Form2 { variant: zen::Variant::Paper },
    &zen::closed_form::Form1 { variant: zen::Variant::Released },
    &zen::closed_form::Form2 { variant: zen::Variant::Released },
    &baseline::Flops,
    &baseline::Parameters,
];

/// The proxy of that name.
///
/// # Errors
/// Lists the known ones.
pub fn find(name: &str) -> Result<&'static dyn Proxy, UnknownName> {
    let found = PROXIES.iter().find(|proxy| proxy.name() == name);
    found.copied().ok_or_else(|| UnknownName::new("proxy", name, PROXIES.iter().map(|proxy| proxy.name())))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::net::{LowerOptions, Network};

    /// What every proxy promises.
    #[test]
    fn contract() {
        let small = Network::parse("SuperConvK3BNRELU(3,8,1,1)SuperResK3K3(8,16,2,8,1)").unwrap();
        let large = Network::parse("SuperConvK3BNRELU(3,64,1,1)SuperResK3K3(64,128,2,64,4)").unwrap();
        for proxy in PROXIES {
            let mut scratch = Scratch::default();
            let options = LowerOptions::new(32, 10);
            let mut score = |network: &Network| proxy.score(&network.lower(&options).unwrap(), &mut scratch);
            let (first, second, again) = (score(&small), score(&large), score(&small));
            assert!(first.is_finite() && second.is_finite(), "{}", proxy.name());
            assert_eq!(first.to_bits(), again.to_bits(), "{}: scratch changed a score", proxy.name());
            assert!(second > first, "{}: the larger network ranks lower", proxy.name());
            assert!(std::ptr::eq(
                find(proxy.name()).unwrap() as *const _ as *const u8,
                *proxy as *const _ as *const u8
            ));
        }
    }

    #[test]
    fn unknown_names_get_a_hint() {
        let error = find("zen-close").map(|p| p.name()).unwrap_err().to_string();
        assert!(error.contains("did you mean zen-closed?"), "{error}");
        assert!(find("accuracy").is_err_and(|e| !e.to_string().contains("did you mean")));
    }
}
