//! Engines that TensorRT has compiled for one kind of device. What is in them is for that device alone to say.

use crate::{
    route::{Format, Match, Probe},
    scan::{Content, Halt, Scan},
};
use modelseal_core::inspection::{Capability, FileFormat};

pub(crate) mod rules {
    //! What can be found in a TensorRT engine.

    use crate::rule::rules;

    rules! {
        COMPILED = "TRT001" "tensorrt-engine" Suspicious:
            "The file is compiled code for a device, which no inspection can show to be harmless." =>
            "Ask its maker for the model before compilation, and compile it yourself.";
    }
}

/// What engines begin with, from TensorRT 5 on.
const MARKS: [&[u8; 4]; 2] = [b"ftrt", b"ptrt"];

/// The door from `route`.
pub(crate) struct Engine;

impl Format for Engine {
    fn matches(&self, probe: &Probe<'_>) -> Option<Match> {
        let marked = MARKS.iter().any(|mark| probe.head.starts_with(*mark));
        match probe.extension {
            "engine" | "plan" | "trt" if marked => Some(Match::Sure),
            "engine" | "plan" | "trt" => Some(Match::Likely),
            // Four letters are no proof.
            _ => marked.then_some(Match::Likely),
        }
    }

    fn inspect(&self, _: Content<'_>, scan: &mut Scan<'_>) -> Result<FileFormat, Halt> {
        scan.contents.capabilities.insert(Capability::NativeCode);
        scan.find(&rules::COMPILED, 0, "an engine of TensorRT".to_owned());
        Ok(FileFormat::TensorrtEngine)
    }
}

#[cfg(test)]
mod tests {
    use crate::testing::{finds, look};
    use modelseal_core::inspection::{Capability, FileFormat};

    #[test]
    fn engines_are_code() {
        for (name, bytes) in
            [("m.engine", &b"ftrt\0\0\0\0"[..]), ("m.bin", b"ftrt\0"), ("m.trt", b"\x01\x02\x03")]
        {
            finds(name, bytes, "TRT001");
            let found = look(name, bytes);
            assert_eq!(found.format, FileFormat::TensorrtEngine);
            assert!(found.contents.capabilities.contains(&Capability::NativeCode));
        }
    }
}
