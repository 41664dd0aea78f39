//! Where the result comes from and how to get it again.

use super::data::Data;
use super::html::{Page, escaped};

pub(super) fn write(page: &mut Page, data: &Data) {
    let mut facts = vec![
        ("Program", format!("zen-nas {}", data.escaped("/best/version"))),
        ("Space", data.escaped("/best/search/space")),
        ("Seed", data.show("/best/search/seed", |seed| format!("{seed:.0}"))),
        ("Proxy", format!("<code>{}</code>", data.escaped("/best/proxy"))),
    ];
    if let Some(date) = data.number("/started_unix_s") {
        facts.push(("Started", date_words(date)));
    }
    for table in data.items("/tables") {
        let text = |name: &str| data.escaped(&format!("{table}/{name}"));
        facts.push(("Latency table", format!("{}, {}: {}", text("setting"), text("source"), text("error"))));
    }
    if data.items("/tables").is_empty() {
        for latency in data.latencies() {
            let text = |name: &str| data.escaped(&format!("{latency}/{name}"));
            let error = match data.get(&format!("{latency}/error")) {
                Some(_) => format!("± {}, ", data.show(&format!("{latency}/error"), |e| format!("{:.1}%", 100.0 * e))),
                None => String::new(),
            };
            facts.push(("Latency table", format!("{}: {error}{}", text("setting/id"), text("error_method"))));
        }
    }
    let listed = facts
        .iter()
        .filter(|(_, value)| !value.is_empty())
        .map(|(name, value)| format!("<div><dt>{name}</dt><dd>{value}</dd></div>\n"));
    let mut content = format!("<dl class=\"facts\">\n{}</dl>\n", listed.collect::<String>());
    if let Some(directory) = data.text("/directory") {
        let directory = shell_word(directory);
        content.push_str(&format!(
            "<h3>Repeat it</h3>\n<pre tabindex=\"0\"><code>{}</code></pre>\n",
            escaped(&format!("zen-search --repeat {directory}"))
        ));
    }
    if data.text("/config_text").is_some_and(|text| !text.is_empty()) {
        content.push_str(&format!(
            "<details><summary>Settings (config.toml)</summary>\n<pre tabindex=\"0\"><code>{}</code></pre>\n</details>\n",
            data.escaped("/config_text")
        ));
    }
    page.section("Where this comes from", &content);
}

/// A path as a shell takes it.
fn shell_word(path: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "/._-+=:@%,".contains(c);
    if path.chars().all(plain) { path.to_owned() } else { format!("'{}'", path.replace('\'', "'\\''")) }
}

/// Seconds since 1970 as a date and time of day in UTC.
fn date_words(unix_s: f64) -> String {
    let seconds = unix_s.clamp(0.0, 1e11) as i64;
    // Days to year, month and day: Howard Hinnant, "chrono-Compatible Low-Level Date Algorithms".
    let days = seconds / 86_400 + 719_468;
    let era = days / 146_097;
    let day_of_era = days % 146_097;
    let year_of_era = (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month_from_march = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * month_from_march + 2) / 5 + 1;
    let month = if month_from_march < 10 { month_from_march + 3 } else { month_from_march - 9 };
    let year = year_of_era + era * 400 + i64::from(month <= 2);
    let (hour, minute) = (seconds / 3600 % 24, seconds / 60 % 60);
    format!("{year}-{month:02}-{day:02} {hour:02}:{minute:02} UTC")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates_are_of_the_calendar() {
        let dates = [0.0, 951_782_400.0, 1_709_251_199.0, 1_795_914_119.0].map(date_words);
        assert_eq!(
            dates,
            ["1970-01-01 00:00 UTC", "2000-02-29 00:00 UTC", "2024-02-29 23:59 UTC", "2026-11-29 01:01 UTC"]
        );
    }

    #[test]
    fn paths_are_quoted_where_they_must_be() {
        assert_eq!(shell_word("zen-runs/t4-5ms"), "zen-runs/t4-5ms");
        assert_eq!(shell_word("my runs/it's"), "'my runs/it'\\''s'");
    }
}
