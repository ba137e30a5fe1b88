//! The text form of TensorFlow's messages: `saved_model.pbtxt`, `graph.pbtxt` and the file `checkpoint`. Only keys and
//! their texts are read: enough to find operators, never enough to call a graph clean.

use super::{Standing, rules, standing};
use crate::{
    limits, outside,
    route::{Format, Match, Probe},
    scan::{Content, Halt, Scan},
};
use modelseal_core::inspection::{Capability, FileFormat};

/// The door from `route`.
pub(crate) struct Text;

impl Format for Text {
    fn matches(&self, probe: &Probe<'_>) -> Option<Match> {
        let text = probe.head.trim_ascii_start();
        if is_checkpoint(probe.name, text) {
            return Some(Match::Sure);
        }
        let begins = |mark: &[u8]| text.starts_with(mark);
        let graph = begins(b"saved_model_schema_version:") || begins(b"meta_graphs {");
        let named = probe.extension == "pbtxt" && std::str::from_utf8(probe.head).is_ok();
        (graph || named && !text.is_empty()).then_some(Match::Likely)
    }

    fn inspect(&self, content: Content<'_>, scan: &mut Scan<'_>) -> Result<FileFormat, Halt> {
        let name = scan.leaf().to_owned();
        let checkpoint = is_checkpoint(&name, content.head().trim_ascii_start());
        let Some(random) = content.into_random(scan)? else { return Ok(FileFormat::TensorflowGraph) };
        let input = random.input();
        if input.len() > limits::GRAPH_TEXT as u64 {
            let message = format!("{} bytes", input.len());
            scan.find(&limits::TOO_LONG_TEXT, None, message);
        }
        let text = input.read_some(0, limits::GRAPH_TEXT).map_err(Halt::of)?;
        if checkpoint {
            texts(&text, |key, value, at| {
                if !key.ends_with(b"_path") && !key.ends_with(b"_paths") {
                } else if let Some(why) = outside::leads_out(value) {
                    let message = format!("the checkpoint is {why}: {value:?}");
                    scan.find_about(&super::checkpoint::rules::PATH, at, value, message);
                } else {
                    outside::external(scan, value);
                }
            });
            return Ok(FileFormat::TensorflowCheckpoint);
        }
        scan.contents.capabilities.insert(Capability::Graph);
        scan.find(&rules::TEXT, 0, "a graph as text".to_owned());
        texts(&text, |key, value, at| {
            let (rule, why) = match standing(value) {
                Standing::Forbidden(why) => (&rules::FORBIDDEN, why),
                Standing::Doubtful(why) => (&rules::DOUBTFUL, why),
                Standing::Unknown if key == b"op" => (&rules::UNKNOWN_OPERATOR, "needs a library of its own"),
                _ => return,
            };
            // Functions are called by their names, and operators can be called like them.
            if key == b"op" || key == b"name" {
                scan.find_about(rule, at, value, format!("the operator {value} {why}"));
            }
        });
        Ok(FileFormat::TensorflowGraph)
    }
}

fn is_checkpoint(name: &str, text: &[u8]) -> bool {
    name == "checkpoint" && text.starts_with(b"model_checkpoint_path:")
}

/// Gives each text of at most 4096 bytes, with the key before it.
fn texts(text: &[u8], mut each: impl FnMut(&[u8], &str, u64)) {
    let mut at = 0;
    let (mut key, mut value): (&[u8], Option<(String, u64)>) = (b"", None);
    while let Some(&byte) = text.get(at) {
        let start = at;
        at += 1;
        match byte {
            b'#' => {
                while text.get(at).is_some_and(|byte| *byte != b'\n') {
                    at += 1;
                }
            }
            b'"' | b'\'' => {
                // Texts that follow one another are one.
                let (whole, _) = value.get_or_insert_with(|| (String::new(), start as u64));
                at = quoted(text, at, byte, whole);
            }
            b' ' | b'\t' | b'\r' | b'\n' | b':' => {}
            _ => {
                if let Some((value, at)) = value.take() {
                    each(key, &value, at);
                }
                let is_word = |byte: &u8| byte.is_ascii_alphanumeric() || *byte == b'_';
                while text.get(at).is_some_and(is_word) {
                    at += 1;
                }
                key = text.get(start..at).unwrap_or_default();
            }
        }
    }
    if let Some((value, at)) = value {
        each(key, &value, at);
    }
}

/// Reads a text up to its quote, and says what follows it.
fn quoted(text: &[u8], mut at: usize, quote: u8, into: &mut String) -> usize {
    let mut push = |byte: u8| {
        if into.len() < 4096 {
            into.push(char::from(byte));
        }
    };
    while let Some(&byte) = text.get(at) {
        at += 1;
        if byte == quote {
            break;
        }
        if byte != b'\\' {
            push(byte);
            continue;
        }
        let digits = |radix: u32, from: usize, most: usize| {
            let digits = text.get(from..).unwrap_or_default().iter().take(most);
            digits.take_while(|byte| char::from(**byte).is_digit(radix)).count()
        };
        let (from, radix, len) = match text.get(at) {
            Some(b'x' | b'X') => (at + 1, 16, digits(16, at + 1, 2)),
            Some(b'0'..=b'7') => (at, 8, digits(8, at, 3)),
            Some(&other) => {
                push(other);
                at += 1;
                continue;
            }
            None => break,
        };
        let number = text.get(from..from + len).and_then(|digits| std::str::from_utf8(digits).ok());
        let number = number.and_then(|digits| u32::from_str_radix(digits, radix).ok()).unwrap_or_default();
        push(u8::try_from(number & 0xff).unwrap_or_default());
        at = from + len;
    }
    at
}

#[cfg(test)]
mod tests {
    use crate::testing::{clean, finds, mangle};
    use modelseal_core::inspection::FileFormat;

    #[test]
    fn graphs_as_text() {
        let graph = |op: &str| {
            format!(
                "saved_model_schema_version: 1\nmeta_graphs {{ graph_def {{ node {{ name: \"a\" op: {op} }} }} }}"
            )
        };
        for op in [
            "\"ReadFile\"",
            "'ReadFile'",
            "\"Read\" 'File'",
            "\"\\122eadFile\"",
            "\"\\x52eadFile\"",
            "# op\n\"ReadFile\"",
        ] {
            finds("saved_model.pbtxt", graph(op).as_bytes(), "TFG002");
            finds("renamed", graph(op).as_bytes(), "TFG002");
        }
        finds("saved_model.pbtxt", graph("\"Mine\"").as_bytes(), "TFG004");
        finds("saved_model.pbtxt", graph("\"MatMul\"").as_bytes(), "TFG013");
        let called = "node { op: \"PartitionedCall\" attr { value { func { name: \"ReadFile\" } } } }";
        finds("graph.pbtxt", called.as_bytes(), "TFG002");
        assert!(mangle("saved_model.pbtxt", graph("\"\\122\"").as_bytes()).iter().all(|cut| *cut == 0));
    }

    #[test]
    fn the_file_checkpoint() {
        let state = |path: &str| {
            format!("model_checkpoint_path: \"{path}\"\nall_model_checkpoint_paths: \"{path}\"\n")
        };
        let found = clean("checkpoint", state("model.ckpt-1").as_bytes());
        assert_eq!(found.format, FileFormat::TensorflowCheckpoint);
        assert!(found.contents.external.contains("model.ckpt-1"));
        finds("checkpoint", state("../../x").as_bytes(), "TFC004");
    }
}
