//! ExecuTorch programs: a flatbuffer of operators, and segments of weights behind it.

use crate::{
    flatbuffer::{Fault, Flatbuffer, Table},
    limits,
    operators::{NAME, Used},
    route::{Format, Match, Probe},
    scan::{Content, Halt, Scan},
};
use modelseal_core::inspection::{Capability, FileFormat};

pub(crate) mod rules {
    //! What can be found in an ExecuTorch program.

    use crate::rule::rules;

    rules! {
        BROKEN = "PTE001" "broken-executorch" Malformed:
            "The program's header or something in it leads beyond the file, or to nothing." =>
            "Get the file again from its maker.";
        CUSTOM = "PTE002" "executorch-custom-operator" Suspicious:
            "An operator is none of PyTorch's own, so that running it takes code of its maker." =>
            "Find out which library brings it.";
        DELEGATE = "PTE003" "executorch-delegate" Unknown:
            "A part of the program is prepared for a backend; what it holds was not inspected." =>
            "Ask its maker for the program before it was prepared.";
    }
}

/// What operators of PyTorch's and ExecuTorch's own begin with.
const KNOWN: [&str; 6] =
    ["aten::", "executorch_prim::", "dim_order_ops::", "quantized_decomposed::", "prims::", "et_copy::"];

/// The door from `route`.
pub(crate) struct Executorch;

impl Format for Executorch {
    fn matches(&self, probe: &Probe<'_>) -> Option<Match> {
        matches!(probe.head, [_, _, _, _, b'E', b'T', b'0'..=b'9', b'0'..=b'9', ..])
            .then_some(if probe.extension == "pte" { Match::Sure } else { Match::Likely })
    }

    fn inspect(&self, content: Content<'_>, scan: &mut Scan<'_>) -> Result<FileFormat, Halt> {
        let Some(random) = content.into_random(scan)? else { return Ok(FileFormat::Executorch) };
        scan.contents.capabilities.insert(Capability::Graph);
        let mut used = Used::default();
        let result = program(&mut Flatbuffer::new(random.input()), scan, &mut used);
        for (name, at) in used.iter() {
            if !KNOWN.iter().any(|known| name.starts_with(known)) {
                scan.contents.capabilities.insert(Capability::CustomOperators);
                scan.contents.add_name(|contents| &mut contents.operators, name);
                scan.find_about(&rules::CUSTOM, at, name, format!("the operator {name}"));
            }
        }
        match result {
            Ok(()) => {}
            Err(Fault::Read(error)) => return Err(Halt::of(error)),
            Err(Fault::Broken(at, what)) => scan.find(&rules::BROKEN, at, what.to_owned()),
            Err(Fault::Steps(most)) => scan.find(&limits::TOO_MANY_STEPS, None, format!("more than {most}")),
        }
        Ok(FileFormat::Executorch)
    }
}

fn program(flat: &mut Flatbuffer<'_>, scan: &mut Scan<'_>, used: &mut Used) -> Result<(), Fault> {
    let root = flat.root()?;
    // The header with the places of what follows the program.
    let mut base = None;
    if flat.len() >= 32 && flat.u32(8)?.to_le_bytes() == *b"eh00" {
        let (size, start) = (flat.u64(16)?, flat.u64(24)?);
        if size > flat.len() || start > flat.len() {
            return Err(Fault::Broken(8, "the header leads beyond the file"));
        }
        base = Some(start);
    }
    let segments = flat.field_vector(root, 4, 4)?;
    for index in 0..segments.count {
        let segment = flat.element(segments, index)?;
        let (offset, size) = (flat.field_u64(segment, 0)?, flat.field_u64(segment, 1)?);
        let end = base.unwrap_or_default().checked_add(offset).and_then(|at| at.checked_add(size));
        if end.is_none_or(|end| end > flat.len()) {
            return Err(Fault::Broken(segment.at, "a segment lies outside the file"));
        }
    }
    let plans = flat.field_vector(root, 1, 4)?;
    if plans.count == 0 {
        return Err(Fault::Broken(root.at, "the program has nothing to run"));
    }
    for index in 0..plans.count {
        let plan = flat.element(plans, index)?;
        self::plan(flat, plan, scan, used)?;
    }
    Ok(())
}

fn plan(flat: &mut Flatbuffer<'_>, plan: Table, scan: &mut Scan<'_>, used: &mut Used) -> Result<(), Fault> {
    let operators = flat.field_vector(plan, 6, 4)?;
    for index in 0..operators.count {
        let operator = flat.element(operators, index)?;
        if let Some(name) = flat.field_text(operator, 0, NAME)? {
            used.add(&name, operator.at, scan);
        }
    }
    let delegates = flat.field_vector(plan, 7, 4)?;
    for index in 0..delegates.count {
        let delegate = flat.element(delegates, index)?;
        let name = flat.field_text(delegate, 0, NAME)?.unwrap_or_default();
        scan.contents.capabilities.insert(Capability::NativeCode);
        scan.find_about(&rules::DELEGATE, delegate.at, &name, format!("for {name:?}"));
    }
    Ok(())
}
