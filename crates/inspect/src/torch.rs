//! PyTorch: storages are compared with what the pickle says of them.

use crate::{
    limits,
    pickle::{self, Loader, Storage},
    scan::{Halt, Scan},
    zip::{Archive, Directory, Entry, Kind},
};
use modelseal_core::inspection::{Capability, FileFormat};
use std::collections::{BTreeMap, HashMap};

pub(crate) mod rules {
    //! What can be found in files of PyTorch.

    use crate::rule::rules;

    rules! {
        STORAGE_SIZE = "TOR001" "storage-size" Malformed:
            "A tensor's storage has another size than the pickle says: reading it goes beyond the data (CVE-2026-24747)." =>
            "Do not load it with PyTorch before 2.10. Get the file again from its maker.";
        ENTRIES_IN_TENSOR = "TOR002" "entries-in-tensor" Malformed:
            "Entries are put into something that is no dictionary; old versions of PyTorch overwrite memory (CVE-2026-24747)." =>
            "Do not load it.";
        NO_OBJECT = "TOR003" "no-data-pkl" Malformed:
            "The archive is laid out like one of PyTorch and has no data.pkl." =>
            "Get the file again from its maker.";
        STORAGE_MISSING = "TOR004" "storage-missing" Malformed:
            "A storage that the pickle refers to is not in the archive." =>
            "Get the file again from its maker.";
        PICKLE_IN_STORAGE = "TOR005" "pickle-in-storage" Suspicious:
            "The data of a tensor begins like a pickle that names something not known to be harmless." =>
            "Find out what reads it.";
        CUSTOM_OPERATORS = "TOR006" "torchscript-operators" Suspicious:
            "TorchScript code calls operators of a library of its own, or such that reach files." =>
            "Look at the code in the archive before running it.";
        SCRIPT = "TOR007" "torchscript" Note:
            "The archive holds TorchScript code, which runs when the model does." =>
            "Look at the code in the archive.";
        CODE = "TOR008" "packaged-code" Suspicious:
            "The archive holds Python code that loading it runs." =>
            "Look at the code in the archive before loading it.";
        NATIVE = "TOR009" "compiled-model" Suspicious:
            "The archive holds machine code, or source that becomes it, which running the model runs." =>
            "Compile the model yourself from an export without it.";
    }
}

/// The raw storages after the five pickles of an old file: each is a count of eight bytes and its elements.
pub(crate) fn check_legacy(storages: &[Storage], left: Option<u64>, offset: u64, scan: &mut Scan<'_>) {
    let mut by_key: BTreeMap<&str, Option<u64>> = BTreeMap::new();
    for storage in storages {
        let known = by_key.entry(&storage.key).or_insert(storage.bytes);
        if *known != storage.bytes {
            let message = format!("storage '{}' has two sizes", storage.key);
            scan.find_about(&rules::STORAGE_SIZE, storage.offset, &storage.key, message);
        }
    }
    let expected =
        by_key.values().try_fold(0_u64, |sum, bytes| sum.checked_add(bytes.as_ref()?.checked_add(8)?));
    if left.is_some() && left != expected {
        let message = format!(
            "{} bytes follow the pickles, which speak of {}",
            left.unwrap_or_default(),
            expected.map_or_else(|| "more than there can be".to_owned(), |bytes| bytes.to_string())
        );
        scan.find(&rules::STORAGE_SIZE, offset, message);
    }
}

/// Archives of PyTorch since version 1.6, TorchScript, `torch.export` and packages.
pub(crate) struct TorchZip;

impl Kind for TorchZip {
    fn claims(&self, directory: &Directory) -> bool {
        let marks = [
            "data.pkl",
            "constants.pkl",
            ".format_version",
            "serialization_id",
            "archive_format",
            "byteorder",
            "extern_modules",
            "python_version",
        ];
        let of_torch = |entry: &Entry| marks.contains(&entry.leaf());
        let version = |entry: &Entry| entry.leaf() == "version" && entry.name.matches('/').count() == 1;
        directory.entries.iter().any(|entry| of_torch(entry) || version(entry))
    }

    fn inspect(&self, archive: &Archive<'_>, scan: &mut Scan<'_>) -> Result<FileFormat, Halt> {
        let entries = &archive.directory.entries;
        let has = |suffix: &str| {
            entries.iter().any(|entry| entry.name.ends_with(suffix) || entry.name == suffix[1..])
        };
        let is_script = has("/constants.pkl") || entries.iter().any(|entry| entry.name.contains("/code/"));
        let is_export =
            has("/archive_format") || has("/models/model.json") || has("serialized_exported_program.json");
        let is_package = has("/.data/python_version") || has("/.data/extern_modules");
        // A file `version` in an archive of something else is none of PyTorch's.
        let end = scan.name().rsplit('.').next().unwrap_or_default().to_ascii_lowercase();
        let is_named = ["pt", "pth", "bin", "ckpt"].contains(&end.as_str()) || has("/.format_version");
        if is_named && !has("/data.pkl") && !is_export && !is_package {
            scan.find(&rules::NO_OBJECT, None, "there is no member data.pkl".to_owned());
        }
        // Some readers know neither case nor the slash of Windows. Code has its own names.
        let mut names: BTreeMap<String, &Entry> = BTreeMap::new();
        for entry in entries.iter().filter(|entry| !entry.is_directory() && !entry.name.contains("/code/")) {
            let folded = entry.name.replace('\\', "/").to_lowercase();
            let other = names.entry(folded).or_insert(entry);
            if other.name != entry.name {
                let message = format!("'{}' and '{}' are one name to some readers", other.name, entry.name);
                scan.find_about(&crate::zip::rules::DUPLICATE, entry.data, &entry.name, message);
            }
        }
        let mut operators = BTreeMap::new();
        for entry in entries.iter().filter(|entry| !entry.is_directory()) {
            self.member(archive, entry, is_script, &mut operators, scan)?;
        }
        if is_script {
            scan.contents.capabilities.insert(Capability::TorchScript);
            scan.find(&rules::SCRIPT, None, "it has a directory code".to_owned());
        }
        if is_package {
            scan.contents.capabilities.insert(Capability::PythonCode);
            scan.find(&rules::CODE, None, "it is a package of torch.package".to_owned());
        }
        for (operator, member) in operators {
            scan.contents.add_name(|contents| &mut contents.operators, &operator);
            let message = format!("'{member}' calls {operator}");
            scan.find_about(&rules::CUSTOM_OPERATORS, None, &operator, message);
        }
        Ok(match (is_package, is_export, is_script) {
            (true, ..) => FileFormat::TorchPackage,
            (_, true, _) => FileFormat::TorchExport,
            (_, _, true) => FileFormat::TorchScript,
            _ => FileFormat::TorchZip,
        })
    }
}

impl TorchZip {
    fn member(
        &self,
        archive: &Archive<'_>,
        entry: &Entry,
        is_script: bool,
        operators: &mut BTreeMap<String, String>,
        scan: &mut Scan<'_>,
    ) -> Result<(), Halt> {
        let leaf = entry.leaf();
        let directory = entry.name.strip_suffix(leaf).unwrap_or_default();
        let inner = directory.trim_end_matches('/').rsplit('/').next().unwrap_or_default();
        let is_storage =
            matches!(inner, "data" | "constants") && leaf.bytes().all(|byte| byte.is_ascii_digit());
        if matches!(leaf, "data.pkl" | "constants.pkl") || leaf.ends_with(".debug_pkl") {
            scan.contents.members = scan.contents.members.saturating_add(1);
            let loader = Loader { torch: true, torchscript: is_script, ..Loader::default() };
            let storages = archive.with_member(entry, scan, |content, scan| {
                scan.within(&entry.name, |scan| {
                    pickle::inspect(content, loader, scan).map(|inspected| inspected.storages)
                })
            })?;
            let at = if leaf == "constants.pkl" { "constants/" } else { "data/" };
            return check_storages(&storages, &format!("{directory}{at}"), archive, scan);
        }
        if is_storage && entry.method == 0 {
            return check_storage(archive, entry, scan);
        }
        // What `torch.export` has compiled, and raw tensors that its own JSON describes.
        if directory.contains("data/aotinductor/") || is_native(leaf) {
            scan.contents.capabilities.insert(Capability::NativeCode);
            scan.find_about(&rules::NATIVE, entry.data, &entry.name, format!("'{}'", entry.name));
        }
        let is_raw = matches!(inner, "weights" | "constants")
            && ["weight_", "tensor_"].iter().any(|prefix| {
                leaf.strip_prefix(prefix).is_some_and(|rest| rest.bytes().all(|byte| byte.is_ascii_digit()))
            });
        if is_raw && entry.method == 0 {
            return check_storage(archive, entry, scan);
        }
        // A line each, which says a version or an order of bytes.
        let marks = [
            "version",
            ".format_version",
            ".storage_alignment",
            "byteorder",
            "serialization_id",
            "archive_format",
        ];
        if marks.contains(&leaf) && entry.size <= 64 {
            scan.contents.members = scan.contents.members.saturating_add(1);
            return Ok(());
        }
        if is_script && directory.contains("code/") && leaf.ends_with(".py") {
            scan.contents.members = scan.contents.members.saturating_add(1);
            scan.contents.add_name(|contents| &mut contents.scripts, &entry.name);
            return archive.with_member(entry, scan, |content, scan| {
                let Some(code) = content.into_random(scan)? else { return Ok(()) };
                let code = code.input().read_some(0, CODE).map_err(Halt::of)?;
                for operator in operators_of(&code) {
                    operators.entry(operator).or_insert_with(|| entry.name.clone());
                }
                Ok(())
            });
        }
        archive.inspect_member(entry, scan)
    }
}

/// The data of a tensor, of which only the beginning is looked at.
fn check_storage(archive: &Archive<'_>, entry: &Entry, scan: &mut Scan<'_>) -> Result<(), Halt> {
    scan.contents.members = scan.contents.members.saturating_add(1);
    let head = archive.raw(entry).read_some(0, limits::HEAD).map_err(Halt::of)?;
    if let Some(what) = pickle::names_something(&head, scan.globals) {
        let message = format!("'{}' begins like a pickle that names {what}", entry.name);
        scan.find_about(&rules::PICKLE_IN_STORAGE, entry.data, &entry.name, message);
    }
    Ok(())
}

/// Whether a member is named like machine code, or what becomes it.
fn is_native(leaf: &str) -> bool {
    let end = leaf.rsplit_once('.').map_or("", |(_, end)| end);
    ["so", "dll", "dylib", "pyd", "cubin", "ptx", "cpp", "cu", "o"].contains(&end)
}

/// TorchScript code of one member that is read.
const CODE: usize = 16 * 1024 * 1024;

/// Operators of TorchScript code that are not PyTorch's own, or reach files.
fn operators_of(code: &[u8]) -> Vec<String> {
    const OWN: [&str; 12] = [
        "aten",
        "prim",
        "quantized",
        "_quantized",
        "sparse",
        "mkldnn",
        "mkldnn_prepacked",
        "xnnpack",
        "_caffe2",
        "onednn",
        "profiler",
        "torchvision",
    ];
    const FILES: [&str; 3] = ["from_file", "save", "load"];
    let code = String::from_utf8_lossy(code);
    let mut found = Vec::new();
    let is_name = |c: char| c.is_alphanumeric() || c == '_';
    for (at, prefix) in code.match_indices("ops.").chain(code.match_indices("torch.")) {
        if code[..at].chars().next_back().is_some_and(|c| is_name(c) || c == '.') {
            continue;
        }
        let rest = &code[at + prefix.len()..];
        let dotted = &rest[..rest.find(|c: char| !is_name(c) && c != '.').unwrap_or(rest.len())];
        let mut parts = dotted.split('.');
        let (first, second) = (parts.next().unwrap_or_default(), parts.next());
        let (space, name) =
            if prefix == "ops." { (first, second.unwrap_or_default()) } else { ("aten", first) };
        if !OWN.contains(&space) || FILES.contains(&name) {
            found.push(format!("{space}::{name}").chars().take(128).collect());
        }
    }
    // Classes of a library; those of quantisation are PyTorch's own.
    const CLASSES: [&str; 4] = ["quantized", "sparse", "xnnpack", "rnn"];
    for (at, prefix) in code.match_indices("torch.classes.") {
        let rest = &code[at + prefix.len()..];
        let name = &rest[..rest.find(|c: char| !is_name(c) && c != '.').unwrap_or(rest.len())];
        if !CLASSES.iter().any(|space| name.split('.').next() == Some(space)) {
            found.push(format!("classes::{name}").chars().take(128).collect());
        }
    }
    found
}

/// Each storage that a pickle refers to is a member, and as large as the pickle says.
fn check_storages(
    storages: &[Storage],
    directory: &str,
    archive: &Archive<'_>,
    scan: &mut Scan<'_>,
) -> Result<(), Halt> {
    let sizes: HashMap<&str, &Entry> = archive
        .directory
        .entries
        .iter()
        .filter_map(|entry| Some((entry.name.strip_prefix(directory)?, entry)))
        .collect();
    for storage in storages {
        let Some(entry) = sizes.get(storage.key.as_str()) else {
            let message = format!("'{directory}{}' is not there", storage.key);
            scan.find_about(&rules::STORAGE_MISSING, None, &storage.key, message);
            continue;
        };
        if storage.bytes != Some(entry.size) {
            let said = storage.bytes.map_or_else(|| "more than 2^64".to_owned(), |bytes| bytes.to_string());
            let message = format!("'{}' has {} bytes, and the pickle says {said}", entry.name, entry.size);
            scan.find_about(&rules::STORAGE_SIZE, entry.data, &storage.key, message);
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests;
