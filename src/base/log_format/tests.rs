use std::collections::BTreeSet;

use proptest::prelude::*;

use super::*;

const PLAIN: Flags = Flags { quote: false, hex: false, escape: false };
const QUOTED: Flags = Flags { quote: true, ..PLAIN };

fn text(text: &str) -> Part {
    Part::Text(text.to_owned())
}

fn mistake(format: &str) -> (usize, usize, Wrong) {
    let mut mistakes = parse(format).unwrap_err();
    assert_eq!(mistakes.len(), 1, "{mistakes:?}");
    let found = mistakes.remove(0);
    (found.start, found.length, found.wrong)
}

#[test]
fn a_format_comes_apart_at_its_variables() {
    let parts = parse("%ci:%cp [%tr] %{+Q}r %[model] 100%%").unwrap();
    let expected = [
        Part::Field(Field::ClientAddress, PLAIN),
        text(":"),
        Part::Field(Field::ClientPort, PLAIN),
        text(" ["),
        Part::Field(Field::Date, PLAIN),
        text("] "),
        Part::Field(Field::RequestLine, QUOTED),
        text(" "),
        Part::Field(Field::Model, PLAIN),
        text(" 100%"),
    ];
    assert_eq!(parts, expected);
}

#[test]
fn spaces_together_are_one_and_captures_leave_none() {
    assert_eq!(parse("  a   b  ").unwrap(), [text("a b")]);
    let parts = parse("%bq %hr %hs %b").unwrap();
    let field = |field| Part::Field(field, PLAIN);
    assert_eq!(parts, [field(Field::BackendQueue), text(" "), field(Field::BackendOrFrontend)]);
    assert_eq!(parse("%hr").unwrap(), []);
}

#[test]
fn flags_hold_for_one_or_for_all_that_follow() {
    let flags = |format: &str| -> Vec<Flags> {
        let fields = parse(format).unwrap().into_iter();
        fields
            .filter_map(|part| match part {
                Part::Field(_, flags) => Some(flags),
                Part::Text(_) => None,
            })
            .collect()
    };
    assert_eq!(flags("%b %{+Q}b %b"), [PLAIN, QUOTED, PLAIN]);
    assert_eq!(flags("%b%{+Q}o%b%{-Q}b%b"), [PLAIN, QUOTED, PLAIN, QUOTED]);
    assert_eq!(flags("%{+Q,+X,+E}ci %{+X}[src]").first().map(|flags| flags.escape && flags.hex), Some(true));
}

#[test]
fn mistakes_are_told_with_their_place() {
    assert_eq!(mistake("a %zz b"), (2, 3, Wrong::Variable("zz".to_owned())));
    assert_eq!(mistake("5% of"), (1, 1, Wrong::Percent));
    assert_eq!(mistake("%"), (0, 1, Wrong::Percent));
    assert_eq!(mistake("%b %[model"), (3, 7, Wrong::Open(']')));
    assert_eq!(mistake("%{+Q"), (0, 4, Wrong::Open('}')));
    assert_eq!(mistake("%{+Q,Z}b"), (5, 1, Wrong::Flag("Z".to_owned())));
    assert_eq!(mistake("%[modle]"), (2, 5, Wrong::Fetch("modle".to_owned())));
    assert_eq!(mistake("%[header(a b)]").2, Wrong::Header("a b".to_owned()));
    assert_eq!(mistake("%[req.hdr(Authorization)]").2, Wrong::Secret("authorization".to_owned()));
    assert!(matches!(mistake("%Tt").2, Wrong::Elsewhere(_)));
    assert!(matches!(mistake("%[capture.req.hdr(0)]").2, Wrong::Elsewhere(_)));
    assert_eq!(parse("%zz %[a] %").unwrap_err().len(), 3, "all of them");
}

#[test]
fn headers_go_by_our_name_and_by_haproxys() {
    let header = [Part::Field(Field::RequestHeader("x-team".to_owned()), PLAIN)];
    assert_eq!(parse("%[header(X-Team)]").unwrap(), header);
    assert_eq!(parse("%[req.hdr(x-team)]").unwrap(), header);
    let header = [Part::Field(Field::ResponseHeader("x-model".to_owned()), PLAIN)];
    assert_eq!(parse("%[res.hdr(x-model)]").unwrap(), header);
    assert_eq!(parse("%[response_header(x-model)]").unwrap(), header);
}

/// Configuration manual of HAProxy 2.6, 8.2.6.
#[test]
fn every_variable_of_haproxy_is_known_or_explained() {
    let manual = "o B CC CS H HM HP HPO HQ HU HV ID ST T Ta Tc Td Tl Th Ti Tq TR Tr Ts Tt Tu Tw U ac b bc bi bp bq ci cp f \
                  fc fi fp ft lc hr hrl hs hsl ms pid r rc rt s sc si sp sq sslc sslv t tr trg trl ts tsc";
    for name in manual.split_whitespace() {
        if let Err(mistakes) = parse(&format!("%{name}")) {
            assert!(matches!(mistakes[0].wrong, Wrong::Elsewhere(_)), "%{name}: {mistakes:?}");
        }
    }
    let (variables, fetches) = names();
    let mut once = BTreeSet::new();
    assert!(variables.chain(fetches).all(|name| once.insert(name)));
}

proptest! {
    #[test]
    fn any_text_is_read_or_its_mistakes_lie_within_it(format in "[%{}\\[\\]+QXE,abo() ü]{0,40}") {
        match parse(&format) {
            Ok(parts) => for pair in parts.windows(2) {
                prop_assert!(!matches!(pair, [Part::Text(_), Part::Text(_)]));
            },
            Err(mistakes) => for found in mistakes {
                prop_assert!(found.start < format.len() && format.is_char_boundary(found.start), "{found:?}");
            },
        }
    }
}
