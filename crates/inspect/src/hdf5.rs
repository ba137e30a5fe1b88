//! HDF5: groups, datasets and attributes, and everything by which a file reaches another. Elements are not read. Own reader of
//! the format's specification 3.0, because libraries follow what a model must not hold, or do not tell of it.

mod data;
mod file;
mod header;
mod heap;
mod link;
mod value;

use crate::{
    bytes::Input,
    keras, limits, outside,
    pickle::{self, Likeness, Loader},
    route::{Format, Match, Probe},
    scan::{Content, Halt, Scan},
};
use file::{File, SIGNATURE};
use header::Message;
use link::Target;
use modelseal_core::inspection::{Capability, FileFormat};
use std::collections::HashSet;
use value::Attribute;

pub(crate) mod rules {
    //! What can be found in an HDF5 file.

    use crate::rule::rules;

    rules! {
        BROKEN = "HDF001" "broken-hdf5" Malformed:
            "A structure of the file cannot be read, or leads beyond the file." =>
            "Get the file again from its maker.";
        OTHER_FILE = "HDF002" "hdf5-other-file" Malicious:
            "Elements or objects are in another file that is named by an absolute path, or outside the model's directory: loading reads any file of the machine (CVE-2026-1669)." =>
            "Do not load it.";
        FILE_BESIDE = "HDF003" "hdf5-file-beside" Suspicious:
            "Elements or objects are in another file, which models do not need (CVE-2026-1669)." =>
            "Ask its maker for one file that holds everything.";
        VIRTUAL = "HDF004" "hdf5-virtual-dataset" Suspicious:
            "A dataset is put together of others, which may be in other files." =>
            "Ask its maker for a file with plain datasets.";
        USER_LINK = "HDF005" "hdf5-user-link" Suspicious:
            "A link is of a kind that only a library of its own can follow." =>
            "Do not load it.";
        FILTER = "HDF006" "hdf5-filter" Suspicious:
            "Elements go through a filter that is not known; reading them loads a library for it." =>
            "Ask its maker for a file that is compressed by a filter of HDF5 itself.";
        PLUGIN = "HDF007" "hdf5-plugin" Note:
            "Elements go through a registered filter that needs a library beside HDF5." =>
            "See that the library is installed.";
        LAYOUT = "HDF008" "hdf5-layout" Malformed:
            "A dataset's elements do not fit where they are, or lie beyond the file." =>
            "Get the file again from its maker.";
        EXPANDS = "HDF009" "hdf5-expansion" Suspicious:
            "A dataset stands for far more data than the file has; loading it takes that much memory (CVE-2026-0897)." =>
            "Do not load it, unless its maker can say why.";
        USER_BLOCK = "HDF010" "hdf5-user-block" Suspicious:
            "There are bytes before the data, which other loaders take for the file." =>
            "Find out what they are.";
        TRAILING = "HDF011" "hdf5-trailing-data" Suspicious:
            "There are bytes after the end of the data." =>
            "Find out what they are.";
        DUPLICATE = "HDF012" "hdf5-duplicate-name" Suspicious:
            "A group has a name twice: readers take one or the other." =>
            "Do not load it.";
        OBJECTS = "HDF013" "hdf5-python-objects" Suspicious:
            "PyTables pickles the elements of this dataset, and unpickles them when they are read." =>
            "Ask its maker for numbers and text in place of Python objects.";
        UNREAD = "HDF014" "hdf5-not-followed" Unknown:
            "A structure of the file is of a kind that is not followed here." =>
            "Write the file anew with the defaults of h5py.";
        DRIVER = "HDF015" "hdf5-many-files" Suspicious:
            "The file is one of several that belong together." =>
            "Ask its maker for one file that holds everything.";
    }
}

/// Why a structure cannot be read.
pub(super) enum Problem {
    Broken(&'static str),
    /// It is of a kind that is not followed.
    Unknown(&'static str),
    /// More work than is done.
    Bound(&'static str),
    Halt(Halt),
}

/// The door from `route`.
pub(crate) struct Hdf5;

/// Places where the superblock is looked for: others are twice as far each.
const STARTS: [usize; 4] = [0, 512, 1024, 2048];
/// Letters of a path that are told.
const PATH: usize = 200;

impl Format for Hdf5 {
    fn matches(&self, probe: &Probe<'_>) -> Option<Match> {
        start(probe.head).map(|_| Match::Sure)
    }

    fn inspect(&self, content: Content<'_>, scan: &mut Scan<'_>) -> Result<FileFormat, Halt> {
        let Some(start) = start(content.head()) else { return Ok(FileFormat::Unknown) };
        let Some(random) = content.into_random(scan)? else { return Ok(FileFormat::Hdf5) };
        let input = random.input();
        inspect_user_block(input, start, scan)?;
        let (file, superblock) = match File::open(input, start) {
            Ok(opened) => opened,
            Err(problem) => {
                report(problem, start, "the superblock", scan)?;
                return Ok(FileFormat::Hdf5);
            }
        };
        if superblock.end > file.len() {
            let message = format!("it has {} bytes of {}", file.len(), superblock.end);
            scan.find(&rules::BROKEN, start, message);
        } else if superblock.end < file.len() {
            let message = format!("{} bytes", file.len() - superblock.end);
            scan.find(&rules::TRAILING, start.saturating_add(superblock.end), message);
        }
        if superblock.has_driver {
            scan.find(&rules::DRIVER, start, "the superblock names a driver".to_owned());
        }
        let mut walk = Walk { file, start, seen: HashSet::new(), todo: Vec::new(), is_keras: false };
        if let Some(extension) = superblock.extension {
            walk.extension(extension, scan)?;
        }
        walk.push(superblock.root, "/".to_owned());
        walk.run(scan)?;
        Ok(if walk.is_keras { FileFormat::KerasHdf5 } else { FileFormat::Hdf5 })
    }
}

fn start(head: &[u8]) -> Option<u64> {
    let found = STARTS.iter().find(|&&at| head.get(at..).is_some_and(|rest| rest.starts_with(SIGNATURE)))?;
    Some(*found as u64)
}

/// What lies before the superblock. Programs put text there.
fn inspect_user_block(input: Input<'_>, start: u64, scan: &mut Scan<'_>) -> Result<(), Halt> {
    let Some(block) = input.slice(0, start) else { return Ok(()) };
    let bytes = block.read_some(0, limits::HEAD).map_err(Halt::of)?;
    let text = |byte: &u8| matches!(byte, b'\t' | b'\n' | b'\r' | b' '..=b'~');
    let end = bytes.iter().rposition(|&byte| byte != 0).map_or(0, |at| at + 1);
    let Some(used) = bytes.get(..end).filter(|used| !used.is_empty()) else { return Ok(()) };
    // MATLAB's text ends with a version and an order of bytes.
    if used.iter().all(text) || used.starts_with(b"MATLAB 7.3 MAT-file") {
        return Ok(());
    }
    scan.find(&rules::USER_BLOCK, 0, format!("{start} bytes"));
    scan.within(&format!("bytes 0 to {start}"), |scan| {
        let before = scan.guess(true);
        let result = Content::random(block).and_then(|content| crate::route::inspect(content, scan));
        scan.guess(before);
        result.map(|_| ())
    })
}

struct Walk<'a> {
    file: File<'a>,
    /// Where the superblock is.
    start: u64,
    /// Object headers that have been looked at, or will be.
    seen: HashSet<u64>,
    todo: Vec<(u64, String)>,
    is_keras: bool,
}

impl Walk<'_> {
    fn push(&mut self, address: u64, path: String) {
        if self.seen.insert(address) {
            self.todo.push((address, path));
        }
    }

    fn run(&mut self, scan: &mut Scan<'_>) -> Result<(), Halt> {
        while let Some((address, path)) = self.todo.pop() {
            if self.seen.len() > limits::HDF5_OBJECTS {
                let message = format!("more than {} objects", limits::HDF5_OBJECTS);
                scan.find(&limits::HDF5_TOO_MUCH, None, message);
                return Ok(());
            }
            if let Err(problem) = self.object(address, &path, scan) {
                let bound = matches!(problem, Problem::Bound(_));
                report(problem, self.start.saturating_add(address), &path, scan)?;
                if bound {
                    return Ok(());
                }
            }
        }
        Ok(())
    }

    /// The messages that belong to the file as a whole.
    fn extension(&mut self, address: u64, scan: &mut Scan<'_>) -> Result<(), Halt> {
        const DRIVER: u16 = 0x14;
        match header::read(&self.file, address) {
            Ok(messages) => {
                if messages.iter().any(|message| message.kind == DRIVER) {
                    scan.find(&rules::DRIVER, self.start, "the superblock names a driver".to_owned());
                }
                Ok(())
            }
            Err(problem) => report(problem, self.start.saturating_add(address), "the superblock", scan),
        }
    }

    fn object(&mut self, address: u64, path: &str, scan: &mut Scan<'_>) -> Result<(), Problem> {
        /// The kinds that there are.
        const LAST: u16 = 0x18;
        let at = self.start.saturating_add(address);
        let messages = header::read(&self.file, address)?;
        if messages.iter().any(|message| message.kind > LAST && message.must_know) {
            report(Problem::Unknown("a message of a kind that is not known"), at, path, scan)?;
        }
        let links = self.links(&messages, path, at, scan);
        let attributes = self.attributes(&messages, path, at, scan);
        let dataset = self.dataset(&messages, path, at, scan);
        links.and(attributes).and(dataset)
    }

    fn links(
        &mut self,
        messages: &[Message],
        path: &str,
        at: u64,
        scan: &mut Scan<'_>,
    ) -> Result<(), Problem> {
        let mut links = Vec::new();
        let result = link::all(&self.file, messages, &mut links);
        let mut names = HashSet::new();
        for link in &links {
            let below = join(path, &link.name);
            if !names.insert(link.name.as_str()) {
                scan.find_about(&rules::DUPLICATE, at, &below, format!("'{below}'"));
            }
            match &link.to {
                Target::Hard(address) => self.push(*address, below),
                Target::Soft => {}
                Target::External(file) => elsewhere(&format!("'{below}' is a link to"), file, at, scan),
                Target::User(kind) => {
                    let message = format!("'{below}' is a link of the kind {kind}");
                    scan.find_about(&rules::USER_LINK, at, &below, message);
                }
            }
        }
        result
    }

    fn attributes(
        &mut self,
        messages: &[Message],
        path: &str,
        at: u64,
        scan: &mut Scan<'_>,
    ) -> Result<(), Problem> {
        let mut is_keras = false;
        let result = value::attributes(&self.file, messages, &mut |attribute| {
            let known = ["model_config", "training_config", "keras_version", "layer_names"];
            is_keras |= path == "/" && known.contains(&attribute.name.as_str());
            inspect_attribute(&attribute, path, at, scan)
        });
        self.is_keras |= is_keras;
        result
    }

    fn dataset(
        &mut self,
        messages: &[Message],
        path: &str,
        at: u64,
        scan: &mut Scan<'_>,
    ) -> Result<(), Problem> {
        let Some(found) = data::dataset(&self.file, messages)? else { return Ok(()) };
        scan.contents.add_tensor(&found.dtype, found.elements);
        for file in &found.external {
            elsewhere(&format!("the elements of '{path}' are in"), file, at, scan);
        }
        if let Some(sources) = &found.sources {
            scan.contents.capabilities.insert(Capability::ExternalFiles);
            scan.find_about(&rules::VIRTUAL, at, path, format!("'{path}'"));
            for text in sources.split(|&byte| byte == 0).filter_map(|text| std::str::from_utf8(text).ok()) {
                // Names of datasets begin with a slash as well, but those of files have more than one part.
                if leaves(text) && !text.chars().any(char::is_control) {
                    scan.contents.add_name(|contents| &mut contents.external, text);
                }
                if text.contains("..") || text.matches('/').count() > 1 && text.starts_with('/') {
                    elsewhere(&format!("'{path}' may be put together of"), text, at, scan);
                }
            }
        }
        for filter in found.filters {
            // Below 256 are the format's own, of which six are in use; the list of the others begins at 305.
            match filter {
                1..=6 => {}
                305 | 307 | 32_000..=32_040 => {
                    scan.find_about(&rules::PLUGIN, at, &filter.to_string(), format!("filter {filter}"));
                }
                _ => {
                    let message = format!("the elements of '{path}' go through filter {filter}");
                    scan.find_about(&rules::FILTER, at, &filter.to_string(), message);
                }
            }
        }
        if let Some(wrong) = found.wrong {
            scan.find_about(&rules::LAYOUT, at, path, format!("'{path}': {wrong}"));
        }
        let most = self.file.len().saturating_mul(limits::HDF5_RATIO).saturating_add(limits::HDF5_FREE);
        if found.bytes > most {
            let message = format!("'{path}' stands for {} bytes", found.bytes);
            scan.find_about(&rules::EXPANDS, at, path, message);
        }
        Ok(())
    }
}

fn inspect_attribute(attribute: &Attribute, path: &str, at: u64, scan: &mut Scan<'_>) -> Result<(), Problem> {
    let Some(value) = &attribute.value else {
        let is_config = matches!(attribute.name.as_str(), "model_config" | "training_config");
        return if is_config { Err(Problem::Unknown("a configuration is no text")) } else { Ok(()) };
    };
    let end = value.iter().rposition(|&byte| byte != 0).map_or(0, |at| at + 1);
    let value = value.get(..end).unwrap_or_default();
    let name = format!("{}@{}", path.trim_start_matches('/'), attribute.name);
    match attribute.name.as_str() {
        "model_config" | "training_config" => keras::inspect_config(&name, value, keras::Home::Hdf5, scan)?,
        "PSEUDOATOM" if value.starts_with(b"object") => {
            scan.find_about(&rules::OBJECTS, at, path, format!("'{path}'"));
        }
        // PyTables unpickles attributes that look like pickles.
        _ if pickle::likeness(value, scan.globals) >= Likeness::Names => {
            let value = value.to_vec();
            scan.within(&name, |scan| {
                let content = Content::random(Input::of(&value))?;
                pickle::inspect(content, Loader::default(), scan).map(|_| ())
            })?;
        }
        _ => {}
    }
    Ok(())
}

/// Another file that something is in.
fn elsewhere(what: &str, file: &str, at: u64, scan: &mut Scan<'_>) {
    scan.contents.capabilities.insert(Capability::ExternalFiles);
    scan.contents.add_name(|contents| &mut contents.external, file);
    let rule = if leaves(file) { &rules::OTHER_FILE } else { &rules::FILE_BESIDE };
    scan.find_about(rule, at, file, format!("{what} '{file}'"));
}

/// Whether the name of a file leads elsewhere than beside the model.
fn leaves(file: &str) -> bool {
    outside::reaches(file) || file.contains(':')
}

fn join(path: &str, name: &str) -> String {
    let joined = if path.ends_with('/') { format!("{path}{name}") } else { format!("{path}/{name}") };
    match joined.char_indices().nth_back(PATH) {
        Some((at, _)) => format!("…{}", joined.get(at..).unwrap_or_default()),
        None => joined,
    }
}

fn report(problem: Problem, at: u64, what: &str, scan: &mut Scan<'_>) -> Result<(), Halt> {
    match problem {
        Problem::Halt(halt) => return Err(halt),
        Problem::Broken(why) => scan.find(&rules::BROKEN, at, format!("'{what}': {why}")),
        Problem::Unknown(why) => scan.find(&rules::UNREAD, at, format!("'{what}': {why}")),
        Problem::Bound(why) => scan.find(&limits::HDF5_TOO_MUCH, at, format!("'{what}': {why}")),
    }
    Ok(())
}

impl From<Halt> for Problem {
    fn from(halt: Halt) -> Self {
        Self::Halt(halt)
    }
}

#[cfg(test)]
mod tests;
