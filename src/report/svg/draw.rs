//! The few SVG elements that a plot needs, with text escaped.

use std::fmt::Write as _;

/// A point in pixels from the upper left corner.
pub(in crate::report) type Point = (f64, f64);

/// Which end of a text its point is.
#[derive(Clone, Copy, Debug)]
pub(in crate::report) enum Anchor {
    Start,
    Middle,
    End,
}

/// A document being written.
#[derive(Debug)]
pub(in crate::report) struct Drawing {
    text: String,
    /// Colour behind the drawing, which surrounds points.
    ground: &'static str,
}

// Writing to a string cannot fail, so results are ignored throughout.
impl Drawing {
    /// A white sheet.
    pub fn new(width: f64, height: f64) -> Self {
        let mut text = String::new();
        let _ = writeln!(
            text,
            "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {width} {height}\" width=\"{width}\" height=\"{height}\" \
             font-family=\"Helvetica, Arial, sans-serif\">\n<rect width=\"{width}\" height=\"{height}\" fill=\"#ffffff\"/>"
        );
        Self { text, ground: "#ffffff" }
    }

    /// A picture in a page, as wide as there is room and in the page's colours; `label` is what screen readers read.
    pub fn inline(width: f64, height: f64, label: &str) -> Self {
        let label = escaped(label);
        let text = format!("<svg viewBox=\"0 0 {width} {height}\" role=\"img\" aria-label=\"{label}\">\n");
        Self { text, ground: "var(--ground)" }
    }

    /// What screen readers and tabs call the document.
    pub fn title(&mut self, title: &str) {
        let _ = writeln!(self.text, "<title>{}</title>", escaped(title));
    }

    pub fn heading(&mut self, (x, y): Point, size: f64, colour: &str, text: &str) {
        let text = escaped(text);
        let _ = writeln!(
            self.text,
            "<text x=\"{x:.1}\" y=\"{y:.1}\" font-size=\"{size}\" font-weight=\"bold\" fill=\"{colour}\">{text}</text>"
        );
    }

    pub fn text(&mut self, (x, y): Point, size: f64, colour: &str, anchor: Anchor, text: &str) {
        let anchor = match anchor {
            Anchor::Start => "start",
            Anchor::Middle => "middle",
            Anchor::End => "end",
        };
        let text = escaped(text);
        let _ = writeln!(
            self.text,
            "<text x=\"{x:.1}\" y=\"{y:.1}\" font-size=\"{size}\" fill=\"{colour}\" text-anchor=\"{anchor}\">{text}</text>"
        );
    }

    /// Text that reads from below, with its middle at the point.
    pub fn text_upwards(&mut self, (x, y): Point, size: f64, colour: &str, text: &str) {
        let text = escaped(text);
        let _ = writeln!(
            self.text,
            "<text transform=\"translate({x:.1} {y:.1}) rotate(-90)\" font-size=\"{size}\" fill=\"{colour}\" \
             text-anchor=\"middle\">{text}</text>"
        );
    }

    /// A line; `more` holds further attributes.
    pub fn line(&mut self, from: Point, to: Point, colour: &str, width: f64, more: &str) {
        let _ = writeln!(
            self.text,
            "<line x1=\"{:.2}\" y1=\"{:.2}\" x2=\"{:.2}\" y2=\"{:.2}\" stroke=\"{colour}\" stroke-width=\"{width}\" {more}/>",
            from.0, from.1, to.0, to.1
        );
    }

    pub fn area(&mut self, corners: &[Point], colour: &str) {
        let points: Vec<_> = corners.iter().map(|(x, y)| format!("{x:.2},{y:.2}")).collect();
        let _ = writeln!(self.text, "<polygon points=\"{}\" fill=\"{colour}\"/>", points.join(" "));
    }

    /// Straight lines from point to point.
    pub fn path(&mut self, points: &[Point], colour: &str, width: f64) {
        let points: Vec<_> = points.iter().map(|(x, y)| format!("{x:.2},{y:.2}")).collect();
        let _ = writeln!(
            self.text,
            "<polyline points=\"{}\" fill=\"none\" stroke=\"{colour}\" stroke-width=\"{width}\" \
             stroke-linejoin=\"round\"/>",
            points.join(" ")
        );
    }

    /// A filled box with a text that shows when it is pointed at.
    pub fn bar(&mut self, (x, y): Point, (width, height): Point, colour: &str, opacity: f64, about: &str) {
        let about = escaped(about);
        let _ = writeln!(
            self.text,
            "<rect x=\"{x:.2}\" y=\"{y:.2}\" width=\"{width:.2}\" height=\"{height:.2}\" rx=\"1.5\" fill=\"{colour}\" \
             fill-opacity=\"{opacity:.2}\"><title>{about}</title></rect>"
        );
    }

    /// The outline of a square.
    pub fn frame(&mut self, (x, y): Point, side: f64, colour: &str) {
        let _ = writeln!(
            self.text,
            "<rect x=\"{x}\" y=\"{y}\" width=\"{side}\" height=\"{side}\" fill=\"none\" stroke=\"{colour}\"/>"
        );
    }

    /// What `draw` draws, as far as it lies in a square.
    pub fn clipped(&mut self, (x, y): Point, side: f64, draw: impl FnOnce(&mut Self)) {
        let _ = writeln!(
            self.text,
            "<clipPath id=\"plot\"><rect x=\"{x}\" y=\"{y}\" width=\"{side}\" height=\"{side}\"/></clipPath>\n\
             <g clip-path=\"url(#plot)\">"
        );
        draw(self);
        self.text.push_str("</g>\n");
    }

    /// A filled circle with a text that shows when it is pointed at.
    pub fn dot(&mut self, (x, y): Point, radius: f64, colour: &str, about: &str) {
        let _ = writeln!(
            self.text,
            "<circle cx=\"{x:.2}\" cy=\"{y:.2}\" r=\"{radius}\" fill=\"{colour}\" fill-opacity=\"0.7\" stroke=\"{}\" \
             stroke-width=\"0.6\"><title>{}</title></circle>",
            self.ground,
            escaped(about)
        );
    }

    /// An empty circle with a text that shows when it is pointed at.
    pub fn ring(&mut self, (x, y): Point, radius: f64, colour: &str, about: &str) {
        let _ = writeln!(
            self.text,
            "<circle cx=\"{x:.2}\" cy=\"{y:.2}\" r=\"{radius}\" fill=\"{}\" stroke=\"{colour}\" \
             stroke-width=\"1.4\"><title>{}</title></circle>",
            self.ground,
            escaped(about)
        );
    }

    pub fn finish(mut self) -> String {
        self.text.push_str("</svg>\n");
        self.text
    }
}

/// Text as XML holds it; characters that no XML may hold are left out.
pub(crate) fn escaped(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '"' => escaped.push_str("&quot;"),
            '\u{0}'..='\u{8}' | '\u{b}' | '\u{c}' | '\u{e}'..='\u{1f}' | '\u{fffe}' | '\u{ffff}' => {}
            c => escaped.push(c),
        }
    }
    escaped
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_is_escaped() {
        assert_eq!(escaped("a<b> & \"c\"\u{1}\n"), "a&lt;b&gt; &amp; &quot;c&quot;\n");
    }
}
