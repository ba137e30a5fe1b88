//! Pictures, sounds, films, fonts and documents: told by their marks. Of those that lie beside a model, it matters that
//! they are nothing else, and that nothing follows their end.

use crate::{
    bytes::Input,
    route::{Format, Match, Probe},
    scan::{Content, Halt, Scan},
    text::{self, Lines},
};
use modelseal_core::inspection::FileFormat;

pub(crate) mod rules {
    //! What can be found in a picture or another document.

    use crate::rule::rules;

    rules! {
        AFTER = "IMG001" "data-after-picture" Suspicious:
            "There are bytes after the picture's end." =>
            "Find out what they are, or store the picture again.";
        CUT = "IMG002" "broken-picture" Malformed:
            "The picture ends before its end, or breaks its format." =>
            "Get the file again from its maker.";
        ACTIVE = "IMG003" "picture-with-script" Suspicious:
            "The picture runs scripts when it is opened in a browser." =>
            "Remove the scripts, or store it as PNG.";
        PDF = "PDF001" "pdf-with-actions" Suspicious:
            "The document names scripts, programs or attachments that a reader opens." =>
            "Publish the document without them.";
    }
}

/// Bytes of a PDF that are looked at one after the other at a time; words of the last are looked at again.
const PDF_OVERLAP: usize = 32;

/// Pictures that may follow one another in a file.
const MORE_PICTURES: usize = 16;

/// The door from `route`.
pub(crate) struct Media;

impl Format for Media {
    fn matches(&self, probe: &Probe<'_>) -> Option<Match> {
        match tell(probe.head)? {
            // It is XML, and text: the name must say so, or the first element.
            Kind::Svg => (probe.extension == "svg" || is_svg(probe.head)).then_some(Match::Sure),
            // Two letters.
            Kind::Bmp => (probe.extension == "bmp").then_some(Match::Sure),
            _ => Some(Match::Sure),
        }
    }

    fn inspect(&self, content: Content<'_>, scan: &mut Scan<'_>) -> Result<FileFormat, Halt> {
        let Some(kind) = tell(content.head()) else { return Ok(FileFormat::Unknown) };
        match kind {
            Kind::Font => return Ok(FileFormat::Font),
            Kind::Film => return Ok(FileFormat::Media),
            Kind::Svg => svg(content, scan)?,
            Kind::Pdf => {
                pdf(content, scan)?;
                return Ok(FileFormat::Pdf);
            }
            _ => {
                let Some(random) = content.into_random(scan)? else { return Ok(FileFormat::Image) };
                let input = random.input();
                let end = match kind {
                    Kind::Png => png(input)?,
                    Kind::Jpeg => jpegs(input)?,
                    Kind::Gif => gif(input)?,
                    Kind::Riff => riff(input)?,
                    _ => return Ok(FileFormat::Image),
                };
                match end {
                    None => scan.find(&rules::CUT, None, "its parts lead beyond the file".to_owned()),
                    Some(end) => after(input, end, scan)?,
                }
                // A sound is in the same wrapping as a picture.
                if kind == Kind::Riff && input.read_some(8, 4).map_err(Halt::of)? != b"WEBP" {
                    return Ok(FileFormat::Media);
                }
            }
        }
        Ok(FileFormat::Image)
    }
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    Png,
    Jpeg,
    Gif,
    Riff,
    Bmp,
    /// Pictures whose end is not looked for: TIFF, icons, AVIF.
    Other,
    Svg,
    Pdf,
    Font,
    /// Sounds and films.
    Film,
}

fn tell(head: &[u8]) -> Option<Kind> {
    let starts = |mark: &[u8]| head.starts_with(mark);
    Some(match head {
        _ if starts(b"\x89PNG\r\n\x1a\n") => Kind::Png,
        [0xff, 0xd8, 0xff, 0xc0..=0xfe, ..] => Kind::Jpeg,
        _ if starts(b"GIF87a") || starts(b"GIF89a") => Kind::Gif,
        [b'R', b'I', b'F', b'F', _, _, _, _, b'W', b'E' | b'A', b'B' | b'V', b'P' | b'E', ..] => Kind::Riff,
        [b'B', b'M', _, _, _, _, 0, 0, 0, 0, ..] => Kind::Bmp,
        _ if starts(b"II*\0") || starts(b"MM\0*") => Kind::Other,
        [0, 0, 1, 0, 1..=20, 0, _, _, _, 0, ..] => Kind::Other,
        [_, _, _, _, b'f', b't', b'y', b'p', b'a', b'v', b'i', b'f' | b's', ..] => Kind::Other,
        [0, 0, 0, _, b'f', b't', b'y', b'p', ..] => Kind::Film,
        _ if starts(b"OggS\0") || starts(b"fLaC\0") || starts(b"ID3\x03") || starts(b"ID3\x04") => Kind::Film,
        _ if starts(b"\x1a\x45\xdf\xa3") => Kind::Film,
        _ if starts(b"%PDF-1.") || starts(b"%PDF-2.") => Kind::Pdf,
        _ if starts(b"wOFF") || starts(b"wOF2") || starts(b"OTTO\0") || starts(b"ttcf\0") => Kind::Font,
        [0, 1, 0, 0, 0, 4..=40, _, _, _, _, _, _, b' '..=b'~', b' '..=b'~', b' '..=b'~', ..] => Kind::Font,
        _ if is_svg(head) => Kind::Svg,
        _ => return None,
    })
}

pub(crate) fn is_svg(head: &[u8]) -> bool {
    let start = head.strip_prefix(b"\xef\xbb\xbf").unwrap_or(head).trim_ascii_start();
    let marked = start.starts_with(b"<?xml") || start.starts_with(b"<!") || start.starts_with(b"<svg");
    marked && text::is_text(head) && start.windows(4).any(|part| part == b"<svg")
}

/// What follows a picture's end: other readers look there, or it is hidden there.
fn after(input: Input<'_>, end: u64, scan: &mut Scan<'_>) -> Result<(), Halt> {
    let rest = input.from(end);
    if rest.is_empty() {
        return Ok(());
    }
    let head = rest.read_some(0, 64).map_err(Halt::of)?;
    // Some programs leave a line's end or zeros.
    if rest.len() <= 64 && head.iter().all(|byte| matches!(byte, 0 | b'\n' | b'\r')) {
        return Ok(());
    }
    scan.find(&rules::AFTER, end, format!("{} bytes", rest.len()));
    let name = format!("bytes {end} to {}", end + rest.len());
    scan.within(&name, |scan| {
        let before = scan.guess(true);
        let result = Content::random(rest).and_then(|content| crate::route::inspect(content, scan));
        scan.guess(before);
        result.map(|_| ())
    })
}

/// Where it ends; none when that is not in the file.
fn png(input: Input<'_>) -> Result<Option<u64>, Halt> {
    let mut at = 8;
    loop {
        let chunk = input.read_some(at, 8).map_err(Halt::of)?;
        let [a, b, c, d, kind @ ..] = &chunk[..] else { return Ok(None) };
        let len = u64::from(u32::from_be_bytes([*a, *b, *c, *d]));
        at += len + 12;
        if at > input.len() || kind.len() < 4 {
            return Ok(None);
        }
        if kind == b"IEND" {
            return Ok(Some(at));
        }
    }
}

/// Phones put smaller or deeper pictures behind the first.
fn jpegs(input: Input<'_>) -> Result<Option<u64>, Halt> {
    let mut end = jpeg(input)?;
    for _ in 0..MORE_PICTURES {
        let Some(at) = end else { break };
        let rest = input.from(at);
        if rest.read_some(0, 3).map_err(Halt::of)? != b"\xff\xd8\xff" {
            break;
        }
        end = jpeg(rest)?.map(|len| at + len);
    }
    Ok(end)
}

fn jpeg(input: Input<'_>) -> Result<Option<u64>, Halt> {
    let mut at = 2;
    loop {
        let marker = input.read_some(at, 4).map_err(Halt::of)?;
        match marker[..] {
            [0xff, 0xd9, ..] => return Ok(Some(at + 2)),
            [0xff, 0xff, ..] => at += 1,
            [0xff, 0x01 | 0xd0..=0xd7, ..] => at += 2,
            [0xff, 0xc0..=0xfe, high, low] => {
                at += 2 + u64::from(u16::from_be_bytes([high, low]));
                if marker.get(1) == Some(&0xda) {
                    match entropy_end(input, at)? {
                        Some(end) => at = end,
                        None => return Ok(None),
                    }
                }
            }
            _ => return Ok(None),
        }
    }
}

/// The next marker after coded data, which escapes its own 0xff and restarts.
fn entropy_end(input: Input<'_>, from: u64) -> Result<Option<u64>, Halt> {
    let mut at = from;
    // Progressive pictures have many short parts.
    let mut size = 256;
    loop {
        let part = input.read_some(at, size).map_err(Halt::of)?;
        let read = part.len();
        size = (size * 4).min(256 * 1024);
        let marker = |two: &[u8]| matches!(two, [0xff, code] if !matches!(code, 0 | 0xff | 0xd0..=0xd7));
        if let Some(position) = part.windows(2).position(marker) {
            return Ok(Some(at + position as u64));
        }
        if read < 2 || at + read as u64 >= input.len() {
            return Ok(None);
        }
        at += read as u64 - 1;
    }
}

fn gif(input: Input<'_>) -> Result<Option<u64>, Halt> {
    let mut reader = Bytes { input, at: 0, buffer: Vec::new(), start: 0 };
    let table = |flags: u8| if flags & 0x80 == 0 { 0 } else { 3_u64 << ((flags & 7) + 1) };
    reader.at = 10;
    let Some(flags) = reader.next()? else { return Ok(None) };
    reader.at += 2 + table(flags);
    loop {
        match reader.next()? {
            Some(b';') => return Ok(Some(reader.at)),
            Some(b'!') => reader.at += 1,
            Some(b',') => {
                reader.at += 8;
                let Some(flags) = reader.next()? else { return Ok(None) };
                reader.at += table(flags) + 1;
            }
            _ => return Ok(None),
        }
        loop {
            match reader.next()? {
                None => return Ok(None),
                Some(0) => break,
                Some(len) => reader.at += u64::from(len),
            }
        }
    }
}

/// One byte after the other, with leaps.
struct Bytes<'a> {
    input: Input<'a>,
    at: u64,
    buffer: Vec<u8>,
    start: u64,
}

impl Bytes<'_> {
    fn next(&mut self) -> Result<Option<u8>, Halt> {
        let inside = |at: u64, start: u64| usize::try_from(at.checked_sub(start)?).ok();
        if inside(self.at, self.start).is_none_or(|at| at >= self.buffer.len()) {
            self.buffer = self.input.read_some(self.at, 16 * 1024).map_err(Halt::of)?;
            self.start = self.at;
        }
        let byte = inside(self.at, self.start).and_then(|at| self.buffer.get(at)).copied();
        self.at += 1;
        Ok(byte)
    }
}

fn riff(input: Input<'_>) -> Result<Option<u64>, Halt> {
    let head = input.read_some(4, 4).map_err(Halt::of)?;
    let [a, b, c, d] = head[..] else { return Ok(None) };
    let end = 8 + u64::from(u32::from_le_bytes([a, b, c, d]));
    // An odd length is padded.
    let end = if end % 2 == 1 && end < input.len() { end + 1 } else { end };
    Ok((end <= input.len()).then_some(end))
}

fn svg(content: Content<'_>, scan: &mut Scan<'_>) -> Result<(), Halt> {
    let mut lines = Lines::new(content.into_stream());
    while let Some(line) = lines.next(scan)? {
        let at = line.at;
        let entity = line.bytes.windows(8).any(|part| part.eq_ignore_ascii_case(b"<!ENTITY"));
        if entity || text::is_active(line.bytes) {
            scan.find(&rules::ACTIVE, at, "a script, an address that is one, or an entity".to_owned());
        }
    }
    Ok(())
}

fn pdf(content: Content<'_>, scan: &mut Scan<'_>) -> Result<(), Halt> {
    const WORDS: [&[u8]; 6] = [b"/JavaScript", b"/JS ", b"/JS(", b"/Launch", b"/EmbeddedFile", b"/RichMedia"];
    let mut stream = content.into_stream();
    let mut buffer = vec![0; 64 * 1024];
    let (mut kept, mut at) = (0, 0_u64);
    loop {
        let read = match stream.read(buffer.get_mut(kept..).unwrap_or_default()) {
            Ok(0) => return Ok(()),
            Ok(read) => read,
            Err(error) => return scan.unreadable(error, &crate::compress::rules::CORRUPT),
        };
        let filled = kept + read;
        let part = buffer.get(..filled).unwrap_or_default();
        for word in WORDS {
            if let Some(position) = part.windows(word.len()).position(|piece| piece == word) {
                let name = String::from_utf8_lossy(word).trim_end_matches(['(', ' ']).to_owned();
                let message = format!("it has '{name}'");
                scan.find_about(&rules::PDF, at + position as u64, &name, message);
            }
        }
        kept = filled.min(PDF_OVERLAP);
        at += (filled - kept) as u64;
        buffer.copy_within(filled - kept..filled, 0);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{look, rules_in};
    use modelseal_core::inspection::Verdict;

    fn samples() -> Vec<(&'static str, Vec<u8>)> {
        let png = [
            &b"\x89PNG\r\n\x1a\n"[..],
            b"\0\0\0\x0dIHDR\0\0\0\x01\0\0\0\x01\x08\0\0\0\0CRC!",
            b"\0\0\0\x02IDATxxCRC!\0\0\0\0IENDCRC!",
        ]
        .concat();
        let jpeg = b"\xff\xd8\xff\xe0\0\x04JF\xff\xda\0\x03\0ab\xff\0c\xff\xd0d\xff\xd9".to_vec();
        let gif = b"GIF89a\x01\0\x01\0\x80\0\0\0\0\0\xff\xff\xff!\xf9\x04\0\0\0\0\0,\0\0\0\0\x01\0\x01\0\0\x02\x02D\x01\0;";
        vec![
            ("a.png", png),
            ("a.jpg", jpeg),
            ("a.gif", gif.to_vec()),
            ("a.webp", b"RIFF\x08\0\0\0WEBPVP8 ".to_vec()),
        ]
    }

    #[test]
    fn pictures_are_clean_and_nothing_may_follow_them() {
        for (name, data) in samples() {
            let found = look(name, &data);
            assert_eq!(
                (found.format, found.verdict()),
                (FileFormat::Image, Verdict::Clean),
                "{name} {found:?}"
            );
            for len in 12..data.len() {
                let found = look(name, &data[..len]);
                assert_eq!(found.verdict(), Verdict::Malformed, "{name} {len} {found:?}");
            }
            let padded = [&data[..], b"\n\0"].concat();
            assert_eq!(look(name, &padded).verdict(), Verdict::Clean);
            let more = [&data[..], b"\x80\x04\x8c\x02os\x8c\x06system\x93\x8c\x01x\x85R."].concat();
            let found = look(name, &more);
            assert_eq!(found.verdict(), Verdict::Malicious, "{name} {found:?}");
            assert!(rules_in(&found).contains(&"IMG001"));
        }
    }

    #[test]
    fn pictures_of_phones_are_several() {
        let one = samples().remove(1).1;
        let two = [&one[..], &one].concat();
        assert_eq!(look("a.jpg", &two).verdict(), Verdict::Clean);
        assert_eq!(look("a.jpg", &two[..two.len() - 2]).verdict(), Verdict::Malformed);
    }

    #[test]
    fn a_picture_and_an_archive_in_one_file_are_told() {
        let mut data = samples().remove(0).1;
        data.extend(b"PK\x05\x06");
        data.extend([0; 18]);
        let found = look("a.png", &data);
        assert!(
            found.verdict() >= Verdict::Suspicious && found.formats.contains(&FileFormat::Zip),
            "{found:?}"
        );
    }

    #[test]
    fn other_media_are_told() {
        for (data, format) in [
            (&b"%PDF-1.7\n%%EOF"[..], FileFormat::Pdf),
            (b"\0\x01\0\0\0\x10\x01\0\0\x04\0\0cmap", FileFormat::Font),
            (b"wOF2\0\x01\0\0", FileFormat::Font),
            (b"OggS\0\x02", FileFormat::Media),
            (b"RIFF\x04\0\0\0WAVE", FileFormat::Media),
            (b"<?xml version='1.0'?>\n<svg xmlns='x'></svg>", FileFormat::Image),
        ] {
            let found = look("a", data);
            assert_eq!((found.format, found.verdict()), (format, Verdict::Clean), "{found:?}");
        }
    }

    #[test]
    fn scripts_in_documents_are_suspicious() {
        for svg in
            ["<svg><script>x</script></svg>", "<svg onload = 'x'/>", "<svg><a href='javascript:x'/></svg>"]
        {
            assert_eq!(rules_in(&look("a.svg", svg.as_bytes())), ["IMG003"]);
        }
        let pdf = [&b"%PDF-1.7\n"[..], &[b' '; 70_000], b"/OpenAction << /S /JavaScript /JS (x) >>"].concat();
        assert_eq!(rules_in(&look("a.pdf", &pdf)), ["PDF001", "PDF001"]);
    }
}
