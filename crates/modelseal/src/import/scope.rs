//! Registries and repositories of other tools, as globs on canonical references.

/// The globs for a repository, `host/path`, without tag or digest. `None` when ours cannot say it.
pub(super) fn repository(text: &str) -> Option<String> {
    let (host, path) = text.split_once('/')?;
    let is_host = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'-' | b':');
    // Without a dot, a port or `localhost`, the first part is no host but a name on somebody's default registry.
    let named = host.contains(['.', ':']) || host == "localhost";
    let plain =
        !path.is_empty() && !path.contains([':', '@', '%', '?', '[', '{', '\\']) && !path.contains("//");
    (named && host.bytes().all(is_host) && plain)
        .then(|| format!("oci://{}/{path}", host.to_ascii_lowercase()))
}

/// The globs for everything in a namespace, or on a host when there is no path, and for the repository of that name.
pub(super) fn namespace(text: &str) -> Option<Vec<String>> {
    if text.contains(['*', '@']) {
        return None;
    }
    match text.split_once('/') {
        Some(_) => repository(text).map(|glob| vec![glob.clone(), format!("{glob}/**")]),
        None => repository(&format!("{text}/**")).map(|glob| vec![glob]),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn scopes_become_globs_and_nothing_is_guessed() {
        assert_eq!(repository("GHCR.io/acme/m").as_deref(), Some("oci://ghcr.io/acme/m"));
        assert_eq!(repository("ghcr.io/acme/*").as_deref(), Some("oci://ghcr.io/acme/*"));
        assert_eq!(repository("localhost:5000/a").as_deref(), Some("oci://localhost:5000/a"));
        for bad in [
            "",
            "**",
            "*",
            "acme/m",
            "*.example.com/a",
            "ghcr.io/a:latest",
            "ghcr.io/a@sha256:00",
            "ghcr.io/",
            "ghcr.io",
        ] {
            assert_eq!(repository(bad), None, "{bad}");
        }
        assert_eq!(namespace("ghcr.io"), Some(vec!["oci://ghcr.io/**".into()]));
        assert_eq!(namespace("ghcr.io/a"), Some(vec!["oci://ghcr.io/a".into(), "oci://ghcr.io/a/**".into()]));
        assert_eq!(namespace("*.ghcr.io"), None);
    }
}
