//! What Keras writes of its layers beside a graph, in JSON.

use super::{Model, rules};
use crate::{
    bytes::ReadError,
    keras::{Home, inspect_config},
    limits,
    protobuf::wire::{Fault, Span, Value},
};

impl Model<'_, '_, '_, '_> {
    /// A node; the JSON is in the field of this number. `only` says that nothing else may be there.
    pub(super) fn keras_node(&mut self, message: Span, number: u32, only: bool) -> Result<(), Fault> {
        let mut span = message;
        while let Some(field) = self.wire.next(&mut span)? {
            let Value::Bytes(text) = field.value else { continue };
            if field.number != number || text.len() == 0 {
                continue;
            }
            if text.len() > limits::MODEL_TEXT as u64 {
                let message = format!("{} bytes", text.len());
                self.scan.find(&limits::TOO_LONG_MODEL_TEXT, field.at, message);
                continue;
            }
            let bytes = self.wire.bytes(text, limits::MODEL_TEXT)?;
            if bytes.trim_ascii_start().starts_with(b"{") {
                inspect_config("metadata", &bytes, Home::Graph, self.scan)
                    .map_err(|halt| Fault::Read(ReadError::Io(halt.0)))?;
            } else if only || bytes.trim_ascii_start().starts_with(b"[") {
                self.scan.find(&rules::METADATA, field.at, "it is no object of JSON".to_owned());
            }
        }
        Ok(())
    }
}
