use std::fs;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};

use proptest::prelude::*;

use super::{Loaded, Refused, load, parse_str};
use crate::model::Secret;
use crate::problem::{Part, Place, Problem};
use crate::report::render;
use crate::testing::{FINE, loaded};

/// A folder of its own for one test, removed with it.
struct Folder(PathBuf);

impl Folder {
    fn new(files: &[(&str, &str)]) -> Self {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let number = COUNT.fetch_add(1, Ordering::Relaxed);
        let name = format!("marchproxy-conf-{}-{number}", std::process::id());
        let folder = Self(std::env::temp_dir().join(name));
        fs::create_dir_all(&folder.0).unwrap();
        for (name, text) in files {
            fs::write(folder.0.join(name), text).unwrap();
        }
        folder
    }

    fn loaded(&self) -> Loaded {
        load(&self.0).unwrap_or_else(|refused| panic!("{}", shown(&refused)))
    }

    fn refused(&self) -> Refused {
        load(&self.0).map(|_| ()).expect_err("this was not refused")
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

fn shown(refused: &Refused) -> String {
    render(&refused.problems, &refused.sources)
}

fn codes(problems: &[Problem]) -> Vec<&str> {
    problems.iter().map(|problem| problem.code).collect()
}

const LISTENERS: &str = "listeners:\n  - { name: web, address: '127.0.0.1:8080' }\n";
const ROUTES: &str = "routes:\n  - { name: all, upstream: app }\n";
const UPSTREAMS: &str = "upstreams:\n  - { name: app, endpoints: ['127.0.0.1:3000'] }\n";

#[test]
fn the_lists_of_a_folders_files_are_put_together_in_the_order_of_names() {
    let more = "routes:\n  - { name: more, match: { path: /more }, upstream: app }\n";
    let folder = Folder::new(&[
        ("30.yaml", ROUTES),
        ("20.yml", more),
        ("10.yaml", &format!("{LISTENERS}{UPSTREAMS}")),
        (".hidden.yaml", "not: this"),
        ("notes.txt", "not: this"),
        ("old.yaml.bak", "not: this"),
    ]);
    fs::create_dir(folder.0.join("folder.yaml")).unwrap();
    let loaded = folder.loaded();
    let names: Vec<&str> = loaded.config.routes.iter().map(|route| route.name.as_str()).collect();
    assert_eq!(names, ["more", "all"]);
    let second = Place::root().key("routes").index(1).key("name");
    let position = loaded.sources.position(&second, Part::Value).unwrap();
    assert_eq!((position.file.as_str(), position.line, position.column), ("30.yaml", 2, 13));
    assert_eq!(loaded.sources.files().len(), 3);
}

#[test]
fn a_folder_says_the_same_as_its_files_in_one() {
    let folder = Folder::new(&[("a.yaml", LISTENERS), ("b.yaml", ROUTES), ("c.yaml", UPSTREAMS)]);
    assert_eq!(folder.loaded().digest, loaded(&format!("{LISTENERS}{ROUTES}{UPSTREAMS}")).digest);
}

#[test]
fn what_is_no_list_stands_in_one_file_only() {
    let folder = Folder::new(&[
        ("a.yaml", &format!("{FINE}process: {{ workers: 1 }}\n")),
        ("b.yaml", "process: { workers: 2 }\n"),
    ]);
    let expected = "\
error[duplicate-key]: `process` stands in a second file
 --> b.yaml:1:1
  |
1 | process: { workers: 2 }
  | ^^^^^^^ only lists may be split among files
  = note: the first is here (a.yaml:10)

1 error in 2 files.
";
    assert_eq!(shown(&folder.refused()), expected);
}

#[test]
fn an_unknown_key_is_reported_in_each_file_that_has_it() {
    let folder = Folder::new(&[("a.yaml", &format!("{FINE}x: 1\n")), ("b.yaml", "x: 1\n")]);
    let shown = shown(&folder.refused());
    assert!(shown.contains("--> a.yaml:10:1") && shown.contains("--> b.yaml:1:1"), "{shown}");
}

#[test]
fn a_list_that_is_none_is_an_error_in_whichever_file() {
    for (one, other) in [("routes: x\n", ROUTES), (ROUTES, "routes: x\n"), (ROUTES, "- x\n")] {
        let folder = Folder::new(&[("a.yaml", one), ("b.yaml", other), ("c.yaml", LISTENERS)]);
        assert!(codes(&folder.refused().problems).contains(&"wrong-type"), "{one}{other}");
    }
}

#[test]
fn an_empty_folder_and_a_missing_file_are_errors() {
    let folder = Folder::new(&[("notes.txt", "")]);
    assert_eq!(codes(&folder.refused().problems), ["empty-folder"]);
    let refused = load(&folder.0.join("missing.yaml")).map(|_| ()).unwrap_err();
    let shown = shown(&refused);
    assert!(shown.starts_with("error[unreadable-file]: `"), "{shown}");
    assert!(shown.ends_with("\n1 error.\n"), "{shown}");
}

#[test]
fn what_is_not_text_or_no_file_is_an_error() {
    let folder = Folder::new(&[]);
    fs::write(folder.0.join("a.yaml"), b"a: 1\nb: \xff").unwrap();
    let refused = folder.refused();
    assert_eq!(codes(&refused.problems)[0], "not-utf8");
    assert!(refused.problems[0].message.ends_with("line 2 holds another encoding"));
    assert_eq!(codes(&load(Path::new("/dev/null")).unwrap_err().problems)[0], "unreadable-file");
}

#[test]
fn a_file_that_is_too_large_is_not_read_to_its_end() {
    let folder = Folder::new(&[]);
    let file = fs::File::create(folder.0.join("a.yaml")).unwrap();
    file.set_len(1 << 40).unwrap();
    assert_eq!(codes(&folder.refused().problems)[0], "too-large");
    let text = " ".repeat(super::files::MOST_BYTES + 1);
    assert_eq!(codes(&parse_str("a", &text).unwrap_err().problems)[0], "too-large");
}

#[test]
fn files_are_named_relative_to_the_file_that_names_them() {
    let text = format!(
        "{FINE}certificates: [{{ name: c, chain: tls/c.pem, key: {{ file: /abs/c.key }} }}]\n\
         error_pages: [{{ statuses: [404], file: pages/404.html }}]\naccess_log: {{ file: a.log }}\n"
    );
    let folder = Folder::new(&[("a.yaml", &text)]);
    let config = folder.loaded().config;
    assert_eq!(config.certificates[0].chain, folder.0.join("tls/c.pem"));
    assert_eq!(config.certificates[0].key, Secret::File("/abs/c.key".into()));
    assert_eq!(config.error_pages[0].file, folder.0.join("pages/404.html"));
    assert_eq!(config.access_log.file.unwrap(), folder.0.join("a.log"));
    // Text alone is nowhere, so its files stay as they are.
    assert_eq!(loaded(&text).config.certificates[0].chain, Path::new("tls/c.pem"));
}

#[test]
fn every_key_that_names_a_file_does_so_also_by_way_of_an_alias() {
    let text = format!(
        "{FINE}certificates: [{{ name: c, chain: c.pem, key: {{ file: c.key }}, ocsp: &o {{ issuer: i, cache: o }} }},\n  \
         {{ name: i, chain: c.pem, key: {{ file: c.key }}, ocsp: *o }}]\n"
    );
    let text = text.replace(
        "8080\n",
        "8080\n    tls: { certificates: [c], clients: { verify: required, ca: ca.pem, crl: crl.pem },\
         tickets: { keys: { file: t.key } }, policies: [{ names: [a.test], clients: { verify: required, ca: b.pem } }] }\n",
    );
    let folder = Folder::new(&[("a.yaml", &text)]);
    let config = folder.loaded().config;
    let tls = config.listeners[0].tls.as_ref().unwrap();
    let clients = tls.clients.as_ref().unwrap();
    assert_eq!(clients.ca, folder.0.join("ca.pem"));
    assert_eq!(clients.crl.as_deref(), Some(&*folder.0.join("crl.pem")));
    let others = tls.policies[0].clients.as_ref().unwrap();
    assert_eq!(others.ca, folder.0.join("b.pem"));
    let keys = tls.tickets.keys.as_ref().unwrap();
    assert_eq!(*keys, Secret::File(folder.0.join("t.key")));
    for certificate in &config.certificates {
        let ocsp = certificate.ocsp.as_ref().unwrap();
        assert_eq!(ocsp.issuer.as_deref(), Some(&*folder.0.join("i")));
        assert_eq!(ocsp.cache.as_deref(), Some(&*folder.0.join("o")));
    }
    assert_eq!(config.certificates[1].name.as_str(), "i");
}

#[test]
fn the_digest_is_of_what_is_said_and_not_of_how() {
    let other = "# another\nupstreams: [{ endpoints: ['127.0.0.1:3000'], name: 'app' }]\n\
        routes: [{ upstream: app, name: all, match: { path: / } }]\n\
        listeners: [{ name: web, address: 127.0.0.1:8080, protocol: auto }]\n";
    assert_eq!(loaded(FINE).digest, loaded(other).digest);
    assert_ne!(loaded(FINE).digest, loaded(&FINE.replace(":3000", ":3001")).digest);
    assert_eq!(loaded(FINE).digest.to_string().len(), 64);
}

#[test]
fn every_example_loads_without_a_warning() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("examples");
    let mut count = 0;
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let loaded = load(&path).unwrap_or_else(|refused| panic!("{}", shown(&refused)));
        assert_eq!(loaded.warnings, [], "{}", path.display());
        count += 1;
    }
    assert!(count >= 8);
}

#[test]
fn a_refused_configuration_is_kept_for_further_checks_when_it_can_be_read() {
    let refused = parse_str("a", &FINE.replace("    upstream: app", "    upsteam: app"));
    assert_eq!(refused.unwrap_err().config.unwrap().routes.len(), 1);
    let refused = parse_str("a", &FINE.replace("name: app", "name: App"));
    assert!(refused.unwrap_err().config.is_none());
}

/// Text with the words of the language in it, so that it gets past the first line.
fn any_text() -> impl Strategy<Value = String> {
    let words = [
        "listeners",
        "routes",
        "upstreams",
        "name",
        "address",
        "match",
        "path",
        "key",
        "tls",
        "set",
        "endpoints",
        "dns",
        "port",
        "a",
        "127.0.0.1:80",
        "/{x}",
        "10s",
        "1",
        "~",
        "'",
        "\"",
        "{",
        "}",
        "[",
        "]",
        ":",
        ": ",
        "- ",
        "\n",
        "\n  ",
        "\n    ",
        ", ",
        "&a ",
        "*a",
        "|",
        "#",
        "\t",
        "ä",
        "\u{202e}",
        "!",
        "%",
        "---",
        "...",
        "<<",
        "\r\n",
    ];
    let word = prop_oneof![prop::sample::select(words.to_vec()).prop_map(str::to_owned), ".{0,3}"];
    prop::collection::vec(word, 0..60).prop_map(|words| words.concat())
}

proptest! {
    #[test]
    fn no_text_makes_the_loader_panic_and_every_problem_can_be_shown(text in any_text()) {
        let (problems, sources) = match parse_str("any.yaml", &text) {
            Ok(loaded) => (loaded.warnings, loaded.sources),
            Err(refused) => (refused.problems, refused.sources),
        };
        let shown = render(&problems, &sources);
        crate::report::to_json(&problems, &sources);
        prop_assert!(problems.iter().all(|problem| problem.code != "undecodable"), "{}", shown);
    }

    #[test]
    fn a_changed_letter_makes_the_loader_neither_panic_nor_disagree_with_itself(
        at in 0..FINE.len(),
        with in prop::sample::select(b" \n:-{}[]'\"#&*!|>%@`~,a0/.".to_vec()),
    ) {
        let mut bytes = FINE.as_bytes().to_vec();
        bytes[at] = with;
        let text = String::from_utf8(bytes).unwrap();
        if let Err(refused) = parse_str("any.yaml", &text) {
            let shown = shown(&refused);
            prop_assert!(!shown.contains("undecodable"), "{}", shown);
        }
    }
}
