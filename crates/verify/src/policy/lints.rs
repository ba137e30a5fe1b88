//! What is well formed and still wrong. Each check complains under a name of [`LINTS`](super::LINTS) and goes on.

mod exceptions;
mod rules;
mod signers;

pub(super) use exceptions::DEFAULT_MAX_WAIVER;

use super::{
    complaint::{Complaints, Lint},
    decode::{At, closest},
    document::Document,
    lint_table as lint,
    matching::Match,
    tree::{Kind, Node},
};
use jiff::{SignedDuration, Timestamp};
use std::collections::{BTreeMap, BTreeSet};

/// Looks for everything that can be seen without the files that the policy names.
pub(super) fn run(document: &Document, root: &Node, complaints: &mut Complaints, now: Option<Timestamp>) {
    let mut linter = Linter { document, root, complaints, now, used: BTreeSet::new() };
    linter.validity();
    linter.empty_values(root, &At::ROOT);
    signers::check(&mut linter);
    rules::check(&mut linter);
    exceptions::check(&mut linter);
    linter.unused();
}

/// How long before its end a policy is warned about.
pub(super) const EXPIRY_WARNING: SignedDuration = SignedDuration::from_hours(14 * 24);

/// What the checks share.
struct Linter<'a> {
    document: &'a Document,
    root: &'a Node,
    complaints: &'a mut Complaints,
    now: Option<Timestamp>,
    /// Names that something refers to, with the table they are defined in.
    used: BTreeSet<(&'static str, String)>,
}

impl Linter<'_> {
    fn complain(
        &mut self,
        lint: &'static Lint,
        at: &At<'_>,
        message: impl Into<String>,
        help: Option<String>,
    ) {
        let span = at.locate(self.root);
        self.complaints.add(lint, span, at.to_string(), message.into(), help);
    }

    fn is_written(&self, at: &At<'_>) -> bool {
        at.find(self.root).is_some()
    }

    /// How many members the table there was written with.
    fn members(&self, at: &At<'_>) -> usize {
        match at.find(self.root).map(|node| &node.kind) {
            Some(Kind::Table(entries)) => entries.len(),
            _ => 0,
        }
    }

    fn validity(&mut self) {
        let expires = self.document.expires;
        // What stands for a time that could not be read has a complaint already.
        let Some(now) = self.now.filter(|_| *expires != Timestamp::UNIX_EPOCH) else { return };
        let at = At::ROOT.key("expires");
        let help = || Some("release a new version of the policy with a later time".to_owned());
        if now >= *expires {
            self.complain(&lint::EXPIRED, &at, format!("the policy ended at {expires}"), help());
        } else if expires.duration_since(now) <= EXPIRY_WARNING {
            let days = expires.duration_since(now).as_hours() / 24;
            self.complain(
                &lint::EXPIRES_SOON,
                &at,
                format!("the policy ends at {expires}, in {days} days"),
                help(),
            );
        }
    }

    /// Lists and tables that were written and hold nothing.
    fn empty_values(&mut self, node: &Node, at: &At<'_>) {
        match &node.kind {
            Kind::Table(entries) => {
                for entry in entries {
                    let here = at.key(&entry.key);
                    let field = entry.key.as_str();
                    match &entry.value.kind {
                        Kind::Array(items) if items.is_empty() => self.empty_list(field, &here),
                        // A certificate's subject has a complaint of its own.
                        Kind::Table(members) if members.is_empty() && field != "subject" => {
                            self.complain(&lint::EMPTY_LIST, &here, format!("`{here}` is empty"), None);
                        }
                        _ => self.empty_values(&entry.value, &here),
                    }
                }
            }
            Kind::Array(items) => {
                for (i, item) in items.iter().enumerate() {
                    self.empty_values(item, &at.index(i));
                }
            }
            _ => {}
        }
    }

    fn empty_list(&mut self, field: &str, at: &At<'_>) {
        let path = at.to_string();
        let in_waiver = path.starts_with("waiver[");
        let (lint, what) = match field {
            // "Nothing may be left out" is a sensible thing to ask for.
            "ignore-paths" => return,
            "signers" => (&lint::EMPTY_SIGNERS, "names nobody"),
            "build-types" => (&lint::BUILD_TYPE_REQUIRED, "lists no build type"),
            "digests" if in_waiver => (&lint::WAIVER_NEEDS_DIGEST, "lists no model"),
            "approved-by" if in_waiver => (&lint::WAIVER_APPROVER, "names nobody"),
            "digests" if path.starts_with("rule[") => (&lint::BIND_DIGEST_WITHOUT_DIGESTS, "lists no model"),
            _ => (&lint::EMPTY_LIST, "is empty"),
        };
        self.complain(lint, at, format!("`{path}` {what}"), None);
    }

    /// A pattern that stands for names of somebody's choice.
    fn pattern(&mut self, value: &Match, at: &At<'_>) {
        let (everything, leading, text) = match value {
            Match::Glob(glob) => {
                let text = glob.as_str();
                (matches!(text, "*" | "**" | "**/*" | "*/**"), text.starts_with('*'), text)
            }
            Match::Regex(pattern) => {
                (pattern.matches_everything(), pattern.has_leading_wildcard(), pattern.as_str())
            }
            Match::Literal(_) | Match::AnyOf(_) => return,
        };
        let help = || Some("write the name, or { any-of = [..] } with the names".to_owned());
        if everything {
            let message = format!("{text:?} matches everything, so `{at}` asks for nothing");
            self.complain(&lint::MATCH_EVERYTHING, at, message, help());
        } else if leading {
            let message =
                format!("{text:?} begins with a wildcard, so others can choose a name that matches `{at}`");
            self.complain(&lint::GLOB_LEADING_WILDCARD, at, message, help());
        } else if let (Match::Glob(_), Some((_, rest))) = (value, text.split_once("://")) {
            let authority = rest.split('/').next().unwrap_or_default();
            if authority.contains('*') {
                let message =
                    format!("the host in {text:?} has a wildcard, so others can register one that matches");
                self.complain(&lint::WILDCARD_IN_AUTHORITY, at, message, help());
            }
        }
    }

    fn patterns<'m>(
        &mut self,
        values: impl IntoIterator<Item = (&'static str, Option<&'m Match>)>,
        at: &At<'_>,
    ) {
        for (field, value) in values {
            if let Some(value) = value {
                self.pattern(value, &at.key(field));
            }
        }
    }

    /// A name that must be defined in `table`.
    fn refers(&mut self, table: &'static str, name: &str, at: &At<'_>) -> bool {
        let document = self.document;
        let known = match table {
            "signers" => document.signers.contains_key(name),
            "builders" => document.builders.contains_key(name),
            _ => document.trust_roots.contains_key(name),
        };
        // One that could not be read is there all the same.
        if known || self.is_written(&At::ROOT.key(table).key(name)) {
            self.used.insert((table, name.to_owned()));
            return true;
        }
        if self.complaints.is_full() {
            self.complaints.leave_out();
            return false;
        }
        let names: Vec<&str> = match table {
            "signers" => self.document.signers.keys().map(String::as_str).collect(),
            "builders" => self.document.builders.keys().map(String::as_str).collect(),
            _ => self.document.trust_roots.keys().map(String::as_str).collect(),
        };
        let (lint, what) = match table {
            "signers" => (&lint::UNKNOWN_SIGNER, "signer"),
            "builders" => (&lint::UNKNOWN_BUILDER, "builder"),
            _ => (&lint::UNKNOWN_TRUST_ROOT, "trust root"),
        };
        let help = match closest(name, names.iter().copied()) {
            Some(near) => format!("did you mean {near:?}?"),
            None => format!("define it under [{table}.{name}]"),
        };
        self.complain(lint, at, format!("the policy has no {what} {name:?}"), Some(help));
        false
    }

    /// Signers and a threshold over their principals. `required` is false where any one signer will do.
    fn signers(&mut self, names: &[String], threshold: Option<u32>, required: bool, at: &At<'_>) {
        let list_at = at.key("signers");
        let mut seen = BTreeSet::new();
        for (i, name) in names.iter().enumerate() {
            let here = list_at.index(i);
            self.refers("signers", name, &here);
            if !seen.insert(name) {
                self.complain(
                    &lint::DUPLICATE_NAME,
                    &here,
                    format!("the signer {name:?} is listed twice"),
                    None,
                );
            }
        }
        let principals: BTreeSet<&str> = seen
            .iter()
            .filter(|name| self.document.signers.contains_key(name.as_str()))
            .map(|name| self.document.principal_of(name))
            .collect();
        match threshold {
            None if required && seen.len() > 1 && !self.is_written(&at.key("threshold")) => {
                let message =
                    format!("{} signers, and it is not said how many of them are needed", seen.len());
                let help = format!(
                    "write threshold = 1 for any one of them, threshold = {} for all",
                    principals.len()
                );
                self.complain(&lint::THRESHOLD_REQUIRED, &list_at, message, Some(help));
            }
            Some(threshold) if threshold as usize > principals.len() => {
                let known =
                    seen.iter().filter(|name| self.document.signers.contains_key(name.as_str())).count();
                let once =
                    if known > principals.len() { "; credentials of one principal count once" } else { "" };
                let message =
                    format!("{threshold} principals are needed, and there are {}{once}", principals.len());
                self.complain(&lint::THRESHOLD_UNREACHABLE, &at.key("threshold"), message, None);
            }
            _ => {}
        }
    }

    /// Names that must differ.
    fn distinct<'n>(
        &mut self,
        table: &'static str,
        field: &'static str,
        names: impl Iterator<Item = &'n str>,
        at: &At<'_>,
    ) {
        let mut seen: BTreeMap<&str, usize> = BTreeMap::new();
        let table_at = at.key(table);
        for (i, name) in names.enumerate() {
            if let Some(first) = seen.get(name) {
                let message = format!("{name:?} is the {field} of `{}` too", table_at.index(*first));
                self.complain(&lint::DUPLICATE_NAME, &table_at.index(i).key(field), message, None);
            } else {
                seen.insert(name, i);
            }
        }
    }

    fn unused(&mut self) {
        let defined = [
            ("signers", self.document.signers.keys().collect::<Vec<_>>()),
            ("builders", self.document.builders.keys().collect()),
            ("trust-roots", self.document.trust_roots.keys().collect()),
        ];
        for (table, names) in defined {
            for name in names {
                if !self.used.contains(&(table, name.clone())) {
                    let at = At::ROOT.key(table);
                    let message = format!("`{}` is used nowhere", at.key(name));
                    self.complain(&lint::UNUSED, &at.key(name), message, None);
                }
            }
        }
    }
}
