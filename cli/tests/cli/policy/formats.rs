//! SARIF, JUnit's XML and GitHub's annotations.

use super::Site;
use crate::common::with;
use serde_json::Value;

#[test]
fn a_denial_in_every_format() {
    let site = Site::new(&["alice"]);
    site.policy("signature = { signers = [\"alice\"] }").sign("alice");
    site.world.file("model/<a> & \"b\",%", "x");
    let args = site.verify(&["--bundle", "alice.sig"]);
    let run = |format| site.world.run(&with(&args, &["--format", format])).exits(1).stdout;
    let sarif: Value = serde_json::from_str(&run("sarif")).unwrap();
    assert_eq!(sarif["version"], "2.1.0");
    let run0 = &sarif["runs"][0];
    assert_eq!(run0["results"][0]["ruleId"], "integrity.file-unsigned");
    assert_eq!(run0["results"][0]["level"], "error");
    let rule = &run0["tool"]["driver"]["rules"][0];
    assert_eq!(rule["id"], "integrity.file-unsigned");
    assert!(rule["helpUri"].as_str().unwrap().ends_with("docs/codes/integrity.file-unsigned.md"), "{rule}");
    let junit = run("junit");
    assert!(junit.contains("message=\"'&lt;a&gt; &amp; &quot;b&quot;,%' is not signed\""), "{junit}");
    assert!(junit.contains("failures=\"1\" errors=\"0\""), "{junit}");
    let github = run("github");
    assert_eq!(github.lines().count(), 1, "{github}");
    assert!(github.starts_with("::error file=model,title=modelseal integrity.file-unsigned::"), "{github}");
    assert!(github.contains(",%25' is not signed%0A"), "{github}");
}

#[test]
fn an_allow_in_every_format() {
    let site = Site::new(&["alice"]);
    site.policy("signature = { signers = [\"alice\"] }").sign("alice");
    let args = site.verify(&["--bundle", "alice.sig"]);
    let run = |format| site.world.run(&with(&args, &["--format", format])).exits(0).says_nothing().stdout;
    let sarif: Value = serde_json::from_str(&run("sarif")).unwrap();
    assert_eq!(sarif["runs"][0]["results"], Value::Array(Vec::new()));
    assert!(run("junit").contains("failures=\"0\" errors=\"0\""));
    assert_eq!(run("github"), "");
}

#[test]
fn other_commands_refuse_them() {
    let site = Site::new(&["alice"]);
    for format in ["sarif", "junit", "github"] {
        let ran = site.world.run(&["digest", "model", "--format", format]).exits(2);
        assert_eq!(ran.says("only `verify --policy` and `policy lint` print sarif").stdout, "");
    }
}
