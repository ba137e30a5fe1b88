//! YAML: read as events and never built, so that what lies in it again and again takes no memory. What matters are tags
//! that name Python's classes and functions, and keys whose values do.

mod names;

use crate::{
    jinja, lfs, limits, requirements,
    route::{Format, Match, Probe},
    scan::{Content, Halt, Scan},
    text::{self, Look},
};
use granit_parser::{Event, Options, Parser, Span, Tag};
use modelseal_core::inspection::{Capability, FileFormat};
use std::collections::HashMap;

pub(crate) mod rules {
    //! What can be found in YAML.

    use crate::rule::rules;

    rules! {
        RUNS = "YML001" "yaml-runs-code" Malicious:
            "A tag or a key names what runs programs or code, reaches files, or leads to what does." =>
            "Do not load it.";
        PYTHON = "YML002" "yaml-python-object" Suspicious:
            "A tag makes a Python object, which only unsafe loaders do, and any class can be named." =>
            "Store plain values, and load them with a safe loader.";
        TARGET = "YML003" "unknown-target" Suspicious:
            "A key names a class or function that is made or called when the configuration is used, and it is not known." =>
            "Find out what it does, or use one of a known library.";
        BROKEN = "YML004" "broken-yaml" Malformed:
            "The file cannot be read as YAML; readers fail, or disagree about it." =>
            "Get the file again from its maker.";
        TAG = "YML005" "application-tag" Unknown:
            "A tag has a meaning only for one application, so that nothing can be said about it." =>
            "Find out what the application does with it.";
        TEMPLATE = "YML006" "template-of-yaml" Unknown:
            "The file becomes YAML only after a template engine has filled it in." =>
            "Publish the file filled in.";
        REMOTE = "YML007" "yaml-remote-code" Suspicious:
            "The configuration lets a loader run code that the model brings along, or that is fetched." =>
            "Read that code, or use a model that needs none.";
        CYCLE = "YML008" "yaml-cycle" Suspicious:
            "A value lies in itself; who follows it does not end." =>
            "Do not load it.";
    }
}

/// The door from `route`.
pub(crate) struct Yaml;

impl Format for Yaml {
    fn matches(&self, probe: &Probe<'_>) -> Option<Match> {
        if probe.head.starts_with(lfs::VERSION) {
            return None;
        }
        let named = matches!(probe.extension, "yaml" | "yml") || probe.name == "MLmodel";
        let marked = probe.head.starts_with(b"%YAML ");
        ((named || marked) && text::is_text(probe.head)).then_some(Match::Sure)
    }

    fn inspect(&self, content: Content<'_>, scan: &mut Scan<'_>) -> Result<FileFormat, Halt> {
        let name = scan.leaf().to_ascii_lowercase();
        let held = text::hold(content, limits::TEXT, scan)?;
        let mut odd = Look::default();
        odd.line(0, &held, scan);
        odd.finish(scan);
        let text = text::decode(&held);
        drop(held);
        Reading::new(&name).read(&text, scan);
        Ok(FileFormat::Yaml)
    }
}

/// An array or a mapping whose end has not come.
struct Open {
    mapping: bool,
    /// Whether a key comes next.
    key_next: bool,
    /// The key whose value comes next.
    key: String,
    anchor: usize,
    /// Values in it, with everything that is shared.
    values: u64,
    /// What is said beside one another in it: a class, and what it is made with.
    class: Option<(String, Option<u64>)>,
    made: bool,
}

struct Reading<'n> {
    name: &'n str,
    open: Vec<Open>,
    /// Of each anchor, how many values it stands for; none while it is open.
    sizes: Vec<Option<u64>>,
    /// The texts of anchors, and whether a template among them was looked at.
    texts: HashMap<usize, (String, bool)>,
    values: u64,
    events: u64,
}

impl<'n> Reading<'n> {
    fn new(name: &'n str) -> Self {
        Self { name, open: Vec::new(), sizes: Vec::new(), texts: HashMap::new(), values: 0, events: 0 }
    }

    fn read(&mut self, text: &str, scan: &mut Scan<'_>) {
        let mut options = Options::default();
        options.set_emit_comments(false);
        options.emit_unresolved_aliases = true;
        let mut parser = Parser::new_from_str_with_options(text, options);
        while let Some(next) = parser.next_event() {
            match next {
                Ok((event, span)) => {
                    self.event(&event, place(&span), scan);
                    if matches!(event, Event::StreamEnd) {
                        break;
                    }
                }
                Err(error) => {
                    let at = error.marker().byte_offset().map(|at| at as u64);
                    let filled = text.contains("{%") || text.contains("{{");
                    let rule = if filled { &rules::TEMPLATE } else { &rules::BROKEN };
                    scan.find(rule, at, error.info().to_owned());
                    // Other readers may get further.
                    let from = at.and_then(|at| usize::try_from(at).ok()).unwrap_or(0);
                    names::tags_in(text, from, scan);
                    break;
                }
            }
        }
        let most = limits::YAML_VALUES.max(self.events.saturating_mul(limits::YAML_RATIO));
        if self.values > most {
            scan.find(&limits::YAML_EXPANDS, None, format!("{} values", self.values));
        }
    }

    fn event(&mut self, event: &Event<'_>, at: Option<u64>, scan: &mut Scan<'_>) {
        self.events += 1;
        match event {
            Event::DocumentStart(..) => {
                self.open.clear();
            }
            Event::Scalar(text, _, anchor, tag) => {
                self.tag(tag.as_deref(), at, scan);
                if *anchor > 0 {
                    self.texts.insert(*anchor, (text.to_string(), false));
                }
                self.text(text, at, scan);
                self.remember(*anchor, Some(1));
                self.count(1);
            }
            Event::SequenceStart(_, anchor, tag) | Event::MappingStart(_, anchor, tag) => {
                self.tag(tag.as_deref(), at, scan);
                self.remember(*anchor, None);
                if self.expects_key()
                    && let Some(open) = self.open.last_mut()
                {
                    open.key.clear();
                }
                let mapping = matches!(event, Event::MappingStart(..));
                self.texts.remove(anchor);
                self.open.push(Open {
                    mapping,
                    key_next: mapping,
                    key: String::new(),
                    anchor: *anchor,
                    values: 1,
                    class: None,
                    made: false,
                });
            }
            Event::SequenceEnd | Event::MappingEnd => {
                if let Some(open) = self.open.pop() {
                    if let (true, Some((class, at))) = (open.made, &open.class) {
                        names::target(class, *at, scan);
                    }
                    self.remember(open.anchor, Some(open.values));
                    self.count(open.values);
                }
            }
            Event::Alias(anchor) => match self.sizes.get(*anchor) {
                Some(Some(size)) => {
                    let size = *size;
                    self.alias(*anchor, at, scan);
                    self.count(size);
                }
                _ => {
                    scan.find(&rules::CYCLE, at, "an alias lies in what it stands for".to_owned());
                    self.count(1);
                }
            },
            Event::UnresolvedAlias(name) => {
                scan.find(&rules::BROKEN, at, format!("there is no anchor '{name}'"));
                self.count(1);
            }
            _ => {}
        }
    }

    /// A text, as a key or as a value.
    fn text(&mut self, text: &str, at: Option<u64>, scan: &mut Scan<'_>) {
        if !self.expects_key() {
            self.beside(text, at);
            self.scalar(text, at, scan);
        } else if let Some(open) = self.open.last_mut() {
            open.key.clear();
            open.key.extend(text.chars().take(256));
            open.made |= matches!(text, "params" | "init_args" | "kwargs");
        }
    }

    /// A text that stands elsewhere. Long ones are looked at once, so that many aliases take no time.
    fn alias(&mut self, anchor: usize, at: Option<u64>, scan: &mut Scan<'_>) {
        let Some((text, looked)) = self.texts.remove(&anchor) else {
            if self.expects_key()
                && let Some(open) = self.open.last_mut()
            {
                open.key.clear();
            }
            return;
        };
        let key = self.expects_key();
        let long = text.len() > limits::YAML_ALIAS && !key;
        let template = long && !looked && self.open.last().is_some_and(|open| open.key == "chat_template");
        if template || !long {
            self.text(&text, at, scan);
        }
        self.texts.insert(anchor, (text, looked || template));
    }

    /// Takes note of a class, which is one if something stands beside it that it is made with.
    fn beside(&mut self, text: &str, at: Option<u64>) {
        if let Some(open) = self.open.last_mut()
            && open.mapping
            && open.key == "target"
            && text.contains('.')
            && !names::is_dotted(text)
        {
            open.class = Some((text.chars().take(512).collect(), at));
        }
    }

    fn expects_key(&self) -> bool {
        self.open.last().is_some_and(|open| open.mapping && open.key_next)
    }

    /// Takes note of a value that has ended.
    fn count(&mut self, values: u64) {
        match self.open.last_mut() {
            Some(open) => {
                open.values = open.values.saturating_add(values);
                open.key_next = open.mapping && !open.key_next;
            }
            None => self.values = self.values.saturating_add(values),
        }
    }

    fn remember(&mut self, anchor: usize, size: Option<u64>) {
        // They are numbered one after the other.
        if anchor == 0 || anchor > self.sizes.len() + 1 {
            return;
        }
        if anchor >= self.sizes.len() {
            self.sizes.resize(anchor + 1, None);
        }
        if let Some(slot) = self.sizes.get_mut(anchor) {
            *slot = size;
        }
    }

    fn tag(&self, tag: Option<&Tag>, at: Option<u64>, scan: &mut Scan<'_>) {
        let Some(tag) = tag else { return };
        let full = format!("{}{}", tag.handle(), tag.suffix());
        names::tag(&full, at, scan);
    }

    /// A value, below the keys that lead to it.
    fn scalar(&self, text: &str, at: Option<u64>, scan: &mut Scan<'_>) {
        let mut keys = self.open.iter().rev().filter(|open| open.mapping).map(|open| open.key.as_str());
        let key = keys.next().unwrap_or_default();
        let in_list = self.open.last().is_some_and(|open| !open.mapping);
        let below =
            |name: &[&str]| self.open.iter().any(|open| open.mapping && name.contains(&open.key.as_str()));
        let nested = self.open.iter().rev().take_while(|open| !open.mapping).count() > 1;
        if is_remote(text) || (is_remote(key) && !is_false(text)) {
            scan.find(&rules::REMOTE, at, "it sets 'trust_remote_code'".to_owned());
            scan.contents.capabilities.insert(Capability::RemoteCode);
        }
        if below(&["auto_map"]) && !is_false(text) {
            scan.find(&rules::REMOTE, at, "its 'auto_map' names code beside the model".to_owned());
            scan.contents.capabilities.insert(Capability::RemoteCode);
        }
        names::expression(text, at, scan);
        if nested && below(&["backbone", "head", "neck"]) {
            names::layer(text, at, scan);
        }
        match key {
            "_target_" | "_component_" | "class_path" | "__target__" => names::target(text, at, scan),
            "target" if names::is_dotted(text) => names::target(text, at, scan),
            "loader_module" => names::loader(text, at, scan),
            "activation" if !in_list => names::activation(text, at, scan),
            // Rasa imports what is called like this.
            "name" if below(&["pipeline", "policies"]) && names::is_class(text) => {
                names::target(text, at, scan)
            }
            // Fairseq imports this directory.
            "user_dir" | "user-dir" if !is_false(text) => {
                scan.find(&rules::REMOTE, at, "it names a directory of code".to_owned());
                scan.contents.capabilities.insert(Capability::RemoteCode);
            }
            // MLflow puts this directory on Python's path.
            "code" if self.name == "mlmodel" && !text.is_empty() && text != "null" => {
                scan.find(&rules::REMOTE, at, "it names code beside the model".to_owned());
                scan.contents.capabilities.insert(Capability::RemoteCode);
            }
            "pip" if in_list => requirements::requirement(text, at.unwrap_or_default(), scan),
            "dependencies" | "build_dependencies" | "requirements" | "packages" | "python_packages"
                if in_list && (text.contains("://") || text.contains('@')) =>
            {
                requirements::requirement(text, at.unwrap_or_default(), scan);
            }
            "channels" if in_list && text.contains("://") => {
                requirements::index(text, at.unwrap_or_default(), scan);
            }
            "chat_template" => jinja::inspect(text, at.unwrap_or_default(), scan),
            _ if text.contains("{{") || text.contains("{%") => names::template(text, at, scan),
            _ => {}
        }
    }
}

fn place(span: &Span) -> Option<u64> {
    span.start.byte_offset().map(|at| at as u64)
}

/// The switch by which loaders run what a model brings along, however it is spelled.
fn is_remote(text: &str) -> bool {
    let letters = text.chars().filter(|c| !matches!(c, '_' | '-')).map(|c| c.to_ascii_lowercase());
    text.len() < 64 && letters.eq("trustremotecode".chars())
}

fn is_false(text: &str) -> bool {
    ["", "~", "null", "none", "false", "no", "off", "0", "n"].contains(&&*text.to_ascii_lowercase())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{look, rules_in};
    use modelseal_core::inspection::Verdict;

    #[test]
    fn plain_configurations_are_clean() {
        for (name, text) in [
            (
                "a.yaml",
                "# c\nmodel:\n  lr: 1.0e-3\n  layers: [1, 2, {a: b}]\n--- \nsecond: &x {a: 1}\nthird: *x\n",
            ),
            (
                "a.yml",
                "model:\n  _target_: nemo.collections.asr.models.EncDecCTCModel\n  optim:\n    _target_: torch.optim.AdamW\n",
            ),
            ("MLmodel", "flavors:\n  python_function:\n    loader_module: mlflow.sklearn\n    code: null\n"),
            (
                "conda.yaml",
                "channels:\n- conda-forge\ndependencies:\n- python=3.9\n- pip:\n  - mlflow\n  - numpy==1.2\n",
            ),
            ("a.yaml", "x: !!float 1\ny: !!binary aGk=\nz: !!set {a, b}\nw: !!python/tuple [1, 2]\n"),
            ("a.yaml", "target: cpu\nchat_template: '{% for m in messages %}{{ m.content }}{% endfor %}'\n"),
            ("a.yaml", "a: &a {x: 1}\nb:\n  <<: *a\n  y: 2\n"),
        ] {
            let found = look(name, text.as_bytes());
            assert_eq!(
                (found.format, found.verdict()),
                (FileFormat::Yaml, Verdict::Clean),
                "{text}: {found:?}"
            );
        }
    }

    #[test]
    fn tags_of_python_are_judged_by_what_they_name() {
        for (text, rule) in [
            ("x: !!python/object/new:subprocess.Popen [['true']]", "YML001"),
            ("x: !!python/object/apply:os.system ['true']", "YML001"),
            ("x: !!python/name:os.system ''", "YML001"),
            ("x: !!python/module:subprocess ''", "YML001"),
            ("x: !<tag:yaml.org,2002:python/object/apply:os.system> ['true']", "YML001"),
            ("%TAG !p! tag:yaml.org,2002:python/\n---\nx: !p!object/apply:os.system ['true']", "YML001"),
            ("x: !!pytho%6e/object/apply:os.system ['true']", "YML001"),
            ("? !!python/object/apply:os.system ['true']\n: 1", "YML001"),
            ("- 1\n---\n- !!python/object/apply:os.system [x]", "YML001"),
            ("x: !!python/object:custom.Thing {}", "YML002"),
            ("x: !apply:os.system [x]", "YML001"),
            ("x: !new:custom.Thing [x]", "YML003"),
            ("x: !Secret y", "YML005"),
        ] {
            assert_eq!(rules_in(&look("a.yaml", text.as_bytes())), [rule], "{text}");
        }
    }

    #[test]
    fn cve_2025_23304_targets_of_hydra() {
        for (text, rule) in [
            ("model:\n  _target_: os.getcwd\n", "YML003"),
            ("model:\n  _target_: os.system\n", "YML001"),
            ("model: {_target_: subprocess.run, args: [x]}\n", "YML001"),
            ("model:\n- _target_: builtins.exec\n", "YML001"),
            ("model:\n  _target_: hydra.utils.get_method\n", "YML003"),
            ("model:\n  _target_: torch.hub.load\n", "YML003"),
            ("model:\n  _target_: nemo.core.os.system\n", "YML001"),
            ("model:\n  target: os.system\n", "YML001"),
            ("model:\n  class_path: evil.Thing\n", "YML003"),
        ] {
            assert_eq!(rules_in(&look("model_config.yaml", text.as_bytes())), [rule], "{text}");
        }
    }

    /// An archive as NeMo writes them.
    fn nemo(name: &str, config: &str) -> Vec<u8> {
        let mut header = vec![0; 512];
        header[..name.len()].copy_from_slice(name.as_bytes());
        header[100..107].copy_from_slice(b"0000644");
        header[124..135].copy_from_slice(format!("{:011o}", config.len()).as_bytes());
        header[156] = b'0';
        header[257..263].copy_from_slice(b"ustar\0");
        header[148..156].copy_from_slice(b"        ");
        let sum: u32 = header.iter().map(|&byte| u32::from(byte)).sum();
        header[148..155].copy_from_slice(format!("{sum:06o}\0").as_bytes());
        header.extend(config.as_bytes());
        header.resize(header.len().next_multiple_of(512) + 1024, 0);
        header
    }

    #[test]
    fn cve_2025_23249_nemo_configurations_that_run_code() {
        let good = nemo("model_config.yaml", "target: nemo.collections.asr.models.X\n");
        let found = look("a.nemo", &good);
        assert_eq!((found.format, found.verdict()), (FileFormat::Nemo, Verdict::Clean), "{found:?}");
        let tag = nemo("model_config.yaml", "x: !!python/object/apply:os.system [x]\n");
        assert_eq!(look("a.nemo", &tag).verdict(), Verdict::Malicious);
        let target = nemo("./model_config.yaml", "model: {_target_: os.system, command: x}\n");
        assert_eq!(look("a.nemo", &target).verdict(), Verdict::Malicious);
    }

    #[test]
    fn cve_2025_23250_nemo_members_that_leave_the_archive() {
        let found = look("a.nemo", &nemo("../../model_config.yaml", "a: b\n"));
        assert_eq!(rules_in(&found), ["TAR002"]);
    }

    #[test]
    fn what_yaml_shares_again_and_again_is_counted() {
        let mut text = "a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n".to_owned();
        for level in 1..12 {
            let before = level - 1;
            let row = vec![format!("*a{before}"); 10].join(", ");
            text.push_str(&format!("a{level}: &a{level} [{row}]\n"));
        }
        assert_eq!(rules_in(&look("a.yaml", text.as_bytes())), ["LIM061"]);
        assert_eq!(rules_in(&look("a.yaml", b"a: &a [*a]\n")), ["YML008"]);
        let deep = "[".repeat(100_000);
        assert_eq!(rules_in(&look("a.yaml", deep.as_bytes())), ["YML004"]);
    }

    #[test]
    fn what_is_no_yaml_is_told_and_searched() {
        assert_eq!(rules_in(&look("a.yaml", b"a: b: c: [\n")), ["YML004"]);
        assert_eq!(rules_in(&look("a.yaml", b"a: *b\n")), ["YML004"]);
        let hidden = b"a: [}\nb: !!python/object/apply:os.system [x]\n";
        assert_eq!(rules_in(&look("a.yaml", hidden)), ["YML001", "YML004"]);
        assert_eq!(look("a.yaml", b"{% if x %}\n- {{ a: b }}: [\n{% endif %}").verdict(), Verdict::Unknown);
    }

    #[test]
    fn code_beside_a_model_is_told() {
        assert_eq!(rules_in(&look("a.yaml", b"trust_remote_code: True\n")), ["YML007"]);
        let model = b"flavors:\n  python_function:\n    loader_module: evil_loader\n    code: code\n";
        assert_eq!(rules_in(&look("MLmodel", model)), ["YML003", "YML007"]);
        let packages =
            b"channels: [https://example.com/c]\ndependencies:\n- pip:\n  - git+https://example.com/x\n";
        assert_eq!(rules_in(&look("conda.yaml", packages)), ["REQ002", "REQ003"]);
    }

    #[test]
    fn aliases_are_what_they_stand_for() {
        for (text, rule) in [
            ("k: &a _target_\nx:\n  *a : os.system\n", "YML001"),
            ("k: &a os.system\nx:\n  _target_: *a\n", "YML001"),
            ("k: &a evil.X\nx:\n  _target_: *a\n", "YML003"),
            ("k: &a trust_remote_code\n*a : true\n", "YML007"),
            ("k: &a [x]\nx: {_target_: y.Z, *a : os.system}\n", "YML003"),
        ] {
            assert_eq!(rules_in(&look("a.yaml", text.as_bytes())), [rule], "{text}");
        }
    }

    #[test]
    fn keys_of_frameworks_are_judged() {
        for (text, rule) in [
            ("model:\n  target: evil.X\n  params: {a: 1}\n", "YML003"),
            ("model:\n  params: {a: 1}\n  target: evil.X\n", "YML003"),
            ("model:\n  _component_: evil.mod.X\n", "YML003"),
            ("model:\n  _component_: os.system\n", "YML001"),
            ("auto_map:\n  AutoModel: modeling.X\n", "YML007"),
            ("trust-remote-code: true\n", "YML007"),
            ("trustRemoteCode: 1\n", "YML007"),
            ("TRUST_REMOTE_CODE: 'True'\n", "YML007"),
            ("args: [--trust-remote-code]\n", "YML007"),
            ("backbone:\n  - [-1, 1, \"__import__('os').system('id')\", [64]]\n", "YML001"),
            ("head:\n- [-1, 1, \"getattr(torch,'hub').load('evil/x','m')\", [64]]\n", "YML003"),
            ("activation: __import__('x')\n", "YML001"),
            ("pipeline:\n- name: evil.mod.Comp\n", "YML003"),
            ("policies:\n- name: evil.Comp\n", "YML003"),
            ("common:\n  user_dir: /tmp/evil\n", "YML007"),
            ("imports:\n- $import os\n", "YML001"),
            ("run: $os.system('id')\n", "YML001"),
            ("run: $custom.make(1)\n", "YML003"),
            ("build_dependencies:\n- evil @ https://example.com/x\n", "REQ001"),
        ] {
            assert_eq!(rules_in(&look("a.yaml", text.as_bytes())), [rule], "{text}");
        }
        for text in [
            "model:\n  target: ldm.models.X\n  params: {a: 1}\n",
            "model:\n  _component_: torchtune.models.llama3.llama3_8b\n",
            "trust_remote_code: false\n",
            "nc: 80\nbackbone:\n  - [-1, 1, Conv, [64, 3, 2]]\n  - [-1, 1, nn.Upsample, [None, 2, nearest]]\nhead:\n  - [[17, 20], 1, Detect, [nc, anchors]]\n",
            "activation: nn.LeakyReLU(0.1)\n",
            "pipeline:\n- name: WhitespaceTokenizer\n- name: v1.0\n",
            "common:\n  user_dir: null\nhome: $HOME\npath: $(PATH)\nx: ${a.b}\n",
        ] {
            assert!(rules_in(&look("a.yaml", text.as_bytes())).is_empty(), "{text}");
        }
    }

    #[test]
    fn templates_in_yaml_are_looked_at() {
        let text = "chat_template:\n  \"{{ config.__class__.__init__.__globals__['os'].system('x') }}\"\n";
        let found = look("a.yaml", text.as_bytes());
        assert_eq!((found.verdict(), found.contents.templates), (Verdict::Malicious, 1), "{found:?}");
    }

    #[test]
    fn truncation_anywhere_is_read() {
        let text = "%YAML 1.1\n---\na: &x !!python/object/apply:os.system [*x, 'é']\n? b\n: |\n  text\n";
        for end in (0..text.len()).filter(|&end| text.is_char_boundary(end)) {
            look("a.yaml", &text.as_bytes()[..end]);
        }
    }
}
