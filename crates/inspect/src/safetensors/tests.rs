use crate::{Globals, inspect};
use modelseal_core::{
    inspection::{FileFormat, FileInspection, Verdict},
    path::ModelPath,
};
use proptest::prelude::*;
use std::fmt::Write as _;

const GOOD: &str = r#"{"__metadata__":{"format":"pt"},"a":{"dtype":"F32","shape":[2,2],"data_offsets":[0,16]},"b":{"dtype":"I8","shape":[3],"data_offsets":[16,19]}}"#;

fn file(header: &str, data: usize) -> Vec<u8> {
    [&(header.len() as u64).to_le_bytes()[..], header.as_bytes(), &vec![7; data]].concat()
}

fn look(data: &[u8]) -> FileInspection {
    crate::testing::look("model.safetensors", data)
}

fn found(data: &[u8]) -> Vec<String> {
    look(data).findings.iter().map(|finding| finding.rule.to_string()).collect()
}

/// A header of one tensor.
fn one(said: &str) -> String {
    format!(r#"{{"a":{{{said}}}}}"#)
}

#[test]
fn templates_and_code_that_the_metadata_names() {
    let with = |name: &str, text: &str| {
        let header = format!(
            r#"{{"__metadata__":{{"{name}":"{text}"}},"a":{{"dtype":"I8","shape":[3],"data_offsets":[0,3]}}}}"#
        );
        look(&file(&header, 3))
    };
    assert_eq!(with("chat_template", "{{ x.__class__ }}").verdict(), Verdict::Malicious);
    assert_eq!(with("chat_template", "{{ messages[0].content }}").verdict(), Verdict::Clean);
    assert_eq!(with("auto_map", "{'AutoModel': 'x.Y'}").findings[0].rule.as_str(), "HFC001");
    assert_eq!(with("auto_map", "{}").verdict(), Verdict::Clean);
}

#[test]
fn good_files_are_clean_and_told() {
    let told = look(&file(GOOD, 19));
    assert_eq!(
        (told.format, told.verdict()),
        (FileFormat::Safetensors, Verdict::Clean),
        "{:?}",
        told.findings
    );
    assert_eq!((told.contents.tensors, told.contents.parameters), (2, 7));
    assert_eq!(told.contents.dtypes.keys().collect::<Vec<_>>(), ["F32", "I8"]);
    for (header, data) in [
        ("{}", 0),
        ("{}      ", 0),
        (&*one(r#""dtype":"F64","shape":[],"data_offsets":[0,8]"#), 8),
        (&*one(r#""dtype":"F64","shape":[0,5],"data_offsets":[0,0]"#), 0),
        (&*one(r#""dtype":"F4","shape":[3,2],"data_offsets":[0,3]"#), 3),
        // Not in the order of their data.
        (
            r#"{"b":{"shape":[1],"dtype":"U8","data_offsets":[1,2]},"a":{"dtype":"U8","shape":[1],"data_offsets":[0,1]}}"#,
            2,
        ),
    ] {
        assert_eq!(found(&file(header, data)), [""; 0], "{header}");
    }
}

#[test]
fn what_is_wrong_is_found() {
    let said = |said: &str| one(said);
    for (rule, header, data) in [
        ("STN002", " {}".to_owned(), 0),
        ("STN002", "{}\0\0".to_owned(), 0),
        ("STN002", "{}{}".to_owned(), 0),
        ("STN002", "[]".to_owned(), 0),
        ("STN002", "{\"a\":".to_owned(), 0),
        ("STN002", "\u{feff}{}".to_owned(), 0),
        ("STN002", r#"{"__metadata__":{"a":"\ud800"}}"#.to_owned(), 0),
        ("STN003", said(r#""dtype":"U8","dtype":"I8","shape":[1],"data_offsets":[0,1]"#), 1),
        ("STN003", r#"{"__metadata__":{"a":"1","\u0061":"2"}}"#.to_owned(), 0),
        ("STN003", r#"{"__metadata__":{},"__metadata__":{}}"#.to_owned(), 0),
        (
            "STN003",
            r#"{"a":{"dtype":"U8","shape":[1],"data_offsets":[0,1]},"a":{"dtype":"I8","shape":[0],"data_offsets":[1,1]}}"#
                .to_owned(),
            1,
        ),
        ("STN004", said(r#""dtype":"X8","shape":[1],"data_offsets":[0,1]"#), 1),
        ("STN004", said(r#""dtype":8,"shape":[1],"data_offsets":[0,1]"#), 1),
        ("STN004", said(r#""dtype":"U8","shape":[-1],"data_offsets":[0,1]"#), 1),
        ("STN004", said(r#""dtype":"U8","shape":[1.0],"data_offsets":[0,1]"#), 1),
        ("STN004", said(r#""dtype":"U8","shape":["1"],"data_offsets":[0,1]"#), 1),
        ("STN004", said(r#""dtype":"U8","shape":1,"data_offsets":[0,1]"#), 1),
        ("STN004", said(r#""dtype":"U8","shape":[4294967296,4294967296],"data_offsets":[0,1]"#), 1),
        ("STN004", said(r#""dtype":"U8","shape":[1],"data_offsets":[0,1,2]"#), 1),
        ("STN004", said(r#""dtype":"U8","shape":[1],"data_offsets":[1]"#), 1),
        ("STN004", said(r#""dtype":"U8","shape":[1],"data_offsets":[1,0]"#), 1),
        ("STN004", said(r#""dtype":"U8","shape":[1],"data_offsets":[0,18446744073709551616]"#), 1),
        ("STN004", said(r#""dtype":"U8","shape":[1]"#), 1),
        ("STN004", r#"{"a":7}"#.to_owned(), 0),
        ("STN005", said(r#""dtype":"F32","shape":[2],"data_offsets":[0,4]"#), 4),
        ("STN005", said(r#""dtype":"F64","shape":[4611686018427387904],"data_offsets":[0,0]"#), 0),
        ("STN005", said(r#""dtype":"F4","shape":[3],"data_offsets":[0,1]"#), 1),
        ("STN006", said(r#""dtype":"U8","shape":[9],"data_offsets":[0,9]"#), 8),
        ("STN008", said(r#""dtype":"U8","shape":[1],"data_offsets":[8,9]"#), 9),
        ("STN008", said(r#""dtype":"U8","shape":[1],"data_offsets":[0,1]"#), 2),
        ("STN008", "{}".to_owned(), 2),
        ("STN009", said(r#""dtype":"U8","shape":[1],"data_offsets":[0,1],"x":[{"y":1}]"#), 1),
        ("STN010", r#"{"__metadata__":{"a":1}}"#.to_owned(), 0),
        ("STN010", r#"{"__metadata__":["a"]}"#.to_owned(), 0),
        ("STN011", r#"{"__metadata__":{"a":"__import__('os').system('id')"}}"#.to_owned(), 0),
        ("STN011", r#"{"__metadata__":{"a":"gASVFAAAAAAAAACMBW"}}"#.to_owned(), 0),
    ] {
        assert_eq!(found(&file(&header, data)), [rule], "{header}");
    }
    let deep = format!("{{\"a\":{}", "[".repeat(1000));
    assert!(found(&file(&deep, 0)).contains(&"LIM016".to_owned()));
    let overlap = r#"{"a":{"dtype":"U8","shape":[2],"data_offsets":[0,2]},"b":{"dtype":"U8","shape":[2],"data_offsets":[1,3]}}"#;
    assert_eq!(found(&file(overlap, 3)), ["STN007"]);
    let unaligned = r#"{"a":{"dtype":"U8","shape":[1],"data_offsets":[0,1]},"b":{"dtype":"F16","shape":[1],"data_offsets":[1,3]}}"#;
    assert_eq!(look(&file(unaligned, 3)).verdict(), Verdict::Clean);
    assert_eq!(found(&file(unaligned, 3)), ["STN012"]);
}

#[test]
fn lengths_that_are_none_are_found() {
    assert_eq!(found(&[0; 8]), ["STN001"]);
    assert_eq!(found(&[&100_000_001_u64.to_le_bytes()[..], b"{}"].concat()), ["STN001"]);
    assert_eq!(found(&[&u64::MAX.to_le_bytes()[..], b"{}"].concat()), ["STN001"]);
    assert_eq!(found(&[&9_u64.to_le_bytes()[..], b"{}"].concat()), ["STN001"]);
    assert_eq!(found(b"abc"), ["STN001"]);
}

#[test]
fn another_format_at_the_end_is_found() {
    let mut bytes = file(GOOD, 19);
    bytes.extend(b"PK\x05\x06\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0");
    let rules = found(&bytes);
    assert!(rules.contains(&"FMT004".to_owned()) && rules.contains(&"STN008".to_owned()), "{rules:?}");
    assert!(look(&bytes).formats.contains(&FileFormat::Zip));
}

#[test]
fn what_comes_out_of_a_decoder_is_judged_alike() {
    use std::io::Write as _;
    let short = [&9_u64.to_le_bytes()[..], b"{}"].concat();
    for (data, rules) in [
        (file(GOOD, 19), vec![]),
        (file(GOOD, 18), vec!["STN006"]),
        (file(GOOD, 20), vec!["STN008"]),
        (short, vec!["STN001"]),
    ] {
        let mut packed = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        packed.write_all(&data).unwrap();
        let path = ModelPath::parse("model.safetensors.gz").unwrap();
        let told = inspect(&path, &packed.finish().unwrap(), Globals::shipped()).unwrap().into_inner();
        let found: Vec<String> = told.findings.iter().map(|finding| finding.rule.to_string()).collect();
        assert_eq!(found, rules);
        assert!(told.formats.contains(&FileFormat::Safetensors));
    }
}

#[test]
fn a_hundred_thousand_tensors_are_read_fast() {
    let mut header = String::from("{");
    for n in 0..100_000 {
        let comma = if n == 0 { "" } else { "," };
        write!(
            header,
            r#"{comma}"model.layers.{n}.weight":{{"dtype":"U8","shape":[1],"data_offsets":[{n},{}]}}"#,
            n + 1
        )
        .unwrap();
    }
    header.push('}');
    let bytes = file(&header, 100_000);
    let started = std::time::Instant::now();
    let told = look(&bytes);
    assert_eq!((told.verdict(), told.contents.tensors), (Verdict::Clean, 100_000));
    assert!(started.elapsed().as_secs() < 10);
}

#[test]
fn truncation_anywhere_is_found() {
    let bytes = file(GOOD, 19);
    for end in 1..bytes.len() {
        assert_eq!(look(&bytes[..end]).verdict(), Verdict::Malformed, "{end}");
    }
}

proptest! {
    #[test]
    fn it_never_panics(at in 0_usize..200, byte: u8) {
        let mut bytes = file(GOOD, 19);
        let at = at % bytes.len();
        bytes[at] = byte;
        look(&bytes);
    }
}

#[test]
fn an_archive_among_the_elements_is_found_also_with_something_behind_it() {
    let archive = crate::zip::stored::archive(&[("a/data.pkl", b"\x80\x02cos\nsystem\n.")]);
    for behind in [0, 1, 100, 60_000] {
        let elements = [&[0; 1000][..], &archive, &vec![0; behind]].concat();
        let len = elements.len();
        let header = format!(r#"{{"a":{{"dtype":"U8","shape":[{len}],"data_offsets":[0,{len}]}}}}"#);
        let mut bytes = file(&header, 0);
        bytes.extend(elements);
        assert_eq!(look(&bytes).verdict(), Verdict::Malicious, "{behind}");
    }
    // Bytes that only look like the end of one.
    let header = r#"{"a":{"dtype":"U8","shape":[1000],"data_offsets":[0,1000]}}"#;
    let mut bytes = file(header, 0);
    bytes
        .extend([&[7; 500][..], b"PK\x05\x06\0\0\0\0\x01\0\x01\0\x40\0\0\0\0\0\0\0\0\0", &[7; 478]].concat());
    assert_eq!(look(&bytes).verdict(), Verdict::Clean);
}
