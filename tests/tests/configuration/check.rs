//! `marchproxy check`.

use marchproxy_tests::binary;
use marchproxy_tests::proxy::{SIMPLE, Setup};

async fn check(text: &str) -> (i32, String) {
    let ended = Setup::new().set("origin", "127.0.0.1:9").run(&["check"], text).await;
    (ended.code(), ended.output())
}

async fn refused(text: &str, wanted: &[&str]) {
    let (code, output) = check(text).await;
    assert_eq!(code, 2, "{output}");
    for piece in wanted {
        assert!(output.contains(piece), "`{piece}` is not in\n{output}");
    }
}

#[tokio::test]
async fn a_good_file_is_one_calm_line() {
    let (code, output) = check(SIMPLE).await;
    assert_eq!(code, 0, "{output}");
    assert!(output.trim().lines().count() <= 2, "{output}");
}

#[tokio::test]
async fn an_unknown_key_is_placed_and_the_nearest_is_named() {
    let text = SIMPLE.replace("upstream: app", "upsteam: app");
    refused(&text, &["unknown-key", "upsteam", "did you mean `upstream`", "marchproxy.yaml:3:"])
        .await;
    let position = "routes: [{ name: everything, match: { path: / }, ".len() + 1;
    refused(&text, &[&format!(":3:{position}")]).await;
}

#[tokio::test]
async fn all_errors_are_told_at_once() {
    let text = r#"
listeners:
  - { name: web, address: nonsense }
  - { name: web, address: "127.0.0.1:1", color: red }
routes:
  - { name: a, match: { path: x }, upstream: nobody }
upstreams: [{ name: app, endpoints: [], timeouts: { connect: 5 } }]
"#;
    refused(
        text,
        &["nonsense", "color", "marchproxy.yaml:3:", ":4:", ":6:", ":7:", "errors in 1 file"],
    )
    .await;
}

#[tokio::test]
async fn a_key_given_twice_is_an_error_that_names_the_first() {
    let text = format!("{SIMPLE}\nroutes: []\n");
    refused(&text, &["duplicate", "routes", ":6:", "line 3"]).await;
}

#[tokio::test]
async fn text_that_is_no_yaml_is_placed() {
    refused("listeners: [{ name: web\n  : : }", &["marchproxy.yaml:"]).await;
    refused("\t", &[]).await;
    let (code, output) = check("").await;
    assert_eq!(code, 2, "{output}");
}

#[tokio::test]
async fn values_out_of_their_bounds_are_errors() {
    let with = |more: &str| {
        SIMPLE.replace("@web-port@\"", &format!("@web-port@\", requests: {{ {more} }}"))
    };
    for (more, piece) in [
        ("head_time: 1ms", "head_time"),
        ("head_time: soon", "soon"),
        ("head_size: 1GiB", "head_size"),
        ("fields: 0", "fields"),
        ("fields: 1000", "fields"),
        ("fields: many", "fields"),
        ("body_size: -1B", "body_size"),
    ] {
        refused(&with(more), &[piece]).await;
    }
}

#[tokio::test]
async fn references_to_nothing_are_errors_with_the_nearest_name() {
    refused(&SIMPLE.replace("upstream: app", "upstream: ap"), &["ap", "app"]).await;
    let text = SIMPLE.replace("match:", "listeners: [wep], match:");
    refused(&text, &["wep", "web"]).await;
}

#[tokio::test]
async fn routes_that_cannot_be_told_apart_are_an_error() {
    let text = SIMPLE.replace(
        "routes: [",
        "routes: [{ name: twin, match: { path: / }, respond: { status: 200 } }, ",
    );
    refused(&text, &["twin", "everything"]).await;
    let text = r#"
listeners: [{ name: web, address: "127.0.0.1:1" }]
routes:
  - { name: one, match: { path: "/a/{x}" }, respond: { status: 200 } }
  - { name: two, match: { path: "/a/{y}" }, respond: { status: 200 } }
"#;
    refused(text, &["one", "two", ":5:"]).await;
}

#[tokio::test]
async fn a_route_needs_exactly_one_thing_to_do() {
    refused(&SIMPLE.replace(", upstream: app }", " }"), &["everything"]).await;
    let both = SIMPLE.replace("upstream: app }", "upstream: app, respond: { status: 200 } }");
    refused(&both, &["respond"]).await;
}

#[tokio::test]
async fn two_listeners_on_one_address_are_an_error() {
    let text = SIMPLE
        .replace("listeners: [", "listeners: [{ name: other, address: \"0.0.0.0:@web-port@\" }, ");
    refused(&text, &["other", "web"]).await;
}

#[tokio::test]
async fn a_secret_is_a_reference_and_is_never_shown() {
    let text = SIMPLE.to_owned()
        + "certificates: [{ name: shop, chain: a.pem, key: \"hunter2-very-secret\" }]\n";
    let (code, output) = check(&text).await;
    assert_eq!(code, 2, "{output}");
    assert!(!output.contains("hunter2"), "{output}");
    assert!(output.contains("file:") && output.contains("env:"), "{output}");
}

#[tokio::test]
async fn check_works_without_a_network() {
    let (code, output) = check(&SIMPLE.replace("@origin@", "no-such-host.invalid:80")).await;
    assert_eq!(code, 0, "{output}");
}

#[tokio::test]
async fn check_online_looks_up_and_dials() {
    let origin = marchproxy_tests::Origin::start().await;
    let mut setup = Setup::new().set("origin", origin.address());
    let ended = setup.run(&["check", "--online"], SIMPLE).await;
    assert_eq!(ended.code(), 0, "{ended:?}");
    let away = format!("127.0.0.1:{}", marchproxy_tests::ports::free());
    let ended = Setup::new().set("origin", &away).run(&["check", "--online"], SIMPLE).await;
    assert!(ended.output().contains(&away), "{ended:?}");
    let text = SIMPLE.replace("@origin@", "no-such-host.invalid:80");
    let ended = Setup::new().run(&["check", "--online"], &text).await;
    assert!(ended.output().contains("no-such-host.invalid"), "{ended:?}");
}

#[tokio::test]
async fn a_file_that_is_not_there_is_told() {
    let ended = binary::run(&["check", "/no/such/file.yaml"]).await;
    assert_ne!(ended.code(), 0);
    assert!(ended.output().contains("/no/such/file.yaml"), "{ended:?}");
}

#[tokio::test]
async fn a_folder_is_merged_and_duplicates_over_files_are_refused() {
    let listeners = "listeners: [{ name: web, address: \"127.0.0.1:1\" }]\n";
    let routes = "routes: [{ name: all, respond: { status: 200 } }]\nprocess: { drain: 1s }\n";
    let check = async |files: &[(&str, &str)]| {
        let folder = marchproxy_tests::folder::Folder::new();
        for (name, text) in files {
            folder.write(name, text);
        }
        let path = folder.path().to_str().unwrap().to_owned();
        let ended = binary::run(&["check", &path]).await;
        (ended.code(), ended.output())
    };
    let good = [("a.yaml", listeners), ("b.yml", routes), (".hidden.yaml", "x"), ("c.txt", "x")];
    let (code, output) = check(&good).await;
    assert_eq!(code, 0, "{output}");
    let twice = [("a.yaml", listeners), ("b.yaml", routes), ("c.yaml", "process: { drain: 2s }\n")];
    let (code, output) = check(&twice).await;
    assert_eq!(code, 2, "{output}");
    assert!(output.contains("c.yaml:1:") && output.contains("b.yaml"), "{output}");
    let same = [
        ("a.yaml", listeners),
        ("b.yaml", routes),
        ("c.yaml", "routes: [{ name: all, match: { path: /x }, respond: { status: 200 } }]\n"),
    ];
    let (code, output) = check(&same).await;
    assert_eq!(code, 2, "{output}");
    assert_eq!(check(&[]).await.0, 2);
}
