//! Streams that are more than pickles: joblib's arrays, PyTorch's storages.

use super::*;

/// An object that stands for an array of joblib; the array itself comes after this.
fn wrapper(asm: Asm, dtype: &str, shape: &[i32], aligned: bool) -> Asm {
    let mut asm = asm
        .stack_global("joblib.numpy_pickle", "NumpyArrayWrapper")
        .op(EMPTY_TUPLE)
        .op(NEWOBJ)
        .op(EMPTY_DICT)
        .entry("subclass", |asm| asm.stack_global("numpy", "ndarray"))
        .entry("dtype", |asm| {
            asm.stack_global("numpy", "dtype").text(dtype).op(NEWFALSE).op(NEWTRUE).op(TUPLE3).op(REDUCE)
        })
        .text("shape")
        .op(MARK);
    for &dimension in shape {
        asm = asm.int(dimension);
    }
    asm = asm.op(TUPLE).op(SETITEM);
    if aligned {
        asm = asm.entry("numpy_array_alignment_bytes", |asm| asm.int(16));
    }
    asm.op(BUILD)
}

#[test]
fn arrays_in_the_stream_are_passed_over() {
    let data = [0xff; 24];
    let plain = wrapper(p4(), "<f8", &[3], false).raw(&data).stop();
    let found = finds(&plain, &[]);
    assert_eq!((found.format, found.contents.parameters), (FileFormat::Joblib, 3));
    let aligned = wrapper(p4(), "f8", &[1, 3], true).raw(&[2, 0xff, 0xff]).raw(&data);
    finds(&aligned.clone().stop(), &[]);
    // What comes after them is seen.
    let evil = aligned.op(POP).stack_global("os", "system").text("true").op(TUPLE1).op(REDUCE).stop();
    finds(&evil, &["dangerous-global", "dangerous-call"]);
}

#[test]
fn arrays_are_judged_as_the_opcodes_that_other_readers_see() {
    let inner = p4().call("os", "system", "true").stop();
    let array = |data: &[u8]| {
        let count = i32::try_from(data.len()).expect("small");
        wrapper(p4(), "u1", &[count], false).raw(data).stop()
    };
    finds(&array(&inner), &["dangerous-global"]);
    finds(&array(b"0cos\nsystem\n(S'id'\ntR."), &["dangerous-global"]);
    finds(&array(b"0cacme.models\nNet\n."), &["opcodes-in-array"]);
    // By names on the stack, and far into the array.
    finds(&array(&Asm::default().stack_global("os", "system").stop()), &["dangerous-global"]);
    let far = Asm::default().bytes(&[7; 9000]).raw(b"cos\nsystem\n)R.").stop();
    finds(&array(&far), &["dangerous-global"]);
    // What is no opcode ends it; so does a name that is none.
    for harmless in
        [&b"\0cos\nsystem\n)R."[..], b"c\x01\x02\n\xff\n", b"K\x01\x07", b"", b"N", b".cos\nsystem\n"]
    {
        finds(&array(harmless), &[]);
    }
    // Behind an alignment, other readers fail at the padding that joblib writes, and only at that.
    let aligned = |padding: &[u8]| wrapper(p4(), "u1", &[3], true).raw(padding).raw(&[0; 3]).stop();
    finds(&aligned(&[2, 0xff, 0xff]), &[]);
    finds(&aligned(&[2, 0xff, 0x30]), &["opcodes-in-array"]);
    finds(&aligned(&[&[0x28][..], &[0xff; 0x28]].concat()), &["opcodes-in-array"]);
    // PyTorch and NumPy read no arrays of joblib.
    let object = array(b"0cos\nsystem\n(S'id'\ntR.");
    let found = named("model.pt", &zip(&[("m/data.pkl", &object), ("m/version", b"3\n")]));
    let rules = rules_of(&found);
    assert!(rules.contains(&"dangerous-call") && rules.contains(&"unusual-use"), "{rules:?}");
    // But an array of objects is one.
    let objects = wrapper(p4(), "O8", &[1], false).raw(&inner).stop();
    finds(&objects, &["dangerous-global", "dangerous-call"]);
}

#[test]
fn arrays_of_no_size_cannot_be_passed_over() {
    finds(&wrapper(p4(), "<x9", &[3], false).raw(&[0; 24]).stop(), &["unreadable-array"]);
    finds(&wrapper(p4(), "<f8", &[-3], false).raw(&[0; 24]).stop(), &["unreadable-array"]);
    finds(&wrapper(p4(), "<f8", &[i32::MAX, i32::MAX, i32::MAX], false).stop(), &["unreadable-array"]);
    finds(&wrapper(p4(), "<f8", &[1000], false).stop(), &["broken-pickle"]);
}

#[test]
fn arrays_in_other_files_stay_beside() {
    let elsewhere = |name: &str| {
        p2().global("joblib.numpy_pickle", "NDArrayWrapper")
            .op(EMPTY_TUPLE)
            .op(NEWOBJ)
            .op(EMPTY_DICT)
            .entry("filename", |asm| asm.text(name))
            .op(BUILD)
            .stop()
    };
    let found = finds(&elsewhere("model.pkl_01.npy"), &["array-in-other-file"]);
    assert!(found.contents.external.contains("model.pkl_01.npy"));
    for name in ["../secret.npy", "/etc/passwd", "C:x.npy", ""] {
        finds(&elsewhere(name), &["file-reference"]);
    }
}

/// A persistent identifier of PyTorch.
fn storage(asm: Asm, key: &str, count: i32) -> Asm {
    asm.op(MARK)
        .text("storage")
        .global("torch", "FloatStorage")
        .text(key)
        .text("cpu")
        .int(count)
        .op(TUPLE)
        .op(BINPERSID)
}

/// A file of PyTorch before 1.6.
fn legacy(object: Asm, storages: &[u8]) -> Vec<u8> {
    let mut file = TORCH_MAGIC.to_vec();
    file.extend(p2().int(1001).stop());
    file.extend(p2().op(EMPTY_DICT).stop());
    file.extend(object.stop());
    file.extend(p2().op(EMPTY_LIST).stop());
    file.extend(storages);
    file
}

#[test]
fn old_files_of_pytorch_are_five_pickles_and_storages() {
    let mut raw = 4_u64.to_le_bytes().to_vec();
    raw.extend([0x80; 16]);
    let found = finds(&legacy(storage(p2(), "0", 4), &raw), &[]);
    assert_eq!(
        (found.format, found.contents.pickle_tier()),
        (FileFormat::TorchLegacy, PickleTier::WeightsOnly)
    );
    finds(&legacy(storage(p2(), "0", 5), &raw), &["storage-size"]);
    finds(&legacy(storage(p2(), "0", -1), &raw), &["persistent-id", "storage-size"]);
    finds(&legacy(p2().call("os", "system", "x"), b""), &["dangerous-global", "dangerous-call"]);
}

/// A zip archive of members that are not compressed.
pub(super) fn zip(members: &[(&str, &[u8])]) -> Vec<u8> {
    let (mut file, mut directory) = (Vec::new(), Vec::new());
    for (name, data) in members {
        let mut crc = flate2::Crc::new();
        crc.update(data);
        let len = u32::try_from(data.len()).expect("small").to_le_bytes();
        let name_len = u16::try_from(name.len()).expect("short").to_le_bytes();
        let offset = u32::try_from(file.len()).expect("small").to_le_bytes();
        // Method, time and date: none. Checksum, sizes, lengths.
        let common = [&[0; 6][..], &crc.sum().to_le_bytes(), &len, &len, &name_len, &[0, 0]].concat();
        file.extend([&b"PK\x03\x04\x14\0\0\0"[..], &common, name.as_bytes(), data].concat());
        let entry = [&b"PK\x01\x02\x14\0\x14\0\0\0"[..], &common, &[0; 10], &offset, name.as_bytes()];
        directory.extend(entry.concat());
    }
    let count = u16::try_from(members.len()).expect("few").to_le_bytes();
    let (start, size) = (file.len(), directory.len());
    let place = |at: usize| u32::try_from(at).expect("small").to_le_bytes();
    file.extend(directory);
    file.extend([&b"PK\x05\x06\0\0\0\0"[..], &count, &count, &place(size), &place(start), &[0, 0]].concat());
    file
}

#[test]
fn storages_of_zip_archives_are_as_large_as_the_pickle_says() {
    let object = storage(p2(), "0", 4).stop();
    let archive = |data: &[u8]| {
        zip(&[("archive/data.pkl", &object), ("archive/data/0", data), ("archive/version", b"3\n")])
    };
    let found = named("model.pt", &archive(&[0; 16]));
    assert_eq!((rules_of(&found), found.format), (vec![], FileFormat::TorchZip), "{:?}", found.findings);
    assert_eq!(rules_of(&named("model.pt", &archive(&[0; 12]))), ["storage-size"]);
    let missing = zip(&[("archive/data.pkl", &object)]);
    assert_eq!(rules_of(&named("model.pt", &missing)), ["storage-missing"]);
    let evil = p2().global("os", "system").stop();
    let mut data = evil.clone();
    data.resize(16, 0);
    assert_eq!(rules_of(&named("model.pt", &archive(&data))), ["pickle-in-storage"]);
    let upper = zip(&[("archive/data.pkl", &object[..0]), ("archive/EVIL", &evil)]);
    assert_eq!(named("model.pt", &upper).verdict(), Verdict::Malicious);
}

#[test]
fn the_end_of_an_archive_does_not_hide_a_pickle() {
    let evil = [p4().raw(&[0xff]).0, p2().global("os", "system").stop()].concat();
    let file = [&evil[..], &[0; 4000], &zip(&[("a", b"b")])].concat();
    let found = named("model.pkl", &file);
    assert_eq!(found.verdict(), Verdict::Malicious);
    assert!(rules_of(&found).contains(&"two-formats"));
}

#[test]
fn what_readers_of_zip_archives_disagree_about_is_a_finding() {
    let pickle = p2().op(EMPTY_DICT).stop();
    let good = zip(&[("a.pkl", &pickle)]);
    assert_eq!(rules_of(&named("m.zip", &good)), [""; 0]);
    let central = good.windows(4).position(|four| four == b"PK\x01\x02").expect("a directory");
    let changed = |at: usize, byte: u8| {
        let mut file = good.clone();
        file[at] ^= byte;
        rules_of(&named("m.zip", &file))
    };
    assert_eq!(changed(30, 1), ["header-mismatch"], "the name in the header");
    assert_eq!(changed(8, 8), ["header-mismatch"], "the method");
    assert_eq!(changed(central + 16, 1), ["wrong-checksum"]);
    assert_eq!(changed(central + 9, 0x20), ["header-mismatch", "unusual-flags"]);
    let evil = p2().global("os", "system").stop();
    let prefixed = [evil.clone(), good.clone()].concat();
    assert_eq!(named("m.pt", &prefixed).verdict(), Verdict::Malicious);
    let twice = zip(&[("a.pkl", &pickle), ("a.pkl", &evil)]);
    assert_eq!(rules_of(&named("m.zip", &twice)), ["dangerous-global", "duplicate-member"]);
    let path = zip(&[("../a.pkl", &pickle)]);
    assert_eq!(rules_of(&named("m.zip", &path)), ["unsafe-member-name"]);
}

/// A tar archive of one member.
pub(super) fn tar(name: &str, data: &[u8]) -> Vec<u8> {
    let mut header = [0_u8; 512];
    header[..name.len()].copy_from_slice(name.as_bytes());
    header[124..135].copy_from_slice(format!("{:011o}", data.len()).as_bytes());
    header[148..156].fill(b' ');
    header[156] = b'0';
    let sum: u32 = header.iter().map(|&byte| u32::from(byte)).sum();
    header[148..155].copy_from_slice(format!("{sum:06o}\0").as_bytes());
    let padding = vec![0; data.len().next_multiple_of(512) - data.len() + 1024];
    [&header[..], data, &padding].concat()
}

#[test]
fn members_of_tar_archives_are_read_where_they_lie() {
    let object = storage(p2(), "0", 6_000_000).stop();
    let zeros = vec![0; 24_000_000];
    let checkpoint = zip(&[("archive/data.pkl", &object), ("archive/data/0", &zeros)]);
    let found = named("model.nemo", &tar("model_weights.ckpt", &checkpoint));
    assert_eq!((rules_of(&found), found.format), (vec![], FileFormat::Tar), "{:?}", found.findings);
    let evil = p2().global("os", "system").stop();
    let found = named("model.tar", &tar("model.pkl", &evil));
    assert_eq!(rules_of(&found), ["dangerous-global"]);
    assert_eq!(found.findings[0].place.to_string(), "model.tar!/model.pkl@2");
    let mut broken = tar("model.pkl", &evil);
    broken.truncate(700);
    assert_eq!(rules_of(&named("model.tar", &broken)), ["dangerous-global"]);
    broken.truncate(520);
    assert_eq!(named("model.tar", &broken).verdict(), Verdict::Malformed);
}

#[test]
fn archives_nest_to_a_depth() {
    let mut file = p2().global("os", "system").stop();
    for _ in 0..12 {
        file = zip(&[("inner.zip", &file)]);
    }
    assert_eq!(named("m.zip", &file).verdict(), Verdict::Malicious);
    for _ in 0..12 {
        file = zip(&[("inner.zip", &file)]);
    }
    assert_eq!(rules_of(&named("m.zip", &file)), ["nested-too-deep"]);
}
