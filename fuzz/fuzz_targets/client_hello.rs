#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| marchproxy_fuzz::client_hello(bytes));
