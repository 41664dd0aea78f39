//! The built-in spaces: the two published ones, each a file like anybody's.

use std::sync::{Arc, LazyLock};

use super::Space;

/// Text of every built-in space.
const FILES: &[(&str, &str)] =
    &[("xxbl.toml", include_str!("builtin/xxbl.toml")), ("idw.toml", include_str!("builtin/idw.toml"))];

/// Every built-in space.
pub static SPACES: LazyLock<Vec<Arc<Space>>> = LazyLock::new(|| {
    let parse = |(name, text): &(&str, &str)| Space::parse_built_in(text, name).expect("a test parses every file");
    FILES.iter().map(parse).map(Arc::new).collect()
});
