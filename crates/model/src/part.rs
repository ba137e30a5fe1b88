//! Parts of one measurement: each machine hashes some of the resources, and all agree on who hashes what without
//! talking to each other, because the assignment follows from the plan alone.

use crate::{
    error::MeasureError,
    measure::{Options, hash},
    note::Note,
    plan::Plan,
    progress::Progress,
    source::Source,
    walk::{FoundFile, walk},
};
use modelseal_core::{
    manifest::{ByteRange, Resource},
    path::ModelPath,
};
use std::{borrow::Cow, cmp::Reverse, collections::BinaryHeap, fmt, num::NonZeroU32, str::FromStr};

/// Parts at most: more than there are machines anywhere.
pub const MAX_PARTS: u32 = 65_536;

/// Opening a file, in bytes of work: a million empty files are not to fall to one part.
const WORK_PER_RESOURCE: u64 = 16 * 1024;

/// One of several parts, `number` of `of`, counted from 1.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Part {
    number: u32,
    of: u32,
}

/// Why a part is none: it is not `i/n` with `i` from 1 to `n` and `n` at most [`MAX_PARTS`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PartError(String);

/// Something that is hashed: a file, or one range of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Planned {
    /// The file.
    pub path: ModelPath,
    /// The part of it; `None` when files are hashed whole.
    pub range: Option<ByteRange>,
    /// How many bytes.
    pub bytes: u64,
}

/// Some of a model's resources, measured.
#[derive(Debug, Clone)]
pub struct MeasuredPart {
    /// All that the model consists of, this part and the others, sorted by name.
    pub plan: Vec<Planned>,
    /// The resources of this part and how many bytes each has, sorted by name.
    pub resources: Vec<(Resource, u64)>,
    /// Bytes read.
    pub bytes: u64,
    /// Things to say about the model.
    pub notes: Vec<Note>,
}

/// Measures one part of a model: as [`measure`](crate::measure()), but reads only what falls to `part`. A part is empty
/// when there are more parts than resources.
///
/// # Errors
/// As [`measure`](crate::measure()).
pub fn measure_part(
    source: &Source,
    options: &Options,
    part: Part,
    progress: &dyn Progress,
) -> Result<MeasuredPart, MeasureError> {
    let walked = walk(source, options.rules(), progress)?;
    let mut plan = Plan::new(&walked.files, options.serialization.method)?;
    let planned = |plan: &Plan| -> Vec<Planned> {
        let job = |job: &crate::plan::Job| {
            let file = &walked.files[job.file as usize];
            let range = plan.range(*job, file);
            let bytes = range.end.saturating_sub(range.start);
            Planned { path: file.path.clone(), range: plan.named_range(*job, file), bytes }
        };
        plan.jobs.iter().map(job).collect()
    };
    let mut all = planned(&plan);
    let owners = assign(&all, part.of);
    let kept: Vec<bool> = owners.into_iter().map(|owner| owner == part.number).collect();
    all.sort_by_cached_key(|planned| planned.name().into_owned());
    plan.keep(&kept, &walked.files);
    let files: std::collections::HashSet<u32> = plan.jobs.iter().map(|job| job.file).collect();
    progress.plan(files.len(), plan.bytes);
    let resources = hash(source, &walked, &plan, options, progress, |_: &FoundFile, file| file)?;
    let sized = |resource: Resource| {
        let size = |range: ByteRange| range.end.saturating_sub(range.start);
        let bytes = match resource.range {
            Some(range) => Some(size(range)),
            None => all
                .binary_search_by(|planned| planned.path.as_str().cmp(resource.path.as_str()))
                .ok()
                .map(|at| all[at].bytes),
        };
        (resource, bytes.unwrap_or_default())
    };
    let mut resources: Vec<(Resource, u64)> = resources.into_iter().map(sized).collect();
    resources.sort_by_cached_key(|(resource, _)| resource.name().into_owned());
    Ok(MeasuredPart { plan: all, resources, bytes: plan.bytes, notes: walked.notes })
}

impl Part {
    /// Part `number` of `of`, counted from 1.
    ///
    /// # Errors
    /// [`PartError`].
    pub fn new(number: u32, of: u32) -> Result<Self, PartError> {
        let refuse = |why: String| Err(PartError(why));
        if of == 0 || of > MAX_PARTS {
            return refuse(format!("there can be 1 to {MAX_PARTS} parts, not {of}"));
        }
        if number == 0 || number > of {
            return refuse(format!("of {of} parts there is no part {number}; they count from 1"));
        }
        Ok(Self { number, of })
    }

    /// Which part, from 1 on.
    #[must_use]
    pub fn number(self) -> u32 {
        self.number
    }

    /// Of how many.
    #[must_use]
    pub fn of(self) -> u32 {
        self.of
    }
}

impl Planned {
    /// Its name as a resource.
    #[must_use]
    pub fn name(&self) -> Cow<'_, str> {
        match self.range {
            None => Cow::Borrowed(self.path.as_str()),
            Some(range) => Cow::Owned(format!("{}:{}:{}", self.path.as_str(), range.start, range.end)),
        }
    }
}

/// The part, from 1 on, that each resource falls to: the longest first, each to the part that has least to do so far,
/// the first of several. Depends on names and sizes only, not on their order.
fn assign(planned: &[Planned], parts: u32) -> Vec<u32> {
    let names: Vec<Cow<'_, str>> = planned.iter().map(Planned::name).collect();
    let mut order: Vec<usize> = (0..planned.len()).collect();
    order.sort_by(|a, b| planned[*b].bytes.cmp(&planned[*a].bytes).then_with(|| names[*a].cmp(&names[*b])));
    let mut least: BinaryHeap<Reverse<(u128, u32)>> = (1..=parts).map(|part| Reverse((0, part))).collect();
    let mut owners = vec![1; planned.len()];
    for at in order {
        let Some(mut top) = least.peek_mut() else { break };
        owners[at] = top.0.1;
        // Wider than any sum of sizes, so that no model upsets the balance.
        top.0.0 += u128::from(planned[at].bytes) + u128::from(WORK_PER_RESOURCE);
    }
    owners
}

impl FromStr for Part {
    type Err = PartError;

    /// Reads `i/n`.
    fn from_str(text: &str) -> Result<Self, PartError> {
        let refuse = || PartError("expected i/n, as in 1/4 for the first of four parts".into());
        let (number, of) = text.split_once('/').ok_or_else(refuse)?;
        let read = |digits: &str| {
            let canonical = digits.parse::<NonZeroU32>().ok().filter(|n| n.to_string() == digits);
            canonical.map(NonZeroU32::get).ok_or_else(refuse)
        };
        Self::new(read(number)?, read(of)?)
    }
}

impl fmt::Display for Part {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.number, self.of)
    }
}

impl fmt::Display for PartError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for PartError {}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn planned(name: &str, bytes: u64) -> Planned {
        Planned { path: ModelPath::parse(name).unwrap(), range: None, bytes }
    }

    #[test]
    fn parts_are_written_one_way() {
        assert_eq!("3/4".parse::<Part>(), Part::new(3, 4));
        assert_eq!(Part::new(3, 4).unwrap().to_string(), "3/4");
        for bad in ["", "/", "1", "0/4", "5/4", "1/0", "+1/4", "01/4", "1/4/4", " 1/4", "1/65537", "-1/4"] {
            assert!(bad.parse::<Part>().is_err(), "{bad}");
        }
    }

    #[test]
    fn the_longest_goes_first_to_the_least_loaded() {
        let files = [planned("a", 100 << 20), planned("b", 60 << 20), planned("c", 50 << 20)];
        assert_eq!(assign(&files, 2), [1, 2, 2]);
        let empty: Vec<Planned> = (0..10).map(|n| planned(&n.to_string(), 0)).collect();
        let owners = assign(&empty, 5);
        assert!((1..=5).all(|part| owners.iter().filter(|o| **o == part).count() == 2), "{owners:?}");
    }

    proptest! {
        #[test]
        fn the_assignment_depends_on_no_order_and_is_balanced(
            sizes in proptest::collection::vec(prop_oneof![0..10_u64, 0..1_u64 << 30, Just(u64::MAX)], 1..60),
            parts in 1..9_u32,
            turn in 0..60_usize,
        ) {
            let files: Vec<Planned> =
                sizes.iter().enumerate().map(|(n, size)| planned(&format!("f{n}"), *size)).collect();
            let owners = assign(&files, parts);
            let mut turned = files.clone();
            turned.rotate_left(turn % files.len());
            let mut back = assign(&turned, parts);
            back.rotate_right(turn % files.len());
            prop_assert_eq!(&back, &owners);
            // No part has more than another by more than the largest resource.
            let load = |part| {
                let of = |(file, _): (&Planned, &u32)| u128::from(file.bytes) + u128::from(WORK_PER_RESOURCE);
                files.iter().zip(&owners).filter(|(_, owner)| **owner == part).map(of).sum::<u128>()
            };
            let loads: Vec<u128> = (1..=parts).map(load).collect();
            let largest = u128::from(*sizes.iter().max().unwrap()) + u128::from(WORK_PER_RESOURCE);
            prop_assert!(loads.iter().max().unwrap() - loads.iter().min().unwrap() <= largest);
        }
    }
}
