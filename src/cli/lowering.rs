//! Resolution, classes and squeeze-and-excitation of structures: an option counts first, then the header of the
//! structure's file, then the default; what was taken is said.

use clap::Args;

use super::number::count;
use super::options::OutputArgs;
use crate::net::{Header, LowerOptions};

/// What a structure leaves open.
#[derive(Args, Clone, Copy, Debug, Default)]
pub struct LoweringArgs {
    /// Height and width of the image in pixels [default: that of the run or file, else 224; of an ONNX file, its own]
    #[arg(long, value_name = "PIXELS", value_parser = count, allow_negative_numbers = true)]
    pub resolution: Option<u32>,
    /// Outputs of the classifier [default: those of the run or file, else 1000]
    #[arg(long, value_name = "N", value_parser = count, allow_negative_numbers = true)]
    pub classes: Option<u32>,
    /// Squeeze-and-excitation in the blocks that know it [default: as the run or file says, else false]
    #[arg(long, value_name = "BOOL", num_args = 0..=1, require_equals = true, default_missing_value = "true")]
    pub squeeze_excite: Option<bool>,
}

/// Height and width of the image, in pixels, where nothing says otherwise.
const RESOLUTION: u32 = 224;
/// Outputs of the classifier where nothing says otherwise.
const CLASSES: u32 = 1000;

impl LoweringArgs {
    /// Without a file that says something.
    pub fn options(&self) -> LowerOptions {
        self.options_for(&Header::default())
    }

    /// For a structure with this header.
    pub fn options_for(&self, header: &Header) -> LowerOptions {
        let resolution = self.resolution.or(header.resolution).unwrap_or(RESOLUTION);
        let classes = self.classes.or(header.classes).unwrap_or(CLASSES);
        LowerOptions {
            squeeze_excite: self.squeeze_excite.or(header.squeeze_excite).unwrap_or(false),
            residual: header.residual_links.unwrap_or(true),
            ..LowerOptions::new(resolution, classes)
        }
    }

    /// Says which options replace what a file says, and which defaults were taken, each once; a header comes with the
    /// origin of its structure.
    pub fn tell<'h>(&self, headers: impl IntoIterator<Item = (&'h str, &'h Header)>, output: &OutputArgs) {
        self.notes(headers).iter().for_each(|note| output.note(note));
    }

    fn notes<'h>(&self, headers: impl IntoIterator<Item = (&'h str, &'h Header)>) -> Vec<String> {
        let mut notes: Vec<String> = Vec::new();
        let mut defaults: Option<(&str, Vec<usize>)> = None;
        let asked = values(self.resolution, self.classes, self.squeeze_excite);
        for (origin, header) in headers {
            // `FILE:LINE`, or nothing where the structure stands on the command line.
            let file = origin.rsplit_once(':').map_or("the structure", |(file, _)| file);
            let said = values(header.resolution, header.classes, header.squeeze_excite);
            for ((asked, said), (name, _)) in asked.iter().zip(&said).zip(DEFAULTS) {
                if let (Some(asked), Some(said)) = (asked, said)
                    && asked != said
                {
                    let note = format!("note: --{name} {asked} replaces the {said} of {file}");
                    if !notes.contains(&note) {
                        notes.push(note);
                    }
                }
            }
            let open: Vec<usize> = (0..asked.len()).filter(|i| asked[*i].is_none() && said[*i].is_none()).collect();
            // That there is no squeeze-and-excitation alone is no surprise.
            if defaults.is_none() && open.first().is_some_and(|first| *first < SQUEEZE_EXCITE) {
                defaults = Some((file, open));
            }
        }
        if let Some((file, open)) = defaults {
            let list = |text: &dyn Fn(usize) -> String| open.iter().map(|i| text(*i)).collect::<Vec<_>>().join(", ");
            notes.push(format!(
                "note: no {} in {file}: {}; say otherwise with {}",
                list(&|i| DEFAULTS[i].0.to_owned()),
                list(&|i| DEFAULTS[i].1.to_owned()),
                list(&|i| format!("--{}", DEFAULTS[i].0))
            ));
        }
        notes
    }
}

/// What is taken where nothing is said, by the name of the option.
const DEFAULTS: [(&str, &str); 3] =
    [("resolution", "224 pixels"), ("classes", "1000 classes"), ("squeeze-excite", "no squeeze-and-excitation")];
/// Place of squeeze-and-excitation among them.
const SQUEEZE_EXCITE: usize = 2;

/// Figures as text, in the order of [`DEFAULTS`].
fn values(resolution: Option<u32>, classes: Option<u32>, squeeze_excite: Option<bool>) -> [Option<String>; 3] {
    [resolution.map(|n| n.to_string()), classes.map(|n| n.to_string()), squeeze_excite.map(|b| b.to_string())]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_option_counts_before_the_header_and_that_before_the_default() {
        let header: Header = "resolution=192 classes=10 squeeze_excite=true residual_links=false".parse().unwrap();
        let none = LoweringArgs::default();
        assert_eq!(none.options(), LowerOptions::new(224, 1000));
        let said = LowerOptions { squeeze_excite: true, residual: false, ..LowerOptions::new(192, 10) };
        assert_eq!(none.options_for(&header), said);
        let asked = LoweringArgs { resolution: Some(96), classes: Some(10), squeeze_excite: Some(false) };
        let both = LowerOptions { squeeze_excite: false, residual: false, ..LowerOptions::new(96, 10) };
        assert_eq!(asked.options_for(&header), both);
        assert_eq!(
            asked.notes([("run/best.txt:2", &header), ("run/best.txt:3", &header)]),
            [
                "note: --resolution 96 replaces the 192 of run/best.txt",
                "note: --squeeze-excite false replaces the true of run/best.txt"
            ]
        );
        assert_eq!(none.notes([("run/best.txt:2", &header)]), Vec::<String>::new());
    }

    #[test]
    fn defaults_are_said_once() {
        let (bare, part) = (Header::default(), "resolution=64 squeeze_excite=false".parse().unwrap());
        let none = LoweringArgs::default();
        assert_eq!(
            none.notes([("a.txt:1", &bare), ("b.txt:1", &bare)]),
            ["note: no resolution, classes, squeeze-excite in a.txt: 224 pixels, 1000 classes, no \
              squeeze-and-excitation; say otherwise with --resolution, --classes, --squeeze-excite"]
        );
        assert_eq!(
            none.notes([("", &part)]),
            ["note: no classes in the structure: 1000 classes; say otherwise with --classes"]
        );
        let asked = LoweringArgs { resolution: Some(64), classes: Some(5), squeeze_excite: None };
        assert_eq!(asked.notes([("a.txt:1", &bare)]), Vec::<String>::new());
    }
}
