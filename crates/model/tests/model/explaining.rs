//! Things that are easily taken for parts of models.

use crate::common::Model;
use modelseal_core::path::ModelPath;
use modelseal_model::{Explanation, LfsPointer, Source, explain, is_huggingface_leftover, is_lfs_pointer};

const OID: &str = "4d7a214614ab2935c943f9e0ff69d22eadbb8f32b1258daaa5e2ca24d17e2393";

fn pointer() -> String {
    format!("version https://git-lfs.github.com/spec/v1\noid sha256:{OID}\nsize 133466304\n")
}

#[test]
fn lfs_pointers_are_told_from_weights() {
    let expected = LfsPointer { oid: OID.into(), size: 133_466_304 };
    assert_eq!(is_lfs_pointer(pointer().as_bytes()), Some(expected.clone()));
    let extended = pointer().replace("oid ", &format!("ext-0-foo sha256:{OID}\noid "));
    assert_eq!(is_lfs_pointer(extended.as_bytes()), Some(expected));
    for other in [
        String::new(),
        pointer().replace("v1", "v9"),
        pointer().replace("size 133466304", "size many"),
        pointer().replace("size 133466304\n", ""),
        pointer().replace(OID, &OID[1..]),
        pointer().replace("sha256:", "md5:"),
        format!("{}{}", pointer(), " ".repeat(1000)),
        "version https://git-lfs.github.com/spec/v1".into(),
    ] {
        assert_eq!(is_lfs_pointer(other.as_bytes()), None, "{other:?}");
    }
    assert_eq!(is_lfs_pointer(&[0xff; 130]), None);
}

#[test]
fn leftovers_go_by_whole_components() {
    let is = |name| is_huggingface_leftover(&ModelPath::parse(name).unwrap());
    assert!(is(".cache/huggingface/.gitignore"));
    assert!(is(".cache/huggingface/download/model.safetensors.metadata"));
    assert!(is("sub/.cache/huggingface/x"));
    assert!(!is(".cache/other") && !is("x.cache/huggingface/y") && !is(".cache/huggingfaces/y"));
    assert!(!is("huggingface/.cache"));
}

#[test]
fn explanations_say_what_to_do() {
    let model = Model::with(&[
        ("weights/model.safetensors", pointer().as_bytes()),
        ("config.json", b"{}"),
        (".cache/huggingface/download/config.json.metadata", b"x"),
    ]);
    let about = |name| explain(&model.source(), &ModelPath::parse(name).unwrap());
    assert_eq!(about("config.json"), None);
    assert_eq!(about("gone"), None);
    assert_eq!(about("weights"), None);
    let lfs = about("weights/model.safetensors").unwrap();
    assert!(matches!(&lfs, Explanation::LfsPointer { pointer, .. } if pointer.size == 133_466_304));
    assert!(lfs.to_string().contains("`git lfs pull`"), "{lfs}");
    let leftover = about(".cache/huggingface/download/config.json.metadata").unwrap();
    assert!(leftover.to_string().contains("--ignore-paths '.cache/huggingface'"), "{leftover}");
    let file = Source::open(&model.join("weights/model.safetensors")).unwrap();
    assert!(explain(&file, &ModelPath::parse("model.safetensors").unwrap()).is_some());
}

#[cfg(unix)]
#[test]
fn links_and_special_files_are_not_opened_to_explain_them() {
    let model = Model::new();
    model.link("zero", "/dev/zero");
    let fifo = model.join("fifo");
    assert!(std::process::Command::new("mkfifo").arg(&fifo).status().unwrap().success());
    for name in ["zero", "fifo"] {
        assert_eq!(explain(&model.source(), &ModelPath::parse(name).unwrap()), None);
    }
}
