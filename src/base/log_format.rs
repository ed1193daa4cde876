//! The language of custom log formats: HAProxy's (configuration manual 8.2.6), read once into parts. It only says what is to
//! be written, and where a format is wrong; the file's reader makes messages of that, the access log writes the parts.

mod names;

/// A piece of a line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Part {
    /// As it is. Never empty, and never beside another text.
    Text(String),
    Field(Field, Flags),
}

/// HAProxy's `%{+Q,+X,+E}`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Flags {
    /// Texts and addresses stand in double quotes; an unknown one is `""` then, not `-`.
    pub quote: bool,
    /// Addresses, ports, the time in seconds and the process id are hexadecimal.
    pub hex: bool,
    /// `"`, `\` and `]` in texts have a `\` before them.
    pub escape: bool,
}

/// What is known of a request when it is over. Under their names in the JSON log, but for what only HAProxy has.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Field {
    /// HAProxy's own date: `21/Nov/2026:23:56:23.250`.
    Date,
    /// The same with a zone, and without milliseconds.
    DateZone,
    /// RFC 3339.
    Time,
    /// Since 1970, in whole seconds.
    Seconds,
    /// Of that second; three digits.
    Milliseconds,
    Hostname,
    ProcessId,
    RequestId,
    ClientAddress,
    ClientPort,
    /// `address:port`
    Client,
    LocalAddress,
    LocalPort,
    /// By the word of a trusted proxy, else the client's address.
    Source,
    Frontend,
    /// With a `~` where it has TLS.
    FrontendTransport,
    /// The frontend's name where it reached none.
    BackendOrFrontend,
    Backend,
    /// `<NOSRV>` where it reached none.
    ServerOrNone,
    Server,
    /// HAProxy's `%r`: method, target and protocol; `<BADREQ>` where there is none, as in the next six.
    RequestLine,
    MethodOrBad,
    TargetOrBad,
    PathOrBad,
    /// With its `?`.
    QueryOrBad,
    ProtocolOrBad,
    Method,
    /// With its query.
    Target,
    Host,
    Protocol,
    TlsVersion,
    TlsCipher,
    ClientCn,
    ClientDn,
    /// -1: nothing was answered.
    StatusOrMinus,
    Status,
    BytesIn,
    BytesOut,
    /// HAProxy's times: whole milliseconds, -1 for a stage that was not reached.
    TimeRequest,
    TimeQueue,
    TimeConnect,
    TimeResponse,
    TimeData,
    TimeActive,
    /// Ours: milliseconds with three decimals.
    Duration,
    RequestTime,
    QueueTime,
    ConnectTime,
    ResponseTime,
    FirstByteTime,
    FirstContentTime,
    Attempts,
    Retries,
    Hedged,
    /// Two letters.
    TerminationShort,
    Termination,
    /// There are no cookies here: `-`.
    Cookie,
    Connections,
    FrontendConnections,
    BackendInFlight,
    ServerInFlight,
    BackendQueue,
    /// We queue for a backend, never for one server: 0.
    ServerQueue,
    ClientName,
    Plan,
    ErrorCode,
    Reason,
    Detail,
    Stream,
    Model,
    PromptTokens,
    CompletionTokens,
    CachedTokens,
    ReasoningTokens,
    Cost,
    TokensEstimated,
    /// Of the request as it came; the last one where there are several.
    RequestHeader(String),
    /// Of the answer as the client got it.
    ResponseHeader(String),
}

/// What is wrong in a format, and where: bytes of its text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mistake {
    pub start: usize,
    pub length: usize,
    pub wrong: Wrong,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Wrong {
    /// A `%` with neither a name nor a bracket behind it.
    Percent,
    /// `%{` without its `}`, or `%[` without its `]`.
    Open(char),
    Flag(String),
    /// No variable has this name.
    Variable(String),
    /// No fetch in brackets has this name.
    Fetch(String),
    /// HAProxy has it, and here it is not known, or goes by another name: what to write instead.
    Elsewhere(&'static str),
    /// Not the name of a header.
    Header(String),
    /// The header holds the client's key.
    Secret(String),
}

/// Reads a format. Spaces that stand together are one, as in HAProxy.
///
/// # Errors
/// All mistakes in it.
pub fn parse(text: &str) -> Result<Vec<Part>, Vec<Mistake>> {
    let mut parser =
        Parser { text, at: 0, global: Flags::default(), parts: Vec::new(), mistakes: Vec::new() };
    while parser.at < text.len() {
        parser.piece();
    }
    if let Some(Part::Text(last)) = parser.parts.last_mut() {
        last.truncate(last.trim_end_matches(' ').len());
    }
    parser.parts.retain(|part| !matches!(part, Part::Text(text) if text.is_empty()));
    if parser.mistakes.is_empty() { Ok(parser.parts) } else { Err(parser.mistakes) }
}

/// The names of all variables (`%b`) and of all fetches (`%[model]`), for suggestions and for the docs.
pub fn names() -> (impl Iterator<Item = &'static str>, impl Iterator<Item = &'static str>) {
    (names::VARIABLES.iter().map(|(name, _)| *name), names::FETCHES.iter().map(|(name, _)| *name))
}

/// Whether clients put their keys into this header.
pub fn holds_a_key(header: &str) -> bool {
    names::KEYS.contains(&header)
}

struct Parser<'a> {
    text: &'a str,
    at: usize,
    /// What `%{...}o` has set for all that follow.
    global: Flags,
    parts: Vec<Part>,
    mistakes: Vec<Mistake>,
}

impl<'a> Parser<'a> {
    fn rest(&self) -> &'a str {
        self.text.get(self.at..).unwrap_or_default()
    }

    fn wrong(&mut self, start: usize, wrong: Wrong) {
        self.mistakes.push(Mistake { start, length: self.at.saturating_sub(start).max(1), wrong });
    }

    fn piece(&mut self) {
        let rest = self.rest();
        let end = rest.find('%').unwrap_or(rest.len());
        if let Some(text) = rest.get(..end).filter(|text| !text.is_empty()) {
            self.at += end;
            return self.literal(text);
        }
        let start = self.at;
        self.at += 1;
        if self.rest().starts_with('%') {
            self.at += 1;
            return self.literal("%");
        }
        let flags = match self.rest().starts_with('{') {
            true => match self.flags() {
                Some(flags) => flags,
                None => return,
            },
            false => self.global,
        };
        if self.rest().starts_with('[') {
            self.fetch(flags);
        } else {
            self.variable(start, flags);
        }
    }

    fn literal(&mut self, text: &str) {
        if !matches!(self.parts.last(), Some(Part::Text(_))) {
            self.parts.push(Part::Text(String::new()));
        }
        let begins = self.parts.len() == 1;
        let Some(Part::Text(into)) = self.parts.last_mut() else { return };
        for c in text.chars() {
            let doubled = c == ' ' && (into.ends_with(' ') || (begins && into.is_empty()));
            if !doubled {
                into.push(c);
            }
        }
    }

    /// What stands between the opening character and the next `close`.
    fn enclosed(&mut self, close: char) -> Option<(usize, &'a str)> {
        let start = self.at;
        let inside = self.rest().get(1..).unwrap_or_default();
        match inside.find(close) {
            Some(end) => {
                self.at += end + 2;
                Some((start + 1, inside.get(..end).unwrap_or_default()))
            }
            None => {
                self.at = self.text.len();
                self.wrong(start.saturating_sub(1), Wrong::Open(close));
                None
            }
        }
    }

    fn flags(&mut self) -> Option<Flags> {
        let (mut start, inside) = self.enclosed('}')?;
        let mut flags = self.global;
        for flag in inside.split(',') {
            let on = !flag.starts_with('-');
            match flag.strip_prefix(['+', '-']) {
                Some("Q") => flags.quote = on,
                Some("X") => flags.hex = on,
                Some("E") => flags.escape = on,
                _ => self.mistakes.push(Mistake {
                    start,
                    length: flag.len().max(1),
                    wrong: Wrong::Flag(flag.to_owned()),
                }),
            }
            start += flag.len() + 1;
        }
        Some(flags)
    }

    fn variable(&mut self, start: usize, flags: Flags) {
        let rest = self.rest();
        let end = rest.find(|c: char| !c.is_ascii_alphanumeric()).unwrap_or(rest.len());
        let name = rest.get(..end).unwrap_or_default();
        self.at += end;
        if !name.starts_with(|c: char| c.is_ascii_alphabetic()) {
            return self.wrong(start, Wrong::Percent);
        }
        if name == "o" {
            self.global = flags;
        } else if names::EMPTY.contains(&name) {
            // Nothing: the spaces around it become one.
        } else if let Some((_, field)) = names::VARIABLES.iter().find(|(known, _)| *known == name) {
            self.parts.push(Part::Field(field.clone(), flags));
        } else if let Some((_, instead)) = names::NOT_HERE.iter().find(|(known, _)| *known == name) {
            self.wrong(start, Wrong::Elsewhere(instead));
        } else {
            self.wrong(start, Wrong::Variable(name.to_owned()));
        }
    }

    fn fetch(&mut self, flags: Flags) {
        let Some((start, name)) = self.enclosed(']') else { return };
        let wrong = |wrong| Mistake { start, length: name.len().max(1), wrong };
        let header = |prefixes: &[&str]| {
            let inside = prefixes.iter().find_map(|prefix| name.strip_prefix(prefix));
            inside.and_then(|inside| inside.strip_prefix('(')?.strip_suffix(')')).map(str::to_ascii_lowercase)
        };
        let named = |header: String, field: fn(String) -> Field| {
            if header.is_empty() || !header.bytes().all(|b| b.is_ascii_alphanumeric() || b"-_.".contains(&b))
            {
                Err(wrong(Wrong::Header(header)))
            } else if holds_a_key(&header) {
                Err(wrong(Wrong::Secret(header)))
            } else {
                Ok(field(header))
            }
        };
        let found = if let Some(header) = header(&["header", "req.hdr"]) {
            named(header, Field::RequestHeader)
        } else if let Some(header) = header(&["response_header", "res.hdr"]) {
            named(header, Field::ResponseHeader)
        } else if let Some((_, field)) = names::FETCHES.iter().find(|(known, _)| *known == name) {
            Ok(field.clone())
        } else {
            match names::FETCHES_ELSEWHERE.iter().find(|(known, _)| name.starts_with(known)) {
                Some((_, instead)) => Err(wrong(Wrong::Elsewhere(instead))),
                None => Err(wrong(Wrong::Fetch(name.to_owned()))),
            }
        };
        match found {
            Ok(field) => self.parts.push(Part::Field(field, flags)),
            Err(mistake) => self.mistakes.push(mistake),
        }
    }
}

#[cfg(test)]
mod tests;
