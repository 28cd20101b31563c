//! Ports that servers started by a test take later.

use socket2::{Domain, Socket, Type};
use std::net::{Ipv4Addr, SocketAddr};

/// A port of this machine that is kept for a server which is told to take it, as often as that is started. Nobody who
/// asks the system for any free port is given it.
pub struct Port {
    /// Bound but never listening: a server, which like this one allows the address to be used again, can bind it too.
    _socket: Socket,
    /// Where the server is to listen.
    pub address: SocketAddr,
}

impl Port {
    /// Keeps a free port.
    pub fn reserve() -> Self {
        let reserved = || {
            let socket = Socket::new(Domain::IPV4, Type::STREAM, None)?;
            socket.set_reuse_address(true)?;
            socket.bind(&SocketAddr::from((Ipv4Addr::LOCALHOST, 0)).into())?;
            let address = socket.local_addr()?;
            std::io::Result::Ok((socket, address))
        };
        let (socket, address) = reserved().expect("a free port");
        Self {
            _socket: socket,
            address: address.as_socket().expect("an address of IPv4"),
        }
    }
}
