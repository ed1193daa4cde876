//! Listening sockets: one per worker thread on the same address (SO_REUSEPORT), so that threads share nothing. They are
//! bound first, which is when an occupied port shows, and opened once there is somebody to serve.

use std::io;
use std::net::{SocketAddr, TcpListener};

use socket2::{Domain, Protocol, Socket, Type};

/// Connections that may wait to be accepted, per socket.
const BACKLOG: i32 = 4096;

/// Sockets bound to one address. A client that connects before [`Bound::open`] is refused.
#[derive(Debug)]
pub struct Bound {
    pub address: SocketAddr,
    sockets: Vec<Socket>,
}

/// Binds `count` sockets to `address`; port 0 takes one free port for all of them.
///
/// # Errors
/// The address is not ours, or something else listens there. SO_REUSEPORT alone would not notice another process of
/// the same user, so the address is first tried without it.
pub fn bind(address: SocketAddr, count: usize) -> io::Result<Bound> {
    let probe = socket(address, false)?;
    probe.listen(1)?;
    let address = match probe.local_addr()?.as_socket() {
        Some(bound) => bound,
        None => return Err(io::ErrorKind::InvalidInput.into()),
    };
    drop(probe);
    let sockets = (0..count.max(1)).map(|_| socket(address, true)).collect::<io::Result<_>>()?;
    Ok(Bound { address, sockets })
}

impl Bound {
    /// Lets clients in.
    ///
    /// # Errors
    /// Somebody else has begun to listen there meanwhile.
    pub fn open(self) -> io::Result<Vec<TcpListener>> {
        self.sockets
            .into_iter()
            .map(|socket| {
                socket.listen(BACKLOG)?;
                Ok(TcpListener::from(socket))
            })
            .collect()
    }
}

fn socket(address: SocketAddr, shared: bool) -> io::Result<Socket> {
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

    use super::*;

    #[test]
    fn all_sockets_of_a_bind_share_one_port_and_open_later() {
        let bound = bind("127.0.0.1:0".parse().unwrap(), 3).unwrap();
        let address = bound.address;
        assert!(TcpStream::connect(address).is_err(), "not open yet");
        let sockets = bound.open().unwrap();
        assert!(sockets.iter().all(|s| s.local_addr().unwrap() == address));
        assert!(TcpStream::connect(address).is_ok());
    }

    #[test]
    fn an_occupied_port_is_refused_even_if_its_owner_shares_it() {
        let first = bind("127.0.0.1:0".parse().unwrap(), 2).unwrap();
        let address = first.address;
        let _listening = first.open().unwrap();
        assert_eq!(bind(address, 2).unwrap_err().kind(), io::ErrorKind::AddrInUse);
    }
}
