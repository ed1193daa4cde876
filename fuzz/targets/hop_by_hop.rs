#![no_main]

libfuzzer_sys::fuzz_target!(|input: &[u8]| tidegate::entries::hop_by_hop::run(input));
