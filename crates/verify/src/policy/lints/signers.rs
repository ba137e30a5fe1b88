//! Signers, builders and trust roots.

use super::Linter;
use crate::policy::{
    decode::At,
    document::{Builder, CertificateSigner, KeySigner, KeylessSigner, Signer, TrustRoot},
    lint_table as lint,
    values::Claim,
    words::RevocationMode,
};
use std::collections::BTreeMap;

pub(super) fn check(linter: &mut Linter<'_>) {
    let document = linter.document;
    let table = At::ROOT.key("trust-roots");
    for (name, root) in &document.trust_roots {
        trust_root(linter, root, &table.key(name));
    }
    let table = At::ROOT.key("signers");
    let mut keys: BTreeMap<&str, &str> = BTreeMap::new();
    for (name, signer) in &document.signers {
        let at = table.key(name);
        match signer {
            Signer::Key(signer) => {
                key(linter, signer, &at);
                let spki = signer.spki_sha256.hex();
                match keys.get(spki) {
                    Some(other) if !spki.is_empty() => {
                        let message =
                            format!("this is the key of signer {other:?} too, and would count twice");
                        let help = format!("use {other:?} in both places");
                        linter.complain(&lint::DUPLICATE_KEY, &at.key("spki-sha256"), message, Some(help));
                    }
                    _ => drop(keys.insert(spki, name)),
                }
            }
            Signer::Certificate(signer) => certificate(linter, signer, &at),
            Signer::Keyless(signer) => keyless(linter, signer, &at),
        }
    }
    let table = At::ROOT.key("builders");
    for (name, one) in &document.builders {
        builder(linter, one, &table.key(name));
    }
}

fn trust_root(linter: &mut Linter<'_>, root: &TrustRoot, at: &At<'_>) {
    let message = match (&root.tuf, &root.file, &root.sha256) {
        (Some(url), None, None) => {
            if !url.starts_with("https://") {
                let message = format!("{url:?} is no https:// address of a TUF repository");
                linter.complain(&lint::VALUE, &at.key("tuf"), message, None);
            }
            return;
        }
        (None, Some(_), Some(_)) => {
            if root.max_staleness.is_some() {
                let message = "`max-staleness` is the age of a TUF timestamp, and this trust root is a file";
                linter.complain(&lint::ROOT_SOURCE, &at.key("max-staleness"), message, None);
            }
            return;
        }
        (None, Some(_), None) => format!("`{at}` names a file without its sha256"),
        (None, None, _) => format!("`{at}` has neither `tuf` nor `file`"),
        (Some(_), _, _) => format!("`{at}` has both `tuf` and a file"),
    };
    let help = "write either tuf = \"https://..\", or file = \"..\" with sha256 = \"..\"".to_owned();
    linter.complain(&lint::ROOT_SOURCE, at, message, Some(help));
}

fn key(linter: &mut Linter<'_>, signer: &KeySigner, at: &At<'_>) {
    match (&signer.file, &signer.pem) {
        (Some(_), None) | (None, Some(_)) => {}
        (None, None) => {
            let help = "write file = \"..\", or pem = \"..\" with the key itself".to_owned();
            linter.complain(
                &lint::KEY_SOURCE,
                at,
                format!("`{at}` has neither `file` nor `pem`"),
                Some(help),
            );
        }
        (Some(_), Some(_)) => {
            let message = format!("`{at}` has both `file` and `pem`");
            linter.complain(&lint::KEY_SOURCE, &at.key("pem"), message, Some("keep one of them".to_owned()));
        }
    }
    if let (Some(from), Some(to)) = (signer.not_before, signer.not_after)
        && from >= to
    {
        let message = format!("the key is valid from {from} to {to}, which is never");
        linter.complain(&lint::VALIDITY_EMPTY, &at.key("not-after"), message, None);
    }
}

fn certificate(linter: &mut Linter<'_>, signer: &CertificateSigner, at: &At<'_>) {
    let subject = &signer.subject;
    let names = [
        ("cn", subject.cn.as_ref()),
        ("o", subject.o.as_ref()),
        ("ou", subject.ou.as_ref()),
        ("dns", subject.dns.as_ref()),
        ("email", subject.email.as_ref()),
        ("uri", subject.uri.as_ref()),
    ];
    let subject_at = at.key("subject");
    if names.iter().all(|(_, name)| name.is_none()) {
        let message = format!("`{at}` does not say whose certificate it must be");
        let help = "give at least one of cn, o, ou, dns, email and uri".to_owned();
        linter.complain(&lint::CERTIFICATE_WITHOUT_IDENTITY, &subject_at, message, Some(help));
    }
    linter.patterns(names, &subject_at);
    let Some(revocation) = &signer.revocation else { return };
    let at = at.key("revocation");
    if revocation.mode != RevocationMode::Off && revocation.crl_dir.is_none() {
        let message = format!("`{at}` does not say where revocation lists are");
        linter.complain(
            &lint::REVOCATION_INCOMPLETE,
            &at,
            message,
            Some("write crl-dir = \"..\"".to_owned()),
        );
    }
    if revocation.mode == RevocationMode::Require && revocation.max_age.is_none() {
        let message = format!("`{at}` does not say how old a revocation list may be");
        linter.complain(
            &lint::REVOCATION_INCOMPLETE,
            &at,
            message,
            Some("write max-age = \"7d\"".to_owned()),
        );
    }
}

fn keyless(linter: &mut Linter<'_>, signer: &KeylessSigner, at: &At<'_>) {
    if linter.is_written(&at.key("trust-root")) {
        linter.refers("trust-roots", &signer.trust_root, &at.key("trust-root"));
    }
    linter.patterns([("identity", signer.identity.as_ref())], at);
    let claims_at = at.key("claims");
    for (claim, value) in &signer.claims {
        linter.pattern(value, &claims_at.key(claim.name()));
    }
    let has = |claim| signer.claims.contains_key(&claim);
    let identifying = [
        Claim::SourceRepositoryUri,
        Claim::SourceRepositoryId,
        Claim::SourceRepositoryOwnerId,
        Claim::BuildSignerUri,
    ];
    // What could not be read has a complaint already.
    let unread = linter.is_written(&at.key("identity")) || linter.members(&claims_at) > signer.claims.len();
    if signer.identity.is_none() && !unread && !identifying.into_iter().any(has) {
        let message = format!("`{at}` believes everybody that {:?} vouches for", signer.issuer);
        let help =
            format!("give `identity`, or one of the claims {}", identifying.map(Claim::name).join(", "));
        linter.complain(&lint::KEYLESS_WITHOUT_IDENTITY, at, message, Some(help));
    }
    let by_name = [Claim::SourceRepositoryUri, Claim::SourceRepositoryOwnerUri].into_iter().find(|c| has(*c));
    let by_number = has(Claim::SourceRepositoryId) || has(Claim::SourceRepositoryOwnerId);
    if let (Some(claim), false) = (by_name, by_number) {
        let message = format!("`{claim}` is a name that somebody else can take over once it is given up");
        let help = "add source-repository-id or source-repository-owner-id".to_owned();
        linter.complain(&lint::MUTABLE_IDENTITY, &claims_at.key(claim.name()), message, Some(help));
    }
}

fn builder(linter: &mut Linter<'_>, builder: &Builder, at: &At<'_>) {
    linter.signers(&builder.signers, None, false, at);
    linter.patterns([("builder-id", Some(&builder.builder_id))], at);
}
