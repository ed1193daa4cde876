//! How a simple and lenient server reads a head: lines end in LF, spaces around names and values are dropped, the last
//! word is the version. What passes our check has to mean to it what it means to us.

/// A head as such a server sees it.
pub struct Head<'a> {
    /// Words of the first line.
    pub words: Vec<&'a [u8]>,
    /// Names and values, trimmed.
    pub fields: Vec<(&'a [u8], &'a [u8])>,
}

/// Up to the first empty line, or the end.
pub fn head(raw: &[u8]) -> Head<'_> {
    let (line, rest) =
        raw.split_at(raw.iter().position(|byte| *byte == b'\n').map_or(raw.len(), |at| at + 1));
    let words = line.trim_ascii().split(|byte| *byte == b' ').collect();
    Head { words, fields: fields(rest) }
}

/// Names and values of the lines before the first empty one.
pub fn fields(raw: &[u8]) -> Vec<(&[u8], &[u8])> {
    raw.split(|byte| *byte == b'\n')
        .map(<[u8]>::trim_ascii)
        .take_while(|line| !line.is_empty())
        .map(|line| {
            let colon = line.iter().position(|byte| *byte == b':').unwrap_or(line.len());
            let (name, value) = line.split_at(colon);
            (name.trim_ascii(), value.strip_prefix(b":").unwrap_or_default().trim_ascii())
        })
        .collect()
}

impl Head<'_> {
    /// The values of a field, in order; names know no case.
    pub fn all(&self, name: &str) -> Vec<&[u8]> {
        let named = |(found, _): &&(&[u8], &[u8])| found.eq_ignore_ascii_case(name.as_bytes());
        self.fields.iter().filter(named).map(|(_, value)| *value).collect()
    }
}

/// Whether every CR is followed by LF, every LF comes after CR, and no other control byte but the tab is there.
pub fn has_clean_lines(raw: &[u8]) -> bool {
    raw.iter().enumerate().all(|(place, byte)| match byte {
        b'\r' => raw.get(place + 1) == Some(&b'\n'),
        b'\n' => place > 0 && raw.get(place - 1) == Some(&b'\r'),
        b'\t' => true,
        0..=31 | 127 => false,
        _ => true,
    })
}
