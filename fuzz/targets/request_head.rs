#![no_main]
//! Beside the entry, a second opinion: httparse, which Pingora reads the head with after our check.

use tidegate::wire::{HeadLimits, check_request_head};

libfuzzer_sys::fuzz_target!(|input: &[u8]| {
    tidegate::entries::request_head::run(input);
    if check_request_head(input, &HeadLimits::default()).is_ok() {
        let mut fields = [httparse::EMPTY_HEADER; 100];
        let mut request = httparse::Request::new(&mut fields);
        assert_eq!(request.parse(input), Ok(httparse::Status::Complete(input.len())));
        let text = std::str::from_utf8(input.split(|byte| *byte == b'\r').next().unwrap()).unwrap();
        let words: Vec<&str> = text.split(' ').collect();
        assert_eq!(request.method, Some(words[0]));
        assert_eq!(request.path, Some(words[1]));
        assert_eq!(request.version, Some(if words[2] == "HTTP/1.1" { 1 } else { 0 }));
        let lines = input.split(|byte| *byte == b'\n').count() - 3;
        assert_eq!(request.headers.len(), lines);
    }
});
