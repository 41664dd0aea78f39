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
fn unknown_names_list_the_known() {
    let error = Device::find_in(None, "T4 ").unwrap_err().to_string();
    assert!(
        error.contains("did you mean `t4`") && error.contains("android, cpu, ") && error.contains("t4, v100"),
        "{error}"
    );
    assert!(!Device::find_in(None, "nonsense").unwrap_err().to_string().contains("did you mean"));
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
    let t4 = Device::find_in(Some(&directory), "t4").unwrap();
    assert!(t4.note().unwrap().contains("t4.toml"), "{t4:?}");
    let all: Vec<_> = Device::all_in(Some(&directory)).unwrap().into_iter().map(|device| device.name).collect();
    let mut expected: Vec<&str> = DEVICES.iter().map(|(name, _)| *name).collect();
    expected.push("my-box");
    assert_eq!(all, expected);
    for name in ["../outside", "notes.txt", ".hidden", "", "/etc/passwd"] {
        let error = Device::find_in(Some(&directory), name).unwrap_err().to_string();
        assert!(error.contains("unknown device") && error.contains("my-box"), "{error}");
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
