//! Archives that `testdata/make_7z.py` has written with py7zr, and what becomes of them.

use modelseal_core::inspection::{FileFormat, FileInspection, Verdict};

macro_rules! file {
    ($name:literal) => {
        include_bytes!(concat!("../../testdata/7z/", $name, ".7z"))
    };
}

fn look(data: &[u8]) -> FileInspection {
    crate::testing::look("model.7z", data)
}

fn found(data: &[u8]) -> Vec<String> {
    look(data).findings.iter().map(|finding| finding.rule.to_string()).collect()
}

/// `data` with what the start says of the header made right again.
fn summed(mut data: Vec<u8>) -> Vec<u8> {
    let number =
        |at: usize| usize::try_from(u64::from_le_bytes(data[at..at + 8].try_into().unwrap())).unwrap();
    let at = number(12) + 32;
    let header = super::crc(&data[at..at + number(20)]);
    data[28..32].copy_from_slice(&header.to_le_bytes());
    let start = super::crc(&data[12..32]);
    data[8..12].copy_from_slice(&start.to_le_bytes());
    data
}

const WAYS: [&[u8]; 8] = [
    file!("copy"),
    file!("lzma"),
    file!("lzma2"),
    file!("bcj"),
    file!("delta"),
    file!("bzip2"),
    file!("deflate"),
    file!("plain_header"),
];

#[test]
fn members_are_inspected_however_they_are_packed() {
    for data in WAYS {
        let found = look(data);
        assert_eq!((found.verdict(), found.format), (Verdict::Clean, FileFormat::SevenZip));
        assert_eq!(found.contents.members, 4);
        assert!(found.formats.contains(&FileFormat::Pickle));
    }
    let found = look(file!("evil"));
    assert_eq!(found.verdict(), Verdict::Malicious);
    assert_eq!(found.findings[0].place.to_string(), "model.7z!/b/data.pkl@0");
}

#[test]
fn what_cannot_be_read_is_never_clean() {
    assert_eq!(found(file!("aes")), ["SVZ002"]);
    assert_eq!(found(file!("aes_names")), ["SVZ002"]);
    assert_eq!(found(file!("ppmd")), ["SVZ003"]);
    for mark in [&b"Rar!\x1a\x07\x00"[..], b"Rar!\x1a\x07\x01\x00", b"MSCF\0\0\0\0", b"070701"] {
        let data = [mark, &[b'0'; 100]].concat();
        assert_eq!(look(&data).verdict(), Verdict::Suspicious);
    }
}

#[test]
fn truncation_anywhere_is_malformed() {
    for data in WAYS {
        for end in 6..data.len() {
            assert_eq!(look(&data[..end]).verdict(), Verdict::Malformed, "{end}");
        }
    }
}

#[test]
fn what_is_wrong_is_found() {
    let mut more = file!("lzma2").to_vec();
    more.push(0);
    assert_eq!(found(&more), ["SVZ005"]);
    let mut changed = file!("copy").to_vec();
    changed[33] ^= 1;
    assert_eq!(found(&changed), ["SVZ007"]);
    // The last name of a header that is not packed; it is written in UTF-16.
    let name: Vec<u8> = "m/notes".encode_utf16().flat_map(u16::to_le_bytes).collect();
    let path: Vec<u8> = "../otes".encode_utf16().flat_map(u16::to_le_bytes).collect();
    let plain = file!("plain_header");
    let at = plain.windows(name.len()).position(|window| window == name).unwrap();
    let mut leaves = plain.to_vec();
    leaves[at..at + path.len()].copy_from_slice(&path);
    assert_eq!(found(&summed(leaves.clone())), ["SVZ004"]);
    assert_eq!(found(&leaves), ["SVZ001"]);
}

#[test]
fn any_byte_of_a_header_may_be_wrong() {
    for data in WAYS {
        for at in 32..data.len() {
            for value in [0, 0xff, data[at] ^ 1, data[at].wrapping_add(1)] {
                let mut wrong = data.to_vec();
                wrong[at] = value;
                look(&summed(wrong));
            }
        }
    }
}

#[test]
fn a_decoder_may_claim_any_size() {
    let plain = file!("plain_header");
    let sizes = [0x0c, 0x83, 0xf1, 0x83, 0xf1];
    let at = plain.windows(sizes.len()).position(|window| window == sizes).unwrap() + 1;
    // The size of what comes out first, and of what comes out last.
    for claimed in [u64::MAX, u64::MAX - 4095, u64::MAX - 4096, 1 << 63] {
        let number = [&[0xff][..], &claimed.to_le_bytes()].concat();
        let claim = |range: std::ops::Range<usize>| {
            let mut wrong = plain.to_vec();
            wrong.splice(range, number.iter().copied());
            wrong[20] += 7;
            look(&summed(wrong)).verdict()
        };
        assert_eq!(claim(at..at + 2), Verdict::Clean, "{claimed}");
        assert_eq!(claim(at + 2..at + 4), Verdict::Malformed, "{claimed}");
    }
}
