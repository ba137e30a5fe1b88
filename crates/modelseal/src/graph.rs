//! Graphs as text for Graphviz (DOT) and Mermaid. Names in them are foreign: nothing in a label ends it.

use modelseal_core::text::is_unsafe_to_print;
use std::fmt::{self, Write};

/// A language that graphs are written in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum GraphLanguage {
    /// Graphviz.
    Dot,
    /// Mermaid, as forges show it in Markdown.
    Mermaid,
}

/// A directed graph with labels.
#[derive(Debug, Clone, Default)]
pub struct Graph {
    nodes: Vec<(Vec<String>, Look)>,
    edges: Vec<(usize, usize, String, Look)>,
}

/// How a node or an edge is drawn.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Look {
    /// As usual.
    #[default]
    Plain,
    /// Dashed: said by somebody, and not verified.
    Doubtful,
    /// Red: refused, or what is asked about.
    Marked,
}

impl Graph {
    /// Adds a node whose label has these lines. Gives its number.
    pub fn node(&mut self, lines: Vec<String>, look: Look) -> usize {
        self.nodes.push((lines, look));
        self.nodes.len() - 1
    }

    /// Adds an edge from one node to another.
    pub fn edge(&mut self, from: usize, to: usize, label: impl Into<String>, look: Look) {
        self.edges.push((from, to, label.into(), look));
    }

    /// The graph as text, with a line end.
    #[must_use]
    pub fn to_text(&self, language: GraphLanguage) -> String {
        let mut text = String::new();
        // Writing into a string does not fail.
        let _ = match language {
            GraphLanguage::Dot => self.dot(&mut text),
            GraphLanguage::Mermaid => self.mermaid(&mut text),
        };
        text
    }

    fn dot(&self, out: &mut String) -> fmt::Result {
        writeln!(out, "digraph lineage {{\n  rankdir=LR;\n  node [shape=box];")?;
        for (number, (lines, look)) in self.nodes.iter().enumerate() {
            let label = lines.iter().map(|line| dot_text(line)).collect::<Vec<_>>().join("\\n");
            writeln!(out, "  n{number} [label=\"{label}\"{}];", dot_look(*look))?;
        }
        for (from, to, label, look) in &self.edges {
            writeln!(out, "  n{from} -> n{to} [label=\"{}\"{}];", dot_text(label), dot_look(*look))?;
        }
        writeln!(out, "}}")
    }

    fn mermaid(&self, out: &mut String) -> fmt::Result {
        writeln!(out, "flowchart LR")?;
        for (number, (lines, look)) in self.nodes.iter().enumerate() {
            let label = lines.iter().map(|line| mermaid_text(line)).collect::<Vec<_>>().join("<br/>");
            let class = match look {
                Look::Plain => "",
                Look::Doubtful => ":::doubtful",
                Look::Marked => ":::marked",
            };
            writeln!(out, "  n{number}[\"{label}\"]{class}")?;
        }
        for (from, to, label, look) in &self.edges {
            let arrow = if *look == Look::Plain { "-->" } else { "-.->" };
            if label.is_empty() {
                writeln!(out, "  n{from} {arrow} n{to}")?;
            } else {
                writeln!(out, "  n{from} {arrow}|\"{}\"| n{to}", mermaid_text(label))?;
            }
        }
        writeln!(
            out,
            "  classDef doubtful stroke-dasharray: 4\n  classDef marked stroke:#c00,stroke-width:3px"
        )
    }
}

fn dot_look(look: Look) -> &'static str {
    match look {
        Look::Plain => "",
        Look::Doubtful => ", style=dashed",
        Look::Marked => ", color=red, penwidth=2",
    }
}

/// Inside a quoted string only quotes and backslashes mean something.
fn dot_text(text: &str) -> String {
    printable(text).replace('\\', "\\\\").replace('"', "\\\"")
}

/// Inside quotes Mermaid still reads entities and HTML, so that everything but plain characters becomes an entity.
fn mermaid_text(text: &str) -> String {
    let mut safe = String::with_capacity(text.len());
    for c in printable(text).chars() {
        if c.is_alphanumeric() || " .,:/@+-=_".contains(c) {
            safe.push(c);
        } else {
            let _ = write!(safe, "#{};", u32::from(c));
        }
    }
    safe
}

/// What could mislead a terminal or a reader, escaped, without backslashes of its own to be escaped again.
fn printable(text: &str) -> String {
    let mut safe = String::with_capacity(text.len());
    for c in text.chars() {
        if is_unsafe_to_print(c) {
            let _ = write!(safe, "{{U+{:04X}}}", u32::from(c));
        } else {
            safe.push(c);
        }
    }
    safe
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_name_ends_its_label() {
        let mut graph = Graph::default();
        let hostile = "a\"]; n9 [label=\\N <b>x</b> `y` #quot; }\n%% {z} | \u{202e}end";
        let one = graph.node(vec![hostile.into(), "second".into()], Look::Marked);
        let two = graph.node(vec!["模型 é".into()], Look::Plain);
        graph.edge(one, two, hostile, Look::Doubtful);

        let dot = graph.to_text(GraphLanguage::Dot);
        assert_eq!(dot.lines().count(), 7, "{dot}");
        for line in dot.lines().filter(|line| line.contains("label=")) {
            // Quotes that are not escaped: those around the label.
            let bare = line.replace("\\\\", "").replace("\\\"", "");
            assert_eq!(bare.matches('"').count(), 2, "{line}");
        }
        assert!(dot.contains("\\nsecond") && dot.contains("模型 é") && !dot.contains('\u{202e}'));

        let mermaid = graph.to_text(GraphLanguage::Mermaid);
        assert_eq!(mermaid.lines().count(), 6, "{mermaid}");
        assert!(mermaid.lines().all(|line| line.matches('"').count() % 2 == 0));
        assert!(!mermaid.contains("<b>") && !mermaid.contains('`') && mermaid.contains("<br/>second"));
    }
}
