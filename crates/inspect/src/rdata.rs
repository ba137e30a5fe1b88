//! R's serialisation, in `.rds` and `.RData`: read as a stream, to see whether there are promises and functions in it. The
//! compression around it comes off before.

use crate::{
    bytes::Stream,
    fields::{Source, Stop},
    limits,
    route::{Format, Match, Probe},
    scan::{Content, Halt, Scan},
};
use modelseal_core::inspection::FileFormat;

pub(crate) mod rules {
    //! What can be found in R's serialisation.

    use crate::rule::rules;

    rules! {
        BROKEN = "RDS001" "broken-r-data" Malformed:
            "The file ends or fails before its end." =>
            "Get the file again from its maker.";
        PROMISE = "RDS002" "r-promise" Malicious:
            "The file holds a promise: an expression that R evaluates as soon as the value is looked at (CVE-2024-27322)." =>
            "Do not load it with R before 4.4, nor at all unless its maker can say why it is there.";
        CODE = "RDS003" "r-code" Suspicious:
            "The file holds functions or calls, which run when the model is used." =>
            "Look at them in R with `str` and `body` before using the model.";
        UNREAD = "RDS004" "r-not-followed" Suspicious:
            "The file is in a form of R's serialisation that is not followed here." =>
            "Save it anew with `saveRDS`.";
        TRAILING = "RDS005" "data-after-r-data" Suspicious:
            "There are bytes after the object." =>
            "Find out what they are.";
        POINTER = "RDS006" "r-pointer" Note:
            "The file holds pointers to memory of another process, which are empty when it is loaded." =>
            "See that the package that wrote it can use it.";
    }
}

/// The door from `route`.
pub(crate) struct RData;

impl Format for RData {
    fn matches(&self, probe: &Probe<'_>) -> Option<Match> {
        match form(probe.head)? {
            (_, Form::Text) => Some(Match::Likely),
            _ => Some(Match::Sure),
        }
    }

    fn inspect(&self, content: Content<'_>, scan: &mut Scan<'_>) -> Result<FileFormat, Halt> {
        let Some((start, form)) = form(content.head()) else { return Ok(FileFormat::Unknown) };
        if form == Form::Text {
            scan.find(&rules::UNREAD, 0, "it is written as text".to_owned());
            return Ok(FileFormat::RData);
        }
        let source = Source::new(content.into_stream());
        let mut walk = Walk { source, little: form == Form::Little };
        match walk.file(start, scan) {
            Ok(()) => {}
            Err(Stop::Ends) => {
                scan.find(&rules::BROKEN, walk.source.at(), "it ends within a value".to_owned());
            }
            Err(Stop::Read(error)) => scan.unreadable(error, &crate::compress::rules::CORRUPT)?,
        }
        Ok(FileFormat::RData)
    }
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Form {
    /// Numbers with the highest byte first.
    Big,
    Little,
    Text,
}

/// Where the numbers begin, and how they are written.
fn form(head: &[u8]) -> Option<(u64, Form)> {
    // A saved workspace has a line before.
    let (start, rest) = match head {
        [b'R', b'D', b'X' | b'A' | b'B', b'2' | b'3', b'\n', rest @ ..] => (5, rest),
        _ => (0, head),
    };
    match rest {
        [b'X', b'\n', 0, 0, 0, 2 | 3, ..] => Some((start + 2, Form::Big)),
        [b'B', b'\n', 2 | 3, 0, 0, 0, ..] => Some((start + 2, Form::Little)),
        [b'A', b'\n', b'2' | b'3', b'\n', ..] => Some((start, Form::Text)),
        _ => None,
    }
}

struct Walk<S> {
    source: Source<S>,
    little: bool,
}

/// What a value means for the walk.
enum Next {
    /// As many values lie in it.
    Values(u64),
    /// The walk cannot go on.
    End,
}

impl<S: Stream> Walk<S> {
    fn file(&mut self, start: u64, scan: &mut Scan<'_>) -> Result<(), Stop> {
        self.source.skip(start)?;
        let version = self.int()?;
        self.source.skip(8)?;
        if version == 3 {
            let encoding = self.int()?;
            self.source.skip(u64::from(encoding))?;
        }
        // Values that are still to come on each level.
        let mut open: Vec<u64> = vec![1];
        while let Some(left) = open.last_mut() {
            if *left == 0 {
                open.pop();
                continue;
            }
            *left -= 1;
            // The last of a level needs none of its own: lists are chains of their ends.
            if *left == 0 {
                open.pop();
            }
            match self.value(scan)? {
                Next::End => return Ok(()),
                Next::Values(0) => {}
                Next::Values(count) => open.push(count),
            }
            if open.len() > limits::R_DEPTH {
                let message = format!("more than {} levels", limits::R_DEPTH);
                scan.find(&limits::R_TOO_DEEP, self.source.at(), message);
                return Ok(());
            }
        }
        if !self.source.has_ended()? {
            scan.find(&rules::TRAILING, self.source.at(), "the object has ended".to_owned());
        }
        Ok(())
    }

    /// One value without those in it. The numbers are those of R's `SEXPTYPE`.
    fn value(&mut self, scan: &mut Scan<'_>) -> Result<Next, Stop> {
        let at = self.source.at();
        let flags = self.int()?;
        let attributes = u64::from(flags & 0x200 != 0);
        let tag = u64::from(flags & 0x400 != 0);
        let count = match flags & 0xff {
            // Constants: the empty list, environments, missing arguments.
            0 | 241 | 242 | 250..=254 => 0,
            // Something that came before.
            255 => {
                if flags >> 8 == 0 {
                    self.source.skip(4)?;
                }
                0
            }
            // A symbol is a text.
            1 => 1,
            2 | 17 => 2 + attributes + tag,
            3 => {
                scan.find_about(&rules::CODE, at, "closure", "a function".to_owned());
                2 + attributes + tag
            }
            6 => {
                scan.find_about(&rules::CODE, at, "call", "a call".to_owned());
                2 + attributes + tag
            }
            5 => {
                scan.find(&rules::PROMISE, at, "a promise".to_owned());
                2 + attributes + tag
            }
            4 => {
                self.source.skip(4)?;
                4
            }
            7 | 8 => {
                let len = self.int()?;
                let name = self.source.some(u64::from(len), 64)?;
                let name = String::from_utf8_lossy(&name).into_owned();
                scan.find_about(&rules::CODE, at, &name, format!("the built-in function '{name}'"));
                0
            }
            9 => {
                let len = self.int()?;
                self.source.skip(if len == u32::MAX { 0 } else { u64::from(len) })?;
                0
            }
            10 | 13 => self.numbers("integer", 4, scan)? + attributes,
            14 => self.numbers("double", 8, scan)? + attributes,
            15 => self.numbers("complex", 16, scan)? + attributes,
            24 => self.numbers("raw", 1, scan)? + attributes,
            16 | 19 | 20 => {
                let len = self.length()?;
                // Each value takes four bytes at least.
                if self.source.remaining().is_some_and(|left| len > left / 4) {
                    scan.find(&rules::BROKEN, at, format!("{len} values are announced, which there are not"));
                    return Ok(Next::End);
                }
                if flags & 0xff == 20 {
                    scan.find_about(&rules::CODE, at, "expression", "an expression".to_owned());
                }
                len.saturating_add(attributes)
            }
            22 => {
                scan.find(&rules::POINTER, at, "a pointer".to_owned());
                2 + attributes
            }
            23 | 25 => attributes,
            // A namespace or a package: its names.
            247..=249 => {
                self.source.skip(4)?;
                u64::from(self.int()?)
            }
            238 => 3,
            21 => {
                scan.find_about(
                    &rules::CODE,
                    at,
                    "bytecode",
                    "bytecode, behind which nothing is followed".to_owned(),
                );
                return Ok(Next::End);
            }
            other => {
                scan.find(&rules::BROKEN, at, format!("a value is of the kind {other}"));
                return Ok(Next::End);
            }
        };
        Ok(Next::Values(count))
    }

    fn numbers(&mut self, dtype: &str, size: u64, scan: &mut Scan<'_>) -> Result<u64, Stop> {
        let len = self.length()?;
        scan.contents.add_tensor(dtype, len);
        self.source.skip(len.saturating_mul(size))?;
        Ok(0)
    }

    /// A length; of more than 2^31, the two halves follow.
    fn length(&mut self) -> Result<u64, Stop> {
        let len = self.int()?;
        if len != u32::MAX {
            return Ok(u64::from(len));
        }
        Ok(u64::from(self.int()?) << 32 | u64::from(self.int()?))
    }

    fn int(&mut self) -> Result<u32, Stop> {
        let bytes = self.source.array()?;
        Ok(if self.little { u32::from_le_bytes(bytes) } else { u32::from_be_bytes(bytes) })
    }
}

#[cfg(test)]
mod tests {
    use modelseal_core::inspection::{FileFormat, FileInspection, Verdict};

    fn look(data: &[u8]) -> FileInspection {
        crate::testing::look("model.rds", data)
    }

    fn found(data: &[u8]) -> Vec<String> {
        look(data).findings.iter().map(|finding| finding.rule.to_string()).collect()
    }

    /// A file of version 2 with these numbers.
    fn file(numbers: &[u32]) -> Vec<u8> {
        let mut data = b"X\n\0\0\0\x02\0\x04\x03\0\0\x02\x03\0".to_vec();
        numbers.iter().for_each(|number| data.extend(number.to_be_bytes()));
        data
    }

    /// `list(c(1L, 2L), NULL)` with an attribute.
    const LIST: [u32; 10] = [0x213, 2, 13, 2, 1, 2, 254, 2, 254, 254];

    #[test]
    fn data_is_clean_and_counted() {
        let found = look(&file(&LIST));
        assert_eq!((found.verdict(), found.format), (Verdict::Clean, FileFormat::RData));
        assert_eq!(found.contents.parameters, 2);
        let mut workspace = b"RDX2\n".to_vec();
        workspace.extend(file(&LIST));
        assert_eq!(look(&workspace).verdict(), Verdict::Clean);
    }

    #[test]
    fn truncation_anywhere_is_not_clean() {
        let data = file(&LIST);
        for end in 1..data.len() {
            assert_ne!(look(&data[..end]).verdict(), Verdict::Clean, "{end}");
        }
    }

    #[test]
    fn cve_2024_27322_a_promise_is_malicious() {
        // A promise whose expression is the call `f()`.
        let data = file(&[0x405, 254, 254, 6, 254, 254]);
        assert_eq!(look(&data).verdict(), Verdict::Malicious);
        assert!(found(&data).contains(&"RDS002".to_owned()));
    }

    #[test]
    fn functions_and_what_is_wrong_are_found() {
        assert_eq!(found(&file(&[3, 254, 254])), ["RDS003"]);
        assert_eq!(found(&file(&[21])), ["RDS003"]);
        assert_eq!(found(&file(&[0x63])), ["RDS001"]);
        assert_eq!(found(&file(&[19, 1_000_000])), ["RDS001"]);
        assert_eq!(found(&file(&[254, 0])), ["RDS005"]);
        assert_eq!(found(&file(&[22, 254, 254])), ["RDS006"]);
        assert_eq!(found(b"A\n2\n132352\n131840\n254\n"), ["RDS004"]);
        assert_eq!(found(&file(&[19, 2].repeat(200_000))), ["LIM072"]);
    }
}
