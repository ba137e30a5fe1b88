//! SentencePiece's tokenizers: pieces of words and their scores. Nothing in them runs.

use crate::{
    protobuf::wire::{Fault, Value, Wire},
    scan::Scan,
};

pub(crate) mod rules {
    //! What can be found in a tokenizer of SentencePiece's.

    use crate::rule::rules;

    rules! {
        BROKEN = "SPM001" "broken-sentencepiece" Malformed:
            "The tokenizer is no protocol buffer, or ends before it is whole, or has something else behind it." =>
            "Get the file again from its maker.";
        FIELD = "SPM002" "sentencepiece-unknown-field" Unknown:
            "The tokenizer has a field that the format does not have; what it holds was not inspected." =>
            "Find out what wrote the file.";
    }
}

pub(crate) fn inspect(wire: &mut Wire<'_>, scan: &mut Scan<'_>) -> Result<(), Fault> {
    let mut span = wire.whole();
    while let Some(field) = wire.next(&mut span)? {
        let (1..=5, Value::Bytes(mut part)) = (field.number, field.value) else {
            let text = format!("field {}", field.number);
            scan.find_about(&rules::FIELD, field.at, &text, text.clone());
            continue;
        };
        // Each part is a message too: what ends badly there would stop its loader.
        while wire.next(&mut part)?.is_some() {}
    }
    Ok(())
}
