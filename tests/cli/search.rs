//! `zen-search`: its result, its run directory, and that both repeat.

use std::time::{Duration, Instant};

use zen_nas::net::{LowerOptions, Network};
use zen_nas::search::apart::{REALLY_DIFFERENT, distance};

use crate::program::{Ended, Place};

const CIFAR: &str = "--max-params 1e6 --max-layers 18 --resolution 32 --classes 10 --quiet";

#[test]
fn a_latency_budget_on_a_shipped_table() {
    let place = Place::new();
    let ended =
        place.done("zen-search", "--latency-ms 5 --device t4 --iterations 3000 --finalists 0 --json --quiet --out run");
    assert_eq!(ended.stderr, "");
    let winner = ended.json();
    let latency = &winner["latency"];
    assert_eq!(latency["setting"]["id"], "t4/tensorrt/fp16/b1");
    assert!(latency["ms"].as_f64().unwrap() <= 5.0);
    assert!(latency["error"].as_f64().unwrap() > 0.0 && latency["error_method"].as_str().unwrap().len() > 10);
    let shares = ["measured_time", "fitted_time", "interpolated_time", "extrapolated_time"]
        .map(|s| latency["evidence"][s].as_f64().unwrap());
    assert!((shares.iter().sum::<f64>() - 1.0).abs() < 1e-9);
    assert_eq!(shares[0], 0.0, "nothing was measured on a T4");
    // The figures are those of the structure.
    let structure = winner["structure"].as_str().unwrap();
    let graph = Network::parse(structure).unwrap().lower(&LowerOptions::new(224, 1000)).unwrap();
    assert_eq!(winner["parameters"], graph.cost().parameters);
    assert_eq!(winner["flops"], graph.cost().flops);
    // And the files say the same.
    let header =
        "# zen-nas: resolution=224 classes=1000 squeeze_excite=false setting=t4/tensorrt/fp16/b1 proxy=zen-closed";
    assert_eq!(place.text("run/best.txt"), format!("{header}\n{structure}\n"));
    let best: serde_json::Value = serde_json::from_str(&place.text("run/best.json")).unwrap();
    assert_eq!(best["latency"], *latency);
    assert!(std::fs::metadata(place.file("run/best.onnx")).unwrap().len() > graph.cost().parameters);
    assert!(!place.file("run/checkpoint.json").exists());
    let events = place.text("run/events.jsonl");
    let events: Vec<serde_json::Value> = events.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(events[0]["event"], "start");
    assert_eq!(events.last().unwrap()["reason"], "finished");
    let bests: Vec<_> = events.iter().filter(|e| e["event"] == "best").map(|e| e["score"].as_f64().unwrap()).collect();
    assert!(bests.windows(2).all(|pair| pair[1] > pair[0]));
    assert_eq!(*bests.last().unwrap(), winner["score"].as_f64().unwrap());
    assert!(winner["final"].is_null() && winner["lead"].is_null(), "{winner}");
    assert_eq!(winner["finalists"], serde_json::json!([]));
    let config: toml::Table = place.text("run/config.toml").parse().unwrap();
    assert_eq!(config["setting"].as_str(), Some("t4/tensorrt/fp16/b1"));
    let budget = &config["budget"].as_array().unwrap()[1];
    assert_eq!((budget["kind"].as_str(), budget["limit"].as_float()), (Some("latency_ms"), Some(5.0)));
    assert_eq!((config["confidence"].as_float(), config["no_onnx"].as_bool()), (Some(0.9), Some(false)));
    // What is within the limit is what the latency stays below with 90% probability.
    let used = &winner["budgets"][1];
    assert_eq!((used["confidence"].as_f64(), &used["predicted_ms"]), (Some(0.9), &latency["ms"]));
    let factor = used["value"].as_f64().unwrap() / latency["ms"].as_f64().unwrap();
    let high = latency["interval"]["high_ms"].as_f64().unwrap() / latency["ms"].as_f64().unwrap();
    assert!(used["value"].as_f64().unwrap() <= 5.0 && (factor.ln() / high.ln() - 0.7791).abs() < 1e-3, "{used}");
}

#[test]
fn two_devices_at_once() {
    let place = Place::new();
    let search = "--latency-ms 5@t4 --latency-ms 90ms@pixel2 --max-size 40MB --iterations 2000 --finalists 0";
    let ended = place.done("zen-search", &format!("{search} --out run"));
    for part in ["on t4/tensorrt/fp16/b1", "on pixel2/tflite/fp32/b1/t1", "with 90% confidence", "MB of fp16 weights"] {
        assert!(ended.stdout.contains(part), "no `{part}` in {}", ended.stdout);
    }
    let devices = ["device t4", "device pixel2"];
    assert!(devices.iter().all(|device| ended.stdout.matches(device).count() == 1), "{}", ended.stdout);
    let winner = json(&place.text("run/best.json"));
    let latencies = winner["latencies"].as_array().unwrap();
    let ids: Vec<_> = latencies.iter().map(|latency| latency["setting"]["id"].as_str().unwrap()).collect();
    assert_eq!(ids, ["t4/tensorrt/fp16/b1", "pixel2/tflite/fp32/b1/t1"]);
    assert_eq!(winner["latency"], latencies[0]);
    let uses = winner["budgets"].as_array().unwrap();
    let names: Vec<_> = uses.iter().map(|budget| budget["name"].as_str().unwrap()).collect();
    assert_eq!(names, ["layers", "weight_bytes", "latency_ms", "latency_ms"]);
    assert!(uses.iter().all(|used| used["value"].as_f64() <= used["limit"].as_f64()), "{uses:?}");
    assert_eq!(uses[1]["value"].as_f64().unwrap(), 2.0 * winner["parameters"].as_f64().unwrap());
    for (used, latency) in uses[2..].iter().zip(latencies) {
        assert_eq!((&used["setting"], &used["predicted_ms"]), (&latency["setting"]["id"], &latency["ms"]));
    }
    // The configuration alone repeats it.
    std::fs::create_dir(place.file("again")).unwrap();
    std::fs::copy(place.file("run/config.toml"), place.file("again/config.toml")).unwrap();
    place.done("zen-search", "--resume again --no-onnx --quiet");
    assert_eq!(place.text("again/best.json"), place.text("run/best.json"));
    assert!(!place.file("again/best.onnx").exists());
}

#[test]
fn confidence_may_be_switched_off() {
    let place = Place::new();
    let search = "--latency-ms 5@t4 --iterations 2000 --finalists 0 --no-onnx --json --quiet";
    let plain = place.done("zen-search", &format!("{search} --confidence none --out plain")).json();
    let used = &plain["budgets"][1];
    assert_eq!(used["value"], plain["latency"]["ms"]);
    assert!(used["confidence"].is_null() && !place.text("plain/config.toml").contains("confidence"), "{used}");
    assert!(place.text("plain/config.toml").contains("no_onnx = true"));
    let careful = place.done("zen-search", &format!("{search} --confidence 0.99 --out careful")).json();
    let (used, latency) = (&careful["budgets"][1], &careful["latency"]);
    let factor = |ms: &serde_json::Value| (ms.as_f64().unwrap() / latency["ms"].as_f64().unwrap()).ln();
    // z(0.99) / z(0.95).
    assert!((factor(&used["value"]) / factor(&latency["interval"]["high_ms"]) - 1.4143).abs() < 1e-3, "{used}");
    assert!(used["value"].as_f64().unwrap() <= 5.0);
}

#[test]
fn a_time_limit_ends_a_search_cleanly() {
    let place = Place::new();
    let search = format!("{TINY} --iterations 1e12 --finalists 2 --minutes 0.01 --threads 1 --out run");
    let ended = place.done("zen-search", &search.replace("--iterations 1500 --quiet ", ""));
    assert!(ended.stderr.contains("cannot be repeated"), "{}", ended.stderr);
    let best = json(&place.text("run/best.json"));
    assert_eq!(best["search"]["stop_reason"], "time");
    assert!((1..=2).contains(&best["finalists"].as_array().unwrap().len()));
    assert!(place.file("run/best.onnx").exists() && !place.file("run/checkpoint.json").exists());
    let config = place.text("run/config.toml");
    assert!(config.starts_with("# A time limit") && config.contains("minutes = 0.01"), "{config}");
}

#[test]
fn events_are_lines_of_json() {
    let place = Place::new();
    let ended = place.done("zen-search", &format!("{TINY} --finalists 2 --no-onnx --events --out run"));
    let events: Vec<_> = ended.stdout.lines().map(json).collect();
    let names: Vec<_> = events.iter().map(|event| event["event"].as_str().unwrap()).collect();
    assert_eq!((names[0], names[names.len() - 1]), ("start", "result"));
    assert!(names.contains(&"best") && names.contains(&"finalist") && names.contains(&"end"), "{names:?}");
    let logged: Vec<_> = place.text("run/events.jsonl").lines().map(json).collect();
    let told: Vec<_> =
        events.iter().filter(|event| event["event"] != "progress" && event["event"] != "result").collect();
    assert_eq!(told, logged.iter().collect::<Vec<_>>());
    let best = json(&place.text("run/best.json"));
    assert_eq!(events[events.len() - 1]["structure"], best["structure"]);
}

#[test]
fn runs_of_earlier_versions_continue() {
    let place = Place::new();
    let search = format!("{TINY} --finalists 0 --no-onnx --out run");
    place.done("zen-search", &search);
    let config = place.text("run/config.toml");
    let old = &config[..config.find("[[budget]]").unwrap()];
    let newer = ["no_check", "confidence", "device_compute", "no_onnx"];
    let old: String = old
        .lines()
        .filter(|line| !newer.iter().any(|key| line.starts_with(key)))
        .map(|line| format!("{line}\n"))
        .collect();
    std::fs::create_dir(place.file("old")).unwrap();
    place.write("old/config.toml", format!("{old}\n[budgets]\nlayers = 6\nparameters = 30000.0\n"));
    place.done("zen-search", "--resume old --quiet --no-onnx");
    assert_eq!(place.text("old/best.json"), place.text("run/best.json"));
}

#[test]
fn the_text_names_what_a_latency_is() {
    let place = Place::new();
    let ended = place
        .done("zen-search", "--ms-per-image 0.3 --device v100 --iterations 1000 --finalists 0 --no-onnx --out run");
    for part in ["device v100, runtime ", "ms per image", "multiply-adds", "evidence", "table error", "run/best.json"] {
        assert!(ended.stdout.contains(part), "no `{part}` in {}", ended.stdout);
    }
    assert!(ended.stderr.contains("1000 candidates"), "{}", ended.stderr);
    assert!(!place.file("run/best.onnx").exists());
}

#[test]
fn threads_and_repetition_give_the_same_bytes() {
    let place = Place::new();
    for (threads, out) in [(1, "a"), (2, "b"), (2, "c")] {
        place.done(
            "zen-search",
            &format!("{CIFAR} --iterations 6000 --finalists 4 --seed 5 --threads {threads} --out {out}"),
        );
    }
    for file in ["best.json", "best.txt", "population.txt", "config.toml"] {
        assert_eq!(place.text(&format!("a/{file}")), place.text(&format!("b/{file}")), "{file}");
        assert_eq!(place.text(&format!("b/{file}")), place.text(&format!("c/{file}")), "{file}");
    }
    let onnx = |run: &str| std::fs::read(place.file(run).join("best.onnx")).unwrap();
    assert_eq!(onnx("a"), onnx("b"));
    // Another seed is another search.
    place.done("zen-search", &format!("{CIFAR} --iterations 6000 --finalists 0 --seed 6 --no-onnx --out d"));
    assert_ne!(place.text("a/best.txt"), place.text("d/best.txt"));
}

#[test]
fn all_budgets_hold_at_once() {
    let place = Place::new();
    let budgets = "--latency-ms 60 --device pixel2 --max-flops 300M --max-params 5M --max-layers 12 --max-activation-bytes 4M \
         --max-size 20MB";
    let ended = place.done(
        "zen-search",
        &format!("--space idw {budgets} --iterations 4000 --finalists 0 --json --quiet --no-onnx --out run"),
    );
    let winner = ended.json();
    let uses = winner["budgets"].as_array().unwrap();
    let names: Vec<_> = uses.iter().map(|budget| budget["name"].as_str().unwrap()).collect();
    assert_eq!(names, ["layers", "parameters", "flops", "weight_bytes", "activation_bytes", "latency_ms"]);
    for budget in uses {
        assert!(budget["value"].as_f64().unwrap() <= budget["limit"].as_f64().unwrap(), "{budget}");
    }
}

#[cfg(unix)]
#[test]
fn an_interrupted_search_continues_to_the_same_end() {
    let place = Place::new();
    let arguments = format!("{CIFAR} --iterations 400000 --finalists 2 --seed 3 --no-onnx");
    place.done("zen-search", &format!("{arguments} --out whole"));

    let child = place.command("zen-search", &format!("{arguments} --threads 1 --out cut")).spawn().unwrap();
    let deadline = Instant::now() + Duration::from_secs(60);
    // As soon as it searches.
    while !std::fs::read_to_string(place.file("cut/events.jsonl")).is_ok_and(|log| log.contains("\"best\"")) {
        assert!(Instant::now() < deadline, "the search did not begin");
        std::thread::sleep(Duration::from_millis(5));
    }
    // SAFETY: sends a signal to a child that has not been waited for.
    unsafe { libc::kill(child.id() as libc::pid_t, libc::SIGINT) };
    let ended = Ended::of(child.wait_with_output().unwrap());
    assert_eq!(ended.code, 130, "{ended:?}");
    assert!(place.file("cut/checkpoint.json").exists());
    let best: serde_json::Value = serde_json::from_str(&place.text("cut/best.json")).unwrap();
    assert_eq!(best["search"]["stop_reason"], "interrupted");
    Network::parse(structures(&place.text("cut/best.txt"))[0]).unwrap();

    place.done("zen-search", "--resume cut --no-onnx --quiet");
    assert_eq!(place.text("cut/best.json"), place.text("whole/best.json"));
    assert_eq!(place.text("cut/population.txt"), place.text("whole/population.txt"));
    assert!(!place.file("cut/checkpoint.json").exists());
}

#[test]
fn starts_below_a_budget_the_initial_structure_breaks() {
    let place = Place::new();
    let ended = place.done(
        "zen-search",
        "--latency-ms 0.48@t4 --confidence none --iterations 500 --finalists 0 --no-onnx --out run",
    );
    assert!(ended.stderr.contains("starts from a smaller one"), "{}", ended.stderr);
}

/// Networks that take milliseconds a draw.
const TINY: &str =
    "--max-params 3e4 --max-layers 6 --resolution 12 --classes 10 --iterations 1500 --published-rules --quiet";

/// The lines of a file that are no comments.
fn structures(text: &str) -> Vec<&str> {
    text.lines().filter(|line| !line.starts_with('#')).collect()
}

fn json(text: &str) -> serde_json::Value {
    serde_json::from_str(text).unwrap()
}

#[test]
fn the_final_round_decides_and_its_score_can_be_repeated() {
    let place = Place::new();
    let ended = place.done("zen-search", &format!("{TINY} --finalists 6 --seed 2 --out run"));
    let winner = json(&place.text("run/best.json"));
    let finalists = winner["finalists"].as_array().unwrap();
    let count = finalists.len();
    assert!((2..=6).contains(&count), "{count}");
    let number = |value: &serde_json::Value| value.as_f64().unwrap_or_else(|| panic!("{value}"));
    assert_eq!(winner["structure"], finalists[0]["structure"]);
    assert_eq!(winner["final"], finalists[0]["final"]);
    assert_eq!(winner["score"], finalists[0]["score"]);
    assert_eq!((winner["proxy"].as_str(), winner["final"]["proxy"].as_str()), (Some("zen-closed"), Some("zen")));
    assert!(number(&winner["final"]["standard_error"]) <= 0.3 && number(&winner["final"]["draws"]) >= 8.0);
    let (difference, error) = (number(&winner["lead"]["difference"]), number(&winner["lead"]["standard_error"]));
    assert_eq!(winner["lead"]["told_apart"].as_bool(), Some(difference >= 2.0 * error));
    let alike = winner["lead"]["alike"].as_u64().unwrap() as usize;
    let verdict = match alike {
        1 => format!("ahead of every other one of {count} finalists"),
        _ => format!("the exact score does not tell the first {alike} of {count} finalists apart"),
    };
    for part in [" +- ", "(zen, mean of ", &verdict, "(zen-closed), what the search ranked by"] {
        assert!(ended.stdout.contains(part), "no `{part}` in {}", ended.stdout);
    }
    // The finalists really differ, and the best by the search is one of them.
    let structures: Vec<_> = finalists.iter().map(|finalist| finalist["structure"].as_str().unwrap()).collect();
    let networks: Vec<_> = structures.iter().map(|structure| Network::parse(structure).unwrap()).collect();
    for (i, network) in networks.iter().enumerate() {
        assert!(networks[..i].iter().all(|other| distance(network, other) >= REALLY_DIFFERENT), "{structures:?}");
    }
    let best = finalists.iter().map(|finalist| number(&finalist["score"])).fold(f64::NEG_INFINITY, f64::max);
    let population = place.text("run/population.txt");
    assert!(
        population
            .contains(&format!("\n# best first, the {count} finalists that zen scored, the others by zen-closed\n")),
        "{population}"
    );
    let listed = self::structures(&population);
    assert_eq!(listed[..count], structures);
    assert_eq!(self::structures(&place.text("run/best.txt")), structures[..1]);
    let distinct: std::collections::BTreeSet<_> = listed.iter().collect();
    assert_eq!(distinct.len(), listed.len());
    let closed = place.done("zen-score", "run/population.txt --json").json();
    let closed: Vec<_> =
        closed.as_array().unwrap().iter().map(|row| number(&row["scores"]["zen-closed"]["score"])).collect();
    assert_eq!(closed.iter().copied().fold(f64::NEG_INFINITY, f64::max), best);
    assert!(closed[count..].is_sorted_by(|a, b| a >= b));
    let events = place.text("run/events.jsonl");
    assert_eq!(events.lines().filter(|line| json(line)["event"] == "finalist").count(), count);
    let onnx = std::fs::read(place.file("run/best.onnx")).unwrap();
    for part in ["score_zen", "score_zen_standard_error", "score_zen_draws", "score_zen-closed"] {
        assert!(onnx.windows(part.len()).any(|window| window == part.as_bytes()), "{part}");
    }
    // The same number again, from seed, draws and batch alone.
    let found = &winner["final"];
    let repeat = format!(
        "run --proxy zen --seed {} --draws {} --score-batch-size {} --json",
        found["seed"], found["draws"], found["score_batch_size"]
    );
    assert_eq!(place.done("zen-score", &repeat).json()[0]["scores"]["zen"], *found);
    let config: toml::Table = place.text("run/config.toml").parse().unwrap();
    assert_eq!((config["finalists"].as_integer(), config["draws"].as_integer()), (Some(6), Some(1)));
    assert_eq!(config["final_seconds"].as_float(), Some(4.0));
}

#[test]
fn every_proxy_has_the_final_round_that_fits_it() {
    let place = Place::new();
    let run = |arguments: &str, out: &str| {
        let tiny = TINY.replace("1500", "300");
        place.done("zen-search", &format!("{tiny} --no-onnx --finalists 3 {arguments} --out {out}"));
        json(&place.text(&format!("{out}/best.json")))
    };
    let sizes = run("--proxy params", "params");
    assert!(sizes["final"].is_null() && sizes["finalists"].as_array().unwrap().is_empty());
    let released = run("--proxy zen-closed-released", "released");
    assert_eq!(released["final"]["proxy"], "zen-released");
    // A proxy that draws goes on drawing, from a seed that did not choose the finalists.
    let drawn = run("--proxy zen --draws 2 --score-batch-size 3 --se 2", "drawn");
    assert_eq!((drawn["proxy"].as_str(), drawn["final"]["proxy"].as_str()), (Some("zen"), Some("zen")));
    assert_ne!(drawn["final"]["seed"], drawn["search"]["seed"]);
    assert_eq!(drawn["final"]["score_batch_size"], 3);
    let config: toml::Table = place.text("drawn/config.toml").parse().unwrap();
    assert_eq!((config["draws"].as_integer(), config["standard_error"].as_float()), (Some(2), Some(2.0)));
}

#[cfg(unix)]
#[test]
fn an_interrupted_final_round_is_made_on_resuming() {
    let place = Place::new();
    let arguments = format!("{TINY} --seed 3 --no-onnx");
    place.done("zen-search", &format!("{arguments} --finalists 3 --se 1 --out whole"));
    // A final round that takes long enough to be stopped.
    let long = format!("{arguments} --finalists 256 --final-seconds 1e6 --se 0.0001 --threads 1 --out cut");
    let child = place.command("zen-search", &long).stdout(std::process::Stdio::piped()).spawn().unwrap();
    let deadline = Instant::now() + Duration::from_secs(60);
    while !place.file("cut/checkpoint.json").exists() {
        assert!(Instant::now() < deadline, "the final round did not begin");
        std::thread::sleep(Duration::from_millis(5));
    }
    // SAFETY: sends a signal to a child that has not been waited for.
    unsafe { libc::kill(child.id() as libc::pid_t, libc::SIGINT) };
    let ended = Ended::of(child.wait_with_output().unwrap());
    assert_eq!(ended.code, 130, "{ended:?}");
    let best = json(&place.text("cut/best.json"));
    assert_eq!(best["search"]["stop_reason"], "interrupted");
    assert_eq!(best["search"]["iterations"], 1500, "the evolution was over");
    assert!(best["final"].is_null() && place.file("cut/checkpoint.json").exists());

    std::fs::copy(place.file("whole/config.toml"), place.file("cut/config.toml")).unwrap();
    place.done("zen-search", "--resume cut --no-onnx --quiet");
    assert_eq!(place.text("cut/best.json"), place.text("whole/best.json"));
    assert_eq!(place.text("cut/population.txt"), place.text("whole/population.txt"));
    assert!(!place.file("cut/checkpoint.json").exists());
}
