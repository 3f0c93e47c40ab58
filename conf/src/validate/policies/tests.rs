use crate::testing::{FINE, found, label};

/// A configuration whose route names the policy `p`, which says this.
fn with(policy: &str) -> String {
    let text = FINE.replace("    upstream: app\n", "    upstream: app\n    policies: [p]\n");
    format!("{text}policies:\n  - {{ name: p, {policy} }}\n")
}

fn code(policy: &str) -> Vec<String> {
    let found = found(&with(policy));
    found.iter().map(|line| line.split(' ').next().unwrap_or_default().to_owned()).collect()
}

#[test]
fn a_policy_is_exactly_one_kind() {
    assert_eq!(code("limit: { rate: 1/s }"), Vec::<String>::new());
    assert_eq!(code("access: { deny: [{ methods: [PUT] }] }"), Vec::<String>::new());
    assert_eq!(found(&with("").replace("p,  }", "p }")), ["no-kind 12:13"]);
    assert_eq!(code("limit: { rate: 1/s }, access: { deny: [{ methods: [PUT] }] }"), ["two-kinds"]);
}

#[test]
fn access_says_something_of_some_requests() {
    assert_eq!(code("access: {}"), ["empty-access"]);
    assert_eq!(code("access: { allow: [{}] }"), ["fits-all"]);
    assert_eq!(code("access: { deny: [{ methods: [GET] }, {}] }"), ["fits-all"]);
}

#[test]
fn the_parts_of_a_key_go_together() {
    assert_eq!(code("limit: { rate: 1/s, key: [header] }"), ["no-header"]);
    assert_eq!(code("limit: { rate: 1/s, header: X-A }"), ["no-effect"]);
    assert_eq!(code("limit: { rate: 1/s, key: [route, route] }"), ["repeated-key"]);
    assert_eq!(
        code("limit: { rate: 1/s, key: [header, address], header: X-A }"),
        Vec::<String>::new()
    );
    for bad in ["rate: 0/s", "rate: 1/2d", "rate: 1/s, burst: 0", "rate: 1/s, ipv4: 33", "burst: 1"]
    {
        assert_eq!(code(&format!("limit: {{ {bad} }}")).len(), 1, "{bad}");
    }
}

#[test]
fn a_route_names_policies_that_are_there_and_each_once() {
    let text = with("limit: { rate: 1/s }");
    assert_eq!(found(&text.replace("[p]", "[p, p]")), ["named-twice 7:19"]);
    let unknown = text.replace("[p]", "[p, pp]");
    assert_eq!(
        (found(&unknown), label(&unknown)),
        (vec!["unknown-policy 7:19".to_owned()], "did you mean `p`?".to_owned())
    );
    assert_eq!(found(&text.replace("[p]", "[]")), ["unused-policy 12:13"]);
    let twice = format!("{text}  - {{ name: p, limit: {{ rate: 2/s }} }}\n");
    assert_eq!(found(&twice), ["duplicate-name 13:13"]);
}

#[test]
fn a_key_comes_in_a_field_that_nothing_else_needs() {
    for (header, wanted) in
        [("Host", 1), ("Content-Length", 1), ("Authorization", 0), ("X-Partner", 0)]
    {
        let policy = format!("api_keys: {{ hash_key: {{ env: K }}, header: {header} }}");
        assert_eq!(code(&policy), vec!["forbidden-field"; wanted], "{header}");
    }
}
