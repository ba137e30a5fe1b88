//! Pickles in the text and bytes of pickles. Nothing of the file loads them, which is why they are only suspicious, and only
//! when they name something.

use super::{
    globals::Globals,
    reader::Reader,
    rules,
    value::Value,
    vm::{Loader, Step, Vm},
};
use crate::{bytes::Input, limits, scan::Scan};
use modelseal_core::{inspection::PickleTier, path::ModelPath};

impl Vm<'_, '_> {
    /// Looks whether a text or bytes that has just been read is a pickle.
    #[inline]
    pub(super) fn look_inside(&mut self, value: Value, scan: &mut Scan<'_>) -> Step<()> {
        let (Value::Text(id) | Value::Bytes(id)) = value else { return Ok(()) };
        let kept = self.arena.kept(id);
        // `gA` is how 0x80 begins in base 64.
        let hidden = match kept {
            [0x80, 2..=5, _, ..] => kept.to_vec(),
            [
                b'g',
                b'A',
                b'I' | b'J' | b'K' | b'L' | b'M' | b'N' | b'O' | b'P' | b'Q' | b'R' | b'S' | b'T' | b'U'
                | b'V' | b'W' | b'X',
                ..,
            ] => match base64(kept) {
                Some(decoded) => decoded,
                None => return Ok(()),
            },
            // Protocol 0 has no mark: only what names something that is known to be dangerous.
            [b'c' | b'(' | b'i', ..] if kept.iter().filter(|&&byte| byte == b'\n').count() > 1 => {
                let (kept, depth) = (kept.to_vec(), self.depth + 1);
                if self.depth < limits::PICKLE_NESTING
                    && let Some(what) = known_dangerous(self.judge, kept, depth)
                {
                    self.find(scan, &rules::HIDDEN_PICKLE, format!("it names {what}"));
                }
                return Ok(());
            }
            _ => return Ok(()),
        };
        if self.depth >= limits::PICKLE_NESTING {
            return Ok(());
        }
        if let Some(what) = dangerous(self.judge, hidden, self.depth + 1) {
            self.find(scan, &rules::HIDDEN_PICKLE, format!("it names {what}"));
        }
        Ok(())
    }
}

/// The first global of a pickle that is not known to be harmless, when there is one.
pub(super) fn dangerous(globals: &Globals, pickle: Vec<u8>, depth: usize) -> Option<String> {
    let mut scan = Scan::new(globals, ModelPath::reference_single_file(), pickle.len() as u64);
    let mut stream = Input::of(&pickle).stream();
    let mut vm = Vm::new(globals, Loader::default(), depth);
    vm.run(&mut Reader::new(&mut stream), &mut scan).ok()?;
    if vm.tier < PickleTier::Unknown {
        // A pickle in a pickle in a pickle.
        return scan.found(&rules::HIDDEN_PICKLE).then(|| "another pickle, which does".to_owned());
    }
    let unjudged = vm.globals.iter().find(|named| !matches!(named.standing, super::Standing::Allowed(_)));
    Some(unjudged.map_or_else(
        || "something that nobody can tell".to_owned(),
        |named| format!("{}.{}", named.module, named.name),
    ))
}

/// The first global of a pickle that is known to be dangerous, whatever comes of the rest.
fn known_dangerous(globals: &Globals, pickle: Vec<u8>, depth: usize) -> Option<String> {
    let mut scan = Scan::new(globals, ModelPath::reference_single_file(), pickle.len() as u64);
    let mut stream = Input::of(&pickle).stream();
    let mut vm = Vm::new(globals, Loader::default(), depth);
    vm.run(&mut Reader::new(&mut stream), &mut scan).ok()?;
    let is_known = |standing| matches!(standing, super::Standing::Dangerous(_));
    let found = vm.globals.iter().find(|named| is_known(named.standing))?;
    Some(format!("{}.{}", found.module, found.name))
}

/// Decodes what is base 64 from its first letter on; of a text that was cut, the whole groups.
fn base64(text: &[u8]) -> Option<Vec<u8>> {
    let text: Vec<u8> = text.iter().copied().filter(|byte| !byte.is_ascii_whitespace()).collect();
    let letters = text.strip_suffix(b"==").or_else(|| text.strip_suffix(b"=")).unwrap_or(&text);
    let mut decoded = Vec::with_capacity(letters.len() * 3 / 4);
    for group in letters.chunks(4) {
        let mut bits: u32 = 0;
        for &letter in group {
            let six = match letter {
                b'A'..=b'Z' => letter - b'A',
                b'a'..=b'z' => letter - b'a' + 26,
                b'0'..=b'9' => letter - b'0' + 52,
                b'+' | b'-' => 62,
                b'/' | b'_' => 63,
                _ => return None,
            };
            bits = bits << 6 | u32::from(six);
        }
        bits <<= 6 * (4 - group.len());
        let [_, bytes @ ..] = bits.to_be_bytes();
        decoded.extend_from_slice(&bytes[..group.len().saturating_sub(1)]);
    }
    (decoded.len() > 2).then_some(decoded)
}

#[cfg(test)]
mod tests {
    use super::base64;

    #[test]
    fn base64_is_decoded() {
        assert_eq!(base64(b"gASVAQ==").unwrap(), [0x80, 4, 0x95, 1]);
        assert_eq!(base64(b"gASVAQI").unwrap(), [0x80, 4, 0x95, 1, 2]);
        assert!(base64(b"gAS not").is_some_and(|bytes| bytes.len() == 4));
        assert!(base64(b"gAS!").is_none());
    }
}
