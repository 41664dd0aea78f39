//! What every program prints with `--json` is described by a schema in `docs/reference/json`, to the last field.

use std::collections::BTreeSet;

use serde_json::Value;
use zen_nas::cli::json::described;

use crate::json_schema::violations;
use crate::program::Place;
use crate::report::fill;

const SMALL: &str = "SuperConvK3BNRELU(3,8,2,1)SuperResK3K3(8,16,2,8,1)";
const FOLDER: &str = "docs/reference/json";

/// The files are those of the types; `ZEN_NAS_WRITE_SCHEMAS=1` writes them anew.
#[test]
fn the_files_are_those_of_the_types() {
    let page = std::fs::read_to_string("docs/reference/json.md").unwrap();
    let mut names = BTreeSet::new();
    for form in described() {
        let (path, text) = (format!("{FOLDER}/{}.json", form.name), format!("{:#}\n", form.schema));
        if std::env::var_os("ZEN_NAS_WRITE_SCHEMAS").is_some() {
            std::fs::write(&path, &text).unwrap();
        }
        let written = std::fs::read_to_string(&path).unwrap_or_default();
        assert!(written == text, "{path} is out of date: run the tests once with ZEN_NAS_WRITE_SCHEMAS=1");
        let row = format!("| {} | [{}.json](json/{}.json) |", form.commands, form.name, form.name);
        assert!(page.contains(&row), "no line in docs/reference/json.md: {row}");
        names.insert(format!("{}.json", form.name));
    }
    let there = std::fs::read_dir(FOLDER).unwrap().map(|file| file.unwrap().file_name().into_string().unwrap());
    assert_eq!(there.collect::<BTreeSet<_>>(), names);
}

/// Checks an output against the schema of that name.
pub fn is_described(name: &str, value: &Value, what: &str) {
    let form = described().into_iter().find(|form| form.name == name).unwrap();
    let found = violations(&form.schema, value);
    assert!(found.is_empty(), "{what}: {found:#?}");
}

/// Checks outputs, and keeps which forms were seen.
struct Outputs<'p> {
    place: &'p Place,
    seen: BTreeSet<&'static str>,
}

impl Outputs<'_> {
    /// Runs a command that ends with this code, and checks what it prints.
    fn run(&mut self, name: &'static str, code: i32, command: &str) -> Value {
        let (program, arguments) = command.split_once(' ').unwrap();
        let ended = self.place.run(program, &format!("{arguments} --json --quiet"));
        assert_eq!(ended.code, code, "{command}: {ended:?}");
        let value = ended.json();
        is_described(name, &value, command);
        self.seen.insert(name);
        value
    }
}

#[test]
fn every_output_is_described() {
    let place = Place::new();
    fill(&place);
    place.write("two.csv", format!("name,structure,top1\na,\"{SMALL}\",70\nb,\"{SMALL}\",71\n"));
    place.done("zen-profile", "export mine -o mine.csv");
    let mut outputs = Outputs { place: &place, seen: BTreeSet::new() };

    outputs.run("zen-export", 0, &format!("zen-export {SMALL} --resolution 32 --classes 10 -o net.onnx"));
    let more = "--device pixel2 --init-weights w.safetensors --precision int8";
    outputs.run("zen-export", 0, &format!("zen-export {SMALL} --resolution 32 -o int8.onnx {more}"));
    outputs.run("zen-export-litert", 0, &format!("zen-export {SMALL} --resolution 32 -o net.tflite --device pixel2"));
    outputs.run("zen-export-litert", 0, "zen-export net.onnx -o again.tflite");
    outputs.run("zen-export-training", 0, &format!("zen-export {SMALL} -o net.py --init-weights a.safetensors"));

    outputs.run("zen-score", 0, &format!("zen-score {SMALL} net.onnx net.tflite --resolution 32"));
    outputs.run(
        "zen-score",
        0,
        &format!("zen-score {SMALL} net.onnx --resolution 32 --device t4 --proxy params,flops"),
    );
    outputs.run("zen-score", 0, "zen-score two.csv int8.onnx --resolution 32 --device t4,pixel2");
    outputs.run("zen-score", 0, "zen-score two.csv --resolution 32 --device t4 --compare --proxy zen,random --draws 2");
    let old = place.done("zen-score", "two.csv net.onnx --resolution 32 --device t4 --json --quiet").stdout;
    place.write("old.json", old);
    let judged = "two.csv net.onnx --resolution 32 --device t4,v100 --max-latency-ms 20 --max-size 1MB";
    outputs.run("zen-score", 7, &format!("zen-score {judged} --max-params 100 --baseline old.json"));

    let search = "zen-search --latency-ms 0.6 --device t4 --iterations 300 --resolution 32 --finalists 3 --no-onnx";
    outputs.run("zen-search", 0, &format!("{search} --out run"));
    outputs.run(
        "zen-search",
        0,
        "zen-search --max-params 1e5 --published-rules --resolution 32 --iterations 200 --no-onnx --out more",
    );
    outputs.run("zen-search-report", 0, "zen-search report run --no-proxies");
    let front = "--pareto params,score --max-params 20k..200k --points 3 --resolution 32 --classes 10 --max-layers 10";
    outputs.run("zen-search-pareto", 0, &format!("zen-search {front} --no-onnx --out front"));
    let unmet = "--latency-ms 0.0001 --device t4 --iterations 10 --no-onnx --out none";
    outputs.run("zen-search-failure", 6, &format!("zen-search {unmet}"));
    outputs.run("zen-search-failure", 3, "zen-search --max-params 1e6 --space nowhere");
    outputs.run("zen-search-spaces", 0, "zen-search spaces");

    outputs.run("zen-profile-devices", 0, "zen-profile devices");
    outputs.run("zen-profile-list", 0, "zen-profile list");
    outputs.run("zen-profile-list", 0, "zen-profile show mine");
    for table in ["mine", "v100 --runtime published", "t4 --batch-size 64"] {
        outputs.run("zen-profile-report", 0, &format!("zen-profile report {table}"));
    }
    let imported = outputs.run("zen-profile-import", 0, "zen-profile import mine.csv");
    let id = imported[0]["setting"]["id"].as_str().unwrap().to_owned();
    outputs.run("zen-profile-remove", 0, &format!("zen-profile remove {id}"));

    let session = "--device cpu --space xxbl --operators 4 --networks 2 --resolution 32 --minutes 0.1";
    outputs.run("zen-profile", 0, &format!("zen-profile {session}"));
    outputs.run("zen-profile-verify", 0, &format!("zen-profile verify {SMALL} --resolution 32"));
    outputs.run("zen-profile-for", 0, "zen-profile --device cpu --for net.onnx");
    // Trying a table takes a while: `tables` does it, and asks here.
    outputs.seen.insert("zen-profile-check");
    assert_eq!(outputs.seen, described().iter().map(|form| form.name).collect());
}
