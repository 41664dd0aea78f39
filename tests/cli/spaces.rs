//! Search spaces: built-in and from a file, their rails, and how a run repeats them.

use zen_nas::net::{LowerOptions, Network};
use zen_nas::space::{RAILS, Rails, Space};

use crate::program::Place;

/// The example of `docs/guide/spaces.md`.
fn example() -> String {
    let guide = std::fs::read_to_string("docs/guide/spaces.md").unwrap();
    let (_, after) = guide.split_once("```toml\n").unwrap();
    after.split_once("```").unwrap().0.to_owned()
}

#[test]
fn an_own_space_is_searched_and_its_run_repeats_it() {
    let place = Place::new();
    place.write("my.toml", example());
    let search = "--space my.toml --max-params 3M --iterations 4000 --finalists 0 --no-onnx --quiet";
    place.done("zen-search", &format!("{search} --out run"));
    let best: serde_json::Value = serde_json::from_str(&place.text("run/best.json")).unwrap();
    assert_eq!(best["search"]["space"], "small");
    let space = Space::parse(&example(), "my.toml").unwrap();
    for structure in place.text("run/population.txt").lines().filter(|line| !line.starts_with('#')) {
        let network = Network::parse(structure).unwrap();
        for block in network.blocks().iter().filter(|block| block.kind.family().residual) {
            assert_eq!(block.kind.block_type().kernel, 3, "{structure}");
            assert!(block.out_channels <= 512 && block.out_channels % 32 == 0, "{structure}");
            assert_eq!(block.bottleneck.unwrap() % 32, 0, "{structure}");
        }
        let graph = network.lower(&LowerOptions::new(224, 1000)).unwrap();
        assert_eq!(space.rails.violations(&network, &graph), [], "{structure}");
    }
    // The directory is enough: the file may go.
    std::fs::remove_file(place.file("my.toml")).unwrap();
    std::fs::remove_file(place.file("run/best.json")).unwrap();
    place.done("zen-search", "--resume run --no-onnx --quiet");
    let again: serde_json::Value = serde_json::from_str(&place.text("run/best.json")).unwrap();
    assert_eq!(again, best);
    place.fails("zen-search", "--space my.toml --max-params 3M", 3, &["my.toml"]);
}

#[test]
fn five_alternatives_of_an_own_space_are_written_as_onnx() {
    let place = Place::new();
    place.write("my.toml", example());
    let small = "--resolution 32 --classes 10 --finalists 0 --quiet";
    place.done("zen-search", &format!("--space my.toml --max-params 1M --top 5 {small} --out run"));
    let best: serde_json::Value = serde_json::from_str(&place.text("run/best.json")).unwrap();
    let listed = place.text("run/alternatives.txt");
    let structures: Vec<&str> = listed.lines().filter(|line| !line.starts_with('#')).collect();
    assert_eq!(structures.len(), 5);
    let space = Space::parse(&example(), "my.toml").unwrap();
    for (i, structure) in structures.iter().enumerate() {
        let alternative = &best["alternatives"][i];
        assert_eq!(alternative["structure"], *structure);
        assert!(i == 0 || alternative["distance"].as_f64().unwrap() >= 0.15, "{alternative}");
        let graph = Network::parse(structure).unwrap().lower(&LowerOptions::new(32, 10)).unwrap();
        assert!(graph.cost().parameters <= 1_000_000, "{structure}");
        assert_eq!(space.rails.violations(&Network::parse(structure).unwrap(), &graph), [], "{structure}");
        let name = if i == 0 { "best.onnx".to_owned() } else { format!("alternative-{}.onnx", i + 1) };
        let counted = place.done("zen-score", &format!("run/{name} --json --quiet")).json();
        assert!(counted.to_string().contains(&format!("\"flops\":{}", graph.cost().flops)), "{counted}");
    }
}

#[test]
fn wrong_files_name_line_and_column() {
    let place = Place::new();
    for (from, to, at, part) in [
        ("about =", "abuot =", "line 2, column 1", "unknown field `abuot`"),
        ("most = 512", "most = 16", "line 4, column 12", "empty choice"),
        ("width_fall = 2.0", "width_fell = 2.0", "line 18, column 1", "unknown rail `width_fell`"),
        ("[[\"SuperResK3K3\"", "[[\"SuperResK3\"", "line 3, column 11", "did you mean SuperResK3K3?"),
        ("name = \"small\"", "name = \"small", "line 1, column", "string"),
    ] {
        let text = example().replacen(from, to, 1);
        assert_ne!(text, example(), "{from}");
        place.write("my.toml", text);
        place.fails("zen-search", "--space my.toml --max-params 3M", 3, &["my.toml", at, part]);
        place.fails("zen-search", "spaces my.toml", 3, &["my.toml", at, part]);
    }
}

#[test]
fn spaces_are_listed_with_what_they_hold() {
    let place = Place::new();
    let text = place.done("zen-search", "spaces").stdout;
    for part in ["xxbl", "idw", "SuperResK1K5K1", "width_fall = 4.5  (--max-width-fall)", "as in the initial structure"]
    {
        assert!(text.contains(part), "no `{part}` in {text}");
    }
    let list = place.done("zen-search", "spaces --json").json();
    assert_eq!(list[0]["rails"]["widest_tail"], 6704);
    assert_eq!(list[1]["tail"], serde_json::Value::Null);
    assert_eq!(list[1]["types"][0].as_array().unwrap().len(), 12);
    // A built-in file is where a space of one's own may start.
    let file = place.done("zen-search", "spaces xxbl --toml").stdout;
    place.write("mine.toml", file.replacen("\"xxbl\"", "\"mine\"", 1));
    let mine = place.done("zen-search", "spaces mine.toml --json").json();
    assert_eq!((mine[0]["rails"].clone(), mine[0]["built_in"].as_bool()), (list[0]["rails"].clone(), Some(false)));
    place.fails("zen-search", "spaces xxb", 3, &["did you mean xxbl?"]);
    place.fails("zen-search", "--max-params 1M spaces", 2, &["spaces"]);
}

/// Every key of a table of the schema, with a dot between levels.
fn keys(schema: &serde_json::Value, table: &serde_json::Value, prefix: &str, found: &mut Vec<String>) {
    for (key, value) in table["properties"].as_object().unwrap() {
        found.push(format!("{prefix}{key}"));
        let text = value.to_string();
        let mut definitions = schema["$defs"].as_object().unwrap().iter();
        if let Some((_, definition)) = definitions.find(|(name, _)| text.contains(&format!("/{name}\""))) {
            keys(schema, definition, &format!("{prefix}{key}."), found);
        }
    }
}

#[test]
fn the_schema_and_the_page_have_every_key() {
    let place = Place::new();
    let schema = place.done("zen-search", "spaces --schema").json();
    assert_eq!(schema["additionalProperties"], false);
    let mut expected = Vec::new();
    keys(&schema, &schema, "", &mut expected);
    assert!(expected.contains(&"stages.channels.multiple".to_owned()), "{expected:?}");
    let page = std::fs::read_to_string("docs/reference/space-file.md").unwrap();
    let rows = page.lines().filter_map(|line| line.strip_prefix("| `")?.split_once('`'));
    let mut written: Vec<_> = rows.map(|(key, _)| key.to_owned()).collect();
    expected.sort();
    written.sort();
    assert_eq!(written, expected);
}

#[test]
fn the_table_of_rails_is_the_list() {
    let guide = std::fs::read_to_string("docs/guide/spaces.md").unwrap();
    let rows: Vec<_> = guide.lines().filter(|line| line.starts_with("| `--")).collect();
    let value = |name: &str, key: &str| {
        let rails = serde_json::to_value(&Space::find(name).unwrap().rails).unwrap();
        if rails[key].is_null() { "none".to_owned() } else { rails[key].to_string() }
    };
    let expected: Vec<_> = RAILS
        .iter()
        .map(|rail| {
            let [xxbl, idw] = ["xxbl", "idw"].map(|name| value(name, rail.key));
            format!("| `--{} {}` | `{}` | {} | {xxbl} | {idw} |", rail.flag, rail.value_name, rail.key, rail.about)
        })
        .collect();
    assert_eq!(rows, expected);
    let help = Place::new().done("zen-search", "--help").stdout;
    assert!(RAILS.iter().all(|rail| help.contains(&format!("--{}", rail.flag)) && help.contains(rail.about)), "{help}");
}

#[test]
fn rails_hold_are_recorded_and_can_be_switched_off() {
    let place = Place::new();
    let search =
        "--max-params 1e6 --resolution 32 --classes 10 --optimiser evolution --iterations 3000 --finalists 0 --no-onnx";
    let rails = |run: &str| -> Rails {
        let config: toml::Table = place.text(&format!("{run}/config.toml")).parse().unwrap();
        config["rails"].clone().try_into().unwrap()
    };
    let ended =
        place.done("zen-search", &format!("{search} --kernels 3 --max-width 64 --max-tail-share none --out railed"));
    assert!(ended.stderr.contains(" off the rails"), "{}", ended.stderr);
    let xxbl = Space::find("xxbl").unwrap();
    let expected = Rails { kernels: Some(vec![3]), widest: Some(64), tail_share: None, ..xxbl.rails.clone() };
    assert_eq!(rails("railed"), expected);
    let best = place.text("railed/best.txt").lines().last().unwrap().to_owned();
    let network = Network::parse(&best).unwrap();
    let residual: Vec<_> = network.blocks().iter().filter(|block| block.kind.family().residual).collect();
    assert!(residual.iter().all(|block| block.out_channels <= 64 && block.kind.block_type().kernel == 3), "{best}");

    let published = place.done("zen-search", &format!("{search} --published-rules --out published"));
    assert_eq!(rails("published"), Rails::default());
    let config: toml::Table = place.text("published/config.toml").parse().unwrap();
    assert_eq!(config["published_rules"].as_bool(), Some(true));
    // The winner is told where it leaves the envelope.
    let network = Network::parse(place.text("published/best.txt").lines().last().unwrap()).unwrap();
    let graph = network.lower(&LowerOptions::new(32, 10)).unwrap();
    for off in xxbl.rails.violations(&network, &graph) {
        assert!(published.stderr.contains(&format!("note: outside the rails of xxbl: {off}")), "{}", published.stderr);
    }

    place.fails("zen-search", &format!("{search} --published-rules --min-width 8"), 2, &["--min-width"]);
    place.fails("zen-search", &format!("{search} --kernels 9"), 3, &["none has an allowed kernel"]);
    let tiny = "--max-params 1.5e4 --resolution 12 --classes 10 --no-onnx --finalists 0 --iterations 500";
    place.fails("zen-search", tiny, 6, &["--published-rules", "--min-width"]);
    place.done("zen-search", &format!("{tiny} --published-rules --out tiny"));
}
