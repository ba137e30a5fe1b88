//! What `attest begin` writes down and `attest finish` reads: when a run started, and what its inputs were before it.
//!
//! Whoever can write the record decides what is attested, as with everything else that a job says about itself.

use super::{
    error::AttestError,
    input::{Input, InputKind, InputPin},
    inputs::{Found, Reader},
};
use crate::{
    disk,
    error::{Error, Kind, OutputError},
    output::Document,
    report::{RecordedFile, RecordedInput, RunRecord},
};
use jiff::Timestamp;
use modelseal_core::{
    json::{self, value::Value},
    limits::{MAX_BUNDLE_BYTES, MAX_RUN_INPUTS},
    predicate::{
        descriptor::{Descriptor, DigestSet},
        field::parse_time,
    },
    text::Printable,
};
use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
};

/// Changes that are listed one by one.
const SHOWN: usize = 10;

/// A record that was read.
#[derive(Debug)]
pub(super) struct Record {
    pub(super) started_on: Timestamp,
    pub(super) inputs: Vec<(Input, Found)>,
}

/// Measures the inputs of a run that is about to start, and writes them down.
///
/// # Errors
/// [`Error`] when an input cannot be read, or the record not be written.
pub(super) fn begin(inputs: Vec<Input>, path: &Path, reader: &Reader<'_>) -> Result<RunRecord, Error> {
    let document = Document::new(path.to_owned(), RunRecord::SCHEMA);
    document.check()?;
    let mut notes = Vec::new();
    let mut recorded = Vec::new();
    for input in inputs {
        let (input, note) = input.stripped();
        notes.extend(note);
        let input = absolute(input)?;
        let found = reader.read(&input)?;
        notes.extend(found.notes.clone());
        recorded.push(written(&input, &found));
    }
    let record = RunRecord {
        schema: RunRecord::SCHEMA.into(),
        started_on: reader.now.to_string(),
        inputs: recorded,
        notes,
    };
    document.write(&record)?;
    Ok(record)
}

/// Reads a record.
pub(super) fn read(path: &Path) -> Result<Record, AttestError> {
    let wrong = |why: String| AttestError::Record { path: path.to_owned(), why };
    let bytes = disk::read(path, MAX_BUNDLE_BYTES).map_err(wrong)?;
    let record: RunRecord = json::read(&bytes, MAX_BUNDLE_BYTES).map_err(|e| wrong(e.to_string()))?;
    if record.schema != RunRecord::SCHEMA {
        return Err(wrong(format!(
            "its schema is '{}', expected '{}'",
            Printable(&record.schema),
            RunRecord::SCHEMA
        )));
    }
    if record.inputs.len() > MAX_RUN_INPUTS {
        return Err(wrong(format!("it has more than {MAX_RUN_INPUTS} inputs")));
    }
    let started_on = parse_time(&record.started_on)
        .ok_or_else(|| wrong(format!("'{}' is no time in UTC", Printable(&record.started_on))))?;
    let inputs = record.inputs.into_iter().map(known).collect::<Result<_, _>>().map_err(wrong)?;
    Ok(Record { started_on, inputs })
}

/// Reads the inputs again. One that is not what it was is an error that names the file, unless `may_change`: then what it
/// was before the run is what is recorded, because that is what the run was started with.
pub(super) fn again(
    record: &[(Input, Found)],
    reader: &Reader<'_>,
    may_change: bool,
) -> Result<Vec<Found>, Error> {
    let one = |(input, before): &(Input, Found)| {
        let after = match reader.read(input) {
            Ok(after) => after,
            // Gone, or no dataset of its description any more.
            Err(e) if may_change && e.kind() != Kind::Usage => {
                let note = format!("the input '{}' changed while the run lasted: {e}", input.label());
                return Ok(Found { notes: vec![note], ..before.clone() });
            }
            Err(e) => return Err(e),
        };
        let differences = differences(before, &after);
        if differences.is_empty() {
            return Ok(Found { dependencies: before.dependencies.clone(), ..after });
        }
        if may_change {
            let changed = differences.join("; ");
            let note = format!("the input '{}' changed while the run lasted: {changed}", input.label());
            return Ok(Found { notes: vec![note], ..before.clone() });
        }
        Err(Error::Attest(AttestError::InputDiffers {
            input: format!("{}, as it was when the run began", input.label()),
            differences,
        }))
    };
    record.iter().map(one).collect()
}

/// Refuses inputs that are `given` at the end of a run under the name of one that was recorded at its beginning, and are
/// something else. What is given without a pin, or at the path where it was recorded, is the same.
pub(super) fn refuse_others(
    record: &[(Input, Found)],
    given: &[Input],
    reader: &Reader<'_>,
) -> Result<(), Error> {
    for input in given {
        let input = absolute(input.clone().stripped().0)?;
        let same = record.iter().find(|(known, _)| known.is_named_as(&input));
        let Some((known, before)) = same else { continue };
        let other = |why: String| {
            let input = format!("{}, as it was when the run began", known.label());
            Err(Error::Attest(AttestError::InputDiffers { input, differences: vec![why] }))
        };
        if known.uri != input.uri {
            let uri = |input: &Input| input.uri.as_deref().map(|uri| Printable(uri).to_string());
            let (was, is) = (uri(known).unwrap_or_default(), uri(&input).unwrap_or_default());
            return other(format!("the run began with '{was}', and '{is}' is given at its end"));
        }
        if input.pin == InputPin::Nothing || input.pin == known.pin {
            continue;
        }
        if known.pin == InputPin::Nothing {
            return other("nothing pinned it then, and something is given for it now".to_owned());
        }
        let now = reader.read(&input)?;
        let digests = |found: &Found| found.dependencies.first().map(|found| found.digest.clone());
        if !digests(before).zip(digests(&now)).is_some_and(|(was, is)| was.matches(&is)) {
            return other("another pin is given for it now, which is of something else".to_owned());
        }
    }
    Ok(())
}

fn differences(before: &Found, after: &Found) -> Vec<String> {
    let files = |found: &Found| found.files.iter().cloned().collect::<BTreeMap<_, _>>();
    let (old, new) = (files(before), files(after));
    let changed = old.iter().filter_map(|(name, digest)| match new.get(name) {
        None => Some(format!("'{}' is gone", Printable(name))),
        Some(found) if found != digest => Some(format!("'{}' was {digest}, is {found}", Printable(name))),
        Some(_) => None,
    });
    let added = new
        .keys()
        .filter(|name| !old.contains_key(*name))
        .map(|name| format!("'{}' is new", Printable(name)));
    let mut all: Vec<String> = changed.chain(added).collect();
    if all.is_empty() && before.dependencies != after.dependencies {
        all.push("its digests are others".to_owned());
    }
    if all.len() > SHOWN {
        let more = all.len() - SHOWN;
        all.truncate(SHOWN);
        all.push(format!("and {more} more"));
    }
    all
}

/// The run may end in another folder than it began in.
fn absolute(input: Input) -> Result<Input, Error> {
    let pin = match input.pin {
        InputPin::Path(path) => {
            let absolute = std::path::absolute(&path)
                .map_err(|e| Error::Document { path: path.clone(), reason: OutputError::Io(e) })?;
            InputPin::Path(absolute)
        }
        pin => pin,
    };
    Ok(Input { pin, ..input })
}

fn written(input: &Input, found: &Found) -> RecordedInput {
    let file =
        |(name, digest): &(String, String)| RecordedFile { name: name.clone(), digest: digest.clone() };
    let (path, digest) = match &input.pin {
        InputPin::Path(path) => (Some(path.display().to_string()), None),
        InputPin::Digest(digest) => (None, digest.iter().next().map(|(a, hex)| format!("{a}:{hex}"))),
        InputPin::Nothing => (None, None),
    };
    RecordedInput {
        kind: input.kind.dependency().to_owned(),
        uri: input.uri.clone(),
        path,
        digest,
        dependencies: found.dependencies.iter().map(|dependency| dependency.to_value().to_string()).collect(),
        files: found.files.iter().map(file).collect(),
    }
}

fn known(recorded: RecordedInput) -> Result<(Input, Found), String> {
    let kinds =
        [InputKind::Source, InputKind::Base, InputKind::Dataset, InputKind::Container, InputKind::Lockfile];
    let kind = kinds.into_iter().find(|kind| kind.dependency() == recorded.kind);
    let kind = kind.ok_or_else(|| format!("'{}' is no kind of input", Printable(&recorded.kind)))?;
    let pin = match (recorded.path, recorded.digest) {
        (Some(path), _) => InputPin::Path(PathBuf::from(path)),
        (None, Some(digest)) => InputPin::Digest(DigestSet::parse(&digest)?),
        (None, None) => InputPin::Nothing,
    };
    let input = Input::new(kind, recorded.uri, pin)?;
    let files = recorded.files.into_iter().map(|file| (file.name, file.digest)).collect();
    let dependencies = recorded.dependencies.iter().map(descriptor).collect::<Result<_, _>>()?;
    Ok((input, Found { dependencies, files, notes: Vec::new() }))
}

fn descriptor(text: &String) -> Result<Descriptor, String> {
    let value = Value::parse(text.as_bytes(), MAX_BUNDLE_BYTES).map_err(|e| e.to_string())?;
    Descriptor::from_value(&value).map_err(|e| e.to_string())
}
