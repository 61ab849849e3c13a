//! `cargo +nightly fuzz run --features libfuzzer decode-responses`; what is checked is in `lockgate_fuzz`.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| lockgate_fuzz::run("decode-responses", data));
