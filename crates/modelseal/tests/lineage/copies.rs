//! Ancestors that are on this machine, and what models declare.

use crate::site::{Person, Site, base, named, statuses, trust};
use modelseal::report::{LineageReport, LineageStatus as Status};
use modelseal_core::predicate::build_type::BuildType;

const BASE: &str = "pkg:huggingface/acme/base@1";

fn at(site: &Site, uri: &str, alice: &Person) -> LineageReport {
    site.walk(&modelseal::lineage(site.path("tuned")).at(uri, site.path("base")), &trust(&[alice]))
}

#[test]
fn a_swapped_base_is_shown_at_its_hop() {
    let (site, alice) = (Site::new(), Person::new());
    let foundation = site.model("base", "1");
    site.put_beside("base", &alice.signs(&foundation));
    let tuned = site.model("tuned", "2");
    site.put(&alice.made(&tuned, BuildType::FineTune, &[base(BASE, &foundation)]));
    for uri in [BASE, "hf://huggingface.co/acme/base", "acme/base"] {
        let report = at(&site, uri, &alice);
        // What lies beside the copy counts.
        assert_eq!(
            (statuses(&report), report.complete),
            (vec![Status::Verified, Status::Signed], true),
            "{uri}"
        );
        assert!(named(&report, BASE).path.is_some());
    }
    let swapped = site.model("base", "swapped");
    let report = at(&site, BASE, &alice);
    assert_eq!((statuses(&report), report.complete), (vec![Status::Verified, Status::Mismatch], false));
    let message = &named(&report, BASE).message;
    for digest in [&foundation, &swapped].map(|model| model.get().manifest_digest().to_hex()) {
        assert!(message.contains(&digest), "{message}");
    }
    // A name that no ancestor has is said.
    let report = at(&site, "acme/bas", &alice);
    assert!(report.notes.iter().any(|note| note.contains("acme/bas")), "{:?}", report.notes);
}

#[test]
fn what_is_declared_is_compared_with_what_is_proven() {
    let (site, alice) = (Site::new(), Person::new());
    let foundation = site.model("base", "1");
    site.put(&alice.signs(&foundation));
    let card = |name: &str| {
        format!("---\nbase_model: {name}\nbase_model_relation: finetune\ndatasets: acme/d\n---\n")
    };
    site.file("tuned/README.md", card("acme/Base"));
    let tuned = site.model("tuned", "2");
    site.put(&alice.made(&tuned, BuildType::FineTune, &[base(BASE, &foundation)]));
    let report = site.from("tuned", &[&alice]);
    assert!(report.complete && report.nodes[0].notes.is_empty(), "{report:#?}");
    assert_eq!(report.nodes[0].declares.iter().map(|d| d.proven).collect::<Vec<_>>(), [Some(true), None]);
    // Both sides name something that the other does not.
    site.file("tuned/README.md", card("acme/another"));
    let tuned = site.measured("tuned");
    site.put(&alice.made(&tuned, BuildType::FineTune, &[base(BASE, &foundation)]));
    let report = site.from("tuned", &[&alice]);
    let notes = report.nodes[0].notes.join("\n");
    assert!(notes.contains("'acme/another' is declared in README.md#/base_model"), "{notes}");
    assert!(notes.contains(&format!("names the base model '{BASE}', which it does not declare")), "{notes}");
    assert!(report.complete);
}

#[test]
fn a_declaration_is_a_weaker_edge() {
    let (site, alice) = (Site::new(), Person::new());
    let foundation = site.model("base", "1");
    site.put(&alice.signs(&foundation));
    site.file("tuned/adapter_config.json", r#"{"base_model_name_or_path": "acme/base"}"#);
    let tuned = site.model("tuned", "2");
    site.put(&alice.signs(&tuned));
    let report = site.from("tuned", &[&alice]);
    assert_eq!((statuses(&report), report.complete), (vec![Status::Signed, Status::Unresolved], false));
    let edge = &report.edges[0];
    assert_eq!(
        (edge.proven, edge.relation.as_deref(), &*edge.evidence[0]),
        (false, Some("adapter"), "adapter_config.json#/base_model_name_or_path")
    );
    assert!(named(&report, "acme/base").message.contains("only declared"));
    // A copy shows that the base is in order, and still nobody proves that it is the base.
    let report = at(&site, "acme/base", &alice);
    assert_eq!((statuses(&report), report.complete), (vec![Status::Signed; 2], false));
    let request = modelseal::lineage(site.path("tuned")).allow_unresolved(true);
    assert!(site.walk(&request, &trust(&[&alice])).complete);
}
