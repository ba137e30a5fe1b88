//! XML, as a stream of tags: what every document may not do, and the formats that are written in it. Entities are never
//! expanded and nothing that is named is opened.

mod openvino;
mod pmml;
mod reader;
#[cfg(test)]
mod tests;

use crate::{
    limits, media,
    route::{Format, Match, Probe},
    scan::{Content, Halt, Scan},
};
use modelseal_core::inspection::FileFormat;
use quick_xml::{Reader, events::Event};
use reader::{Plain, Tag};

pub(crate) use openvino::rules as openvino_rules;
pub(crate) use pmml::rules as pmml_rules;

pub(crate) mod rules {
    //! What can be found in any XML.

    use crate::rule::rules;

    rules! {
        BROKEN = "XML001" "broken-xml" Malformed:
            "The document is not well-formed." =>
            "Get the file again from its maker.";
        DOCTYPE = "XML002" "xml-doctype" Suspicious:
            "The document declares a type of its own, by which readers may fetch files or expand texts." =>
            "Remove the declaration: no model needs it.";
        ENTITY = "XML003" "xml-external-entity" Malicious:
            "The document has a file or an address put into it by whoever reads it." =>
            "Do not load it.";
        EXPANSION = "XML004" "xml-entity-expansion" Malformed:
            "The document declares texts that are made of each other, and may expand without end." =>
            "Do not load it.";
        INCLUDE = "XML005" "xml-include" Suspicious:
            "The document has another one put into it, or names one by which it is to be changed." =>
            "Find out what it names.";
        OBJECTS = "XML006" "xml-java-objects" Malicious:
            "The document is a program of Java objects that are made, and methods that are called, when it is read." =>
            "Do not load it.";
        SCRIPT = "XML007" "xml-script" Suspicious:
            "The document has a script in it." =>
            "Find out what runs it, and remove it if nothing should.";
        ENCODING = "XML008" "xml-encoding" Unknown:
            "The document is in an encoding that is not inspected." =>
            "Write it in UTF-8.";
    }
}

/// Attributes of one tag that are looked at. No format has as many.
const ATTRIBUTES: usize = 1000;

/// Encodings in which every tag is written as in ASCII.
const ENCODINGS: [&str; 5] = ["utf-8", "utf8", "us-ascii", "ascii", "latin1"];

/// The door from `route`.
pub(crate) struct Xml;

impl Format for Xml {
    fn matches(&self, probe: &Probe<'_>) -> Option<Match> {
        let text = probe.head.strip_prefix(b"\xef\xbb\xbf").unwrap_or(probe.head).trim_ascii_start();
        let named = matches!(probe.extension, "xml" | "pmml");
        let begins = |mark: &[u8]| text.starts_with(mark);
        if media::is_svg(probe.head) {
            // A picture.
            return None;
        }
        if begins(b"<?xml") || begins(b"<PMML") || begins(b"<net ") || is_wide(probe.head) {
            return Some(Match::Sure);
        }
        (named && begins(b"<")).then_some(Match::Likely)
    }

    fn inspect(&self, content: Content<'_>, scan: &mut Scan<'_>) -> Result<FileFormat, Halt> {
        if is_wide(content.head()) {
            scan.find(&rules::ENCODING, 0, "it is in UTF-16".to_owned());
            return Ok(FileFormat::Xml);
        }
        let mut reader = Reader::from_reader(Plain::new(content.into_stream()));
        reader.config_mut().allow_dangling_amp = true;
        let mut document = Document::default();
        let mut buffer = Vec::new();
        loop {
            buffer.clear();
            let at = reader.buffer_position();
            reader.get_mut().begin_event();
            let event = reader.read_event_into(&mut buffer);
            match event {
                Ok(Event::Eof) => break,
                Ok(event) => document.event(event, at, scan),
                Err(error) => {
                    if let Some(error) = reader.get_mut().failed() {
                        scan.unreadable(error, &crate::compress::rules::CORRUPT)?;
                    } else if reader.get_ref().is_bounded() {
                        let message = format!("more than {} bytes", limits::XML_EVENT);
                        scan.find(&limits::TOO_LONG_XML, at, message);
                    } else {
                        scan.find(&rules::BROKEN, at, error.to_string());
                    }
                    document.broken = true;
                    break;
                }
            }
            if document.depth > limits::XML_DEPTH {
                scan.find(&limits::TOO_DEEP_XML, at, format!("more than {}", limits::XML_DEPTH));
                document.broken = true;
                break;
            }
            if document.broken {
                break;
            }
        }
        Ok(document.finish(scan))
    }
}

/// UTF-16, with its mark or without.
fn is_wide(head: &[u8]) -> bool {
    [&b"\xff\xfe<\0"[..], b"\xfe\xff\0<", b"<\0?\0x\0", b"\0<\0?\0x"]
        .iter()
        .any(|mark| head.starts_with(mark))
}

/// What is known of the document so far.
#[derive(Default)]
struct Document {
    depth: usize,
    kind: Option<Kind>,
    broken: bool,
}

/// What the outermost element says that it is.
enum Kind {
    Openvino(Box<openvino::Net>),
    Pmml(pmml::Model),
    Other,
}

impl Document {
    fn event(&mut self, event: Event<'_>, at: u64, scan: &mut Scan<'_>) {
        match event {
            Event::Start(tag) => {
                let tag = Tag::of(&tag);
                self.tag(tag, at, scan);
                self.depth += 1;
            }
            Event::Empty(tag) => {
                let tag = Tag::of(&tag);
                self.tag(tag, at, scan);
                self.end();
            }
            Event::End(_) => {
                self.depth = self.depth.saturating_sub(1);
                self.end();
            }
            Event::Text(text) => {
                if self.depth == 0 && !text.trim_ascii().is_empty() {
                    scan.find(&rules::BROKEN, at, "there is text outside of the document".to_owned());
                    self.broken = true;
                } else if let Some(Kind::Pmml(model)) = &mut self.kind {
                    model.text(&text, at, scan);
                }
            }
            Event::CData(text) => {
                if let Some(Kind::Pmml(model)) = &mut self.kind {
                    model.text(&text, at, scan);
                }
            }
            Event::DocType(text) => doctype(&text, at, scan),
            Event::PI(text) => {
                if text.starts_with("xml-") {
                    let shown: String = text.chars().take(200).collect();
                    scan.find(&rules::INCLUDE, at, format!("<?{shown}?>"));
                }
            }
            Event::Decl(declaration) => {
                let encoding = declaration.encoding().and_then(Result::ok).unwrap_or_default();
                let encoding = encoding.to_ascii_lowercase();
                let single = encoding.starts_with("iso-8859-") || encoding.starts_with("windows-125");
                if !encoding.is_empty() && !single && !ENCODINGS.contains(&encoding.as_str()) {
                    scan.find(&rules::ENCODING, at, format!("it is in {encoding:?}"));
                }
            }
            Event::Comment(_) | Event::GeneralRef(_) | Event::Eof => {}
        }
    }

    fn tag(&mut self, tag: Tag, at: u64, scan: &mut Scan<'_>) {
        if tag.name.len() > limits::XML_NAME {
            scan.find(&limits::TOO_LONG_XML, at, format!("a name of more than {} bytes", limits::XML_NAME));
            self.broken = true;
            return;
        }
        if let Some(what) = tag.problem {
            scan.find(&rules::BROKEN, at, what.to_owned());
        }
        let local = tag.name.rsplit(':').next().unwrap_or_default();
        let qualified = local.len() < tag.name.len();
        if local == "include" && (qualified || tag.get("href").is_some()) {
            scan.find(&rules::INCLUDE, at, format!("<{}>", tag.name));
        }
        if local.eq_ignore_ascii_case("script") {
            scan.find(&rules::SCRIPT, at, format!("<{}>", tag.name));
        }
        openvino::settings(local, &tag, at, scan);
        if self.depth == 0 {
            if self.kind.is_some() {
                scan.find(&rules::BROKEN, at, "there are two documents".to_owned());
                self.broken = true;
                return;
            }
            self.kind = Some(match local {
                "net" => Kind::Openvino(Box::default()),
                "PMML" => Kind::Pmml(pmml::Model::default()),
                "java" | "object" | "beans" if local != "object" || tag.get("class").is_some() => {
                    scan.find(&rules::OBJECTS, at, format!("<{}>", tag.name));
                    Kind::Other
                }
                _ => Kind::Other,
            });
        }
        match &mut self.kind {
            Some(Kind::Openvino(net)) => net.tag(&tag, self.depth, at, scan),
            Some(Kind::Pmml(model)) => model.tag(&tag, self.depth, at, scan),
            _ => {}
        }
    }

    /// An element has ended; `depth` is that of what it lay in.
    fn end(&mut self) {
        match &mut self.kind {
            Some(Kind::Openvino(net)) => net.end(self.depth),
            Some(Kind::Pmml(model)) => model.end(self.depth),
            _ => {}
        }
    }

    fn finish(self, scan: &mut Scan<'_>) -> FileFormat {
        if !self.broken && (self.depth > 0 || self.kind.is_none()) {
            scan.find(&rules::BROKEN, None, "the document ends before it is whole".to_owned());
        }
        match self.kind {
            Some(Kind::Openvino(net)) => {
                net.finish(scan);
                FileFormat::Openvino
            }
            Some(Kind::Pmml(_)) => FileFormat::Pmml,
            _ => FileFormat::Xml,
        }
    }
}

/// What a declaration of the document's type does.
fn doctype(text: &str, at: u64, scan: &mut Scan<'_>) {
    let shown: String = text.chars().take(200).collect();
    scan.find(&rules::DOCTYPE, at, format!("<!DOCTYPE {shown}>"));
    let mut made_of_others = 0_u32;
    for declaration in text.split("<!ENTITY").skip(1) {
        let declaration = declaration.split('>').next().unwrap_or_default();
        // What is between quotes is the text or the place.
        let mut words = declaration.split(['"', '\'']);
        let head = words.next().unwrap_or_default();
        if head.split_ascii_whitespace().any(|word| word == "SYSTEM" || word == "PUBLIC") {
            let shown: String = declaration.chars().take(200).collect();
            scan.find(&rules::ENTITY, at, format!("<!ENTITY{shown}>"));
        }
        made_of_others += u32::from(words.next().is_some_and(|text| text.contains(['&', '%'])));
    }
    if made_of_others > 0 {
        scan.find(&rules::EXPANSION, at, format!("{made_of_others} of its texts"));
    }
}
