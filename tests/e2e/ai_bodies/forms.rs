//! Calls that are forms: audio to be transcribed, images to be edited.

use super::edge;
use crate::support::edge::Edge;
use crate::support::http::Ask;
use crate::support::upstream::Upstream;

const TYPE: &str = "multipart/form-data; boundary=------------------------d74496d66958873e";
const DELIMITER: &str = "--------------------------d74496d66958873e";

fn field(name: &str, value: &str) -> Vec<u8> {
    format!("{DELIMITER}\r\nContent-Disposition: form-data; name=\"{name}\"\r\n\r\n{value}\r\n").into_bytes()
}

/// A file of every byte there is, with much that looks like the end of something.
fn file() -> Vec<u8> {
    let head = format!(
        "{DELIMITER}\r\nContent-Disposition: form-data; name=\"file\"; filename=\"a.mp3\"\r\nContent-Type: audio/mpeg\r\n\r\n"
    );
    let mut bytes: Vec<u8> = (0..=255).cycle().take(300_000).collect();
    bytes.extend_from_slice(
        b"\r\n--\r\n---------\r\nname=\"model\"\r\n\r\nother\r\n{\"model\":\"other\"}\r\n\r\n",
    );
    [head.as_bytes(), &bytes, b"\r\n"].concat()
}

fn form(parts: &[Vec<u8>]) -> Vec<u8> {
    [parts.concat(), format!("{DELIMITER}--\r\n").into_bytes()].concat()
}

fn ask(path: &str, body: &[u8]) -> Ask {
    Ask::post(path, body).header("content-type", TYPE)
}

/// What arrives of a form sent with a length and in chunks.
fn arrived(edge: &Edge, one: &Upstream, path: &str, body: &[u8]) -> Vec<Vec<u8>> {
    let before = one.count();
    for ask in [ask(path, body), ask(path, body).chunked()] {
        assert_eq!(edge.ask(&ask).status(), 200);
    }
    let requests = one.requests();
    for request in &requests[before..] {
        assert_eq!(request.header("content-type"), Some(TYPE));
    }
    requests[before..].iter().map(|request| request.body.clone()).collect()
}

#[test]
fn model_of_a_form_is_replaced_and_its_file_is_not_touched() {
    let one = Upstream::named("one");
    let edge = edge("new", &one);
    for path in ["/v1/audio/transcriptions", "/v1/images/edits"] {
        let orders = |model: &str| {
            let model = field("model", model);
            [form(&[model.clone(), file()]), form(&[file(), field("prompt", "x"), model])]
        };
        for (sent, expected) in orders("gpt-4.1").into_iter().zip(orders("new")) {
            for body in arrived(&edge, &one, path, &sent) {
                assert!(body == expected, "{} bytes of {}", body.len(), expected.len());
            }
        }
    }
}

#[test]
fn form_that_is_right_already_arrives_as_it_came() {
    let one = Upstream::named("one");
    let edge = edge("new", &one);
    let sent =
        [b"preamble\r\n".to_vec(), form(&[field("model", "whisper-1"), field("stream", "true"), file()])]
            .concat();
    for body in arrived(&edge, &one, "/v1/audio/transcriptions", &sent) {
        assert!(body == sent, "{} bytes of {}", body.len(), sent.len());
    }
}

#[test]
fn form_without_a_model_passes() {
    let one = Upstream::named("one");
    let edge = edge("new", &one);
    let sent = form(&[field("prompt", "x"), file()]);
    for body in arrived(&edge, &one, "/v1/images/edits", &sent) {
        assert!(body == sent);
    }
}

#[test]
fn broken_form_is_refused() {
    let one = Upstream::named("one");
    let edge = edge("new", &one);
    let model = || field("model", "gpt-4.1");
    let file_as_model = format!(
        "{DELIMITER}\r\nContent-Disposition: form-data; name=\"model\"; filename=\"m\"\r\n\r\ngpt-4.1\r\n"
    );
    let broken = [
        form(&[model(), model()]),
        form(&[model(), file(), field("model", "whisper-1")]),
        form(&[file_as_model.into_bytes()]),
        [model(), b"no end".to_vec()].concat(),
        br#"{"model":"gpt-4.1"}"#.to_vec(),
    ];
    for body in broken {
        let answer = edge.ask(&ask("/v1/audio/transcriptions", &body));
        answer.is_error(400, "bad_request");
    }
    let without_boundary =
        Ask::post("/v1/audio/transcriptions", form(&[model()])).header("content-type", "multipart/form-data");
    edge.ask(&without_boundary).is_error(400, "bad_request");
    let unknown = form(&[field("model", "gpt-9"), file()]);
    edge.ask(&ask("/v1/audio/transcriptions", &unknown)).is_error(404, "model_not_found");
    assert_eq!(one.count(), 0);
}
