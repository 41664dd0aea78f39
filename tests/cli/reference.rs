//! Reference pages and help say what the programs do.

use zen_nas::cli::Exit;
use zen_nas::score::PROXIES;
use zen_nas::search::budget::BUDGETS;
use zen_nas::space::SPACES;

use crate::program::Place;

const PROGRAMS: [&str; 4] = ["zen-search", "zen-profile", "zen-score", "zen-export"];

#[test]
fn exit_codes_page() {
    let page = std::fs::read_to_string("docs/reference/exit-codes.md").unwrap();
    let rows: Vec<_> = page.lines().filter(|line| line.starts_with("| ") && !line.starts_with("| code")).collect();
    let expected: Vec<_> = Exit::ALL.map(|(exit, meaning)| format!("| {} | {meaning} |", exit.code())).to_vec();
    assert_eq!(rows, expected);
}

#[test]
fn help_teaches() {
    let place = Place::new();
    for program in PROGRAMS {
        let help = place.done(program, "--help").stdout;
        assert!(help.contains("Examples:") && help.contains("Exit codes:"), "{program}: {help}");
        for (exit, meaning) in Exit::ALL {
            assert!(help.contains(meaning) && help.contains(&exit.code().to_string()), "{program}: {meaning}");
        }
        assert!(place.done(program, "-h").stdout.len() < help.len());
    }
    let help = place.done("zen-search", "--help").stdout;
    for name in SPACES.iter().map(|space| space.name.as_str()).chain(PROXIES.iter().map(|proxy| proxy.name())) {
        assert!(help.contains(name), "{name}");
    }
}

#[test]
fn completions_for_every_shell() {
    let place = Place::new();
    for program in PROGRAMS {
        for shell in ["bash", "zsh", "fish"] {
            let script = place.done(program, &format!("--completions {shell}")).stdout;
            assert!(script.contains(program) && script.contains("json"), "{program} {shell}");
        }
    }
}

#[test]
fn structure_page_lists_every_block_type() {
    let page = std::fs::read_to_string("docs/reference/structure.md").unwrap();
    for pattern in ["SuperConvK{K}BNRELU", "SuperResK{K}K{K}", "SuperResK1K{K}K1", "SuperResIDWE{E}K{K}"] {
        assert!(page.contains(pattern), "{pattern}");
    }
    let families = zen_nas::net::block::FAMILIES;
    assert_eq!(families.len(), 4, "a new family needs its row in docs/reference/structure.md");
}

#[test]
fn every_budget_is_in_the_help_and_the_guide() {
    let help = Place::new().done("zen-search", "--help").stdout;
    let guide = std::fs::read_to_string("docs/guide/first-search.md").unwrap();
    let reference = std::fs::read_to_string("docs/reference/run-directory.md").unwrap();
    for kind in BUDGETS {
        assert!(reference.contains(&format!("| `{}` | {} |", kind.name, kind.unit)), "{}", kind.name);
        for flag in kind.flags.iter().map(|flag| format!("--{}", flag.name)) {
            assert!(help.contains(&flag) && guide.contains(&flag), "{flag}");
        }
    }
}

/// Every proxy has its row, with the images and draws that it takes by default, and its definition.
#[cfg(feature = "candle")]
#[test]
fn proxies_page() {
    use zen_nas::score::{Randomness, Until};
    let page = std::fs::read_to_string("docs/reference/proxies.md").unwrap();
    let rows: Vec<Vec<&str>> = page
        .lines()
        .filter(|line| line.starts_with("| `"))
        .map(|line| line.trim_matches('|').split('|').map(str::trim).collect())
        .filter(|row: &Vec<&str>| row.len() == 4)
        .collect();
    assert_eq!(rows.len(), PROXIES.len());
    for proxy in PROXIES {
        let name = format!("`{}`", proxy.name());
        let row = rows.iter().find(|row| row[0] == name).unwrap_or_else(|| panic!("{name} has no row"));
        let (images, draws) = match proxy.randomness() {
            Randomness::None => (String::new(), String::new()),
            Randomness::Drawn { batch_size, until: Until::Draws(draws) } => (batch_size.to_string(), draws.to_string()),
            Randomness::Drawn { batch_size, until: Until::StandardError(error) } => {
                (batch_size.to_string(), format!("until the standard error is {error}"))
            }
        };
        assert_eq!(row[2..], [images, draws], "{name}");
        let defined = proxy.name().starts_with("zen-closed") || page.contains(&format!("**{name}**"));
        assert!(defined, "{name} has no definition");
    }
}
