//! Writing HTML: escaped text, sections, tables, and the frame of the page.

use serde_json::Value;

pub(super) use crate::report::svg::draw::escaped;

const STYLE: &str = include_str!("page.css");

/// A page being written.
pub(super) struct Page {
    text: String,
}

impl Page {
    pub fn new(title: &str) -> Self {
        let title = escaped(title);
        let text = format!(
            "<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n\
             <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n\
             <meta name=\"color-scheme\" content=\"light dark\">\n\
             <link rel=\"icon\" href=\"data:,\">\n<title>{title}</title>\n<style>\n{STYLE}</style>\n</head>\n<body>\n<main>\n"
        );
        Self { text }
    }

    /// A part of the page with its heading.
    pub fn section(&mut self, heading: &str, content: &str) {
        self.raw(&format!("<section>\n<h2>{}</h2>\n{content}</section>", escaped(heading)));
    }

    /// HTML as it is.
    pub fn raw(&mut self, html: &str) {
        self.text.push_str(html);
        self.text.push('\n');
    }

    /// The page with the numbers that it shows.
    pub fn finish(mut self, data: &Value) -> String {
        // No tag may end or begin inside a script element.
        let data = data.to_string().replace('<', "\\u003c");
        self.raw(&format!("</main>\n<script type=\"application/json\" id=\"run\">{data}</script>\n</body>\n</html>"));
        self.text
    }
}

/// A column of a table.
#[derive(Clone, Copy)]
pub(super) enum Column<'c> {
    /// Text, to the left.
    Text(&'c str),
    /// Numbers, to the right.
    Number(&'c str),
}

/// A table that scrolls in its own box; the first cell of a row is its heading, and a row may be marked. Cells are HTML.
pub(super) fn table(caption: &str, columns: &[Column<'_>], rows: &[(bool, Vec<String>)]) -> String {
    let header = columns.iter().map(|column| match column {
        Column::Text(name) => format!("<th scope=\"col\">{}</th>", escaped(name)),
        Column::Number(name) => format!("<th scope=\"col\" class=\"number\">{}</th>", escaped(name)),
    });
    let header: String = header.collect();
    let row = |(marked, cells): &(bool, Vec<String>)| {
        let cells = cells.iter().zip(columns).enumerate().map(|(i, (cell, column))| match (i, column) {
            (0, _) => format!("<th scope=\"row\">{cell}</th>"),
            (_, Column::Text(_)) => format!("<td>{cell}</td>"),
            (_, Column::Number(_)) => format!("<td class=\"number\">{cell}</td>"),
        });
        let class = if *marked { " class=\"marked\"" } else { "" };
        format!("<tr{class}>{}</tr>\n", cells.collect::<String>())
    };
    let rows: String = rows.iter().map(row).collect();
    let caption = escaped(caption);
    // A box that scrolls can be reached with the keyboard.
    format!(
        "<div class=\"scroll\" tabindex=\"0\" role=\"region\" aria-label=\"{caption}\">\n<table>\n<caption>{caption}</caption>\n\
         <thead><tr>{header}</tr></thead>\n<tbody>\n{rows}</tbody>\n</table>\n</div>\n"
    )
}

/// A paragraph of HTML.
pub(super) fn paragraph(html: &str) -> String {
    format!("<p>{html}</p>\n")
}

/// A list of HTML items; nothing without any.
pub(super) fn list(items: &[String]) -> String {
    let lines: String = items.iter().map(|item| format!("<li>{item}</li>\n")).collect();
    if items.is_empty() { String::new() } else { format!("<ul>\n{lines}</ul>\n") }
}

/// A bar whose length says what stands beside it in words; `share` is of the full length.
pub(super) fn bar(share: f64, class: &str) -> String {
    let percent = (100.0 * share).clamp(0.0, 100.0);
    format!(
        "<span class=\"track\" aria-hidden=\"true\"><span class=\"{class}\" style=\"width:{percent:.1}%\"></span></span>"
    )
}

/// A large number with a suffix: `1.234 M`.
pub(super) fn human(value: f64) -> String {
    let (divisor, suffix) = match value.abs() {
        v if v >= 1e9 => (1e9, " G"),
        v if v >= 1e6 => (1e6, " M"),
        v if v >= 1e4 => (1e3, " k"),
        v if v.fract() == 0.0 => return format!("{value}"),
        _ => return format!("{value:.3}"),
    };
    let digits = match value.abs() / divisor {
        v if v >= 100.0 => 0,
        v if v >= 10.0 => 1,
        _ => 2,
    };
    format!("{:.digits$}{suffix}", value / divisor)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_have_three_digits() {
        let texts =
            [30.0, 1000.0, 12_345.0, 1_234_567.0, 25_557_032.0, 130_789_280.0, 12_827_632_768.0, 0.5].map(human);
        assert_eq!(texts, ["30", "1000", "12.3 k", "1.23 M", "25.6 M", "131 M", "12.8 G", "0.500"]);
    }

    #[test]
    fn data_cannot_leave_its_element() {
        let page = Page::new("<t>").finish(&serde_json::json!({ "a": "</script><b>" }));
        assert!(page.contains("<title>&lt;t&gt;</title>"));
        assert!(page.contains(r#"{"a":"\u003c/script>\u003cb>"}"#), "{page}");
    }
}
