//! [`Parser`]: follows a template's tags and expressions as Jinja does, and sees what is asked of Python's objects.

mod call;
mod expression;
mod judge;

use super::{
    known,
    lexer::{Broken, Piece, Token},
    rules,
    value::Value,
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
                let from = value.from;
                let item = if targets.len() > 1 { value.part().part() } else { value.part() };
                let item = item.gone_over(from);
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

    fn set(&mut self, name: &str, value: &Value) {
        let value = match self.names.remove(name) {
            None => value.clone(),
            Some(known) if known == *value => known,
            Some(known) => {
                let both = known.clone().or(value);
                if self.widen && both.differs(&known) && both.is_text() { both.blurred() } else { both }
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
