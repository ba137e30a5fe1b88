//! CatBoost's models: a mark, a size, a FlatBuffer with the trees, and further parts that it names.

use super::{looks_like_code, rules};
use crate::{
    bytes::Input,
    limits,
    route::{Format, Match, Probe},
    scan::{Content, Halt, Scan},
};
use modelseal_core::inspection::{Capability, FileFormat};

const MARK: &[u8] = b"CBM1";

/// Places of fields in the FlatBuffer's tables.
mod field {
    pub(super) const VERSION: u64 = 0;
    pub(super) const TREES: u64 = 1;
    pub(super) const INFO: u64 = 2;
    pub(super) const PARTS: u64 = 3;
    pub(super) const TREE_SPLITS: u64 = 1;
    pub(super) const TREE_SIZES: u64 = 2;
    pub(super) const TREE_STARTS: u64 = 3;
}

/// The door from `route`.
pub(crate) struct Catboost;

impl Format for Catboost {
    fn matches(&self, probe: &Probe<'_>) -> Option<Match> {
        probe.head.starts_with(MARK).then_some(Match::Sure)
    }

    fn inspect(&self, content: Content<'_>, scan: &mut Scan<'_>) -> Result<FileFormat, Halt> {
        scan.contents.capabilities.insert(Capability::NativeState);
        let Some(random) = content.into_random(scan)? else { return Ok(FileFormat::Catboost) };
        let input = random.input();
        let size = input.read_some(4, 4).map_err(Halt::of)?;
        let [a, b, c, d] = size[..] else {
            scan.find(&rules::CBM_BROKEN, 4, "it ends within its header".to_owned());
            return Ok(FileFormat::Catboost);
        };
        let size = u64::from(u32::from_le_bytes([a, b, c, d]));
        let Some(core) = input.slice(8, size) else {
            let message =
                format!("the model has {size} bytes, and there are {}", input.len().saturating_sub(8));
            scan.find(&rules::CBM_BROKEN, 4, message);
            return Ok(FileFormat::Catboost);
        };
        let buffer = Buffer { input: core };
        match buffer.model(scan)? {
            Err(Wrong::Broken(what)) => scan.find(&rules::CBM_BROKEN, 8, what.to_owned()),
            Err(Wrong::Halt(halt)) => return Err(halt),
            Ok(has_parts) => {
                let end = 8 + size;
                if input.len() > end && !has_parts {
                    let message = format!("{} bytes", input.len() - end);
                    scan.find(&rules::CBM_AFTER, end, message);
                }
            }
        }
        Ok(FileFormat::Catboost)
    }
}

enum Wrong {
    Broken(&'static str),
    Halt(Halt),
}

/// A FlatBuffer, of which nothing is believed.
struct Buffer<'a> {
    input: Input<'a>,
}

/// A table: where it and the table of its fields lie.
#[derive(Clone, Copy)]
struct Table {
    at: u64,
    size: u64,
    fields: u64,
    count: u64,
}

impl Buffer<'_> {
    /// Looks at the model, and says whether it names further parts.
    fn model(&self, scan: &mut Scan<'_>) -> Result<Result<bool, Wrong>, Halt> {
        Ok(self.look(scan))
    }

    fn look(&self, scan: &mut Scan<'_>) -> Result<bool, Wrong> {
        let root = self.table(self.word(0)?)?;
        let version = self.field(root, field::VERSION)?.ok_or(Wrong::Broken("there is no version"))?;
        let version = self.text(version)?;
        if !version.starts_with("Fla") || version.len() > 64 {
            return Err(Wrong::Broken("there is no such version"));
        }
        let trees = self.field(root, field::TREES)?.ok_or(Wrong::Broken("there are no trees"))?;
        self.trees(self.table(trees)?)?;
        if let Some(info) = self.field(root, field::INFO)? {
            let (start, count) = self.vector(info, 4)?;
            if count > limits::CATBOOST_TEXTS {
                return Err(Wrong::Broken("there are more notes than any model has"));
            }
            for index in 0..count {
                let at = start + index * 4;
                let pair = self.table(at + self.word(at)?)?;
                for place in [0, 1] {
                    let Some(text) = self.field(pair, place)? else { continue };
                    if looks_like_code(&self.text(text)?) {
                        scan.find(&rules::CBM_CODE, 8 + text, "a note looks like code".to_owned());
                    }
                }
            }
        }
        match self.field(root, field::PARTS)? {
            None => Ok(false),
            Some(parts) => Ok(self.vector(parts, 4)?.1 > 0),
        }
    }

    /// Each tree is a part of the list of splits.
    fn trees(&self, trees: Table) -> Result<(), Wrong> {
        let list = |place| match self.field(trees, place)? {
            Some(at) => self.vector(at, 4),
            None => Ok((0, 0)),
        };
        let (_, splits) = list(field::TREE_SPLITS)?;
        let (sizes, count) = list(field::TREE_SIZES)?;
        let (starts, start_count) = list(field::TREE_STARTS)?;
        if start_count != 0 && start_count != count {
            return Err(Wrong::Broken("there is not one size for each tree"));
        }
        if start_count == 0 {
            return Ok(());
        }
        // Read in pieces: there may be many.
        const PIECE: u64 = 16 * 1024;
        let mut index = 0;
        while index < count {
            let piece = PIECE.min(count - index);
            let len = usize::try_from(piece * 4).unwrap_or(0);
            let read = |from: u64| {
                self.input.read_some(from + index * 4, len).map_err(|error| Wrong::Halt(Halt::of(error)))
            };
            for (start, size) in read(starts)?.chunks_exact(4).zip(read(sizes)?.chunks_exact(4)) {
                let number = |four: &[u8]| four.try_into().map_or(-1, i32::from_le_bytes);
                let end = i64::from(number(start)) + i64::from(number(size));
                if number(start) < 0 || number(size) < 0 || u64::try_from(end).is_ok_and(|end| end > splits) {
                    return Err(Wrong::Broken("a tree lies beside the splits"));
                }
            }
            index += piece;
        }
        Ok(())
    }

    fn table(&self, at: u64) -> Result<Table, Wrong> {
        let back = i64::from(i32::from_le_bytes(self.bytes(at)?));
        let fields = i64::try_from(at).ok().and_then(|at| u64::try_from(at - back).ok());
        let fields = fields.ok_or(Wrong::Broken("a table's fields lie before the buffer"))?;
        let len = u64::from(u16::from_le_bytes(self.bytes(fields)?));
        let size = u64::from(u16::from_le_bytes(self.bytes(fields + 2)?));
        if len < 4
            || len % 2 == 1
            || size < 4
            || self.input.slice(at, size).is_none()
            || self.input.slice(fields, len).is_none()
        {
            return Err(Wrong::Broken("a table lies beyond the buffer"));
        }
        Ok(Table { at, size, fields, count: (len - 4) / 2 })
    }

    /// Where the field leads, if the table has it.
    fn field(&self, table: Table, place: u64) -> Result<Option<u64>, Wrong> {
        if place >= table.count {
            return Ok(None);
        }
        let offset = u64::from(u16::from_le_bytes(self.bytes(table.fields + 4 + place * 2)?));
        if offset == 0 {
            return Ok(None);
        }
        if offset + 4 > table.size {
            return Err(Wrong::Broken("a field lies beside its table"));
        }
        let at = table.at + offset;
        Ok(Some(at + self.word(at)?))
    }

    /// Where its items begin, and how many there are.
    fn vector(&self, at: u64, size: u64) -> Result<(u64, u64), Wrong> {
        let count = self.word(at)?;
        if self.input.slice(at + 4, count * size).is_none() {
            return Err(Wrong::Broken("a list goes on beyond the buffer"));
        }
        Ok((at + 4, count))
    }

    /// The beginning of a text.
    fn text(&self, at: u64) -> Result<String, Wrong> {
        let (start, len) = self.vector(at, 1)?;
        let most = usize::try_from(len).unwrap_or(usize::MAX).min(limits::LINE);
        let bytes = self.input.read_some(start, most).map_err(|error| Wrong::Halt(Halt::of(error)))?;
        Ok(String::from_utf8_lossy(&bytes).into_owned())
    }

    fn word(&self, at: u64) -> Result<u64, Wrong> {
        Ok(u64::from(u32::from_le_bytes(self.bytes(at)?)))
    }

    fn bytes<const N: usize>(&self, at: u64) -> Result<[u8; N], Wrong> {
        let mut bytes = [0; N];
        let read = self.input.read_at(at, &mut bytes).map_err(|error| Wrong::Halt(Halt::of(error)))?;
        if read < N { Err(Wrong::Broken("an offset leads beyond the buffer")) } else { Ok(bytes) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{look, rules_in};
    use modelseal_core::inspection::Verdict;

    /// A model with `note` in it, and its trees' sizes.
    fn model(note: &str, size: u32) -> Vec<u8> {
        let mut core: Vec<u8> = Vec::new();
        let word = |core: &mut Vec<u8>, number: u32| core.extend(number.to_le_bytes());
        let half = |core: &mut Vec<u8>, number: u16| core.extend(number.to_le_bytes());
        // Root's fields at 4, root at 16, trees' fields at 32, trees at 44, then what they lead to.
        word(&mut core, 16);
        for number in [10, 16, 4, 8, 12, 0] {
            half(&mut core, number);
        }
        word(&mut core, 12);
        word(&mut core, 60 - 20);
        word(&mut core, 44 - 24);
        word(&mut core, 112 - 28);
        for number in [12, 16, 0, 4, 8, 12] {
            half(&mut core, number);
        }
        word(&mut core, 12);
        word(&mut core, 84 - 48);
        word(&mut core, 96 - 52);
        word(&mut core, 104 - 56);
        assert_eq!(core.len(), 60);
        word(&mut core, 18);
        core.extend(b"FlabuffersModel_v1\0\0");
        assert_eq!(core.len(), 84);
        for number in [2, 0, 0, 1, size, 1, 0] {
            word(&mut core, number);
        }
        assert_eq!(core.len(), 112);
        // One note: its table leads back to fields behind it.
        word(&mut core, 1);
        word(&mut core, 4);
        word(&mut core, (-12_i32).cast_unsigned());
        word(&mut core, 16);
        word(&mut core, 12);
        for number in [8, 12, 4, 8] {
            half(&mut core, number);
        }
        word(&mut core, u32::try_from(note.len()).unwrap());
        core.extend(note.as_bytes());
        let mut file = MARK.to_vec();
        file.extend(u32::try_from(core.len()).unwrap().to_le_bytes());
        file.extend(core);
        file
    }

    #[test]
    fn models_are_clean() {
        let found = look("model.cbm", &model("{\"loss\": 1}", 2));
        assert_eq!((found.format, found.verdict()), (FileFormat::Catboost, Verdict::Clean), "{found:?}");
        assert!(found.contents.capabilities.contains(&Capability::NativeState));
    }

    #[test]
    fn what_leads_beyond_the_file_is_malformed() {
        assert_eq!(rules_in(&look("a.cbm", &model("x", 3))), ["CBM001"]);
        assert_eq!(rules_in(&look("a.cbm", &model("__import__('os')", 2))), ["CBM003"]);
        let more = [&model("x", 2)[..], b"more"].concat();
        assert_eq!(rules_in(&look("a.cbm", &more)), ["CBM002"]);
        let whole = model("note", 2);
        for end in 4..whole.len() {
            assert_eq!(rules_in(&look("a.cbm", &whole[..end])), ["CBM001"], "{end}");
            // The same with a size that fits.
            let mut cut = whole[..end].to_vec();
            if let Some(size) = cut.get_mut(4..8) {
                size.copy_from_slice(&u32::try_from(end - 8).unwrap_or(0).to_le_bytes());
                assert_eq!(look("a.cbm", &cut).verdict(), Verdict::Malformed, "{end}");
            }
        }
        for at in 8..whole.len() {
            for byte in [0, 1, 0x7f, 0xff] {
                let mut changed = whole.clone();
                changed[at] = byte;
                look("a.cbm", &changed);
            }
        }
    }
}
