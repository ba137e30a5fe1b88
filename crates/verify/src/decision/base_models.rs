//! The models that a model was made from, judged by the same policies, generation by generation.
//!
//! Which they are is what accepted provenance pins by digest. Of each the caller collects the evidence, and measures it where it
//! has a copy; where it has none, the [`Pin`] stands for the measurement.

use super::{
    BaseModel, BaseModelVerdict, BaseModels, Decided, MAX_BASE_MODEL_DEPTH, MAX_BASE_MODELS, Verdict,
    check::Found,
    code::Code,
    context::{Block, Candidate, Context},
    dataset,
    pin::{Pin, lists_in_statements},
    statement::Said,
};
use crate::{
    facts::{FactData, ManifestFact},
    policy::{document, reference::Reference},
};
use modelseal_core::{
    artifact::ArtifactId,
    predicate::{
        build_type::{self, BuildType},
        descriptor::Descriptor,
        slsa_provenance::Provenance,
    },
    text::Printable,
};
use serde_json::json;
use std::{
    borrow::Cow,
    cell::RefCell,
    collections::{BTreeMap, BTreeSet},
};

/// Where facts about base models come from, and what was decided about them so far.
pub(super) struct Bases<'a> {
    source: &'a dyn BaseModels,
    judged: RefCell<BTreeMap<(usize, Named), Decided>>,
    different: RefCell<BTreeSet<Named>>,
}

/// A reference with what pins it.
type Named = (String, Vec<(String, String)>, String);

impl<'a> Bases<'a> {
    pub(super) fn of(source: &'a dyn BaseModels) -> Self {
        Self { source, judged: RefCell::default(), different: RefCell::default() }
    }
}

/// Judges every model that `provenance`, which the block accepts, says the candidate was made from.
pub(super) fn check<'a>(
    context: &Context<'a>,
    bases: &Bases<'_>,
    block: &Block<'_>,
    wanted: &document::BaseModels,
    candidate: &Candidate,
    said: Said<'a>,
    provenance: &Provenance,
) -> Vec<Found> {
    let depth =
        wanted.max_depth.map_or(MAX_BASE_MODEL_DEPTH, |d| (d.get() as usize).min(MAX_BASE_MODEL_DEPTH));
    let pins = Pin::all_of(said).filter(|pin| is_model(pin.dependency()));
    let mut found: Vec<Found> = pins.map(|pin| one(context, bases, block, candidate, pin, depth)).collect();
    found.extend(unpinned(block, provenance));
    found.into_iter().map(|found| found.evidence([said.by.document.clone()])).collect()
}

/// Base models among the external parameters that no dependency pins: what is left out must not be what is not looked at.
fn unpinned(block: &Block<'_>, provenance: &Provenance) -> Vec<Found> {
    let Some(build_type) = BuildType::of_uri(&provenance.build_type) else { return Vec::new() };
    let id = |uri: &str| block.id(&format!("slsa.base-model/{uri}"));
    if let Err(error) = build_type.check(provenance) {
        let message = format!("the external parameters are not those of the build type: {error}");
        return vec![Found::fail(id(""), Code::SlsaParameterMismatch, message)];
    }
    let base_models = |at: &str| at.contains("/externalParameters/baseModel");
    let unresolved = build_type.unresolved(provenance).into_iter().filter(|input| base_models(&input.at));
    unresolved
        .map(|input| {
            let message = format!("nothing pins the base model '{}': {}", Printable(&input.uri), input.why);
            Found::fail(id(&input.uri), Code::SlsaBaseModelUnverified, message).actual(json!(input.at))
        })
        .collect()
}

/// Whether a dependency is a model: its name says so, or its URI is a model's reference.
#[must_use]
pub fn is_model(dependency: &Descriptor) -> bool {
    let simple = |name: &str| name.to_ascii_lowercase().replace(['-', '_'], "");
    let name = dependency.name.as_deref().map(simple).unwrap_or_default();
    // The bundle that vouches for a base model is none.
    if name == simple(build_type::BASE_MODEL_SIGNATURE) {
        return false;
    }
    let is_dataset = dependency.name.as_deref().is_some_and(dataset::is_dataset_name);
    let model_reference = dependency.uri.as_deref().is_some_and(|uri| {
        Reference::parse(uri).is_ok_and(|r| {
            let text = r.reference.as_str();
            (text.starts_with("hf://") && !text.contains("/datasets/"))
                || ["ngc://", "mlflow://"].iter().any(|scheme| text.starts_with(scheme))
        })
    });
    name.starts_with("basemodel") || name == "model" || (model_reference && !is_dataset)
}

fn one(
    context: &Context<'_>,
    bases: &Bases<'_>,
    block: &Block<'_>,
    candidate: &Candidate,
    pin: Pin<'_>,
    depth: usize,
) -> Found {
    let dependency = pin.dependency();
    let uri = dependency.uri.as_deref().unwrap_or("");
    let id = block.id(&format!("slsa.base-model/{uri}"));
    let digests: BTreeMap<&str, &str> = dependency.digest.iter().collect();
    let here = context.request.reference().to_string();
    let hop = |verdict, measured: bool, code, message: &str, fix| BaseModelVerdict {
        generation: 1,
        uri: uri.to_owned(),
        reference: Reference::parse(uri).map(|asked| asked.reference.to_string()).ok(),
        made_into: here.clone(),
        digest: digests.iter().map(|(name, hex)| ((*name).to_owned(), (*hex).to_owned())).collect(),
        measured,
        rule: None,
        verdict,
        code,
        message: message.to_owned(),
        fix,
    };
    let fail = |code: Code, why: String| {
        let message = format!("the base model '{}' {why}", Printable(uri));
        let verdict = match code.kind() {
            super::CodeKind::Undecided => Verdict::Error,
            _ => Verdict::Deny,
        };
        let hop = hop(verdict, false, Some(code), &message, None);
        Found::fail(id.clone(), code, message).actual(json!({ "digest": digests })).hops([hop])
    };
    let unverified = |why: &str| fail(Code::SlsaBaseModelUnverified, why.to_owned());
    let Ok(requested) = Reference::parse(uri) else {
        return unverified("has no reference that policies know");
    };
    let ids = pin.ids();
    if ids.is_empty() {
        let fix = "have the builder pin it by dirHash, or by the digest of the file that it is";
        return unverified("is not pinned by a digest that identifies a model").fix(fix);
    }
    let reference = requested.reference.to_string();
    let known = context.ids(candidate);
    let is_it = |model: &Vec<ArtifactId>| model.iter().any(|id| ids.contains(id));
    if is_it(&known) || context.stack.iter().any(is_it) {
        return fail(Code::ErrorLimitExceeded, "is made from itself, by way of other models".to_owned());
    }
    if context.stack.len() >= depth {
        let why = format!("goes back further than {depth} generations");
        return fail(Code::ErrorLimitExceeded, why);
    }
    let own = digests.iter().map(|(name, hex)| ((*name).to_owned(), (*hex).to_owned())).collect();
    let named: Named = (reference, own, dependency.digest_method().unwrap_or_default().to_owned());
    let count = {
        let mut different = bases.different.borrow_mut();
        different.insert(named.clone());
        different.len()
    };
    if count > MAX_BASE_MODELS {
        return fail(Code::ErrorLimitExceeded, format!("is one of more than {MAX_BASE_MODELS}"));
    }
    let Some(BaseModel { request, facts }) = bases.source.find(&requested.reference, dependency) else {
        return unverified("was not verified: there is no evidence of it")
            .fix("verify the base model under the same policy, and give its evidence");
    };
    if facts.data.promise().is_some() {
        // Nobody will read it, so that nobody will keep the promise.
        return unverified("was listed, and neither measured nor left to its digest");
    }
    if request.reference() != &requested.reference {
        return unverified("was looked up under another name");
    }
    let Decided { report, valid_until, .. } = decide(context, bases, named, request, &facts.data, pin, known);
    let data = &facts.data;
    let measured = is_measured(data);
    // What could not be measured is no other model; why not is what its own decision says.
    let mut copies = data.measured.iter().filter_map(|fact| fact.outcome.as_ref().ok()).peekable();
    let is_the_one = copies.peek().is_none() || copies.any(|measured| pin.is(&measured.manifest));
    let name = Printable(uri);
    let fix = report.checks.iter().find(|check| check.code.is_some() && check.code == report.code);
    let fix = fix.and_then(|check| check.fix.clone());
    let (code, message) = match report.verdict {
        Verdict::Allow if is_the_one => (None, format!("the base model '{name}' is allowed")),
        Verdict::Allow | Verdict::AllowUnverified | Verdict::Deny if !is_the_one => {
            let why = "that was given has other bytes than the one it was made from";
            (Some(Code::SlsaBaseModelUnverified), format!("the base model '{name}' {why}"))
        }
        Verdict::Error => {
            let code = report.code.unwrap_or(Code::ErrorInternal);
            (Some(code), format!("the base model '{name}': {}", report.message))
        }
        _ => {
            let message = format!("the base model '{name}' is not allowed: {}", report.message);
            (Some(Code::SlsaBaseModelUnverified), message)
        }
    };
    let verdict = match (report.verdict, code) {
        (Verdict::Allow, Some(_)) => Verdict::Deny,
        (verdict, _) => verdict,
    };
    let own = BaseModelVerdict {
        rule: report.rule.clone(),
        ..hop(verdict, measured, report.code.or(code), &message, fix.clone().filter(|_| code.is_some()))
    };
    let older = report.base_models.into_iter();
    let older = older.map(|hop| BaseModelVerdict { generation: hop.generation + 1, ..hop });
    let hops = std::iter::once(own).chain(older);
    let found = match code {
        None => Found::pass(id, message).until(valid_until),
        Some(code) => {
            let found = Found::fail(id, code, message);
            match fix {
                Some(fix) if is_the_one => found.fix(format!("{uri}: {fix}")),
                _ if !is_the_one => found.fix("give a copy of the model that it was made from, or none"),
                _ => found.fix("verify the base model under the same policy, and give its evidence"),
            }
        }
    };
    let seen = if measured { "a copy was measured" } else { "not here: the pinned digest stands for it" };
    found.actual(json!({ "digest": digests, "seen": seen })).hops(hops)
}

/// Decides once about each base model of a generation: whoever led there, the answer is the same.
fn decide(
    context: &Context<'_>,
    bases: &Bases<'_>,
    named: Named,
    request: &super::Request,
    data: &FactData,
    pin: Pin<'_>,
    descendant: Vec<ArtifactId>,
) -> Decided {
    let key = (context.stack.len(), named);
    if let Some(decided) = bases.judged.borrow().get(&key) {
        return decided.clone();
    }
    let mut stack = context.stack.to_vec();
    stack.push(descendant);
    // Where there is a copy, it is judged by its own bytes.
    let pin = Some(pin).filter(|_| !is_measured(data));
    // Where there is none, its files are those of whoever lists them under the pinned digest.
    let lists: Vec<ManifestFact> = pin.into_iter().flat_map(|_| lists_in_statements(data)).collect();
    let mut data = Cow::Borrowed(data);
    if !lists.is_empty() {
        data.to_mut().manifests.extend(lists);
    }
    let data = &*data;
    let decided = super::decide_at(context.set, request, data, pin, context.now, bases, &stack);
    bases.judged.borrow_mut().insert(key, decided.clone());
    decided
}

fn is_measured(data: &FactData) -> bool {
    !data.measured.is_empty()
}
