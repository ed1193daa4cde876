#![no_main]

libfuzzer_sys::fuzz_target!(|input: &[u8]| tidegate::entries::forwarded_for::run(input));
