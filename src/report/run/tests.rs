//! Pages of made-up runs: every number is the file's, nothing from outside is taken for HTML, and whatever is missing is
//! left out.

use serde_json::{Value, json};

use super::{RunReport, html};
use crate::latency::{Fuser, Predictor, SpotChecks, Store, TableChoice, require_choice};
use crate::net::{LowerOptions, Network};
use crate::report::Quality;

const WINNER: &str = "SuperConvK3BNRELU(3,8,2,1)SuperResK3K3(8,16,2,8,1)SuperResIDWE2K3(16,24,1,16,2)\
    SuperConvK1BNRELU(24,64,1,1)";
const OTHER: &str = "SuperConvK3BNRELU(3,16,2,1)SuperResK3K3(16,16,2,16,1)SuperConvK1BNRELU(16,64,1,1)";
const SETTING: &str = "t4/tensorrt/fp16/b1";

/// A prediction of the winner whose operators take 0.01, 0.02, ... ms and are known in turn by each kind of evidence.
fn prediction(setting: &str) -> Value {
    let graph = Network::parse(WINNER).unwrap().lower(&LowerOptions::new(32, 10)).unwrap();
    let mut fuser = Fuser::default();
    let operators = fuser.fuse(&graph).iter().enumerate().map(|(i, key)| {
        let evidence = ["measured", "interpolated", "fitted"][i % 3];
        json!({
            "key": key.to_string(),
            "ms": 0.01 * (i + 1) as f64,
            "evidence": evidence,
            "extrapolated": i == 4,
            "without_evidence": i == 5,
        })
    });
    let operators: Vec<Value> = operators.collect();
    let ms: f64 = operators.iter().map(|operator| operator["ms"].as_f64().unwrap()).sum();
    json!({
        "ms": ms + 0.125,
        "setting": { "id": setting },
        "error": 0.08,
        "error_method": "held out",
        "interval": { "low_ms": 0.9 * ms, "high_ms": 1.4 * ms, "coverage": 0.9 },
        "extrapolated_share": 0.04,
        "host_bound": false,
        "operators": operators,
    })
}

/// Everything that a search may write.
fn best() -> Value {
    let ms = prediction(SETTING)["ms"].as_f64().unwrap();
    json!({
        "version": "0.1.0",
        "structure": WINNER,
        "proxy": "zen-closed",
        "score": 54.321,
        "final": { "proxy": "zen", "score": 55.5, "standard_error": 0.25, "draws": 8 },
        "lead": { "difference": 0.16, "standard_error": 0.22, "told_apart": false },
        "layers": 5,
        "parameters": 12_345,
        "flops": 1_234_567,
        "peak_activation_bytes": 98_304,
        "resolution": 32,
        "classes": 10,
        "squeeze_excite": false,
        "budgets": [
            { "name": "layers", "value": 5.0, "limit": 18.0, "unit": "layers" },
            { "name": "latency_ms", "value": ms, "limit": 1.25 * ms, "unit": "ms per inference call", "setting": SETTING },
        ],
        "latencies": [prediction(SETTING), prediction("pixel2/tflite/fp32/b1/t1")],
        "optimum": { "bound": 54.33, "gap_percent": 0.0166, "superset": "the space & all between" },
        "alternatives": [{
            "structure": OTHER,
            "score": 51.0,
            "layers": 3,
            "parameters": 9_000,
            "flops": 2_000_000,
            "latencies": [{ "ms": 0.9, "setting": { "id": SETTING } }],
            "distance": 0.4,
        }],
        "rails": { "on": true, "off": [{ "rail": "fall", "block": 3, "text": "block 3 narrows by 10.8" }], "price": ["2.1 of the score"] },
        "search": {
            "stop_reason": "finished", "space": "xxbl", "seed": 7, "iterations": 5000,
            "counts": { "accepted": 300, "not_better": 4000, "duplicates": 12 },
        },
        "finalists": [],
    })
}

fn front() -> Value {
    let point = |structure: &str, ms: f64, score: f64| json!({ "structure": structure, "values": [ms, score], "bound": score + 1.0, "gap_percent": 0.5 });
    json!({
        "axes": [{ "name": "latency", "unit": "ms", "confidence": 0.9 }, { "name": "score", "unit": "" }],
        "points": [point(OTHER, 0.9, 51.0), point(WINNER, 1.4, 54.321)],
        "hypervolume": 12.5,
        "superset": "the space <all>",
    })
}

fn report() -> RunReport {
    let mut report = RunReport::of(best(), front());
    let line =
        |iteration: u64, score: f64| json!({ "event": "best", "iteration": iteration, "score": score }).to_string();
    // A killed run ends in the middle of a line.
    let ends = "{\"event\":\"end\",\"elapsed_s\":1.5}\n";
    report.add_events(&format!("{}\n{ends}{}\n{ends}{{\"event\":\"be", line(64, 20.0), line(900, 54.321)));
    let folder = tempfile::tempdir().unwrap();
    let store = Store::open(&folder.path().join("tables.sqlite")).unwrap();
    let chosen =
        require_choice(&store, &SETTING.parse().unwrap(), &TableChoice::Best, &[], SpotChecks::Ignore).unwrap();
    report.add_table(&Predictor::from_table(&chosen.table).unwrap(), &Quality::of(&chosen));
    report.add_proxies(1, &|| false, &mut |_| ());
    report
}

/// What stands between `before` and `after`, everywhere.
fn between<'t>(text: &'t str, before: &str, after: &str) -> Vec<&'t str> {
    text.split(before).skip(1).filter_map(|rest| rest.split(after).next()).collect()
}

#[test]
fn every_number_is_the_datas() {
    let report = report();
    let page = html(&report);
    let shown = between(&page, "<data value=\"", "</data>");
    assert!(shown.len() > 120, "{}", shown.len());
    for text in shown {
        let (value, rest) = text.split_once("\" data-from=\"").unwrap();
        let (place, words) = rest.split_once("\">").unwrap();
        let found = report.data().pointer(place).and_then(Value::as_f64);
        assert_eq!(found, value.parse().ok(), "{text}");
        assert!(words.starts_with(|c: char| c.is_ascii_digit() || "-&".contains(c)), "{text}");
    }
    let embedded = between(&page, "<script type=\"application/json\" id=\"run\">", "</script>");
    assert!(serde_json::from_str::<Value>(embedded[0]).unwrap() == *report.data());
    assert!(report.data()["best"] == best());
}

#[test]
fn the_page_says_what_matters() {
    let page = html(&report());
    // The text without its tags, as a reader sees it.
    let text: String = page.split('<').map(|part| part.split_once('>').map_or("", |(_, text)| text)).collect();
    for wanted in [
        "The winner has 12.3 k parameters and 5 layers and scores 55.50 ± 0.25 (zen); it is predicted to take ",
        "No network within the budgets can score more than 54.33 (zen-closed); the winner scores 54.32, within 0.02% of that \
         bound. The proof covers the space &amp; all between.",
        "Outside the rails: block 3 narrows by 10.8.",
        "2.1 of the score",
        "over the limit",
        "The final round cannot tell the winner and another network apart: their scores differ by 0.16 ± 0.22.",
        "proven bound 54.33",
        "5000 candidates: 300 accepted, 4000 not better, 12 duplicates. The run took 3.0 s, the final round included.",
        "Stage 1: 16 × 16 px maps",
        "MobileNetV3-Large",
        "the built-in table: MAPE",
    ] {
        assert!(text.contains(wanted), "{wanted}: {text}");
    }
}

#[test]
fn times_add_up() {
    let report = RunReport::of(best(), Value::Null);
    let anatomy = &report.data()["anatomy"];
    let ms = |times: &Value, setting: usize| times[setting]["ms"].as_f64().unwrap();
    for (setting, latency) in report.data()["best"]["latencies"].as_array().unwrap().iter().enumerate() {
        let stages = anatomy["stages"].as_array().unwrap();
        let of_stages: f64 = stages.iter().map(|stage| ms(&stage["times"], setting)).sum();
        let of_blocks: f64 =
            stages.iter().flat_map(|stage| stage["blocks"].as_array().unwrap()).map(|b| ms(&b["times"], setting)).sum();
        let of_kinds: f64 =
            anatomy["kinds"][setting].as_array().unwrap().iter().map(|kind| kind["ms"].as_f64().unwrap()).sum();
        let (head, call) = (ms(&anatomy["head"], setting), anatomy["call_ms"][setting].as_f64().unwrap());
        assert!((call - 0.125).abs() < 1e-9);
        for sum in [of_stages + head, of_blocks + head, of_kinds] {
            assert!((sum + call - latency["ms"].as_f64().unwrap()).abs() < 1e-9);
        }
    }
    // 16 px after the stem, 8 px from the second block on.
    let sides: Vec<_> = anatomy["stages"].as_array().unwrap().iter().map(|stage| stage["side"].as_u64()).collect();
    assert_eq!(sides, [Some(16), Some(8)]);
    // The first operator, 0.01 ms of the first stage, was measured.
    let first = &anatomy["stages"][0]["times"][0];
    assert_eq!((first["ms"].as_f64(), first["measured"].as_f64()), (Some(0.01), Some(1.0)));
}

#[test]
fn proxies_are_ranked() {
    let report = report();
    let proxies = &report.data()["proxies"];
    assert_eq!(proxies["names"], json!(["zen-closed", "params", "flops", "naswot", "swap"]));
    assert_eq!(proxies["scores"].as_array().unwrap().len(), 2);
    assert!(html(&report).contains("What other proxies say"));
}

#[test]
fn missing_and_mistyped_fields_are_left_out() {
    let wrong = json!({
        "structure": 3, "score": "high", "latencies": [null, 4, {}], "budgets": { "a": 1 }, "optimum": [], "rails": "off",
        "alternatives": [{}], "search": [], "parameters": {}, "resolution": -3, "classes": 1e300,
    });
    for (best, front) in
        [(json!({}), Value::Null), (wrong, json!({ "axes": 3, "points": [{}] })), (json!([]), json!([]))]
    {
        let mut report = RunReport::of(best, front);
        report.add_proxies(1, &|| false, &mut |_| ());
        let page = html(&report);
        assert!(page.ends_with("</html>\n") && !page.contains("NaN"), "{page}");
    }
    // Operators of another version: the winner is drawn by none.
    let mut best = best();
    best["latencies"][0]["operators"].as_array_mut().unwrap().pop();
    assert!(html(&RunReport::of(best, Value::Null)).contains("cannot divide the winner"));
}

#[test]
fn text_from_outside_is_no_html() {
    let evil = "</script><script>alert(1)</script>\"'<img src=x onerror=alert(1)>";
    let mut best = best();
    for place in [
        "/structure",
        "/proxy",
        "/version",
        "/budgets/0/name",
        "/budgets/0/unit",
        "/latencies/1/setting/id",
        "/latencies/1/error_method",
        "/optimum/superset",
        "/alternatives/0/structure",
        "/rails/off/0/text",
        "/rails/price/0",
        "/search/space",
    ] {
        *best.pointer_mut(place).unwrap() = evil.into();
    }
    let mut front = front();
    front["axes"][0]["name"] = evil.into();
    front["points"][0]["structure"] = evil.into();
    let page = html(&RunReport::of(best, front));
    assert!(!page.contains("<script>") && !page.contains("<img"));
    assert_eq!(page.matches("</script>").count(), 1);
}

#[test]
fn the_page_can_be_read_by_machines() {
    let page = html(&report());
    let levels: Vec<u32> = page.match_indices("<h").filter_map(|(i, _)| page[i + 2..i + 3].parse().ok()).collect();
    assert_eq!(levels[0], 1);
    assert!(levels.len() > 10 && levels.windows(2).all(|pair| pair[1] <= pair[0] + 1 && pair[1] > 1), "{levels:?}");
    assert_eq!(page.matches("<th ").count() + page.matches("<th>").count(), page.matches("<th scope=").count());
    assert_eq!(page.matches("<svg ").count(), page.matches("role=\"img\" aria-label=\"").count());
    assert_eq!(page.matches("<svg ").count(), 3);
    for external in ["http:", "https:", "src=", "@import", "url("] {
        assert!(!page.contains(external), "{external}");
    }
}

#[test]
fn a_folder_without_a_result_is_an_error() {
    let folder = tempfile::tempdir().unwrap();
    let error = |folder| RunReport::read(folder).unwrap_err().to_string();
    assert!(error(folder.path()).contains("has no best.json"));
    std::fs::write(folder.path().join("best.json"), "{").unwrap();
    assert!(error(folder.path()).contains("best.json cannot be read: EOF"));
    std::fs::write(folder.path().join("best.json"), best().to_string()).unwrap();
    std::fs::write(folder.path().join("config.toml"), "seed = 7\n").unwrap();
    let report = RunReport::read(folder.path()).unwrap();
    assert!(report.data()["best"] == best() && report.data()["config"]["seed"] == 7);
}
