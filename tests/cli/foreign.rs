//! Networks from ONNX files: scored, measured operator by operator, and as a whole.

use std::collections::BTreeSet;

use onnx_protobuf::{AttributeProto, ModelProto, ValueInfoProto};
use protobuf::Message;
use zen_nas::latency::{Evidence, Fuser, Setting, Store, TableChoice};
use zen_nas::onnx::import::import;

use crate::program::Place;

const SMALL: &str = "SuperConvK3BNRELU(3,8,1,1)SuperResK3K3(8,16,2,8,1)";

/// Writes `net.onnx` of [`SMALL`] for images of 32 pixels.
fn exported(place: &Place) {
    place.done("zen-export", &format!("{SMALL} --resolution 32 --classes 10 -o net.onnx"));
}

/// Writes the exported network, changed, as `name`.
fn changed(place: &Place, name: &str, change: impl FnOnce(&mut ModelProto)) {
    let mut model = ModelProto::parse_from_bytes(&std::fs::read(place.file("net.onnx")).unwrap()).unwrap();
    change(&mut model);
    place.write(name, model.write_to_bytes().unwrap());
}

/// Turns the first two ReLUs into a pool over single pixels and an operation that nobody knows, whose
/// output the file describes.
fn make_foreign(model: &mut ModelProto) {
    let input = model.graph.input[0].clone();
    let graph = model.graph.as_mut().unwrap();
    let mut relus = graph.node.iter_mut().filter(|node| node.op_type == "Relu");
    let (pool, unknown) = (relus.next().unwrap(), relus.next().unwrap());
    pool.op_type = "MaxPool".to_owned();
    let mut kernel = AttributeProto::new();
    kernel.name = "kernel_shape".to_owned();
    kernel.type_ = onnx_protobuf::attribute_proto::AttributeType::INTS.into();
    kernel.ints = vec![1, 1];
    pool.attribute.push(kernel);
    unknown.op_type = "Wobble".to_owned();
    let mut value = ValueInfoProto { type_: input.type_.clone(), ..ValueInfoProto::default() };
    value.name = unknown.output[0].clone();
    let shape = value.type_.as_mut().unwrap().mut_tensor_type().shape.as_mut().unwrap();
    for (dim, size) in shape.dim.iter_mut().zip([1, 8, 16, 16]) {
        dim.set_dim_value(size);
    }
    graph.value_info.push(value);
}

#[test]
fn a_file_is_what_it_was_written_from() {
    let place = Place::new();
    exported(&place);
    let arguments = "--device v100 --json --proxy zen-closed,flops";
    let structure = place.done("zen-score", &format!("{SMALL} --resolution 32 --classes 10 {arguments}")).json();
    let ended = place.fails("zen-score", &format!("net.onnx {arguments}"), 5, &["net.onnx: no score by zen-closed"]);
    let (structure, file) = (&structure[0], &ended.json()[0]);
    assert_eq!(file["flops"], structure["flops"]);
    assert_eq!(file["scores"]["flops"]["score"].as_f64(), structure["flops"].as_f64());
    assert!(file["scores"]["zen-closed"].is_null());
    // A batch norm's two values per channel became one bias; the projection had one already.
    let folded = structure["parameters"].as_u64().unwrap() - (8 + 8 + 16) - 2 * 16;
    assert_eq!(file["parameters"].as_u64(), Some(folded));
    assert_eq!((&file["input"], &file["name"]), (&"3x32x32".into(), &"net".into()));
    for figure in ["ms", "error", "extrapolated_share"] {
        assert_eq!(file["latency"][figure], structure["latency"][figure], "{figure}");
    }
    assert_eq!(file["latency"]["operators"][0]["name"], "block0_conv0");
    // Nobody asked for a score, so none is missing; and both kinds go together.
    let text = place.done("zen-score", "net.onnx --device v100 --explain").stdout;
    for part in ["none (zen-closed needs a structure string", "multiply-adds per image", "block0_conv0", "slowest"] {
        assert!(text.contains(part), "no `{part}` in {text}");
    }
    let both = place.done("zen-score", &format!("net.onnx {SMALL} --resolution 32 --json")).json();
    assert_eq!((&both[0]["structure"], &both[1]["file"]), (&SMALL.into(), &"net.onnx".into()));
    let csv = place.done("zen-score", &format!("net.onnx {SMALL} --resolution 32 --device t4 --csv")).stdout;
    let mut reader = csv::Reader::from_reader(csv.as_bytes());
    let rows: Vec<std::collections::BTreeMap<String, String>> = reader.deserialize().collect::<Result<_, _>>().unwrap();
    assert_eq!((rows[0]["file"].as_str(), rows[1]["file"].as_str()), ("", "net.onnx"));
    assert_eq!(rows[0]["flops"].parse::<u64>().unwrap() - rows[1]["flops"].parse::<u64>().unwrap(), 990 * 16);
}

#[test]
fn what_is_not_known_stands_out_with_its_share() {
    let place = Place::new();
    exported(&place);
    changed(&place, "odd.onnx", make_foreign);
    let latency = place
        .done("zen-score", "odd.onnx --device v100 --runtime tensorrt --precision fp32 --batch-size 32 --json")
        .json();
    let (gaps, operators) = (&latency[0]["gaps"], latency[0]["latency"]["operators"].as_array().unwrap());
    let ms = |wanted: &dyn Fn(&serde_json::Value) -> bool| -> f64 {
        operators.iter().filter(|o| wanted(o)).map(|o| o["ms"].as_f64().unwrap()).sum()
    };
    let all = ms(&|_| true);
    for (operation, list) in
        [("MaxPool", "without_evidence"), ("Wobble", "without_evidence"), ("Wobble", "approximated")]
    {
        let gap = gaps[list].as_array().unwrap().iter().find(|gap| gap["what"] == operation).unwrap();
        let share = ms(&|operator| operator["operation"] == operation) / all;
        assert!(share > 0.0 && (gap["time_share"].as_f64().unwrap() - share).abs() < 1e-9, "{operation}: {gap}");
        assert_eq!(gap["operators"].as_u64(), Some(1));
    }
    let without = ms(&|operator| operator["without_evidence"] == true) / all;
    assert!((gaps["without_evidence_share"].as_f64().unwrap() - without).abs() < 1e-9);
    let text = place
        .done("zen-score", "odd.onnx --device v100 --runtime tensorrt --precision fp32 --batch-size 32 --explain")
        .stdout;
    // A limit that holds says so, too.
    let setting = "--device v100 --runtime tensorrt --precision fp32 --batch-size 32";
    let held = place.done("zen-score", &format!("odd.onnx {setting} --max-latency-ms 1s --markdown")).stdout;
    assert!(held.contains("; NOT MEASURED: "), "{held}");
    for part in
        ["NOT MEASURED", "MaxPool", "APPROXIMATED", "Wobble", "timed by the size of its maps", "% of the predicted"]
    {
        assert!(text.contains(part), "no `{part}` in {text}");
    }
    assert!(gaps["without_time"].as_array().unwrap().is_empty(), "{gaps}");
    // A formula that gives operators no time says which.
    let arguments = "odd.onnx --device pixel2 --runtime published";
    let latency = place.done("zen-score", &format!("{arguments} --json")).json();
    let operators = latency[0]["latency"]["operators"].as_array().unwrap();
    let without = operators.iter().filter(|operator| operator["ms"].as_f64() == Some(0.0)).count() as u64;
    let listed = latency[0]["gaps"]["without_time"].as_array().unwrap();
    assert_eq!(listed.iter().map(|gap| gap["operators"].as_u64().unwrap()).sum::<u64>(), without, "{latency}");
    let text = place.done("zen-score", arguments).stdout;
    assert!(text.contains("NOT MEASURED") && text.contains("NO TIME") == (without > 0), "{text}");
}

#[test]
fn bad_files_are_named_and_do_not_stop_the_others() {
    let place = Place::new();
    exported(&place);
    place.write("bad.onnx", b"\x08\x08this is no model");
    place.fails("zen-score", "bad.onnx", 3, &["bad.onnx"]);
    place.fails("zen-score", "missing.onnx", 3, &["missing.onnx"]);
    let ended = place.fails("zen-score", "bad.onnx net.onnx --json", 5, &["bad.onnx"]);
    assert_eq!(ended.json().as_array().unwrap().len(), 1);
    place.fails("zen-profile", "--device cpu --for bad.onnx", 3, &["bad.onnx"]);
    place.fails("zen-profile", "verify bad.onnx", 3, &["bad.onnx"]);
    place.fails("zen-profile", "--for net.onnx --space idw --device cpu", 2, &["--space"]);
    changed(&place, "unsized.onnx", |model| {
        make_foreign(model);
        model.graph.as_mut().unwrap().value_info.clear();
    });
    place.fails(
        "zen-score",
        "unsized.onnx",
        3,
        &["unsized.onnx, node block1_unit0_relu0 (Wobble)", "onnx.shape_inference"],
    );
}

#[test]
fn open_sizes_are_asked_for() {
    let place = Place::new();
    exported(&place);
    changed(&place, "open.onnx", |model| {
        let input = &mut model.graph.as_mut().unwrap().input[0];
        let shape = input.type_.as_mut().unwrap().mut_tensor_type().shape.as_mut().unwrap();
        for (dim, name) in shape.dim.iter_mut().zip(["n", "c", "h", "w"]) {
            dim.set_dim_param(name.to_owned());
        }
    });
    place.fails("zen-score", "open.onnx", 3, &["open.onnx", "--resolution"]);
    place.fails("zen-score", "net.onnx --resolution 64", 3, &["net.onnx", "32", "64"]);
    let flops = |arguments: &str| place.done("zen-score", &format!("{arguments} --json")).json()[0]["flops"].clone();
    assert_eq!(flops("open.onnx --resolution 32"), flops("net.onnx"));
    assert_ne!(flops("open.onnx --resolution 64"), flops("net.onnx"));
    place.fails("zen-score", "open.onnx --resolution 32 --channels 4", 3, &["open.onnx, node block0_conv0"]);
    let found = place.done("zen-profile", "verify open.onnx --resolution 16 --batch-size 2 --json --quiet").json();
    assert!(found["networks"][0]["measured_ms"].as_f64().unwrap() > 0.0);
    assert!(found["setting"]["id"].as_str().unwrap().ends_with("/b2/t1"));
}

#[test]
fn exactly_the_operators_of_a_file_are_measured_once() {
    let place = Place::new();
    exported(&place);
    let needed: BTreeSet<_> =
        Fuser::default().fuse(&import(&place.file("net.onnx")).unwrap().graph).iter().copied().collect();
    let command = "--device cpu --for net.onnx --json --quiet";
    let first = place.done("zen-profile", command);
    assert_eq!(first.stderr, "");
    let first = first.json();
    let (operators, whole) = (&first["operators"], &first["whole"]["networks"][0]);
    assert_eq!((operators["measured"].as_u64(), operators["stored"].as_u64()), (Some(needed.len() as u64), Some(0)));
    assert!(operators["failed"].as_array().unwrap().is_empty(), "{first}");
    assert!(whole["file"] == "net.onnx" && whole["measured_ms"].as_f64().unwrap() > 0.0, "{first}");
    assert!((whole["evidence"]["measured_time"].as_f64().unwrap() - 1.0).abs() < 1e-9, "{first}");
    assert!(whole["gaps"]["without_evidence"].as_array().unwrap().is_empty(), "{first}");

    let setting: Setting = operators["setting"]["id"].as_str().unwrap().parse().unwrap();
    let store = Store::open(&place.file("tables.sqlite")).unwrap();
    let run = store.runs(&setting).unwrap().into_iter().find(|run| run.imported.is_none()).unwrap();
    assert!(run.finished_at.is_some() && run.about.notes.contains("net.onnx"), "{run:?}");
    assert!(run.about.method.starts_with("operators of given networks"), "{run:?}");
    assert_eq!(store.measured_keys(run.id).unwrap().into_iter().collect::<BTreeSet<_>>(), needed);
    let runs = store.runs(&setting).unwrap().len();

    let again = place.done("zen-profile", command).json();
    assert_eq!(
        (again["operators"]["measured"].as_u64(), again["operators"]["stored"].as_u64()),
        (Some(0), Some(needed.len() as u64))
    );
    assert_eq!(store.runs(&setting).unwrap().len(), runs);
    let fresh = place.done("zen-profile", &format!("{command} --fresh")).json();
    assert_eq!(fresh["operators"]["measured"].as_u64(), Some(needed.len() as u64));

    // What was measured for the file predicts it, whatever table other networks have.
    let scored = place.done("zen-score", "net.onnx --device cpu --json").json();
    let latency = &scored[0]["latency"];
    assert_eq!(latency["setting"]["id"], setting.id());
    for operator in latency["operators"].as_array().unwrap() {
        let basis = operator["basis"].as_str().unwrap();
        assert!(operator["evidence"] == "measured" && ["row", "merged"].contains(&basis), "{operator}");
    }
    let rows = store.table(&setting, &TableChoice::Best).unwrap().unwrap().rows;
    assert!(rows.iter().filter(|row| needed.contains(&row.key)).all(|row| row.evidence == Evidence::Measured));
    let text = place.done("zen-profile", "--device cpu --for net.onnx").stdout;
    for part in ["0 measured now", "measured", "off by", "net.onnx"] {
        assert!(text.contains(part), "no `{part}` in {text}");
    }
}

#[test]
fn a_file_is_measured_as_it_is_beside_structures() {
    let place = Place::new();
    exported(&place);
    changed(&place, "odd.onnx", make_foreign);
    let ended = place.fails("zen-profile", "verify odd.onnx net.onnx --json --quiet", 5, &[]);
    let found = ended.json();
    let (networks, failed) = (found["networks"].as_array().unwrap(), found["failed"].as_array().unwrap());
    assert!(networks.len() == 1 && networks[0]["file"] == "net.onnx", "{found}");
    assert_eq!((failed.len(), &failed[0][0]), (1, &"odd.onnx".into()));
    let reason = failed[0][1].as_str().unwrap();
    assert!(reason.contains("block1_unit0_relu0") && reason.contains("Wobble"), "{reason}");
    let both =
        place.done("zen-profile", &format!("verify net.onnx {SMALL} --resolution 32 --classes 10 --json --quiet"));
    let both = both.json();
    assert_eq!((&both["networks"][0]["file"], &both["networks"][1]["structure"]), (&"net.onnx".into(), &SMALL.into()));
    changed(&place, "four.onnx", |model| {
        let input = &mut model.graph.as_mut().unwrap().input[0];
        input.type_.as_mut().unwrap().mut_tensor_type().shape.as_mut().unwrap().dim[0].set_dim_value(4);
    });
    place.fails("zen-profile", "verify four.onnx", 3, &["four.onnx", "4 images", "--batch-size 4"]);
}
