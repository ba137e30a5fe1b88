use super::*;
use crate::bytes::Input;
use proptest::prelude::*;

/// Gives a few bytes at a time.
struct Crumbs<'a>(&'a [u8], usize);

impl Stream for Crumbs<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> Result<usize, ReadError> {
        let count = self.1.min(self.0.len()).min(buffer.len());
        let (now, rest) = self.0.split_at(count);
        buffer[..count].copy_from_slice(now);
        self.0 = rest;
        Ok(count)
    }

    fn remaining(&self) -> Option<u64> {
        None
    }
}

fn read<S: Stream>(mut reader: Reader<S>) -> (Result<Vec<String>, String>, Oddities) {
    let mut told = Vec::new();
    loop {
        let text = |reader: &Reader<S>| reader.text().unwrap_or("long").to_owned();
        let event = match reader.next() {
            Ok(Event::End) => match reader.another() {
                Ok(false) => return (Ok(told), reader.oddities()),
                _ => return (Err("trailing".to_owned()), reader.oddities()),
            },
            Ok(event @ (Event::Name | Event::Text | Event::Number)) => {
                format!("{event:?} {} {}", text(&reader), reader.began())
            }
            Ok(event) => format!("{event:?} {}", reader.began()),
            Err(problem) => return (Err(format!("{problem:?}")), reader.oddities()),
        };
        told.push(event);
    }
}

fn events(text: &[u8]) -> (Result<Vec<String>, String>, Oddities) {
    read(Reader::new(Input::of(&text.to_vec()).stream()))
}

#[test]
fn a_document_is_told_in_order() {
    let (told, odd) = events(br#" {"a\u00e9": [1, -2.5e+3, true, null], "b": {"c": "\ud83d\ude00\n"}} "#);
    let told = told.unwrap();
    assert_eq!(told.len(), 14);
    assert_eq!(told[1], "Name aé 2");
    assert_eq!(told[4], "Number -2.5e+3 17");
    assert_eq!(told[11], "Text 😀\n 50");
    assert_eq!(odd, Oddities::default());
}

#[test]
fn what_is_no_json_is_refused() {
    for bad in [
        "",
        " ",
        "{",
        "[1,]",
        "{\"a\":1,}",
        "{\"a\" 1}",
        "{a:1}",
        "[1 2]",
        "01",
        "1.",
        ".5",
        "+1",
        "1e",
        "tru",
        "truex",
        "\"\t\"",
        "\"a",
        "\"\\x\"",
        "\"\\u12g4\"",
        "[1}",
        "{]",
        "1 2",
        "-",
        "-Inf",
        "Nan",
        "'a'",
        "{\"a\":1 \"b\":2}",
        "\u{feff}{}",
    ] {
        assert!(events(bad.as_bytes()).0.is_err(), "{bad:?}");
    }
    assert!(events(b"\"\xff\"").0.is_err() && events(b"\"\xe2\x82\"").0.is_err());
    assert_eq!(events(&b"[".repeat(129)).0.unwrap_err(), "Deep");
    assert!(events(&[b"[".repeat(128), b"]".repeat(128)].concat()).0.is_ok());
}

#[test]
fn names_that_are_there_twice_are_found_at_every_level() {
    for twice in [r#"{"a":1,"a":1}"#, r#"[{"x":[{"a":1,"b":2,"\u0061":3}]}]"#] {
        assert!(events(twice.as_bytes()).1.duplicate.is_some(), "{twice}");
    }
    assert_eq!(events(br#"{"a":{"a":[{"a":1},{"a":2}]}}"#).1.duplicate, None);
    let many: Vec<String> = (0..50).map(|i| format!("\"k{i}\":0")).collect();
    assert_eq!(events(format!("{{{}}}", many.join(",")).as_bytes()).1.duplicate, None);
    let twice = format!("{{{},\"k\\u00347\":1}}", many.join(","));
    assert!(events(twice.as_bytes()).1.duplicate.is_some());
}

#[test]
fn what_python_writes_is_read_and_told() {
    for text in
        ["[NaN]", "[Infinity]", "[-Infinity]", r#"["\ud800"]"#, r#"["\udc00x"]"#, r#"["\ud800\ud800"]"#]
    {
        let (told, odd) = events(text.as_bytes());
        assert!(told.is_ok() && odd.python.is_some(), "{text}");
    }
}

#[test]
fn long_texts_are_counted_and_not_kept() {
    let text = format!("[\"{}é\", 1]", "aé".repeat(limits::JSON_TEXT));
    let bytes = text.into_bytes();
    let mut reader = Reader::new(Input::of(&bytes).stream());
    reader.next().unwrap();
    assert_eq!(reader.next().unwrap(), Event::Text);
    assert_eq!((reader.text(), reader.text_len()), (None, 3 * limits::JSON_TEXT as u64 + 2));
    assert_eq!(reader.next().unwrap(), Event::Number);
    let mut bad = format!("[\"{}", "a".repeat(3 * limits::JSON_TEXT)).into_bytes();
    bad.extend_from_slice(b"\xff\"]");
    assert!(events(&bad).0.is_err());
}

proptest! {
    #[test]
    fn it_reads_what_serde_json_reads(text in "[\\[\\]{}\",:\\\\ 0-2eE+.truefalsné-]{0,16}") {
        let (told, odd) = events(text.as_bytes());
        let theirs = serde_json::from_str::<serde_json::Value>(&text).is_ok();
        // Theirs refuses numbers that no `f64` holds.
        prop_assert!(told.is_ok() == theirs || odd.python.is_some() || text.contains(['e', 'E']), "{text}");
    }

    #[test]
    fn it_does_not_matter_how_bytes_arrive(
        text in "[\\[\\]{}\",:\\\\ 0-2eEu+.truefalsné-]{0,40}", crumb in 1_usize..5,
    ) {
        prop_assert_eq!(read(Reader::new(Crumbs(text.as_bytes(), crumb))), events(text.as_bytes()));
    }
}
