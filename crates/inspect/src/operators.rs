//! Names of operators that frameworks have, by their own releases: `data/operators/`. What is thought of some of them is
//! said beside the reader of each format.

use crate::{limits, scan::Scan};
use std::{
    collections::{BTreeMap, HashSet},
    sync::LazyLock,
};

/// Bytes of an operator's name that are read: no honest one is as long.
pub(crate) const NAME: usize = 256;

/// Of ONNX and its runtime, as `domain:name`.
pub(crate) static ONNX: List = List::new(|| set(include_str!("../data/operators/onnx.txt")));
/// Of TensorFlow.
pub(crate) static TENSORFLOW: List = List::new(|| set(include_str!("../data/operators/tensorflow.txt")));
/// Of PaddlePaddle.
pub(crate) static PADDLE: List = List::new(|| set(include_str!("../data/operators/paddle.txt")));
/// Of OpenVINO, in small letters: its writer and its readers differ in capitals.
pub(crate) static OPENVINO: LazyLock<HashSet<String>> = LazyLock::new(|| {
    lines(include_str!("../data/operators/openvino.txt")).map(str::to_ascii_lowercase).collect()
});
/// Of TensorFlow Lite; the place is the code.
pub(crate) static TFLITE: LazyLock<Vec<&'static str>> =
    LazyLock::new(|| lines(include_str!("../data/operators/tflite.txt")).collect());

pub(crate) type List = LazyLock<HashSet<&'static str>>;

/// The distinct operators that a file uses, each with where it was first seen.
#[derive(Debug, Default)]
pub(crate) struct Used {
    names: BTreeMap<String, u64>,
    full: bool,
}

impl Used {
    /// Takes note of one; too many are a finding.
    pub(crate) fn add(&mut self, name: &str, at: u64, scan: &mut Scan<'_>) {
        if self.names.contains_key(name) {
        } else if self.names.len() < limits::OPERATORS {
            self.names.insert(name.to_owned(), at);
        } else if !self.full {
            self.full = true;
            scan.find(&limits::TOO_MANY_OPERATORS, at, format!("more than {}", limits::OPERATORS));
        }
    }

    pub(crate) fn contains(&self, name: &str) -> bool {
        self.names.contains_key(name)
    }

    /// In the order of their names.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (&str, u64)> {
        self.names.iter().map(|(name, at)| (name.as_str(), *at))
    }
}

fn set(text: &'static str) -> HashSet<&'static str> {
    lines(text).collect()
}

fn lines(text: &'static str) -> impl Iterator<Item = &'static str> {
    text.lines().filter(|line| !line.starts_with('#') && !line.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_lists_are_whole() {
        assert!(ONNX.contains(":MatMul") && ONNX.contains("ai.onnx.ml:TreeEnsembleClassifier"));
        assert!(ONNX.contains("com.microsoft:FusedMatMul") && !ONNX.contains(":PyOp"));
        assert!(TENSORFLOW.contains("StatefulPartitionedCall") && TENSORFLOW.contains("ReadFile"));
        assert!(PADDLE.contains("conv2d") && PADDLE.contains("py_func"));
        assert!(OPENVINO.contains("convolution") && OPENVINO.contains("const"));
        assert_eq!(TFLITE.get(32), Some(&"CUSTOM"));
    }
}
