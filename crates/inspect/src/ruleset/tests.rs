use super::*;
use crate::pickle::Standing;
use modelseal_core::{
    inspection::{Contents, FileFormat, Finding, Place},
    path::ModelPath,
};

const HEAD: &str = "schema = \"modelseal.rules/v1\"\nid = \"acme.example/rules\"\nversion = 3\n";

fn with(rest: &str) -> Result<RuleSet, RuleSetError> {
    RuleSet::parse(&format!("{HEAD}{rest}"))
}

fn refused(rest: &str) -> String {
    with(rest).unwrap_err().to_string()
}

fn named(id: &str) -> &'static Rule {
    rule::find(id.parse().unwrap()).unwrap()
}

#[test]
fn the_built_in_rules_change_nothing() {
    let rules = RuleSet::built_in();
    assert_eq!((rules.id(), rules.changed().count()), ("modelseal", 0));
    assert!(rules.denies(Verdict::Suspicious) && rules.denies(Verdict::Malicious));
    assert!(!rules.denies(Verdict::Unknown) && !rules.denies(Verdict::Clean));
    assert_eq!(rules.severity(named("FMT001")), Severity::Unknown);
}

#[test]
fn anybody_may_raise() {
    let rules = with("deny-from = \"unknown\"\n[rules.FMT005]\nseverity = \"malicious\"\n").unwrap();
    assert_eq!(rules.severity(named("FMT005")), Severity::Malicious);
    assert_eq!((rules.id(), rules.version()), ("acme.example/rules", "3"));
    assert!(rules.denies(Verdict::Unknown) && !rules.denies(Verdict::Clean));
    let rules = with("[rules.\"FMT*\"]\nseverity = \"suspicious\"\n").unwrap();
    assert_eq!(rules.severity(named("FMT001")), Severity::Suspicious);
    assert_eq!(rules.severity(named("FMT005")), Severity::Suspicious);
    assert_eq!(rules.severity(named("FMT002")), Severity::Malformed, "never lowered by a subject");
    assert_eq!(rules.severity(named("LIM002")), Severity::Unknown, "another subject");
    let all = with("[rules.\"*\"]\nseverity = \"malicious\"\n").unwrap();
    assert!(rule::all().iter().all(|rule| all.severity(rule) == Severity::Malicious));
}

#[test]
fn lowering_takes_the_exact_name_and_a_reason() {
    let without = refused("[rules.FMT002]\nseverity = \"note\"\n");
    assert!(without.starts_with("line 5, column 12: FMT002 is lowered from malformed to note"), "{without}");
    assert!(refused("[rules.FMT002]\nseverity = \"note\"\nreason = \" \"\n").contains("reason is empty"));
    let rules = with("[rules.FMT002]\nseverity = \"note\"\nreason = \"our converter\"\n").unwrap();
    let (id, changed) = rules.changed().next().unwrap();
    assert_eq!((id.as_str(), changed.from(), changed.to()), ("FMT002", Severity::Malformed, Severity::Note));
    assert_eq!(changed.reason(), Some("our converter"));
    // A subject lowers nothing, and one that would is told so.
    let subject = refused("[rules.\"FMT*\"]\nseverity = \"note\"\nreason = \"all of them\"\n");
    assert!(subject.contains("FMT* raises no rule to note"), "{subject}");
    assert!(refused("deny-from = \"malicious\"\n").contains("lower the rules that find it"));
}

#[test]
fn what_was_not_understood_is_never_clean() {
    for id in ["FMT001", "LIM001", "LIM002", "LIM003"] {
        let text = format!("[rules.{id}]\nseverity = \"note\"\nreason = \"we know it\"\n");
        assert!(refused(&text).contains("never clean"), "{id}");
    }
    let rules = with("[rules.LIM001]\nseverity = \"unknown\"\nreason = \"deep archives\"\n").unwrap();
    assert_eq!(rules.severity(named("LIM001")), Severity::Unknown);
}

#[test]
fn globals_are_added_with_a_role_and_a_source() {
    let allow =
        "[[allow]]\nmodule = \"acme.nets\"\nrole = \"class\"\nnames = [\"Ranker\"]\nsource = \"read it\"\n";
    let deny = "[[deny]]\nmodule = \"torch\"\nnames = [\"*\"]\nsource = \"not here\"\n";
    let rules = with(&format!("{allow}{deny}")).unwrap();
    let judge = |module, name| rules.globals().judge(module, name, 2);
    assert!(matches!(judge("acme.nets", "Ranker"), Standing::Allowed(a) if a.role == Role::Class));
    assert_eq!(judge("acme.nets", "Head"), Standing::Unknown);
    assert!(matches!(judge("torch._utils", "_rebuild_tensor_v2"), Standing::Dangerous(_)));
    assert!(matches!(judge("torch", "Size"), Standing::Dangerous(_)));
    assert!(refused(&allow.replace("source = \"read it\"\n", "")).contains("missing field `source`"));
    assert!(refused(&allow.replace("\"class\"", "\"anything\"")).contains("unknown variant `anything`"));
    assert!(refused(&allow.replace("Ranker", "*")).contains("one by one"));
    assert!(refused(&allow.replace("\"Ranker\"", "")).contains("no names"));
}

#[test]
fn what_is_denied_cannot_be_allowed() {
    for (module, name) in [
        ("os", "system"),
        ("builtins", "eval"),
        ("os.path", "join"),
        ("acme", "Net.__reduce__"),
        ("acme", "nets.run"),
        ("__builtin__", "apply"),
        ("commands", "getoutput"),
    ] {
        let text = format!(
            "[[allow]]\nmodule = \"{module}\"\nrole = \"const\"\nnames = [\"{name}\"]\nsource = \"x\"\n"
        );
        let message = refused(&text);
        assert!(message.contains("cannot be allowed"), "{module}.{name}: {message}");
        assert!(message.starts_with("line 7, column 10"), "{message}");
    }
    // Nor may a role be loosened.
    let text =
        "[[allow]]\nmodule = \"collections\"\nrole = \"class\"\nnames = [\"defaultdict\"]\nsource = \"x\"\n";
    assert!(refused(text).contains("with another role"));
}

#[test]
fn unknown_words_are_refused_with_their_place() {
    for (text, part) in [
        ("colour = 1\n", "unknown field `colour`"),
        ("[rules.FMT002]\nseverity = \"malicious\"\nwhy = \"x\"\n", "unknown field `why`"),
        ("[rules.FMT999]\nseverity = \"malicious\"\n", "line 4, column 8: there is no rule 'FMT999'"),
        ("[rules.fmt002]\nseverity = \"malicious\"\n", "there is no rule 'fmt002'"),
        ("[rules.\"FM*\"]\nseverity = \"malicious\"\n", "no subject of rules"),
        ("[rules.\"ZZZ*\"]\nseverity = \"malicious\"\n", "no subject of rules"),
        ("[rules.FMT002]\nseverity = \"clean\"\n", "line 5, column 12: 'clean' is no severity"),
        ("id = \"again\"\n", "duplicate key"),
    ] {
        let message = refused(text);
        assert!(message.contains(part), "{text}: {message}");
    }
    assert!(RuleSet::parse("").is_err());
    let other = HEAD.replace("rules/v1", "rules/v2");
    assert!(RuleSet::parse(&other).unwrap_err().message.contains("expected 'modelseal.rules/v1'"));
    assert!(RuleSet::parse(&format!("{HEAD}# {}", "x".repeat(MAX_RULES_BYTES))).is_err());
    // Each dot would be a table within a table.
    assert!(refused(&format!("{}a = 1\n", "a.".repeat(100_000))).contains("dots"));
    assert!(with(&format!("x = {}\n", "[".repeat(100_000))).is_err());
}

#[test]
fn findings_get_the_severity_of_the_rule_set() {
    let place = Place { file: ModelPath::parse("a").unwrap(), members: Vec::new(), offset: None };
    let finding = |id: &str, severity| Finding {
        rule: id.parse().unwrap(),
        severity,
        place: place.clone(),
        message: String::new(),
        subject: None,
        count: 1,
    };
    let mut file = FileInspection {
        path: place.file.clone(),
        size: 0,
        format: FileFormat::Zip,
        formats: Default::default(),
        contents: Contents::default(),
        findings: vec![
            finding("FMT002", Severity::Malformed),
            finding("FMT004", Severity::Suspicious),
            finding("FMT004", Severity::Note),
        ],
    };
    let text = "[rules.FMT002]\nseverity = \"suspicious\"\nreason = \"x\"\n[rules.FMT004]\nseverity = \"malformed\"\n";
    with(text).unwrap().apply(&mut file);
    let found: Vec<Severity> = file.findings.iter().map(|finding| finding.severity).collect();
    assert_eq!(found, [Severity::Suspicious, Severity::Malformed, Severity::Malformed]);
    let text = "[rules.FMT004]\nseverity = \"unknown\"\nreason = \"x\"\n";
    file.findings = vec![finding("FMT004", Severity::Note), finding("FMT004", Severity::Suspicious)];
    with(text).unwrap().apply(&mut file);
    let found: Vec<Severity> = file.findings.iter().map(|finding| finding.severity).collect();
    assert_eq!(found, [Severity::Note, Severity::Unknown], "a milder finding is not made worse by lowering");
}

#[test]
fn digests_are_of_everything_that_decides() {
    let built_in = RuleSet::built_in().digest();
    assert_eq!(built_in, RuleSet::built_in().clone().digest());
    let mut digests = vec![built_in];
    for text in [
        "",
        "deny-from = \"unknown\"\n",
        "[rules.FMT005]\nseverity = \"malicious\"\n",
        "[rules.FMT002]\nseverity = \"note\"\nreason = \"x\"\n",
        "[rules.FMT002]\nseverity = \"note\"\nreason = \"y\"\n",
        "[[deny]]\nmodule = \"a\"\nnames = [\"b\"]\nsource = \"c\"\n",
        "[[deny]]\nmodule = \"a\"\nnames = [\"b\"]\nsource = \"d\"\n",
        "[[allow]]\nmodule = \"a\"\nrole = \"class\"\nnames = [\"b\"]\nsource = \"c\"\n",
        "[[allow]]\nmodule = \"a\"\nrole = \"const\"\nnames = [\"b\"]\nsource = \"c\"\n",
    ] {
        digests.push(with(text).unwrap().digest());
        assert_eq!(digests.last(), Some(&with(&format!("# a comment\n{text}")).unwrap().digest()));
    }
    let different: std::collections::BTreeSet<String> = digests.iter().map(Digest::to_hex).collect();
    assert_eq!(different.len(), digests.len());
}

#[test]
fn every_bound_is_in_the_digest_of_bounds() {
    let canonical = limits::canonical();
    let constants = include_str!("../limits.rs").matches("pub(crate) const").count() - 1;
    assert_eq!(canonical.lines().count(), constants, "{canonical}");
    for line in ["NESTING: usize = 16", "SPOOLED: u64 = 16 * 1024 * 1024", "PART_BYTES: u64 = 64"] {
        assert!(canonical.lines().any(|known| known == line), "{line} is not in {canonical}");
    }
    assert_eq!(limits_digest(), limits_digest());
}

#[test]
fn a_subject_that_would_lower_rules_is_refused() {
    let head = "schema = \"modelseal.rules/v1\"\nid = \"a/b\"\nversion = 1\n";
    for (rules, good) in [
        ("[rules.\"*\"]\nseverity = \"note\"", false),
        ("[rules.\"PKL*\"]\nseverity = \"note\"\nreason = \"x\"", false),
        ("[rules.\"*\"]\nseverity = \"unknown\"", true),
        ("[rules.\"PKL*\"]\nseverity = \"malicious\"", true),
    ] {
        let parsed = RuleSet::parse(&format!("{head}{rules}"));
        assert_eq!(parsed.is_ok(), good, "{rules}");
        assert!(good || parsed.unwrap_err().message.contains("lowered by its own name"), "{rules}");
    }
}
