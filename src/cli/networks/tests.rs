//! Files of networks, good and bad.

use super::*;

fn read(text: &str, accuracy_column: Option<&str>) -> Result<Networks, String> {
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), text).unwrap();
    let path = file.path().to_str().unwrap();
    let lowering = LoweringArgs { resolution: Some(96), classes: Some(7), squeeze_excite: None };
    read_networks(path, &lowering, accuracy_column).map_err(|error| error.to_string().replace(path, "FILE"))
}

#[test]
fn a_line_each() {
    let found = read("# two\nA(1)\n\n B(2)\r\n", None).unwrap();
    assert_eq!(found.subjects.len(), 2);
    assert!(found.subjects[1].origin.ends_with(":4"));
    assert_eq!(found.subjects[0].options, LowerOptions::new(96, 7));
    assert_eq!((found.instead_of_options.len(), found.accuracy_column), (0, None));
    assert!(read("# none\n", None).unwrap_err().contains("no structures"));
    assert!(read("A(1)\n", Some("top1")).unwrap_err().contains("no CSV"));
}

#[test]
fn rows_say_how_they_are_lowered() {
    let text = "\u{feff}Name, structure ,resolution,classes,SE,top1\n# a comment\n\
        a,\"A(1,2)\",32,10,1,96.5\n,\"B(1,2)\",,,,\n";
    let found = read(text, None).unwrap();
    let [a, b] = &found.subjects[..] else { panic!("{found:?}") };
    assert_eq!((a.name.as_deref(), a.text.as_str(), a.accuracy), (Some("a"), "A(1,2)", Some(96.5)));
    assert!(a.origin.ends_with(":3") && b.origin.ends_with(":4"), "{} {}", a.origin, b.origin);
    assert_eq!(a.options, LowerOptions { squeeze_excite: true, ..LowerOptions::new(32, 10) });
    assert_eq!((b.name.as_deref(), b.accuracy, b.options), (None, None, LowerOptions::new(96, 7)));
    assert_eq!(found.instead_of_options, ["resolution", "classes", "se"]);
    assert_eq!(found.accuracy_column.as_deref(), Some("top1"));
    let named = read("structure,mine,accuracy\nA(1),3,4\n", Some("Mine")).unwrap();
    assert_eq!((named.subjects[0].accuracy, named.accuracy_column.as_deref()), (Some(3.0), Some("mine")));
    assert_eq!(read("structure\nA(1)\n", None).unwrap().subjects.len(), 1);
    // What stands above the columns counts where neither a row nor an option says it.
    let text = "# zen-nas: resolution=48 squeeze_excite=true\nstructure,classes\nA(1),5\n";
    let found = read(text, None).unwrap();
    assert_eq!(found.subjects[0].options, LowerOptions { squeeze_excite: true, ..LowerOptions::new(96, 5) });
    assert_eq!((found.subjects[0].origin.ends_with(":3"), found.headers[0].1.resolution), (true, Some(48)));
}

#[test]
fn bad_files_are_named_with_line_and_column() {
    for (text, accuracy, expected) in [
        ("name,size\na,1\n", None, "FILE:1: no column `structure`; the columns are name, size"),
        ("structure,se\nA(1),0\nB(1),maybe\n", None, "FILE:3, column `se`: `maybe` must be 0 or 1"),
        ("structure,resolution\nA(1),-3\n", None, "FILE:2, column `resolution`: `-3` must be a whole number"),
        ("structure,top1\nA(1),nan\n", None, "FILE:2, column `top1`: `nan` must be a finite number"),
        ("structure,top1\nA(1),1\n", Some("top5"), "FILE:1: no column `top5`"),
        ("structure,top1\nA(1),1\n\nB(1)\n", None, "FILE:4: 1 fields, the header has 2 columns"),
        ("structure,top1\r\nA(1),1\r\n# a comment\r\n\r\nB(1),x\r\n", None, "FILE:5, column `top1`"),
        ("structure,top1,Structure\nA(1),1,A(1)\n", None, "FILE:1: column `structure` is there 2 times"),
        ("structure,top1\n", None, "FILE: no structures"),
        ("structure,name\n\"A(1),x\n", None, "FILE:2: 1 fields"),
        ("# zen-nas: classes=x\nstructure\nA(1)\n", None, "FILE:1: the header `# zen-nas:` cannot be read"),
    ] {
        let error = read(text, accuracy).unwrap_err();
        assert!(error.starts_with(expected), "{error}");
    }
}
