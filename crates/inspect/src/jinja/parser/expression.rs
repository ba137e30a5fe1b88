//! Expressions: operators, names, attributes, subscripts and tests.

use super::{
    Parsed, Parser,
    call::{Arguments, Callee},
    judge::is_format,
};
use crate::{
    jinja::{
        known::{self, has},
        lexer::{Broken, Piece, Token},
        rules,
        value::{From, Value},
    },
    limits,
};

impl Parser<'_> {
    /// One or more expressions with commas between them.
    pub(super) fn list(&mut self) -> Parsed<Value> {
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

    pub(super) fn expression(&mut self) -> Parsed<Value> {
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
    pub(super) fn binary(&mut self, least: u8) -> Parsed<Value> {
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

    pub(super) fn operator(&self) -> Option<(&'static str, u8)> {
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

    pub(super) fn combine(&mut self, op: &str, left: &Value, right: &Value, at: usize) -> Value {
        let ints = left.int.zip(right.int);
        match op {
            "or" | "and" => left.clone().or(right),
            "~" => left.then(right),
            // Lists, one of which may come from outside.
            "+" if left.depth > 0 && right.depth > 0 && (left.is_text() || right.is_text()) => {
                left.clone().or(right)
            }
            "+" if left.is_text() || right.is_text() => left.then(right),
            "+" => match ints {
                Some((a, b)) => Value::int(a.saturating_add(b)),
                // Of two texts from outside; a number is none.
                None if left.from.token || right.from.token || left.from.data && right.from.data => {
                    Value::default().made_of(left).made_of(right)
                }
                None => Value::default(),
            },
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
            "%" if left.is_text() => self.percent(left, right, at),
            _ => Value::default(),
        }
    }

    pub(super) fn unary(&mut self) -> Parsed<Value> {
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

    pub(super) fn primary(&mut self) -> Parsed<Value> {
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
    pub(super) fn items(&mut self, end: &'static str) -> Parsed<Value> {
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
        let mut value = value.within();
        (value.mapping, value.fixed) = (end == "}", end == "]");
        Ok(value)
    }

    pub(super) fn named(&mut self, name: &str, at: usize) -> Value {
        let called = self.peek() == Some(&Token::Op("("));
        let token = has(known::TOKENS, name);
        let set = self.names.get(name).map(|value| Value { outside: true, ..value.clone() });
        if let Some(mut value) = set {
            // Where it is not set, it is nothing, or what is given under this name.
            if token {
                value.from = From { token, data: true, ..value.from };
            }
            return value;
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
        let function = called || has(known::FUNCTIONS, name) || self.names.contains_key(&format!("{name}()"));
        let constant = matches!(name, "true" | "false" | "none" | "True" | "False" | "None");
        let data = !function && !constant;
        let token = token || data && (name.ends_with("_token") || name.ends_with("_tokens"));
        Value {
            from: From { token, data, ..From::default() },
            fixed: function && name != "loop",
            ..Value::default()
        }
    }

    /// Attributes, subscripts, calls, filters and tests.
    pub(super) fn postfix(&mut self, mut value: Value) -> Parsed<Value> {
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
                    value = value.item();
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
                        let mapping = set.mapping && !value.from.data;
                        value = value.or(set);
                        value.mapping = mapping;
                    }
                    // A method that is not called is a function.
                    value.fixed |= has(known::METHODS, &name);
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

    pub(super) fn subscript(&mut self, value: Value, at: usize) -> Parsed<Value> {
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
            self.key_of(&value, &key, at);
        }
        let from = value.from.or(From { own: false, data: key.from.data, ..From::default() });
        let mut found = if key.texts.is_empty() { value.part() } else { value.item() };
        for text in &key.texts {
            if let Some(set) = self.names.get(&format!(".{text}")) {
                found = found.or(set);
            }
        }
        found.from = if slice { from } else { From { held: false, ..found.from.or(from).taken() } };
        Ok(found)
    }

    pub(super) fn test(&mut self) -> Parsed<()> {
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
    pub(super) fn operand(&mut self, value: Value) -> Parsed<()> {
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

    pub(super) fn arguments(&mut self) -> Parsed<Arguments> {
        let mut given = Arguments::default();
        while !self.eat(")") {
            let at = self.place();
            let mut key = None;
            if self.eat("*") || self.eat("**") {
                given.spread = true;
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
}
