#![no_main]

libfuzzer_sys::fuzz_target!(|input: &[u8]| tidegate::entries::stream_meter::run(input));
