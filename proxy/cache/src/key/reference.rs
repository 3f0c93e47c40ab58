//! References in `Location` and `Content-Location`, and URIs of operators.

use super::Key;

/// Brings a path into normal form; `None` when it cannot be a path.
pub type Normalise<'a> = &'a dyn Fn(&str) -> Option<String>;

impl Key {
    /// The key of an absolute `http` or `https` URI, such as an operator gives. `normalise` brings
    /// its path into the form that requests have it in, `.` and `..` resolved.
    pub fn of_uri(uri: &str, normalise: Normalise<'_>) -> Option<Self> {
        let (scheme, rest) = uri.split_once("://")?;
        let scheme = scheme.to_ascii_lowercase();
        let rest = without_fragment(rest);
        let end = rest.find(['/', '?']).unwrap_or(rest.len());
        let (authority, target) = rest.split_at_checked(end)?;
        let (path, query) = split_query(target);
        let path = if path.is_empty() { "/" } else { path };
        let authority = without_default_port(&scheme, authority);
        Self::new(&scheme, authority, &normalise(path)?, query)
    }

    /// The key that a reference stands for (RFC 3986, section 5.2), as seen from this one; `None`
    /// when it cannot be told, or when it is of another origin (RFC 9111, section 4.4).
    pub fn resolve(&self, reference: &str, normalise: Normalise<'_>) -> Option<Self> {
        let reference = without_fragment(reference);
        if reference.is_empty() {
            return Some(self.clone());
        }
        if let Some(rest) = reference.strip_prefix("//") {
            return self
                .same_origin(Self::of_uri(&[self.scheme(), "://", rest].concat(), normalise));
        }
        let (path, query) = split_query(reference);
        // A colon in the first segment ends a scheme.
        if path.split('/').next().is_some_and(|segment| segment.contains(':')) {
            return self.same_origin(Self::of_uri(reference, normalise));
        }
        let folder = self.path().rsplit_once('/').map_or("", |(folder, _)| folder);
        let path = match path {
            "" => self.path().to_owned(),
            path if path.starts_with('/') => path.to_owned(),
            path => [folder, "/", path].concat(),
        };
        Self::new(self.scheme(), self.authority(), &normalise(&path)?, query)
    }

    fn same_origin(&self, other: Option<Self>) -> Option<Self> {
        let is_same =
            |other: &Self| self.scheme() == other.scheme() && self.authority() == other.authority();
        other.filter(is_same)
    }
}

fn without_fragment(reference: &str) -> &str {
    reference.split('#').next().unwrap_or_default()
}

fn split_query(target: &str) -> (&str, Option<&str>) {
    target.split_once('?').map_or((target, None), |(path, query)| (path, Some(query)))
}

fn without_default_port<'a>(scheme: &str, authority: &'a str) -> &'a str {
    let port = if scheme == "https" { ":443" } else { ":80" };
    authority.strip_suffix(port).or_else(|| authority.strip_suffix(':')).unwrap_or(authority)
}
