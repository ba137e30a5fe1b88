//! Zip archives, read as their loaders read them: by the directory at the end, by the headers before each member, and by
//! what lies between. Where these differ, that is a finding.

mod directory;
mod member;
#[cfg(test)]
pub(crate) mod stored;

use crate::{
    bytes::Input,
    gguf::Gguf,
    keras, limits, npy,
    route::{Format, Match, Probe},
    safetensors::Safetensors,
    scan::{Content, Halt, Scan},
    skops, torch, torchserve,
};
pub(crate) use directory::{Directory, Entry};
use modelseal_core::inspection::{Capability, FileFormat};

pub(crate) mod rules {
    //! What can be found in a zip archive.

    use crate::rule::rules;

    rules! {
        BROKEN = "ZIP001" "broken-zip" Malformed:
            "The archive's directory cannot be read, or leads beyond the file." =>
            "Get the file again from its maker.";
        MISMATCH = "ZIP002" "header-mismatch" Malformed:
            "A member's own header and the directory disagree: readers see different members." =>
            "Do not load it.";
        DUPLICATE = "ZIP003" "duplicate-member" Suspicious:
            "Two members have one name: readers take the first or the last." =>
            "Do not load it.";
        ORPHAN = "ZIP004" "orphan-member" Suspicious:
            "A member is not in the directory: readers of streams see it, others do not." =>
            "Do not load it.";
        FLAGS = "ZIP005" "unusual-flags" Suspicious:
            "A member's flags say that it is encrypted, masked or patched; some loaders do not look at them." =>
            "Do not load it.";
        ENCRYPTED = "ZIP006" "encrypted-member" Suspicious:
            "A member is encrypted and was not inspected." =>
            "Ask its maker for the files without encryption.";
        METHOD = "ZIP007" "unknown-method" Malformed:
            "A member is compressed by a method that does not exist or that no loader knows." =>
            "Get the file again from its maker.";
        CHECKSUM = "ZIP008" "wrong-checksum" Suspicious:
            "A member's checksum is wrong. Some loaders do not look at it, and others refuse the file." =>
            "Get the file again from its maker.";
        PREFIX = "ZIP009" "data-before-archive" Suspicious:
            "There are bytes before the archive, which other loaders take for the file." =>
            "Do not load it.";
        SUFFIX = "ZIP010" "data-after-archive" Suspicious:
            "There are bytes after the archive." =>
            "Find out what they are.";
        TWO_DIRECTORIES = "ZIP011" "two-directories" Suspicious:
            "There are two ends of an archive: readers take one or the other." =>
            "Do not load it.";
        OVERLAP = "ZIP012" "overlapping-members" Malformed:
            "Two members share bytes of the archive." =>
            "Do not unpack it.";
        PATH = "ZIP013" "unsafe-member-name" Suspicious:
            "A member's name leads out of the directory it is unpacked into, or is a link." =>
            "Do not unpack it.";
        GAP = "ZIP014" "gap-in-archive" Suspicious:
            "There are bytes in the archive that belong to no member." =>
            "Find out what they are.";
        SPLIT = "ZIP015" "split-archive" Unknown:
            "The archive goes on in other files." =>
            "Publish the files without an archive.";
    }
}

/// An archive whose directory has been read.
pub(crate) struct Archive<'a> {
    pub(crate) input: Input<'a>,
    pub(crate) directory: Directory,
}

/// A format that lives in a zip archive.
pub(crate) trait Kind: Sync {
    /// Whether the archive is of this format, by the names of its members.
    fn claims(&self, directory: &Directory) -> bool;

    /// Reads its members and says what it is, more closely.
    fn inspect(&self, archive: &Archive<'_>, scan: &mut Scan<'_>) -> Result<FileFormat, Halt>;
}

/// All of them; the first that claims an archive gets it.
static KINDS: &[&dyn Kind] =
    &[&keras::KerasZip, &skops::Skops, &torchserve::TorchServe, &torch::TorchZip, &npy::Npz];

/// The door from `route`.
pub(crate) struct Zip;

impl Format for Zip {
    fn matches(&self, probe: &Probe<'_>) -> Option<Match> {
        let begins = probe.head.starts_with(b"PK\x03\x04")
            || probe.head.starts_with(b"PK\x05\x06")
            || probe.head.starts_with(b"PK\x07\x08PK\x03\x04");
        if begins {
            return Some(Match::Sure);
        }
        // What TensorFlow Lite puts behind its models, its reader looks at.
        if probe.head.get(4..8) == Some(b"TFL3") {
            return None;
        }
        // Python takes an archive also when something follows it, as padding does in a tar archive that ends with one.
        let end = directory::find_end(probe.tail).next()?;
        if directory::reaches_end(probe.tail, end) {
            return Some(Match::Sure);
        }
        // Tensors may hold any bytes, and are no place for an archive.
        let tensors: [&dyn Format; 3] = [&Safetensors, &Gguf, &npy::Npy];
        let is_hidden = tensors.iter().any(|format| format.matches(probe).is_some())
            && directory::find_end(probe.tail).any(|end| directory::has_entries(probe.tail, end));
        Some(if is_hidden { Match::Sure } else { Match::Likely })
    }

    fn inspect(&self, content: Content<'_>, scan: &mut Scan<'_>) -> Result<FileFormat, Halt> {
        scan.contents.capabilities.insert(Capability::Archive);
        let Some(random) = content.into_random(scan)? else { return Ok(FileFormat::Zip) };
        let input = random.input();
        let directory = Directory::read(input, scan)?;
        let archive = Archive { input, directory };
        archive.check(scan)?;
        match KINDS.iter().find(|kind| kind.claims(&archive.directory)) {
            Some(kind) => kind.inspect(&archive, scan),
            None => {
                archive.inspect_members(scan, |_| true)?;
                Ok(FileFormat::Zip)
            }
        }
    }
}

/// Inspects an archive that the format of `input` allows behind itself.
pub(crate) fn appended(input: Input<'_>, scan: &mut Scan<'_>) -> Result<(), Halt> {
    let start = input.len().saturating_sub(limits::TAIL as u64);
    let tail = input.read_some(start, limits::TAIL).map_err(Halt::of)?;
    if directory::find_end(&tail).next().is_none() {
        return Ok(());
    }
    scan.contents.capabilities.insert(Capability::Archive);
    let directory = Directory::read(input, scan)?;
    let archive = Archive { input, directory };
    if let Some(kind) = KINDS.iter().find(|kind| kind.claims(&archive.directory)) {
        let format = kind.inspect(&archive, scan)?;
        scan.format(format);
        scan.find(&crate::route::rules::TWO_FORMATS, None, format!("an archive that is read as {format}"));
        return Ok(());
    }
    archive.inspect_members(scan, |_| true)
}

impl Archive<'_> {
    /// Inspects the members that `which` takes, each for itself.
    pub(crate) fn inspect_members(
        &self,
        scan: &mut Scan<'_>,
        which: impl Fn(&Entry) -> bool,
    ) -> Result<(), Halt> {
        for entry in self.directory.entries.iter().filter(|entry| which(entry) && !entry.is_directory()) {
            self.inspect_member(entry, scan)?;
        }
        Ok(())
    }

    /// Inspects one member, whatever it is.
    pub(crate) fn inspect_member(&self, entry: &Entry, scan: &mut Scan<'_>) -> Result<(), Halt> {
        self.with_member(entry, scan, |content, scan| scan.member(&entry.name, content))
    }

    /// What lies before the archive, between its members and after it.
    fn check(&self, scan: &mut Scan<'_>) -> Result<(), Halt> {
        let Self { input, directory } = self;
        for &(start, end) in &directory.outside {
            let Some(part) = input.slice(start, end - start) else { continue };
            let head = part.read_some(0, limits::HEAD).map_err(Halt::of)?;
            // Readers that align members leave zeros between them.
            if head.iter().all(|&byte| byte == 0) && part.len() <= limits::HEAD as u64 {
                continue;
            }
            let has_member = head.windows(4).any(|four| four == b"PK\x03\x04");
            let rule = if start == 0 && end <= directory.first {
                &rules::PREFIX
            } else if end >= input.len() {
                &rules::SUFFIX
            } else if has_member {
                &rules::ORPHAN
            } else {
                &rules::GAP
            };
            scan.find(rule, start, format!("{} bytes", end - start));
            self.inspect_outside(part, start, has_member, scan)?;
        }
        Ok(())
    }

    /// Members that are in no directory, or something else.
    fn inspect_outside(
        &self,
        part: Input<'_>,
        start: u64,
        has_member: bool,
        scan: &mut Scan<'_>,
    ) -> Result<(), Halt> {
        if has_member {
            let (entries, _memory) = directory::local_entries(part, start, scan)?;
            for entry in entries {
                self.inspect_member(&entry, scan)?;
            }
            return Ok(());
        }
        scan.within(&format!("bytes {start} to {}", start + part.len()), |scan| {
            // Other readers may see more in them; that they are no whole file is no news.
            let before = scan.guess(true);
            let result = Content::random(part).and_then(|content| crate::route::inspect(content, scan));
            scan.guess(before);
            result.map(|_| ())
        })
    }
}
