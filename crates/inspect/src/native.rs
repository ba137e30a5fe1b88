//! Programs and libraries: machine code and bytecode that has no place in a model, told by its headers. It is not
//! analysed: what it would do cannot be shown.

use crate::{
    route::{Format, Match, Probe},
    scan::{Content, Halt, Scan},
};
use modelseal_core::inspection::{Capability, FileFormat};

pub(crate) mod rules {
    //! What can be found when a file is a program.

    use crate::rule::rules;

    rules! {
        PROGRAM = "NAT001" "native-code" Suspicious:
            "The file is a program or a library; what its code does cannot be shown." =>
            "Remove it, or build it from sources that you trust.";
        HEADER = "NAT002" "broken-program" Suspicious:
            "The file has the mark of a program, and its header says what no program's does." =>
            "Remove it.";
        BYTECODE = "NAT003" "bytecode" Suspicious:
            "The file is compiled for Java, WebAssembly or Python; what its code does cannot be shown." =>
            "Remove it, or compile it from sources that you trust.";
    }
}

/// Windows programs whose newer header lies within what is looked at; it does in all but odd ones.
const PE_HEADER: usize = 0x3c;

/// The door from `route`.
pub(crate) struct Native;

impl Format for Native {
    fn matches(&self, probe: &Probe<'_>) -> Option<Match> {
        let told = tell(probe.head)?;
        let named = told.extensions.contains(&probe.extension);
        Some(if told.sure || named { Match::Sure } else { Match::Likely })
    }

    fn inspect(&self, content: Content<'_>, scan: &mut Scan<'_>) -> Result<FileFormat, Halt> {
        let Some(told) = tell(content.head()) else { return Ok(FileFormat::Unknown) };
        let name = scan.name().to_owned();
        scan.contents.add_name(|contents| &mut contents.scripts, &name);
        let python = told.format == FileFormat::PythonBytecode;
        let capability = if python { Capability::PythonCode } else { Capability::NativeCode };
        scan.contents.capabilities.insert(capability);
        let rule = match told.format {
            FileFormat::Elf | FileFormat::Pe | FileFormat::MachO | FileFormat::StaticLibrary => {
                &rules::PROGRAM
            }
            _ => &rules::BYTECODE,
        };
        scan.find(rule, 0, told.what.to_owned());
        if let Some(wrong) = told.wrong {
            scan.find(&rules::HEADER, 0, wrong.to_owned());
        }
        Ok(told.format)
    }
}

/// What a file's first bytes say.
struct Told {
    format: FileFormat,
    what: &'static str,
    /// Whether they say enough, so that chance is excluded.
    sure: bool,
    /// What is wrong with the header.
    wrong: Option<&'static str>,
    extensions: &'static [&'static str],
}

fn tell(head: &[u8]) -> Option<Told> {
    match head {
        [0x7f, b'E', b'L', b'F', ..] => Some(elf(head)),
        [b'M', b'Z', ..] => pe(head),
        [0xfe, 0xed, 0xfa, 0xce | 0xcf, ..] | [0xce | 0xcf, 0xfa, 0xed, 0xfe, ..] => mach(head),
        [0xca, 0xfe, 0xba, 0xbe | 0xbf, ..] => java_or_fat(head),
        [0, b'a', b's', b'm', version @ ..] => wasm(version),
        [low, high, b'\r', b'\n', ..] => pyc(u16::from_le_bytes([*low, *high]), head),
        _ if head.starts_with(b"!<arch>\n") => Some(Told {
            format: FileFormat::StaticLibrary,
            what: "a static library",
            sure: true,
            wrong: None,
            extensions: &[],
        }),
        _ => None,
    }
}

fn elf(head: &[u8]) -> Told {
    let little = head.get(5) == Some(&1);
    let half = |at| number(head, at, 2, little);
    let wrong = match (head.get(4..7), half(16)) {
        (Some([1 | 2, 1 | 2, 1]), Some(1..=4)) => {
            let wide = head.get(4) == Some(&2);
            let size = half(if wide { 52 } else { 40 });
            (size != Some(if wide { 64 } else { 52 })).then_some("its header is of another size than it says")
        }
        (Some([1 | 2, 1 | 2, 1]), _) => Some("it is no program, library, object or dump"),
        _ => Some("its class, byte order or version does not exist"),
    };
    let what = match half(16) {
        Some(1) => "an object file for Linux or another Unix",
        Some(4) => "a memory dump of a program",
        _ => "a program or a library for Linux or another Unix",
    };
    Told { format: FileFormat::Elf, what, sure: true, wrong, extensions: &[] }
}

fn pe(head: &[u8]) -> Option<Told> {
    let told = |what, sure, wrong| {
        let extensions = &["exe", "dll", "pyd", "sys", "scr", "com", "ocx", "cpl"];
        Some(Told { format: FileFormat::Pe, what, sure, wrong, extensions })
    };
    let at = usize::try_from(number(head, PE_HEADER, 4, true)?).unwrap_or(usize::MAX);
    match at.checked_add(4).and_then(|end| head.get(at..end)) {
        Some(b"PE\0\0") => told("a program or a library for Windows", true, None),
        Some([b'N', b'E', ..] | [b'L', b'E' | b'X', ..]) => told("a program for older Windows", true, None),
        // Two letters are no mark: a header of DOS must be plausible, too.
        other => {
            let paragraphs = number(head, 8, 2, true)?;
            let last_page = number(head, 2, 2, true)?;
            let plausible = last_page < 512 && (2..=4096).contains(&paragraphs);
            let empty = head.get(2..PE_HEADER)?.iter().all(|&byte| byte == 0);
            if !plausible && !empty {
                return None;
            }
            let wrong =
                (other.is_some() || empty).then_some("the header of Windows is not where it should be");
            told("a program for DOS or Windows", false, wrong)
        }
    }
}

fn mach(head: &[u8]) -> Option<Told> {
    let little = matches!(head, [0xce | 0xcf, ..]);
    let word = |at| number(head, at, 4, little);
    // Of a kind that exists, and with not too many commands.
    let wrong = !matches!(word(12)?, 1..=12) || !(1..=65_536).contains(&word(16)?);
    Some(Told {
        format: FileFormat::MachO,
        what: "a program or a library for macOS",
        sure: !wrong,
        wrong: wrong.then_some("its kind does not exist, or it has no commands"),
        extensions: &["dylib", "bundle", "so", "o"],
    })
}

/// Both begin alike: fat programs go on with a small number of architectures, classes with their version.
fn java_or_fat(head: &[u8]) -> Option<Told> {
    let number = number(head, 4, 4, false)?;
    if head.get(3) == Some(&0xbf) || number < 0x2d {
        let plausible = (1..0x2d).contains(&number);
        return plausible.then_some(Told {
            format: FileFormat::MachO,
            what: "a program or a library for macOS on several processors",
            sure: true,
            wrong: None,
            extensions: &[],
        });
    }
    let version = number & 0xffff;
    Some(Told {
        format: FileFormat::JavaClass,
        what: "a class of Java",
        sure: true,
        wrong: (!(45..=200).contains(&version)).then_some("there is no such version of classes"),
        extensions: &[],
    })
}

fn wasm(version: &[u8]) -> Option<Told> {
    let known = matches!(version, [1, 0, 0, 0, ..] | [0x0a..=0x20, 0, 1, 0, ..]);
    Some(Told {
        format: FileFormat::Wasm,
        what: "a module of WebAssembly",
        sure: known,
        wrong: (!known).then_some("there is no such version"),
        extensions: &["wasm"],
    })
}

/// Python's version, a line's end that no text file has behind it, and a marshalled code object.
fn pyc(version: u16, head: &[u8]) -> Option<Told> {
    let start = match version {
        // Python 1.5 to 2.7.
        20_121 | 50_428..=62_219 => 8,
        3000..=3230 => 8,
        3231..=3389 => 12,
        3390..=4500 => 16,
        _ => return None,
    };
    let code = matches!(head.get(start), Some(b'c' | 0xe3));
    Some(Told {
        format: FileFormat::PythonBytecode,
        what: "compiled Python",
        sure: code,
        wrong: (!code).then_some("there is no code behind its header"),
        extensions: &["pyc", "pyo"],
    })
}

fn number(head: &[u8], at: usize, len: usize, little: bool) -> Option<u64> {
    let bytes = head.get(at..at.checked_add(len)?)?;
    let join = |sum: u64, byte: &u8| sum << 8 | u64::from(*byte);
    Some(if little { bytes.iter().rev().fold(0, join) } else { bytes.iter().fold(0, join) })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{pickle::Globals, testing::look};
    use modelseal_core::inspection::Verdict;

    fn elf_header() -> Vec<u8> {
        let mut header = vec![0; 64];
        header[..7].copy_from_slice(b"\x7fELF\x02\x01\x01");
        header[16] = 3;
        header[52] = 64;
        header
    }

    fn pe_header() -> Vec<u8> {
        let mut header = b"MZ".to_vec();
        header.resize(0x80, 0);
        header[PE_HEADER] = 0x80;
        header.extend(b"PE\0\0");
        header
    }

    #[test]
    fn programs_are_told_by_their_headers() {
        let mut mach = vec![0xcf, 0xfa, 0xed, 0xfe, 7, 0, 0, 1, 3, 0, 0, 0, 6, 0, 0, 0, 12, 0, 0, 0];
        mach.resize(64, 0);
        let fat = [&b"\xca\xfe\xba\xbe\0\0\0\x02"[..], &[0; 40]].concat();
        let class = [&b"\xca\xfe\xba\xbe\0\0\0\x34"[..], &[0; 40]].concat();
        let pyc = [&b"\xcb\r\r\n"[..], &[0; 12], b"\xe3\0\0\0\0"].concat();
        for (data, format) in [
            (elf_header(), FileFormat::Elf),
            (pe_header(), FileFormat::Pe),
            (mach, FileFormat::MachO),
            (fat, FileFormat::MachO),
            (class, FileFormat::JavaClass),
            (b"\0asm\x01\0\0\0".to_vec(), FileFormat::Wasm),
            (b"!<arch>\nlib.o/".to_vec(), FileFormat::StaticLibrary),
            (pyc, FileFormat::PythonBytecode),
        ] {
            // Whatever they are called.
            for name in ["weights.bin", "readme", "a.txt"] {
                let found = look(name, &data);
                assert_eq!((found.format, found.verdict()), (format, Verdict::Suspicious), "{found:?}");
                assert!(found.findings.iter().all(|finding| finding.rule != rules::HEADER.id));
                assert_eq!(found.contents.scripts.len(), 1);
                let python = format == FileFormat::PythonBytecode;
                let capability = if python { Capability::PythonCode } else { Capability::NativeCode };
                assert!(found.contents.capabilities.contains(&capability));
            }
        }
    }

    #[test]
    fn a_broken_header_is_told() {
        let mut no_kind = elf_header();
        no_kind[16] = 0;
        let no_code = [&b"\xcb\r\r\n"[..], &[0; 12], b"N"].concat();
        for (name, data) in [
            ("libx.so", no_kind),
            ("a.exe", [&b"MZ"[..], &[0; 62]].concat()),
            ("x.pyc", no_code),
            ("a.wasm", b"\0asm\x07\0\0\0".to_vec()),
        ] {
            let found = look(name, &data);
            assert!(
                found.findings.iter().any(|finding| finding.rule == rules::HEADER.id),
                "{name}: {found:?}"
            );
            assert!(found.verdict() >= Verdict::Suspicious);
        }
    }

    #[test]
    fn numbers_are_no_programs() {
        for data in
            [&b"MZ"[..], b"MZ\x93\x21random weights that are longer than the old header of DOS is, 64 bytes"]
        {
            assert!(look("a.weights", data).format != FileFormat::Pe);
        }
        let raw: Vec<u8> = (0..256_u32).flat_map(|n| (n as f32).to_le_bytes()).collect();
        assert!(tell(&raw).is_none());
    }

    #[test]
    fn any_length_can_be_told() {
        for data in
            [elf_header(), pe_header(), b"\xcf\xfa\xed\xfe\x07\0\0\x01\x03\0\0\0\x06\0\0\0\x0c".to_vec()]
        {
            for len in 0..data.len() {
                look("a.bin", &data[..len]);
                let probe = Probe {
                    head: &data[..len],
                    tail: &[],
                    len: None,
                    extension: "",
                    name: "",
                    globals: Globals::shipped(),
                };
                Native.matches(&probe);
            }
        }
    }
}
