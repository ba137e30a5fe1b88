//! OpenVINO's description of a graph. Its weights are in a `.bin` beside it, which this file alone does not show.

use super::reader::Tag;
use crate::{limits, operators::OPENVINO, outside, scan::Scan};
use modelseal_core::inspection::Capability;

pub(crate) mod rules {
    //! What can be found in OpenVINO's description of a graph.

    use crate::rule::rules;

    rules! {
        LIBRARY = "OVN001" "openvino-library" Suspicious:
            "The document names a library, or code of a device, that has to be loaded for it." =>
            "Do not load the library unless you know where it comes from.";
        CUSTOM = "OVN002" "openvino-custom-layer" Suspicious:
            "A layer is none of OpenVINO's own, so that running it takes a library of its maker." =>
            "Find out which library that is, and whether to trust it.";
        SIZE = "OVN003" "openvino-constant-size" Malformed:
            "A constant has another number of bytes than its shape and type need, or a place that is none." =>
            "Get the file again from its maker.";
        PLACE = "OVN004" "openvino-constant-place" Malformed:
            "A constant is said to lie far beyond all others, where no file of weights has it." =>
            "Do not load it: readers that do not check it read memory that is not theirs.";
        STRUCTURE = "OVN005" "openvino-structure" Malformed:
            "The description has no layers." =>
            "Get the file again from its maker.";
    }
}

/// Bytes between constants that belong to none: writers align them, and leave out what was a constant once.
const GAP: u64 = 1024 * 1024;

/// Looks at a tag of OpenVINO's own settings: libraries of plugins, and kernels of layers.
pub(super) fn settings(name: &str, tag: &Tag, at: u64, scan: &mut Scan<'_>) {
    let named = match name {
        "plugin" => tag.get("location"),
        "CustomLayer" => Some(tag.get("name").unwrap_or(name)),
        "Source" => tag.get("filename"),
        _ => None,
    };
    let Some(named) = named else { return };
    scan.contents.capabilities.insert(Capability::NativeCode);
    if name != "CustomLayer" {
        outside::external(scan, named);
    }
    scan.find_about(&rules::LIBRARY, at, named, format!("<{name}> {named:?}"));
}

#[derive(Default)]
pub(super) struct Net {
    /// The layers that are open, with their depth.
    open: Vec<(usize, String)>,
    layers: u64,
    /// Places of constants: the first byte and the one behind the last.
    constants: Vec<(u64, u64)>,
}

impl Net {
    pub(super) fn tag(&mut self, tag: &Tag, depth: usize, at: u64, scan: &mut Scan<'_>) {
        if depth == 0 {
            scan.contents.capabilities.insert(Capability::Graph);
        }
        for (key, value) in tag.attributes() {
            if key == "library" {
                scan.contents.capabilities.insert(Capability::NativeCode);
                outside::external(scan, value);
                scan.find_about(&rules::LIBRARY, at, value, format!("the library {value:?}"));
            }
        }
        match tag.name.as_str() {
            "layer" => self.layer(tag, depth, at, scan),
            "data" => {
                let is_child = self.open.last().is_some_and(|(layer, _)| layer + 1 == depth);
                if is_child && self.open.last().is_some_and(|(_, kind)| kind == "Const") {
                    self.constant(tag, at, scan);
                }
            }
            _ => {}
        }
    }

    pub(super) fn end(&mut self, depth: usize) {
        if self.open.last().is_some_and(|(layer, _)| *layer == depth) {
            self.open.pop();
        }
    }

    fn layer(&mut self, tag: &Tag, depth: usize, at: u64, scan: &mut Scan<'_>) {
        self.layers += 1;
        let kind = tag.get("type").unwrap_or_default();
        // Before version 10 of the format there was one set of layers.
        let version = tag.get("version").unwrap_or("opset1");
        let ours = version.strip_prefix("opset").is_some_and(|number| number.parse::<u32>().is_ok());
        if !ours || !OPENVINO.contains(&kind.to_ascii_lowercase()) {
            scan.contents.capabilities.insert(Capability::CustomOperators);
            let name = format!("{version}::{kind}");
            scan.contents.add_name(|contents| &mut contents.operators, &name);
            scan.find_about(&rules::CUSTOM, at, &name, format!("the layer {name}"));
        }
        self.open.push((depth, kind.chars().take(64).collect()));
    }

    fn constant(&mut self, tag: &Tag, at: u64, scan: &mut Scan<'_>) {
        let number = |key: &str| tag.get(key).and_then(|value| value.parse::<u64>().ok());
        let (Some(offset), Some(size)) = (number("offset"), number("size")) else {
            scan.find(&rules::SIZE, at, "a constant has no place".to_owned());
            return;
        };
        let Some(end) = offset.checked_add(size).filter(|end| i64::try_from(*end).is_ok()) else {
            scan.find(&rules::SIZE, at, format!("{size} bytes from {offset} on"));
            return;
        };
        let count = tag.get("shape").map_or(Some(1), elements);
        let dtype = tag.get("element_type").unwrap_or_default();
        match (count, bits(dtype)) {
            (None, _) => scan.find(&rules::SIZE, at, "a constant has a shape that none has".to_owned()),
            (Some(count), bits) => {
                scan.contents.add_tensor(dtype, count);
                // Writers give a constant without elements one byte.
                let needed = bits.map(|bits| (u128::from(count) * u128::from(bits)).div_ceil(8));
                if let Some(needed) =
                    needed.filter(|needed| *needed != u128::from(size) && !(*needed == 0 && size == 1))
                {
                    let message = format!("{size} bytes, and the constant needs {needed}");
                    scan.find(&rules::SIZE, at, message);
                }
            }
        }
        if self.constants.len() < limits::CONSTANTS {
            self.constants.push((offset, end));
        } else {
            let message = format!("more than {}", limits::CONSTANTS);
            scan.find(&limits::TOO_MANY_CONSTANTS, at, message);
        }
    }

    pub(super) fn finish(mut self, scan: &mut Scan<'_>) {
        if self.layers == 0 {
            scan.find(&rules::STRUCTURE, None, "there is no layer".to_owned());
        }
        if self.constants.iter().all(|(start, end)| start == end) {
            return;
        }
        let name = scan.leaf();
        let weights = format!("{}.bin", name.rsplit_once('.').map_or(name, |(stem, _)| stem));
        outside::external(scan, &weights);
        self.constants.sort_unstable();
        let (mut covered, mut reached, mut gap) = (0_u64, 0_u64, (0_u64, 0_u64));
        for (start, end) in self.constants {
            if start > reached && start - reached > gap.0 {
                gap = (start - reached, start);
            }
            covered = covered.saturating_add(end.saturating_sub(start.max(reached)));
            reached = reached.max(end);
        }
        if gap.0 > covered.saturating_add(GAP) {
            let message = format!("at {}, with nothing in the {} bytes before it", gap.1, gap.0);
            scan.find(&rules::PLACE, None, message);
        }
    }
}

/// Elements of a shape in text: `1,3,224`.
fn elements(shape: &str) -> Option<u64> {
    let dimensions = shape.split(',').map(str::trim).filter(|dimension| !dimension.is_empty());
    dimensions
        .map(|dimension| dimension.parse::<u64>().ok())
        .try_fold(1_u64, |count, dimension| count.checked_mul(dimension?))
}

/// Bits of an element; none where they have no size of their own, or are not known.
fn bits(dtype: &str) -> Option<u64> {
    Some(match dtype {
        "u1" => 1,
        "u2" | "i2" => 2,
        "u4" | "i4" | "nf4" | "f4e2m1" => 4,
        "u8" | "i8" | "boolean" | "f8e4m3" | "f8e5m2" | "f8e8m0" => 8,
        "u16" | "i16" | "f16" | "bf16" => 16,
        "u32" | "i32" | "f32" => 32,
        "u64" | "i64" | "f64" => 64,
        _ => return None,
    })
}
