//! [`Parser`]: follows a template's tags and expressions as Jinja does, and sees what is asked of Python's objects.

use super::{
    known::{self, has},
    lexer::{Broken, Piece, Token},
    rules,
    value::{Value, is_underscore},
};
use crate::{limits, rule::Rule};
use modelseal_core::inspection::RuleId;
use std::collections::{HashMap, HashSet};

/// Something that was found, and where.
pub(super) struct Seen {
    pub(super) rule: &'static Rule,
    pub(super) at: usize,
    pub(super) what: String,
}

/// What the template's own names can be. Where a name is set does not matter, so that loops and macros need not be
/// followed in their order.
pub(super) type Names = HashMap<String, Value>;

pub(super) struct Parser<'p> {
    pieces: &'p [Piece],
    at: usize,
    depth: usize,
    /// Names that the template sets, also `.name` of namespaces and `name()` of macros.
    pub(super) names: Names,
    /// Whether values that still change are no longer followed.
    widen: bool,
    pub(super) seen: Vec<Seen>,
    told: HashSet<(RuleId, String)>,
    open: Vec<Open>,
}

/// A tag whose end has not come.
struct Open {
    tag: &'static str,
    /// The name that gets what is written within it.
    into: Option<String>,
    written: Value,
    /// How often it is gone through, where that is known, together with those around it.
    times: i64,
}

type Parsed<T> = Result<T, Broken>;

impl<'p> Parser<'p> {
    pub(super) fn new(pieces: &'p [Piece], names: Names, widen: bool) -> Self {
        Self {
            pieces,
            at: 0,
            depth: 0,
            names,
            widen,
            seen: Vec::new(),
            told: HashSet::new(),
            open: Vec::new(),
        }
    }

    /// Follows the whole template.
    pub(super) fn run(&mut self) -> Parsed<()> {
        while let Some(piece) = self.pieces.get(self.at) {
            self.at += 1;
            match &piece.token {
                Token::Data(text) => self.write(&Value::text(text)),
                Token::PrintBegin => {
                    let value = self.list()?;
                    self.write(&value);
                    self.want(&Token::PrintEnd)?;
                }
                Token::TagBegin => {
                    self.tag()?;
                    self.want(&Token::TagEnd)?;
                }
                _ => return Err(Broken { what: "a tag was expected", at: piece.at }),
            }
        }
        match self.open.last() {
            None => Ok(()),
            Some(_) => Err(self.broken("a tag is not closed")),
        }
    }

    fn tag(&mut self) -> Parsed<()> {
        let at = self.place();
        let name = self.name()?;
        if let Some(tag) = name.strip_prefix("end") {
            let open = self.open.pop().ok_or(Broken { what: "an end has no beginning", at })?;
            if open.tag != tag {
                return Err(Broken { what: "an end has another beginning", at });
            }
            let repeats = matches!(tag, "for" | "if" | "filter" | "call" | "block");
            let written =
                if repeats && open.written.is_text() { open.written.blurred() } else { open.written };
            match open.into {
                Some(into) => self.set(&into, &written),
                None => self.write(&written),
            }
            // The name of a block may follow.
            if tag == "block" && matches!(self.peek(), Some(Token::Name(_))) {
                self.at += 1;
            }
            return Ok(());
        }
        let Some(&(tag, _)) = known::TAGS.iter().find(|(tag, _)| *tag == name) else {
            let what = format!("the tag '{name}', which loaders do not know");
            self.find(&rules::UNKNOWN_CALL, at, what);
            return self.skip_tag();
        };
        let mut into = None;
        let mut times = self.open.last().map_or(1, |open| open.times);
        match tag {
            "for" => {
                let targets = self.targets()?;
                self.want_name("in")?;
                let value = self.iterated()?;
                if let Some(count) = value.int.filter(|count| *count > 1) {
                    times = times.saturating_mul(count);
                    if times > limits::JINJA_RANGE {
                        self.find(&rules::WORK, at, format!("loops that go round {times} times"));
                    }
                }
                // Several names take the items of an item.
                let item = if targets.len() > 1 { value.part().part() } else { value.part() };
                for target in &targets {
                    self.set(target, &item);
                }
                self.set("loop", &Value::default());
                self.eat_name("recursive");
            }
            "if" | "elif" | "print" | "do" | "autoescape" => {
                self.list()?;
            }
            "else" | "break" | "continue" | "generation" => {}
            "set" => {
                let targets = self.targets()?;
                if !self.eat("=") {
                    // What is written up to the end is the value.
                    let mut value = Value::default();
                    while self.eat("|") {
                        value = self.filter(value)?;
                    }
                    let into = targets.first().cloned();
                    self.open.push(Open { tag, into, written: Value::default(), times });
                    if value.is_text() {
                        self.write(&value);
                    }
                    return Ok(());
                }
                let mut value = self.list()?;
                if targets.len() > 1 {
                    value = value.part();
                }
                for target in &targets {
                    self.set(target, &value);
                }
            }
            "with" => {
                while let Some(Token::Name(_)) = self.peek() {
                    let target = self.name()?;
                    self.want_op("=")?;
                    let value = self.expression()?;
                    self.set(&target, &value);
                    if !self.eat(",") {
                        break;
                    }
                }
            }
            "macro" => {
                let name = self.name()?;
                self.parameters(&name)?;
                into = Some(format!("{name}()"));
            }
            "call" => {
                if self.peek() == Some(&Token::Op("(")) {
                    self.parameters("caller")?;
                }
                let value = self.expression()?;
                self.write(&value);
                into = Some("caller()".to_owned());
            }
            "filter" => {
                let value = self.filter(Value::default())?;
                self.write(&value);
                while self.eat("|") {
                    self.filter(Value::default())?;
                }
            }
            "block" => {
                self.name()?;
                while let Some(Token::Name(_)) = self.peek() {
                    self.at += 1;
                }
            }
            _ => {
                self.find(&rules::INCLUDE, at, format!("the tag '{tag}'"));
                return self.skip_tag();
            }
        }
        if known::TAGS.iter().any(|(known, ends)| *known == tag && *ends) {
            self.open.push(Open { tag, into, written: Value::default(), times });
        }
        Ok(())
    }

    /// The names of `for` and `set`: `a, b` or `a.b`.
    fn targets(&mut self) -> Parsed<Vec<String>> {
        let (mut targets, mut roots) = (Vec::new(), Vec::new());
        loop {
            let nested = self.eat("(");
            let mut target = self.name()?;
            while self.eat(".") {
                let at = self.place();
                let attribute = self.name()?;
                self.attribute(&attribute, at);
                // What is read of the whole namespace, too.
                roots.push(std::mem::replace(&mut target, format!(".{attribute}")));
            }
            targets.push(target);
            while nested && self.eat(",") {
                targets.push(self.name()?);
            }
            if nested {
                self.want_op(")")?;
            }
            if !self.eat(",") || matches!(self.peek(), Some(Token::Name(name)) if name == "in") {
                targets.append(&mut roots);
                return Ok(targets);
            }
        }
    }

    /// What a loop goes over, with its condition.
    fn iterated(&mut self) -> Parsed<Value> {
        // A condition belongs to the loop, so that this is no expression with `if`.
        let mut value = self.binary(0)?;
        if self.peek() == Some(&Token::Op(",")) {
            while self.eat(",") {
                let next = self.binary(0)?;
                value = value.or(&next);
            }
            value = value.within();
        }
        if self.eat_name("if") {
            self.expression()?;
        }
        Ok(value)
    }

    fn parameters(&mut self, name: &str) -> Parsed<()> {
        let given = self.names.get(&format!("{name}(")).cloned().unwrap_or_default();
        self.want_op("(")?;
        while !self.eat(")") {
            let parameter = self.name()?;
            let value = if self.eat("=") { self.expression()? } else { Value::default() };
            self.set(&parameter, &given.clone().or(&value));
            if !self.eat(",") {
                self.want_op(")")?;
                break;
            }
        }
        self.set("varargs", &given);
        self.set("kwargs", &given);
        self.set(&format!("{name}()"), &Value::default());
        Ok(())
    }

    /// One or more expressions with commas between them.
    fn list(&mut self) -> Parsed<Value> {
        let mut value = self.expression()?;
        if self.peek() != Some(&Token::Op(",")) {
            return Ok(value);
        }
        while self.eat(",") {
            if matches!(self.peek(), Some(Token::PrintEnd | Token::TagEnd | Token::Op(")")) | None) {
                break;
            }
            let next = self.expression()?;
            value = value.or(&next);
        }
        Ok(value.within())
    }

    fn expression(&mut self) -> Parsed<Value> {
        let mut value = self.binary(0)?;
        while self.eat_name("if") {
            self.binary(0)?;
            if self.eat_name("else") {
                let other = self.binary(0)?;
                value = value.or(&other);
            }
        }
        Ok(value)
    }

    /// An expression of operators that bind at least as strongly as `least`.
    fn binary(&mut self, least: u8) -> Parsed<Value> {
        self.depth += 1;
        if self.depth > limits::JINJA_DEPTH {
            return Err(self.broken("expressions lie in one another too deep"));
        }
        let mut left = self.unary()?;
        loop {
            let at = self.place();
            let Some((op, strength)) = self.operator() else { break };
            if strength < least {
                break;
            }
            self.at += if op == "not in" { 2 } else { 1 };
            let right = self.binary(strength + 1)?;
            left = self.combine(op, &left, &right, at);
        }
        self.depth -= 1;
        Ok(left)
    }

    fn operator(&self) -> Option<(&'static str, u8)> {
        Some(match self.peek()? {
            Token::Name(name) => match name.as_str() {
                "or" => ("or", 1),
                "and" => ("and", 2),
                "in" => ("in", 3),
                "not" if matches!(self.pieces.get(self.at + 1)?.token, Token::Name(ref next) if next == "in") => {
                    ("not in", 3)
                }
                _ => return None,
            },
            Token::Op(op @ ("==" | "!=" | "<" | ">" | "<=" | ">=")) => (op, 3),
            Token::Op(op @ ("+" | "-")) => (op, 4),
            Token::Op("~") => ("~", 5),
            Token::Op(op @ ("*" | "/" | "//" | "%")) => (op, 6),
            Token::Op("**") => ("**", 7),
            _ => return None,
        })
    }

    fn combine(&mut self, op: &str, left: &Value, right: &Value, at: usize) -> Value {
        let ints = left.int.zip(right.int);
        match op {
            "or" | "and" => left.clone().or(right),
            "~" => left.then(right),
            "+" if left.is_text() || right.is_text() => left.then(right),
            "+" => ints.map_or_else(Value::default, |(a, b)| Value::int(a.saturating_add(b))),
            "-" => ints.map_or_else(Value::default, |(a, b)| Value::int(a.saturating_sub(b))),
            "*" | "**" => {
                let value = match ints {
                    Some((a, b)) if op == "*" => Value::int(a.saturating_mul(b)),
                    Some((a, b)) => Value::int(a.saturating_pow(u32::try_from(b).unwrap_or(u32::MAX))),
                    None if left.is_text() || right.is_text() => left.clone().or(right).blurred(),
                    None => Value::default(),
                };
                let times = [left.int, right.int, value.int].into_iter().flatten().max();
                if let Some(times) = times.filter(|times| *times > limits::JINJA_RANGE) {
                    self.find(&rules::WORK, at, format!("a product with {times}"));
                }
                value
            }
            "%" if left.is_text() => self.percent(left, right),
            _ => Value::default(),
        }
    }

    /// Formatting with `%`, which reads no attributes but can make letters of numbers.
    fn percent(&mut self, left: &Value, right: &Value) -> Value {
        let letters = left.built || left.texts.iter().any(|text| text.contains('c') && text.contains('%'));
        let mut value = left.clone().or(right).blurred();
        value.underscore |= letters;
        value
    }

    fn unary(&mut self) -> Parsed<Value> {
        let (mut negative, mut not) = (false, false);
        loop {
            if self.eat_name("not") {
                not = true;
            } else if self.eat("-") {
                negative = !negative;
            } else if !self.eat("+") {
                break;
            }
        }
        if not {
            // It binds weaker than comparisons.
            self.binary(3)?;
            return Ok(Value::default());
        }
        let value = self.primary()?;
        let mut value = self.postfix(value)?;
        if negative {
            value.int = value.int.map(i64::saturating_neg);
        }
        Ok(value)
    }

    fn primary(&mut self) -> Parsed<Value> {
        let at = self.place();
        let piece = self.pieces.get(self.at).ok_or_else(|| self.broken("an expression was expected"))?;
        self.at += 1;
        Ok(match &piece.token {
            Token::Text(text) => {
                let mut text = text.clone();
                while let Some(Token::Text(next)) = self.peek() {
                    text.push_str(next);
                    self.at += 1;
                }
                Value::text(&text)
            }
            Token::Int(number) => Value::int(*number),
            Token::Float => Value::default(),
            Token::Name(name) => self.named(name, at),
            Token::Op("(") => {
                let value =
                    if self.peek() == Some(&Token::Op(")")) { Value::default() } else { self.list()? };
                self.want_op(")")?;
                value
            }
            Token::Op("[") => self.items("]")?,
            Token::Op("{") => self.items("}")?,
            _ => return Err(Broken { what: "an expression was expected", at }),
        })
    }

    /// What a list or a mapping holds.
    fn items(&mut self, end: &'static str) -> Parsed<Value> {
        let mut value = Value::default();
        while !self.eat(end) {
            let item = self.expression()?;
            value = value.or(&item);
            if end == "}" {
                self.want_op(":")?;
                let item = self.expression()?;
                value = value.or(&item);
            }
            if !self.eat(",") {
                self.want_op(end)?;
                break;
            }
        }
        Ok(value.within())
    }

    fn named(&mut self, name: &str, at: usize) -> Value {
        let called = self.peek() == Some(&Token::Op("("));
        if let Some(value) = self.names.get(name) {
            return value.clone();
        }
        let own = called && self.names.contains_key(&format!("{name}()"));
        if own {
        } else if name.starts_with("__") && name.ends_with("__") {
            self.find(&rules::ESCAPE, at, format!("the name '{name}'"));
        } else if has(known::OBJECTS, name) {
            let used = matches!(self.peek(), Some(Token::Op("(" | "." | "[")));
            // Jinja's own helpers do no harm while they are only called.
            let helper = matches!(name, "cycler" | "joiner") && called;
            let rule = if used && !helper { &rules::OBJECT } else { &rules::UNKNOWN_CALL };
            self.find(rule, at, format!("the name '{name}', which leads out of the template"));
        } else if called && has(known::BUILTINS, name) {
            self.find(&rules::OBJECT, at, format!("Python's function '{name}'"));
        } else if called && !has(known::FUNCTIONS, name) {
            self.find(&rules::UNKNOWN_CALL, at, format!("the function '{name}', which loaders do not give"));
        }
        Value::default()
    }

    /// Attributes, subscripts, calls, filters and tests.
    fn postfix(&mut self, mut value: Value) -> Parsed<Value> {
        // The name before, for calls.
        let mut root = None;
        let mut called = match self.at.checked_sub(1).and_then(|at| self.pieces.get(at)) {
            Some(Piece { token: Token::Name(name), .. }) => {
                root = Some(name);
                Callee::Function(name.clone())
            }
            _ => Callee::Other,
        };
        loop {
            let at = self.place();
            if self.eat(".") {
                if let Some(Token::Int(_)) = self.peek() {
                    self.at += 1;
                    called = Callee::Other;
                    continue;
                }
                let name = self.name()?;
                let is_called = self.peek() == Some(&Token::Op("("));
                if self.attribute(&name, at) && is_called && !has(known::METHODS, &name) && !is_format(&name)
                {
                    let bad = has(known::CALLS, &name);
                    let rule = if bad { &rules::ESCAPE } else { &rules::UNKNOWN_CALL };
                    self.find(rule, at, format!("the method '{name}'"));
                }
                if !is_called {
                    value = value.item();
                    if let Some(set) = self.names.get(&format!(".{name}")) {
                        value = value.or(set);
                    }
                }
                called = Callee::Method(name);
            } else if self.eat("[") {
                value = self.subscript(value, at)?;
                called = Callee::Other;
            } else if self.eat("(") {
                value = self.call(&called, value, root, at)?;
                called = Callee::Other;
            } else if self.eat("|") {
                value = self.filter(value)?;
                called = Callee::Other;
            } else if self.eat_name("is") {
                self.test()?;
                value = Value::default();
                called = Callee::Other;
            } else {
                return Ok(value);
            }
        }
    }

    fn subscript(&mut self, value: Value, at: usize) -> Parsed<Value> {
        let mut slice = false;
        let mut key = Value::default();
        loop {
            if self.eat("]") {
                break;
            }
            if self.eat(":") {
                slice = true;
            } else if self.eat(",") {
            } else {
                let part = self.expression()?;
                key = if key == Value::default() { part } else { key.or(&part) };
            }
        }
        if !slice {
            self.key(&key, at);
        }
        let mut found = if key.texts.is_empty() { value.part() } else { value.item() };
        for text in &key.texts {
            if let Some(set) = self.names.get(&format!(".{text}")) {
                found = found.or(set);
            }
        }
        Ok(found)
    }

    fn call(&mut self, called: &Callee, value: Value, root: Option<&String>, at: usize) -> Parsed<Value> {
        let given = self.arguments()?;
        let all = given.all();
        Ok(match called {
            Callee::Function(name) => {
                if name == "range" || name == "lipsum" {
                    let most = given.values.iter().filter_map(|(_, value)| value.int).max();
                    if let Some(most) = most.filter(|most| *most > limits::JINJA_RANGE) {
                        self.find(&rules::WORK, at, format!("{name} of {most}"));
                    }
                    return Ok(Value { int: most, ..Value::default() });
                }
                if matches!(name.as_str(), "namespace" | "dict") {
                    for (key, value) in &given.values {
                        if let Some(key) = key {
                            self.set(&format!(".{key}"), value);
                        }
                    }
                    return Ok(given.keys().or(&all).within());
                }
                if self.names.contains_key(&format!("{name}()")) {
                    self.set(&format!("{name}("), &all);
                    return Ok(self.names.get(&format!("{name}()")).cloned().unwrap_or_default());
                }
                if self.names.contains_key(name) && name != "loop" && name != "caller" {
                    self.find(&rules::UNKNOWN_CALL, at, format!("a call of '{name}', which is a value"));
                }
                if value.is_text() || all.is_text() { value.or(&all).blurred() } else { Value::default() }
            }
            Callee::Method(name) if is_format(name) => {
                self.format(name, &value, at);
                value.or(&all).blurred()
            }
            Callee::Method(name) => match name.as_str() {
                "get" | "setdefault" | "pop" => {
                    if let Some((_, key)) = given.values.first() {
                        self.key(key, at);
                    }
                    let rest: Vec<&Value> = given.values.iter().skip(1).map(|(_, value)| value).collect();
                    rest.into_iter().fold(value.part(), |value, other| value.or(other))
                }
                "replace" | "join" | "removeprefix" | "removesuffix" | "center" | "ljust" | "rjust" => {
                    if value.is_text() || all.is_text() {
                        value.or(&all).letters()
                    } else {
                        value
                    }
                }
                "lower" | "casefold" => value.map(str::to_lowercase),
                "upper" => value.map(str::to_uppercase),
                "items" => value.within(),
                "keys" | "values" | "copy" => value,
                "append" | "extend" | "insert" | "update" => {
                    for (key, value) in &given.values {
                        if let Some(key) = key {
                            self.set(&format!(".{key}"), value);
                        }
                    }
                    if let Some(root) = root.filter(|_| all.is_text()) {
                        self.set(root, &all.within());
                    }
                    Value::default()
                }
                name if name.starts_with("is")
                    || matches!(name, "startswith" | "endswith" | "count" | "find") =>
                {
                    Value::default()
                }
                _ => value.letters(),
            },
            Callee::Other => {
                self.find(&rules::UNKNOWN_CALL, at, "a call of something that is computed".to_owned());
                Value::default()
            }
        })
    }

    fn filter(&mut self, value: Value) -> Parsed<Value> {
        let at = self.place();
        let mut name = self.name()?;
        while self.eat(".") {
            name = format!("{name}.{}", self.name()?);
        }
        let given = if self.eat("(") { self.arguments()? } else { Arguments::default() };
        self.apply(&name, value, &given, at)
    }

    /// What a filter gives.
    fn apply(&mut self, name: &str, value: Value, given: &Arguments, at: usize) -> Parsed<Value> {
        if !has(known::FILTERS, name) {
            self.find(&rules::UNKNOWN_CALL, at, format!("the filter '{name}', which loaders do not have"));
        }
        let first = given.values.iter().find(|(key, _)| key.is_none()).map(|(_, value)| value);
        for (key, attribute) in &given.values {
            if key.as_deref() == Some("attribute") {
                self.path(attribute, at);
            }
        }
        Ok(match name {
            "attr" => {
                let key = first.cloned().unwrap_or_default();
                if !self.key(&key, at) {
                    self.find(&rules::COMPUTED_NAME, at, "the filter 'attr'".to_owned());
                }
                Value::default()
            }
            "map" => {
                if let Some(first) = first {
                    for text in &first.texts {
                        if &**text == "attr" {
                            let key = given.values.get(1).map(|(_, key)| key.clone()).unwrap_or_default();
                            if !self.key(&key, at) {
                                self.find(&rules::COMPUTED_NAME, at, "the filter 'attr'".to_owned());
                            }
                        } else if !has(known::FILTERS, text) {
                            self.find(&rules::UNKNOWN_CALL, at, format!("the filter '{text}'"));
                        }
                    }
                    if first.built || first.texts.is_empty() {
                        self.find(
                            &rules::COMPUTED_NAME,
                            at,
                            "'map' with a filter that is computed".to_owned(),
                        );
                    }
                }
                let all = given.all();
                if value.is_text() { value.or(&all).letters() } else { Value::default() }
            }
            "selectattr" | "rejectattr" | "groupby" => {
                if let Some(first) = first {
                    self.path(first, at);
                }
                value
            }
            "safe" | "e" | "escape" => value,
            "sort" | "unique" | "select" | "reject" | "list" => value.listed(),
            "dictsort" | "items" | "batch" | "slice" => value.listed().within(),
            "min" | "max" | "random" | "first" | "last" => value.part(),
            "default" | "d" => first.map_or_else(|| value.clone(), |first| value.clone().or(first)),
            "lower" => value.map(str::to_lowercase),
            "upper" => value.map(str::to_uppercase),
            "trim" if given.values.is_empty() => value.map(|text| text.trim().to_owned()),
            "trim" => value.letters(),
            "reverse" => value.clone().or(&value.map(|text| text.chars().rev().collect())),
            "capitalize" | "title" => value.map(|text| {
                let mut chars = text.chars();
                chars
                    .next()
                    .into_iter()
                    .flat_map(char::to_uppercase)
                    .chain(chars.flat_map(char::to_lowercase))
                    .collect()
            }),
            "length" | "count" | "int" | "float" | "abs" | "round" | "wordcount" | "filesizeformat"
            | "sum" => Value::default(),
            "format" => self.percent(&value, &given.all()),
            "join" | "replace" => {
                let all = given.all();
                value.or(&all).letters().blurred()
            }
            _ => value.letters().blurred(),
        })
    }

    fn test(&mut self) -> Parsed<()> {
        self.eat_name("not");
        self.name()?;
        while self.eat(".") {
            self.name()?;
        }
        if self.eat("(") {
            self.arguments()?;
        } else {
            let operand = match self.peek() {
                Some(Token::Name(name)) => {
                    !matches!(name.as_str(), "else" | "or" | "and" | "is" | "if" | "in" | "not")
                }
                Some(Token::Text(_) | Token::Int(_) | Token::Float | Token::Op("[" | "{" | "(")) => true,
                _ => false,
            };
            if operand {
                let value = self.primary()?;
                self.operand(value)?;
            }
        }
        Ok(())
    }

    /// What follows the operand of a test: no filter and no further test.
    fn operand(&mut self, value: Value) -> Parsed<()> {
        let mut value = value;
        loop {
            let at = self.place();
            if self.eat(".") {
                let name = self.name()?;
                self.attribute(&name, at);
            } else if self.eat("[") {
                value = self.subscript(value, at)?;
            } else {
                return Ok(());
            }
        }
    }

    fn arguments(&mut self) -> Parsed<Arguments> {
        let mut given = Arguments::default();
        while !self.eat(")") {
            let at = self.place();
            let mut key = None;
            if self.eat("*") || self.eat("**") {
            } else if let (Some(Token::Name(name)), Some(Token::Op("="))) =
                (self.peek(), self.pieces.get(self.at + 1).map(|piece| &piece.token))
            {
                self.attribute(name, at);
                key = Some(name.clone());
                self.at += 2;
            }
            let value = self.expression()?;
            given.values.push((key, value));
            if !self.eat(",") {
                self.want_op(")")?;
                break;
            }
        }
        Ok(given)
    }

    /// Looks at a name after a dot; false when it was found to be bad.
    fn attribute(&mut self, name: &str, at: usize) -> bool {
        let (rule, what) = if begins(name, 2) {
            (&rules::ESCAPE, "the attribute")
        } else if has(known::ATTRIBUTES, name) {
            (&rules::ESCAPE, "the attribute or method")
        } else if begins(name, 1) {
            (&rules::PRIVATE, "the attribute")
        } else {
            return true;
        };
        self.find(rule, at, format!("{what} '{name}'"));
        false
    }

    /// Looks at what is in brackets; true when something was found.
    fn key(&mut self, key: &Value, at: usize) -> bool {
        let mut found = false;
        for text in &key.texts {
            found |= !self.attribute(text, at);
        }
        if key.built && key.underscore {
            found = true;
            self.find(&rules::ESCAPE, at, "a name that is put together from underscores".to_owned());
        } else if key.built {
            found = true;
            self.find(&rules::COMPUTED_NAME, at, "a name that is put together".to_owned());
        }
        found
    }

    /// Looks at a filter's `attribute`, which may be several with dots between them.
    fn path(&mut self, path: &Value, at: usize) {
        for text in &path.texts {
            for part in text.split([',', '.']) {
                self.attribute(part.trim(), at);
            }
        }
        let built = Value { texts: std::collections::BTreeSet::new(), ..path.clone() };
        self.key(&built, at);
    }

    /// Looks at a text that is formatted: its fields can read attributes.
    fn format(&mut self, name: &str, value: &Value, at: usize) {
        for text in &value.texts {
            for field in text.split('{').skip(1) {
                let field = field.split(['}', ':', '!']).next().unwrap_or_default();
                for part in field.split(['.', '[', ']']).skip(1) {
                    self.attribute(part, at);
                }
                if field.contains(['.', '[']) {
                    self.find(&rules::FORMAT, at, format!("'{name}' of a field with attributes"));
                }
            }
        }
        if value.underscore {
            self.find(&rules::ESCAPE, at, format!("'{name}' of a text put together from underscores"));
        } else if value.built || value.texts.is_empty() || name == "format_map" {
            self.find(&rules::FORMAT, at, format!("'{name}' of a text that is computed"));
        }
    }

    fn set(&mut self, name: &str, value: &Value) {
        let value = match self.names.remove(name) {
            None => value.clone(),
            Some(known) if known == *value => known,
            Some(known) => {
                let both = known.clone().or(value);
                if self.widen && both != known && both.is_text() { both.blurred() } else { both }
            }
        };
        self.names.insert(name.to_owned(), value);
    }

    fn write(&mut self, value: &Value) {
        if let Some(open) = self.open.last_mut() {
            open.written =
                if open.written == Value::default() { value.clone() } else { open.written.then(value) };
        }
    }

    /// Takes note of what was found, once.
    fn find(&mut self, rule: &'static Rule, at: usize, what: String) {
        if self.told.insert((rule.id, what.clone())) {
            self.seen.push(Seen { rule, at, what });
        }
    }

    fn skip_tag(&mut self) -> Parsed<()> {
        while !matches!(self.peek(), Some(Token::TagEnd) | None) {
            self.at += 1;
        }
        Ok(())
    }

    fn peek(&self) -> Option<&'p Token> {
        self.pieces.get(self.at).map(|piece| &piece.token)
    }

    fn place(&self) -> usize {
        self.pieces.get(self.at).or(self.pieces.last()).map_or(0, |piece| piece.at)
    }

    fn broken(&self, what: &'static str) -> Broken {
        Broken { what, at: self.place() }
    }

    fn eat(&mut self, op: &str) -> bool {
        let found = matches!(self.peek(), Some(Token::Op(next)) if *next == op);
        self.at += usize::from(found);
        found
    }

    fn eat_name(&mut self, name: &str) -> bool {
        let found = matches!(self.peek(), Some(Token::Name(next)) if next == name);
        self.at += usize::from(found);
        found
    }

    fn name(&mut self) -> Parsed<String> {
        match self.peek() {
            Some(Token::Name(name)) => {
                self.at += 1;
                Ok(name.clone())
            }
            _ => Err(self.broken("a name was expected")),
        }
    }

    fn want(&mut self, token: &Token) -> Parsed<()> {
        if self.peek() != Some(token) {
            return Err(self.broken("the tag should have ended"));
        }
        self.at += 1;
        Ok(())
    }

    fn want_op(&mut self, op: &'static str) -> Parsed<()> {
        if self.eat(op) { Ok(()) } else { Err(self.broken("another sign was expected")) }
    }

    fn want_name(&mut self, name: &str) -> Parsed<()> {
        if self.eat_name(name) { Ok(()) } else { Err(self.broken("another word was expected")) }
    }
}

/// What is called.
enum Callee {
    Function(String),
    Method(String),
    Other,
}

/// What is given to a function or a filter.
#[derive(Default)]
struct Arguments {
    values: Vec<(Option<String>, Value)>,
}

impl Arguments {
    fn all(&self) -> Value {
        self.values.iter().fold(Value::default(), |all, (_, value)| all.or(value))
    }

    fn keys(&self) -> Value {
        let keys = self.values.iter().filter_map(|(key, _)| key.as_deref());
        keys.fold(Value::default(), |all, key| all.or(&Value::text(key)))
    }
}

fn is_format(name: &str) -> bool {
    matches!(name, "format" | "format_map")
}

/// Whether a name begins with so many underscores, or what Python takes for such.
fn begins(name: &str, count: usize) -> bool {
    name.chars().take_while(|c| is_underscore(*c)).count() >= count
}
