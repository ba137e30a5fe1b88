//! `policy lint`, `fmt`, `schema`, `explain`, `test` and `import`.

use super::{NAME, Site};
use crate::common::{World, with};
use serde_json::Value;

const RULE: &str = "signature = { signers = [\"alice\"] }";

#[test]
fn lint_says_what_is_wrong_and_where() {
    let site = Site::new(&["alice"]);
    site.policy(RULE);
    let lint = ["policy", "lint", "policy.toml"];
    site.world.run(&lint).exits(0).prints("1 file: 0 errors, ");
    let text = site.world.read("policy.toml");
    site.world.file("policy.toml", text.replace("signers = [\"alice\"]", "signers = [\"alcie\"]"));
    let ran =
        site.world.run(&lint).exits(2).prints("error[lint.unknown-signer]").prints("signers = [\"alcie\"]");
    assert!(ran.stdout.contains("^^^^^^^"), "{}", ran.stdout);
    let document = site.world.run(&with(&lint, &["--format", "json"])).exits(2).json();
    let complaints = document["complaints"].as_array().unwrap();
    let complaint = complaints.iter().find(|c| c["id"] == "lint.unknown-signer").unwrap();
    assert_eq!((&complaint["file"], &complaint["severity"]), (&"policy.toml".into(), &"error".into()));
    let (line, column) = (complaint["line"].as_u64().unwrap(), complaint["column"].as_u64().unwrap());
    assert!(
        ran.stdout.contains(&format!("policy.toml:{line}:{column}: error[lint.unknown-signer]")),
        "{}",
        ran.stdout
    );
    let sarif = site.world.run(&with(&lint, &["--format", "sarif"])).exits(2).stdout;
    let sarif: Value = serde_json::from_str(&sarif).unwrap();
    let results = sarif["runs"][0]["results"].as_array().unwrap();
    let result = results.iter().find(|result| result["ruleId"] == "lint.unknown-signer").unwrap();
    assert_eq!(result["locations"][0]["physicalLocation"]["region"]["startLine"], line);
    let github = site.world.run(&with(&lint, &["--format", "github"])).exits(2).stdout;
    let start =
        format!("::error file=policy.toml,line={line},col={column},title=modelseal lint.unknown-signer::");
    assert!(github.lines().any(|command| command.starts_with(&start)), "{github}");
}

#[test]
fn lint_looks_at_keys_and_counts_warnings() {
    let site = Site::new(&["alice"]);
    site.policy(RULE);
    let text = site.world.read("policy.toml");
    site.world.file("policy.toml", text.replace("2099-01-01T00:00:00Z", &soon(&site.world)));
    let lint = ["policy", "lint", "policy.toml"];
    site.world.run(&lint).exits(0).prints("warning[");
    site.world.run(&with(&lint, &["--deny-warnings"])).exits(2);
    site.world.file("policy.toml", &text);
    site.key("other");
    std::fs::copy(site.world.join("other.pub"), site.world.join("alice.pub")).unwrap();
    site.world.run(&lint).exits(2).prints("error[file.digest-mismatch]");
    site.world.run(&with(&lint, &["--no-files"])).exits(0);
    site.world.refused(&["policy", "lint", "nowhere.toml"], 2, "usage.file", "nowhere.toml");
    site.world.file("binary.toml", [0xff, 0xfe]);
    site.world.refused(&["policy", "lint", "binary.toml"], 2, "usage.file", "not UTF-8");
}

/// A time a few days from now.
fn soon(world: &World) -> String {
    world.tool("date", &["-u", "-d", "+5 days", "+%Y-%m-%dT%H:%M:%SZ"]).trim().to_owned()
}

#[test]
fn fmt_changes_layout_and_nothing_else() {
    let world = World::new();
    world.file("p.toml", "id='x' # kept\n\n\n\nversion   =   1\n");
    world.run(&["policy", "fmt", "--check", "p.toml"]).exits(1).prints("would change: p.toml");
    world.run(&["policy", "fmt", "p.toml"]).exits(0).prints("changed: p.toml");
    let text = world.read("p.toml");
    assert!(text.contains("# kept") && text.contains("version = 1"), "{text}");
    world.run(&["policy", "fmt", "--check", "p.toml"]).exits(0);
    world.run(&["policy", "fmt", "p.toml"]).exits(0);
    assert_eq!(world.read("p.toml"), text);
    world.file("bad.toml", "id = ");
    world.run(&["policy", "fmt", "bad.toml"]).exits(2).says("bad.toml:1:6: ");
}

#[test]
fn the_schema_is_json_schema() {
    let world = World::new();
    let schema: Value = serde_json::from_str(&world.run(&["policy", "schema"]).exits(0).stdout).unwrap();
    assert_eq!(schema["$schema"], "https://json-schema.org/draft/2020-12/schema");
    assert!(schema["properties"]["rule"].is_object());
    let old: Value =
        serde_json::from_str(&world.run(&["policy", "schema", "--draft4"]).exits(0).stdout).unwrap();
    assert_eq!(old["$schema"], "http://json-schema.org/draft-04/schema#");
}

#[test]
fn explain_says_which_rule_and_why() {
    let site = Site::new(&["alice", "bob"]);
    let rule = "models = [\"hf://huggingface.co/acme/**\"]\nbind = \"signer\"\nsignature = { signers = [\"bob\"] }\n[[rule]]\n\
                name = \"one\"\nmodels = [\"hf://huggingface.co/acme/ranker\"]\nsignature = { signers = [\"alice\", \"bob\"], threshold = 2 }";
    site.policy_with("policy.toml", 5, "", rule);
    let explain = |reference| ["policy", "explain", reference, "--policy", "policy.toml"];
    let ran = site.world.run(&explain(NAME)).exits(0);
    let ran = ran
        .prints("rule 'one'")
        .prints("wins over ranker")
        .prints("needs: the model is signed by 2 of alice, bob");
    assert!(!ran.stdout.contains("any model by these signers"), "{}", ran.stdout);
    let document = site.world.run(&with(&explain(NAME), &["--format", "json"])).exits(0).json();
    assert_eq!(document["policies"][0]["matching"][0]["rule"], "one");
    site.world
        .run(&explain("hf://huggingface.co/acme/x"))
        .exits(0)
        .prints("rule 'ranker'")
        .prints("signed by bob");
    let document =
        site.world.run(&with(&explain("hf://huggingface.co/other/x"), &["--format", "json"])).exits(0).json();
    assert_eq!(document["policies"][0]["code"], "policy.no-matching-rule");
    site.world.refused(&explain("acme/x"), 2, "reference.malformed", "acme/x");
}

#[test]
fn a_table_of_cases_is_run() {
    let site = Site::new(&["alice"]);
    site.policy(RULE).sign("alice");
    site.world.run(&site.verify(&["--bundle", "alice.sig", "--facts-out", "facts.json"])).exits(0);
    let cases = format!(
        "policy = [\"policy.toml\"]\n\
         [[case]]\nname = \"signed\"\nmodel = \"model\"\nas = \"{NAME}\"\nbundles = [\"alice.sig\"]\nverdict = \"allow\"\n\
         [[case]]\nname = \"nobody\"\nmodel = \"model\"\nas = \"{NAME}\"\nverdict = \"deny\"\ncodes = [\"signature.missing\"]\n\
         [[case]]\nname = \"recorded\"\nfacts = \"facts.json\"\nverdict = \"allow\"\n\
         [[case]]\nname = \"next century\"\nfacts = \"facts.json\"\nat = 2099-06-01T00:00:00Z\nverdict = \"deny\"\ncodes = [\"policy.expired\"]\n"
    );
    site.world.file("cases.toml", &cases);
    let test = ["policy", "test", "cases.toml"];
    site.world.run(&test).exits(0).prints("4 passed, 0 failed");
    site.world.file("cases.toml", cases.replace("verdict = \"allow\"", "verdict = \"deny\""));
    site.world
        .run(&test)
        .exits(1)
        .prints("FAILED  allow")
        .prints("expected deny")
        .prints("2 passed, 2 failed");
    let document = site.world.run(&with(&test, &["--format", "json"])).exits(1).json();
    assert_eq!(document["cases"][0]["passed"], false);
    site.world.file("cases.toml", cases.replace("signature.missing", "signature.malformed"));
    site.world.run(&test).exits(1).prints("without: signature.malformed");
    for (from, to, message) in [
        ("verdict = \"deny\"", "verdct = \"deny\"", "line 12: unknown field"),
        ("2099-06-01T00:00:00Z", "2099-06-01T00:00:00", "needs date, time and offset"),
        ("name = \"nobody\"", "name = \"signed\"", "two cases have the name 'signed'"),
        ("facts = \"facts.json\"\nverdict", "verdict", "needs either 'model' or 'facts'"),
    ] {
        site.world.file("cases.toml", cases.replace(from, to));
        site.world.refused(&test, 2, "usage.file", message);
    }
}

#[test]
fn a_foreign_policy_becomes_a_draft() {
    let world = World::new();
    world.file("policy.json", r#"{"default":[{"type":"reject"}],"transports":{}}"#);
    let import = [
        "policy",
        "import",
        "containers",
        "policy.json",
        "--id",
        "acme.example/x",
        "--expires",
        "2099-01-01T00:00:00Z",
    ];
    let ran = world.run(&import).exits(0);
    assert!(ran.stdout.contains("schema = \"modelseal.policy/v1\""), "{}", ran.stdout);
    let document = world.run(&with(&import, &["--format", "json"])).exits(0).json();
    assert_eq!(document["file"], "policy.json");
    world.file("policy.json", "{");
    world.refused(&import, 2, "usage.file", "cannot import 'policy.json'");
}
