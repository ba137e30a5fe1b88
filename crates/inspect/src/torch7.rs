//! Torch7, of Lua: recognised, and not followed. Its files hold any Lua object, functions as bytecode among them, and each
//! class reads itself.

use crate::{
    route::{Format, Match, Probe},
    scan::{Content, Halt, Scan},
};
use modelseal_core::inspection::{Capability, FileFormat};

pub(crate) mod rules {
    //! What can be found in a file of Torch7.

    use crate::rule::rules;

    rules! {
        TORCH7 = "LUA001" "torch7" Suspicious:
            "Torch7 loads any Lua object, functions as bytecode among them; what the file holds was not followed." =>
            "Convert the weights to safetensors on a machine that may be lost.";
        FUNCTION = "LUA002" "torch7-class" Suspicious:
            "The first object is of a class that is none of Torch's own." =>
            "Do not load it.";
    }
}

/// The door from `route`.
pub(crate) struct Torch7;

impl Format for Torch7 {
    fn matches(&self, probe: &Probe<'_>) -> Option<Match> {
        if class(probe.head).is_some() {
            return Some(Match::Sure);
        }
        // Tables have no mark of their own.
        let table = probe.head.starts_with(b"3\n1\n") || probe.head.starts_with(b"\x03\0\0\0\x01\0\0\0");
        let named = matches!(probe.extension, "t7" | "th" | "t7b");
        (named || table && probe.extension == "dat").then_some(Match::Likely)
    }

    fn inspect(&self, content: Content<'_>, scan: &mut Scan<'_>) -> Result<FileFormat, Halt> {
        scan.contents.capabilities.insert(Capability::RemoteCode);
        let class = class(content.head());
        scan.find(&rules::TORCH7, 0, class.clone().unwrap_or_else(|| "no class is named first".to_owned()));
        let own = ["torch.", "nn.", "cudnn.", "cunn.", "nngraph.", "tds."];
        if let Some(class) = class.filter(|class| !own.iter().any(|prefix| class.starts_with(prefix))) {
            scan.find_about(&rules::FUNCTION, 0, &class, format!("'{class}'"));
        }
        Ok(FileFormat::Torch7)
    }
}

/// The class of the first object: its kind 4, an index, a version, and a name; as text or as numbers of four bytes.
fn class(head: &[u8]) -> Option<String> {
    let name = if let Some(rest) = head.strip_prefix(b"4\n1\n3\nV 1\n") {
        let (len, rest) = rest.split_at(rest.iter().position(|&byte| byte == b'\n')?);
        let len: usize = std::str::from_utf8(len).ok()?.trim().parse().ok()?;
        rest.get(1..)?.get(..len.min(256)).or_else(|| rest.get(1..))?
    } else {
        let rest = head.strip_prefix(b"\x04\0\0\0\x01\0\0\0\x03\0\0\0V 1")?;
        let (len, rest) = rest.split_first_chunk::<4>()?;
        let len = usize::try_from(u32::from_le_bytes(*len)).ok()?;
        rest.get(..len.min(256)).unwrap_or(rest)
    };
    Some(String::from_utf8_lossy(name).trim().chars().take(256).collect())
}

#[cfg(test)]
mod tests {
    use crate::testing::look;
    use modelseal_core::inspection::{FileFormat, Verdict};

    #[test]
    fn files_of_torch7_are_recognised_and_never_clean() {
        let text = b"4\n1\n3\nV 1\n17\ntorch.FloatTensor\n";
        let numbers = b"\x04\0\0\0\x01\0\0\0\x03\0\0\0V 1\x0d\0\0\0nn.Sequential\0\0";
        for data in [&text[..], numbers] {
            let found = look("model.bin", data);
            assert_eq!((found.format, found.verdict()), (FileFormat::Torch7, Verdict::Suspicious));
            assert_eq!(found.findings.iter().filter(|finding| finding.rule.as_str() == "LUA002").count(), 0);
            for end in 1..data.len() {
                look("model.t7", &data[..end]);
            }
        }
        let found = look("model.t7", b"4\n1\n3\nV 1\n17\nos.execute\n");
        assert!(found.findings.iter().any(|finding| finding.rule.as_str() == "LUA002"));
    }
}
