//! Policies, and what they compare names with.

use modelseal_verify::policy::{
    UnvalidatedPolicy, format::format, glob::Glob, load::NoFiles, load::has_errors, pattern::Pattern,
    reference::Reference,
};

/// A text is read as TOML and as JSON. What is accepted means the same as JSON, and after it was laid out.
pub fn policy(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else { return };
    for read in [UnvalidatedPolicy::from_toml, UnvalidatedPolicy::from_json] {
        let unvalidated = read("p", text);
        let complaints = unvalidated.lint("2026-01-01T00:00:00Z".parse().ok());
        for complaint in &complaints {
            assert!(!complaint.to_string().is_empty() && complaint.line > 0 && complaint.column > 0);
        }
        if let (Some(json), false) = (unvalidated.to_json(), has_errors(&complaints)) {
            let again = UnvalidatedPolicy::from_json("p", &json);
            assert_eq!(again.document(), unvalidated.document());
        }
        match unvalidated.validate(&NoFiles, None) {
            Ok(policy) => assert!(!has_errors(policy.warnings())),
            Err(complaints) => assert!(has_errors(&complaints)),
        }
    }
    if let Ok(once) = format("p", text) {
        let json = |text: &str| UnvalidatedPolicy::from_toml("p", text).to_json();
        assert_eq!(json(&once).is_some(), json(text).is_some());
        assert_eq!(format("p", &once).expect("what we lay out is TOML"), once);
    }
}

/// The first line is a glob, a regex and a reference, the second a name that is held against them.
pub fn matching(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else { return };
    let (pattern, name) = text.split_once('\n').unwrap_or((text, ""));
    if let Ok(glob) = Glob::new(pattern) {
        if glob.is_literal() {
            assert_eq!(glob.matches(name), pattern == name);
        }
        if let (true, Ok(other)) = (glob.matches(name), Glob::new(name)) {
            assert!(!other.is_literal() || glob.overlaps(&other));
        }
    }
    if let Ok(pattern) = Pattern::new(pattern) {
        // Whole values: what matches does not match with something around it, unless it says so.
        let _ = pattern.matches(name);
    }
    if let Ok(asked) = Reference::parse(pattern) {
        let canonical = asked.reference.as_str();
        assert_eq!(Reference::canonical(canonical).as_ref(), Ok(&asked.reference));
        assert!(!canonical.contains(['*', '%', '\\']) && !canonical.contains("/../"));
    }
}
