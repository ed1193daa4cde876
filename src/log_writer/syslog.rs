//! A syslog daemon (RFC 5424) on a unix socket or over UDP. Only the writer's own thread waits for it, and not for long: a
//! daemon that takes nothing costs lines. One that comes back is found again.

use std::io::{self, ErrorKind, Write};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, ToSocketAddrs, UdpSocket};
use std::os::unix::net::{UnixDatagram, UnixStream};
use std::path::Path;
use std::time::{Duration, Instant};

use rustix::io::Errno;

use crate::base::calendar::Civil;
use crate::base::clock;
use crate::config::checked::{Facility, SyslogAddress};

/// What a message says of itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Syslog {
    pub to: SyslogAddress,
    pub facility: Facility,
    /// Of this machine.
    pub hostname: String,
}

/// Bytes of a message: what rsyslog and syslog-ng take unless they are told otherwise. The rest is cut.
const LONGEST: usize = 8192;

/// How long a daemon may take to make room, once. A socket has room for a few messages only.
const PATIENCE: Duration = Duration::from_millis(200);

/// How often a daemon that is not there is looked for.
const RETRY: Duration = Duration::from_secs(1);

/// How long the address of a name is good.
const FRESH: Duration = Duration::from_secs(60);

/// The writer's side.
pub(super) struct Connection {
    settings: Syslog,
    socket: Option<Socket>,
    /// The last one to connect.
    tried: Option<Instant>,
    /// Whether to wait for room. Not after the daemon took nothing for a while, until it takes something.
    patient: bool,
    /// The message being made.
    message: Vec<u8>,
    /// What all messages say behind their time.
    origin: String,
}

enum Socket {
    Datagram(UnixDatagram),
    /// And what is left of a message that was begun.
    Stream(UnixStream, Vec<u8>),
    Udp(UdpSocket),
}

impl Connection {
    pub(super) fn new(settings: Syslog) -> Connection {
        // RFC 5424: printable ASCII without spaces, or `-`.
        let hostname: String = settings.hostname.chars().filter(char::is_ascii_graphic).take(255).collect();
        let hostname = if hostname.is_empty() { "-" } else { &hostname };
        let origin = format!(" {hostname} tidegate {} access - ", std::process::id());
        Connection { settings, socket: None, tried: None, patient: true, message: Vec::new(), origin }
    }

    pub(super) fn name(&self) -> String {
        format!("syslog {}", self.settings.to)
    }

    /// Looks for the daemon anew.
    pub(super) fn forget(&mut self) {
        (self.socket, self.tried) = (None, None);
    }

    /// Looks for the daemon, if that is due.
    pub(super) fn connect(&mut self) -> io::Result<()> {
        let now = clock::instant();
        let due = |after| self.tried.is_none_or(|tried| now.saturating_duration_since(tried) >= after);
        let wanted = match (&self.socket, &self.settings.to) {
            (Some(_), SyslogAddress::Udp { host, .. }) => due(FRESH) && host.parse::<IpAddr>().is_err(),
            (Some(_), SyslogAddress::Unix(_)) => false,
            (None, _) => due(RETRY),
        };
        if wanted {
            self.tried = Some(now);
            match connect(&self.settings.to) {
                Ok(socket) => (self.socket, self.patient) = (Some(socket), true),
                // The old address of a name may still be good.
                Err(_) if self.socket.is_some() => {}
                Err(error) => return Err(error),
            }
        }
        match self.socket {
            Some(_) => Ok(()),
            None => Err(ErrorKind::NotConnected.into()),
        }
    }

    /// Sends lines, each of which begins with the digit of its severity. How many were lost, and why the first was.
    pub(super) fn send(&mut self, lines: &[u8]) -> (u64, Option<io::Error>) {
        let time = clock::unix_time();
        let (mut lost, mut why) = (0, None);
        for line in lines.split_inclusive(|byte| *byte == b'\n') {
            let Some((severity, line)) = line.split_first() else { continue };
            self.compose(*severity, time, line);
            if let Err(error) = self.deliver() {
                lost += 1;
                why = why.or(Some(error));
            }
        }
        (lost, why)
    }

    /// `<PRI>1 TIME HOST tidegate PID access - LINE`
    fn compose(&mut self, severity: u8, time: Duration, line: &[u8]) {
        let priority = u32::from(self.settings.facility.0) * 8 + u32::from(severity.saturating_sub(b'0'));
        let message = &mut self.message;
        message.clear();
        // Writing to a Vec does not fail.
        let _ = write!(message, "<{priority}>1 ");
        let _ = Civil::from_unix(time).write_rfc3339(message);
        message.extend_from_slice(self.origin.as_bytes());
        message.extend_from_slice(line.strip_suffix(b"\n").unwrap_or(line));
        if message.len() > LONGEST {
            // Between two characters.
            let inside = |at: usize| message.get(at).is_some_and(|byte| byte & 0b1100_0000 == 0b1000_0000);
            let end = (0..=LONGEST).rev().find(|at| !inside(*at)).unwrap_or(LONGEST);
            message.truncate(end);
        }
    }

    /// A daemon that was started anew has another socket under the same name: that is tried once, at once.
    fn deliver(&mut self) -> io::Result<()> {
        self.connect()?;
        let Some(socket) = &mut self.socket else { return Err(ErrorKind::NotConnected.into()) };
        match socket.send(&self.message) {
            Ok(()) => {
                if !self.patient {
                    self.patient = true;
                    let _ = socket.wait(true);
                }
                Ok(())
            }
            Err(error) if is_full(&error) => {
                if self.patient {
                    self.patient = false;
                    let _ = socket.wait(false);
                }
                Err(io::Error::other("it takes no more"))
            }
            // Nobody listened there for the message before this one.
            Err(error) if matches!(socket, Socket::Udp(_)) => {
                let _ = socket.send(&self.message);
                Err(error)
            }
            Err(_) => {
                self.forget();
                self.connect()?;
                match &mut self.socket {
                    Some(socket) => socket.send(&self.message),
                    None => Err(ErrorKind::NotConnected.into()),
                }
            }
        }
    }
}

/// Not room enough now, which is no reason to connect again.
fn is_full(error: &io::Error) -> bool {
    matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) || is(error, Errno::NOBUFS)
}

fn is(error: &io::Error, errno: Errno) -> bool {
    Errno::from_io_error(error) == Some(errno)
}

fn connect(to: &SyslogAddress) -> io::Result<Socket> {
    let socket = match to {
        SyslogAddress::Unix(path) => unix(path)?,
        SyslogAddress::Udp { host, port } => Socket::Udp(udp(host, *port)?),
    };
    socket.wait(true)?;
    Ok(socket)
}

fn unix(path: &Path) -> io::Result<Socket> {
    let datagram = UnixDatagram::unbound()?;
    match datagram.connect(path) {
        Ok(()) => Ok(Socket::Datagram(datagram)),
        // It is of the other kind.
        Err(error) if is(&error, Errno::PROTOTYPE) => {
            Ok(Socket::Stream(UnixStream::connect(path)?, Vec::new()))
        }
        Err(error) => Err(error),
    }
}

fn udp(host: &str, port: u16) -> io::Result<UdpSocket> {
    let mut last = io::Error::other("the name has no address");
    for address in (host, port).to_socket_addrs()? {
        let any: IpAddr = match address {
            SocketAddr::V4(_) => Ipv4Addr::UNSPECIFIED.into(),
            SocketAddr::V6(_) => Ipv6Addr::UNSPECIFIED.into(),
        };
        let socket = UdpSocket::bind((any, 0)).and_then(|socket| {
            socket.connect(address)?;
            Ok(socket)
        });
        match socket {
            Ok(socket) => return Ok(socket),
            Err(error) => last = error,
        }
    }
    Err(last)
}

impl Socket {
    fn send(&mut self, message: &[u8]) -> io::Result<()> {
        match self {
            Socket::Datagram(socket) => socket.send(message).map(drop),
            Socket::Udp(socket) => socket.send(message).map(drop),
            Socket::Stream(stream, rest) => {
                // A message that was begun must end before the next one.
                write_all(stream, rest)?;
                rest.extend_from_slice(message);
                rest.push(b'\n');
                let whole = rest.len();
                match write_all(stream, rest) {
                    Err(error) if rest.len() == whole => {
                        rest.clear();
                        Err(error)
                    }
                    Err(error) if is_full(&error) => Ok(()),
                    done => done,
                }
            }
        }
    }

    /// Whether to wait for room, up to [`PATIENCE`].
    fn wait(&self, wait: bool) -> io::Result<()> {
        match self {
            Socket::Datagram(socket) => {
                socket.set_write_timeout(Some(PATIENCE))?;
                socket.set_nonblocking(!wait)
            }
            Socket::Stream(stream, _) => {
                stream.set_write_timeout(Some(PATIENCE))?;
                stream.set_nonblocking(!wait)
            }
            Socket::Udp(socket) => {
                socket.set_write_timeout(Some(PATIENCE))?;
                socket.set_nonblocking(!wait)
            }
        }
    }
}

/// Writes what it can; the rest stays.
fn write_all(stream: &mut UnixStream, rest: &mut Vec<u8>) -> io::Result<()> {
    while !rest.is_empty() {
        match stream.write(rest) {
            Ok(0) => return Err(ErrorKind::WriteZero.into()),
            Ok(written) => drop(rest.drain(..written)),
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests;
