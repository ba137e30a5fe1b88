//! Files that `testdata/make_hdf5.py` has written with h5py, and what becomes of them.

use modelseal_core::inspection::{FileFormat, FileInspection, Verdict};

macro_rules! file {
    ($name:literal) => {
        include_bytes!(concat!("../../testdata/hdf5/", $name, ".h5"))
    };
}

fn look(data: &[u8]) -> FileInspection {
    crate::testing::look("model.h5", data)
}

fn found(data: &[u8]) -> Vec<String> {
    look(data).findings.iter().map(|finding| finding.rule.to_string()).collect()
}

/// `data` with the first `from` replaced by `to`, which is as long.
fn patched(data: &[u8], from: &[u8], to: &[u8]) -> Vec<u8> {
    let at = data.windows(from.len()).position(|window| window == from).unwrap();
    let mut data = data.to_vec();
    data[at..at + to.len()].copy_from_slice(to);
    data
}

#[test]
fn models_are_clean_and_counted_whatever_structures_they_have() {
    for data in [&file!("old")[..], file!("new"), file!("block")] {
        let found = look(data);
        assert_eq!(found.findings, []);
        assert_eq!((found.verdict(), found.format), (Verdict::Clean, FileFormat::KerasHdf5));
        assert_eq!((found.contents.tensors, found.contents.parameters), (2, 16));
        assert_eq!(found.contents.dtypes.get("float32"), Some(&1));
    }
}

#[test]
fn all_types_are_read() {
    let found = look(file!("types"));
    assert_eq!((found.verdict(), found.format), (Verdict::Clean, FileFormat::Hdf5));
    assert_eq!(found.contents.tensors, 8);
    for dtype in ["compound", "opaque", "sequence", "string", "float64", "float32", "enum"] {
        assert!(found.contents.dtypes.contains_key(dtype), "{dtype}: {:?}", found.contents.dtypes);
    }
}

#[test]
fn configurations_are_found_among_many_attributes() {
    let rules = found(file!("many"));
    assert_eq!(rules, ["KER004"]);
    let path = look(file!("many")).findings[0].place.to_string();
    assert_eq!(path, "model.h5!/@model_config");
}

#[test]
fn cve_2026_1669_elements_in_other_files() {
    assert_eq!(found(file!("external")), ["HDF002"]);
    assert_eq!(look(file!("external")).verdict(), Verdict::Malicious);
    assert!(look(file!("external")).contents.external.contains("/etc/passwd"));
    assert_eq!(found(file!("external_beside")), ["HDF003"]);
    // The path counts, not the kind of structure.
    let absolute = patched(file!("external_beside"), b"a.bin\0", b"/a/bn\0");
    assert_eq!(look(&absolute).verdict(), Verdict::Malicious);
}

#[test]
fn cve_2026_1669_links_and_virtual_datasets() {
    assert_eq!(found(file!("link")), ["HDF002"]);
    assert_eq!(found(file!("link_beside")), ["HDF003"]);
    assert_eq!(found(file!("virtual")), ["HDF002", "HDF002", "HDF004"]);
}

#[test]
fn cve_2026_0897_datasets_that_stand_for_more_than_there_is() {
    assert_eq!(found(file!("expands")), ["HDF009"]);
}

#[test]
fn filters_and_python_objects_are_found() {
    assert_eq!(found(file!("filter")), ["HDF007"]);
    assert_eq!(look(file!("filter")).verdict(), Verdict::Clean);
    let unknown = patched(file!("filter"), &32_000_u16.to_le_bytes(), &60_000_u16.to_le_bytes());
    assert_eq!(found(&unknown), ["HDF006"]);
    assert_eq!(found(file!("objects")), ["HDF013", "PKL001", "PKL002"]);
}

#[test]
fn links_of_other_kinds_need_a_library() {
    // The kind of the link, between its flags and the length of its name.
    let link = file!("link");
    let at = link.windows(4).position(|four| four == [1, 8, 64, 1]).unwrap();
    let mut user = link.to_vec();
    user[at + 2] = 70;
    assert_eq!(found(&user), ["HDF005"]);
}

#[test]
fn what_lies_around_the_data_is_found() {
    let mut before = file!("block").to_vec();
    before[..6].copy_from_slice(b"\x7fELF\x02\x01");
    assert!(found(&before).contains(&"HDF010".to_owned()));
    before[..6].copy_from_slice(b"a text");
    assert_eq!(look(&before).verdict(), Verdict::Clean);
    let mut after = file!("old").to_vec();
    after.extend(b"more");
    assert_eq!(found(&after), ["HDF011"]);
    // The same without a word of it in the superblock, which libraries make good.
    let shifted = [vec![0; 512], file!("old").to_vec()].concat();
    assert_eq!(look(&shifted).verdict(), Verdict::Clean);
}

#[test]
fn truncation_anywhere_is_malformed() {
    for data in [&file!("old")[..], file!("new")] {
        for end in (8..data.len()).step_by(7).chain([data.len() - 1]) {
            assert_eq!(look(&data[..end]).verdict(), Verdict::Malformed, "{end}");
        }
    }
}

#[test]
fn layouts_that_lead_beyond_the_file_are_found() {
    // A message of the layout, version 3, contiguous: its size.
    let data = file!("old");
    let at = data
        .windows(2)
        .enumerate()
        .position(|(at, two)| two == [3, 1] && data[at + 10..at + 18] == 48_u64.to_le_bytes());
    let at = at.unwrap();
    let mut short = data.to_vec();
    short[at + 10] = 47;
    assert_eq!(found(&short), ["HDF008"]);
    let mut beyond = data.to_vec();
    beyond[at + 5] = 1;
    assert_eq!(found(&beyond), ["HDF008"]);
}

#[test]
fn checksums_are_looked_at() {
    let data = file!("new");
    let mut wrong = data.to_vec();
    let at = data.windows(4).position(|four| four == b"OHDR").unwrap();
    wrong[at + 20] ^= 1;
    assert!(found(&wrong).contains(&"HDF001".to_owned()));
    wrong = data.to_vec();
    wrong[12] ^= 1;
    assert!(found(&wrong).contains(&"HDF001".to_owned()));
}

#[test]
fn trees_that_lead_back_end() {
    let data = file!("old");
    // The first child of the first tree is the tree itself.
    let at = data.windows(4).position(|four| four == b"TREE").unwrap();
    let mut circle = data.to_vec();
    circle[at + 32..at + 40].copy_from_slice(&(at as u64).to_le_bytes());
    assert_eq!(look(&circle).verdict(), Verdict::Malformed);
}

#[test]
fn any_byte_may_be_wrong() {
    for data in [&file!("old")[..], file!("new"), file!("many"), file!("virtual"), file!("external")] {
        for at in (0..data.len()).filter(|&at| at % 23 == 0 && (data[at] != 0 || at % 16 == 0)) {
            for value in [0xff, data[at] ^ 1] {
                let mut wrong = data.to_vec();
                wrong[at] = value;
                look(&wrong);
            }
        }
    }
}
