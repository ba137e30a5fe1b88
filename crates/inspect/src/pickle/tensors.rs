//! The tensors of PyTorch that a pickle describes: counted as facts, not judged.

use super::{
    value::{Id, Value},
    vm::Vm,
};
use crate::{limits, scan::Scan};

/// Dimensions of a tensor that are looked at: PyTorch's own bound.
const DIMENSIONS: usize = 64;

impl Vm<'_, '_> {
    /// Remembers the type of the storage that a value stands for.
    pub(super) fn remember_storage(&mut self, storage: Value, class: Option<Value>) {
        if let (Value::Object(storage), Some(Value::Global(class))) = (storage, class)
            && self.storage_types.len() < limits::STORAGES
        {
            self.storage_types.insert(storage, class);
        }
    }

    /// Counts the tensor that a call makes, if it is such a call: of a storage, an offset, sizes and more.
    pub(super) fn count_tensor(&mut self, function: Id, args: Value, scan: &mut Scan<'_>) {
        let is_tensor = self.named(function).is_some_and(|named| {
            &*named.module == "torch._utils"
                && matches!(
                    &*named.name,
                    "_rebuild_tensor" | "_rebuild_tensor_v2" | "_rebuild_tensor_v3" | "_rebuild_qtensor"
                )
        });
        if !is_tensor {
            return;
        }
        let elements = self.arena.tuple(args);
        let (Some(&storage), Some(&sizes)) = (elements.first(), elements.get(2)) else { return };
        // The third version names the type itself, since its storages have none.
        let named = match elements.get(6) {
            Some(Value::Global(dtype)) => self.named(*dtype).map(|named| named.name.to_string()),
            _ => None,
        };
        let of_storage = || match storage {
            Value::Object(storage) => {
                let class = self.named(*self.storage_types.get(&storage)?)?;
                Some(dtype(&class.name).to_owned())
            }
            _ => None,
        };
        let Some(dtype) = named.or_else(of_storage) else { return };
        // A tuple can be used again at no cost, so that long ones would be looked at ever again.
        let count = self.arena.tuple(sizes).iter().take(DIMENSIONS).try_fold(1_u64, |count, &size| {
            let size = self.arena.int(size).and_then(|size| u64::try_from(size).ok())?;
            Some(count.saturating_mul(size))
        });
        scan.contents.add_tensor(&dtype, count.unwrap_or(0));
    }
}

/// PyTorch's name of the elements of a class of storage.
fn dtype(class: &str) -> &str {
    match class.strip_suffix("Storage").unwrap_or(class) {
        "Double" => "float64",
        "Float" => "float32",
        "Half" => "float16",
        "BFloat16" => "bfloat16",
        "Long" => "int64",
        "Int" => "int32",
        "Short" => "int16",
        "Char" => "int8",
        "Byte" => "uint8",
        "Bool" => "bool",
        "ComplexDouble" => "complex128",
        "ComplexFloat" => "complex64",
        "QInt32" => "qint32",
        "QInt8" => "qint8",
        "QUInt8" => "quint8",
        other => other,
    }
}

#[cfg(test)]
mod tests {
    use crate::{
        bytes::Input,
        pickle::{Globals, Loader, asm::Asm, opcode::*},
        scan::{Content, Scan},
    };
    use modelseal_core::{inspection::Contents, path::ModelPath};

    fn storage(asm: Asm, class: &str) -> Asm {
        let asm = asm.op(MARK).text("storage").global("torch", class).text("0").text("cpu").int(6);
        asm.op(TUPLE).op(BINPERSID)
    }

    fn tensor(asm: Asm, function: &str, class: &str) -> Asm {
        let asm = storage(asm.global("torch._utils", function).op(MARK), class);
        asm.int(0).int(2).int(3).op(TUPLE2).int(3).int(1).op(TUPLE2).int(0).op(TUPLE).op(REDUCE)
    }

    fn contents(pickle: &[u8]) -> Contents {
        let mut scan =
            Scan::new(Globals::shipped(), ModelPath::parse("a.pkl").expect("a name"), pickle.len() as u64);
        let bytes = pickle.to_vec();
        let content = Content::random(Input::of(&bytes)).ok().expect("bytes can be read");
        let loader = Loader { torch: true, ..Loader::default() };
        assert!(crate::pickle::inspect(content, loader, &mut scan).is_ok());
        scan.contents
    }

    #[test]
    fn tensors_are_counted_by_type_and_size() {
        let two = tensor(
            tensor(Asm::protocol(2), "_rebuild_tensor_v2", "FloatStorage"),
            "_rebuild_tensor",
            "HalfStorage",
        );
        let found = contents(&two.stop());
        assert_eq!((found.tensors, found.parameters), (2, 12));
        assert_eq!(found.dtypes, [("float16".to_owned(), 1), ("float32".to_owned(), 1)].into());
        let other = contents(&tensor(Asm::protocol(2), "_rebuild_parameter", "FloatStorage").stop());
        assert_eq!(other.tensors, 0, "a parameter is made of a tensor");
    }
}
