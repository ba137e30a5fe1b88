//! What Python source names and calls, and whether that happens as soon as it is imported: in functions it waits until
//! they are called.

use super::{
    danger::{Danger, danger, leads},
    lexer::{Kind, Lexer, Token},
    words::{closing, colon, defers, dotted, is_attribute, is_from, kind, literal, opens},
};
use std::collections::{BTreeMap, BTreeSet, HashMap};

/// Names of each sort that are kept.
const MOST: usize = 256;
/// Calls in one another that are looked through: `getattr(getattr(…`.
const DEPTH: usize = 8;

/// Modules of which all names are worth asking for.
const STARS: &[&str] =
    &["os", "posix", "subprocess", "socket", "pty", "shutil", "ctypes", "builtins", "marshal", "pickle"];

/// What was found.
#[derive(Debug, Default)]
pub(super) struct Found {
    /// Modules that are imported.
    pub(super) imports: BTreeSet<String>,
    /// Where, and what is called on import that runs something.
    pub(super) runs: Vec<(u64, String)>,
    /// Where, and what else is named that reaches something.
    pub(super) reaches: Vec<(u64, String)>,
}

/// Looks at a whole source.
pub(super) fn analyse(text: &str) -> Found {
    let mut analysis = Analysis::default();
    analysis.read(text, 0, false, 0);
    analysis.found.runs.sort();
    analysis.found.reaches = analysis.reaches.into_iter().map(|(name, at)| (at, name)).collect();
    analysis.found.reaches.sort();
    analysis.found
}

#[derive(Default)]
struct Analysis {
    found: Found,
    reaches: BTreeMap<String, u64>,
    /// What local names stand for.
    aliases: HashMap<String, String>,
    /// Modules whose names were imported all together, of those that matter.
    stars: Vec<String>,
    /// What was thought of full names before: the same come again and again.
    judged: HashMap<String, Option<Danger>>,
}

/// A block that is open.
struct Block {
    indent: usize,
    /// Whether it runs later than on import.
    later: bool,
}

/// A name with all its attributes, and what follows.
struct Chain {
    /// Its full name, where it can be told.
    name: String,
    /// The token after it.
    next: usize,
    /// Whether it is called.
    called: bool,
    /// Whether what it begins with is a module, or a built-in name.
    known: bool,
}

impl Analysis {
    fn read(&mut self, text: &str, base: u64, later: bool, depth: usize) {
        let mut lexer = Lexer::new(text);
        let mut tokens = Vec::new();
        let mut blocks: Vec<Block> = Vec::new();
        while let Some(indent) = lexer.line(&mut tokens) {
            while blocks.last().is_some_and(|block| block.indent >= indent) {
                blocks.pop();
            }
            let outside = later || blocks.last().is_some_and(|block| block.later);
            // The body begins behind the header's colon, be it in the same line.
            let body = if defers(&tokens) { colon(&tokens) } else { None };
            if opens(&tokens) {
                blocks.push(Block { indent, later: outside || body.is_some() });
            }
            self.line(&tokens, base, outside, body.unwrap_or(usize::MAX), indent, depth);
        }
    }

    fn line(
        &mut self,
        tokens: &[Token<'_>],
        base: u64,
        outside: bool,
        body: usize,
        indent: usize,
        depth: usize,
    ) {
        let mut lambda = usize::MAX;
        let mut at = 0;
        while let Some(token) = tokens.get(at) {
            let place = base + token.at as u64;
            let later = outside || at > body.min(lambda);
            match token.kind {
                Kind::Name("import") => {
                    at = self.import(tokens, at + 1, place);
                    continue;
                }
                Kind::Name("from") if is_from(tokens, at) => {
                    at = self.import_from(tokens, at + 1, place);
                    continue;
                }
                Kind::Name("lambda") => lambda = lambda.min(at),
                Kind::Name("def" | "class") => {
                    // What is defined here is not what is built in.
                    if let (0, Some(Kind::Name(name))) = (indent, kind(tokens, at + 1)) {
                        self.aliases.insert(name.to_owned(), format!("<defined>.{name}"));
                    }
                    at += 2;
                    continue;
                }
                Kind::Name(_) if !is_attribute(tokens, at) => {
                    let chain = self.chain(tokens, at, 0);
                    if at == 0 {
                        self.assign(tokens, &chain);
                    }
                    self.judge(tokens, &chain, place, later);
                    // What is called may have something to say in its arguments.
                    at = if chain.called {
                        (at + 1).max(chain.next.min(at + 1))
                    } else {
                        chain.next.max(at + 1)
                    };
                    continue;
                }
                // `f'{os.system("x")}'` is code, too.
                Kind::Text(body, prefix) if prefix.contains(['f', 'F', 't', 'T']) && depth < DEPTH => {
                    let inner: String = body.split('{').skip(1).collect::<Vec<_>>().join(" ; ");
                    self.read(&inner.replace('}', " ; "), place, later, depth + 1);
                }
                Kind::Name(name) if leads(&format!(".{name}")) => self.reach(format!(".{name}"), place),
                _ => {}
            }
            at += 1;
        }
    }

    /// `import a.b as c, d`.
    fn import(&mut self, tokens: &[Token<'_>], mut at: usize, place: u64) -> usize {
        loop {
            let (module, next) = dotted(tokens, at);
            if module.is_empty() {
                return next.max(at);
            }
            at = next;
            let first = module.split('.').next().unwrap_or_default().to_owned();
            if kind(tokens, at) == Some(Kind::Name("as"))
                && let Some(Kind::Name(alias)) = kind(tokens, at + 1)
            {
                self.aliases.insert(alias.to_owned(), module.clone());
                at += 2;
            } else {
                self.aliases.insert(first.clone(), first);
            }
            self.imported(&module, place);
            if kind(tokens, at) != Some(Kind::Op(',')) {
                return at;
            }
            at += 1;
        }
    }

    /// `from a.b import c as d, e`.
    fn import_from(&mut self, tokens: &[Token<'_>], at: usize, place: u64) -> usize {
        let mut start = at;
        while kind(tokens, start) == Some(Kind::Op('.')) {
            start += 1;
        }
        let (mut module, mut at) = dotted(tokens, start);
        // What is imported from beside the file is looked at for itself.
        let local =
            at > start && start > 0 && kind(tokens, start - 1) == Some(Kind::Op('.')) || module.is_empty();
        if local {
            module = format!("<local>.{module}");
        } else {
            self.imported(&module, place);
        }
        if kind(tokens, at) != Some(Kind::Name("import")) {
            return at;
        }
        at += 1;
        while let Some(next) = kind(tokens, at) {
            match next {
                Kind::Op('(' | ')' | ',') => {}
                Kind::Op('*') if STARS.contains(&&*module) && !self.stars.contains(&module) => {
                    self.stars.push(module.clone());
                }
                Kind::Op('*') => {}
                Kind::Name(name) => {
                    let full = format!("{module}.{name}");
                    let mut alias = name;
                    if kind(tokens, at + 1) == Some(Kind::Name("as"))
                        && let Some(Kind::Name(other)) = kind(tokens, at + 2)
                    {
                        alias = other;
                        at += 2;
                    }
                    self.aliases.insert(alias.to_owned(), full);
                }
                _ => return at,
            }
            at += 1;
        }
        at
    }

    fn imported(&mut self, module: &str, place: u64) {
        if self.found.imports.len() < MOST {
            self.found.imports.insert(module.to_owned());
        }
        // Modules that are of no use but to run something.
        let first = module.split('.').next().unwrap_or_default();
        if matches!(
            first,
            "subprocess" | "pty" | "ctypes" | "socket" | "marshal" | "importlib" | "runpy" | "pickle"
        ) {
            self.reach(module.to_owned(), place);
        }
    }

    /// `run = os.system`: another name for it.
    fn assign(&mut self, tokens: &[Token<'_>], target: &Chain) {
        if target.called || target.next != 1 || kind(tokens, 1) != Some(Kind::Op('=')) {
            return;
        }
        let Some(Kind::Name(name)) = kind(tokens, 0) else { return };
        let value = self.chain(tokens, 2, 0);
        let ends = matches!(kind(tokens, value.next), None | Some(Kind::Op(';')));
        if value.known && ends && self.aliases.len() < 100_000 {
            self.aliases.insert(name.to_owned(), value.name);
        } else {
            self.aliases.remove(name);
        }
    }

    /// Reads a name and what follows it: `a.b`, `getattr(a, 'b')`, `__import__('a').b`, `sys.modules['a'].b`.
    fn chain(&mut self, tokens: &[Token<'_>], start: usize, depth: usize) -> Chain {
        let Some(Kind::Name(root)) = kind(tokens, start) else {
            return Chain { name: String::new(), next: start, called: false, known: false };
        };
        let builtin = matches!(
            root,
            "eval"
                | "exec"
                | "execfile"
                | "compile"
                | "open"
                | "getattr"
                | "setattr"
                | "globals"
                | "vars"
                | "input"
                | "breakpoint"
                | "__import__"
                | "__builtins__"
                | "__loader__"
                | "__spec__"
        );
        let (mut name, mut known) = match self.aliases.get(root) {
            Some(full) => (full.clone(), true),
            None if builtin => (root.to_owned(), true),
            None => {
                let stars: Vec<String> = self.stars.iter().map(|module| format!("{module}.{root}")).collect();
                match stars.into_iter().find(|name| self.danger(name).is_some()) {
                    Some(full) => (full, true),
                    None => (root.to_owned(), false),
                }
            }
        };
        let mut at = start + 1;
        loop {
            let text = || literal(tokens, at + 1);
            match kind(tokens, at) {
                Some(Kind::Op('.')) => match kind(tokens, at + 1) {
                    Some(Kind::Name(part)) => {
                        at += 2;
                        attribute(&mut name, part);
                    }
                    _ => break,
                },
                Some(Kind::Op('(')) => {
                    let call = name.rsplit('.').next().unwrap_or_default();
                    match (call, text()) {
                        ("__import__" | "import_module", Some((module, next))) => {
                            let Some(end) = closing(tokens, next) else { break };
                            (name, known, at) = (module, true, end);
                        }
                        ("getattr", _) if name == "getattr" && depth < DEPTH => {
                            let object = self.chain(tokens, at + 1, depth + 1);
                            let comma = kind(tokens, object.next) == Some(Kind::Op(','));
                            let part = literal(tokens, object.next + 1);
                            let (true, true, Some((part, next))) = (object.known, comma, part) else { break };
                            let Some(end) = closing(tokens, next) else { break };
                            (name, known, at) = (object.name, true, end);
                            attribute(&mut name, &part);
                        }
                        ("globals" | "vars" | "locals", None)
                            if kind(tokens, at + 1) == Some(Kind::Op(')')) =>
                        {
                            at += 2;
                        }
                        _ => break,
                    }
                }
                Some(Kind::Op('[')) => {
                    let tables = ["modules", "__dict__", "__builtins__", "globals", "vars", "locals"];
                    let last = name.rsplit('.').next().unwrap_or_default();
                    let (true, Some((part, next))) = (tables.contains(&last), text()) else { break };
                    if kind(tokens, next) != Some(Kind::Op(']')) {
                        break;
                    }
                    at = next + 1;
                    let above = name.rsplit_once('.').map_or("", |(above, _)| above).to_owned();
                    name = match last {
                        "__dict__" => format!("{above}.{part}"),
                        "globals" | "vars" | "locals" => self.aliases.get(&part).cloned().unwrap_or(part),
                        _ => part,
                    };
                    known = true;
                }
                _ => break,
            }
        }
        let called = kind(tokens, at) == Some(Kind::Op('('));
        let name =
            name.strip_prefix("builtins.").or(name.strip_prefix("__builtins__.")).unwrap_or(&name).to_owned();
        Chain { name, next: at, called, known }
    }

    fn judge(&mut self, tokens: &[Token<'_>], chain: &Chain, place: u64, later: bool) {
        if !chain.known {
            if leads(&chain.name) {
                self.reach(chain.name.clone(), place);
            }
            return;
        }
        match self.danger(&chain.name) {
            Some(Danger::Runs) => {
                // `exec(open('version.py').read())` is how honest set-ups read their version; it is still something to see.
                let own_file = chain.name == "exec"
                    && (1..=2).any(|n| kind(tokens, chain.next + n) == Some(Kind::Name("open")));
                if chain.called && !later && !own_file {
                    if self.found.runs.len() < MOST {
                        self.found.runs.push((place, chain.name.clone()));
                    }
                } else {
                    self.reach(chain.name.clone(), place);
                }
            }
            Some(Danger::Reaches) => self.reach(chain.name.clone(), place),
            None => {}
        }
    }

    fn danger(&mut self, name: &str) -> Option<Danger> {
        if let Some(known) = self.judged.get(name) {
            return *known;
        }
        let judged = danger(name);
        self.judged.insert(name.to_owned(), judged);
        judged
    }

    fn reach(&mut self, name: String, place: u64) {
        if self.reaches.len() < MOST {
            self.reaches.entry(name).or_insert(place);
        }
    }
}

/// A long chain of attributes says no more than its beginning and its end.
fn attribute(name: &mut String, part: &str) {
    if name.len() + part.len() > 400 {
        name.truncate(name.char_indices().nth(100).map_or(name.len(), |(at, _)| at));
        name.push_str(".…");
    }
    name.push('.');
    name.extend(part.chars().take(200));
}

#[cfg(test)]
mod tests {
    use super::*;

    fn runs(text: &str) -> Vec<String> {
        analyse(text).runs.into_iter().map(|(_, name)| name).collect()
    }

    #[test]
    fn what_runs_on_import_is_found_whatever_it_is_called() {
        for (text, name) in [
            ("import os\nos.system('x')", "os.system"),
            ("import os as o; o.system('x')", "os.system"),
            ("from os import system as s\ns('x')", "os.system"),
            ("from os import (\n  path,\n  popen)\npopen('x')", "os.popen"),
            ("from os import *\nsystem('x')", "os.system"),
            ("import os\nrun = os.system\nrun('x')", "os.system"),
            ("__import__('os').system('x')", "os.system"),
            ("__import__('o' + 's').system('x')", "os.system"),
            ("__import__('\\x6fs').system('x')", "os.system"),
            ("import importlib\nimportlib.import_module('os').system('x')", "os.system"),
            ("import os\ngetattr(os, 'sys' 'tem')('x')", "os.system"),
            ("getattr(__import__('os'), 'system')('x')", "os.system"),
            ("import sys\nsys.modules['os'].system('x')", "os.system"),
            ("import os\nos.__dict__['system']('x')", "os.system"),
            ("import builtins\nbuiltins.exec('x')", "exec"),
            ("__builtins__['eval']('x')", "eval"),
            ("import shutil\nshutil.os.system('x')", "shutil.os.system"),
            ("import numpy as np\nx = [np.os.system('x')]", "numpy.os.system"),
            ("exec('x')", "exec"),
            ("class A:\n    x = eval('1')", "eval"),
            ("if True:\n    try:\n        eval('1')\n    finally: pass", "eval"),
            ("def f(x=eval('1')): pass", "eval"),
            ("@eval('x')\ndef f(): pass", "eval"),
            ("x = f'{eval(1)}'", "eval"),
            ("print(eval('1'))", "eval"),
            ("def f():\n    pass\neval('1')", "eval"),
            ("import subprocess\nsubprocess.run(['x'])", "subprocess.run"),
            ("import requests\nrequests.get('x')", "requests.get"),
            ("if __name__ != '__main__':\n    eval('1')", "eval"),
        ] {
            assert_eq!(runs(text), [name], "{text}");
        }
    }

    #[test]
    fn what_runs_later_is_not_said_to_run_on_import() {
        for text in [
            "import os\ndef f():\n    os.system('x')\n    if x:\n        os.system('y')\n",
            "import os\ndef f(): os.system('x')\n",
            "import os\nclass A:\n    async def f(self):\n        os.system('x')\n",
            "import os\nif __name__ == '__main__':\n    os.system('x')\n",
            "import os, sys\nif sys.platform != 'x' and __name__ == \"__main__\":\n    os.system('x')\n",
            "import os\nf = lambda: os.system('x')\n",
        ] {
            let found = analyse(text);
            assert!(found.runs.is_empty(), "{text}: {found:?}");
            assert_eq!(
                found.reaches.iter().map(|(_, name)| name.as_str()).collect::<Vec<_>>(),
                ["os.system"]
            );
        }
    }

    #[test]
    fn names_of_others_are_left_alone() {
        for text in [
            "model.eval()\nself.exec(1)\nre.compile('x')",
            "code = []\ncode.append(1)\ncommands = {}\ncommands.get(1)",
            "def eval(x): pass\neval(1)",
            "import os\nx = os.path.join('a', 'b')\ny = os.environ.get('z')",
            "'os.system(1)' # os.system(1)",
            "from .os import system\nsystem(1)",
        ] {
            let found = analyse(text);
            assert!(found.runs.is_empty() && found.reaches.is_empty(), "{text}: {found:?}");
        }
    }

    #[test]
    fn what_leads_everywhere_is_named() {
        let found = analyse("().__class__.__base__.__subclasses__()\nx.__globals__['os']");
        assert_eq!(found.reaches.len(), 3, "{found:?}");
    }

    #[test]
    fn imports_are_listed() {
        let found = analyse("import a.b, c as d\nfrom e.f import g\nfrom . import h\nraise X from y");
        assert_eq!(found.imports.into_iter().collect::<Vec<_>>(), ["a.b", "c", "e.f"]);
    }

    #[test]
    fn nothing_takes_long() {
        for piece in
            ["getattr(", "a.", "(", "f'{", "from ", "import a,", "x=", "'' + ", "__import__('a').", ":"]
        {
            analyse(&piece.repeat(100_000 / piece.len()));
        }
    }
}
