//! A folder of a 7z archive: members that are compressed together, and the decoders that they go through.

use super::{Problem, header::Fields};
use crate::{
    bytes::{AsRead, Input, Stream, read_error},
    compress::{self, Allowance, Window},
    limits,
};
use lzma_rust2::{
    Lzma2Reader, LzmaReader,
    filter::{bcj::BcjReader, delta::DeltaReader},
};
use std::io::Read;

/// Decoders of one folder; 7-Zip itself refuses more than 32.
const CODERS: u64 = 32;

/// How members are packed.
pub(crate) struct Folder {
    coders: Vec<Coder>,
    /// Which coder's input is which coder's output.
    pairs: Vec<(u64, u64)>,
    /// Packed streams that it takes.
    pub(super) packed: u64,
    /// Bytes that come out of each coder.
    pub(super) sizes: Vec<u64>,
    /// The checksum of all that comes out.
    pub(super) sum: Option<u32>,
}

struct Coder {
    id: u64,
    inputs: u64,
    outputs: u64,
    properties: Vec<u8>,
}

impl Folder {
    pub(super) fn read(fields: &mut Fields<'_>) -> Result<Self, Problem> {
        let count = fields.number()?;
        if count == 0 || count > CODERS {
            return Err(Problem::Broken("a folder has no decoder, or too many"));
        }
        let (mut coders, mut inputs, mut outputs) = (Vec::new(), 0_u64, 0_u64);
        for _ in 0..count {
            let flags = fields.u8()?;
            let id = fields.take(usize::from(flags & 15))?;
            if id.len() > 8 || flags & 0xc0 != 0 {
                return Err(Problem::Broken("a decoder is described in a way that there is not"));
            }
            let id = id.iter().fold(0, |sum, &byte| sum << 8 | u64::from(byte));
            let (ins, outs) = if flags & 0x10 != 0 { (fields.number()?, fields.number()?) } else { (1, 1) };
            let (ins, outs) = (ins.min(CODERS + 1), outs.min(CODERS + 1));
            let len = if flags & 0x20 != 0 { fields.count()? } else { 0 };
            let properties = fields.take(len)?.to_vec();
            inputs += ins;
            outputs += outs;
            if inputs > CODERS || outputs > CODERS {
                return Err(Problem::Broken("a folder's decoders have too many streams"));
            }
            coders.push(Coder { id, inputs: ins, outputs: outs, properties });
        }
        let bound = outputs.checked_sub(1).ok_or(Problem::Broken("a folder gives nothing"))?;
        let packed = inputs.checked_sub(bound).ok_or(Problem::Broken("a folder takes nothing"))?;
        let mut pairs = Vec::new();
        for _ in 0..bound {
            pairs.push((fields.number()?, fields.number()?));
        }
        if packed > 1 {
            for _ in 0..packed {
                fields.number()?;
            }
        }
        Ok(Self { coders, pairs, packed, sizes: Vec::new(), sum: None })
    }

    /// Streams that come out of all coders together.
    pub(super) fn outputs(&self) -> u64 {
        self.coders.iter().map(|coder| coder.outputs).sum()
    }

    /// Bytes that come out of the folder: of the coder whose output is nobody's input.
    pub(super) fn size(&self) -> Option<u64> {
        let last = (0..self.outputs()).find(|out| !self.pairs.iter().any(|(_, from)| from == out))?;
        self.sizes.get(usize::try_from(last).ok()?).copied()
    }

    /// The decoders, one behind the other.
    pub(super) fn open<'a>(
        &self,
        packed: Input<'a>,
        allowance: Allowance,
    ) -> Result<Box<dyn Stream + 'a>, Problem> {
        if self.coders.iter().any(|coder| coder.id == 0x06f1_0701) {
            return Err(Problem::Encrypted);
        }
        if let Some(coder) = self.coders.iter().find(|coder| coder.inputs != 1 || coder.outputs != 1) {
            return Err(Problem::Method(coder.id));
        }
        // The first takes what is packed, and so is nobody's input.
        let count = self.coders.len() as u64;
        let first = (0..count).find(|at| !self.pairs.iter().any(|(to, _)| to == at));
        let mut next = first;
        let mut reader: Box<dyn Read + 'a> = Box::new(AsRead(packed.stream()));
        for _ in 0..count {
            let at = next.ok_or(Problem::Broken("a folder's decoders are in a circle"))?;
            let index = usize::try_from(at).unwrap_or(usize::MAX);
            let (Some(coder), Some(&size)) = (self.coders.get(index), self.sizes.get(index)) else {
                return Err(Problem::Broken("a folder's decoders do not follow each other"));
            };
            reader = coder.open(reader, size, &allowance)?;
            next = self.pairs.iter().find(|(_, from)| *from == at).map(|(to, _)| *to);
        }
        let size = self.size().ok_or(Problem::Broken("a folder's size is not known"))?;
        Ok(compress::bounded(reader.take(size), Window::default(), &allowance))
    }
}

impl Coder {
    fn open<'a>(
        &self,
        inner: Box<dyn Read + 'a>,
        size: u64,
        allowance: &Allowance,
    ) -> Result<Box<dyn Read + 'a>, Problem> {
        let broken = || Problem::Broken("a decoder's properties are none");
        Ok(match self.id {
            0 => inner,
            0x21 => {
                let bits = u32::from(*self.properties.first().ok_or_else(broken)?);
                if bits > 40 {
                    return Err(broken());
                }
                let dictionary =
                    if bits == 40 { u64::MAX } else { (2 | u64::from(bits & 1)) << (bits / 2 + 11) };
                let needed = window(dictionary, size)?;
                let reader = Lzma2Reader::new(inner, needed, None);
                // Each counts for itself: they can follow one another.
                Box::new(AsRead(compress::bounded(reader, Window::of(needed.into()), allowance)))
            }
            0x03_0101 => {
                let Some(&[properties, a, b, c, d]) = self.properties.first_chunk::<5>() else {
                    return Err(broken());
                };
                let dictionary = u64::from(u32::from_le_bytes([a, b, c, d]));
                let needed = window(dictionary, size)?;
                let reader = LzmaReader::new_with_props(inner, size, properties, needed, None);
                let reader = reader.map_err(|error| Problem::Read(read_error(error)))?;
                Box::new(AsRead(compress::bounded(reader, Window::of(needed.into()), allowance)))
            }
            0x04_0108 => Box::new(flate2::read::DeflateDecoder::new(inner)),
            0x04_0202 => {
                let reader = bzip2::read::MultiBzDecoder::new(inner);
                Box::new(AsRead(compress::bounded(reader, Window::of(limits::BZIP2), allowance)))
            }
            3 => {
                let distance = usize::from(*self.properties.first().ok_or_else(broken)?) + 1;
                Box::new(DeltaReader::new(inner, distance))
            }
            4 | 0x0303_0103 => Box::new(BcjReader::new_x86(inner, 0)),
            7 | 0x0303_0501 => Box::new(BcjReader::new_arm(inner, 0)),
            8 | 0x0303_0701 => Box::new(BcjReader::new_arm_thumb(inner, 0)),
            0xa => Box::new(BcjReader::new_arm64(inner, 0)),
            other => return Err(Problem::Method(other)),
        })
    }
}

/// A dictionary is never needed beyond what comes out.
fn window(dictionary: u64, size: u64) -> Result<u32, Problem> {
    let needed = dictionary.min(size.max(4096).div_ceil(4096).saturating_mul(4096));
    if needed > limits::WINDOW {
        return Err(Problem::Memory);
    }
    u32::try_from(needed).map_err(|_| Problem::Memory)
}
