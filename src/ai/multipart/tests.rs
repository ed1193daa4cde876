use proptest::prelude::*;

use super::*;

const TYPE: &str = "multipart/form-data; boundary=XyZ";

fn form(fields: &[(&str, &str)]) -> String {
    let parts = fields
        .iter()
        .map(|(head, value)| format!("--XyZ\r\nContent-Disposition: form-data; {head}\r\n\r\n{value}\r\n"));
    parts.collect::<String>() + "--XyZ--\r\n"
}

fn whole(body: &str) -> Vec<Bytes> {
    vec![Bytes::copy_from_slice(body.as_bytes())]
}

fn call(body: &str) -> Result<Call, Unreadable> {
    read(TYPE, &whole(body))
}

fn edit(body: &str, model: &str) -> String {
    let parts = whole(body);
    let edit = Edit { model: Some(model), include_usage: true };
    String::from_utf8(edited(&parts, &read(TYPE, &parts).unwrap(), &edit).concat()).unwrap()
}

#[test]
fn the_model_is_found_wherever_it_stands() {
    let file = ("name=\"file\"; filename=\"a.wav\"\r\nContent-Type: audio/wav", "RIFF\r\n\r\n--Xy\r\nmodel");
    let (model, stream) = (("name=\"model\"", "whisper-1"), ("name=stream", "True"));
    for fields in [[file, model, stream], [model, file, stream], [stream, file, model]] {
        let call = call(&form(&fields)).unwrap();
        assert_eq!((call.model.as_deref(), call.stream), (Some("whisper-1"), true));
    }
    assert_eq!(call(&form(&[file])).unwrap().model, None);
    assert_eq!(
        call(&("preamble\r\n".to_owned() + &form(&[model]) + "epilogue")).unwrap().model.unwrap(),
        "whisper-1"
    );
}

#[test]
fn only_the_value_is_replaced() {
    let body = form(&[("name=\"a\"", "1"), ("name=\"model\"", "old"), ("name=\"b\"", "old")]);
    assert_eq!(edit(&body, "newer"), body.replacen("old", "newer", 1));
    assert_eq!(edit(&body, "old"), body);
    let without = form(&[("name=\"a\"", "1")]);
    assert_eq!(edit(&without, "m"), form(&[("name=\"a\"", "1"), ("name=\"model\"", "m")]));
}

#[test]
fn two_models_are_one_too_many() {
    assert_eq!(call(&form(&[("name=\"model\"", "a"), ("name=model", "a")])), Err(Unreadable::TwoModels));
}

#[test]
fn a_model_is_a_plain_text() {
    let long = "m".repeat(2000);
    for (head, value) in [
        ("name=\"model\"; filename=\"x\"", "a"),
        ("name=\"model\"\r\nContent-Transfer-Encoding: base64", "YQ=="),
        ("name=\"model\"", &long),
    ] {
        assert_eq!(call(&form(&[(head, value)])), Err(Unreadable::ModelNotText), "{head}");
    }
    let plain = ("name=\"model\"\r\nContent-Transfer-Encoding: 8bit\r\nContent-Type: text/plain", "a");
    assert_eq!(call(&form(&[plain])).unwrap().model.as_deref(), Some("a"));
}

#[test]
fn what_servers_read_in_different_ways_is_refused() {
    let good = form(&[("name=\"model\"", "a")]);
    assert!(call(&good).is_ok());
    let bad = [
        String::new(),
        "--XyZ--x\r\n--XyZ".to_owned(),
        good.replace("\r\n", "\n"),
        good.replace("--XyZ--", ""),
        good.replace("--XyZ--", "--XyZ"),
        good.replace("--XyZ\r\n", "--XyZ x\r\n"),
        good.clone() + &good,
        good.replace("\"a", "\"a\n--XyZ"),
        form(&[("name=\"f\"", "1\n--XyZ\nContent-Disposition: form-data; name=\"model\"\n\nb")]),
        form(&[("name=\"f\"", "1--XyZ")]),
        form(&[("name=\"mod\\el\"", "a")]),
        form(&[("name=\"f\"; name=\"model\"", "a")]),
        form(&[("name=\"f\"; name*=utf-8''model", "a")]),
        form(&[("name=\"f\\\"; name=\"model\"", "a")]),
        form(&[("name=\"f\"\r\n folded", "a")]),
        form(&[("name=\"f\"\r\nContent-Disposition: form-data; name=\"model\"", "a")]),
        form(&[("name=\"f\"\r\nContent-Disposition : form-data; name=\"model\"", "a")]),
        form(&[("name=\"f\rx\"", "a")]),
        form(&[("filename=\"f\"", "a")]),
        "--XyZ\r\nContent-Type: text/plain\r\n\r\na\r\n--XyZ--".to_owned(),
        "--XyZ\r\nContent-Disposition: attachment; name=\"model\"\r\n\r\na\r\n--XyZ--".to_owned(),
        "--XyZ\r\nContent-Disposition: form-data; name=\"a\"\r\n--XyZ--".to_owned(),
        form(&vec![("name=\"f\"", "a"); 1001]),
    ];
    for body in bad.iter().filter(|body| **body != good) {
        assert_eq!(call(body), Err(Unreadable::NotMultipart), "{body:?}");
    }
    assert!(call(&form(&vec![("name=\"f\"", "a"); 1000])).is_ok());
}

#[test]
fn the_boundary_comes_from_the_content_type() {
    let boundary = |text: &str| head::boundary(text).map(|found| found.into_owned());
    assert_eq!(boundary("multipart/form-data; boundary=abc").as_deref(), Some("abc"));
    assert_eq!(
        boundary("Multipart/Form-Data ;charset=x; BOUNDARY=\"a b'()+_,-./:=?c\"").as_deref(),
        Some("a b'()+_,-./:=?c")
    );
    for bad in [
        "multipart/form-data",
        "multipart/form-data; boundary=",
        "multipart/form-data; boundary=a; boundary=b",
        "multipart/form-data; boundary=\"a",
        "multipart/form-data; boundary=\"a\"b",
        "multipart/form-data; boundary=\"a \"",
        "multipart/form-data; boundary=a b",
        "multipart/mixed; boundary=a",
        "application/json",
        "",
    ] {
        assert_eq!(boundary(bad), None, "{bad}");
    }
    assert_eq!(boundary(&format!("multipart/form-data; boundary={}", "a".repeat(71))), None);
    assert!(is_form("MULTIPART/form-data; boundary=a") && !is_form("multipart/mixed") && !is_form(""));
}

/// Values that come near to a delimiter.
fn value() -> impl Strategy<Value = String> {
    const PIECES: [&str; 10] = ["a", "\r\n", "-", "--", "--Xy", "Xy", "\r\n--Xy", "\r\n\r\n", "model", "é"];
    prop::collection::vec(prop::sample::select(&PIECES[..]), 0..8)
        .prop_map(|pieces| pieces.concat())
        .prop_filter("a delimiter", |text| !text.contains("--XyZ"))
}

proptest! {
    #[test]
    fn any_pieces_give_the_same_and_an_edit_only_changes_the_model(
        fields in prop::collection::vec((prop::sample::select(&["name=\"model\"", "name=\"file\"; filename=\"model\"", "name=x"][..]), value()), 0..5),
        cuts in prop::collection::vec(any::<usize>(), 0..9),
        bytewise: bool,
    ) {
        let fields: Vec<(&str, &str)> = fields.iter().map(|(head, value)| (*head, value.as_str())).collect();
        let body = form(&fields);
        let mut cuts: Vec<usize> = cuts.iter().map(|cut| cut % (body.len() + 1)).chain([0, body.len()]).collect();
        if bytewise {
            cuts = (0..=body.len()).collect();
        }
        cuts.sort_unstable();
        let parts: Vec<Bytes> = cuts.windows(2).map(|cut| Bytes::copy_from_slice(&body.as_bytes()[cut[0]..cut[1]])).collect();
        prop_assert_eq!(read(TYPE, &parts), call(&body));
        let models: Vec<&str> = fields.iter().filter(|(head, _)| *head == "name=\"model\"").map(|(_, value)| *value).collect();
        match read(TYPE, &parts) {
            Err(error) => prop_assert!(error == Unreadable::TwoModels && models.len() > 1),
            Ok(call) => {
                prop_assert_eq!(call.model.as_deref(), models.first().copied());
                let mut wanted = fields.clone();
                match wanted.iter_mut().find(|(head, _)| *head == "name=\"model\"") {
                    Some(field) => field.1 = "new",
                    None => wanted.push(("name=\"model\"", "new")),
                }
                let edit = Edit { model: Some("new"), include_usage: false };
                prop_assert_eq!(edited(&parts, &call, &edit).concat(), form(&wanted).into_bytes());
            }
        }
    }
}
