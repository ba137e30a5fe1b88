//! How long policies take: reading and linting them, and deciding once the facts are in hand. The model has 10,000 files.
#![allow(missing_docs, clippy::unwrap_used, clippy::panic, reason = "a benchmark")]

#[path = "../tests/decision_support/mod.rs"]
mod decision_support;

use criterion::{BenchmarkId, Criterion, criterion_group, criterion_main};
use decision_support::{Key, NOW, head, measure, now};
use modelseal_core::{
    manifest::{Manifest, Resource, Serialization},
    path::ModelPath,
};
use modelseal_verify::{
    decision::{PolicySet, Request, Verdict, decide},
    facts::{Evidence, NoKeyless, collect},
    policy::{
        load::{NoFiles, UnvalidatedPolicy},
        reference::Reference,
    },
};
use std::hint::black_box;

const FILES: usize = 10_000;

/// A policy of so many rules; the model's is in the middle of the file.
fn text(rules: usize) -> String {
    // A deny list of files has every file looked at.
    let deny = format!(
        "deny = [{{ id = \"D\", reason = \"x\", file-digests = [\"sha256:{}\"] }}]\n",
        "0c".repeat(32)
    );
    let mut text = head("acme.example/bench") + &deny + &Key::new(1).signer("acme", "");
    for n in 0..rules {
        // Short, so that 10,000 of them stay under the bound on a policy's size.
        text += &format!(
            "[[rule]]\nname=\"r{n}\"\nmodels=[\"hf://hf.co/t{n}/m\"]\nsignature={{signers=[\"acme\"]}}\n"
        );
        if n == rules / 2 {
            text += "content={unsigned-files=\"deny\",symlinks=\"deny\",max-files=20000}\n";
        }
    }
    text
}

fn model() -> Manifest {
    let resource = |n: usize| Resource {
        path: ModelPath::parse(&format!("weights/part-{n:05}.safetensors")).unwrap(),
        range: None,
        digest: decision_support::digest_of(&n.to_be_bytes()),
    };
    Manifest::sorted(Serialization::default(), (0..FILES).map(resource).collect()).unwrap()
}

fn policies(c: &mut Criterion) {
    let model = model();
    let mut evidence = Evidence::new();
    evidence.add("model.sig", None, &Key::new(1).sign_model(&model));
    for rules in [10, 100, 1_000, 10_000] {
        let text = text(rules);
        let mut group = c.benchmark_group("policy");
        group.sample_size(20);
        if text.len() <= 1024 * 1024 {
            group.bench_with_input(BenchmarkId::new("read-and-lint", rules), &text, |b, text| {
                b.iter(|| {
                    UnvalidatedPolicy::from_toml("p", black_box(text))
                        .validate(&NoFiles, Some(now()))
                        .unwrap()
                });
            });
        }
        let policy = UnvalidatedPolicy::from_toml("p", &text).validate(&NoFiles, Some(now())).unwrap();
        let set = PolicySet::new([policy]).unwrap();
        let request = Request::new(Reference::canonical(&format!("hf://hf.co/t{}/m", rules / 2)).unwrap());
        let facts = measure(collect(&set, &evidence, &NoKeyless, now()), &model);
        assert_eq!(decide(&set, &request, &facts, now()).verdict(), Verdict::Allow, "at {NOW}");
        group.bench_function(BenchmarkId::new("decide", rules), |b| {
            b.iter(|| decide(black_box(&set), black_box(&request), black_box(&facts), now()));
        });
        group.finish();
    }
}

criterion_group!(benches, policies);
criterion_main!(benches);
