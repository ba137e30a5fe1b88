//! The `content` block. What the files are inside is judged in [`formats`].

use super::{
    check::Found,
    code::Code,
    context::{Block, Candidate, Context},
    formats,
    integrity::shown,
};
use crate::{
    facts::GIT_PATHS,
    policy::{document::Content, words::Permission},
};
use modelseal_core::{manifest::Manifest, path::ModelPath};
use serde_json::json;

/// Checks the block over one candidate.
pub(super) fn check(
    context: &Context<'_>,
    block: &Block<'_>,
    wanted: &Content,
    candidate: &Candidate,
) -> Vec<Found> {
    let id = |what: &str| block.id(&format!("content.{what}"));
    let mut found = Vec::new();
    if context.pin.is_some() {
        return of_pinned(context, block, wanted, candidate);
    }
    found.extend(formats::check(context, block, wanted, candidate));
    let Some(manifest) = context.manifest(candidate) else {
        found.push(Found::unmeasured(id("files")));
        return found;
    };
    if wanted.unsigned_files == Some(Permission::Deny) {
        found.push(unsigned(context, id("unsigned-files"), candidate));
    }
    if wanted.symlinks == Some(Permission::Deny) {
        found.push(symlinks(context, id("symlinks"), candidate));
    }
    if let Some(allowed) = &wanted.ignore_paths {
        found.push(ignored(context, id("ignore-paths"), allowed, candidate));
    } else if !formats::asked(wanted).is_empty() || wanted.unsigned_files == Some(Permission::Deny) {
        // What was left out passes every other check unseen.
        let git: Vec<String> = GIT_PATHS.iter().map(|path| (*path).to_owned()).collect();
        found.push(ignored(context, id("ignore-paths"), &git, candidate));
    }
    if let Some(limit) = wanted.max_files {
        found.push(count_files(id("max-files"), limit, manifest));
    }
    if let Some(limit) = wanted.max_bytes {
        let bytes =
            context.data.measured.iter().filter_map(|m| m.outcome.as_ref().ok()).map(|m| m.bytes).max();
        found.push(match bytes {
            None => Found::unmeasured(id("max-bytes")),
            Some(bytes) if bytes <= limit => Found::pass(id("max-bytes"), format!("{bytes} bytes")),
            Some(bytes) => {
                let message = format!("{bytes} bytes, max-bytes is {limit}");
                Found::fail(id("max-bytes"), Code::ContentTooLarge, message).expected(limit).actual(bytes)
            }
        });
    }
    found
}

/// Of a base model whose bytes are not here only what a list of its files says can be asked; the rest fails.
fn of_pinned(
    context: &Context<'_>,
    block: &Block<'_>,
    wanted: &Content,
    candidate: &Candidate,
) -> Vec<Found> {
    let id = |what: &str| block.id(&format!("content.{what}"));
    let absent = |what: &str| {
        let message = format!("content.{what} cannot be checked of a base model that is not here");
        Found::fail(id(what), Code::SlsaBaseModelUnverified, message)
            .fix("give a copy of the base model with --base REFERENCE=PATH")
    };
    let mut found = Vec::new();
    found.extend(formats::asked(wanted).into_iter().map(|(what, _)| absent(what).never_relaxed()));
    let signed = context.best_manifest(candidate, false).map(|fact| &fact.model.manifest);
    if wanted.unsigned_files == Some(Permission::Deny) {
        found.push(unsigned(context, id("unsigned-files"), candidate));
    }
    if wanted.symlinks == Some(Permission::Deny) {
        // What is in a link's place was signed as a file; whether it was a link only its signer knows.
        found.push(match signed {
            Some(signed) if !signed.serialization().allow_symlinks => {
                Found::pass(id("symlinks"), "the signer followed no links")
            }
            _ => absent("symlinks"),
        });
    }
    if let Some(allowed) = &wanted.ignore_paths {
        found.push(match signed {
            Some(_) => ignored(context, id("ignore-paths"), allowed, candidate),
            None => absent("ignore-paths"),
        });
    }
    if let Some(limit) = wanted.max_files {
        // The pinned digest covers the list, whoever signed it.
        found.push(match context.manifest(candidate) {
            Some(manifest) => count_files(id("max-files"), limit, manifest),
            None => absent("max-files"),
        });
    }
    found.extend(wanted.max_bytes.map(|_| absent("max-bytes")));
    found
}

fn count_files(id: String, limit: u64, manifest: &Manifest) -> Found {
    let count = manifest.file_count() as u64;
    if count <= limit {
        return Found::pass(id, format!("{count} files"));
    }
    let message = format!("{count} files, max-files is {limit}");
    Found::fail(id, Code::ContentTooManyFiles, message).expected(limit).actual(count)
}

fn unsigned(context: &Context<'_>, id: String, candidate: &Candidate) -> Found {
    match candidate {
        // The pinned digest covers every file, and is that of the signed list.
        Candidate::Signed { manifests, .. } if context.pin.is_some() => {
            if manifests.iter().any(|at| context.is_intact(*at, false)) {
                Found::pass(id, "every file is signed")
            } else {
                Found::skip(id, "integrity", Code::IntegrityFileUnsigned)
            }
        }
        Candidate::Signed { .. } => {
            let compared = context.best_manifest(candidate, true).and_then(|fact| fact.compared.as_ref());
            match compared {
                Some(Ok(comparison)) if comparison.unsigned.is_empty() => {
                    Found::pass(id, "every file is signed")
                }
                Some(Ok(comparison)) => {
                    let paths: Vec<&ModelPath> = comparison.unsigned.iter().collect();
                    let message = format!("{} files are not signed", paths.len());
                    Found::fail(id, Code::IntegrityFileUnsigned, message).actual(shown(&paths))
                }
                _ => Found::skip(id, "integrity", Code::IntegrityFileUnsigned),
            }
        }
        // No signature lists files: then somebody trusted must have attested every one of them.
        _ => {
            let attested = context.facts.attested.iter().any(|fact| {
                let attestation = &context.data.attestations[fact.attestation];
                super::denied::signer(context, &fact.by).is_none()
                    && context.cover(candidate, attestation).is_some_and(|cover| cover.is_full())
            });
            if attested {
                return Found::pass(id, "every file is covered by an attestation");
            }
            Found::fail(id, Code::IntegrityFileUnsigned, "no file is signed").fix("have the model signed")
        }
    }
}

/// Links are refused by measuring unless the signer allowed them; then what was followed counts.
fn symlinks(context: &Context<'_>, id: String, candidate: &Candidate) -> Found {
    let allowed = context.manifest(candidate).is_some_and(|m| m.serialization().allow_symlinks);
    if !allowed {
        return Found::pass(id, "the model was measured without following links");
    }
    let measured = context.data.measured.iter().filter(|m| m.serialization.allow_symlinks);
    let links: Option<Vec<&ModelPath>> = measured
        .filter_map(|m| m.outcome.as_ref().ok())
        .map(|m| m.links.as_deref())
        .try_fold(Vec::new(), |mut all, links| {
            all.extend(links?);
            Some(all)
        });
    match links {
        Some(links) if links.is_empty() => Found::pass(id, "no link was followed"),
        Some(links) => {
            let message = format!("{} symbolic links were followed", links.len());
            Found::fail(id, Code::IntegritySymlink, message).actual(shown(&links))
        }
        None => Found::fail(
            id,
            Code::IntegritySymlink,
            "the signer allowed symbolic links, and nobody says that none was followed",
        ),
    }
}

/// What the signer left out must be what the policy lets it leave out. A signature cannot cover itself.
fn ignored(context: &Context<'_>, id: String, allowed: &[String], candidate: &Candidate) -> Found {
    let Some(manifest) = context.best_manifest(candidate, true).map(|fact| &fact.model.manifest) else {
        let measured = context.manifest(candidate).map(|m| m.serialization().ignore_paths.clone());
        return judge_ignored(id, allowed, &measured.unwrap_or_default(), &[]);
    };
    judge_ignored(id, allowed, &manifest.serialization().ignore_paths, &context.data.evidence_paths)
}

fn judge_ignored(id: String, allowed: &[String], ignored: &[ModelPath], evidence: &[ModelPath]) -> Found {
    let within = |path: &ModelPath| {
        allowed.iter().any(|a| ModelPath::parse(a.trim_end_matches('/')).is_ok_and(|a| path.is_within(&a)))
    };
    let mut outside: Vec<&ModelPath> =
        ignored.iter().filter(|path| !within(path) && !evidence.contains(path)).collect();
    outside.sort_unstable();
    match outside.first() {
        None => Found::pass(id, "nothing was left out that must not be").expected(json!(allowed)),
        Some(first) => {
            let message = format!("'{first}' was left out by the signer");
            Found::fail(id, Code::IntegrityIgnoredPathNotAllowed, message)
                .expected(json!(allowed))
                .actual(shown(&outside))
                .fix("have the publisher sign the whole model, or name the path in the policy's ignore-paths")
        }
    }
}
