use super::*;
use crate::net::block::FAMILIES;

const ALL_FAMILIES: &str = "SuperConvK3BNRELU(3,8,2,1)SuperResK3K3(8,16,1,8,2)SuperResK1K5K1(16,16,2,8,1)\
    SuperResIDWE6K7(16,24,1,8,1)SuperConvK1BNRELU(24,64,1,1)";

fn module(structure: &str, options: &LowerOptions) -> String {
    module_text(&Network::parse(structure).unwrap(), options).unwrap()
}

#[test]
fn the_python_of_every_family_has_its_function() {
    for family in FAMILIES {
        assert!(family.python.text.contains(&format!("\ndef {}(", family.python.function)), "{}", family.name);
    }
}

#[test]
fn super_blocks_are_rows_of_arguments() {
    let text = module(ALL_FAMILIES, &LowerOptions::new(32, 10));
    let rows = [
        "    dict(layer=plain, kernel=3, inputs=3, outputs=8, stride=2, layers=1),",
        "    dict(layer=basic, kernel=3, inputs=8, outputs=16, stride=1, bottleneck=8, layers=2),",
        "    dict(layer=bottlenecks, kernel=5, inputs=16, outputs=16, stride=2, bottleneck=8, layers=1),",
        "    dict(layer=inverted, kernel=7, expansion=6, inputs=16, outputs=24, stride=1, bottleneck=8, layers=1),",
        "    dict(layer=plain, kernel=1, inputs=24, outputs=64, stride=1, layers=1),",
    ];
    assert!(text.contains(&format!("BLOCKS = [\n{}\n]\n", rows.join("\n"))), "{text}");
    assert!(text.lines().count() < 230, "{}", text.lines().count());
    assert!(text.lines().all(|line| line.len() <= 120));
}

#[test]
fn unused_families_and_placeholders_are_left_out() {
    let options = LowerOptions { squeeze_excite: true, residual: false, ..LowerOptions::new(96, 7) };
    let text = module("SuperConvK3BNRELU(3,8,2,1)SuperResK3K3(8,16,1,8,2)", &options);
    assert!(text.contains("def plain(") && text.contains("def basic(") && !text.contains("def inverted("));
    for line in ["RESOLUTION = 96", "CLASSES = 7", "SQUEEZE_EXCITE = True", "RESIDUAL_LINKS = False"] {
        assert!(text.lines().any(|other| other == line), "{line}");
    }
    assert!(text.contains("--resolution 96 --classes 7 --squeeze-excite --no-residual -o"));
    assert!(text.contains("dict(eps=0.001, momentum=0.01)"));
    assert!(!text.contains('@'));
}

/// The name of a block is the only text from outside; it stays inside its quotes.
#[test]
fn names_of_blocks_cannot_leave_their_quotes() {
    for name in
        [r#""""); import os; os.abort() #"#.replace(['(', ')'], ""), "\\\"\\".into(), "@CLASSES@ é \u{2028}".into()]
    {
        let structure = format!("SuperConvK3BNRELU({name}|3,8,1,1)SuperConvK1BNRELU(8,8,1,1)");
        let text = module(&structure, &LowerOptions::new(8, 10));
        let (start, end) = (text.find("STRUCTURE = (\n").unwrap(), text.find("\n)\nRESOLUTION").unwrap());
        let lines: Vec<_> = text[start..end].lines().skip(1).collect();
        let literal = literal::string(&format!("SuperConvK3BNRELU({name}|3,8,1,1)"));
        assert_eq!(lines, [format!("    {literal}"), "    \"SuperConvK1BNRELU(8,8,1,1)\"".to_owned()]);
        assert!(text.is_ascii());
        // Nowhere else: without the literal the file is that of the network without names.
        let plain = module("SuperConvK3BNRELU(3,8,1,1)SuperConvK1BNRELU(8,8,1,1)", &LowerOptions::new(8, 10));
        assert_eq!(text.replace(&literal, "\"SuperConvK3BNRELU(3,8,1,1)\""), plain);
    }
}
