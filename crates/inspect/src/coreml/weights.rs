//! The weights of a program, which lie beside it in its package: `weights/weight.bin`.

use super::rules;
use crate::{
    bytes::Input,
    limits,
    route::{Format, Match, Probe},
    scan::{Content, Halt, Scan},
};
use modelseal_core::inspection::FileFormat;

/// Bytes of the header, and of what is said of each part.
const HEADER: u64 = 64;
/// What each description begins with.
const MARK: [u8; 4] = 0xdead_beef_u32.to_le_bytes();

/// The door from `route`.
pub(crate) struct Weights;

impl Format for Weights {
    fn matches(&self, probe: &Probe<'_>) -> Option<Match> {
        let version = probe.head.get(4..8)? == [2, 0, 0, 0];
        let described = probe.head.get(64..68)? == MARK;
        (version && described && probe.head.get(8..64)?.iter().all(|byte| *byte == 0)).then_some(Match::Sure)
    }

    fn inspect(&self, content: Content<'_>, scan: &mut Scan<'_>) -> Result<FileFormat, Halt> {
        let Some(random) = content.into_random(scan)? else { return Ok(FileFormat::Coreml) };
        let input = random.input();
        let count = number::<4>(input, 0)?;
        let mut at = HEADER;
        for part in 0..count {
            if part >= limits::WEIGHTS {
                let message = format!("more than {}", limits::WEIGHTS);
                scan.find(&limits::TOO_MANY_CONSTANTS, at, message);
                break;
            }
            let Some((next, dtype, elements)) = blob(input, at)? else {
                let message = "weights lie outside the file, or are not described".to_owned();
                scan.find(&rules::WEIGHTS, at, message);
                break;
            };
            scan.contents.add_tensor(dtype, elements);
            at = next;
        }
        Ok(FileFormat::Coreml)
    }
}

/// Where the next part may begin, the type of this one, and how many there are.
fn blob(input: Input<'_>, at: u64) -> Result<Option<(u64, &'static str, u64)>, Halt> {
    if input.read_some(at, 4).map_err(Halt::of)? != MARK {
        return Ok(None);
    }
    let (name, bits) = match number::<4>(input, at + 4)? {
        1 => ("float16", 16),
        2 => ("float32", 32),
        3 => ("uint8", 8),
        4 => ("int8", 8),
        5 => ("bfloat16", 16),
        6 => ("int16", 16),
        7 => ("uint16", 16),
        8 => ("int4", 4),
        9 => ("uint1", 1),
        10 => ("uint2", 2),
        11 => ("uint4", 4),
        12 => ("uint3", 3),
        13 => ("uint6", 6),
        14 => ("int32", 32),
        15 => ("uint32", 32),
        _ => ("other", 8),
    };
    let (size, start) = (number::<8>(input, at + 8)?, number::<8>(input, at + 16)?);
    let end = start.checked_add(size).filter(|end| *end <= input.len() && start >= at + HEADER);
    let next = end.and_then(|end| end.checked_next_multiple_of(HEADER));
    Ok(next.map(|next| (next, name, size.saturating_mul(8) / bits)))
}

/// A number of this many bytes; what the file does not have counts as zero.
fn number<const N: usize>(input: Input<'_>, at: u64) -> Result<u64, Halt> {
    let bytes = input.read_some(at, N).map_err(Halt::of)?;
    Ok(bytes.iter().rev().fold(0, |sum, byte| sum << 8 | u64::from(*byte)))
}

#[cfg(test)]
mod tests {
    use crate::testing::{clean, finds, mangle};
    use modelseal_core::inspection::FileFormat;

    #[test]
    fn weights_of_a_program() {
        let blob = |start: u64| {
            let mut blob = [&super::MARK[..], &2_u32.to_le_bytes()].concat();
            blob.extend([8_u64.to_le_bytes(), start.to_le_bytes()].concat());
            blob.resize(64 + 64, 0);
            blob
        };
        let mut good = vec![2, 0, 0, 0, 2, 0, 0, 0];
        good.resize(64, 0);
        good.extend(blob(128));
        good.extend(blob(256));
        let found = clean("weight.bin", &good);
        assert_eq!((found.format, found.contents.parameters), (FileFormat::Coreml, 4));
        let mut far = good.clone();
        far[80..88].copy_from_slice(&(1_u64 << 40).to_le_bytes());
        finds("weight.bin", &far, "CML009");
        finds("weight.bin", &good[..150], "CML009");
        mangle("weight.bin", &good);
    }
}
