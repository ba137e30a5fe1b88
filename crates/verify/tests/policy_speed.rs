//! A policy of a thousand rules is read and linted in no time, and so is the worst that fits into the limits.
#![allow(clippy::expect_used, clippy::panic, clippy::unwrap_used, clippy::print_stdout)]

use modelseal_verify::policy::{UnvalidatedPolicy, load::NoFiles};
use std::fmt::Write;
use std::time::Instant;

fn policy(rules: usize) -> String {
    let mut text =
        "schema = \"modelseal.policy/v1\"\nid = \"p\"\nversion = 1\nexpires = 2031-01-01T00:00:00Z\n\
                    trust-roots.r = { tuf = \"https://tuf.example.com\" }\n"
            .to_owned();
    for n in 0..rules {
        writeln!(
            text,
            "[signers.s{n}]\nkind = \"keyless\"\ntrust-root = \"r\"\nissuer = \"https://oidc.example.com\"\n\
             identity = {{ regex = 'https://git\\.example\\.com/team{n}/.+@refs/tags/v[0-9]+' }}\n\
             [[rule]]\nname = \"rule {n}\"\nmodels = [\"oci://registry.example.com/team{n}/**\"]\nbind = \"release\"\n\
             signature = {{ signers = [\"s{n}\"], max-age = \"90d\" }}\n\
             content = {{ allow-formats = [\"safetensors\", \"json\"], remote-code = \"deny\" }}"
        )
        .expect("a string takes it");
    }
    text
}

/// Far above what it takes, so that a busy machine does not fail the test; quadratic work would.
const GENEROUS_MS: u128 = if cfg!(debug_assertions) { 5_000 } else { 250 };

#[test]
fn a_thousand_rules_are_read_and_linted_quickly() {
    let text = policy(1000);
    #[allow(clippy::disallowed_methods, reason = "a test that measures")]
    let start = Instant::now();
    let policy = UnvalidatedPolicy::from_toml("p", &text).validate(&NoFiles, None).expect("a policy");
    let taken = start.elapsed().as_millis();
    println!("{} bytes, 1000 rules with a regex each: {taken} ms", text.len());
    assert_eq!(policy.document().rule.len(), 1000);
    assert!(taken < GENEROUS_MS, "{taken} ms");
}

#[test]
fn hostile_policies_end_quickly_with_a_complaint() {
    let mib = 1 << 20;
    let wild = (0..8000).map(|n| {
        format!(
            "[[rule]]\nname=\"{n}\"\nmodels=[\"hf://h/a/{}\"]\naction=\"reject\"\n",
            format!("*{n:04}").repeat(8)
        )
    });
    for (name, text) in [
        ("brackets", "a=".to_owned() + &"[".repeat(mib - 2)),
        ("braces", "a=".to_owned() + &"{a=".repeat(mib / 3 - 2)),
        ("headers", "[".repeat(mib)),
        ("dots", "a.".repeat(mib / 2)),
        ("spaced dots", "a . ".repeat(mib / 4)),
        ("quoted dots", "\"a\".".repeat(mib / 4)),
        ("header dots", format!("[{}a]", "a.".repeat(mib / 2 - 2))),
        ("inline dots", format!("x = {{ {}a = 1 }}", "a.".repeat(mib / 2 - 10))),
        ("string then dots", format!("x = \"{}\"", "a.".repeat(mib / 2 - 10))),
        ("quotes", "\"".repeat(mib)),
        ("escapes", "a = \"".to_owned() + &"\\u0041".repeat(mib / 6 - 2)),
        ("many keys", (0..100_000).map(|n| format!("k{n}=1\n")).collect()),
        ("many wild rules", wild.collect::<String>().chars().take(mib).collect()),
        ("newlines", "\n".repeat(mib)),
    ] {
        #[allow(clippy::disallowed_methods, reason = "a test that measures")]
        let start = Instant::now();
        let complaints = UnvalidatedPolicy::from_toml(name, &text).lint(None);
        let taken = start.elapsed().as_millis();
        println!(
            "{name}: {taken} ms, {} complaints, first: {}",
            complaints.len(),
            complaints.first().map_or("", |c| c.id)
        );
        assert!(!complaints.is_empty(), "{name}");
        assert!(taken < 4 * GENEROUS_MS, "{name}: {taken} ms");
    }
    for text in ["[".repeat(mib), "{\"a\":".repeat(mib / 5), "{".to_owned() + &"\"a\":1,".repeat(mib / 6)] {
        assert!(!UnvalidatedPolicy::from_json("p", &text).lint(None).is_empty());
    }
}
