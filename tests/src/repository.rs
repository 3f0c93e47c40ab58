//! The repository as tests look at it: that what documents and tables name is there.

use std::path::{Path, PathBuf};

/// A path of the repository.
pub fn at(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..").join(path)
}

/// What a file says.
///
/// # Panics
/// When it cannot be read.
pub fn read(path: &Path) -> String {
    std::fs::read_to_string(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// Whether `BINARY::MODULE::FUNCTION` is a test, and not an ignored one, that its binary holds.
///
/// # Panics
/// When the name has not three parts.
pub fn is_a_test(name: &str) -> bool {
    let parts: Vec<&str> = name.split("::").collect();
    let [binary, module, function] = parts[..] else { panic!("`{name}` has not three parts") };
    let folder = at("tests/tests").join(binary);
    let file = folder.join(format!("{module}.rs"));
    if !file.is_file() || !read(&folder.join("main.rs")).contains(&format!("\nmod {module};\n")) {
        return false;
    }
    let source = read(&file);
    let lines: Vec<&str> = source.lines().collect();
    let begins = |line: &str| {
        let line = line.strip_prefix("async ").unwrap_or(line);
        line.strip_prefix("fn ").is_some_and(|rest| rest.starts_with(&format!("{function}()")))
    };
    let Some(position) = lines.iter().position(|line| begins(line)) else { return false };
    let attributes: Vec<&str> =
        lines[..position].iter().rev().take_while(|line| line.starts_with("#[")).copied().collect();
    let begins_a_test = |line: &&str| *line == "#[test]" || line.starts_with("#[tokio::test");
    let is_test = attributes.iter().any(begins_a_test);
    is_test && attributes.iter().all(|line| !line.starts_with("#[ignore"))
}
