use super::reference_markdown;
use crate::schema::schema_json;

fn assert_is_current(file: &str, text: &str) {
    let path =
        std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/reference").join(file);
    if std::env::var_os("UPDATE_DOCS").is_some() {
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(&path, text).unwrap();
    }
    let written = std::fs::read_to_string(&path).unwrap_or_default();
    assert!(
        written == text,
        "docs/reference/{file} is out of date: UPDATE_DOCS=1 cargo test -p marchproxy-conf"
    );
}

#[test]
fn the_reference_page_says_what_the_types_say() {
    assert_is_current("configuration.md", &reference_markdown());
}

#[test]
fn the_schema_file_says_what_the_types_say() {
    assert_is_current("configuration.schema.json", &schema_json());
}

#[test]
fn every_link_of_the_reference_page_leads_somewhere() {
    let page = reference_markdown();
    for (_, rest) in page.match_indices("](#").map(|(at, _)| page.split_at(at + 3)) {
        let anchor = rest.split(')').next().unwrap();
        assert!(page.contains(&format!("<a id=\"{anchor}\"></a>")), "{anchor}");
    }
}
