#![no_main]

libfuzzer_sys::fuzz_target!(|input: &[u8]| tidegate::entries::h2_request::run(input));
