//! The page of a search in a real browser: Chromium shows it without an error, its numbers are the file's, and nothing is
//! wider than a phone. Screenshots in both themes stay in `target/report-screenshots` to be looked at.

use std::ffi::OsStr;
use std::path::Path;
use std::process::{Command, Stdio};

use serde_json::Value;
use zen_nas::latency::{Predictor, SpotChecks, Store, TableChoice, require_choice};
use zen_nas::report::Quality;
use zen_nas::report::run::{RunReport, html};

/// Chromium's program.
const CHROMIUM: &str = "ZEN_NAS_PEER_CHROMIUM";

/// Reports to the page around it: numbers that are not those of the data, and how wide the content is.
const CHECK: &str = r#"<script>
const data = JSON.parse(document.getElementById("run").textContent);
const at = place => place.split("/").slice(1).reduce((value, key) => value[key], data);
const units = { "%": 0.01, "k": 1e3, "M": 1e6, "G": 1e9 };
const wrong = [];
const shown = document.querySelectorAll("data[data-from]");
for (const element of shown) {
  const place = element.dataset.from;
  if (Number(element.value) !== at(place)) wrong.push(place);
  const [, digits, , unit] = element.textContent.match(/^<?(-?\d+(\.\d+)?) ?([%kMG]?)(?!i)/) || [];
  const scale = unit === "%" && place.endsWith("percent") ? 1 : units[unit] || 1;
  const text = Number(digits) * scale;
  const last = Math.pow(10, -((digits || "").split(".")[1] || "").length) * scale;
  const bytes = element.textContent.endsWith("MiB") ? 1048576 : 1;
  if (!(Math.abs(text * bytes - at(place)) <= last * bytes)) wrong.push(place + ": " + element.textContent);
}
const width = document.documentElement.scrollWidth;
parent.postMessage(JSON.stringify({ shown: shown.length, wrong, width }), "*");
</script>
"#;

struct Chromium<'c> {
    program: &'c OsStr,
    folder: &'c Path,
}

impl Chromium<'_> {
    /// Its output and what it says beside, for a file of the folder.
    fn run(&self, file: &str, arguments: &[String]) -> (String, String) {
        let mut command = Command::new(self.program);
        // Without a sandbox, which containers do not have; the page is ours.
        command.args(["--headless", "--no-sandbox", "--disable-gpu", "--hide-scrollbars", "--enable-logging=stderr"]);
        command.arg(format!("--user-data-dir={}", self.folder.join("profile").display())).args(arguments);
        command.arg(format!("file://{}", self.folder.join(file).display())).stdin(Stdio::null());
        let output = command.output().unwrap();
        let text = |bytes| String::from_utf8_lossy(bytes).into_owned();
        let (out, err) = (text(&output.stdout), text(&output.stderr));
        assert!(output.status.success(), "{out}{err}");
        let console: Vec<_> = err.lines().filter(|line| line.contains("CONSOLE")).collect();
        assert!(console.is_empty(), "{console:?}");
        (out, err)
    }

    /// Shows `page` in a window of its own width and theme; what [`CHECK`] reports.
    fn check(&self, page: &str, theme: &str, width: u32) -> Value {
        let checked = page.replace("</body>", &format!("{CHECK}</body>"));
        assert_ne!(checked, page);
        std::fs::write(self.folder.join("checked.html"), checked).unwrap();
        self.frame("checked.html", theme, width, 800);
        let (out, _) = self.run("frame.html", &["--virtual-time-budget=5000".to_owned(), "--dump-dom".to_owned()]);
        let report = out.split("<pre id=\"out\">").nth(1).and_then(|rest| rest.split("</pre>").next()).unwrap();
        serde_json::from_str(report).unwrap_or_else(|_| panic!("{out}"))
    }

    /// A page around a page: windows are never as narrow as a phone, and frames take the theme of what is around them.
    fn frame(&self, page: &str, theme: &str, width: u32, height: u32) {
        let frame = format!(
            "<!DOCTYPE html><title>frame</title><link rel=\"icon\" href=\"data:,\">\
             <body style=\"margin:0\"><script>onmessage = event => out.textContent = event.data</script>\
             <iframe src=\"{page}\" style=\"border:0;width:{width}px;height:{height}px;color-scheme:{theme}\"></iframe>\
             <pre id=\"out\"></pre></body>"
        );
        std::fs::write(self.folder.join("frame.html"), frame).unwrap();
    }
}

#[test]
fn a_browser_shows_the_page() {
    let Some(program) = std::env::var_os(CHROMIUM) else {
        // Past the test harness, which swallows the output of tests that pass.
        let notice = format!("SKIPPED report in a browser: set {CHROMIUM} to Chromium's program\n");
        return std::io::Write::write_all(&mut std::io::stderr(), notice.as_bytes()).unwrap();
    };
    let folder = tempfile::tempdir().unwrap();
    let run = folder.path().join("run");
    let mut search = Command::new(env!("CARGO_BIN_EXE_zen-search"));
    search.args("--latency-ms 0.7 --device t4 --resolution 64 --classes 10 --iterations 2000 --finalists 3".split(' '));
    search.args(["--max-params", "1e6", "--no-onnx", "--quiet", "--out"]).arg(&run);
    let output = search.env("ZEN_NAS_DB", folder.path().join("tables.sqlite")).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));

    let mut report = RunReport::read(&run).unwrap();
    let store = Store::open(&folder.path().join("tables.sqlite")).unwrap();
    let setting = report.data()["best"]["latency"]["setting"]["id"].as_str().unwrap().parse().unwrap();
    let chosen = require_choice(&store, &setting, &TableChoice::Best, &[], SpotChecks::Ignore).unwrap();
    report.add_table(&Predictor::from_table(&chosen.table).unwrap(), &Quality::of(&chosen));
    report.add_proxies(1, &|| false, &mut |_| ());
    let best: Value = serde_json::from_str(&std::fs::read_to_string(run.join("best.json")).unwrap()).unwrap();
    assert_eq!(report.data()["best"], best);
    let page = html(&report);
    let screenshots = Path::new(env!("CARGO_MANIFEST_DIR")).join("target/report-screenshots");
    std::fs::create_dir_all(&screenshots).unwrap();
    let chromium = Chromium { program: &program, folder: folder.path() };
    std::fs::write(folder.path().join("report.html"), &page).unwrap();
    for theme in ["light", "dark"] {
        for width in [1000, 390] {
            let found = chromium.check(&page, theme, width);
            assert!(found["shown"].as_u64().unwrap() > 80, "{found}");
            assert_eq!(found["wrong"], Value::Array(Vec::new()));
            assert!(found["width"].as_u64().unwrap() <= u64::from(width), "{found}");
            chromium.frame("report.html", theme, width, 6000);
            let picture = screenshots.join(format!("{theme}-{width}.png"));
            chromium
                .run("frame.html", &[format!("--screenshot={}", picture.display()), "--window-size=1000,6000".into()]);
            assert!(std::fs::metadata(&picture).unwrap().len() > 50_000);
        }
    }
}
