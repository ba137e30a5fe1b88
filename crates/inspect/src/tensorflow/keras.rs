//! What Keras writes of its layers, in JSON.

use super::{Model, rules};
use crate::{
    limits,
    protobuf::wire::{Fault, Span, Value},
};
use modelseal_core::inspection::Capability;
use serde_json::Value as Json;

/// Modules whose classes come with Keras and TensorFlow.
const KNOWN: [&str; 6] = ["keras", "tensorflow", "tf_keras", "keras_hub", "keras_nlp", "keras_cv"];

impl Model<'_, '_, '_, '_> {
    /// A node; the JSON is in the field of this number.
    pub(super) fn keras_node(&mut self, message: Span, number: u32) -> Result<(), Fault> {
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
            self.keras_json(&bytes, field.at);
        }
        Ok(())
    }

    fn keras_json(&mut self, bytes: &[u8], at: u64) {
        let Ok(json) = serde_json::from_slice::<Json>(bytes) else {
            // Objects that are not Keras's may have any text there.
            let looks_like_one = bytes.first().is_some_and(|byte| matches!(byte, b'{' | b'[')) || at == 0;
            if looks_like_one {
                self.scan.find(&rules::METADATA, at, "it is no JSON".to_owned());
            }
            return;
        };
        let mut left = vec![&json];
        while let Some(value) = left.pop() {
            match value {
                Json::Array(values) => left.extend(values),
                Json::Object(entries) => {
                    left.extend(entries.values());
                    let class = entries.get("class_name").and_then(Json::as_str).unwrap_or_default();
                    let function = entries.get("function_type").and_then(Json::as_str);
                    if matches!(class.rsplit('>').next(), Some("Lambda" | "__lambda__"))
                        || function == Some("lambda")
                    {
                        self.scan.contents.capabilities.insert(Capability::PythonCode);
                        let name = entries.get("name").and_then(Json::as_str).unwrap_or(class);
                        self.scan.find(&rules::LAMBDA, at, format!("the layer {name:?}"));
                    }
                    let Some(module) = entries.get("module").and_then(Json::as_str) else { continue };
                    let package = module.split('.').next().unwrap_or_default();
                    if entries.contains_key("class_name") && !KNOWN.contains(&package) && module != "builtins"
                    {
                        let message = format!("the module {module:?}");
                        self.scan.find_about(&rules::OBJECT, at, module, message);
                    }
                }
                _ => {}
            }
        }
    }
}
