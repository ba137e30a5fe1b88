//! Checkpoints: an index, which is a table of sorted keys, and files of raw tensors beside it.

use super::attributes::dtype_of;
use crate::{
    bytes::Input,
    limits, outside,
    protobuf::wire::{Fault, Span, Value, Wire},
    route::{Format, Match, Probe},
    scan::{Content, Halt, Scan},
};
use modelseal_core::inspection::FileFormat;

pub(crate) mod rules {
    //! What can be found in a checkpoint.

    use crate::rule::rules;

    rules! {
        BROKEN = "TFC001" "broken-checkpoint-index" Malformed:
            "The index leads beyond the file, or is no table." =>
            "Get the file again from its maker.";
        COMPRESSED = "TFC002" "compressed-checkpoint-index" Unknown:
            "A block of the index is compressed and was not inspected." =>
            "Write the checkpoint again with a current TensorFlow.";
        TENSOR = "TFC003" "checkpoint-tensor-size" Malformed:
            "A tensor has another number of bytes than its shape and type need, or a place that is none." =>
            "Get the file again from its maker.";
        PATH = "TFC004" "checkpoint-elsewhere" Suspicious:
            "The file that says which checkpoint is the newest names one that is not beside it." =>
            "Name the checkpoint yourself when you load it.";
    }
}

/// What tables end with.
const MARK: [u8; 8] = 0xdb47_7524_8b80_fb57_u64.to_le_bytes();
const FOOTER: u64 = 48;
/// Behind each block: how it is compressed, and a checksum.
const TRAILER: u64 = 5;

/// The door from `route`: `variables.index`.
pub(crate) struct Index;

impl Format for Index {
    fn matches(&self, probe: &Probe<'_>) -> Option<Match> {
        probe.tail.ends_with(&MARK).then_some(Match::Sure)
    }

    fn inspect(&self, content: Content<'_>, scan: &mut Scan<'_>) -> Result<FileFormat, Halt> {
        let Some(random) = content.into_random(scan)? else { return Ok(FileFormat::TensorflowCheckpoint) };
        let input = random.input();
        match (Table { input, shards: 0 }).read(scan) {
            Ok(()) => {}
            Err(Fault::Read(error)) => return Err(Halt::of(error)),
            Err(Fault::Broken(at, what)) => scan.find(&rules::BROKEN, at, what.to_owned()),
            Err(Fault::Deep(at)) => scan.find(&rules::BROKEN, at, "it is too deep".to_owned()),
        }
        Ok(FileFormat::TensorflowCheckpoint)
    }
}

/// The door from `route`: `variables.data-00000-of-00001`, which are numbers and nothing else.
pub(crate) struct Data;

impl Format for Data {
    fn matches(&self, probe: &Probe<'_>) -> Option<Match> {
        let digits = |text: &str| text.len() == 5 && text.bytes().all(|byte| byte.is_ascii_digit());
        let (shard, count) = probe.extension.strip_prefix("data-")?.split_once("-of-")?;
        (digits(shard) && digits(count)).then_some(Match::Likely)
    }

    fn inspect(&self, _: Content<'_>, _: &mut Scan<'_>) -> Result<FileFormat, Halt> {
        Ok(FileFormat::TensorflowCheckpoint)
    }
}

struct Table<'a> {
    input: Input<'a>,
    shards: u64,
}

impl Table<'_> {
    fn read(&mut self, scan: &mut Scan<'_>) -> Result<(), Fault> {
        let at = self
            .input
            .len()
            .checked_sub(FOOTER)
            .ok_or(Fault::Broken(0, "the file ends within its footer"))?;
        let mut wire = Wire::new(self.input);
        let mut footer = Span { start: at, end: self.input.len() };
        // The place of the index of metadata, which nobody writes; then that of the index.
        let mut handle = || wire.packed(&mut footer).map(Option::unwrap_or_default);
        let (_, _, start, len) = (handle()?, handle()?, handle()?, handle()?);
        let mut blocks = Vec::new();
        let mut end = 0;
        self.block(&mut wire, start, len, scan, |wire, _, value, _| {
            let mut value = value;
            let start = wire.packed(&mut value)?.unwrap_or_default();
            let len = wire.packed(&mut value)?.unwrap_or_default();
            // In order and apart, so that each byte is read once.
            if start < end {
                return Err(Fault::Broken(value.start, "blocks share bytes"));
            }
            end = start.saturating_add(len).saturating_add(TRAILER);
            blocks.push((start, len));
            Ok(())
        })?;
        for (start, len) in blocks {
            let mut shards = self.shards;
            self.block(&mut wire, start, len, scan, |wire, key, value, scan| {
                if key == 0 {
                    header(wire, value, &mut shards, scan)
                } else {
                    entry(wire, value, shards, scan)
                }
            })?;
            self.shards = shards;
        }
        Ok(())
    }

    /// Gives the length of each key of a block, and its value.
    fn block(
        &self,
        wire: &mut Wire<'_>,
        start: u64,
        len: u64,
        scan: &mut Scan<'_>,
        mut each: impl FnMut(&mut Wire<'_>, u64, Span, &mut Scan<'_>) -> Result<(), Fault>,
    ) -> Result<(), Fault> {
        let whole = len.checked_add(TRAILER).and_then(|len| self.input.slice(start, len));
        let whole = whole.ok_or(Fault::Broken(start, "a block lies outside the file"))?;
        if len > limits::CHECKPOINT_BLOCK {
            return Err(Fault::Broken(start, "a block is larger than any"));
        }
        if whole.read_some(len, 1).map_err(Fault::Read)? != [0] {
            scan.find(&rules::COMPRESSED, start, format!("{len} bytes"));
            return Ok(());
        }
        let end = start + len;
        let mut count = Span { start: end.saturating_sub(4).max(start), end };
        let restarts = u64::from(u32::from_le_bytes(wire.array(&mut count)?));
        let table = restarts.saturating_mul(4).saturating_add(4);
        let mut span = Span {
            start,
            end: start + len.checked_sub(table).ok_or(Fault::Broken(start, "a block is none"))?,
        };
        let mut before = 0;
        while span.start < span.end {
            let at = span.start;
            let mut number = || wire.packed(&mut span).map(Option::unwrap_or_default);
            let (shared, own, len) = (number()?, number()?, number()?);
            let key = shared.saturating_add(own);
            let value = Span {
                start: span.start.saturating_add(own),
                end: span.start.saturating_add(own).saturating_add(len),
            };
            if shared > before || value.end > span.end {
                return Err(Fault::Broken(at, "an entry is longer than its block"));
            }
            before = key;
            each(wire, key, value, scan)?;
            span.start = value.end;
        }
        Ok(())
    }
}

/// What the index says of the whole checkpoint: BundleHeaderProto.
fn header(wire: &mut Wire<'_>, value: Span, shards: &mut u64, scan: &mut Scan<'_>) -> Result<(), Fault> {
    let mut span = value;
    while let Some(field) = wire.next(&mut span)? {
        if let (1, Value::Varint(count)) = (field.number, field.value) {
            *shards = count;
        }
    }
    let name = scan.leaf().to_owned();
    if let Some(stem) = name.strip_suffix(".index") {
        // More than a few are in no checkpoint that was written honestly.
        for shard in 0..(*shards).min(1000) {
            outside::external(scan, &format!("{stem}.data-{shard:05}-of-{shards:05}"));
        }
    }
    Ok(())
}

/// A tensor: BundleEntryProto.
fn entry(wire: &mut Wire<'_>, value: Span, shards: u64, scan: &mut Scan<'_>) -> Result<(), Fault> {
    let (mut dtype, mut count, mut shard, mut offset, mut size, mut sliced) =
        (0, Some(1_u64), 0, 0, 0, false);
    let mut span = value;
    while let Some(field) = wire.next(&mut span)? {
        match (field.number, field.value) {
            (1, Value::Varint(number)) => dtype = number,
            (2, Value::Bytes(mut shape)) => {
                while let Some(field) = wire.next(&mut shape)? {
                    let (2, Value::Bytes(mut dimension)) = (field.number, field.value) else { continue };
                    let mut size = 0;
                    while let Some(field) = wire.next(&mut dimension)? {
                        if let (1, Value::Varint(number)) = (field.number, field.value) {
                            size = number;
                        }
                    }
                    count = count.and_then(|count| count.checked_mul(size));
                }
            }
            (3, Value::Varint(number)) => shard = number,
            (4, Value::Varint(number)) => offset = number,
            (5, Value::Varint(number)) => size = number,
            (7, Value::Bytes(_)) => sliced = true,
            _ => {}
        }
    }
    let (name, width) = dtype_of(dtype);
    scan.contents.add_tensor(name, count.unwrap_or(u64::MAX));
    let in_file =
        i64::try_from(offset).is_ok() && i64::try_from(size).is_ok() && (shard < shards || shards == 0);
    let fits = sliced || width == 0 || count.and_then(|count| count.checked_mul(width)) == Some(size);
    if !in_file || !fits {
        let message = format!("{size} bytes at {offset} of file {shard}, for {count:?} elements of {name}");
        scan.find(&rules::TENSOR, value.start, message);
    }
    Ok(())
}
