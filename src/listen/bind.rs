//! Listening sockets. Of a TCP address each worker thread has one of its own (SO_REUSEPORT), so that threads share
//! nothing; a Unix socket and an inherited descriptor are one socket that all of them accept from. They are bound first,
//! which is when an occupied port shows, and opened once there is somebody to serve.

use std::fmt;
use std::io;
use std::net::SocketAddr;
use std::os::fd::OwnedFd;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};

use socket2::{Domain, Protocol, SockAddr, Socket, Type};

use crate::config::checked::BindAddress;

/// Connections that may wait to be accepted, per socket.
const BACKLOG: i32 = 4096;

/// Sockets bound to one address. A client that connects before [`Bound::open`] is refused.
#[derive(Debug)]
pub struct Bound {
    pub address: Place,
    sockets: Vec<Socket>,
    /// The file of a Unix socket; it goes with the last listener.
    file: Option<SocketFile>,
}

/// Where a frontend really listens.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Place {
    Tcp(SocketAddr),
    Unix(PathBuf),
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Place::Tcp(address) => address.fmt(f),
            Place::Unix(path) => write!(f, "unix:{}", path.display()),
        }
    }
}

/// One socket that accepts.
#[derive(Debug)]
pub enum Listener {
    Tcp(std::net::TcpListener),
    Unix(std::os::unix::net::UnixListener),
}

/// A socket's file, removed when nobody listens there any more, unless another process has put its own in the place.
#[derive(Debug)]
pub struct SocketFile {
    path: PathBuf,
    identity: Option<Identity>,
}

/// Device, inode, and the time of the last change: inodes are soon used again.
type Identity = (u64, u64, i64, i64);

impl SocketFile {
    fn new(path: &Path) -> SocketFile {
        SocketFile { path: path.to_owned(), identity: identity(path) }
    }
}

impl Drop for SocketFile {
    fn drop(&mut self) {
        // Our own listeners may still be open: whether somebody answers there says nothing.
        if self.identity.is_some() && self.identity == identity(&self.path) {
            let _ = std::fs::remove_file(&self.path);
        }
    }
}

fn identity(path: &Path) -> Option<Identity> {
    use std::os::unix::fs::MetadataExt;
    let file = std::fs::symlink_metadata(path).ok()?;
    Some((file.dev(), file.ino(), file.ctime(), file.ctime_nsec()))
}

/// Binds `count` sockets to `address`; port 0 takes one free port for all of them.
///
/// # Errors
/// The address is not ours, or somebody listens there; there is no such descriptor, or it does not listen.
pub fn bind(address: &BindAddress, count: usize) -> io::Result<Bound> {
    match address {
        BindAddress::Tcp(address) => tcp(*address, count),
        BindAddress::Unix(path) => {
            let (socket, file) = unix(path, 0o666)?;
            let sockets = shared(&socket, count)?;
            Ok(Bound { address: Place::Unix(path.clone()), sockets, file: Some(file) })
        }
        BindAddress::Fd(number) => inherited(*number, count),
    }
}

/// SO_REUSEPORT alone would not notice another process of the same user, so the address is first tried without it.
fn tcp(address: SocketAddr, count: usize) -> io::Result<Bound> {
    let probe = tcp_socket(address, false)?;
    probe.listen(1)?;
    let Some(address) = probe.local_addr()?.as_socket() else {
        return Err(io::ErrorKind::InvalidInput.into());
    };
    drop(probe);
    let sockets = (0..count.max(1)).map(|_| tcp_socket(address, true)).collect::<io::Result<_>>()?;
    Ok(Bound { address: Place::Tcp(address), sockets, file: None })
}

/// Binds a Unix socket; a file that nobody listens at any more is replaced.
///
/// # Errors
/// Somebody listens there, something else is in the way, or the directory cannot be written.
pub fn unix(path: &Path, mode: u32) -> io::Result<(Socket, SocketFile)> {
    use std::os::unix::fs::FileTypeExt;
    if let Ok(found) = std::fs::symlink_metadata(path) {
        if !found.file_type().is_socket() {
            return Err(io::Error::new(
                io::ErrorKind::AlreadyExists,
                "a file that is not a socket is in the way",
            ));
        }
        if UnixStream::connect(path).is_ok() {
            return Err(io::Error::new(io::ErrorKind::AddrInUse, "another process listens there"));
        }
        std::fs::remove_file(path)?;
    }
    // Nobody may connect before the mode is right, so it is set before the socket listens.
    let socket = Socket::new(Domain::UNIX, Type::STREAM, None)?;
    socket.bind(&SockAddr::unix(path)?)?;
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode))?;
    socket.set_nonblocking(true)?;
    Ok((socket, SocketFile::new(path)))
}

/// The descriptor `number` that the process was started with, by a supervisor that listens for us.
fn inherited(number: i32, count: usize) -> io::Result<Bound> {
    let socket = Socket::from(descriptor(number)?);
    if !socket.is_listener().unwrap_or(false) {
        let why = "whoever started this process handed over no listening socket under this number";
        return Err(io::Error::new(io::ErrorKind::InvalidInput, why));
    }
    socket.set_nonblocking(true)?;
    let at = socket.local_addr()?;
    let address = match (at.as_socket(), at.as_pathname()) {
        (Some(address), _) => Place::Tcp(address),
        (None, path) => Place::Unix(path.map(Path::to_owned).unwrap_or_default()),
    };
    Ok(Bound { address, sockets: shared(&socket, count)?, file: None })
}

/// A copy of a descriptor of this process, asked of the kernel by its number: the number alone proves nothing, so that
/// the standard library has no safe way to take it.
fn descriptor(number: i32) -> io::Result<OwnedFd> {
    use rustix::process::{PidfdFlags, PidfdGetfdFlags, getpid, pidfd_getfd, pidfd_open};
    let own = pidfd_open(getpid(), PidfdFlags::empty())?;
    Ok(pidfd_getfd(&own, number, PidfdGetfdFlags::empty())?)
}

fn shared(socket: &Socket, count: usize) -> io::Result<Vec<Socket>> {
    (0..count.max(1)).map(|_| socket.try_clone()).collect()
}

impl Bound {
    /// Lets clients in. The file of a Unix socket lives as long as what comes second.
    ///
    /// # Errors
    /// Somebody else has begun to listen there meanwhile.
    pub fn open(self) -> io::Result<(Vec<Listener>, Option<SocketFile>)> {
        let unix = matches!(self.address, Place::Unix(_));
        let listeners = self.sockets.into_iter().map(|socket| {
            socket.listen(BACKLOG)?;
            Ok(if unix { Listener::Unix(socket.into()) } else { Listener::Tcp(socket.into()) })
        });
        Ok((listeners.collect::<io::Result<_>>()?, self.file))
    }
}

fn tcp_socket(address: SocketAddr, shared: bool) -> io::Result<Socket> {
    let socket = Socket::new(Domain::for_address(address), Type::STREAM, Some(Protocol::TCP))?;
    socket.set_reuse_address(true)?;
    socket.set_reuse_port(shared)?;
    if address.is_ipv6() {
        // `[::]:443` beside `0.0.0.0:443` must be two different things.
        socket.set_only_v6(true)?;
    }
    socket.set_nonblocking(true)?;
    socket.bind(&address.into())?;
    Ok(socket)
}

#[cfg(test)]
mod tests {
    use std::net::TcpStream;
    use std::os::fd::AsRawFd;

    use super::*;

    fn local() -> BindAddress {
        BindAddress::Tcp("127.0.0.1:0".parse().unwrap())
    }

    fn tcp_address(bound: &Bound) -> SocketAddr {
        match &bound.address {
            Place::Tcp(address) => *address,
            Place::Unix(path) => panic!("{path:?}"),
        }
    }

    #[test]
    fn all_sockets_of_a_bind_share_one_port_and_open_later() {
        let bound = bind(&local(), 3).unwrap();
        let address = tcp_address(&bound);
        assert!(TcpStream::connect(address).is_err(), "not open yet");
        let (listeners, _) = bound.open().unwrap();
        assert_eq!(listeners.len(), 3);
        assert!(TcpStream::connect(address).is_ok());
    }

    #[test]
    fn an_occupied_port_is_refused_even_if_its_owner_shares_it() {
        let first = bind(&local(), 2).unwrap();
        let address = tcp_address(&first);
        let _listening = first.open().unwrap();
        let again = bind(&BindAddress::Tcp(address), 2).unwrap_err();
        assert_eq!(again.kind(), io::ErrorKind::AddrInUse);
    }

    #[test]
    fn an_inherited_descriptor_is_taken_by_its_number() {
        let given = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let address = given.local_addr().unwrap();
        let bound = bind(&BindAddress::Fd(given.as_raw_fd()), 2).unwrap();
        assert_eq!(bound.address, Place::Tcp(address));
        let file = std::fs::File::open("/dev/null").unwrap();
        assert!(bind(&BindAddress::Fd(file.as_raw_fd()), 1).is_err(), "not a socket");
        assert!(bind(&BindAddress::Fd(9999), 1).is_err(), "not open");
    }

    #[test]
    fn a_dead_unix_socket_is_replaced_and_a_live_one_is_not() {
        let path = std::env::temp_dir().join(format!("tidegate-bind-{}.sock", std::process::id()));
        let address = BindAddress::Unix(path.clone());
        drop(std::os::unix::net::UnixListener::bind(&path).unwrap());
        let (listeners, file) = bind(&address, 2).unwrap().open().unwrap();
        assert!(UnixStream::connect(&path).is_ok());
        assert_eq!(bind(&address, 1).unwrap_err().kind(), io::ErrorKind::AddrInUse);
        drop((listeners, file));
        assert!(!path.exists(), "the file goes with the listener");

        let (listeners, file) = bind(&address, 1).unwrap().open().unwrap();
        drop(listeners);
        let of = |file: &Option<SocketFile>| file.as_ref().and_then(|file| file.identity);
        // Within one tick of the clock the same inode is the same file.
        let successor = loop {
            let successor = bind(&address, 1).unwrap().open().unwrap();
            if of(&successor.1) != of(&file) {
                break successor;
            }
        };
        drop(file);
        assert!(path.exists(), "the file of a successor stays");
        drop(successor);
    }
}
