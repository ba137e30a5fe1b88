//! What is said of a file does not depend on where its bytes come from: memory, a file, reads of a few bytes at a time, or
//! an archive, compressed or not. Over the samples in `MODELSEAL_SAMPLES`; they are hostile data and only ever read.

#![expect(clippy::print_stdout, clippy::expect_used, reason = "a test")]

use modelseal_core::{
    inspection::{FileInspection, Verdict},
    path::ModelPath,
};
use modelseal_inspect::{Bytes, FileBytes, Globals, inspect};
use std::{
    env, fs, io,
    path::{Path, PathBuf},
};

/// Samples larger than this are left to the other tests.
const MOST: u64 = 4 * 1024 * 1024;

/// Gives a few bytes at a time, as `pread` may.
struct Drops(Vec<u8>);

impl Bytes for Drops {
    fn len(&self) -> u64 {
        self.0.len() as u64
    }

    fn read_at(&self, offset: u64, buffer: &mut [u8]) -> io::Result<usize> {
        let few = buffer.len().min(1 + (offset % 61) as usize);
        self.0.read_at(offset, &mut buffer[..few])
    }
}

#[test]
fn the_same_from_memory_from_a_file_and_in_drops() {
    for path in samples() {
        let bytes = fs::read(&path).expect("a sample");
        let file = FileBytes::new(fs::File::open(&path).expect("a sample")).expect("it has a size");
        let found = look(name(&path), &bytes);
        assert_eq!(look(name(&path), &file), found, "{}", path.display());
        assert_eq!(look(name(&path), &Drops(bytes)), found, "{}", path.display());
    }
}

#[test]
fn the_same_in_an_archive_and_out_of_a_decoder() {
    let mut differences = Vec::new();
    for path in samples() {
        let bytes = fs::read(&path).expect("a sample");
        let (name, is_empty) = (name(&path), bytes.is_empty());
        let plain = look(name, &bytes);
        for (how, archive) in [("stored", zip(name, &bytes, false)), ("deflated", zip(name, &bytes, true))] {
            let packed = look("samples.zip", &archive);
            // In an archive nothing is harmless that was not, and nothing is a crime that was none.
            if !is_empty && class(packed.verdict()) != class(plain.verdict()) {
                let rules: Vec<String> =
                    packed.findings.iter().map(|finding| finding.rule.to_string()).collect();
                let (found, in_it) = (plain.verdict(), packed.verdict());
                differences.push(format!("{}: {found}, {how}: {in_it}: {rules:?}", path.display()));
            }
        }
    }
    assert!(differences.is_empty(), "{} differ:\n{}", differences.len(), differences.join("\n"));
}

/// Malicious, clean, or neither. What is malformed, suspicious or unknown may turn out one way or another where a reader can
/// only go forward.
fn class(verdict: Verdict) -> i32 {
    match verdict {
        Verdict::Clean => 0,
        Verdict::Malicious => 2,
        _ => 1,
    }
}

fn look(name: &str, bytes: &dyn Bytes) -> FileInspection {
    let path = ModelPath::parse(name).expect("a name");
    inspect(&path, bytes, Globals::shipped()).expect("it can be read").into_inner()
}

fn name(path: &Path) -> &str {
    path.file_name().and_then(|name| name.to_str()).expect("a name")
}

fn samples() -> Vec<PathBuf> {
    let Some(root) = env::var_os("MODELSEAL_SAMPLES") else {
        println!("skipped: MODELSEAL_SAMPLES is not set");
        return Vec::new();
    };
    let mut folders = vec![Path::new(&root).join("inspection")];
    let mut files = Vec::new();
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).expect("the samples") {
            let path = entry.expect("a sample").path();
            if path.is_dir() {
                folders.push(path);
            } else if fs::metadata(&path).expect("a sample").len() <= MOST && name(&path) != "index.json" {
                files.push(path);
            }
        }
    }
    files.sort();
    files
}

/// An archive of one member.
fn zip(name: &str, data: &[u8], deflate: bool) -> Vec<u8> {
    let mut packed = data.to_vec();
    if deflate {
        let mut encoder = flate2::write::DeflateEncoder::new(Vec::new(), flate2::Compression::fast());
        io::Write::write_all(&mut encoder, data).expect("memory can be written");
        packed = encoder.finish().expect("memory can be written");
    }
    let mut crc = flate2::Crc::new();
    crc.update(data);
    let small = |number: usize| u32::try_from(number).expect("small").to_le_bytes();
    let method = [if deflate { 8 } else { 0 }, 0, 0, 0, 0, 0];
    let [a, b, ..] = small(name.len());
    let sizes = [small(packed.len()), small(data.len())].concat();
    let common = [&method[..], &crc.sum().to_le_bytes(), &sizes, &[a, b, 0, 0]].concat();
    let local = [&b"PK\x03\x04\x14\0\0\0"[..], &common, name.as_bytes(), &packed].concat();
    let central = [&b"PK\x01\x02\x14\0\x14\0\0\0"[..], &common, &[0; 14], name.as_bytes()].concat();
    let end = [&b"PK\x05\x06\0\0\0\0\x01\0\x01\0"[..], &small(central.len()), &small(local.len()), &[0, 0]]
        .concat();
    [local, central, end].concat()
}
