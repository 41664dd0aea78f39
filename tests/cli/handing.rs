//! Handing a search's result from program to program: what it was made for goes with it.

use zen_nas::net::{LowerOptions, Network};

use crate::program::Place;

/// A search of another size, with other classes, on a device, in seconds.
const SEARCH: &str = "--space idw --latency-ms 2 --device t4 --resolution 64 --classes 10 --squeeze-excite \
                      --max-layers 8 --iterations 400 --finalists 0 --quiet --no-onnx";

/// A place with a run, and the structure of its winner.
fn searched() -> (Place, serde_json::Value) {
    let place = Place::new();
    place.done("zen-search", &format!("{SEARCH} --out run"));
    let best = serde_json::from_str(&place.text("run/best.json")).unwrap();
    (place, best)
}

/// Metadata of an ONNX file.
fn metadata(place: &Place, name: &str) -> std::collections::BTreeMap<String, String> {
    let bytes = std::fs::read(place.file(name)).unwrap();
    let model: onnx_protobuf::ModelProto = onnx_protobuf::Message::parse_from_bytes(&bytes).unwrap();
    model.metadata_props.into_iter().map(|entry| (entry.key, entry.value)).collect()
}

#[test]
fn a_run_is_scored_as_it_was_searched() {
    let (place, best) = searched();
    for argument in ["run", "run/best.txt", "run/"] {
        let ended = place.done("zen-score", &format!("{argument} --json"));
        assert_eq!(ended.stderr, "", "{argument}");
        let found = &ended.json()[0];
        for (field, of_search) in [
            ("structure", "structure"),
            ("resolution", "resolution"),
            ("classes", "classes"),
            ("squeeze_excite", "squeeze_excite"),
            ("parameters", "parameters"),
            ("flops", "flops"),
        ] {
            assert_eq!(found[field], best[of_search], "{argument}: {field}");
        }
        assert_eq!(found["scores"]["zen-closed"]["score"], best["score"]);
        assert_eq!(found["latency"]["setting"]["id"], "t4/tensorrt/fp16/b1");
        assert_eq!(found["latency"]["ms"], best["latency"]["ms"]);
    }
    // The device needs no name for this, either.
    assert!(place.done("zen-score", "run --explain").stdout.contains("  conv "));
    // Every network of the population, on the setting of the run.
    let all = place.done("zen-score", "run/population.txt --json").json();
    assert!(all.as_array().unwrap().len() > 1);
    assert!(all.as_array().unwrap().iter().all(|one| one["resolution"] == 64 && one["latency"]["ms"].is_f64()));

    // An option counts more, and that is said.
    let ended = place.done("zen-score", "run --resolution 96 --squeeze-excite=false --device v100 --json");
    for note in [
        "note: --resolution 96 replaces the 64 of run/best.txt",
        "note: --squeeze-excite false replaces the true of run/best.txt",
    ] {
        assert!(ended.stderr.contains(note), "no `{note}` in {}", ended.stderr);
    }
    let found = &ended.json()[0];
    let other = Network::parse(best["structure"].as_str().unwrap()).unwrap().lower(&LowerOptions::new(96, 10)).unwrap();
    assert_eq!((&found["resolution"], &found["flops"]), (&96.into(), &other.cost().flops.into()));
    assert_eq!(found["latency"]["setting"]["device"], "v100");
    let quiet = place.done("zen-score", "run --resolution 96 --quiet");
    assert_eq!(quiet.stderr, "");

    // Networks for different settings are scored, not timed.
    place.write("v100.txt", place.text("run/best.txt").replace("t4/tensorrt/fp16/b1", "v100/tensorrt/fp16/b1"));
    let ended = place.done("zen-score", "run v100.txt --json");
    assert!(ended.stderr.contains("--device t4,v100"), "{}", ended.stderr);
    assert!(ended.json()[0]["latency"].is_null());
    // A table that is not there is no failure where nobody asked for it.
    place.write("gone.txt", place.text("run/best.txt").replace("t4/tensorrt/fp16/b1", "my-board/tract/fp32/b1/t1"));
    let ended = place.done("zen-score", "gone.txt --json");
    assert!(ended.stderr.contains("note: no latency: "), "{}", ended.stderr);
    assert_eq!(ended.json()[0]["flops"], best["flops"]);
}

#[test]
fn a_run_is_exported_as_it_was_searched() {
    let (place, best) = searched();
    let ended = place.done("zen-export", "run -o a.onnx --json");
    assert!(ended.stderr.contains("note: written in fp16, as t4/tensorrt/fp16/b1 says"), "{}", ended.stderr);
    let value = ended.json();
    assert_eq!(value["structure"], best["structure"]);
    assert_eq!((&value["export"]["precision"], &value["export"]["parameters"]), (&"fp16".into(), &best["parameters"]));
    let found = metadata(&place, "a.onnx");
    for (key, expected) in [
        ("resolution", "64"),
        ("classes", "10"),
        ("squeeze_excite", "true"),
        ("precision", "fp16"),
        ("setting", "t4/tensorrt/fp16/b1"),
        ("structure", best["structure"].as_str().unwrap()),
    ] {
        assert_eq!(found.get(key).map(String::as_str), Some(expected), "{key}");
    }
    let ms: f64 = found["predicted_latency_ms"].parse().unwrap();
    assert!((ms / best["latency"]["ms"].as_f64().unwrap() - 1.0).abs() < 1e-12, "{ms}");
    let ended = place.done("zen-export", "run --precision fp32 --classes 100 -o b.onnx --json");
    assert!(ended.stderr.contains("note: --classes 100 replaces the 10 of run/best.txt"), "{}", ended.stderr);
    let found = metadata(&place, "b.onnx");
    assert_eq!((found["classes"].as_str(), found["precision"].as_str()), ("100", "fp32"));

    // The module and its first weights say the same.
    place.done("zen-export", "run -o net.py --init-weights first.safetensors");
    assert!(place.text("net.py").contains("RESOLUTION = 64\nCLASSES = 10\nSQUEEZE_EXCITE = True\n"));
    let bytes = std::fs::read(place.file("first.safetensors")).unwrap();
    let (_, header) = safetensors::SafeTensors::read_metadata(&bytes).unwrap();
    let said = &header.metadata().as_ref().unwrap()["zen_nas"];
    assert_eq!(said, "resolution=64 classes=10 squeeze_excite=true");

    // Of an int8 setting, a file in int8 needs images.
    place.write("int8.txt", place.text("run/best.txt").replace("t4/tensorrt/fp16/b1", "t4/tensorrt/int8/b1"));
    let ended = place.done("zen-export", "int8.txt -o c.onnx --json");
    assert!(
        ended.stderr.contains("note: written in fp32, although t4/tensorrt/int8/b1 is in int8"),
        "{}",
        ended.stderr
    );
    assert_eq!(ended.json()["export"]["precision"], "fp32");
}

#[test]
fn ranks_are_alternatives_else_the_population() {
    let (place, best) = searched();
    let population = place.text("run/population.txt");
    let kept: Vec<&str> = population.lines().filter(|line| !line.starts_with('#')).collect();
    assert_eq!(kept[0], best["structure"]);
    let exported = |arguments: &str| place.done("zen-export", &format!("{arguments} -o a.onnx --json")).json();
    let alternatives = place.text("run/alternatives.txt");
    assert_eq!(alternatives.lines().find(|line| !line.starts_with('#')), Some(kept[0]));
    std::fs::remove_file(place.file("run/alternatives.txt")).unwrap();
    assert_eq!(exported("run --rank 1")["structure"], kept[0]);
    assert_eq!(exported("run --rank 3")["structure"], kept[2]);
    assert_eq!(exported("run/population.txt --rank 3")["structure"], kept[2]);
    place.write("run/alternatives.txt", format!("{}\n{}\n", kept[0], kept[4]));
    assert_eq!(exported("run --rank 2")["structure"], kept[4]);
    assert_eq!(metadata(&place, "a.onnx")["resolution"], "64");
    let parts = ["no network of rank 3 in run/alternatives.txt: it holds 2 networks"];
    place.fails("zen-export", "run --rank 3 -o b.onnx", 3, &parts);
    place.fails("zen-export", "run/best.txt --rank 2 -o b.onnx", 3, &["run/best.txt", "no structure of rank 2"]);
    place.fails("zen-export", "run --rank 0 -o b.onnx", 2, &["--rank"]);
}

#[test]
fn a_run_is_measured_as_it_was_searched() {
    let place = Place::new();
    let search = SEARCH.replace("--latency-ms 2 --device t4", "--max-params 1e6");
    place.done("zen-search", &format!("{search} --out run"));
    let ended = place.done("zen-profile", "verify run --quiet --json --db tables.sqlite");
    let network = &ended.json()["networks"][0];
    let best: serde_json::Value = serde_json::from_str(&place.text("run/best.json")).unwrap();
    for field in ["structure", "resolution", "classes", "squeeze_excite"] {
        assert_eq!(network[field], best[field], "{field}: {network}");
    }
    // On the device of the search, which is not reached from here.
    let text = place.text("run/best.txt").replace(" proxy=", " setting=pixel2/tflite/fp32/b1 proxy=");
    place.write("phone.txt", text);
    let ended = place.fails(
        "zen-profile",
        "verify phone.txt --db tables.sqlite",
        4,
        &["measured on pixel2", "pixel2 is not reachable"],
    );
    assert!(ended.stderr.contains("--device cpu"), "{}", ended.stderr);
}

#[test]
fn directories_without_a_result_and_bad_headers_are_named() {
    let place = Place::new();
    std::fs::create_dir(place.file("empty")).unwrap();
    for program in
        ["zen-score empty", "zen-export empty -o a.onnx", "zen-profile verify empty", "zen-search --repeat empty"]
    {
        let (program, arguments) = program.split_once(' ').unwrap();
        place.fails(program, arguments, 3, &["empty is no run directory: there is no config.toml"]);
    }
    place.done("zen-search", &format!("{SEARCH} --out run"));
    std::fs::remove_file(place.file("run/best.txt")).unwrap();
    place.fails("zen-score", "run", 3, &["the search in run has no result yet", "zen-search --resume run"]);
    place.write("bad.txt", "# zen-nas: resolution=big\nSuperConvK3BNRELU(3,8,1,1)\n");
    let parts = ["bad.txt:1: the header `# zen-nas:` cannot be read: resolution is `big`"];
    for arguments in ["zen-score bad.txt", "zen-export bad.txt -o a.onnx", "zen-profile verify bad.txt"] {
        let (program, arguments) = arguments.split_once(' ').unwrap();
        place.fails(program, arguments, 3, &parts);
    }
}

#[test]
fn a_bare_structure_says_which_defaults_were_taken() {
    let place = Place::new();
    place.write("bare.txt", "SuperConvK3BNRELU(3,8,2,1)\nSuperConvK3BNRELU(3,16,2,1)\n");
    let note = "note: no resolution, classes, squeeze-excite in bare.txt: 224 pixels, 1000 classes, no \
                squeeze-and-excitation; say otherwise with --resolution, --classes, --squeeze-excite\n";
    assert_eq!(place.done("zen-score", "bare.txt bare.txt").stderr, note);
    assert!(place.done("zen-export", "bare.txt -o a.onnx").stderr.contains(note));
    assert_eq!(place.done("zen-score", "bare.txt --quiet").stderr, "");
    assert_eq!(place.done("zen-score", "bare.txt --resolution 32 --classes 5").stderr, "");
    let ended = place.done("zen-score", "SuperConvK3BNRELU(3,8,2,1) --resolution 32");
    assert!(ended.stderr.starts_with("note: no classes, squeeze-excite in the structure: 1000 classes"), "{ended:?}");
}

#[test]
fn weights_that_were_trained_for_another_network_are_refused() {
    let place = Place::new();
    let network = "SuperConvK3BNRELU(3,8,2,1)SuperResIDWE2K3(8,16,1,8,1)";
    place.done("zen-export", &format!("{network} --resolution 32 --classes 5 --init-weights w.safetensors -o n.py"));
    // The file says what is left open.
    let ended = place.done("zen-export", &format!("{network} --weights w.safetensors -o a.onnx"));
    assert_eq!(ended.stderr, "");
    let found = metadata(&place, "a.onnx");
    assert_eq!((found["resolution"].as_str(), found["classes"].as_str()), ("32", "5"));
    let ended = place.done("zen-export", &format!("{network} --resolution 48 --weights w.safetensors -o a.onnx"));
    let note = "note: w.safetensors was trained on images of 32 pixels, this is for 48 pixels";
    assert!(ended.stderr.contains(note), "{}", ended.stderr);
    let arguments = format!("{network} --classes 7 --squeeze-excite --no-residual --weights w.safetensors -o b.onnx");
    let parts =
        ["w.safetensors was trained for 5 classes, not 7 (--classes 5), a network without squeeze-and-excitation \
         (--squeeze-excite=false)"];
    place.fails("zen-export", &arguments, 3, &parts);
    // Without residual links the same tensors make another network.
    place.done("zen-export", &format!("{network} --classes 5 --no-residual --init-weights p.safetensors -o n.py"));
    let plain = format!("{network} --classes 5 --weights p.safetensors -o c.onnx");
    let found = place.done("zen-export", &plain);
    assert_eq!(metadata(&place, "c.onnx")["residual_links"], "false", "{found:?}");
    assert!(!place.file("b.onnx").exists());
}

#[cfg(feature = "candle")]
#[test]
fn checkpoints_say_what_they_were_trained_for() {
    let place = Place::new();
    let golden = std::env::current_dir().unwrap().join("tests/data/golden");
    let described: serde_json::Value =
        serde_json::from_str(&std::fs::read_to_string(golden.join("k3k3.json")).unwrap()).unwrap();
    place.write("s.txt", described["struct"].as_str().unwrap());
    let bytes = std::fs::read(golden.join("k3k3.pth")).unwrap();
    for (text, code, part) in [
        ("resolution=16 classes=10 squeeze_excite=False", 0, ""),
        ("resolution=16 classes=12 squeeze_excite=False", 3, "trained for 12 classes, not 10 (--classes 12)"),
        ("resolution=16 classes", 3, "its entry zen_nas cannot be read: `classes` is not KEY=VALUE"),
    ] {
        place.write("c.pth", with_entry(&bytes, text));
        let arguments = "s.txt --classes 10 --weights c.pth -o a.onnx";
        match code {
            0 => {
                let ended = place.done("zen-export", arguments);
                assert_eq!(ended.stderr, "");
                assert_eq!(metadata(&place, "a.onnx")["resolution"], "16");
            }
            code => {
                place.fails("zen-export", arguments, code, &[part]);
            }
        }
    }
}

/// The checkpoint with a text under `zen_nas` beside its state dict, as train.py saves it.
#[cfg(feature = "candle")]
fn with_entry(checkpoint: &[u8], text: &str) -> Vec<u8> {
    use std::io::{Cursor, Read, Write};

    let mut archive = zip::ZipArchive::new(Cursor::new(checkpoint)).unwrap();
    let mut written = zip::ZipWriter::new(Cursor::new(Vec::new()));
    let options = zip::write::SimpleFileOptions::default().compression_method(zip::CompressionMethod::Stored);
    for i in 0..archive.len() {
        let mut entry = archive.by_index(i).unwrap();
        let name = entry.name().unwrap().into_owned();
        let mut bytes = Vec::new();
        entry.read_to_end(&mut bytes).unwrap();
        if name.ends_with("data.pkl") {
            let unicode = |text: &str| [b"X", &(text.len() as u32).to_le_bytes()[..], text.as_bytes()].concat();
            // The old pickle without its STOP, whose last object is the dictionary; key, value, SETITEM, STOP.
            bytes.pop();
            bytes.extend([&unicode("zen_nas")[..], &unicode(text), b"s."].concat());
        }
        written.start_file(name, options).unwrap();
        written.write_all(&bytes).unwrap();
    }
    written.finish().unwrap().into_inner()
}

#[test]
fn a_repeated_search_says_what_changed() {
    let (place, _) = searched();
    let ended = place.done("zen-search", "--repeat run --out again --no-onnx");
    assert!(ended.stderr.contains("note: the winner is that of run"), "{}", ended.stderr);
    assert!(!ended.stderr.contains("since run was begun"), "{}", ended.stderr);
    for file in ["best.json", "best.txt", "population.txt", "config.toml"] {
        assert_eq!(place.text(&format!("again/{file}")), place.text(&format!("run/{file}")), "{file}");
    }
    let config: toml::Table = place.text("run/config.toml").parse().unwrap();
    let table = config["used_table"].as_array().unwrap()[0].as_table().unwrap();
    assert_eq!(table["source"].as_str(), Some("the built-in table"));
    let content = table["content"].as_str().unwrap();
    assert!(content.len() >= 8, "{content}");
    // Another version, another table.
    let older = place.text("run/config.toml").replace(content, "0123456789abcdef").replacen(
        &format!("version = \"{}\"", env!("CARGO_PKG_VERSION")),
        "version = \"0.0.7\"",
        1,
    );
    place.write("run/config.toml", older);
    let ended = place.done("zen-search", "--repeat run --out third --no-onnx");
    for note in [
        format!("note: since run was begun: zen-nas is {} now and was 0.0.7", env!("CARGO_PKG_VERSION")),
        "note: since run was begun: the latency table of t4/tensorrt/fp16/b1 is the built-in table (".to_owned(),
        "content 0123456789abcdef".to_owned(),
    ] {
        assert!(ended.stderr.contains(&note), "no `{note}` in {}", ended.stderr);
    }
    assert_eq!(place.text("third/config.toml"), place.text("again/config.toml"));
    place.fails("zen-search", "--repeat run --resume run", 2, &["--repeat"]);
}
