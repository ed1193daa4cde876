use super::*;

#[test]
fn a_role_is_no_content() {
    let mut preamble = Preamble::new(Dialect::Chat);
    let role = b"data: {\"choices\":[{\"delta\":{\"role\":\"assistant\",\"content\":\"\"}}]}\n\n";
    assert_eq!(preamble.feed(role), Begun::NotYet);
    assert_eq!(preamble.feed(b"data: {\"choices\":[{\"delta\":{\"content\":\"a\"}}]}\n\n"), Begun::Content);
}
