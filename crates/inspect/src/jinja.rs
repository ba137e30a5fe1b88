//! Jinja templates of chats: a loader renders them with Python objects at hand, so that what a template asks of these objects
//! decides whether it can run code. Decided by what is known good; nothing is rendered.

mod known;
mod lexer;
mod parser;
mod value;

use crate::{
    limits,
    route::{Format, Match, Probe},
    scan::{Content, Halt, Scan},
};
use lexer::{Piece, Token};
use modelseal_core::inspection::{Capability, FileFormat};
use parser::{Names, Parser, Seen};

pub(crate) mod rules {
    //! What can be found in a template.

    use crate::rule::rules;

    rules! {
        ESCAPE = "JIN001" "template-escape" Malicious:
            "The template reaches for Python's internals, from which it can run any code where it is rendered." =>
            "Do not load it, and do not trust where it came from.";
        OBJECT = "JIN002" "template-object" Malicious:
            "The template uses objects or functions that no chat template needs and that lead out of it." =>
            "Do not load it, and do not trust where it came from.";
        INCLUDE = "JIN003" "template-include" Malicious:
            "The template reads other files." =>
            "Put everything into one template.";
        PRIVATE = "JIN004" "template-private-name" Suspicious:
            "The template asks for an attribute with an underscore in front, which sandboxes refuse." =>
            "Use public names.";
        COMPUTED_NAME = "JIN005" "template-computed-name" Suspicious:
            "The template puts the name of an attribute together, so that it cannot be told what is asked for." =>
            "Write names out.";
        FORMAT = "JIN006" "template-format" Suspicious:
            "The template formats text whose fields can read attributes." =>
            "Use the operator '~'.";
        UNKNOWN_CALL = "JIN007" "template-unknown-call" Suspicious:
            "The template calls something that chat templates do not have." =>
            "Find out what it calls, or replace it.";
        WORK = "JIN008" "template-work" Suspicious:
            "Rendering the template takes very long or much memory." =>
            "Do not load it.";
        SYNTAX = "JIN009" "template-syntax" Suspicious:
            "The template cannot be followed to its end." =>
            "Correct the template.";
    }
}

/// Rounds over one template until it is known what its names can be: two to see it, one to no longer follow what still
/// changes, and as many as names are commonly handed on.
const ROUNDS: usize = 8;

/// Looks at a template that stands at `offset` of what is being read.
pub(crate) fn inspect(template: &str, offset: u64, scan: &mut Scan<'_>) {
    scan.contents.templates = scan.contents.templates.saturating_add(1);
    scan.contents.capabilities.insert(Capability::Template);
    if template.len() > limits::JINJA_TEMPLATE {
        too_long(offset, template.len() as u64, scan);
        return;
    }
    let ends: Vec<usize> = template.match_indices('\n').map(|(at, _)| at).collect();
    let line = |at: usize| 1 + ends.partition_point(|end| *end < at);
    let (pieces, cut) = lexer::tokens(template);
    let mut names = Names::new();
    let (mut seen, mut broken, mut stable) = (Vec::new(), None, false);
    for round in 0..ROUNDS {
        let mut parser = Parser::new(&pieces, names.clone(), round > 1);
        broken = parser.run().err();
        seen = parser.seen;
        stable = parser.names == names;
        names = parser.names;
        if stable {
            break;
        }
    }
    if !stable {
        let what = "its values cannot be followed".to_owned();
        seen.push(Seen { rule: &rules::SYNTAX, at: 0, what });
    }
    if let Some(broken) = [cut, broken].into_iter().flatten().min_by_key(|broken| broken.at) {
        let what = broken.what.to_owned();
        seen.push(Seen { rule: &rules::SYNTAX, at: broken.at, what });
        unfollowed(template, &pieces, broken.at, &mut seen);
    }
    for Seen { rule, at, what } in seen {
        let message = format!("{what}, in line {}", line(at));
        scan.find_about(rule, offset, &what, message);
    }
}

/// Whether a text that may be anything is a template of Jinja. Others have braces, too: they are none unless they name what
/// no template needs.
pub(crate) fn is_template(text: &str) -> bool {
    const OTHERS: [&str; 12] = [
        "{{.", "{{ .", "{{- .", "{{if", "{{ if", "{{- if", "{{range", "{{ range", "{{#", "{{/", "{{>", "{{{",
    ];
    let plain = text.replace("{{#", "");
    let needs = ["{%", "{#", "__", "attr", "\\"].iter().any(|mark| plain.contains(mark));
    (text.contains("{{") || text.contains("{%")) && (needs || !OTHERS.iter().any(|mark| text.contains(mark)))
}

/// Judges the text of a special token: as a name in a template, one of Python's internals is what it leads to.
pub(crate) fn token(text: &str, offset: u64, scan: &mut Scan<'_>) {
    let internal = text.split('.').any(|part| {
        let name = part.strip_prefix("__").and_then(|name| name.strip_suffix("__"));
        name.is_some_and(|name| {
            !name.is_empty() && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_')
        })
    });
    if internal && scan.found(&rules::COMPUTED_NAME) {
        let shown: String = text.chars().take(64).collect();
        scan.find_about(&rules::ESCAPE, offset, &shown, format!("the token '{shown}', which is asked for"));
    }
}

/// What a template is found to be that is longer than is looked at.
pub(crate) fn too_long(offset: u64, len: u64, scan: &mut Scan<'_>) {
    scan.find(&limits::TEMPLATE_TOO_LONG, offset, format!("{len} bytes"));
}

/// What can be said of what comes after an error, word by word.
fn unfollowed(template: &str, pieces: &[Piece], from: usize, seen: &mut Vec<Seen>) {
    let mut found = |at, word: &str| {
        let what = format!("the word '{word}'");
        seen.push(Seen { rule: &rules::ESCAPE, at, what });
    };
    for piece in pieces.iter().filter(|piece| piece.at >= from) {
        match &piece.token {
            Token::Name(word) | Token::Text(word) if word.starts_with("__") && word.len() < 64 => {
                found(piece.at, word)
            }
            _ => {}
        }
    }
    // And behind the last that could be cut.
    let rest = pieces.last().map_or(0, |piece| piece.at).max(from);
    let text = template.get(rest..).unwrap_or_default();
    if let Some(at) =
        [".__", "['__", "[\"__", "('__", "(\"__"].iter().filter_map(|mark| text.find(mark)).min()
    {
        found(rest + at, "__");
    }
}

/// The door from `route`: files with nothing but a template.
pub(crate) struct Jinja;

impl Format for Jinja {
    fn matches(&self, probe: &Probe<'_>) -> Option<Match> {
        let named = matches!(probe.extension, "jinja" | "jinja2" | "j2");
        (named && !probe.head.contains(&0)).then_some(Match::Likely)
    }

    fn inspect(&self, content: Content<'_>, scan: &mut Scan<'_>) -> Result<FileFormat, Halt> {
        let len = content.len();
        let mut stream = content.into_stream();
        let mut text = vec![0; limits::JINJA_TEMPLATE + 1];
        let mut filled = 0;
        while filled < text.len() {
            match stream.read(&mut text[filled..]) {
                Ok(0) => break,
                Ok(read) => filled += read,
                Err(error) => {
                    scan.unreadable(error, &crate::compress::rules::CORRUPT)?;
                    break;
                }
            }
        }
        text.truncate(filled);
        if filled > limits::JINJA_TEMPLATE {
            scan.contents.templates = scan.contents.templates.saturating_add(1);
            too_long(0, len.unwrap_or(filled as u64), scan);
            return Ok(FileFormat::Jinja);
        }
        match std::str::from_utf8(&text) {
            Ok(text) => inspect(text, 0, scan),
            Err(error) => {
                let at = error.valid_up_to();
                scan.find(&rules::SYNTAX, at as u64, "the template is not UTF-8".to_owned());
                inspect(&String::from_utf8_lossy(&text), 0, scan);
            }
        }
        Ok(FileFormat::Jinja)
    }
}

#[cfg(test)]
mod tests;
