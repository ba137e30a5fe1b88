//! PMML: models of statistics, which scoring engines compute, and extensions that each engine reads as it likes.

use super::reader::Tag;
use crate::scan::Scan;
use modelseal_core::inspection::Capability;

pub(crate) mod rules {
    //! What can be found in PMML.

    use crate::rule::rules;

    rules! {
        SCRIPT = "PMM001" "pmml-script" Suspicious:
            "An extension of the model holds what looks like code." =>
            "Find out which engine runs it, and remove it if none should.";
        EXTENSION = "PMM002" "pmml-extension" Note:
            "The model has extensions, which only the engine of its maker reads." =>
            "None is needed unless your engine reads them.";
        FUNCTION = "PMM003" "pmml-class-function" Suspicious:
            "A function is the name of a class, which some engines load by that name." =>
            "Find out which class that is, and whether to trust it.";
    }
}

/// Words in the name of an extension that stand for code.
const CODE: [&str; 9] =
    ["script", "code", "exec", "eval", "python", "groovy", "javascript", "command", "shell"];

#[derive(Default)]
pub(super) struct Model {
    /// Depths of the extensions that are open.
    open: Vec<usize>,
}

impl Model {
    pub(super) fn tag(&mut self, tag: &Tag, depth: usize, at: u64, scan: &mut Scan<'_>) {
        if depth == 0 {
            scan.contents.capabilities.insert(Capability::Graph);
        }
        let local = tag.name.rsplit(':').next().unwrap_or_default();
        if local == "Extension" {
            scan.find(&rules::EXTENSION, at, "an extension".to_owned());
            let name = tag.get("name").unwrap_or_default().to_ascii_lowercase();
            if CODE.iter().any(|word| name.contains(word)) {
                found(&name, at, scan);
            }
            self.open.push(depth);
        }
        if !self.open.is_empty() {
            for (_, value) in tag.attributes().filter(|(_, value)| looks_like_code(value)) {
                found(value, at, scan);
            }
        }
        if let Some(function) = tag.get("function").filter(|_| local == "Apply")
            && function.contains(['.', '/', ':'])
        {
            scan.contents.capabilities.insert(Capability::RemoteCode);
            let message = format!("the function {function:?}");
            scan.find_about(&rules::FUNCTION, at, function, message);
        }
    }

    pub(super) fn text(&mut self, text: &str, at: u64, scan: &mut Scan<'_>) {
        if !self.open.is_empty() && looks_like_code(text) {
            found(text, at, scan);
        }
    }

    pub(super) fn end(&mut self, depth: usize) {
        if self.open.last() == Some(&depth) {
            self.open.pop();
        }
    }
}

fn found(text: &str, at: u64, scan: &mut Scan<'_>) {
    let shown: String = text.chars().take(100).collect();
    scan.find(&rules::SCRIPT, at, format!("{shown:?}"));
}

/// Whether something is called: a name with a dot and a bracket behind it, as `os.system(`; or a URL of code.
fn looks_like_code(text: &str) -> bool {
    let bytes = text.as_bytes();
    let calls = bytes.iter().enumerate().filter(|(_, byte)| **byte == b'(').any(|(at, _)| {
        // Names are short; looking further back would take ever longer.
        let before = bytes.get(at.saturating_sub(64)..at).unwrap_or_default();
        let name =
            before.iter().rev().take_while(|byte| byte.is_ascii_alphanumeric() || b"._".contains(byte));
        let (mut dotted, mut letters) = (false, 0);
        for byte in name {
            dotted |= *byte == b'.';
            letters += u32::from(byte.is_ascii_alphabetic());
        }
        dotted && letters > 1
    });
    calls || text.contains("javascript:") || text.contains("eval(") || text.contains("exec(")
}
