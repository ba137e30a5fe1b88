//! `policy fmt`: one layout for policies, with every comment kept. Only blanks, line ends and the commas at the end of
//! lists change; order, spelling and values stay as they were written.

use super::{
    complaint::{Complaint, Complaints},
    lint_table as lint,
    tree::{self, Kind, Node},
};
use toml_edit::{Array, Decor, DocumentMut, InlineTable, Item, KeyMut, RawString, Table, Value};

/// Lays a policy out.
///
/// # Errors
/// [`Complaint`]s when it is not TOML, or is too large.
///
/// ```
/// # use modelseal_verify::policy::format::format;
/// let text = "a=1 # one\n\n\n\n[b]\n  c = [1,2 , 3]\n";
/// assert_eq!(format("policy.toml", text).unwrap(), "a = 1 # one\n\n[b]\nc = [1, 2, 3]\n");
/// ```
pub fn format(name: &str, text: &str) -> Result<String, Vec<Complaint>> {
    let mut complaints = Complaints::new(name, text);
    let Some(before) = tree::from_toml(&mut complaints) else { return Err(complaints.sorted()) };
    let mut document: DocumentMut = match text.replace("\r\n", "\n").parse() {
        Ok(document) => document,
        Err(error) => {
            let span = toml_edit::TomlError::span(&error).map_or((0, 0), |span| (span.start, span.end));
            complaints.add(&lint::SYNTAX, span, String::new(), error.message().to_owned(), None);
            return Err(complaints.sorted());
        }
    };
    table(document.as_table_mut());
    let trailing = lines(document.trailing());
    document.set_trailing(trailing);
    let mut formatted = document.to_string().trim_matches('\n').to_owned();
    if !formatted.is_empty() {
        formatted.push('\n');
    }
    // A layout must not change what a policy says. Should it ever, the text stays as it was.
    let after = tree::from_toml(&mut Complaints::new(name, &formatted));
    let same = after.is_some_and(|after| says_the_same(&before, &after));
    Ok(if same { formatted } else { text.to_owned() })
}

/// Whether two texts say the same, wherever they say it. Line ends within values are not told apart.
fn says_the_same(a: &Node, b: &Node) -> bool {
    match (&a.kind, &b.kind) {
        (Kind::Array(a), Kind::Array(b)) => {
            a.len() == b.len() && a.iter().zip(b).all(|(a, b)| says_the_same(a, b))
        }
        (Kind::Table(a), Kind::Table(b)) => {
            a.len() == b.len()
                && a.iter().zip(b).all(|(a, b)| a.key == b.key && says_the_same(&a.value, &b.value))
        }
        (Kind::String(a), Kind::String(b)) => a == b || a.replace("\r\n", "\n") == *b,
        (a, b) => a == b,
    }
}

fn table(table: &mut Table) {
    if !table.is_dotted() && !table.is_implicit() {
        let prefix = lines_of(table.decor().prefix());
        let suffix = comment(table.decor().suffix());
        *table.decor_mut() = Decor::new(format!("\n{}", prefix.trim_start_matches('\n')), suffix);
    }
    for (mut key, item) in table.iter_mut() {
        match item {
            Item::None => {}
            Item::Value(value) => {
                entry(&mut key);
                outer(value);
            }
            Item::Table(inner) => {
                header(&mut key, inner.is_dotted());
                self::table(inner);
            }
            Item::ArrayOfTables(tables) => {
                header(&mut key, false);
                tables.iter_mut().for_each(self::table);
            }
        }
    }
}

/// `key = ` at the start of a line, under its comments.
fn entry(key: &mut KeyMut<'_>) {
    let prefix = lines_of(key.leaf_decor().prefix());
    *key.leaf_decor_mut() = Decor::new(prefix, " ");
    *key.dotted_decor_mut() = Decor::new("", "");
}

/// A key in a table's header, or before a dot.
fn header(key: &mut KeyMut<'_>, dotted: bool) {
    // A table's comments may be kept with its key.
    let prefix = lines_of(key.leaf_decor().prefix());
    *key.leaf_decor_mut() =
        if dotted || prefix.is_empty() { Decor::new("", "") } else { Decor::new(prefix, "") };
    *key.dotted_decor_mut() = Decor::new("", "");
}

/// A value at the end of its line.
fn outer(value: &mut Value) {
    let suffix = comment(value.decor().suffix());
    inner(value, 0);
    *value.decor_mut() = Decor::new(" ", suffix);
}

fn inner(value: &mut Value, depth: usize) {
    match value {
        Value::Array(array) => list(array, depth),
        Value::InlineTable(table) => inline(table, depth),
        _ => {}
    }
}

fn list(array: &mut Array, depth: usize) {
    let texts = |array: &Array| {
        let mut text = raw(Some(array.trailing())).to_owned();
        for item in array.iter() {
            text.push_str(raw(item.decor().prefix()));
            text.push_str(raw(item.decor().suffix()));
        }
        text
    };
    let around = texts(array);
    if around.contains('#') {
        // Where a comment belongs is its author's business.
        return;
    }
    let wrapped = around.contains('\n');
    for (i, item) in array.iter_mut().enumerate() {
        inner(item, depth + 1);
        let prefix = match (wrapped, i) {
            (true, _) => format!("\n{}", INDENT.repeat(depth + 1)),
            (false, 0) => String::new(),
            (false, _) => " ".to_owned(),
        };
        *item.decor_mut() = Decor::new(prefix, "");
    }
    array.set_trailing_comma(wrapped && !array.is_empty());
    array.set_trailing(if wrapped && !array.is_empty() {
        format!("\n{}", INDENT.repeat(depth))
    } else {
        String::new()
    });
}

fn inline(table: &mut InlineTable, depth: usize) {
    if table.to_string().contains(['#', '\n']) {
        return;
    }
    layout(table, depth, true);
    table.set_trailing("");
    table.set_trailing_comma(false);
}

/// `{ a = 1, b.c = 2 }`; `ends` is whether the last member is the last before the brace.
fn layout(table: &mut InlineTable, depth: usize, ends: bool) {
    let last = table.len().saturating_sub(1);
    for (i, (mut key, value)) in table.iter_mut().enumerate() {
        let ends = ends && i == last;
        match value {
            Value::InlineTable(dotted) if dotted.is_dotted() => {
                *key.leaf_decor_mut() = Decor::new(" ", "");
                *key.dotted_decor_mut() = Decor::new("", "");
                layout(dotted, depth, ends);
            }
            value => {
                *key.leaf_decor_mut() = Decor::new(" ", " ");
                *key.dotted_decor_mut() = Decor::new("", "");
                inner(value, depth);
                *value.decor_mut() = Decor::new(" ", if ends { " " } else { "" });
            }
        }
    }
}

const INDENT: &str = "    ";

fn raw(text: Option<&RawString>) -> &str {
    text.and_then(RawString::as_str).unwrap_or_default()
}

fn lines_of(text: Option<&RawString>) -> String {
    text.map(lines).unwrap_or_default()
}

/// Comments on lines of their own without indentation, and at most one empty line in a row.
fn lines(text: &RawString) -> String {
    let text = text.as_str().unwrap_or_default();
    let mut out = String::new();
    let mut blank = false;
    let mut rest = text.split('\n').peekable();
    while let Some(line) = rest.next() {
        let line = line.trim();
        if rest.peek().is_none() && line.is_empty() {
            // What stands before the key on its own line.
            break;
        }
        if !line.is_empty() || !blank {
            out.push_str(line);
            out.push('\n');
        }
        blank = line.is_empty();
    }
    out
}

/// The comment after a value, one space away from it.
fn comment(text: Option<&RawString>) -> String {
    match raw(text).trim() {
        "" => String::new(),
        comment => format!(" {comment}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn formatted(text: &str) -> String {
        let once = format("p", text).unwrap();
        assert_eq!(format("p", &once).unwrap(), once, "laying out twice changes something");
        once
    }

    #[test]
    fn comments_stay_with_what_they_are_about() {
        let text = "\r\n# top\n\n\n#  second\nschema='x'   #why\n\n\n\nid =  \"y\"\n  # indented\n[ signers . a ]# head\n\
                    kind=\"key\"\n# before b\n[signers.\"b c\"]\nx={a=1,b.c = [1,2],d={  }}\n[[rule]]\nlist=[\n 1,\n  2 # two\n]\n\
                    other=[\n1,2]\n[[rule]]\n\n#end\n\n\n";
        let expected = "# top\n\n#  second\nschema = 'x' #why\n\nid = \"y\"\n\n# indented\n[signers.a] # head\n\
                        kind = \"key\"\n\n# before b\n[signers.\"b c\"]\nx = { a = 1, b.c = [1, 2], d = {} }\n\n[[rule]]\nlist = [\n 1,\n  2 # two\n]\n\
                        other = [\n    1,\n    2,\n]\n\n[[rule]]\n\n#end\n";
        assert_eq!(formatted(text), expected);
    }

    #[test]
    fn dotted_keys_stay_dotted() {
        let text = "signers . a  = {kind=\"key\"}\n# c\nsigners.b={ kind=\"key\" }\nbaseline.content.x=1\n";
        let expected =
            "signers.a = { kind = \"key\" }\n# c\nsigners.b = { kind = \"key\" }\nbaseline.content.x = 1\n";
        assert_eq!(formatted(text), expected);
    }

    #[test]
    fn what_is_not_toml_is_complained_about() {
        let complaints = format("p", "a = 1\na = 2\n").unwrap_err();
        assert_eq!((complaints[0].id, complaints[0].line), ("parse.syntax", 2));
        assert_eq!(formatted(""), "");
    }

    proptest! {
        #[test]
        fn a_layout_never_changes_what_is_said(
            lines in prop::collection::vec(
                "( {0,2}[a-c](\\.[a-c])? {0,2}= {0,2}([0-9]|\"x\"|\\[ ?1 ?, ?2 ?,? ?\\]|\\{ ?a ?= ?1 ?\\}) {0,2}(#[a-z ]{0,5})?| {0,2}#[a-z ]{0,5}|\\[\\[?[a-f](\\.[a-c])?\\]?\\]|)",
                0..10
            )
        ) {
            let text = lines.join("\n");
            let Some(before) = tree::from_toml(&mut Complaints::new("p", &text)) else { return Ok(()) };
            let once = format("p", &text).unwrap();
            let after = tree::from_toml(&mut Complaints::new("p", &once)).unwrap();
            prop_assert!(says_the_same(&before, &after));
            prop_assert_eq!(format("p", &once).unwrap(), once);
        }
    }
}
