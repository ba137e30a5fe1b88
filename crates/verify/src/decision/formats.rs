//! What a policy wants of the insides of files: formats, pickles, code. Judged over an inspection of the very bytes that were
//! measured. What was not understood, or not looked at, is never what a policy wants.

use super::{
    check::Found,
    code::Code,
    context::{Block, Candidate, Context},
};
use crate::{
    facts::{fitting, is_ignored},
    policy::{
        document::Content,
        words::{FileFormat as Word, Permission, Tier, Worst},
    },
};
use modelseal_core::{
    inspection::{
        Capability, FileFormat, FileInspection, Finding, Inspection, PickleTier, Severity, Verdict,
    },
    path::ModelPath,
    text::Printable,
};
use serde_json::{Value, json};

/// Files that are written into a report; the counts are always whole.
const SHOWN: usize = 20;
/// Letters of what a file has, so that one line stays one.
const SAID: usize = 240;
/// Inspection's rule for a file that is of another format than its name promises.
const NOT_AS_NAMED: &str = "FMT002";
/// Inspection's rule for a file of no known format.
const UNKNOWN_FORMAT: &str = "FMT001";
/// Inspection's rules about its own bounds begin so.
const BOUNDS: &str = "LIM";
/// Inspection's rules for archives that it does not look into.
const UNREAD: [&str; 3] = ["SVZ002", "SVZ003", "SVZ006"];
/// Inspection's rules about chat templates begin so.
const TEMPLATES: &str = "JIN";

/// Inspection's rules whose doubts are none about code that a loader runs: pickles have their tier, pictures and documents are
/// no loader's, and the others are about where numbers lie. Every other doubt counts, of rules to come as well.
const NO_CODE: [&str; 7] = ["PKL", "IMG", "PDF", "TXT", "GGF", "NPY", "STN009"];

/// What fails, of one file.
struct Bad<'a> {
    file: &'a FileInspection,
    code: Code,
    /// What it is or has, in words that go after its name.
    what: String,
}

/// The fields that are judged here, as the policy names them.
pub(super) fn asked(wanted: &Content) -> Vec<(&'static str, &'static str)> {
    let fields = [
        (!wanted.allow_formats.is_empty(), "allow-formats", "content.allow-formats"),
        (!wanted.deny_formats.is_empty(), "deny-formats", "content.deny-formats"),
        (wanted.remote_code == Some(Permission::Deny), "remote-code", "content.remote-code = \"deny\""),
        (wanted.max_pickle_tier.is_some(), "max-pickle-tier", "content.max-pickle-tier"),
        (wanted.max_verdict.is_some(), "max-verdict", "content.max-verdict"),
    ];
    fields.into_iter().filter(|(asked, ..)| *asked).map(|(_, name, shown)| (name, shown)).collect()
}

/// Checks those fields of the block over one candidate whose bytes are here.
pub(super) fn check(
    context: &Context<'_>,
    block: &Block<'_>,
    wanted: &Content,
    candidate: &Candidate,
) -> Vec<Found> {
    let asked = asked(wanted);
    let id = |what: &str| block.id(&format!("content.{what}"));
    if asked.is_empty() {
        return Vec::new();
    }
    let files = match inspected(context, candidate) {
        Ok(files) => files,
        Err(NotInspected::Unmeasured) => {
            return asked.iter().map(|(what, _)| Found::unmeasured(id(what))).collect();
        }
        // Whoever measured did not look: what was asked for is not shown, which denies.
        Err(NotInspected::NotLooked) => {
            let found = asked.iter().map(|(what, shown)| {
                let message = format!("{shown} cannot be checked: the files were not inspected");
                Found::fail(id(what), Code::ErrorUnsupported, message).never_relaxed()
            });
            return found.collect();
        }
    };
    let mut found: Vec<Found> = names_left_out(context, &id("ignore-paths"), &files, candidate);
    if !wanted.allow_formats.is_empty() {
        let bad = files.iter().flat_map(|file| not_allowed(file, &wanted.allow_formats)).collect();
        let expected = words(&wanted.allow_formats);
        found.extend(judged(&id("allow-formats"), bad, &files, expected, |file| of_word(file.format)));
    }
    if !wanted.deny_formats.is_empty() {
        let bad = files.iter().flat_map(|file| denied(file, &wanted.deny_formats)).collect();
        let expected = json!({ "none-of": words(&wanted.deny_formats) });
        let mut judged = judged(&id("deny-formats"), bad, &files, expected, |file| of_word(file.format));
        // An audit of one rule says nothing about what the baseline denies for all of them.
        if !block.prefix.is_empty() {
            for found in &mut judged {
                found.relaxable &= found.code() != Some(Code::ContentFormatDenied);
            }
        }
        found.extend(judged);
    }
    if wanted.remote_code == Some(Permission::Deny) {
        let bad = files.iter().filter_map(|file| remote_code(file)).collect();
        found.extend(judged(&id("remote-code"), bad, &files, json!("deny"), |_| "no code".to_owned()));
    }
    if let Some(limit) = wanted.max_pickle_tier {
        let bad = files.iter().filter_map(|file| pickles(file, limit)).collect();
        let tier = |file: &FileInspection| file.contents.pickle_tier().to_string();
        found.extend(judged(&id("max-pickle-tier"), bad, &files, json!(limit.name()), tier));
    }
    if let Some(limit) = wanted.max_verdict {
        let bad = files.iter().filter_map(|file| verdict(file, limit)).collect();
        let said = |file: &FileInspection| file.verdict().to_string();
        found.extend(judged(&id("max-verdict"), bad, &files, json!(limit.name()), said));
    }
    found
}

enum NotInspected {
    Unmeasured,
    NotLooked,
}

/// What is in the candidate's files. What its signer left out of the signature is none of them.
fn inspected<'a>(
    context: &'a Context<'_>,
    candidate: &Candidate,
) -> Result<Vec<&'a FileInspection>, NotInspected> {
    let (fact, signed) = match candidate {
        Candidate::Signed { .. } => {
            let best = context.best_manifest(candidate, true).ok_or(NotInspected::Unmeasured)?;
            let fact = fitting(&context.data.measured, &best.model.manifest);
            (fact, Some(best.model.manifest.serialization()))
        }
        Candidate::Measured { measured, .. } => (context.data.measured.get(*measured), None),
        Candidate::Pinned { .. } | Candidate::Nothing => (None, None),
    };
    let measured = fact.and_then(|fact| fact.outcome.as_ref().ok()).ok_or(NotInspected::Unmeasured)?;
    if measured.promise.is_some() {
        return Err(NotInspected::Unmeasured);
    }
    let inspection: &Inspection = measured.inspection.as_deref().ok_or(NotInspected::NotLooked)?;
    let counts = |file: &&FileInspection| signed.is_none_or(|signed| !is_ignored(&file.path, signed));
    Ok(inspection.files.iter().filter(counts).collect())
}

/// Files that send their loader to what was left out: nobody signed it, nobody looked at it, and it may come later.
fn names_left_out(
    context: &Context<'_>,
    id: &str,
    files: &[&FileInspection],
    candidate: &Candidate,
) -> Vec<Found> {
    let signed = context.best_manifest(candidate, true).map(|fact| &fact.model.manifest);
    let Some(parameters) = signed.or_else(|| context.manifest(candidate)).map(|all| all.serialization())
    else {
        return Vec::new();
    };
    let leads_there = |file: &FileInspection, name: &str| {
        let directory = file.path.as_str().rsplit_once('/').map_or("", |(directory, _)| directory);
        // Some loaders take names from the top.
        [directory, ""]
            .into_iter()
            .filter_map(|from| leads_to(from, name))
            .any(|path| is_ignored(&path, parameters))
    };
    let bad = files.iter().filter_map(|file| {
        let name = file.contents.external.iter().find(|name| leads_there(file, name))?;
        let what = format!("names '{}', which the signer left out", Printable(name));
        Some(Bad { file, code: Code::IntegrityIgnoredPathNotAllowed, what })
    });
    let bad: Vec<Bad<'_>> = bad.collect();
    if bad.is_empty() { Vec::new() } else { judged(id, bad, files, json!("signed files"), |_| String::new()) }
}

/// Where a name leads that a file in `directory` has.
fn leads_to(directory: &str, name: &str) -> Option<ModelPath> {
    let mut parts: Vec<&str> = directory.split('/').collect();
    for part in name.split(['/', '\\']) {
        match part {
            "" | "." => {}
            ".." => _ = parts.pop(),
            part => parts.push(part),
        }
    }
    parts.retain(|part| !part.is_empty());
    ModelPath::parse(&parts.join("/")).ok()
}

/// One check for each code that fails, or one that passes.
fn judged(
    id: &str,
    bad: Vec<Bad<'_>>,
    files: &[&FileInspection],
    expected: Value,
    said: impl Fn(&FileInspection) -> String,
) -> Vec<Found> {
    if bad.is_empty() {
        let mut all: Vec<String> = files.iter().map(|file| said(file)).collect();
        all.sort_unstable();
        all.dedup();
        let message = format!("{} files were inspected: {}", files.len(), all.join(", "));
        return vec![Found::pass(id, message).expected(expected)];
    }
    let mut codes: Vec<Code> = bad.iter().map(|bad| bad.code).collect();
    codes.sort_unstable();
    codes.dedup();
    let found = codes.into_iter().map(|code| {
        let of_code: Vec<&Bad<'_>> = bad.iter().filter(|bad| bad.code == code).collect();
        let first = of_code.first().map(|bad| {
            let what: String = bad.what.chars().take(SAID).collect();
            format!("'{}' {what}", Printable(bad.file.path.as_str()))
        });
        let mut message = first.unwrap_or_default();
        if of_code.len() > 1 {
            message.push_str(&format!("; and {} more files", of_code.len() - 1));
        }
        let listed: Vec<String> = of_code
            .iter()
            .take(SHOWN)
            .map(|bad| format!("{} ({})", bad.file.path, bad.file.format))
            .collect();
        Found::fail(id, code, message)
            .expected(expected.clone())
            .actual(json!({ "count": of_code.len(), "files": listed }))
            .fix(fix(code, &of_code))
    });
    found.collect()
}

/// What to do about it.
fn fix(code: Code, bad: &[&Bad<'_>]) -> String {
    let names: Vec<String> =
        bad.iter().take(3).map(|bad| format!("'{}'", Printable(bad.file.path.as_str()))).collect();
    let more = if bad.len() > names.len() { " and the others" } else { "" };
    let names = format!("{}{more}", names.join(", "));
    let is_pickle = bad.iter().any(|bad| has(bad.file, Word::Pickle));
    match code {
        Code::ContentFormatDenied | Code::ContentFormatNotAllowed | Code::ContentPickleTier if is_pickle => {
            format!("have the publisher leave {names} out and keep the weights in safetensors")
        }
        Code::ContentFormatDenied | Code::ContentFormatNotAllowed => {
            format!("have the publisher leave {names} out, or convert it")
        }
        Code::ContentRemoteCode => "use a model that its loader needs no code of the model for".to_owned(),
        Code::ContentVerdict | Code::ContentPickleTier => {
            "see what modelseal inspect says of the model, and ask its publisher".to_owned()
        }
        _ => code.entry().remedy.to_owned(),
    }
}

fn not_allowed<'a>(file: &'a FileInspection, allowed: &[Word]) -> Vec<Bad<'a>> {
    let is_allowed = |word: &str| allowed.iter().any(|allowed| allowed.name() == word);
    let mut bad = unclear(file);
    let own = file.format.policy_word();
    let list = || allowed.iter().map(|word| word.name()).collect::<Vec<_>>().join(", ");
    if file.format != FileFormat::Unknown && !is_allowed(own) {
        let what = format!("is {}, allowed are {}", of_word(file.format), list());
        bad.push(Bad { file, code: Code::ContentFormatNotAllowed, what });
        return bad;
    }
    let mut foreign: Vec<String> = file
        .formats
        .iter()
        .filter(|inner| **inner != FileFormat::Unknown && **inner != file.format)
        .filter(|inner| !is_allowed(inner.policy_word()) && !is_part_of(own, inner.policy_word()))
        .map(|inner| of_word(*inner))
        .collect();
    // Arrays of objects, and code in layers, are pickles and their like, in files of another format.
    if foreign.is_empty() && holds_pickle(file) && !is_allowed(Word::Pickle.name()) {
        foreign.push(Word::Pickle.name().to_owned());
    }
    if !foreign.is_empty() {
        let what = format!("is {} and holds {}, allowed are {}", file.format, foreign.join(", "), list());
        bad.push(Bad { file, code: Code::ContentFormatNotAllowed, what });
    }
    bad
}

fn denied<'a>(file: &'a FileInspection, denied: &[Word]) -> Vec<Bad<'a>> {
    let mut bad = unclear(file);
    let words: Vec<&str> = denied.iter().filter(|word| has(file, **word)).map(|word| word.name()).collect();
    if words.is_empty() {
        return bad;
    }
    let own = words.contains(&file.format.policy_word());
    let what = match own {
        true => format!("is {}", of_word(file.format)),
        false => format!("is {} and holds {}", file.format, words.join(", ")),
    };
    let what = format!("{what}, which the policy denies{}", names(file));
    bad.push(Bad { file, code: Code::ContentFormatDenied, what });
    bad
}

/// Formats that cannot be told, and such that contradict the name: then nobody knows what a loader makes of the file.
fn unclear(file: &FileInspection) -> Vec<Bad<'_>> {
    let mut bad = Vec::new();
    if let Some(finding) = finding(file, |finding| finding.rule.as_str() == NOT_AS_NAMED) {
        let what = format!("is {}: {}", of_word(file.format), finding.message);
        bad.push(Bad { file, code: Code::ContentFormatMismatch, what });
    }
    bad.extend(incomplete(file, true));
    bad
}

/// What was not understood or not looked at.
fn incomplete(file: &FileInspection, formats_too: bool) -> Option<Bad<'_>> {
    let code = Code::ContentFormatUnknown;
    if file.format == FileFormat::Unknown && formats_too {
        return Some(Bad { file, code, what: "is of no known format".to_owned() });
    }
    if file.contents.capabilities.contains(&Capability::Encrypted) {
        return Some(Bad { file, code, what: "has encrypted parts, which nobody can look into".to_owned() });
    }
    let unseen = |finding: &Finding| {
        let rule = finding.rule.as_str();
        let of_format = rule == UNKNOWN_FORMAT && finding.place.members.is_empty();
        let unknown = finding.severity == Severity::Unknown && (formats_too || !of_format);
        unknown || unread(finding)
    };
    if let Some(finding) = finding(file, unseen) {
        let what = format!("was not inspected to its end: {} ({})", finding.message, finding.rule);
        return Some(Bad { file, code, what });
    }
    // What breaks its format is not the same to every reader.
    let broken =
        |finding: &Finding| finding.severity == Severity::Malformed && finding.rule.as_str() != NOT_AS_NAMED;
    let finding = finding(file, broken)?;
    let what = format!("breaks its format: {} ({})", finding.message, finding.rule);
    Some(Bad { file, code, what })
}

/// Fails closed: whatever inspection holds against a file counts, unless it is known to say nothing about code.
fn remote_code(file: &FileInspection) -> Option<Bad<'_>> {
    let code = Code::ContentRemoteCode;
    let has = |capability| file.contents.capabilities.contains(&capability);
    let holds = |format: &FileFormat| file.format == *format || file.formats.contains(format);
    let python = [FileFormat::Python, FileFormat::PythonBytecode];
    let because = |what: &str, rules: &[&str]| {
        let of_rules = |finding: &Finding| rules.iter().any(|rule| finding.rule.as_str().starts_with(rule));
        match finding(file, of_rules) {
            Some(finding) => format!("{what}: {} ({})", finding.message, finding.rule),
            None => what.to_owned(),
        }
    };
    let is_template = |finding: &Finding| {
        finding.rule.as_str().starts_with(TEMPLATES) && finding.severity >= Severity::Suspicious
    };
    let is_malicious = |finding: &Finding| finding.severity == Severity::Malicious;
    let may_be_code = |finding: &Finding| {
        finding.severity == Severity::Suspicious
            && !NO_CODE.iter().any(|rule| finding.rule.as_str().starts_with(rule))
    };
    let what = if has(Capability::RemoteCode) {
        because("names code for its loader to run", &["HFC", "TOK", "YML"])
    } else if python.contains(&file.format) {
        "is Python code".to_owned()
    } else if file.format == FileFormat::Notebook && has(Capability::PythonCode) {
        because("holds Python code", &["SRC"])
    } else if has(Capability::PythonCode) || python.iter().any(holds) {
        because("holds Python code that loading it runs", &["KER", "TOR", "SKO"])
    } else if let Some(finding) = finding(file, is_template) {
        format!("has a template that is a program: {} ({})", finding.message, finding.rule)
    } else if let Some(finding) = finding(file, is_malicious) {
        format!("is malicious: {} ({})", finding.message, finding.rule)
    } else if file.format != FileFormat::Notebook && self::has(file, Word::Executable) {
        because("is or holds a program or a script", &["NAT", "SRC"])
    } else if has(Capability::NativeCode) {
        because("brings machine code", &["NAT", "TOR", "ONX", "TFG", "TFL", "OVN", "TRT"])
    } else if has(Capability::CustomOperators) {
        because("needs code of its maker's to run", &["ONX", "TFG", "TFL", "OVN", "PTE", "PDL", "CML"])
    } else if let Some(finding) = finding(file, |finding| unread(finding) || may_be_code(finding)) {
        match unread(finding) {
            true => return incomplete(file, true),
            false => format!("may name code to run: {} ({})", finding.message, finding.rule),
        }
    } else {
        return incomplete(file, true);
    };
    Some(Bad { file, code, what })
}

/// Whether a finding says that something was not looked at.
fn unread(finding: &Finding) -> bool {
    let rule = finding.rule.as_str();
    rule.starts_with(BOUNDS) || UNREAD.contains(&rule)
}

fn pickles(file: &FileInspection, limit: Tier) -> Option<Bad<'_>> {
    let tier = file.contents.pickle_tier();
    let most = match limit {
        Tier::None => PickleTier::None,
        Tier::Data => PickleTier::Data,
        Tier::WeightsOnly => PickleTier::WeightsOnly,
        Tier::Framework => PickleTier::Framework,
        Tier::Unknown => PickleTier::Unknown,
    };
    if tier <= most {
        return incomplete(file, true);
    }
    let what = format!("holds a pickle of tier {tier}, allowed is {limit}{}", names(file));
    Some(Bad { file, code: Code::ContentPickleTier, what })
}

fn verdict(file: &FileInspection, limit: Worst) -> Option<Bad<'_>> {
    let most = match limit {
        Worst::Clean => Verdict::Clean,
        Worst::Unknown => Verdict::Unknown,
        Worst::Suspicious => Verdict::Suspicious,
        Worst::Malformed => Verdict::Malformed,
    };
    let verdict = file.verdict();
    if verdict <= most {
        return None;
    }
    let why = finding(file, |_| true);
    let why = why.map(|finding| format!(": {} ({})", finding.message, finding.rule)).unwrap_or_default();
    Some(Bad { file, code: Code::ContentVerdict, what: format!("is {verdict}, allowed is {limit}{why}") })
}

/// The worst finding of a kind; of several, the first.
fn finding(file: &FileInspection, which: impl Fn(&Finding) -> bool) -> Option<&Finding> {
    let of_kind = file.findings.iter().filter(|finding| which(finding));
    of_kind.min_by_key(|finding| std::cmp::Reverse(finding.severity))
}

/// What the worst finding names, for a message.
fn names(file: &FileInspection) -> String {
    let worst = finding(file, |finding| finding.severity >= Severity::Suspicious);
    worst.map(|finding| format!(": {} ({})", finding.message, finding.rule)).unwrap_or_default()
}

/// Whether a word of the policy speaks of a file, or of anything in it.
fn has(file: &FileInspection, word: Word) -> bool {
    file.format.policy_word() == word.name()
        || file.formats.iter().any(|format| format.policy_word() == word.name())
        || match word {
            Word::Pickle => holds_pickle(file),
            Word::Executable => !file.contents.scripts.is_empty(),
            _ => false,
        }
}

/// A pickle, or the marshalled code of a Keras layer, which is loaded in the same way and can do the same.
fn holds_pickle(file: &FileInspection) -> bool {
    let has = |capability| file.contents.capabilities.contains(&capability);
    let keras = [FileFormat::Keras, FileFormat::KerasHdf5, FileFormat::KerasMetadata];
    file.contents.pickle.is_some()
        || has(Capability::Pickle)
        || (has(Capability::PythonCode) && keras.iter().any(|format| file.formats.contains(format)))
}

/// What files of a format consist of, so that allowing the format allows it there: never anything that can hold code.
fn is_part_of(outer: &str, inner: &str) -> bool {
    let parts: &[Word] = match outer {
        "keras" => &[Word::Json, Word::Text, Word::Hdf5, Word::Numpy],
        "pickle" => &[Word::Json, Word::Text, Word::Numpy],
        "hdf5" | "gguf" | "onnx" | "tokenizer" | "tensorflow" | "tflite" | "coreml" | "openvino"
        | "numpy" => &[Word::Json, Word::Text],
        _ => &[],
    };
    parts.iter().any(|part| part.name() == inner)
}

fn of_word(format: FileFormat) -> String {
    match format.policy_word() {
        "" => format.name().to_owned(),
        word if word == format.name() => word.to_owned(),
        word => format!("{word} ({format})"),
    }
}

fn words(words: &[Word]) -> Value {
    words.iter().map(|word| word.name()).collect()
}
