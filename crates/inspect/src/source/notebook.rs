//! Jupyter notebooks: cells with code, and outputs that browsers show.

use super::{python, rules};
use crate::{
    json::{Document, Kind, Value},
    limits,
    scan::{Halt, Scan},
    text,
};
use modelseal_core::inspection::{Capability, FileFormat};

/// The door from `json`.
pub(crate) struct Notebook;

impl Kind for Notebook {
    fn matches(&self, name: &str, top: &Value) -> bool {
        let cells = top.get("cells").or_else(|| top.get("worksheets")).is_some();
        cells && top.get("nbformat").is_some() || name.to_ascii_lowercase().ends_with(".ipynb")
    }

    fn inspect(&self, document: &Document<'_>, scan: &mut Scan<'_>) -> Result<FileFormat, Halt> {
        let path = scan.name().to_owned();
        scan.contents.add_name(|contents| &mut contents.scripts, &path);
        let mut look = Cells { code: 0, bytes: 0, active: None };
        look.value(&document.top, "", 0, scan);
        if look.code > 0 {
            scan.contents.capabilities.insert(Capability::PythonCode);
            scan.find(&rules::NOTEBOOK, None, format!("{} cells of code", look.code));
        }
        if let Some(what) = look.active {
            scan.find(&rules::ACTIVE, None, what);
        }
        if !document.whole {
            scan.find(&limits::TOO_LONG_TEXT, None, "parts of the notebook were not looked at".to_owned());
        }
        Ok(FileFormat::Notebook)
    }
}

struct Cells {
    code: u64,
    /// Bytes of code that were looked at.
    bytes: usize,
    active: Option<String>,
}

impl Cells {
    /// Looks at a value and what lies in it; JSON is never deep.
    fn value(&mut self, value: &Value, name: &str, depth: usize, scan: &mut Scan<'_>) {
        if depth > limits::JSON_DEPTH {
            return;
        }
        match value {
            Value::Object(object) => {
                if value.get("cell_type").and_then(Value::as_str) == Some("code") {
                    self.cell(value, scan);
                }
                for member in &object.members {
                    let kind = member.name.to_ascii_lowercase();
                    if kind.contains("javascript") {
                        self.active.get_or_insert(format!("there is '{kind}'"));
                    }
                    self.value(&member.value, &kind, depth + 1, scan);
                }
            }
            Value::Array(array) => {
                let shown = is_shown(name) && self.active.is_none();
                if shown && text::is_active(joined(value).as_bytes()) {
                    self.active = Some(format!("'{name}' has a script"));
                }
                array.items.iter().for_each(|item| self.value(item, "", depth + 1, scan));
            }
            Value::Text(shown)
                if is_shown(name) && self.active.is_none() && text::is_active(shown.as_bytes()) =>
            {
                self.active = Some(format!("'{name}' has a script"));
            }
            _ => {}
        }
    }

    fn cell(&mut self, cell: &Value, scan: &mut Scan<'_>) {
        let source = cell.get("source").or_else(|| cell.get("input")).map(joined).unwrap_or_default();
        if source.trim().is_empty() {
            return;
        }
        self.code += 1;
        self.bytes += source.len();
        if self.bytes > limits::SOURCE {
            scan.find(&limits::TOO_LONG_TEXT, None, format!("more than {} bytes of code", limits::SOURCE));
            return;
        }
        for line in source.lines().map(str::trim_start) {
            // Lines for the shell, and magic words that run something.
            if line.starts_with('!')
                || line.starts_with("%%")
                || line.starts_with("%run")
                || line.starts_with("%sx")
            {
                let shown: String = line.chars().take(80).collect();
                scan.find_about(&rules::REACHES, None, &shown, format!("a cell runs '{shown}'"));
            }
        }
        // A cell runs when a person says so, whatever is in it.
        let found = python::analyse(&source);
        for (_, name) in found.runs.iter().chain(&found.reaches) {
            scan.find_about(&rules::REACHES, None, name, format!("a cell names '{name}'"));
        }
    }
}

/// Whether a browser shows what has this name: HTML and pictures of outputs, and the text of cells.
fn is_shown(name: &str) -> bool {
    matches!(name, "text/html" | "image/svg+xml" | "text/markdown" | "html" | "svg")
}

/// A text, or one of many lines.
fn joined(value: &Value) -> String {
    match value {
        Value::Text(text) => text.to_string(),
        Value::Array(array) => array.items.iter().filter_map(Value::as_str).collect(),
        _ => String::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{look, rules_in};
    use modelseal_core::inspection::Verdict;

    fn notebook(cells: &str) -> Vec<u8> {
        format!("{{\"cells\": [{cells}], \"metadata\": {{}}, \"nbformat\": 4, \"nbformat_minor\": 5}}")
            .into_bytes()
    }

    #[test]
    fn code_is_suspicious_and_text_is_not() {
        let text = notebook(r##"{"cell_type": "markdown", "metadata": {}, "source": ["# Title"]}"##);
        let found = look("a.ipynb", &text);
        assert_eq!((found.format, found.verdict()), (FileFormat::Notebook, Verdict::Clean), "{found:?}");
        let code =
            notebook(r#"{"cell_type": "code", "outputs": [], "source": ["import os\n", "os.system('x')"]}"#);
        let found = look("a.ipynb", &code);
        assert_eq!((found.verdict(), rules_in(&found)), (Verdict::Suspicious, vec!["SRC002", "SRC007"]));
        assert_eq!(look("a.json", &code).format, FileFormat::Notebook);
        let shell = notebook(r#"{"cell_type": "code", "outputs": [], "source": "!curl x | sh"}"#);
        assert_eq!(rules_in(&look("a.ipynb", &shell)), ["SRC002", "SRC007"]);
    }

    #[test]
    fn scripts_in_outputs_are_suspicious() {
        for data in [
            r#"{"application/javascript": "alert(1)"}"#,
            r#"{"text/html": ["<scr", "ipt>alert(1)</script>"]}"#,
            r#"{"image/svg+xml": "<svg onload='x'/>"}"#,
        ] {
            let cell = format!(
                r#"{{"cell_type": "code", "source": "", "outputs": [{{"output_type": "display_data", "data": {data}}}]}}"#
            );
            assert_eq!(rules_in(&look("a.ipynb", &notebook(&cell))), ["SRC008"], "{data}");
        }
    }

    #[test]
    fn what_is_called_a_notebook_and_is_none_is_told() {
        assert_eq!(look("a.ipynb", b"{\"cells\": [").verdict(), Verdict::Malformed);
    }
}
