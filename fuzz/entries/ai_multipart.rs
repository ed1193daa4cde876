//! A call that is a form, after a line with its content type: read the same in any pieces; the boundary is only in
//! delimiters; an edit of the model is read back and changes nothing else.

use bytes::Bytes;
use tidegate::ai::multipart::{edited, read};
use tidegate::ai::request::Edit;

use super::pieces;

pub fn run(input: &[u8]) {
    let [content_type, body] = pieces::parts(input, b'\n');
    let (Some(content_type), Some(body)) = (pieces::text(content_type), body) else { return };
    let whole = [Bytes::copy_from_slice(body)];
    let call = read(content_type, &whole);
    let edit = Edit { model: Some("an-other"), include_usage: true };
    for size in [1, 3, 64] {
        let parts: Vec<Bytes> = body.chunks(size).map(Bytes::copy_from_slice).collect();
        assert_eq!(read(content_type, &parts), call, "in pieces of {size}");
        if let Ok(call) = &call {
            assert_eq!(edited(&parts, call, &edit).concat(), edited(&whole, call, &edit).concat());
        }
    }
    let Ok(call) = call else { return };
    assert_eq!(edited(&whole, &call, &Edit::default()).concat(), body, "an edit of nothing");
    let new = edited(&whole, &call, &edit).concat();
    let again = read(content_type, &[Bytes::from(new.clone())]).ok();
    assert_eq!(again.as_ref().and_then(|call| call.model.as_deref()), Some("an-other"));
    assert_eq!(again.map(|again| again.stream), Some(call.stream), "after the edit");
    // Back to what it was, where it had a model.
    if let (Some(model), Ok(call)) = (&call.model, read(content_type, &[Bytes::from(new.clone())])) {
        let back = Edit { model: Some(model), include_usage: false };
        assert_eq!(edited(&[Bytes::from(new)], &call, &back).concat(), body, "and back");
    }
}
