//! Reading a rule set.

use super::{Changed, Entry, MAX_RULES_BYTES, RULES_SCHEMA, RuleSet, RuleSetError};
use crate::{
    pickle::{Danger, Role, Standing},
    rule::{self, Rule},
};
use modelseal_core::inspection::{RuleId, Severity, Verdict};
use serde::Deserialize;
use std::collections::BTreeMap;
use toml::Spanned;

/// Dots between the keys of one line: each is a table within a table for the parser, and no key of a rule set has three.
const MAX_DOTS: usize = 200;

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
struct Wire {
    schema: Spanned<String>,
    id: Spanned<String>,
    version: Spanned<u64>,
    deny_from: Option<Spanned<String>>,
    #[serde(default)]
    rules: BTreeMap<Spanned<String>, WireRule>,
    #[serde(default)]
    allow: Vec<WireAllow>,
    #[serde(default)]
    deny: Vec<WireDeny>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct WireRule {
    severity: Spanned<String>,
    reason: Option<Spanned<String>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct WireAllow {
    module: Spanned<String>,
    role: Spanned<Role>,
    names: Spanned<Vec<Spanned<String>>>,
    source: Spanned<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct WireDeny {
    module: Spanned<String>,
    names: Spanned<Vec<Spanned<String>>>,
    source: Spanned<String>,
}

/// The text, for saying where something is wrong.
struct Source<'a>(&'a str);

pub(super) fn parse(text: &str) -> Result<RuleSet, RuleSetError> {
    let source = Source(text);
    if text.len() > MAX_RULES_BYTES {
        return Err(source.wrong(0, format!("{} bytes, where {MAX_RULES_BYTES} is the limit", text.len())));
    }
    if let Some(at) = too_many_dots(text) {
        return Err(source.wrong(at, "a line with more dots than any key has".to_owned()));
    }
    let wire: Wire = toml::from_str(text).map_err(|error| {
        source.wrong(error.span().map_or(0, |span| span.start), error.message().to_owned())
    })?;
    if wire.schema.get_ref() != RULES_SCHEMA {
        let message = format!("schema is '{}', expected '{RULES_SCHEMA}'", wire.schema.get_ref());
        return Err(source.wrong(wire.schema.span().start, message));
    }
    source.filled("id", &wire.id)?;
    let mut rules = RuleSet {
        id: wire.id.get_ref().clone(),
        version: wire.version.get_ref().to_string(),
        ..RuleSet::built_in().clone()
    };
    if let Some(verdict) = &wire.deny_from {
        rules.deny_from = source.deny_from(verdict)?;
    }
    source.severities(&wire.rules, &mut rules)?;
    for allow in wire.allow {
        let entry = source.allow(allow, &rules)?;
        for name in &entry.names {
            rules.globals.allow(&entry.module, name, entry.role.unwrap_or(Role::Const));
        }
        rules.allowed.push(entry);
    }
    // Last: what is denied stays so.
    for deny in wire.deny {
        source.filled("module", &deny.module)?;
        source.filled("source", &deny.source)?;
        let names = source.names(deny.names)?;
        for name in &names {
            rules.globals.deny(deny.module.get_ref(), name);
        }
        let (module, source) = (deny.module.into_inner(), deny.source.into_inner());
        rules.denied.push(Entry { module, role: None, names, source });
    }
    Ok(rules)
}

impl Source<'_> {
    fn deny_from(&self, verdict: &Spanned<String>) -> Result<Verdict, RuleSetError> {
        match verdict.get_ref().as_str() {
            "unknown" => Ok(Verdict::Unknown),
            "suspicious" => Ok(Verdict::Suspicious),
            other => {
                let message = format!(
                    "deny-from is \"unknown\" or \"suspicious\", not '{other}': to let something through, lower the rules \
                     that find it, each by its name"
                );
                Err(self.wrong(verdict.span().start, message))
            }
        }
    }

    /// A rule's exact name sets its severity; a subject's raises all of its rules to at least that.
    fn severities(
        &self,
        wire: &BTreeMap<Spanned<String>, WireRule>,
        rules: &mut RuleSet,
    ) -> Result<(), RuleSetError> {
        let all = rule::all();
        let mut to: BTreeMap<RuleId, (Severity, Option<String>)> = BTreeMap::new();
        let mut exact = Vec::new();
        for (key, wire) in wire {
            let severity = self.severity(&wire.severity)?;
            if let Some(reason) = &wire.reason {
                self.filled("reason", reason)?;
            }
            let reason = wire.reason.as_ref().map(|reason| reason.get_ref().clone());
            let Some(subject) = key.get_ref().strip_suffix('*') else {
                exact.push((self.rule(key, &all)?, severity, reason, wire.severity.span().start));
                continue;
            };
            let is_subject =
                subject.is_empty() || all.iter().any(|rule| rule.id.as_str().starts_with(subject));
            if !is_subject || !(subject.is_empty() || subject.len() == 3) {
                let message = format!("'{}' is no subject of rules, such as \"PKL*\"", key.get_ref());
                return Err(self.wrong(key.span().start, message));
            }
            let of_subject = || all.iter().filter(|rule| rule.id.as_str().starts_with(subject));
            if !of_subject().any(|rule| rule.severity < severity) {
                let message = format!(
                    "{} raises no rule to {severity}: all are that bad already, and a rule is lowered by its own name only, \
                     with a reason",
                    key.get_ref()
                );
                return Err(self.wrong(wire.severity.span().start, message));
            }
            for rule in of_subject() {
                let raised = to.entry(rule.id).or_insert((rule.severity, None));
                if severity > raised.0 {
                    *raised = (severity, reason.clone());
                }
            }
        }
        for (rule, severity, reason, at) in exact {
            if severity < rule.severity && reason.is_none() {
                let message = format!(
                    "{} is lowered from {} to {severity} without a reason: add `reason = \"..\"`",
                    rule.id, rule.severity
                );
                return Err(self.wrong(at, message));
            }
            if severity < Severity::Unknown && says_not_understood(rule) {
                let message = format!(
                    "{} says that something was not understood or not inspected, which is never clean: \"unknown\" is the \
                     mildest severity that it can have",
                    rule.id
                );
                return Err(self.wrong(at, message));
            }
            to.insert(rule.id, (severity, reason));
        }
        let own = |id: RuleId| all.iter().find(|rule| rule.id == id).map(|rule| rule.severity);
        rules.changed = to
            .into_iter()
            .filter_map(|(id, (to, reason))| Some((id, Changed { from: own(id)?, to, reason })))
            .filter(|(_, changed)| changed.from != changed.to)
            .collect();
        Ok(())
    }

    fn rule(&self, key: &Spanned<String>, all: &[&'static Rule]) -> Result<&'static Rule, RuleSetError> {
        let name = key.get_ref();
        all.iter().find(|rule| rule.id.as_str() == name).copied().ok_or_else(|| {
            let message =
                format!("there is no rule '{name}'; `modelseal inspect --explain` lists all that there are");
            self.wrong(key.span().start, message)
        })
    }

    fn severity(&self, given: &Spanned<String>) -> Result<Severity, RuleSetError> {
        let found = Severity::ALL.into_iter().find(|severity| severity.name() == given.get_ref());
        found.ok_or_else(|| {
            let names: Vec<&str> = Severity::ALL.iter().map(|severity| severity.name()).collect();
            let message = format!("'{}' is no severity; known are {}", given.get_ref(), names.join(", "));
            self.wrong(given.span().start, message)
        })
    }

    fn allow(&self, wire: WireAllow, rules: &RuleSet) -> Result<Entry, RuleSetError> {
        self.filled("module", &wire.module)?;
        self.filled("source", &wire.source)?;
        let (module, role) = (wire.module.get_ref(), *wire.role.get_ref());
        for name in wire.names.get_ref() {
            let refuse = |message: String| Err(self.wrong(name.span().start, message));
            let global = format!("{module}.{}", name.get_ref());
            if name.get_ref() == "*" {
                return refuse(
                    "globals are allowed one by one: a module imports whatever it likes".to_owned(),
                );
            }
            // Protocols differ in what they take names of Python 2 for.
            for protocol in [2, 4] {
                match rules.globals.judge(module, name.get_ref(), protocol) {
                    Standing::Dangerous(danger) => return refuse(denied(&global, danger)),
                    Standing::Allowed(allowed) if allowed.role != role => {
                        return refuse(format!("{global} is allowed already, with another role"));
                    }
                    _ => {}
                }
            }
        }
        let names = self.names(wire.names)?;
        let (module, source) = (wire.module.into_inner(), wire.source.into_inner());
        Ok(Entry { module, role: Some(role), names, source })
    }

    fn names(&self, names: Spanned<Vec<Spanned<String>>>) -> Result<Vec<String>, RuleSetError> {
        if names.get_ref().is_empty() {
            return Err(self.wrong(names.span().start, "no names".to_owned()));
        }
        names.get_ref().iter().try_for_each(|name| self.filled("a name", name))?;
        Ok(names.into_inner().into_iter().map(Spanned::into_inner).collect())
    }

    fn filled(&self, what: &str, value: &Spanned<String>) -> Result<(), RuleSetError> {
        if value.get_ref().trim().is_empty() {
            return Err(self.wrong(value.span().start, format!("{what} is empty")));
        }
        Ok(())
    }

    fn wrong(&self, at: usize, message: String) -> RuleSetError {
        let before = self.0.get(..at).unwrap_or_default();
        let start = before.rfind('\n').map_or(0, |newline| newline + 1);
        RuleSetError {
            line: before.matches('\n').count() + 1,
            column: before.get(start..).unwrap_or_default().chars().count() + 1,
            message,
        }
    }
}

/// Whether what a rule finds was not inspected: whatever a user thinks of it, that is not clean.
fn says_not_understood(rule: &Rule) -> bool {
    rule.severity == Severity::Unknown || rule.id.as_str().starts_with("LIM")
}

fn denied(global: &str, danger: Danger) -> String {
    format!("{global} cannot be allowed: {danger}")
}

/// Where a line begins whose keys may be too many for the parser.
fn too_many_dots(text: &str) -> Option<usize> {
    let mut start = 0;
    for line in text.split_inclusive('\n') {
        let keys = line.split(['"', '\'', '#']).next().unwrap_or_default();
        if keys.matches('.').count() > MAX_DOTS || line.matches('.').count() > MAX_RULES_BYTES / 8 {
            return Some(start);
        }
        start += line.len();
    }
    None
}
