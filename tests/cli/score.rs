//! `zen-score`: figures of given structures.

use std::io::{BufRead, BufReader};
use std::process::Stdio;

use crate::program::{Ended, Place};

const SMALL: &str = "SuperConvK3BNRELU(3,8,1,1)SuperResK3K3(8,16,2,8,1)";

#[test]
fn one_structure_with_its_latency() {
    let place = Place::new();
    let ended = place.done("zen-score", &format!("{SMALL} --device v100 --explain"));
    for part in ["(zen-closed)", "device v100, runtime ", ", batch 1", "evidence", "conv 3x3", "dense 16->1000"] {
        assert!(ended.stdout.contains(part), "no `{part}` in {}", ended.stdout);
    }
}

#[test]
fn several_devices_have_a_line_each_as_if_alone() {
    let place = Place::new();
    place.write("two.txt", format!("{SMALL}\n{OTHER}\n"));
    place.done("zen-export", &format!("{SMALL} --resolution 32 --classes 10 -o net.onnx"));
    let devices = ["v100", "t4", "pixel2", "cpu-amd-epyc"];
    let arguments = "two.txt net.onnx --resolution 32 --classes 10";
    let ended = place.done("zen-score", &format!("{arguments} --device V100,T4,Pixel2,cpu-amd-epyc --json"));
    let compared = ended.json();
    let compared = compared.as_array().unwrap();
    assert_eq!(compared.len(), 3);
    for (i, device) in devices.iter().enumerate() {
        let alone = place.done("zen-score", &format!("{arguments} --device {device} --json"));
        for note in alone.stderr.lines() {
            assert!(ended.stderr.contains(note), "no `{note}` in {}", ended.stderr);
        }
        for (network, alone) in compared.iter().zip(alone.json().as_array().unwrap()) {
            let found = &network["latencies"][i];
            assert!(network["latency"].is_null() && network["latencies"].as_array().unwrap().len() == devices.len());
            assert_eq!((&found["device"], &found["setting_choice"]), (&(*device).into(), &alone["setting_choice"]));
            for field in ["ms", "ms_per_image", "error", "interval", "evidence", "extrapolated_share", "operators"] {
                assert_eq!(found[field], alone["latency"][field], "{device} {field}");
            }
            assert_eq!((&network["scores"], &network["flops"]), (&alone["scores"], &alone["flops"]));
            if !alone["gaps"].is_null() {
                assert_eq!(found["gaps"], alone["gaps"], "{device}");
            }
        }
    }
    // Text has the same figures, a line each in the order given, under each network.
    let text = place.done("zen-score", &format!("{arguments} --device v100,t4,pixel2,cpu-amd-epyc")).stdout;
    let lines: Vec<&str> = text.lines().collect();
    assert_eq!(lines.len(), 3 * (2 + devices.len()) + 2, "{text}");
    for (network, lines) in compared.iter().zip(lines.split(|line| line.is_empty())) {
        let name = network["structure"].as_str().or(network["file"].as_str()).unwrap();
        assert!(lines[0].starts_with(name) && lines[1].starts_with("device "), "{text}");
        for (line, found) in lines[2..].iter().zip(network["latencies"].as_array().unwrap()) {
            let (device, ms) = (found["device"].as_str().unwrap(), found["ms"].as_f64().unwrap());
            let percent = |share: &serde_json::Value| format!("  {:.1}%", share.as_f64().unwrap() * 100.0);
            assert!(line.starts_with(device) && line.contains(&format!("  {ms:.3}  ")), "{line}");
            assert!(line.contains(&percent(&found["extrapolated_share"])), "{line}");
            assert!(line.contains(&percent(&found["gaps"]["without_evidence_share"])), "{line}");
        }
    }
    let one = place.done("zen-score", &format!("{SMALL} --device t4,v100")).stdout;
    assert!(one.contains("(zen-closed)") && one.contains("multiply-adds per image"), "{one}");
    let csv = place.done("zen-score", &format!("{arguments} --device t4,v100 --csv")).stdout;
    assert_eq!(csv.lines().count(), 1 + 3 * 2, "{csv}");
    assert!(csv.contains(",t4/tensorrt/") && csv.contains(",v100/paddle-tensorrt/"), "{csv}");
}

#[test]
fn what_takes_one_device_says_so() {
    let place = Place::new();
    for option in ["--explain", "--compare"] {
        let arguments = format!("{SMALL} --device t4,v100 {option}");
        place.fails("zen-score", &arguments, 2, &[&format!("{option} works with one --device")]);
    }
    place.fails("zen-score", &format!("{SMALL} --device t4,v101"), 3, &["did you mean `v100`?"]);
    place.fails("zen-score", &format!("{SMALL} --device t4,"), 3, &["unknown device ``"]);
    // One device without such a table does not hide the others.
    let arguments = format!("{SMALL} --device v100,pixel2 --batch-size 64");
    let ended = place.fails("zen-score", &arguments, 5, &["error: no latency table for pixel2, batch 64"]);
    assert!(ended.stdout.lines().last().unwrap().starts_with("v100 "), "{}", ended.stdout);
    place.fails("zen-search", "--device t4,v100 --latency-ms 5", 3, &["takes one (`zen-score` compares several)"]);
}

#[test]
fn files_scores_and_json() {
    let place = Place::new();
    let row = csv::Reader::from_path("tests/data/networks.csv").unwrap().records().nth(1).unwrap().unwrap();
    place.write("two.txt", format!("# comment\n{SMALL}\n\n{}\n", &row[1]));
    let ended = place.done("zen-score", "two.txt --proxy zen-closed,params --resolution 32 --classes 10 --json");
    let rows = ended.json();
    let rows = rows.as_array().unwrap();
    assert_eq!(rows.len(), 2);
    // The published network for a million parameters.
    assert!((rows[1]["scores"]["zen-closed"]["score"].as_f64().unwrap() - 192.08).abs() < 0.005);
    assert_eq!(rows[1]["scores"]["params"]["score"].as_f64(), rows[1]["parameters"].as_f64());
    assert!(rows[0]["latency"].is_null());
    let table = place.done("zen-score", "two.txt --resolution 32").stdout;
    assert_eq!(table.lines().count(), 3);
}

#[test]
fn one_bad_line_does_not_stop_the_others() {
    let place = Place::new();
    place.write("mixed.txt", format!("{SMALL}\nSuperConvK3BNRELU(3,8,1,1\n{SMALL}\n"));
    let ended = place.fails("zen-score", "mixed.txt --json", 5, &["mixed.txt:2", "`)` after the number of sub-layers"]);
    assert_eq!(ended.json().as_array().unwrap().len(), 2);
    place.write("bad.txt", "nothing\n");
    place.fails("zen-score", "bad.txt", 3, &["bad.txt:1"]);
}

#[test]
fn a_reader_that_leaves_is_no_error() {
    let place = Place::new();
    let arguments = format!("{SMALL} --quiet");
    let mut child =
        place.command("zen-score", &arguments).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    drop(child.stdout.take());
    let output = child.wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(0));
    assert_eq!(String::from_utf8_lossy(&output.stderr), "");
}

const OTHER: &str = "SuperConvK3BNRELU(3,16,2,1)SuperResIDWE4K5(16,24,2,16,1)";

/// Two networks as CSV, each lowered its own way.
fn two_rows() -> String {
    format!("name,structure,resolution,classes,se,top1\nsmall,\"{SMALL}\",16,10,0,91.5\n,\"{OTHER}\",32,100,1,\n")
}

#[test]
fn csv_in_and_out_agree() {
    let place = Place::new();
    place.write("in.csv", two_rows());
    let arguments = "--proxy zen,params,zen --draws 3 --seed 4 --device t4 --csv";
    let ended = place.done("zen-score", &format!("in.csv --threads 1 {arguments}"));
    assert!(ended.stderr.contains("in.csv says resolution, classes, se for each network"), "{}", ended.stderr);
    let mut reader = csv::Reader::from_reader(ended.stdout.as_bytes());
    let header = reader.headers().unwrap().iter().collect::<Vec<_>>().join(",");
    assert_eq!(
        header,
        "name,structure,resolution,classes,squeeze_excite,dataset,accuracy,layers,parameters,flops,\
         peak_activation_bytes,zen,zen_standard_error,zen_draws,params,params_standard_error,params_draws,\
         latency_setting,latency_evidence,latency_ms,latency_ms_per_image,latency_low_ms,latency_high_ms,\
         latency_error,latency_extrapolated_share"
    );
    let rows: Vec<std::collections::BTreeMap<String, String>> = reader.deserialize().collect::<Result<_, _>>().unwrap();
    assert_eq!(rows.len(), 2);
    assert_eq!((rows[0]["name"].as_str(), rows[0]["accuracy"].as_str()), ("small", "91.5"));
    assert_eq!((rows[1]["resolution"].as_str(), rows[1]["squeeze_excite"].as_str()), ("32", "true"));
    for row in &rows {
        assert_eq!((row["params"].as_str(), row["zen_draws"].as_str()), (row["parameters"].as_str(), "3"));
        assert_eq!(
            (row["params_standard_error"].as_str(), row["latency_setting"].as_str()),
            ("", "t4/tensorrt/fp16/b1")
        );
        assert!(row["zen_standard_error"].parse::<f64>().unwrap() > 0.0);
    }
    // What was written reads as what it was made of, on any number of threads.
    place.write("out.csv", &ended.stdout);
    assert_eq!(place.done("zen-score", &format!("out.csv --threads 2 {arguments}")).stdout, ended.stdout);
    // JSON has the same figures, and text the same as people read them.
    let json = place.done("zen-score", "in.csv --proxy zen --draws 3 --seed 4 --json").json();
    let zen = &json[0]["scores"]["zen"];
    assert_eq!(zen["score"].as_f64().unwrap().to_string(), rows[0]["zen"]);
    assert_eq!(
        (zen["draws"].as_u64(), zen["seed"].as_u64(), zen["score_batch_size"].as_u64()),
        (Some(3), Some(4), Some(2))
    );
    let text = place.done("zen-score", "in.csv --proxy zen --draws 3 --seed 4").stdout;
    assert!(text.contains(" +- ") && text.contains("small") && text.contains("16x16, 10"), "{text}");
    assert_eq!(text.lines().count(), 4, "{text}");
}

#[test]
fn the_standard_error_decides_how_often_is_drawn() {
    let place = Place::new();
    let scored = |arguments: &str| {
        let ended = place.done("zen-score", &format!("{SMALL} --resolution 16 --proxy zen {arguments} --json"));
        ended.json()[0]["scores"]["zen"].clone()
    };
    let (coarse, fine) = (scored("--se 100"), scored("--se 0.005"));
    assert_eq!(coarse["draws"], 8);
    assert!(fine["draws"].as_u64() > Some(8) && fine["standard_error"].as_f64().unwrap() <= 0.005, "{fine}");
    assert!(scored("--draws 1")["standard_error"].is_null());
    assert_ne!(scored("--draws 1 --seed 1")["score"], scored("--draws 1 --seed 2")["score"]);
}

#[test]
fn a_score_that_does_not_exist_is_named_and_the_others_go_on() {
    let place = Place::new();
    // One image and one pixel: batch norm has nothing to take a variance of.
    let line = "SuperConvK3BNRELU(3,8,1,1)";
    place.write("mixed.txt", format!("{line}\nSuperConvK3BNRELU(3,8,2,1)\n{line}\n"));
    let arguments = "mixed.txt --proxy zen,params --resolution 2 --score-batch-size 1 --draws 2";
    let ended = place.fails("zen-score", &format!("{arguments} --json"), 5, &["error: mixed.txt:2: no score by zen"]);
    let rows = ended.json();
    assert_eq!(rows.as_array().unwrap().len(), 3);
    assert!(rows[1]["scores"]["zen"].is_null() && rows[0]["scores"]["zen"]["score"].is_f64(), "{rows}");
    assert!(rows[1]["scores"]["params"]["score"].is_f64());
    let text = place.fails("zen-score", arguments, 5, &["mixed.txt:2"]).stdout;
    assert!(text.lines().nth(2).unwrap().trim_start().starts_with("- "), "{text}");
    place.write("none.txt", "SuperConvK3BNRELU(3,8,2,1)\n");
    place.fails("zen-score", "none.txt --proxy zen --resolution 2 --score-batch-size 1", 3, &["none.txt:1"]);
}

#[test]
fn comparisons_keep_data_sets_apart_and_have_the_baselines() {
    let place = Place::new();
    place.write("networks.csv", std::fs::read("tests/data/networks.csv").unwrap());
    let ended = place.done("zen-score", "networks.csv --compare --proxy zen-closed --json");
    assert!(ended.stderr.contains("accuracies are from the column top1_published"), "{}", ended.stderr);
    let found = ended.json();
    assert_eq!(found["networks"].as_array().unwrap().len(), 15);
    let groups = found["comparison"].as_array().unwrap();
    let sizes: Vec<_> =
        groups.iter().map(|g| (g["resolution"].as_u64(), g["classes"].as_u64(), g["networks"].as_u64())).collect();
    assert_eq!(sizes, [(32, 10, 3), (32, 100, 3), (224, 1000, 9)].map(|(r, c, n)| (Some(r), Some(c), Some(n))));
    let imagenet = groups[2]["agreements"].as_array().unwrap();
    let pairs: Vec<_> =
        imagenet.iter().map(|a| format!("{} {}", a["a"].as_str().unwrap(), a["b"].as_str().unwrap())).collect();
    let expected = [
        "accuracy params",
        "accuracy flops",
        "params flops",
        "accuracy zen-closed",
        "params zen-closed",
        "flops zen-closed",
    ];
    assert_eq!(pairs, expected);
    // By scipy.stats.kendalltau on parameters and published accuracies.
    let tau = imagenet[0]["kendall_tau"].as_f64().unwrap();
    assert!((tau - 0.760_638_829_255_665).abs() < 1e-12, "{tau}");
    assert!(imagenet[0]["low"].as_f64().unwrap() < tau && imagenet[0]["high"].as_f64().unwrap() > tau);
    // Printed tables: 20 of 36 pairs for nine.
    assert!((imagenet[0]["kendall_tau_by_chance"].as_f64().unwrap() - 20.0 / 36.0).abs() < 1e-12);
    for agreement in groups[0]["agreements"].as_array().unwrap() {
        assert!(agreement["low"].is_null() && agreement["kendall_tau_by_chance"].is_null(), "{agreement}");
    }
    let text = place.done("zen-score", "networks.csv --compare --proxy zen-closed").stdout;
    for part in [
        "Kendall's tau-b: 1 where",
        "32x32, 100 classes: 3 networks",
        "Far too few",
        "against accuracy",
        "Few networks",
    ] {
        assert!(text.contains(part), "no `{part}` in {text}");
    }
    let csv = place.done("zen-score", "networks.csv --compare --proxy zen-closed --csv").stdout;
    assert!(csv.starts_with("dataset,resolution,classes,a,b,networks,kendall_tau,low,high,kendall_tau_by_chance\n"));
    assert_eq!(csv.lines().count(), 1 + 3 * 6);
    assert!(csv.contains("\n,224,1000,accuracy,params,9,0.76"), "{csv}");
}

#[test]
fn without_accuracies_proxies_are_compared_with_each_other() {
    let place = Place::new();
    place.write("two.txt", format!("{SMALL}\n{OTHER}\n"));
    let found = place.done("zen-score", "two.txt --compare --draws 1 --resolution 16 --json").json();
    let agreements = found["comparison"][0]["agreements"].as_array().unwrap();
    let names: std::collections::BTreeSet<_> =
        agreements.iter().flat_map(|a| [a["a"].as_str(), a["b"].as_str()]).flatten().collect();
    assert!(["zen", "zen-closed", "params", "flops"].iter().all(|name| names.contains(name)), "{names:?}");
    assert!(!names.contains("accuracy") && !names.contains("random"), "{names:?}");
    let text = place.done("zen-score", &format!("{SMALL} --compare --proxy params")).stdout;
    assert!(text.contains("1 network, nothing to compare"), "{text}");
}

#[test]
fn bad_csv_is_named() {
    let place = Place::new();
    for (text, parts) in [
        ("name,size\na,1\n", &["bad.csv:1", "no column `structure`", "name, size"][..]),
        ("structure,classes\nA(1),ten\n", &["bad.csv:2, column `classes`", "`ten`"]),
        ("structure,top1\nA(1)\n", &["bad.csv:2", "1 fields", "2 columns"]),
    ] {
        place.write("bad.csv", text);
        let ended = place.fails("zen-score", "bad.csv", 3, parts);
        assert_eq!(ended.stdout, "");
    }
    place.write("bad.csv", two_rows());
    place.fails("zen-score", "bad.csv --accuracy-column top5", 3, &["bad.csv:1", "no column `top5`"]);
    place.write("bad.csv", two_rows().replace("SuperRes", "SupperRes"));
    place.fails("zen-score", "bad.csv", 3, &["bad.csv:2", "bad.csv:3"]);
}

#[cfg(unix)]
#[test]
fn an_interruption_prints_what_is_done() {
    let place = Place::new();
    place.write("in.csv", two_rows());
    let mut command = place.command("zen-score", "in.csv --proxy zen --draws 4000000000 --json");
    let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    // The note comes after the handler is there.
    let mut stderr = BufReader::new(child.stderr.take().unwrap());
    let mut line = String::new();
    stderr.read_line(&mut line).unwrap();
    assert!(line.contains("in.csv says"), "{line}");
    // SAFETY: sends a signal to a child that has not been waited for.
    unsafe { libc::kill(child.id() as libc::pid_t, libc::SIGINT) };
    let mut rest = String::new();
    std::io::Read::read_to_string(&mut stderr, &mut rest).unwrap();
    let ended = Ended::of(child.wait_with_output().unwrap());
    assert_eq!(ended.code, 130, "{ended:?} {rest}");
    assert!(rest.contains("interrupted: 0 of 2 networks"), "{rest}");
    assert_eq!(ended.json(), serde_json::json!([]));
}
