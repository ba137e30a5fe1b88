//! What a model says about its own origin: `base_model` in the model card, `adapter_config.json`, `_name_or_path` in
//! `config.json`. Somebody wrote it, nobody proves it: it is compared with what provenance proves, and never stands for it.
//!
//! Pure functions over bytes. Whatever cannot be read is a note, because a model card is text by strangers.

use modelseal_core::{json::value::Value, limits::MAX_DECLARATION_BYTES, text::Printable};

/// The files that are read, at the top of a model.
pub(crate) const FILES: [&str; 3] = ["README.md", "adapter_config.json", "config.json"];

/// The front matter of a model card, in bytes. The longest real ones, with thousands of benchmark results, have some 500 KiB.
const MAX_FRONT_MATTER_BYTES: usize = 2 * 1024 * 1024;

/// Names of one kind in a model card.
const MAX_NAMES: usize = 1_000;

/// The longest name that is kept, in bytes: hubs allow 96 characters.
const MAX_NAME_BYTES: usize = 512;

/// What a model declares.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Declared {
    /// The models that it says it was made from.
    pub bases: Vec<DeclaredBase>,
    /// The names of the data that it says it was trained on.
    pub datasets: Vec<String>,
    /// What could not be read, or is not shown.
    pub notes: Vec<String>,
}

/// A model that another one says it was made from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DeclaredBase {
    /// Its name, as a hub knows it.
    pub id: String,
    /// How: `finetune`, `adapter`, `quantized`, `merge`, as the card says, or as the kind of file implies.
    pub relation: Option<String>,
    /// The revision, where one is named.
    pub revision: Option<String>,
    /// The file and the place in it, such as `README.md#/base_model`.
    pub place: String,
    /// Whether it is only what a library left behind, and nobody declared it.
    pub inferred: bool,
}

impl Declared {
    /// Reads what the files at the top of a model declare. `file` gives the bytes of a file of that name, or nothing when there
    /// is none.
    pub fn read(mut file: impl FnMut(&str) -> Option<Vec<u8>>) -> Self {
        let mut declared = Self::default();
        let [card, adapter, config] = FILES;
        if let Some(bytes) = file(card) {
            declared.card(&bytes);
        }
        if let Some(bytes) = file(adapter) {
            declared.adapter(&bytes);
        }
        if let Some(bytes) = file(config) {
            declared.config(&bytes);
        }
        declared
    }

    fn card(&mut self, bytes: &[u8]) {
        let matter = match front_matter(bytes) {
            Ok(Some(matter)) => matter,
            Ok(None) => return,
            Err(why) => return self.note("README.md", why),
        };
        let value = match read_yaml(matter) {
            Ok(value) => value,
            Err(why) => return self.note("README.md", &why),
        };
        let Some(members) = value.as_object() else {
            return self.note("README.md", "its front matter is no mapping");
        };
        let relation = members.get("base_model_relation").and_then(serde_json::Value::as_str);
        for (id, place) in self.names("base_model", members.get("base_model")) {
            self.bases.push(DeclaredBase {
                id,
                relation: relation.map(str::to_owned),
                revision: None,
                place,
                inferred: false,
            });
        }
        self.datasets =
            self.names("datasets", members.get("datasets")).into_iter().map(|(id, _)| id).collect();
    }

    fn adapter(&mut self, bytes: &[u8]) {
        let Some(value) = self.json("adapter_config.json", bytes) else { return };
        let text = |name: &str| value.get(name).and_then(Value::as_str).filter(|text| !text.is_empty());
        let Some(id) = text("base_model_name_or_path") else { return };
        if is_local_path(id) {
            return self
                .note("adapter_config.json", "names a local path as the base model, which is not shown");
        }
        let revision = text("revision").map(str::to_owned);
        match self.bases.iter_mut().find(|known| known.id == id) {
            Some(known) => {
                known.relation.get_or_insert_with(|| "adapter".to_owned());
                known.revision = revision;
            }
            None if id.len() <= MAX_NAME_BYTES => self.bases.push(DeclaredBase {
                id: id.to_owned(),
                relation: Some("adapter".to_owned()),
                revision,
                place: "adapter_config.json#/base_model_name_or_path".to_owned(),
                inferred: false,
            }),
            None => self.note("adapter_config.json", "names a base model that is longer than any name"),
        }
    }

    fn config(&mut self, bytes: &[u8]) {
        let Some(value) = self.json("config.json", bytes) else { return };
        let Some(id) = value.get("_name_or_path").and_then(Value::as_str).filter(|id| !id.is_empty()) else {
            return;
        };
        if is_local_path(id) {
            return self.note("config.json", "names a local path as the model's origin, which is not shown");
        }
        if id.len() <= MAX_NAME_BYTES && !self.bases.iter().any(|known| known.id == id) {
            self.bases.push(DeclaredBase {
                id: id.to_owned(),
                relation: None,
                revision: None,
                place: "config.json#/_name_or_path".to_owned(),
                inferred: true,
            });
        }
    }

    /// The texts of a field that holds one or a list of them, each with its place.
    fn names(&mut self, field: &str, value: Option<&serde_json::Value>) -> Vec<(String, String)> {
        use serde_json::Value as Json;
        let (one, list);
        let items: &[Json] = match value {
            None | Some(Json::Null) => return Vec::new(),
            Some(Json::Array(items)) => {
                list = items;
                list
            }
            Some(other) => {
                one = [other.clone()];
                &one
            }
        };
        if items.len() > MAX_NAMES {
            self.note(
                "README.md",
                &format!("{field} lists more than {MAX_NAMES} names; the others are left out"),
            );
        }
        let mut names: Vec<(String, String)> = Vec::new();
        for (at, item) in items.iter().take(MAX_NAMES).enumerate() {
            let place = match value {
                Some(Json::Array(_)) => format!("README.md#/{field}/{at}"),
                _ => format!("README.md#/{field}"),
            };
            match item.as_str().map(str::trim).filter(|id| !id.is_empty() && id.len() <= MAX_NAME_BYTES) {
                Some(id) if is_local_path(id) => {
                    self.note("README.md", &format!("{field} names a local path, which is not shown"));
                }
                Some(id) if names.iter().any(|(known, _)| known == id) => {}
                Some(id) => names.push((id.to_owned(), place)),
                None => self.note("README.md", &format!("{place} is no name, and is left out")),
            }
        }
        names
    }

    fn json(&mut self, file: &str, bytes: &[u8]) -> Option<Value> {
        match Value::parse(bytes, MAX_DECLARATION_BYTES) {
            Ok(value) => Some(value),
            Err(error) => {
                self.note(file, &error.to_string());
                None
            }
        }
    }

    fn note(&mut self, file: &str, why: &str) {
        if self.notes.len() < MAX_NAMES {
            self.notes.push(format!("{file}: {}", Printable(why)));
        }
    }
}

/// The name under which hubs know what `text` names, for comparing what was declared with what was proven: `acme/ranker` of
/// `pkg:huggingface/acme/ranker@1`, of `hf://huggingface.co/acme/ranker` and of `https://huggingface.co/acme/ranker/tree/main`.
/// Lower case; hubs do not tell cases apart.
pub(crate) fn hub_name(text: &str) -> Option<String> {
    let rest = ["pkg:huggingface/", "hf://huggingface.co/", "https://huggingface.co/", "https://hf.co/"]
        .into_iter()
        .find_map(|prefix| text.strip_prefix(prefix))
        .or_else(|| (!text.contains(':')).then_some(text))?;
    let rest = rest.strip_prefix("models/").or_else(|| rest.strip_prefix("datasets/")).unwrap_or(rest);
    let rest = rest.split(['@', '?', '#']).next().unwrap_or_default();
    let name: Vec<&str> = rest.split('/').take(2).collect();
    let name = name.join("/").to_lowercase();
    (!name.is_empty()).then_some(name)
}

/// The YAML between the first line `---` and the next.
fn front_matter(bytes: &[u8]) -> Result<Option<&str>, &'static str> {
    let bytes = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes);
    let is_fence = |line: &[u8]| line.trim_ascii_end() == b"---";
    let mut lines = bytes.split_inclusive(|byte| *byte == b'\n');
    let Some(first) = lines.next().filter(|line| is_fence(line)) else { return Ok(None) };
    let mut end = first.len();
    for line in lines {
        if is_fence(line) {
            let matter = std::str::from_utf8(&bytes[first.len()..end]);
            return matter.map(Some).map_err(|_| "its front matter is not UTF-8");
        }
        end += line.len();
        if end > MAX_FRONT_MATTER_BYTES {
            return Err("its front matter is longer than any model card's");
        }
    }
    Err("its front matter has no end")
}

/// One document of YAML within bounds, as strictly as JSON: no duplicate keys, and `no` is a string.
fn read_yaml(text: &str) -> Result<serde_json::Value, String> {
    let options = serde_saphyr::options! {
        budget: serde_saphyr::budget! {
            max_events: 400_000,
            max_nodes: 200_000,
            max_aliases: 100,
            max_anchors: 100,
            max_depth: 32,
            max_documents: 1,
        },
        strict_booleans: true,
    };
    serde_saphyr::from_str_with_options(text, options)
        .map_err(|error| error.to_string().lines().next().unwrap_or_default().to_owned())
}

/// Whether a name is where something lay on the machine of whoever made the model, which is nobody's business.
fn is_local_path(name: &str) -> bool {
    let drive = name.as_bytes().get(1) == Some(&b':');
    let url = name.contains("://");
    name.starts_with(['/', '~', '.', '\\'])
        || drive
        || name.contains('\\')
        || name.starts_with("file:")
        || (!url && name.matches('/').count() > 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn card(text: &str) -> Declared {
        Declared::read(|name| (name == "README.md").then(|| text.as_bytes().to_vec()))
    }

    fn ids(declared: &Declared) -> Vec<&str> {
        declared.bases.iter().map(|base| &*base.id).collect()
    }

    #[test]
    fn published_models_declare_what_their_list_of_facts_says() {
        let Some(samples) = std::env::var_os("MODELSEAL_SAMPLES") else {
            println!("skipped: MODELSEAL_SAMPLES is not set");
            return;
        };
        let root = std::path::Path::new(&samples).join("models-and-metadata");
        let expected = std::fs::read(root.join("expected.json")).unwrap();
        let expected: serde_json::Value = serde_json::from_slice(&expected).unwrap();
        let mut seen = 0;
        for (name, facts) in expected.as_object().unwrap().iter().filter(|(name, _)| !name.starts_with('_')) {
            let declared =
                Declared::read(|file| std::fs::read(root.join("models").join(name).join(file)).ok());
            let bases = facts["base_models"].as_array().unwrap();
            assert_eq!(declared.bases.len(), bases.len(), "{name}");
            for (base, wanted) in declared.bases.iter().zip(bases) {
                assert_eq!(base.id, wanted["id"], "{name}");
                assert_eq!(base.relation.as_deref().unwrap_or("unknown"), wanted["relation"], "{name}");
                assert_eq!(base.inferred, wanted["source"] == "config.json#/_name_or_path", "{name}");
            }
            assert_eq!(serde_json::json!(declared.datasets), facts["datasets"], "{name}");
            seen += 1;
        }
        assert_eq!(seen, 7);
    }

    #[test]
    fn one_name_and_a_list_of_names_are_read() {
        let one = card("---\nbase_model: acme/a\nbase_model_relation: finetune\n---\ntext");
        assert_eq!((ids(&one), one.bases[0].relation.as_deref()), (vec!["acme/a"], Some("finetune")));
        assert_eq!(one.bases[0].place, "README.md#/base_model");
        let many = card("---\nbase_model:\n- acme/a\n- acme/b\n- acme/a\n---\n");
        assert_eq!(ids(&many), ["acme/a", "acme/b"]);
        assert_eq!(many.bases[1].place, "README.md#/base_model/1");
        let odd =
            card("\u{feff}---\r\nlanguage: no\r\nbase_model: [{a: b}, no, 7]\r\ndatasets: no\r\n---\r\n");
        assert_eq!((ids(&odd), &*odd.datasets), (vec!["no"], &["no".to_owned()][..]));
        assert_eq!(odd.notes.len(), 2, "{:?}", odd.notes);
    }

    #[test]
    fn what_is_no_front_matter_declares_nothing() {
        for text in [
            "",
            "# title",
            "text\n---\nbase_model: a\n---\n",
            "---",
            "---\nbase_model: a\n",
            "---\n- a\n---\n",
        ] {
            assert_eq!(ids(&card(text)), [""; 0], "{text:?}");
        }
        assert!(card("---\nbase_model: a\nbase_model: b\n---\n").notes[0].contains("README.md"));
        // Aliases of aliases, and nesting, end within bounds.
        let mut bomb = "---\na0: &a0 [x,x,x,x,x,x,x,x,x,x]\n".to_owned();
        for n in 1..10 {
            bomb.push_str(&format!("a{n}: &a{n} [{}]\n", vec![format!("*a{}", n - 1); 10].join(",")));
        }
        let bomb = card(&format!("{bomb}base_model: a\n---\n"));
        assert_eq!((ids(&bomb).len(), bomb.notes.len()), (0, 1));
        let deep = format!("---\nbase_model: {}{}\n---\n", "[".repeat(5000), "]".repeat(5000));
        assert_eq!(card(&deep).notes.len(), 1);
    }

    #[test]
    fn configurations_are_declarations_and_hints() {
        let read = |adapter: &str, config: &str| {
            Declared::read(|name| match name {
                "adapter_config.json" => Some(adapter.as_bytes().to_vec()),
                "config.json" => Some(config.as_bytes().to_vec()),
                _ => None,
            })
        };
        let both =
            read(r#"{"base_model_name_or_path": "a/b", "revision": "abc"}"#, r#"{"_name_or_path": "a/b"}"#);
        assert_eq!(both.bases.len(), 1);
        let base = &both.bases[0];
        assert_eq!((base.relation.as_deref(), base.revision.as_deref()), (Some("adapter"), Some("abc")));
        for path in ["/srv/x/m", "./m", "../m", "~/m", "C:\\\\m", "a/b/c", "file:m"] {
            let local = read("{}", &format!(r#"{{"_name_or_path": "{path}"}}"#));
            assert_eq!((local.bases.len(), local.notes.len()), (0, 1), "{path}");
            assert!(!local.notes[0].contains(path), "{}", local.notes[0]);
        }
        let broken = read(r#"{"base_model_name_or_path": "a", "base_model_name_or_path": "b"}"#, "[");
        assert_eq!((broken.bases.len(), broken.notes.len()), (0, 2));
        assert!(read("{}", r#"{"_name_or_path": "c/d"}"#).bases[0].inferred);
    }

    #[test]
    fn names_of_one_model_are_compared_as_one() {
        for text in [
            "acme/Ranker",
            "pkg:huggingface/acme/ranker@276e",
            "hf://huggingface.co/acme/ranker",
            "https://huggingface.co/acme/ranker/tree/main",
        ] {
            assert_eq!(hub_name(text).as_deref(), Some("acme/ranker"), "{text}");
        }
        assert_eq!(hub_name("https://huggingface.co/datasets/acme/data").as_deref(), Some("acme/data"));
        for other in ["oci://ghcr.io/acme/ranker", "git+https://x/y", ""] {
            assert_eq!(hub_name(other), None, "{other}");
        }
    }
}
