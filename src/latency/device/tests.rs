//! Device files, built-in and the user's.

use super::*;

#[test]
fn every_file_reads() {
    let devices = Device::all_in(None).unwrap();
    assert_eq!(devices.len(), DEVICES.len());
    for (device, (name, _)) in devices.iter().zip(DEVICES) {
        assert_eq!((device.name.as_str(), device.default_setting.device.as_str()), (*name, *name));
        assert!(!device.about.is_empty() && !device.reach.connect.is_empty());
    }
}

#[test]
fn names_are_found_however_they_are_written() {
    let found = |name: &str| Device::find_in(None, name).unwrap().name;
    for (name, device) in [
        ("T4", "t4"),
        ("Galaxy-S24", "galaxy-s24"),
        ("galaxy_s24", "galaxy-s24"),
        ("GALAXY S24", "galaxy-s24"),
        ("s24", "galaxy-s24"),
        ("rpi5", "raspberry-pi-5"),
        ("RaspberryPi5", "raspberry-pi-5"),
        ("sd888", "snapdragon-888"),
        ("Pixel 2", "pixel2"),
        ("sd855+", "snapdragon-855-plus"),
    ] {
        assert_eq!(found(name), device, "{name}");
    }
    // Nothing is found by the name of two.
    let devices = Device::all_in(None).unwrap();
    let names: Vec<(&str, &str)> = devices
        .iter()
        .flat_map(|device| std::iter::once(&device.name).chain(&device.aliases).map(|name| (&*device.name, &**name)))
        .collect();
    for (i, (device, name)) in names.iter().enumerate() {
        let twice = names[..i].iter().find(|(_, other)| same_name(name, other));
        assert_eq!(twice, None, "{name} of {device}");
    }
}

#[test]
fn unknown_names_are_told_what_is_close() {
    let error = |name: &str| Device::find_in(None, name).unwrap_err().to_string();
    assert_eq!(error("t5"), "unknown device `t5`, did you mean `t4`? `zen-profile devices` lists all");
    assert_eq!(
        error("galaxy"),
        "unknown device `galaxy`, did you mean `galaxy-s24` or `galaxy-s25`? `zen-profile devices` lists all"
    );
    assert!(error("rasberry-pi-5").contains("did you mean `raspberry-pi-5`"));
    assert_eq!(error("nonsense"), "unknown device `nonsense`; `zen-profile devices` lists all");
}

#[test]
fn bad_files_say_where_and_why() {
    let (_, text) = DEVICES.iter().find(|(name, _)| *name == "cpu").unwrap();
    for (from, to, expected) in [
        ("\"fp32\"", "\"fp31\"", "x.toml, line 6: unknown precision `fp31`"),
        ("batch_size = 1", "batch_size = 0", "x.toml, line 7: batch_size is 0"),
        ("about", "abuot", "x.toml, line 2: unknown field `abuot`"),
        ("\"tract\"", "\"../tract\"", "x.toml, line 5: `../tract`"),
        ("kind = \"local\"", "kind = \"ssh\"\nserials = [\"a\"]", "serials belong to kind = \"adb\""),
        ("kind = \"local\"", "kind = \"ssh\"\nhosts = [\"-oProxyCommand=x\"]", "line 12: `-oProxyCommand=x` is no"),
        ("kind = \"local\"", "kind = \"ssh\"\nhosts = [\"a\", \"b\", \"a\"]", "`a` is named twice"),
        ("[reach]", "[measure]\nruntime = \"tract\"\nprecision = \"fp31\"\n[reach]", "line 12: unknown precision"),
        ("[setting]", "aliases = [\"\"]\n[setting]", "an alias is empty"),
        ("[reach]", "[tools]\nagnet = \"x\"\n[reach]", "unknown field `agnet`"),
    ] {
        assert!(text.contains(from), "{from}");
        let error = Device::parse("x", &text.replace(from, to)).unwrap_err().to_string();
        assert!(error.contains("x.toml") && error.contains(expected), "{error}");
    }
}

const BOX: &str = "about = \"a box\"\n[setting]\nruntime = \"tract\"\nprecision = \"fp32\"\nbatch_size = 1\n\
                   threads = 4\n[reach]\nkind = \"ssh\"\nhosts = [\"me@box:2222\"]\n[tools]\ncores = \"f0\"\n";

#[test]
fn a_users_files_come_first_and_are_found_by_name_only() {
    let folder = tempfile::tempdir().unwrap();
    let directory = folder.path().join("devices");
    assert_eq!(Device::all_in(Some(&directory)).unwrap().len(), DEVICES.len(), "no directory, no files");
    std::fs::create_dir(&directory).unwrap();
    for name in ["my-box.toml", "t4.toml", "notes.txt", ".hidden.toml"] {
        std::fs::write(directory.join(name), BOX).unwrap();
    }
    std::fs::write(folder.path().join("outside.toml"), BOX).unwrap();
    let device = Device::find_in(Some(&directory), "my-box").unwrap();
    assert_eq!((device.addresses(), device.table_name().as_str()), (&["me@box:2222".to_owned()][..], "my-box"));
    assert_eq!((device.default_setting.threads, device.tools.cores.as_deref()), (4, Some("f0")));
    assert_eq!(device.note(), None);
    for (file, alias) in [("phone", "My Phone!"), ("s24", "other")] {
        let text = format!("aliases = [\"{alias}\"]\n{BOX}");
        std::fs::write(directory.join(format!("{file}.toml")), text).unwrap();
    }
    std::fs::write(directory.join("broken.toml"), "about = 1").unwrap();
    // A file of that name comes before a built-in alias; a file that does not read is in nobody's way.
    for (name, found) in [("My_Box", "my-box"), ("my phone!", "phone"), ("s24", "s24"), ("s25", "galaxy-s25")] {
        assert_eq!(Device::find_in(Some(&directory), name).unwrap().name, found);
    }
    for name in ["phone", "s24", "broken"] {
        std::fs::remove_file(directory.join(format!("{name}.toml"))).unwrap();
    }
    let t4 = Device::find_in(Some(&directory), "t4").unwrap();
    assert!(t4.note().unwrap().contains("t4.toml"), "{t4:?}");
    let all: Vec<_> = Device::all_in(Some(&directory)).unwrap().into_iter().map(|device| device.name).collect();
    let mut expected: Vec<&str> = DEVICES.iter().map(|(name, _)| *name).collect();
    expected.push("my-box");
    assert_eq!(all, expected);
    for name in ["../outside", "notes.txt", ".hidden", "", "/etc/passwd"] {
        let error = Device::find_in(Some(&directory), name).unwrap_err().to_string();
        assert!(error.contains("unknown device"), "{error}");
    }
    std::fs::write(directory.join("cpu.toml"), BOX).unwrap();
    let error = Device::find_in(Some(&directory), "cpu").unwrap_err().to_string();
    assert!(error.contains("line 8: cpu is this machine"), "{error}");
    std::fs::write(directory.join("my-box.toml"), "about = 1\n").unwrap();
    let error = Device::all_in(Some(&directory)).unwrap_err().to_string();
    assert!(error.contains("cpu.toml") || error.contains("my-box.toml, line 1"), "{error}");
    std::fs::write(directory.join("big.toml"), "#".repeat(100_000)).unwrap();
    assert!(Device::find_in(Some(&directory), "big").unwrap_err().to_string().contains("longer than"));
}
