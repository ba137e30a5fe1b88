//! Every bound on pickles is reached once, and what reaches it is never clean.

use super::*;

#[test]
fn depth() {
    let mut deep = p4().op(NONE);
    deep.0.extend(std::iter::repeat_n(TUPLE1, 200_000));
    finds(&deep.stop(), &["pickle-depth"]);
    let mut fine = p4().op(NONE);
    fine.0.extend(std::iter::repeat_n(TUPLE1, 2000));
    clean(&fine.stop(), PickleTier::Data);
}

#[test]
fn values_that_are_shared_again_and_again() {
    let mut bomb = p4().op(EMPTY_LIST);
    for _ in 0..60 {
        bomb = bomb.op(DUP).op(TUPLE2);
    }
    finds(&bomb.stop(), &["pickle-expansion"]);
}

#[test]
fn memory() {
    // A tuple of nothing costs forty times the byte that it takes.
    let mut many = p4();
    many.0.extend(std::iter::repeat_n(EMPTY_TUPLE, 4_000_000));
    finds(&many.stop(), &["pickle-memory"]);
}

#[test]
fn archives_that_share_their_bytes() {
    // Each of fifty members is the whole inner archive, three levels deep: a hundred thousand parts of a few kilobytes.
    let mut file = p2().op(EMPTY_DICT).stop();
    for _ in 0..3 {
        file = shared(&file, 50);
    }
    let start = std::time::Instant::now();
    assert!(rules_of(&named("m.zip", &file)).contains(&"too-many-parts"));
    assert!(start.elapsed().as_secs() < 2);
}

/// A zip archive whose directory has one member many times.
fn shared(data: &[u8], times: u16) -> Vec<u8> {
    let one = containers::zip(&[("a", data)]);
    let central = one.windows(4).rposition(|four| four == b"PK\x01\x02").expect("a directory");
    let end = one.len() - 22;
    let entry = &one[central..end];
    let mut file = one[..central].to_vec();
    for _ in 0..times {
        file.extend_from_slice(entry);
    }
    let size = u32::try_from(entry.len() * usize::from(times)).expect("small");
    let start = u32::try_from(central).expect("small");
    let count = times.to_le_bytes();
    file.extend(
        [&b"PK\x05\x06\0\0\0\0"[..], &count, &count, &size.to_le_bytes(), &start.to_le_bytes(), &[0, 0]]
            .concat(),
    );
    file
}

#[test]
fn marks_of_members_that_are_none() {
    // Read as members, each would have a name of nineteen kilobytes.
    let file = b"PK\x03\x04".repeat(50_000);
    let start = std::time::Instant::now();
    assert!(rules_of(&named("m.zip", &file)).contains(&"too-many-members"));
    assert!(start.elapsed().as_secs() < 10);
}

#[test]
fn what_nested_archives_hold_is_bounded_together() {
    let mut file = vec![0xa5; 15_000_000];
    for levels in 1..=5 {
        file = deflated("inner.zip", &file);
        let found = named("m.zip", &file);
        assert_eq!(rules_of(&found).contains(&"member-too-large"), levels > 4, "{:?}", found.findings);
    }
}

/// A zip archive of a member that is compressed, though to no effect.
pub(super) fn deflated(name: &str, data: &[u8]) -> Vec<u8> {
    let mut packed = flate2::write::DeflateEncoder::new(Vec::new(), flate2::Compression::none());
    std::io::Write::write_all(&mut packed, data).expect("memory can be written");
    let packed = packed.finish().expect("memory can be written");
    let mut file = containers::zip(&[(name, &packed)]);
    let central = file.windows(4).rposition(|four| four == b"PK\x01\x02").expect("a directory");
    let mut crc = flate2::Crc::new();
    crc.update(data);
    let size = u32::try_from(data.len()).expect("small").to_le_bytes();
    for header in [4, central + 6] {
        file[header + 4] = 8;
        file[header + 10..header + 14].copy_from_slice(&crc.sum().to_le_bytes());
        file[header + 18..header + 22].copy_from_slice(&size);
    }
    file
}

#[test]
fn long_names_that_are_named_again() {
    let mut again = p4();
    for name in ["m".repeat(4096), "n".repeat(4096)] {
        again = again.op(BINUNICODE).raw(&4096_u32.to_le_bytes()).raw(name.as_bytes()).op(MEMOIZE);
    }
    again.0.extend([BINGET, 0, BINGET, 1, STACK_GLOBAL, POP].repeat(200_000));
    let start = std::time::Instant::now();
    finds(&again.stop(), &["unknown-global"]);
    assert!(start.elapsed().as_secs() < 2);
}

#[test]
fn names_count_as_memory() {
    // Three million of them, in 38 MB, took half a gibibyte before they were counted.
    let mut many = p2();
    for number in 0..500_000 {
        many.0.extend_from_slice(format!("cm\n{number}\n0").as_bytes());
    }
    assert!(rules_of(&look(&many.op(NONE).stop())).contains(&"pickle-memory"));
}

#[test]
fn the_memo_does_not_grow_with_its_places() {
    let mut far = p4().op(NONE);
    for place in (0..1000_u32).map(|at| at * 4_000_000) {
        far = far.op(LONG_BINPUT).raw(&place.to_le_bytes());
    }
    clean(&far.stop(), PickleTier::Data);
}

#[test]
fn lengths_beyond_the_file_take_no_memory() {
    for (code, len) in [(BINUNICODE8, u64::MAX), (BINBYTES8, 1 << 62), (BYTEARRAY8, 1 << 40)] {
        finds(&p4().op(code).raw(&len.to_le_bytes()).raw(b"x").stop(), &["broken-pickle"]);
    }
    finds(&p4().op(BINBYTES).raw(&[0xff; 4]).stop(), &["broken-pickle"]);
}

#[test]
fn numbers_and_lines() {
    let digits = |count: usize| Asm::default().op(LONG).raw(&vec![b'9'; count]).raw(b"L\n").stop();
    clean(&digits(4300), PickleTier::Data);
    finds(&digits(4301), &["pickle-number"]);
    finds(&digits(100_000), &["pickle-number"]);
    let letters = [b"V".to_vec(), vec![b'a'; 100_000], b"\n.".to_vec()].concat();
    clean(&letters, PickleTier::Data);
    let module = "m".repeat(20_000);
    finds(&p2().global(&module, "x").0, &["pickle-line"]);
    let wide = format!("Vo{}\n.", "\\u006f".repeat(5000));
    clean(wide.as_bytes(), PickleTier::Data);
    let name = "a".repeat(10_000);
    finds(&p2().global("my", &name).stop(), &["unknown-global"]);
    let long = p4().raw(&[BINUNICODE]).raw(&10_000_u32.to_le_bytes()).raw(name.as_bytes());
    finds(&long.text("x").op(STACK_GLOBAL).stop(), &["computed-name"]);
}

#[test]
fn findings() {
    let mut many = p2();
    for number in 0..5000 {
        many = many.global("my_project", &format!("f{number}"));
    }
    // What is worse than all that is still told of.
    let found = look(&many.clone().global("os", "system").stop());
    assert_eq!(found.verdict(), Verdict::Malicious);
    assert!(rules_of(&found).contains(&"too-many-findings"));
    assert!(found.findings.len() <= limits::FINDINGS + 8);
    assert_eq!(found.contents.globals.len(), modelseal_core::inspection::NAMES_KEPT);
    // One finding about one subject is told of once, with its number.
    let often = finds(&[p2().global("my", "f").stop().as_slice(); 50].concat(), &["unknown-global"]);
    assert_eq!(often.findings[0].count, 50);
}

#[test]
fn searches_for_the_next_pickle_end() {
    let broken = p2().raw(&[0xff; 3]).0;
    let start = std::time::Instant::now();
    assert!(look(&broken.repeat(200_000)).verdict() > Verdict::Clean);
    assert!(start.elapsed().as_secs() < 5);
}
