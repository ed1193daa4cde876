//! The two doors of the administrator: HTTP on `admin.listen`, commands on `admin.socket`.

use std::io::{Read, Write};
use std::net::Shutdown;
use std::os::unix::net::UnixStream;

use super::edge::Edge;
use super::http::{Ask, Connection, Message};
use super::metrics::Metrics;
use super::wait::DEADLINE;

impl Edge {
    /// GET on the admin listener.
    #[track_caller]
    pub fn admin_get(&self, path: &str) -> Message {
        Connection::open(self.admin()).ask(&Ask::get(path))
    }

    #[track_caller]
    pub fn metrics(&self) -> Metrics {
        let answer = self.admin_get("/metrics");
        assert_eq!(answer.status(), 200);
        Metrics::parse(&answer.text())
    }

    /// One command on the runtime socket; the answer until it closes.
    #[track_caller]
    pub fn command(&self, line: &str) -> String {
        let mut socket = UnixStream::connect(self.socket()).unwrap();
        socket.set_read_timeout(Some(DEADLINE)).unwrap();
        socket.write_all(format!("{line}\n").as_bytes()).unwrap();
        socket.shutdown(Shutdown::Write).unwrap();
        let mut answer = String::new();
        socket.read_to_string(&mut answer).unwrap();
        answer
    }

    /// `show stat` as rows of (column, value).
    #[track_caller]
    pub fn show_stat(&self) -> Vec<Vec<(String, String)>> {
        rows(&self.command("show stat"))
    }
}

/// HAProxy's CSV: a header behind `# `, and rows that end with a comma.
#[track_caller]
pub fn rows(csv: &str) -> Vec<Vec<(String, String)>> {
    let mut lines = csv.lines().filter(|line| !line.trim().is_empty());
    let header = lines.next().and_then(|line| line.strip_prefix("# "));
    let names: Vec<&str> = header.unwrap_or_else(|| panic!("no header: {csv}")).split(',').collect();
    lines
        .map(|line| {
            let values = values(line);
            assert_eq!(values.len(), names.len(), "columns differ from the header's: {line}");
            names.iter().zip(values).map(|(name, value)| ((*name).to_owned(), value)).collect()
        })
        .collect()
}

/// A value of a row of [`rows`].
#[track_caller]
pub fn column<'a>(row: &'a [(String, String)], name: &str) -> &'a str {
    let found = row.iter().find(|(column, _)| column == name);
    found.map(|(_, value)| value.as_str()).unwrap_or_else(|| panic!("no column {name}"))
}

/// The values of a row; one in quotes may hold commas, a quote in it is doubled (RFC 4180).
fn values(line: &str) -> Vec<String> {
    let mut values = vec![String::new()];
    let mut quoted = false;
    let mut characters = line.chars().peekable();
    while let Some(character) = characters.next() {
        match character {
            '"' if quoted && characters.peek() == Some(&'"') => {
                values.last_mut().unwrap().extend(characters.next())
            }
            '"' => quoted = !quoted,
            ',' if !quoted => values.push(String::new()),
            other => values.last_mut().unwrap().push(other),
        }
    }
    values
}
