//! The built-in spaces: they parse, and the published networks lie within them.

use super::*;
use crate::net::LowerOptions;

#[test]
fn built_in_structures_parse_and_lower() {
    for space in SPACES.iter() {
        for Initial { from_resolution, network } in &space.initial {
            network.lower(&LowerOptions::new(32.max(*from_resolution), 10)).unwrap();
            assert_eq!(space.initial(*from_resolution), *network);
            for block in network.blocks().iter().filter(|block| block.kind.family().residual) {
                assert!(space.kinds.contains(&block.kind));
            }
        }
        assert!(space.is_built_in());
    }
}

#[test]
fn unknown_names_get_a_hint() {
    let error = Space::find("idv").unwrap_err().to_string();
    assert!(error.contains("did you mean idw?") && error.contains(".toml"), "{error}");
}

/// The published networks of a space with their graphs.
fn published(space: &Space) -> Vec<(Network, crate::net::Graph)> {
    let mut reader = csv::Reader::from_reader(include_str!("../../tests/data/networks.csv").as_bytes());
    let rows = reader.records().map(|row| row.unwrap()).map(|row| {
        let options = LowerOptions {
            squeeze_excite: &row[4] == "1",
            ..LowerOptions::new(row[2].parse().unwrap(), row[3].parse().unwrap())
        };
        let network = Network::parse(&row[1]).unwrap();
        let graph = network.lower(&options).unwrap();
        (network, graph)
    });
    let is_of_space = |network: &Network| {
        let mut residual = network.blocks().iter().filter(|block| block.kind.family().residual);
        residual.all(|block| space.kinds.contains(&block.kind))
    };
    rows.filter(|(network, _)| is_of_space(network)).collect()
}

#[test]
fn published_networks_are_inside_bounds_and_rails() {
    for (name, count) in [("xxbl", 12), ("idw", 3)] {
        let space = Space::find(name).unwrap();
        let networks = published(&space);
        assert_eq!(networks.len(), count);
        let rules = Rules::within(&space, &space.rails).unwrap();
        for (network, graph) in &networks {
            assert_eq!(space.rails.violations(network, graph), [], "{network}");
            assert!(rules.hold(network, graph));
            assert_eq!(rules.fit(network), *network);
            assert!(space.skeleton(network, &space.rails).is_ok());
        }
    }
}

/// Each rail is the envelope: a tenth tighter, and a published network is outside.
#[test]
fn rails_are_the_envelope_of_the_published_networks() {
    for space in SPACES.iter() {
        let networks = published(space);
        let serde_json::Value::Object(set) = serde_json::to_value(&space.rails).unwrap() else { panic!() };
        for (key, value) in set.iter().filter(|(_, value)| !value.is_null()) {
            // That of all published networks, see below.
            if key == "tail_share" {
                continue;
            }
            let tighter = if key.starts_with("narrowest") { 1.1 } else { 1.0 / 1.1 };
            let value = value.as_f64().unwrap() * tighter;
            let text = if space.rails_are_whole(key) { value.round().to_string() } else { value.to_string() };
            let mut rails = Rails::default();
            // A fall of less than 1 is no rail; then widths never fall.
            let text = if key == "width_fall" { value.max(1.0).to_string() } else { text };
            Rail::of(key).unwrap().set(&mut rails, &text).unwrap();
            let outside = networks.iter().any(|(network, graph)| !rails.violations(network, graph).is_empty());
            assert!(outside, "{}: {key} = {text} still holds all published networks", space.name);
        }
    }
}

impl Space {
    fn rails_are_whole(&self, key: &str) -> bool {
        !matches!(key, "width_fall" | "output_per_bottleneck" | "stage_share" | "tail_share")
    }
}

#[test]
fn the_tail_share_is_that_of_all_published_networks() {
    let most = Space::find("xxbl").unwrap().rails.tail_share.unwrap();
    let all: Vec<_> = SPACES.iter().flat_map(|space| published(space)).collect();
    let holds = |share: f64| {
        let rails = Rails { tail_share: Some(share), ..Rails::default() };
        all.iter().all(|(network, graph)| rails.violations(network, graph).is_empty())
    };
    assert!(holds(most) && !holds(most - 0.03));
}

const OWN: &str = r#"
name = "small"
types = [["SuperResK3K3"], ["SuperResK1K3K1"]]
resolutions = [96, 128]
max_layers = 12
squeeze_excite = true
channels = { most = 512, multiple = 32 }
bottleneck = { most = 128 }
stem = { most = 64, kernel = 5, stride = 1 }
[[stages]]
stride = 1
most_layers = 2
channels = { most = 64 }
types = ["SuperResK1K3K1"]
[[stages]]
stride = 2
[rails]
width_fall = 2
kernels = [3]
"#;

#[test]
fn an_own_space_says_what_it_holds() {
    let space = Space::parse(OWN, "small.toml").unwrap();
    let channels = |least, most, multiple| Channels { least, most, multiple };
    let [first, second] = &space.bounds.stages[..] else { panic!("{:?}", space.bounds) };
    assert_eq!((first.channels, first.bottleneck), (channels(32, 64, 32), channels(32, 128, 32)));
    assert_eq!((first.most_layers, first.kinds.len(), second.kinds.len()), (2, 1, 2));
    assert_eq!(second.channels, channels(32, 512, 32));
    assert_eq!((space.bounds.stem, space.bounds.tail), (channels(32, 64, 32), Some(channels(32, 512, 32))));
    assert_eq!(
        space.initial(96).to_string(),
        "SuperConvK5BNRELU(3,32,1,1)SuperResK1K3K1(32,64,1,32,1)SuperResK3K3(64,128,2,64,1)SuperConvK1BNRELU(128,128,1,1)"
    );
    assert_eq!(space.rails, Rails { width_fall: Some(2.0), kernels: Some(vec![3]), ..Rails::default() });
    assert_eq!((space.resolution(None).unwrap(), space.resolution(Some(128)).unwrap()), (96, 128));
    let error = space.resolution(Some(224)).unwrap_err().to_string();
    assert!(error.contains("[96, 128]") && error.contains("224"), "{error}");
    let error = space.check_initial(&Space::find("xxbl").unwrap().initial(224)).unwrap_err().to_string();
    assert!(error.contains("[2, 2, 2, 2]") && error.contains("[1, 2]"), "{error}");
    assert!(!space.is_built_in());
    // By the published rules an own space keeps its bounds.
    assert_eq!(space.published_bounds(), space.bounds);
}

#[test]
fn errors_name_line_and_column() {
    for (from, to, at, part) in [
        ("max_layers", "max_layer", "line 5, column 1", "unknown field `max_layer`"),
        ("\"SuperResK3K3\"", "\"SuperResK3K4\"", "line 3, column 11", "did you mean SuperResK3K3?"),
        ("\"SuperResK3K3\"", "\"SuperResK1K3K1\"", "line 3, column 31", "listed twice"),
        ("[[\"SuperResK3K3\"], ", "[[], ", "line 3, column 9", "empty choice of block types"),
        ("\"SuperResK3K3\"", "\"SuperConvK3BNRELU\"", "line 3, column 11", "no residual block type"),
        ("most = 512", "most = 31", "line 7, column 12", "no multiple of 32 from 32 to 31"),
        ("most = 128", "most = 20", "line 8, column 14", "no multiple of 32 from 32 to 20"),
        ("[96, 128]", "[]", "line 4, column 15", "resolutions are empty"),
        ("max_layers = 12", "max_layers = 0", "line 5, column 14", "must be from 1"),
        ("stride = 2", "stride = 1", "line 15, column 1", "only the first may have stride 1"),
        ("width_fall = 2", "width_fall = 0.5", "line 18, column 14", "a number from 1"),
        ("width_fall", "width_fal", "line 18, column 1", "unknown rail"),
        ("kernels = [3]", "kernels = [9]", "line 18, column 1", "none has an allowed kernel"),
        ("name = \"small\"", "name = \"xxbl\"", "line 2, column 9", "built-in"),
        ("name = \"small\"", "name = \"a b\"", "line 2, column 8", "letters"),
        ("kernel = 5", "kernel = 4", "line 9, column 8", "1, 3, 5 and 7"),
        ("types = [\"SuperResK1K3K1\"]", "types = [\"SuperResK5K5\"]", "line 14, column 10", "not among the types"),
    ] {
        assert!(OWN.contains(from), "{from}");
        let error = Space::parse(&OWN.replacen(from, to, 1), "small.toml").unwrap_err().to_string();
        assert!(error.contains(&format!("small.toml, {at}: ")) && error.contains(part), "{to}: {error}");
    }
    let without = &OWN[..OWN.find("[[stages]]").unwrap()];
    assert!(Space::parse(without, "small.toml").unwrap_err().to_string().contains("[[initial]]"));
}
