use crate::testing::{FINE, found, label, loaded};

fn none() -> Vec<String> {
    Vec::new()
}

/// A configuration whose only route has these lines.
fn route(lines: &str) -> Vec<String> {
    found(&with_route(lines))
}

fn with_route(lines: &str) -> String {
    FINE.replace("  - name: all\n    upstream: app\n", &format!("  - name: all\n{lines}"))
}

fn with_listener(line: &str) -> Vec<String> {
    found(&FINE.replace("routes:\n", &format!("  - {{ name: two, {line} }}\nroutes:\n")))
}

#[test]
fn a_name_is_used_once_in_its_list() {
    assert_eq!(with_listener("address: '127.0.0.1:81'"), none());
    let text = FINE.replace("routes:\n", "  - { name: web, address: '127.0.0.1:81' }\nroutes:\n");
    assert_eq!(found(&text), ["duplicate-name 4:13"]);
}

#[test]
fn a_reference_names_something_that_is_there() {
    let text = FINE.replace("upstream: app", "upstream: ap");
    assert_eq!(found(&text), ["unknown-upstream 6:15", "unused-upstream 8:11"]);
    assert_eq!(
        label(&with_route("    upstream: app\n    listeners: [wab]\n")),
        "did you mean `web`?"
    );
    let tls = FINE.replace(":8080\n", ":8080\n    tls: { certificates: [shop] }\n");
    assert_eq!(found(&tls), ["unknown-certificate 4:27"]);
    assert_eq!(label(&tls), "add it to `certificates`");
}

#[test]
fn what_nothing_uses_is_a_warning() {
    let text = format!("{FINE}certificates: [{{ name: c, chain: /c, key: {{ env: C }} }}]\n");
    assert_eq!(found(&text), ["unused-certificate 10:24"]);
    assert_eq!(loaded(&text).warnings.len(), 1);
}

#[test]
fn two_listeners_cannot_take_the_same_connection() {
    assert_eq!(with_listener("address: '127.0.0.1:8080'"), ["same-address 4:27"]);
    assert_eq!(with_listener("address: '0.0.0.0:8080'"), ["same-address 4:27"]);
    assert_eq!(with_listener("address: '[::]:8080'"), ["same-address 4:27"]);
    assert_eq!(with_listener("address: '[::ffff:127.0.0.1]:8080'"), ["same-address 4:27"]);
    assert_eq!(with_listener("address: '[::1]:8080'"), none());
    assert_eq!(with_listener("address: '127.0.0.2:8080'"), none());
    let wide = FINE.replace("127.0.0.1:8080", "0.0.0.0:8080");
    let text = wide.replace("routes:\n", "  - { name: two, address: '[::1]:8080' }\nroutes:\n");
    assert_eq!(found(&text), none());
    let any = FINE.replace("127.0.0.1:8080", "127.0.0.1:0");
    let text = any.replace("routes:\n", "  - { name: two, address: '127.0.0.1:0' }\nroutes:\n");
    assert_eq!(found(&text), none());
}

#[test]
fn two_listeners_cannot_have_one_path() {
    assert_eq!(with_listener("address: 'unix:/run/a.sock'"), none());
    let web = FINE.replace("127.0.0.1:8080", "'unix:/run/a.sock'");
    let text =
        web.replace("routes:\n", "  - { name: two, address: 'unix:/run/a.sock' }\nroutes:\n");
    assert_eq!(found(&text), ["same-address 4:27"]);
}

#[test]
fn what_is_of_a_unix_socket_stands_with_one_only() {
    assert_eq!(with_listener("address: 'unix:/a', socket_mode: '0600'"), none());
    assert_eq!(with_listener("address: '[::1]:1', socket_mode: '0600'"), ["no-unix-socket 4:51"]);
    assert_eq!(with_listener("address: 'unix:/a', proxy_protocol: {}"), none());
    let from = "address: 'unix:/a', proxy_protocol: { from: ['10.0.0.1'] }";
    assert_eq!(with_listener(from), ["no-networks 4:62"]);
    for nobody in ["{}", "{ from: [] }"] {
        let keys = format!("address: '[::1]:1', proxy_protocol: {nobody}");
        assert_eq!(with_listener(&keys), ["no-networks 4:54"], "{nobody}");
    }
}

#[test]
fn the_status_listener_is_on_loopback_and_on_its_own_port() {
    let status = |address: &str| found(&format!("{FINE}status: {{ address: '{address}' }}\n"));
    assert_eq!(status("127.0.0.1:9000"), none());
    assert_eq!(status("[::1]:9000"), none());
    assert_eq!(status("0.0.0.0:9000"), ["status-not-loopback 10:20"]);
    assert_eq!(status("127.0.0.1:8080"), ["same-address 3:14"]);
    assert_eq!(with_listener("address: '0.0.0.0:9901'"), ["same-address 4:27"]);
}

#[test]
fn no_listener_is_an_error_and_no_route_a_warning() {
    assert_eq!(found(""), ["no-listeners", "no-routes"]);
    assert_eq!(found("listeners: [{ name: a, address: '127.0.0.1:1' }]\n"), ["no-routes"]);
}

#[test]
fn a_route_does_exactly_one_thing() {
    assert_eq!(route("    upstream: app\n    respond: { status: 200 }\n"), ["two-actions 7:5"]);
    assert_eq!(route("    match: { path: / }\n"), ["no-action 5:11", "unused-upstream 8:11"]);
}

#[test]
fn a_redirect_has_the_status_of_one_and_leads_elsewhere() {
    let redirect = |text: &str| {
        let mut found = route(&format!("    redirect: {{ {text} }}\n"));
        found.pop(); // the upstream is unused
        found
    };
    assert_eq!(redirect("scheme: https"), none());
    assert_eq!(redirect("scheme: http"), ["redirect-to-itself 6:25"]);
    assert_eq!(redirect("scheme: https, status: 301"), none());
    assert_eq!(redirect("scheme: https, status: 304"), ["bad-status 6:40"]);
    assert_eq!(redirect("status: 301"), ["redirect-to-itself 6:15"]);
    assert_eq!(redirect("host: 'a/b'"), ["bad-host 6:23"]);
    assert_eq!(redirect("host: 'www.{host}:8443'"), none());
    assert_eq!(redirect("path: '{path}/'"), none());
    assert_eq!(redirect("path: 'a'"), ["bad-path 6:23"]);
    assert_eq!(redirect("path: '/a?b'"), ["bad-path 6:23"]);
    assert_eq!(redirect("path: '/{client}'"), ["unknown-variable 6:23"]);
}

#[test]
fn a_redirect_to_tls_on_the_tls_listener_itself_is_a_warning() {
    let text = |listeners: &str| {
        format!(
            "listeners:\n- {{ name: a, address: '[::]:80' }}\n\
             - {{ name: b, address: '[::]:443', tls: {{ certificates: [c] }} }}\n\
             certificates: [{{ name: c, chain: /c, key: {{ env: C }} }}]\n\
             routes:\n- {{ name: r, listeners: {listeners}, redirect: {{ scheme: https }} }}\n"
        )
    };
    assert_eq!(found(&text("[a]")), none());
    assert_eq!(found(&text("[]")), ["redirect-to-itself 6:49"]);
    assert_eq!(loaded(&text("[b]")).warnings.len(), 1);
}

#[test]
fn a_value_that_no_field_can_have_is_an_error() {
    let value = |value: &str| {
        route(&format!(
            "    upstream: app\n    match: {{ headers: [{{ name: a, value: {value} }}] }}\n"
        ))
    };
    assert_eq!(value("\"a b\""), none());
    assert_eq!(value("\" a\""), ["never-matches 7:42"]);
    assert_eq!(value("\"a\\n\""), ["never-matches 7:42"]);
}

#[test]
fn trust_in_everyone_is_a_warning() {
    let trust = |network: &str| found(&format!("{FINE}trusted_proxies: ['{network}']\n"));
    assert_eq!(trust("10.0.0.0/8"), none());
    assert_eq!(trust("0.0.0.0/0"), ["trusts-everyone 10:19"]);
    assert_eq!(trust("::/0"), ["trusts-everyone 10:19"]);
    let from = |network: &str| {
        let keys = format!(":8080\n    proxy_protocol: {{ from: ['10.0.0.1', '{network}'] }}\n");
        found(&FINE.replace(":8080\n", &keys))
    };
    assert_eq!(from("10.0.0.0/8"), none());
    assert_eq!(from("::/0"), ["trusts-everyone 4:42"]);
}

#[test]
fn a_rewrite_is_of_what_is_forwarded() {
    let lines = "    respond: { status: 200 }\n    rewrite: { path: / }\n";
    assert_eq!(route(lines), ["rewrite-without-upstream 7:5", "unused-upstream 9:11"]);
    let lines = "    respond: { status: 200 }\n    timeout: 1s\n";
    assert_eq!(route(lines), ["no-effect 7:5", "unused-upstream 9:11"]);
}

#[test]
fn a_rewrite_has_a_path_or_prefixes() {
    let rewrite = |text: &str| route(&format!("    upstream: app\n    rewrite: {{ {text} }}\n"));
    assert_eq!(rewrite("strip_prefix: /a, add_prefix: /b"), none());
    assert_eq!(rewrite("strip_prefix: /a, path: /b"), ["rewrite-path-and-prefix 7:34"]);
    assert_eq!(rewrite(""), ["empty-rewrite 7:14"]);
    assert_eq!(rewrite("strip_prefix: a"), ["bad-prefix 7:30"]);
    assert_eq!(rewrite("add_prefix: '/a?'"), ["bad-prefix 7:28"]);
    assert_eq!(rewrite("add_prefix: /a/../b"), ["bad-prefix 7:28"]);
    assert_eq!(rewrite("add_prefix: //a"), ["bad-prefix 7:28"]);
    assert_eq!(rewrite("path: '/{host}{path}'"), none());
    assert_eq!(rewrite("path: '/{id}'"), ["unknown-variable 7:22"]);
}

#[test]
fn a_template_may_use_the_names_of_its_routes_path() {
    let lines = |path: &str, value: &str| {
        let edits = format!("{{ set: {{ X-Id: '{value}' }} }}");
        format!(
            "    upstream: app\n    match: {{ path: '{path}' }}\n    request_headers: {edits}\n"
        )
    };
    assert_eq!(route(&lines("/o/{id}", "{id} {route}")), none());
    assert_eq!(route(&lines("/o", "{id}")), ["unknown-variable 8:37"]);
    assert_eq!(label(&with_route(&lines("/o/{order}", "{ordr}"))), "did you mean `{order}`?");
    assert_eq!(route(&lines("/o/{host}", "x")), none());
    assert_eq!(route(&lines("/o/{host}", "{host}")), ["hidden-variable 8:37"]);
}

#[test]
fn edits_leave_the_fields_of_the_connection_alone() {
    let edits =
        |key: &str, text: &str| route(&format!("    upstream: app\n    {key}: {{ {text} }}\n"));
    for field in super::edits::OWN {
        for key in ["request_headers", "response_headers"] {
            let found = edits(key, &format!("remove: [{field}]"));
            assert_eq!(found.len(), 1, "{field}");
            assert!(found[0].starts_with("forbidden-field 7:"), "{found:?}");
            assert_eq!(edits(key, &format!("set: {{ {field}: a }}")).len(), 1, "{field}");
            assert_eq!(edits(key, &format!("add: {{ {field}: a }}")).len(), 1, "{field}");
        }
    }
    assert_eq!(edits("request_headers", "set: { Host: a }"), none());
    assert_eq!(edits("request_headers", "add: { Host: a }"), ["forbidden-field 7:31"]);
    assert_eq!(edits("request_headers", "remove: [Host]"), ["forbidden-field 7:33"]);
}

#[test]
fn there_is_one_page_for_a_status() {
    let pages = |statuses: &str| {
        found(&format!("{FINE}error_pages: [{{ statuses: {statuses}, file: /p.html }}]\n"))
    };
    assert_eq!(pages("[404, 500]"), none());
    assert_eq!(pages("[404, 404]"), ["duplicate-page 10:33"]);
    assert_eq!(pages("[200]"), ["out-of-range 10:28"]);
}

#[test]
fn an_answer_without_a_body_has_none() {
    let lines = "    respond: { status: 204, body: a }\n";
    assert_eq!(route(lines), ["body-without-place 6:35", "unused-upstream 8:11"]);
}

#[test]
fn an_upstream_has_each_endpoint_once() {
    let sockets = "['unix:/run/a', { address: 'unix:/run/b' }, { address: 'unix:/run/a' }]";
    assert_eq!(found(&FINE.replace("[127.0.0.1:3000]", sockets)), ["duplicate-endpoint 9:60"]);
    let endpoints = |text: &str| found(&FINE.replace("[127.0.0.1:3000]", text));
    let twice = "['127.0.0.1:1', { address: '127.0.0.1:1', weight: 2 }]";
    assert_eq!(endpoints(twice), ["duplicate-endpoint 9:32"]);
    assert_eq!(endpoints("[A:1, a:1]"), ["duplicate-endpoint 9:22"]);
    assert_eq!(endpoints("[{ dns: a, port: 1 }, { dns: a, port: 2 }, a:1]"), none());
}

#[test]
fn tls_to_an_address_needs_a_name_to_verify() {
    let upstream = |endpoints: &str, tls: &str| {
        let fine = FINE.replace("[127.0.0.1:3000]", endpoints);
        found(&format!("{fine}    tls: {tls}\n"))
    };
    assert_eq!(upstream("['127.0.0.1:1']", "{}"), ["nothing-to-verify 9:17"]);
    let weighted = "[a:1, { address: '[::1]:1', weight: 2 }]";
    assert_eq!(upstream(weighted, "{}"), ["nothing-to-verify 9:22"]);
    assert_eq!(upstream(weighted, "{ verify: a }"), none());
    assert_eq!(upstream("[a:1, { dns: b, port: 1 }]", "{}"), none());
    assert_eq!(upstream("['unix:/run/a']", "{}"), ["nothing-to-verify 9:17"]);
    assert_eq!(upstream("['unix:/run/a']", "{ verify: a }"), none());
}

#[test]
fn the_networks_that_names_may_not_lead_to_are_those_without_servers() {
    let forbidden = |text: &str| {
        let networks = loaded(text).config.upstreams.remove(0).forbidden;
        networks.iter().map(ToString::to_string).collect::<Vec<_>>()
    };
    let expected = ["169.254.0.0/16", "fe80::/10", "fd00:ec2::254/128", "0.0.0.0/8", "::/128"];
    assert_eq!(forbidden(FINE), expected);
    assert_eq!(forbidden(&format!("{FINE}    forbidden: []\n")), none());
}

#[test]
fn the_resolvers_shortest_interval_is_not_longer_than_its_longest() {
    let text = format!("{FINE}resolver: {{ min_interval: 10m }}\n");
    assert_eq!(found(&text), ["interval-order 10:27"]);
}

#[test]
fn validation_goes_on_when_only_keys_are_unknown() {
    let text =
        format!("{FINE}  - {{ name: b, endpoints: ['127.0.0.1:1', '127.0.0.1:1'], x: 1 }}\n");
    assert_eq!(found(&text), ["duplicate-endpoint 10:43", "unknown-key 10:59"]);
    let text = FINE.replace("upstream: app", "upsteam: app");
    assert_eq!(found(&text), ["unknown-key 6:5"], "no error that only follows from the first");
}

fn with_upstream(line: &str) -> Vec<String> {
    found(&format!("{FINE}    {line}\n"))
}

#[test]
fn a_health_check_makes_sense() {
    assert_eq!(with_upstream("health: { http: /healthz, statuses: [204] }"), none());
    assert_eq!(with_upstream("health: { every: 1s }"), none());
    assert_eq!(with_upstream("health: { http: healthz }"), ["check-path 10:21"]);
    assert_eq!(with_upstream("health: { http: /a b }"), ["check-path 10:21"]);
    assert_eq!(with_upstream("health: { http: /, grpc: a }"), ["two-checks 10:30"]);
    assert_eq!(with_upstream("health: { grpc: a }"), ["check-protocol 10:21"]);
    assert_eq!(with_upstream("protocol: http2\n    health: { grpc: '' }"), none());
    assert_eq!(with_upstream("health: { statuses: [204] }"), ["check-statuses 10:25"]);
    assert_eq!(with_upstream("health: { host: app.internal }"), ["check-host 10:21"]);
    let socket = FINE.replace("[127.0.0.1:3000]", "['unix:/run/a']");
    assert_eq!(found(&format!("{socket}    health: {{ port: 1 }}\n")), ["check-port 10:21"]);
    assert_eq!(with_upstream("health: { port: 1 }"), none());
}

#[test]
fn an_ejection_is_no_longer_than_the_longest() {
    assert_eq!(with_upstream("ejection: { time: 2m, longest: 1m }"), ["ejection-order 10:23"]);
    assert_eq!(with_upstream("ejection: { time: 1m, longest: 1m }"), none());
}

#[test]
fn ways_to_choose_an_endpoint_go_together() {
    let hash =
        |keys: &str| with_upstream(&format!("balance: consistent_hash\n    hash: {{ {keys} }}"));
    assert_eq!(hash("by: path"), none());
    assert_eq!(hash("by: header, name: X-User"), none());
    assert_eq!(hash("by: header"), ["hash-name 11:11"]);
    assert_eq!(hash("by: cookie, name: 'a b'"), ["hash-name 11:11"]);
    assert_eq!(hash("by: path, name: a"), ["hash-name 11:29"]);
    assert_eq!(with_upstream("balance: consistent_hash"), none());
    assert_eq!(with_upstream("hash: { by: path }"), ["no-effect 10:5"]);
    assert_eq!(with_upstream("sticky: { cookie: srv, key: { env: K } }"), none());
    assert_eq!(with_upstream("sticky: { cookie: 's v', key: { env: K } }"), ["cookie-name 10:23"]);
}

#[test]
fn parts_of_a_route_are_no_more_than_the_whole() {
    let parts = |one: u8, other: u8| {
        let split = |share| format!("{{ upstream: app, share: {share}% }}");
        route(&format!("    upstream: app\n    split: [{}, {}]\n", split(one), split(other)))
    };
    assert_eq!(parts(60, 40), none());
    assert_eq!(parts(60, 41), ["split-sum 7:12"]);
    assert_eq!(
        route("    upstream: app\n    split: [{ upstream: ap, share: 1% }]\n"),
        ["unknown-upstream 7:25"]
    );
    assert_eq!(
        route("    upstream: app\n    mirror: { upstream: ap }\n"),
        ["unknown-upstream 7:25"]
    );
    let respond = "    respond: { status: 200 }\n    hedge: 50ms\n";
    assert!(route(respond).contains(&"no-effect 7:5".to_owned()), "{:?}", route(respond));
}

#[test]
fn a_name_is_in_one_policy_of_a_listener() {
    let with = |policies: &str| {
        let tls = format!(":8080\n    tls: {{ certificates: [c], policies: [{policies}] }}\n");
        let text = FINE.replace(":8080\n", &tls);
        found(&format!("{text}certificates: [{{ name: c, chain: /c, key: {{ env: C }} }}]\n"))
    };
    assert_eq!(with("{ names: [a.org, '*.a.org'] }, { names: [b.org] }"), none());
    let twice = with("{ names: [a.org] }, { names: [b.org, A.org] }");
    assert_eq!(twice, ["duplicate-policy-name 4:79"]);
}

#[test]
fn limits_go_together() {
    assert_eq!(with_upstream("limits: { adaptive: { least: 5, most: 5 } }"), none());
    assert_eq!(with_upstream("limits: { adaptive: { least: 6, most: 5 } }"), ["limit-order 10:34"]);
    assert_eq!(with_upstream("limits: { requests: 9, adaptive: {} }"), ["two-limits 10:28"]);
}

#[test]
fn a_route_has_a_cache_only_where_answers_can_be_kept_and_are_forwarded() {
    let with = |cache: &str| format!("{}{cache}", with_route("    upstream: app\n    cache: {}\n"));
    assert_eq!(found(&with("")), ["no-cache 7:5"]);
    assert_eq!(found(&with("cache: {}\n")), none());
    let text =
        format!("{}cache: {{}}\n", with_route("    respond: { status: 200 }\n    cache: {}\n"));
    assert_eq!(found(&text), ["no-effect 7:5", "unused-upstream 9:11"]);
    assert_eq!(found(&format!("{FINE}cache: {{}}\n")), ["unused-cache 10:1"]);
    assert_eq!(loaded(&format!("{FINE}cache: {{}}\n")).warnings.len(), 1);
}

#[test]
fn the_largest_answer_takes_no_more_than_half_of_the_cache() {
    let cache = |keys: &str| {
        let route = with_route("    upstream: app\n    cache: {}\n");
        found(&format!("{route}cache: {{ {keys} }}\n"))
    };
    assert_eq!(cache("memory: 2MiB, largest: 1MiB"), none());
    assert_eq!(cache("memory: 2MiB, largest: 1025KiB"), ["cache-largest 11:33"]);
    assert_eq!(cache("memory: 1MiB"), ["cache-largest 11:1"]);
}

#[test]
fn a_coding_is_named_once_and_nothing_is_decoded_that_is_not_forwarded() {
    let app = "    upstream: app\n";
    assert_eq!(route(&format!("{app}    compress: {{}}\n    decompress: {{}}\n")), none());
    let twice = format!("{app}    compress: {{ codings: [br, gzip, br] }}\n");
    assert_eq!(route(&twice), ["duplicate-coding 7:37"]);
    let lines = "    respond: { status: 200 }\n    compress: {}\n    decompress: {}\n";
    assert!(route(lines).contains(&"no-effect 8:5".to_owned()), "{:?}", route(lines));
    let small = "    body_size: 2KiB\n    decompress: { limit: 1KiB, requests: decode }\n";
    assert_eq!(route(&format!("{app}{small}")), ["limit-order 8:26"]);
}

#[test]
fn grpc_web_needs_an_upstream_of_http2_and_its_preflight_requests() {
    let lines = "    upstream: app\n    grpc_web: { origins: [https://a.example] }\n";
    assert_eq!(route(lines), ["grpc-protocol 7:5"]);
    let http2 = |lines: &str| {
        found(&with_route(lines).replace("name: app", "name: app\n    protocol: http2"))
    };
    assert_eq!(http2(lines), none());
    let only = format!("{lines}    match: {{ methods: [POST] }}\n");
    assert_eq!(http2(&only), ["no-preflight 8:23"]);
    assert_eq!(http2(&only.replace("[POST]", "[POST, OPTIONS]")), none());
    assert_eq!(http2(&only.replace("origins: [https://a.example]", "")), none());
}
