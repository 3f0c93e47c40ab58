use std::fmt::{Debug, Display};
use std::str::FromStr;

use proptest::prelude::*;

use super::{
    Day, DnsName, FieldName, FileMode, HostPattern, HostPort, ListenAddress, Method, Name, Network,
    PathPattern, Piece, Rate, ServerAddress, Share, Size, SocketAddress, SpkiPin, Template, Time,
};

/// What a text says is printed in one spelling, which says the same and stays as it is.
fn assert_round_trip<T: FromStr + Display + PartialEq + Debug>(text: &str) {
    let Ok(value) = text.parse::<T>() else { return };
    let shown = value.to_string();
    let Ok(again) = shown.parse::<T>() else { panic!("{text:?} is shown as {shown:?}") };
    assert_eq!(again, value, "{text:?} is shown as {shown:?}");
    assert_eq!(again.to_string(), shown);
}

fn shown<T: FromStr + Display>(text: &str) -> Option<String> {
    text.parse::<T>().ok().map(|value| value.to_string())
}

fn is<T: FromStr>(text: &str) -> bool {
    text.parse::<T>().is_ok()
}

/// Texts that are near to being values.
fn any_value() -> impl Strategy<Value = String> {
    let words = [
        "10",
        "0",
        "7",
        "s",
        "ms",
        "KiB",
        "%",
        "B",
        "PiB",
        "18446744073709551615",
        "127.0.0.1",
        "::1",
        "[::1]",
        "10.0.0.0",
        "/",
        "/8",
        "/64",
        ":",
        "80",
        "a",
        "B",
        "app",
        "unix:/",
        ".internal",
        "*.",
        ".",
        "-",
        "_",
        "{",
        "}",
        "{a}",
        "{b...}",
        "{{",
        "}}",
        "=/",
        "/o",
        "//",
        "GET",
        "X-A",
        "sha256:",
        "00112233445566778899aabbccddeeff",
        "ä",
        " ",
        "%41",
        "\n",
    ];
    let word = prop_oneof![
        8 => prop::sample::select(words.to_vec()).prop_map(str::to_owned),
        1 => any::<String>()
    ];
    prop::collection::vec(word, 0..6).prop_map(|words| words.concat())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2_000))]
    #[test]
    fn every_value_is_printed_as_it_is_read(text in any_value()) {
        assert_round_trip::<Name>(&text);
        assert_round_trip::<SocketAddress>(&text);
        assert_round_trip::<ListenAddress>(&text);
        assert_round_trip::<FileMode>(&text);
        assert_round_trip::<ServerAddress>(&text);
        assert_round_trip::<DnsName>(&text);
        assert_round_trip::<Network>(&text);
        assert_round_trip::<HostPattern>(&text);
        assert_round_trip::<PathPattern>(&text);
        assert_round_trip::<Method>(&text);
        assert_round_trip::<FieldName>(&text);
        assert_round_trip::<Template>(&text);
        assert_round_trip::<Time>(&text);
        assert_round_trip::<Size>(&text);
        assert_round_trip::<Share>(&text);
        assert_round_trip::<Rate>(&text);
        assert_round_trip::<Day>(&text);
        assert_round_trip::<SpkiPin>(&text);
    }

    #[test]
    fn every_time_and_size_has_a_spelling(number: u64) {
        let time = format!("{number}ms");
        let shown = time.parse::<Time>().unwrap().to_string();
        prop_assert_eq!(u128::from(number), shown.parse::<Time>().unwrap().duration().as_millis());
        let size = format!("{number}B").parse::<Size>().unwrap();
        prop_assert_eq!(size.to_string().parse::<Size>().unwrap().bytes(), number);
    }

    #[test]
    fn every_network_holds_its_own_addresses_and_no_others(bits: u32, prefix in 0_u8..=32, other: u32) {
        let mask = u32::MAX.checked_shl(32 - u32::from(prefix)).unwrap_or(0);
        let first = std::net::Ipv4Addr::from_bits(bits & mask);
        let network: Network = format!("{first}/{prefix}").parse().unwrap();
        let other_address = std::net::Ipv4Addr::from_bits(other);
        prop_assert_eq!(network.contains(other_address.into()), other & mask == bits & mask);
        prop_assert!(network.contains(std::net::Ipv4Addr::from_bits(bits).to_ipv6_mapped().into()));
    }
}

#[test]
fn a_time_is_printed_with_the_largest_unit_that_fits() {
    assert_eq!(shown::<Time>("86400s").as_deref(), Some("1d"));
    assert_eq!(shown::<Time>("90m").as_deref(), Some("90m"));
    assert_eq!(shown::<Time>("0ms").as_deref(), Some("0s"));
    assert_eq!(shown::<Size>("2048KiB").as_deref(), Some("2MiB"));
    assert_eq!(shown::<Size>("0KiB").as_deref(), Some("0B"));
}

#[test]
fn a_number_without_a_unit_or_with_another_is_refused() {
    for text in ["10", "", "s", "10S", "10 s", "1.5s", "-1s", "10kb", "213503982335d"] {
        assert!(!is::<Time>(text), "{text}");
    }
    for text in ["10", "10KB", "10k", "16385PiB", "1 MiB"] {
        assert!(!is::<Size>(text), "{text}");
    }
}

#[test]
fn a_network_has_no_bits_beyond_its_prefix() {
    assert!(is::<Network>("10.0.0.0/8") && is::<Network>("::/0") && is::<Network>("::1"));
    let why = "10.0.0.1/8".parse::<Network>().unwrap_err();
    assert!(why.ends_with("write `10.0.0.0/8`"), "{why}");
    assert!(!is::<Network>("10.0.0.0/33") && !is::<Network>("10.0.0.0/-1"));
}

#[test]
fn a_host_with_only_digits_last_is_an_address_or_nothing() {
    for text in ["1.2.3", "1.2.3.4.5", "300.1.1.1", "a.1", "1"] {
        assert!(!is::<DnsName>(text) && !is::<HostPort>(&format!("{text}:80")), "{text}");
    }
    assert!(is::<DnsName>("1a") && is::<DnsName>("a.b.") && is::<HostPort>("[::1]:1"));
    assert!(!is::<HostPort>("a:0") && !is::<HostPort>("a") && !is::<HostPort>("::1:80"));
}

#[test]
fn a_path_pattern_is_what_a_normalised_path_can_equal() {
    for text in ["orders", "", "/a//b", "/../a", "/a?b", "/%41", "/a b", "/{a}b", "/{}", "=/{a}"] {
        assert!(!is::<PathPattern>(text), "{text}");
    }
    for text in ["/*", "/a/**", "/a/*/b"] {
        assert!(text.parse::<PathPattern>().unwrap_err().starts_with("`*` is no wildcard here"));
    }
    for text in ["/{a...}/b", "/{a}/{a}", "/{a-b}", "/{a", "/a}"] {
        assert!(!is::<PathPattern>(text), "{text}");
    }
    assert_eq!(shown::<PathPattern>("/orders/").as_deref(), Some("/orders"));
    assert_eq!(shown::<PathPattern>("/").as_deref(), Some("/"));
    assert_eq!(shown::<PathPattern>("=/a/").as_deref(), Some("=/a/"));
}

#[test]
fn a_template_has_variables_and_braces_of_its_own() {
    let template: Template = "a{{b}}{c}".parse().unwrap();
    let expected = [Piece::Text("a{b}".to_owned()), Piece::Variable("c".to_owned())];
    assert_eq!(template.pieces(), expected);
    for text in ["{", "}", "{}", "{a", "{a b}", "a\r\nb"] {
        assert!(!is::<Template>(text), "{text}");
    }
}

#[test]
fn names_hosts_and_fields_are_compared_without_case() {
    assert_eq!(shown::<HostPattern>("*.Example.COM").as_deref(), Some("*.example.com"));
    assert_eq!(shown::<HostPattern>("[0:0::1]").as_deref(), Some("[::1]"));
    assert_eq!(shown::<FieldName>("X-Tenant").as_deref(), Some("x-tenant"));
    assert_eq!(shown::<DnsName>("Orders.Internal").as_deref(), Some("orders.internal"));
    assert!(!is::<Name>("Web") && !is::<Name>("-a") && !is::<Name>("") && is::<Name>("0-a_b"));
    assert!(!is::<Method>("get") && !is::<Method>("TRACE") && is::<Method>("M-SEARCH"));
}

#[test]
fn nothing_may_be_named_none() {
    assert!("none".parse::<Name>().is_err());
    assert!("none-of-them".parse::<Name>().is_ok());
}

#[test]
fn a_share_is_a_whole_number_of_percent() {
    assert_eq!(shown::<Share>("07%").as_deref(), Some("7%"));
    for text in ["", "%", "7", "101%", "1.5%", "-1%", "7 %", "7%%"] {
        assert!(!is::<Share>(text), "{text}");
    }
    let of = |percent, whole| Share::percent(percent).of(whole);
    assert_eq!((of(50, 5), of(100, 7), of(0, 7), of(33, 100)), (2, 7, 0, 33));
    assert_eq!(of(100, u64::MAX), u64::MAX);
}

#[test]
fn a_path_of_a_socket_has_one_spelling() {
    assert_eq!(shown::<ListenAddress>("unix:/run/a b.sock").unwrap(), "unix:/run/a b.sock");
    assert_eq!(shown::<ListenAddress>("[::0]:80").unwrap(), "[::]:80");
    for text in [
        "unix:",
        "unix:/",
        "unix:a",
        "unix:./a",
        "unix:/a/",
        "unix://a",
        "unix:/a/./b",
        "unix:/a/../b",
        "unix:/a//b",
        "unix:/a\nb",
        "unix:/a\0",
        "unix",
        "/run/a",
        "@a",
        "unix:@a",
    ] {
        assert!(!is::<ListenAddress>(text), "{text:?}");
    }
    let longest = format!("unix:/{}", "a".repeat(106));
    assert!(is::<ListenAddress>(&longest));
    assert!(!is::<ListenAddress>(&format!("{longest}a")));
}

#[test]
fn permissions_are_octal() {
    assert_eq!(shown::<FileMode>("660").unwrap(), "0660");
    assert_eq!("0600".parse::<FileMode>().unwrap().bits(), 0o600);
    for text in ["", "0", "66", "0668", "6600", "01777", "0o660", "+660", "rw-rw----"] {
        assert!(!is::<FileMode>(text), "{text:?}");
    }
}

#[test]
fn a_rate_is_a_number_and_a_time() {
    for (text, expected) in [
        ("100/s", "100/s"),
        ("5/10m", "5/10m"),
        ("007/1s", "7/s"),
        ("1/60s", "1/m"),
        ("3/24h", "3/d"),
        ("9/500ms", "9/500ms"),
    ] {
        assert_eq!(shown::<Rate>(text).as_deref(), Some(expected), "{text}");
    }
    for text in [
        "",
        "1",
        "/s",
        "0/s",
        "1/",
        "1/0s",
        "1/2d",
        "-1/s",
        "+1/s",
        "1/s/s",
        "4294967296/s",
        "1/x",
        "1 /s",
    ] {
        assert!(!is::<Rate>(text), "{text}");
    }
}

#[test]
fn a_day_is_one_that_there_is() {
    for (text, days) in [
        ("1970-01-01", 0),
        ("1970-03-01", 59),
        ("2000-02-29", 11_016),
        ("2000-03-01", 11_017),
        ("2026-11-24", 20_781),
        ("2100-03-01", 47_541),
        ("9999-12-31", 2_932_896),
    ] {
        let day: Day = text.parse().unwrap();
        assert_eq!(day.begins().as_secs(), days * 86_400, "{text}");
        assert_eq!(day.to_string(), text);
    }
    for text in [
        "",
        "1969-12-31",
        "2027-02-29",
        "2100-02-29",
        "2027-13-01",
        "2027-00-10",
        "2027-04-31",
        "2027-1-1",
        "27-01-01",
        "2027-01-01-01",
        "2027/01/01",
        "+027-01-01",
    ] {
        assert!(!is::<Day>(text), "{text}");
    }
}
