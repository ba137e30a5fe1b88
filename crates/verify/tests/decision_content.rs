//! `content` over what is in the files: formats, pickles, code. Inspections are made by hand here; that they are of the bytes
//! that were measured is tested where both are made.
#![allow(clippy::expect_used, clippy::panic, clippy::unwrap_used)]

mod decision_support;

use decision_support::*;
use modelseal_core::{
    inspection::{
        Capability, Contents, FileFormat, FileInspection, Finding, Inspection, PickleTier, Place, Severity,
    },
    manifest::Manifest,
    observed::Observed,
};
use modelseal_verify::{
    decision::{Code, DecisionReport, Status, Verdict, decide},
    facts::{Measurement, NoKeyless, RecordedFacts, collect},
};

const SIGNED: &str = "bind = \"signer\"\nsignature = { signers = [\"acme\"] }";

/// What a file is, as a test tells it.
#[derive(Clone)]
struct Told {
    path: &'static str,
    format: FileFormat,
    within: Vec<FileFormat>,
    tier: Option<PickleTier>,
    capabilities: Vec<Capability>,
    findings: Vec<(&'static str, Severity, &'static str)>,
}

fn told(path: &'static str, format: FileFormat) -> Told {
    Told { path, format, within: vec![], tier: None, capabilities: vec![], findings: vec![] }
}

impl Told {
    fn holding(mut self, format: FileFormat) -> Self {
        self.within.push(format);
        self
    }

    fn tier(mut self, tier: PickleTier) -> Self {
        self.tier = Some(tier);
        self
    }

    fn can(mut self, capability: Capability) -> Self {
        self.capabilities.push(capability);
        self
    }

    fn finding(mut self, rule: &'static str, severity: Severity, message: &'static str) -> Self {
        self.findings.push((rule, severity, message));
        self
    }

    fn inspected(self) -> FileInspection {
        let file = path(self.path);
        let mut contents = Contents::default();
        self.tier.into_iter().for_each(|tier| contents.add_pickle(tier));
        contents.capabilities.extend(self.capabilities);
        let finding = |(rule, severity, message): (&str, Severity, &str)| Finding {
            rule: rule.parse().unwrap(),
            severity,
            place: Place { file: file.clone(), members: vec![], offset: None },
            message: message.to_owned(),
            subject: None,
            count: 1,
        };
        FileInspection {
            path: file.clone(),
            size: 4,
            format: self.format,
            formats: self.within.into_iter().chain([self.format]).collect(),
            contents,
            findings: self.findings.into_iter().map(finding).collect(),
        }
    }
}

fn files(told: &[Told]) -> Manifest {
    let files: Vec<(&str, &str)> = told.iter().map(|told| (told.path, "data")).collect();
    manifest(&files)
}

fn inspection(told: Vec<Told>) -> Observed<Inspection> {
    let mut files: Vec<FileInspection> = told.into_iter().map(Told::inspected).collect();
    files.sort_by(|a, b| a.path.cmp(&b.path));
    Observed::measured_by_this_process(Inspection { files })
}

fn policy_of(body: &str) -> String {
    head("p") + &Key::new(1).signer("acme", "") + &rule(&format!("{SIGNED}\n{body}"))
}

fn judge_under(policy: &str, told: Vec<Told>) -> DecisionReport {
    let model = files(&told);
    let case = Case::new(policy).bundle(Key::new(1).sign_model(&model)).model(model.clone());
    let measurement = Measurement::new(Observed::measured_by_this_process(model), 4);
    let facts = collect(&case.set, &case.evidence(), &NoKeyless, now());
    let facts = facts.measured(measurement.inspected(inspection(told)).following([]));
    let decision = decide(&case.set, &case.request, &facts, now());
    // What is recorded is judged in the same way.
    let recorded = RecordedFacts::record(&case.request, &case.evidence(), &facts, now());
    let recorded = RecordedFacts::parse(&recorded.to_json().unwrap()).unwrap();
    let again = recorded.replay(&case.set, &NoKeyless, None);
    assert_eq!(again.report(), decision.report());
    decision.report().clone()
}

fn judge(content: &str, told: Vec<Told>) -> DecisionReport {
    judge_under(&policy_of(&format!("content = {{ {content} }}")), told)
}

#[track_caller]
fn allows(content: &str, told: Vec<Told>) {
    let report = judge(content, told);
    assert_eq!(report.verdict, Verdict::Allow, "{}", show(&report));
}

#[track_caller]
fn denies(content: &str, told: Vec<Told>, code: Code) -> String {
    let report = judge(content, told);
    assert_eq!(report.verdict, Verdict::Deny, "{}", show(&report));
    let failed: Vec<_> = report.with(Status::Fail).collect();
    let found = failed.iter().find(|check| check.code == Some(code));
    let found = found.unwrap_or_else(|| panic!("{code} is not among them\n{}", show(&report)));
    assert!(found.fix.is_some() && !found.actual.is_null());
    found.message.clone()
}

fn safetensors() -> Told {
    told("model.safetensors", FileFormat::Safetensors)
}

fn twin() -> Told {
    told("pytorch_model.bin", FileFormat::TorchZip)
        .holding(FileFormat::Pickle)
        .holding(FileFormat::Text)
        .tier(PickleTier::WeightsOnly)
}

#[test]
fn a_pickle_beside_safetensors_is_denied_by_name_with_what_to_do() {
    let both = || vec![safetensors(), twin(), told("config.json", FileFormat::Json)];
    let message = denies("deny-formats = [\"pickle\"]", both(), Code::ContentFormatDenied);
    assert_eq!(message, "'pytorch_model.bin' is pickle (torch-zip), which the policy denies");
    let allow = "allow-formats = [\"safetensors\", \"json\"]";
    let message = denies(allow, both(), Code::ContentFormatNotAllowed);
    assert_eq!(message, "'pytorch_model.bin' is pickle (torch-zip), allowed are safetensors, json");
    let report = judge(allow, both());
    let fix = report.with(Status::Fail).next().unwrap().fix.clone().unwrap();
    assert_eq!(fix, "have the publisher leave 'pytorch_model.bin' out and keep the weights in safetensors");
    allows(allow, vec![safetensors(), told("config.json", FileFormat::Json)]);
    allows("deny-formats = [\"pickle\"]", vec![safetensors()]);
}

#[test]
fn a_pickle_is_found_in_every_wrapping() {
    use FileFormat as F;
    let wrapped = [
        told("a.pkl", F::Pickle).tier(PickleTier::Data),
        told("a.joblib", F::Joblib).tier(PickleTier::Framework),
        told("a.pt", F::TorchLegacy).tier(PickleTier::WeightsOnly),
        told("a.npz", F::Npz).holding(F::Npy).holding(F::Pickle).tier(PickleTier::Data),
        told("a.npy", F::Npy).tier(PickleTier::Data),
        told("a.zip", F::Zip).holding(F::Pickle).tier(PickleTier::Data),
        told("a.pkl.gz", F::Gzip).holding(F::Pickle).tier(PickleTier::Data),
        told("a.h5", F::KerasHdf5).can(Capability::PythonCode),
        told("a.keras", F::Keras).holding(F::Json).can(Capability::PythonCode),
        // Its opcodes could not be followed, and still it is one.
        told("a.bin", F::Pickle).can(Capability::Pickle),
    ];
    for file in wrapped {
        denies("deny-formats = [\"pickle\"]", vec![file.clone()], Code::ContentFormatDenied);
        let word = file.format.policy_word();
        if word != "pickle" {
            let allow = format!("allow-formats = [\"{word}\", \"json\", \"numpy\"]");
            denies(&allow, vec![file], Code::ContentFormatNotAllowed);
        }
    }
    allows("deny-formats = [\"pickle\"]", vec![told("a.npz", F::Npz).holding(F::Npy)]);
    allows("allow-formats = [\"numpy\"]", vec![told("a.npz", F::Npz).holding(F::Npy)]);
}

#[test]
fn what_a_format_consists_of_comes_with_it_and_code_never_does() {
    use FileFormat as F;
    let keras = || told("m.keras", F::Keras).holding(F::Json).holding(F::Hdf5);
    allows("allow-formats = [\"keras\"]", vec![keras()]);
    denies("allow-formats = [\"keras\"]", vec![keras().holding(F::Python)], Code::ContentFormatNotAllowed);
    denies("allow-formats = [\"keras\"]", vec![keras().holding(F::Pickle)], Code::ContentFormatNotAllowed);
    allows("allow-formats = [\"pickle\"]", vec![twin()]);
    denies(
        "allow-formats = [\"archive\"]",
        vec![told("a.zip", F::Zip).holding(F::Elf)],
        Code::ContentFormatNotAllowed,
    );
    // A format that no word of policies stands for is in no list.
    denies("allow-formats = [\"tensorflow\"]", vec![told("m.t7", F::Torch7)], Code::ContentFormatNotAllowed);
}

#[test]
fn programs_and_scripts() {
    use FileFormat as F;
    for format in [F::Elf, F::Pe, F::MachO, F::Python, F::PythonBytecode, F::Script, F::Notebook, F::Wasm] {
        denies("deny-formats = [\"executable\"]", vec![told("x", format)], Code::ContentFormatDenied);
        let packed = told("x.tar", F::Tar).holding(format);
        denies("deny-formats = [\"executable\"]", vec![packed], Code::ContentFormatDenied);
    }
    allows("deny-formats = [\"executable\"]", vec![safetensors(), told("README.md", F::Text)]);
}

#[test]
fn every_word_of_the_policy_allows_its_formats_and_no_other() {
    for format in FileFormat::ALL.iter().filter(|format| !format.policy_word().is_empty()) {
        let word = format.policy_word();
        allows(&format!("allow-formats = [\"{word}\"]"), vec![told("f", *format)]);
        let other = if word == "onnx" { "gguf" } else { "onnx" };
        let code = Code::ContentFormatNotAllowed;
        denies(&format!("allow-formats = [\"{other}\"]"), vec![told("f", *format)], code);
        denies(&format!("deny-formats = [\"{word}\"]"), vec![told("f", *format)], Code::ContentFormatDenied);
        allows(&format!("deny-formats = [\"{other}\"]"), vec![told("f", *format)]);
    }
}

#[test]
fn what_is_not_understood_is_neither_allowed_nor_shown_not_to_be_denied() {
    let blob =
        || told("blob.dat", FileFormat::Unknown).finding("FMT001", Severity::Unknown, "no known format");
    for content in [
        "allow-formats = [\"safetensors\"]",
        "deny-formats = [\"pickle\"]",
        "max-pickle-tier = \"P2\"",
        "remote-code = \"deny\"",
    ] {
        let message = denies(content, vec![safetensors(), blob()], Code::ContentFormatUnknown);
        assert_eq!(message, "'blob.dat' is of no known format", "{content}");
    }
    let bounded = || safetensors().finding("LIM002", Severity::Unknown, "more members than are inspected");
    for content in [
        "allow-formats = [\"safetensors\"]",
        "deny-formats = [\"pickle\"]",
        "max-pickle-tier = \"P0\"",
        "remote-code = \"deny\"",
    ] {
        denies(content, vec![bounded()], Code::ContentFormatUnknown);
    }
    // A bomb is suspicious, and behind it lies what nobody saw; so it is with what is encrypted, and with what breaks its
    // format, which another reader reads in another way.
    for file in [
        safetensors().finding("LIM003", Severity::Suspicious, "a bomb"),
        safetensors().finding("STN003", Severity::Malformed, "tensors overlap"),
        told("a.zip", FileFormat::Zip).can(Capability::Encrypted),
        told("a.rar", FileFormat::Rar).finding("SVZ006", Severity::Suspicious, "not looked into"),
    ] {
        for content in ["deny-formats = [\"pickle\"]", "max-pickle-tier = \"P4\"", "remote-code = \"deny\""] {
            denies(content, vec![file.clone()], Code::ContentFormatUnknown);
        }
    }
    denies("max-verdict = \"clean\"", vec![bounded()], Code::ContentVerdict);
    allows("max-verdict = \"unknown\"", vec![bounded(), blob()]);
}

#[test]
fn a_name_that_promises_another_format() {
    let file = || {
        told("model.npy", FileFormat::Safetensors).finding(
            "FMT002",
            Severity::Malformed,
            "'.npy' promises another format",
        )
    };
    let message = denies("allow-formats = [\"safetensors\"]", vec![file()], Code::ContentFormatMismatch);
    assert_eq!(message, "'model.npy' is safetensors: '.npy' promises another format");
    denies("deny-formats = [\"pickle\"]", vec![file()], Code::ContentFormatMismatch);
}

#[test]
fn remote_code() {
    use FileFormat as F;
    let auto_map = told("config.json", F::Json).can(Capability::RemoteCode).finding(
        "HFC001",
        Severity::Suspicious,
        "auto_map names 'modeling_x.X'",
    );
    let message = denies("remote-code = \"deny\"", vec![auto_map], Code::ContentRemoteCode);
    assert_eq!(
        message,
        "'config.json' names code for its loader to run: auto_map names 'modeling_x.X' (HFC001)"
    );
    let python = told("modeling_x.py", F::Python);
    let message = denies("remote-code = \"deny\"", vec![safetensors(), python], Code::ContentRemoteCode);
    assert_eq!(message, "'modeling_x.py' is Python code");
    let lambda = told("m.keras", F::Keras).holding(F::Json).can(Capability::PythonCode);
    denies("remote-code = \"deny\"", vec![lambda], Code::ContentRemoteCode);
    let template = told("m.gguf", F::Gguf).can(Capability::Template);
    allows("remote-code = \"deny\"", vec![template.clone()]);
    let template = template.finding("JIN002", Severity::Malicious, "reads '__class__'");
    denies("remote-code = \"deny\"", vec![template], Code::ContentRemoteCode);
    // A pickle is asked for by its tier and as a format.
    allows("remote-code = \"deny\"", vec![twin()]);
    allows("remote-code = \"allow\"", vec![told("modeling_x.py", F::Python)]);
}

/// Whatever inspection says of code, under `remote-code` alone.
#[test]
fn remote_code_fails_closed() {
    use Capability as C;
    use FileFormat as F;
    use Severity::{Malicious, Note, Suspicious};
    let denied = [
        told("MLmodel", F::Yaml).finding("YML003", Suspicious, "'evil' loads the model"),
        told("c.yaml", F::Yaml).finding("YML003", Suspicious, "'evil.X' is made or called"),
        told("c.yaml", F::Yaml).finding("YML002", Suspicious, "the tag 'python/object:x.Y'"),
        told("c.yaml", F::Yaml).finding("YML001", Malicious, "the tag names 'os.system'"),
        told("m.onnx", F::Onnx).can(C::CustomOperators).finding("ONX007", Malicious, "PyOp"),
        told("m.onnx", F::Onnx).finding("ONX007", Malicious, "PyOp"),
        told("m.onnx", F::Onnx).can(C::CustomOperators).finding("ONX008", Suspicious, "acme::Op"),
        told("m.keras", F::Keras).finding("KER002", Suspicious, "acme.Layer"),
        told("m.keras", F::Keras).finding("KER003", Suspicious, "imports 'acme'"),
        told("x.ipynb", F::Notebook).can(C::PythonCode).finding("SRC007", Suspicious, "1 cells of code"),
        told("requirements.txt", F::Text).finding("REQ001", Suspicious, "x @ http://acme.example/x"),
        told("Dockerfile", F::Text).finding("SRC005", Suspicious, "it says how to build an image"),
        told("saved_model.pb", F::TensorflowGraph).finding("TFG002", Malicious, "ReadFile reads files"),
        told("saved_model.pb", F::TensorflowGraph).finding("TFG003", Suspicious, "reads data of its own"),
        told("plan.engine", F::TensorrtEngine).can(C::NativeCode),
        told("x.so", F::Elf),
        told("x.sh", F::Script),
        told("m.zip", F::Zip).holding(F::PythonBytecode),
        // A rule that nobody here knows of.
        told("x", F::Json).finding("XXX001", Suspicious, "something"),
        told("m.bin", F::TorchZip).tier(PickleTier::Dangerous).finding("PKL001", Malicious, "os.system"),
    ];
    for file in denied {
        denies("remote-code = \"deny\"", vec![safetensors(), file], Code::ContentRemoteCode);
    }
    let unknown = || told("x.pth", F::Unknown).finding("FMT001", Severity::Unknown, "no known format");
    for file in [
        unknown(),
        told("start", F::Unknown),
        told("a.txt", F::Text).finding("TXT009", Severity::Unknown, "-"),
    ] {
        denies("remote-code = \"deny\"", vec![safetensors(), file], Code::ContentFormatUnknown);
    }
    for file in [
        twin(),
        told("m.bin", F::TorchZip).tier(PickleTier::Unknown).finding("PKL010", Suspicious, "acme.X"),
        told("README.md", F::Text).finding("TXT005", Suspicious, "a script"),
        told("m.gguf", F::Gguf).can(C::Template).finding("GGF014", Suspicious, "bytes after the last tensor"),
        told("m.onnx", F::Onnx).can(C::Graph),
        told("requirements.txt", F::Text).finding("REQ006", Note, "another index"),
        told("x.ipynb", F::Notebook),
    ] {
        allows("remote-code = \"deny\"", vec![safetensors(), file]);
    }
}

#[test]
fn pickle_tiers() {
    use PickleTier as T;
    let of = |tier| told("m.pt", FileFormat::TorchZip).tier(tier);
    for (most, tier, good) in [
        ("P0", T::Data, false),
        ("P1", T::Data, true),
        ("P1", T::WeightsOnly, false),
        ("P2", T::WeightsOnly, true),
        ("P2", T::Framework, false),
        ("P3", T::Framework, true),
        ("P3", T::Unknown, false),
        ("P4", T::Unknown, true),
        ("P4", T::Dangerous, false),
    ] {
        let content = format!("max-pickle-tier = \"{most}\"");
        if good {
            allows(&content, vec![of(tier)])
        } else {
            denies(&content, vec![of(tier)], Code::ContentPickleTier);
        }
        allows(&content, vec![safetensors()]);
    }
    let bad = of(T::Dangerous).finding("PKL001", Severity::Malicious, "names os.system");
    let message = denies("max-pickle-tier = \"P2\"", vec![bad], Code::ContentPickleTier);
    assert_eq!(message, "'m.pt' holds a pickle of tier P5, allowed is P2: names os.system (PKL001)");
    refused(&policy_of("content = { max-pickle-tier = \"P5\" }"));
}

#[test]
fn verdicts() {
    let of = |severity| safetensors().finding("XYZ001", severity, "because");
    for (most, allowed) in [
        ("clean", &[Severity::Note][..]),
        ("unknown", &[Severity::Note, Severity::Unknown]),
        ("suspicious", &[Severity::Note, Severity::Unknown, Severity::Suspicious]),
        ("malformed", &[Severity::Note, Severity::Unknown, Severity::Suspicious, Severity::Malformed]),
    ] {
        for severity in Severity::ALL {
            let content = format!("max-verdict = \"{most}\"");
            if allowed.contains(&severity) {
                allows(&content, vec![of(severity)])
            } else {
                denies(&content, vec![of(severity)], Code::ContentVerdict);
            }
        }
    }
    let message = denies("max-verdict = \"clean\"", vec![of(Severity::Malicious)], Code::ContentVerdict);
    assert_eq!(message, "'model.safetensors' is malicious, allowed is clean: because (XYZ001)");
}

#[test]
fn without_an_inspection_nothing_of_it_is_shown_even_in_audit() {
    for mode in ["", "\nmode = \"audit\""] {
        for content in ["max-pickle-tier = \"P4\"", "max-verdict = \"malformed\""] {
            let policy = policy_of(&format!("content = {{ {content} }}{mode}"));
            Case::new(&policy).bundle(Key::new(1).sign_model(&model())).denied(Code::ErrorUnsupported);
        }
    }
    // An inspection of other files is none.
    let case = Case::new(&policy_of("content = { deny-formats = [\"pickle\"] }"));
    let case = case.bundle(Key::new(1).sign_model(&model()));
    let facts = collect(&case.set, &case.evidence(), &NoKeyless, now());
    let of_others = inspection(vec![safetensors()]);
    let measured = Measurement::new(Observed::measured_by_this_process(model()), 4).inspected(of_others);
    let report = decide(&case.set, &case.request, &facts.measured(measured), now()).report().clone();
    assert_eq!(report.code, Some(Code::ErrorUnsupported), "{}", show(&report));
}

#[test]
fn audit_and_waivers_relax_formats_but_never_what_the_baseline_denies() {
    let twins = || vec![safetensors(), twin()];
    let audit = policy_of("content = { deny-formats = [\"pickle\"] }\nmode = \"audit\"");
    let report = judge_under(&audit, twins());
    assert_eq!(report.verdict, Verdict::Allow, "{}", show(&report));
    assert_eq!(report.with(Status::Warn).next().unwrap().code, Some(Code::ContentFormatDenied));
    let baseline = "baseline.content = { deny-formats = [\"pickle\"] }\n";
    let text = head("p")
        + baseline
        + &Key::new(1).signer("acme", "")
        + &rule(&format!("{SIGNED}\nmode = \"audit\""));
    let report = judge_under(&text, twins());
    assert_eq!(report.code, Some(Code::ContentFormatDenied), "{}", show(&report));
}

#[test]
fn what_the_signer_left_out_is_not_judged_whoever_else_measured_it() {
    let all = vec![safetensors(), told("scripts/train.py", FileFormat::Python)];
    let model = files(&all);
    let signed = manifest_with(ignoring(&["scripts"]), &[("model.safetensors", "data")]);
    let content = "content = { deny-formats = [\"executable\"], ignore-paths = [\"scripts\"] }";
    let text = head("p")
        + &Key::new(1).signer("acme", "")
        + &Key::new(2).signer("other", "")
        + &rule(&format!("{SIGNED}\n{content}"));
    let case =
        Case::new(&text).bundle(Key::new(1).sign_model(&signed)).bundle(Key::new(2).sign_model(&model));
    let facts = collect(&case.set, &case.evidence(), &NoKeyless, now());
    let wanted = facts.to_measure();
    assert_eq!(wanted.len(), 1);
    let measured = Manifest::sorted(wanted[0].clone(), model.resources().to_vec()).unwrap();
    let measured =
        Measurement::new(Observed::measured_by_this_process(measured), 8).inspected(inspection(all));
    let report = decide(&case.set, &case.request, &facts.measured(measured), now()).report().clone();
    assert_eq!(report.verdict, Verdict::Allow, "{}", show(&report));
}

/// A signer that leaves a pickle out, and a policy that does not say what may be left out.
#[test]
fn what_was_left_out_passes_no_check_unless_the_policy_lets_it() {
    let judge = |content: &str, ignored: &[&str], external: &[&str]| {
        let signed = manifest_with(ignoring(ignored), &[("model.safetensors", "data")]);
        let case = Case::new(&policy_of(&format!("content = {{ {content} }}")))
            .bundle(Key::new(1).sign_model(&signed));
        let facts = collect(&case.set, &case.evidence(), &NoKeyless, now());
        let mut file = safetensors().inspected();
        file.contents.external.extend(external.iter().map(|name| (*name).to_owned()));
        let found = Observed::measured_by_this_process(Inspection { files: vec![file] });
        let measured = Measurement::new(Observed::measured_by_this_process(signed), 4).inspected(found);
        decide(&case.set, &case.request, &facts.measured(measured.following([])), now()).report().clone()
    };
    let git = [".git", ".gitattributes", ".github", ".gitignore"];
    for asked in [
        "allow-formats = [\"safetensors\"]",
        "deny-formats = [\"pickle\"]",
        "remote-code = \"deny\"",
        "max-pickle-tier = \"P0\"",
        "max-verdict = \"clean\"",
        "unsigned-files = \"deny\"",
    ] {
        let report = judge(asked, &["a.pkl", "modeling.py"], &[]);
        assert_eq!(report.code, Some(Code::IntegrityIgnoredPathNotAllowed), "{asked} {}", show(&report));
        let report = judge(&format!("{asked}, ignore-paths = [\"a.pkl\"]"), &["a.pkl"], &[]);
        assert_eq!(report.verdict, Verdict::Allow, "{asked} {}", show(&report));
        let report = judge(asked, &git, &["model-00001.safetensors"]);
        assert_eq!(report.verdict, Verdict::Allow, "{asked} {}", show(&report));
        let report = judge(&format!("{asked}, ignore-paths = []"), &git, &[]);
        assert_eq!(report.code, Some(Code::IntegrityIgnoredPathNotAllowed), "{asked} {}", show(&report));
        for name in [".github/x.bin", "./.git/x", "a/../.github/x"] {
            let report = judge(asked, &git, &[name]);
            let denied = report.code == Some(Code::IntegrityIgnoredPathNotAllowed);
            assert_eq!(denied, !asked.starts_with("unsigned"), "{asked} {name} {}", show(&report));
        }
    }
    assert_eq!(judge("max-files = 5", &["a.pkl"], &[]).verdict, Verdict::Allow);
}
