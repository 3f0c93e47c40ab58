use crate::testing::{FINE, found, label, loaded, refused};

/// A route with these keys, beside what makes a configuration.
fn route(keys: &str) -> String {
    FINE.replace("    upstream: app\n", &format!("    upstream: app\n{keys}"))
}

#[test]
fn a_fine_configuration_has_no_problems() {
    assert_eq!(found(FINE), Vec::<String>::new());
}

#[test]
fn all_errors_are_found_not_only_the_first() {
    let text = "\
listeners:
  - name: Web
    address: here
    protocol: http3
    connections: { total: 0, streams: 5 }
routes: none
";
    let expected = [
        "bad-value 2:11",
        "bad-value 3:14",
        "unknown-value 4:15",
        "out-of-range 5:27",
        "unknown-key 5:30",
        "wrong-type 6:9",
    ];
    assert_eq!(found(text), expected);
}

#[test]
fn a_mistyped_key_is_told_the_nearest_known_one() {
    assert_eq!(label(&route("    rewrit: {}\n")), "did you mean `rewrite`?");
    assert_eq!(label(&route("    request-headers: {}\n")), "did you mean `request_headers`?");
}

#[test]
fn a_key_that_is_near_no_known_one_is_told_all_of_them() {
    let expected = "its keys are `strip_prefix`, `add_prefix`, `path`";
    assert_eq!(label(&route("    rewrite: { path: /, flags: 1 }\n")), expected);
}

#[test]
fn a_mistyped_key_that_is_needed_is_one_error_and_not_two() {
    assert_eq!(found(&FINE.replace("address:", "adress:")), ["unknown-key 3:5"]);
}

#[test]
fn a_missing_key_is_an_error_at_its_mapping() {
    let text = FINE.replace("    address: 127.0.0.1:8080\n", "");
    assert_eq!(found(&text), ["missing-key 2:5"]);
    assert_eq!(refused(&text).problems[0].message, "a listener needs the key `address`");
}

#[test]
fn a_key_without_a_value_is_not_taken_for_an_absent_one() {
    // A listener whose `tls` lost its content must not fall back to plain text.
    assert_eq!(found(&FINE.replace(":8080\n", ":8080\n    tls:\n")), ["missing-value 4:5"]);
    assert_eq!(found(&format!("{FINE}error_pages:\n")), ["missing-value 10:1"]);
}

#[test]
fn a_list_a_mapping_and_text_are_not_taken_for_each_other() {
    let message = |keys: &str| refused(&route(keys)).problems[0].message.clone();
    assert_eq!(message("    listeners: web\n"), "expected a list for `listeners`, found text");
    assert_eq!(message("    match: [/]\n"), "expected a mapping for `match`, found a list");
    assert_eq!(message("    timeout: {}\n"), "expected text for `timeout`, found a mapping");
    assert_eq!(
        message("    match: { methods: [[GET]] }\n"),
        "expected text for an item of `methods`, found a list"
    );
}

#[test]
fn a_number_is_digits_without_quotes() {
    let workers = |text: &str| found(&format!("{FINE}process: {{ workers: {text} }}\n"));
    assert_eq!(workers("4"), Vec::<String>::new());
    assert_eq!(workers("'4'"), ["wrong-type 10:21"]);
    assert_eq!(workers("4.5"), ["wrong-type 10:21"]);
    assert_eq!(workers("0x10"), ["wrong-type 10:21"]);
    assert_eq!(workers("-1"), ["out-of-range 10:21"]);
    assert_eq!(workers("99999999999999999999999"), ["out-of-range 10:21"]);
    assert_eq!(workers("1025"), ["out-of-range 10:21"]);
}

#[test]
fn a_version_of_tls_needs_no_quotes_and_keeps_its_text() {
    let certificate = "certificates: [{ name: c, chain: /c.pem, key: { file: /c.key } }]\n";
    let with = |minimum: &str| {
        let tls = format!(":8080\n    tls: {{ certificates: [c], minimum: {minimum} }}\n");
        FINE.replace(":8080\n", &tls) + certificate
    };
    assert_eq!(loaded(&with("1.3")).digest, loaded(&with("'1.3'")).digest);
    assert_eq!(found(&with("1.30")), ["unknown-value 4:40"]);
    assert_eq!(label(&with("'2'")), "it is one of `1.2`, `1.3`");
}

#[test]
fn times_and_sizes_have_bounds() {
    let times = |text: &str| found(&route(&format!("    timeout: {text}\n")));
    assert_eq!(times("7d"), Vec::<String>::new());
    assert_eq!(times("169h"), ["out-of-range 7:14"]);
    assert_eq!(times("0s"), ["out-of-range 7:14"]);
    assert_eq!(times("99999999999999d"), ["bad-value 7:14"]);
    assert_eq!(label(&route("    timeout: 8d\n")), "it is from 1ms to 7d");
    let sizes = |text: &str| found(&route(&format!("    body_size: {text}\n")));
    assert_eq!(sizes("1PiB"), Vec::<String>::new());
    assert_eq!(sizes("2PiB"), ["out-of-range 7:16"]);
    assert_eq!(sizes("5MB"), ["bad-value 7:16"]);
}

#[test]
fn lengths_have_bounds() {
    assert_eq!(found(&FINE.replace("[127.0.0.1:3000]", "[]")), ["wrong-length 9:16"]);
    assert_eq!(found(&route("    match: { query: [{ name: '' }] }\n")), ["wrong-length 7:30"]);
}

#[test]
fn an_endpoint_is_text_or_one_of_two_mappings() {
    let endpoints = |text: &str| found(&FINE.replace("[127.0.0.1:3000]", text));
    let none = Vec::<String>::new();
    assert_eq!(endpoints("[app.internal:3000]"), none);
    assert_eq!(endpoints("[{ address: 'app.internal:3000', weight: 2 }]"), none);
    assert_eq!(endpoints("[{ dns: app.internal, port: 3000 }]"), none);
    assert_eq!(endpoints("[[a]]"), ["wrong-type 9:17"]);
    assert_eq!(endpoints("[{ dns: app.internal }]"), ["missing-key 9:17"]);
    assert_eq!(endpoints("[{ dns: app.internal, port: 0 }]"), ["out-of-range 9:44"]);
    assert_eq!(endpoints("[{ dns: 10.0.0.1, port: 1 }]"), ["bad-value 9:24"]);
}

#[test]
fn a_key_of_the_other_mapping_is_told_where_it_belongs() {
    let text = FINE.replace("[127.0.0.1:3000]", "[{ address: '127.0.0.1:1', port: 2 }]");
    assert_eq!(label(&text), "it is a key of a DNS endpoint");
}

#[test]
fn names_of_fields_that_differ_in_case_only_are_the_same_key() {
    let text = route("    request_headers: { set: { X-A: b, x-a: c } }\n");
    assert_eq!(found(&text), ["duplicate-key 7:39"]);
    assert_eq!(found(&route("    request_headers: { set: { 'a b': c } }\n")), ["bad-value 7:31"]);
}

#[test]
fn problems_are_counted_beyond_a_bound_and_not_kept() {
    let text = format!("routes: [{}]", "1,".repeat(10_000));
    let refused = refused(&text);
    assert_eq!(refused.problems.len(), super::MOST_PROBLEMS + 1);
    assert_eq!(refused.problems.last().unwrap().message, "there are 9500 more problems");
}

mod secrets {
    use crate::report::{render, to_json};
    use crate::testing::{FINE, refused};

    fn shown(key: &str) -> String {
        let refused = refused(&format!(
            "{FINE}certificates:\n  - name: c\n    chain: /c.pem\n    key: {key}\n"
        ));
        let json = to_json(&refused.problems, &refused.sources);
        render(&refused.problems, &refused.sources) + &json.to_string()
    }

    #[test]
    fn a_secret_in_the_configuration_itself_is_refused_and_never_shown() {
        let written = [
            "hunter2hunter2",
            "'hunter2hunter2'",
            "&anchor hunter2hunter2",
            "[hunter2hunter2]",
            "{ hunter2hunter2 }",
            "{ hunter2hunter2: 1 }",
            "{ value: hunter2hunter2 }",
            "{ env: hunter2hunter2, file: /x }",
            "{ env: 'hunter2hunter2!' }",
            "{ env: [hunter2hunter2] }",
            "|\n      -----BEGIN PRIVATE KEY-----\n      hunter2hunter2\n",
            "hunter2hunter2\n    unknown: 1",
            "hunter2hunter2: x",
            "\"hunter2hunter2",
            "\n    hunter2: \"hunter2hunter2\"\n   bad: x",
        ];
        for key in written {
            let shown = shown(key);
            assert!(!shown.contains("hunter2hunter2"), "{key}\n{shown}");
            assert!(shown.starts_with("error["), "{key}\n{shown}");
        }
    }

    #[test]
    fn a_secret_that_an_alias_carries_elsewhere_is_not_shown_there() {
        let text = "\
certificates:
  - { name: c, chain: /c, key: &k hunter2hunter2 }
listeners: [{ name: w, address: *k, protocol: *k }]
";
        let refused = refused(text);
        let shown = render(&refused.problems, &refused.sources);
        assert!(!shown.contains("hunter2"), "{shown}");
    }

    #[test]
    fn a_secret_that_an_anchor_defines_elsewhere_is_not_shown_there() {
        let text = "x: &k hunter2\ncertificates:\n  - { name: c, chain: /c, key: *k }\n";
        let refused = refused(text);
        let shown = render(&refused.problems, &refused.sources);
        assert!(shown.contains("1 | x: &k ***"), "{shown}");
    }

    #[test]
    fn the_error_says_how_to_refer_to_a_secret() {
        assert!(
            shown("hunter2hunter2").contains("write `{ file: ... }` or `{ env: ... }` instead")
        );
    }
}
