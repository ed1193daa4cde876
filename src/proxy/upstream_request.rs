//! The request as a server gets it: its own host, path and key, our forwarding fields, nothing that ends at this hop.

use http::header::{
    ACCEPT_ENCODING, AUTHORIZATION, CONNECTION, CONTENT_LENGTH, COOKIE, EXPECT, HOST, HeaderName, TE,
    TRANSFER_ENCODING, UPGRADE,
};
use http::{HeaderMap, HeaderValue, Method, Version};
use pingora::http::RequestHeader;

use crate::acl::IpSet;
use crate::auth::Mode;
use crate::proxy::context::{Context, HeaderStep};
use crate::proxy::header_changes::{self, Nothing};
use crate::rewrite::header::{connection_options, hop_by_hop};
use crate::rewrite::{forwarded_for, path, request_id};
use crate::runtime::snapshot::{Action, Server};
use crate::transport::socket::NOWHERE;

pub const FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");
/// The same to servers that hand fields on as variables (CGI, WSGI).
const FORWARDED_FOR_DISGUISED: HeaderName = HeaderName::from_static("x_forwarded_for");
/// Where clients put their key, by the habit of one API or another, and what goes with it: whose account it is.
const CLIENT_KEYS: [HeaderName; 6] = [
    AUTHORIZATION,
    HeaderName::from_static("x-api-key"),
    HeaderName::from_static("api-key"),
    HeaderName::from_static("x-goog-api-key"),
    HeaderName::from_static("openai-organization"),
    HeaderName::from_static("openai-project"),
];

/// How the body goes out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Framing {
    None,
    Length,
    Chunked,
}

impl Framing {
    /// What the client's own framing asks for; HTTP/2 may leave the length open.
    pub fn of(head: &RequestHeader, no_body: bool) -> Framing {
        if head.headers.contains_key(CONTENT_LENGTH) {
            Framing::Length
        } else if no_body {
            Framing::None
        } else {
            Framing::Chunked
        }
    }
}

pub fn build(
    context: &Context,
    client: &RequestHeader,
    server: &Server,
    framing: Framing,
) -> pingora::Result<Box<RequestHeader>> {
    let target = client.uri.path_and_query().map_or("/", |target| target.as_str());
    let target = path::target(server.target.base_path.as_deref(), target);
    let mut head = RequestHeader::build_no_case(
        client.method.clone(),
        target.as_bytes(),
        Some(client.headers.len() + 6),
    )?;
    head.set_version(Version::HTTP_11);
    head.insert_header(HOST, server.target.host.clone())?;
    let ends_here = hop_by_hop(&client.headers);
    let keep_key = keeps_client_key(context, server);
    let appends = appends_forwarded_for(context);
    for (name, value) in &client.headers {
        let dropped = *name == HOST
            || *name == EXPECT
            || *name == request_id::NAME
            || (appends && (*name == FORWARDED_FOR || *name == FORWARDED_FOR_DISGUISED))
            || (!keep_key && CLIENT_KEYS.contains(name))
            || (!ends_here.is_empty() && ends_here.names().any(|ends| ends == name));
        if !dropped {
            head.append_header(name, value)?;
        }
    }
    if client.version == Version::HTTP_2
        && let Some(cookies) = joined_cookies(&client.headers)
    {
        head.insert_header(COOKIE, cookies)?;
    }
    if appends {
        let lines = client.headers.get_all(FORWARDED_FOR).iter();
        head.insert_header(FORWARDED_FOR, forwarded_for::appended(lines, context.client.peer.ip()))?;
    }
    head.insert_header(request_id::NAME, context.id.header().clone())?;
    if context.snapshot.ai.counts && context.call.is_some() {
        // Nobody counts the tokens of what is compressed.
        head.insert_header(ACCEPT_ENCODING, HeaderValue::from_static("identity"))?;
    }
    rules(context, &mut head)?;
    if let Some((name, key)) = &server.authorization {
        head.insert_header(name, key.clone())?;
    }
    if framing == Framing::Chunked {
        head.insert_header(TRANSFER_ENCODING, HeaderValue::from_static("chunked"))?;
    }
    if is_upgrade(client) {
        head.insert_header(CONNECTION, HeaderValue::from_static("upgrade"))?;
        head.insert_header(UPGRADE, HeaderValue::from_static("websocket"))?;
    } else if crate::rewrite::header::accepts_trailers(&client.headers) {
        head.insert_header(TE, HeaderValue::from_static("trailers"))?;
        head.insert_header(CONNECTION, HeaderValue::from_static("te"))?;
    }
    Ok(Box::new(head))
}

/// HTTP/2 may send cookies one by one; HTTP/1.1 has one field of them (RFC 9113 8.2.3). `None`: there is nothing to join.
fn joined_cookies(headers: &HeaderMap) -> Option<HeaderValue> {
    let mut lines = headers.get_all(COOKIE).iter();
    let (first, second) = (lines.next()?, lines.next()?);
    let mut joined = first.as_bytes().to_vec();
    for line in std::iter::once(second).chain(lines) {
        joined.extend_from_slice(b"; ");
        joined.extend_from_slice(line.as_bytes());
    }
    HeaderValue::from_bytes(&joined).ok()
}

/// Whether the client asks to speak WebSocket on this connection (RFC 6455 4.1). No other protocol is offered to a server:
/// one that takes `h2c` would then be asked things that none of our rules has seen.
pub fn is_upgrade(head: &RequestHeader) -> bool {
    head.version == Version::HTTP_11 && head.method == Method::GET && is_websocket(&head.headers)
}

/// Both fields, or whoever stands before us may not think of it as an upgrade (RFC 9110 7.8).
pub fn is_websocket(headers: &HeaderMap) -> bool {
    headers.get(UPGRADE).is_some_and(|to| to.as_bytes().eq_ignore_ascii_case(b"websocket"))
        && connection_options(headers).any(|option| option.eq_ignore_ascii_case(b"upgrade"))
}

/// A client's key is for tidegate. It goes on only in passthrough, and only to a server without a key of its own.
pub fn keeps_client_key(context: &Context, server: &Server) -> bool {
    server.authorization.is_none() && context.snapshot.directory.mode() == Mode::Passthrough
}

fn appends_forwarded_for(context: &Context) -> bool {
    let except: Option<&IpSet> = context.frontend().forwarded_for_except.as_ref();
    // A Unix socket has no address to tell.
    let peer = context.client.peer;
    peer != NOWHERE && except.is_some_and(|except| !except.contains(peer.ip()))
}

/// The header changes of the rules that applied, in the order of the rules.
fn rules(context: &Context, head: &mut RequestHeader) -> pingora::Result<()> {
    for step in &context.header_steps {
        let changes = match step {
            HeaderStep::Rendered(changes) => changes,
            HeaderStep::Rule(index) => match &context.frontend().rules[*index].action {
                Action::Headers { changes, .. } => changes,
                _ => continue,
            },
        };
        header_changes::apply(head, changes, &Nothing)?;
    }
    Ok(())
}
