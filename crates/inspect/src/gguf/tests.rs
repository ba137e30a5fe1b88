use crate::{Globals, inspect};
use modelseal_core::{
    inspection::{Capability, FileFormat, FileInspection, Verdict},
    path::ModelPath,
};
use proptest::prelude::*;

/// A GGUF file that is put together piece by piece.
#[derive(Clone)]
struct File {
    version: u32,
    big_endian: bool,
    pairs: Vec<(String, u32, Vec<u8>)>,
    /// Name, dimensions, type, offset.
    tensors: Vec<(String, Vec<u64>, u32, u64)>,
    counts: Option<(u64, u64)>,
    data: Vec<u8>,
}

impl File {
    fn good() -> Self {
        let mut file = Self {
            version: 3,
            big_endian: false,
            pairs: Vec::new(),
            tensors: vec![
                ("token_embd.weight".into(), vec![8, 3], 0, 0),
                ("blk.0.q".into(), vec![32, 2], 8, 96),
            ],
            counts: None,
            data: vec![1; 96 + 68 + 28],
        };
        file.data[164..].fill(0);
        let text = file.text("llama");
        file.pairs.push(("general.architecture".into(), 8, text));
        let count = file.number(1, 4);
        file.pairs.push(("llama.block_count".into(), 4, count));
        file
    }

    fn number(&self, number: u64, size: usize) -> Vec<u8> {
        let mut bytes = number.to_le_bytes()[..size].to_vec();
        if self.big_endian {
            bytes.reverse();
        }
        bytes
    }

    fn length(&self, number: u64) -> Vec<u8> {
        self.number(number, if self.version == 1 { 4 } else { 8 })
    }

    fn text(&self, text: &str) -> Vec<u8> {
        [self.length(text.len() as u64), text.as_bytes().to_vec()].concat()
    }

    fn header(&self) -> Vec<u8> {
        let (tensors, pairs) = self.counts.unwrap_or((self.tensors.len() as u64, self.pairs.len() as u64));
        let mut out = b"GGUF".to_vec();
        out.extend(self.number(self.version.into(), 4));
        out.extend(self.length(tensors));
        out.extend(self.length(pairs));
        for (key, kind, value) in &self.pairs {
            out.extend(self.text(key));
            out.extend(self.number((*kind).into(), 4));
            out.extend(value);
        }
        for (name, dimensions, kind, offset) in &self.tensors {
            out.extend(self.text(name));
            out.extend(self.number(dimensions.len() as u64, 4));
            dimensions.iter().for_each(|dimension| out.extend(self.length(*dimension)));
            out.extend(self.number((*kind).into(), 4));
            out.extend(self.number(*offset, 8));
        }
        out
    }

    fn bytes(&self) -> Vec<u8> {
        let mut out = self.header();
        out.resize(out.len().next_multiple_of(32), 0);
        out.extend(&self.data);
        out
    }

    fn with(mut self, change: impl FnOnce(&mut Self)) -> Self {
        change(&mut self);
        self
    }

    fn pair(self, key: &str, kind: u32, value: Vec<u8>) -> Self {
        self.with(|file| file.pairs.push((key.to_owned(), kind, value)))
    }
}

fn look(data: &[u8]) -> FileInspection {
    crate::testing::look("m.gguf", data)
}

fn found(file: &File) -> Vec<String> {
    look(&file.bytes()).findings.iter().map(|finding| finding.rule.to_string()).collect()
}

#[test]
fn good_files_are_clean_and_told() {
    let file = look(&File::good().bytes());
    assert_eq!((file.format, file.verdict()), (FileFormat::Gguf, Verdict::Clean), "{:?}", file.findings);
    assert_eq!((file.contents.tensors, file.contents.parameters), (2, 88));
    assert_eq!(file.contents.dtypes.keys().collect::<Vec<_>>(), ["F32", "Q8_0"]);
    // The last padding may be missing.
    let bytes = File::good().bytes();
    assert!(look(&bytes[..bytes.len() - 28]).findings.is_empty());
}

#[test]
fn every_version_and_byte_order_is_read() {
    for version in 1..=3 {
        let mut file = File::good();
        file.version = version;
        file.pairs.clear();
        let text = file.text("llama");
        let file = file.pair("general.architecture", 8, text);
        assert_eq!(found(&file), [""; 0], "{version}");
    }
    let mut file = File::good();
    file.big_endian = true;
    file.pairs.clear();
    let text = file.text("llama");
    let file = file.pair("general.architecture", 8, text);
    assert_eq!(found(&file), ["GGF004"]);
    assert_eq!(look(&file.bytes()).contents.parameters, 88);
}

#[test]
fn values_of_every_kind_are_passed_over() {
    let mut file = File::good();
    for (kind, size) in
        [(0, 1), (1, 1), (2, 2), (3, 2), (4, 4), (5, 4), (6, 4), (7, 1), (10, 8), (11, 8), (12, 8)]
    {
        file = file.pair(&format!("k{kind}"), kind, vec![0; size]);
        let array = [file.number(kind.into(), 4), file.length(3), vec![0; 3 * size]].concat();
        file = file.pair(&format!("a{kind}"), 9, array);
    }
    let text = file.text("ab");
    let texts = [file.number(8, 4), file.length(2), text.clone(), text].concat();
    let nested = [file.number(9, 4), file.length(2), texts.clone(), texts.clone()].concat();
    let file = file.pair("texts", 9, texts).pair("nested", 9, nested);
    assert_eq!(found(&file), [""; 0]);
}

#[test]
fn what_is_wrong_is_found() {
    let good = File::good;
    let le = |number: u64| number.to_le_bytes().to_vec();
    let cases: Vec<(&str, File)> = vec![
        ("GGF001", good().with(|f| f.counts = Some((1 << 60, 2)))),
        ("GGF001", good().with(|f| f.counts = Some((2, u64::MAX)))),
        ("GGF001", good().with(|f| f.counts = Some((2, 5)))),
        ("GGF001", good().pair("a", 9, [&[0, 0, 0, 0][..], &le(1 << 60)].concat())),
        ("GGF001", good().pair("a", 8, le(1 << 60))),
        ("GGF002", good().with(|f| f.version = 0)),
        ("GGF002", good().with(|f| f.version = 1000)),
        ("GGF003", good().with(|f| f.version = 4)),
        ("GGF005", good().pair(&"k".repeat(65_536), 0, vec![0])),
        ("GGF006", good().pair("llama.block_count", 4, vec![0; 4])),
        ("GGF006", good().with(|f| f.tensors[1].0 = "token_embd.weight".into())),
        ("GGF007", good().pair("a", 13, vec![0; 8])),
        ("GGF007", good().pair("a", 7, vec![2])),
        ("GGF007", good().pair("a", 9, [&[77, 0, 0, 0][..], &le(1)].concat())),
        ("GGF007", good().pair("tokenizer.chat_template", 0, vec![0])),
        ("GGF008", good().pair("general.alignment", 4, vec![0, 0, 0, 0])),
        ("GGF008", good().pair("general.alignment", 4, vec![3, 0, 0, 0])),
        ("GGF008", good().with(|f| f.tensors[1].3 = 97)),
        ("GGF009", good().with(|f| f.tensors[0].1 = vec![1; 5])),
        ("GGF009", good().with(|f| f.tensors[0].1 = vec![1 << 40, 1 << 40])),
        ("GGF009", good().with(|f| f.tensors[0].2 = 4)),
        ("GGF009", good().with(|f| f.tensors[0].2 = 999)),
        ("GGF009", good().with(|f| f.tensors[1].1 = vec![33, 2])),
        ("GGF009", good().with(|f| f.tensors[0].0 = "n".repeat(128))),
        ("GGF010", good().with(|f| f.tensors[1].2 = 43)),
        ("GGF011", good().with(|f| f.tensors[1].3 = 128)),
        ("GGF011", good().with(|f| f.tensors[1].3 = 1 << 62)),
        ("GGF011", good().with(|f| f.tensors[1].3 = u64::MAX - 31)),
        ("GGF012", good().with(|f| f.tensors[1].3 = 64)),
        ("GGF013", good().with(|f| f.data.resize(400, 0)).with(|f| f.tensors[1].3 = 192)),
        ("GGF014", good().with(|f| f.data.extend([0; 40]))),
        ("GGF014", good().with(|f| f.data[170] = 1)),
        ("GGF015", good().with(|f| drop(f.pairs.remove(0)))),
        ("GGF016", good().with(|f| f.tensors[1].1 = vec![0])),
    ];
    for (rule, file) in cases {
        let found = found(&file);
        assert!(found.contains(&rule.to_owned()), "{rule}: {found:?}");
    }
    let imatrix = good().with(|f| drop(f.pairs.remove(0)));
    let text = imatrix.text("imatrix");
    assert_eq!(found(&imatrix.pair("general.type", 8, text)), [""; 0]);
    let mut nested: Vec<u8> = Vec::new();
    (0..1000).for_each(|_| nested.extend([&[9, 0, 0, 0][..], &le(1)].concat()));
    assert_eq!(found(&good().pair("a", 9, nested)), ["LIM021"]);
}

#[test]
fn older_files_are_known_by_their_mark_and_no_more() {
    for mark in [b"lmgg", b"fmgg", b"tjgg", b"algg"] {
        let data = [&mark[..], &[0; 100]].concat();
        let path = ModelPath::parse("m.bin").unwrap();
        let file = inspect(&path, &data, Globals::shipped()).unwrap().into_inner();
        assert_eq!((file.format, file.verdict()), (FileFormat::Ggml, Verdict::Unknown));
    }
}

#[test]
fn cve_2025_53630_and_cve_2026_27940_sizes_that_add_up_past_the_end_are_malformed() {
    // Each tensor by itself is of a size that can be counted; padded and summed they come around to a small number.
    let file = File::good().with(|file| {
        file.tensors =
            (0..4).map(|n| (format!("t{n}"), vec![(1 << 62) - 32 + n], 24, n * (1 << 62))).collect();
    });
    assert_eq!(look(&file.bytes()).verdict(), Verdict::Malformed);
    let file = File::good().with(|file| {
        file.tensors[0].1 = vec![u64::MAX / 4, 1, 1, 1];
    });
    assert_eq!(look(&file.bytes()).verdict(), Verdict::Malformed);
    // A header that counts more than the file has.
    let file = File::good().with(|file| file.counts = Some((u64::MAX / 24, 2)));
    assert_eq!(found(&file), ["GGF001"]);
}

#[test]
fn cve_2026_7482_tensors_that_go_beyond_the_file_are_malformed() {
    let file = File::good().with(|file| file.tensors[1].1 = vec![32, 1 << 20]);
    assert_eq!(found(&file), ["GGF011"]);
}

#[test]
fn cve_2024_34359_templates_are_looked_at_under_every_name() {
    for key in ["tokenizer.chat_template", "tokenizer.chat_template.tool_use"] {
        let file = File::good();
        let text = file.text("{{ x.__class__ }}");
        let file = look(&file.pair(key, 8, text).bytes());
        assert_eq!(file.verdict(), Verdict::Malicious);
        assert!(file.contents.capabilities.contains(&Capability::Template) && file.contents.templates == 1);
        let file = File::good();
        let text = file.text("{{ messages[0].content }}");
        assert_eq!(look(&file.pair(key, 8, text).bytes()).verdict(), Verdict::Clean);
    }
    let file = File::good();
    let text = file.text(&"x".repeat(300_000));
    assert_eq!(found(&file.pair("tokenizer.chat_template", 8, text)), ["LIM019"]);
}

#[test]
fn templates_have_other_names_too() {
    let with = |key: &str, text: &str| {
        let file = File::good();
        let text = file.text(text);
        look(&file.pair(key, 8, text).bytes())
    };
    for key in ["tokenizer.template", "tokenizer.Chat_Template", "x.prompt_template"] {
        assert_eq!(with(key, "{{ x.__class__ }}").verdict(), Verdict::Malicious, "{key}");
        assert_eq!(with(key, "{{ messages[0].content }}").verdict(), Verdict::Clean, "{key}");
    }
    assert_eq!(with("x.template", "Hello {name}").verdict(), Verdict::Clean);
    let json = r#"{"chat_template": "{{ x.__class__ }}"}"#;
    assert_eq!(with("tokenizer.huggingface.json", json).verdict(), Verdict::Malicious);
    let json = r#"{"model": {"type": "BPE"}, "added_tokens": [], "pre_tokenizer": null}"#;
    assert_eq!(with("tokenizer.huggingface.json", json).verdict(), Verdict::Clean);
}

#[test]
fn another_format_at_the_end_is_found() {
    let mut bytes = File::good().bytes();
    bytes.extend(b"PK\x05\x06\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0");
    let rules: Vec<String> = look(&bytes).findings.iter().map(|finding| finding.rule.to_string()).collect();
    assert!(rules.contains(&"FMT004".to_owned()) && rules.contains(&"GGF014".to_owned()), "{rules:?}");
}

#[test]
fn truncation_anywhere_is_found() {
    let file = File::good();
    let text = file.text("{{ x }}");
    let file = file.pair("tokenizer.chat_template", 8, text);
    let bytes = file.bytes();
    for end in 4..bytes.len() - 28 {
        assert_eq!(look(&bytes[..end]).verdict(), Verdict::Malformed, "{end}");
    }
}

proptest! {
    #[test]
    fn it_never_panics(at in 4_usize..300, byte: u8, more: u8) {
        let mut bytes = File::good().bytes();
        let at = at % bytes.len();
        bytes[at] = byte;
        let after = (at + 7) % bytes.len();
        bytes[after] ^= more;
        look(&bytes);
    }
}
