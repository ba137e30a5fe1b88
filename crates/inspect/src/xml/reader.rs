//! What the reader of XML gets its bytes from, and one tag of it.

use super::ATTRIBUTES;
use crate::{
    bytes::{ReadError, Stream},
    limits,
};
use quick_xml::events::BytesStart;
use std::{
    collections::BTreeSet,
    io::{self, BufRead, Read},
};

/// Bytes that are read at a time.
const WINDOW: usize = 16 * 1024;

/// The document with a question mark for every byte beyond ASCII, so that one reader takes all encodings that have their
/// tags in ASCII: no name or number that is looked at has others. Says no when one event takes too many bytes.
pub(super) struct Plain<'a> {
    stream: Box<dyn Stream + 'a>,
    window: Vec<u8>,
    at: usize,
    /// Bytes that the event may still take.
    left: u64,
    failed: Option<ReadError>,
    begun: bool,
}

impl<'a> Plain<'a> {
    pub(super) fn new(stream: Box<dyn Stream + 'a>) -> Self {
        Self { stream, window: Vec::new(), at: 0, left: limits::XML_EVENT, failed: None, begun: false }
    }

    pub(super) fn begin_event(&mut self) {
        self.left = limits::XML_EVENT;
    }

    pub(super) const fn is_bounded(&self) -> bool {
        self.left == 0
    }

    /// What went wrong below.
    pub(super) fn failed(&mut self) -> Option<ReadError> {
        self.failed.take()
    }
}

impl BufRead for Plain<'_> {
    fn fill_buf(&mut self) -> io::Result<&[u8]> {
        if self.left == 0 {
            return Err(io::Error::other("too long"));
        }
        if self.at >= self.window.len() {
            self.window.resize(WINDOW, 0);
            self.at = 0;
            match self.stream.read(&mut self.window) {
                Ok(read) => self.window.truncate(read),
                Err(error) => {
                    self.window.clear();
                    self.failed = Some(error);
                    return Err(io::Error::other("unreadable"));
                }
            }
            if !self.begun {
                self.begun = true;
                if self.window.starts_with(b"\xef\xbb\xbf") {
                    self.at = 3;
                }
            }
            for byte in &mut self.window {
                if !byte.is_ascii() {
                    *byte = b'?';
                }
            }
        }
        Ok(self.window.get(self.at..).unwrap_or_default())
    }

    fn consume(&mut self, count: usize) {
        self.at += count;
        self.left = self.left.saturating_sub(count as u64);
    }
}

impl Read for Plain<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let window = self.fill_buf()?;
        let count = window.len().min(buffer.len());
        if let (Some(to), Some(from)) = (buffer.get_mut(..count), window.get(..count)) {
            to.copy_from_slice(from);
        }
        self.consume(count);
        Ok(count)
    }
}

/// A tag and its attributes.
pub(super) struct Tag {
    pub(super) name: String,
    attributes: Vec<(String, String)>,
    /// What is wrong with it.
    pub(super) problem: Option<&'static str>,
}

impl Tag {
    pub(super) fn of(tag: &BytesStart<'_>) -> Self {
        let name: String = tag.name().0.chars().take(limits::XML_NAME + 1).collect();
        let mut found = Self { name, attributes: Vec::new(), problem: None };
        let mut keys = BTreeSet::new();
        // The reader compares each with all before it.
        for attribute in tag.attributes().with_checks(false) {
            let Ok(attribute) = attribute else {
                found.problem = Some("an attribute is none");
                break;
            };
            if found.attributes.len() >= ATTRIBUTES {
                found.problem = Some("a tag has more attributes than any");
                break;
            }
            let key: String = attribute.key.0.chars().take(256).collect();
            if !keys.insert(key.clone()) {
                found.problem = Some("a tag has an attribute twice");
            }
            // References to characters count as what they stand for, and others to entities stay as they are.
            let value = quick_xml::escape::unescape(&attribute.value)
                .map_or_else(|_| attribute.value.to_string(), |value| value.into_owned());
            found.attributes.push((key, value));
        }
        found
    }

    /// The first attribute of this name.
    pub(super) fn get(&self, name: &str) -> Option<&str> {
        self.attributes.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str())
    }

    pub(super) fn attributes(&self) -> impl Iterator<Item = (&str, &str)> {
        self.attributes.iter().map(|(key, value)| (key.as_str(), value.as_str()))
    }
}
