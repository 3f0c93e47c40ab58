//! `dump`, and how commands are asked.

use marchproxy_tests::binary;
use marchproxy_tests::proxy::{SIMPLE, Setup};

#[tokio::test]
async fn dump_shows_defaults_and_places_and_loads_again() {
    let mut setup = Setup::new().set("origin", "127.0.0.1:9");
    let dumped = setup.run(&["dump", "--config"], SIMPLE).await;
    assert_eq!(dumped.code(), 0, "{dumped:?}");
    let line = |key: &str| {
        let found = dumped.stdout.lines().find(|line| line.trim_start().starts_with(key));
        found.unwrap_or_else(|| panic!("no {key} in {}", dumped.stdout)).to_owned()
    };
    assert!(line("head_size: 32KiB").contains("# default"), "{}", line("head_size"));
    assert!(line("address:").contains("marchproxy.yaml:2") || line("- name: web").contains(":2"));
    let again = setup.run(&["check"], &dumped.stdout).await;
    assert_eq!(again.code(), 0, "{again:?}");
}

#[tokio::test]
async fn dump_does_not_show_secrets() {
    let text = SIMPLE.replace(
        "address: \"127.0.0.1:@web-port@\"",
        "address: \"127.0.0.1:@web-port@\", tls: { certificates: [shop] }",
    ) + "certificates: [{ name: shop, chain: a.pem, key: { env: SHOP_KEY } }]\n";
    let ended = Setup::new().set("origin", "127.0.0.1:9").run(&["dump", "--config"], &text).await;
    assert_eq!(ended.code(), 0, "{ended:?}");
    assert!(ended.stdout.contains("SHOP_KEY"), "{ended:?}");
}

#[tokio::test]
async fn a_command_asked_wrongly_exits_with_2() {
    for arguments in [&["no-such-command"][..], &["run", "--no-such-option"], &["check"], &[]] {
        let ended = binary::run(arguments).await;
        assert_eq!(ended.code(), 2, "{arguments:?}: {ended:?}");
        assert!(!ended.output().is_empty());
    }
}

#[tokio::test]
async fn help_and_version_are_told() {
    let ended = binary::run(&["--version"]).await;
    assert_eq!(ended.code(), 0);
    assert!(ended.stdout.starts_with("marchproxy "), "{ended:?}");
    let ended = binary::run(&["--help"]).await;
    assert_eq!(ended.code(), 0);
    for command in ["run", "check", "dump", "upgrade"] {
        assert!(ended.stdout.contains(command), "{ended:?}");
    }
}
