//! Policies that others wrote, from the folder that `MODELSEAL_POLICIES` names; skipped without it.
#![allow(clippy::expect_used, clippy::panic, clippy::unwrap_used, clippy::print_stdout)]

use modelseal_verify::policy::{complaint::Complaint, load::UnvalidatedPolicy, load::has_errors};
use std::{
    env, fs,
    path::{Path, PathBuf},
};

fn folder() -> Option<PathBuf> {
    let folder = env::var_os("MODELSEAL_POLICIES").map(PathBuf::from);
    if folder.is_none() {
        println!("skipped: MODELSEAL_POLICIES is not set");
    }
    folder
}

fn lint(folder: &Path, name: &str) -> Vec<Complaint> {
    let text = fs::read_to_string(folder.join(name)).expect(name);
    let now = "2026-11-20T00:00:00Z".parse().expect("a time");
    UnvalidatedPolicy::from_toml(name, &text).lint(Some(now))
}

#[test]
fn good_policies_have_no_errors() {
    let Some(folder) = folder() else { return };
    let names = [
        "01-publisher-key.toml",
        "02-org-keyless-staged.toml",
        "03-vendor-certificate.toml",
        "04-slsa-l3-datasets.toml",
        "05-two-person-aibom.toml",
        "06-airgap-vsa-denylist.toml",
    ];
    for name in names {
        let complaints = lint(&folder, name);
        for complaint in &complaints {
            println!("{complaint}");
        }
        assert!(!has_errors(&complaints), "{name}");
    }
}

/// Line, column and identifier.
type Place = (usize, usize, &'static str);

/// Complaints that each bad policy must give, among others.
const BAD: &[(&str, &[Place])] = &[
    ("dupkey.toml", &[(4, 1, "parse.syntax")]),
    ("localtime.toml", &[(4, 11, "parse.value")]),
    ("noexp.toml", &[(1, 1, "parse.missing-field")]),
    ("signerunk.toml", &[(9, 1, "parse.unknown-field")]),
    ("unknown.toml", &[(10, 1, "parse.unknown-field")]),
    (
        "lints.toml",
        &[
            (11, 12, "lint.match-everything"),
            (15, 1, "lint.certificate-without-identity"),
            (16, 10, "lint.keyless-without-identity"),
            (27, 15, "lint.duplicate-key"),
            (32, 1, "lint.threshold-required"),
            (33, 11, "lint.max-age-needs-trusted-time"),
            (35, 8, "lint.vacuous-rule"),
            (36, 11, "policy.ambiguous-rule"),
            (39, 8, "lint.unknown-rule"),
            (40, 10, "lint.not-waivable"),
            (41, 1, "lint.waiver-needs-digest"),
            (43, 1, "lint.waiver-approver"),
        ],
    ),
    (
        "lints2.toml",
        &[
            (6, 46, "lint.unknown-trust-root"),
            (6, 87, "lint.glob-leading-wildcard"),
            (7, 75, "lint.build-type-required"),
            (10, 11, "lint.insecure-global"),
            (15, 17, "lint.enforce-after-needs-audit"),
            (16, 8, "lint.bind-digest-without-digests"),
            (17, 31, "lint.unknown-signer"),
            (17, 53, "lint.threshold-unreachable"),
            (18, 22, "lint.builder-below-min-level"),
            (18, 28, "lint.unknown-builder"),
            (19, 47, "lint.predicate-type-not-uri"),
            (19, 57, "lint.empty-signers"),
            (21, 6, "lint.empty-deny"),
        ],
    ),
];

#[test]
fn bad_policies_give_the_complaints_they_were_written_for() {
    let Some(folder) = folder() else { return };
    for entry in fs::read_dir(folder.join("bad")).expect("bad") {
        let name = entry.expect("an entry").file_name().into_string().expect("a name");
        let complaints = lint(&folder.join("bad"), &name);
        println!("== {name}");
        for c in &complaints {
            println!("{c}");
        }
        assert!(has_errors(&complaints), "{name}");
        let expected = BAD.iter().find(|(bad, _)| *bad == name).unwrap_or_else(|| panic!("{name} is new")).1;
        for (line, column, id) in expected {
            assert!(
                complaints.iter().any(|c| (c.line, c.column, c.id) == (*line, *column, *id)),
                "{name}: {line}:{column}: {id}"
            );
        }
    }
}
