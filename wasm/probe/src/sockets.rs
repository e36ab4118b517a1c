//! Acts that want the network without HTTP: by the standard library, which a component answers by
//! `wasi:sockets`, and by the four functions that preview 1 has for sockets somebody else opened.

use std::io::{self, Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream, ToSocketAddrs, UdpSocket};

pub fn run(act: &str, object: &str) -> io::Result<String> {
    match act {
        "connect" => connect(object),
        "udp" => {
            let socket = UdpSocket::bind("0.0.0.0:0")?;
            Ok(format!("{} bytes sent", socket.send_to(b"hello", object)?))
        }
        "listen" => Ok(TcpListener::bind(object)?.local_addr()?.to_string()),
        "resolve" => {
            let addresses = (object, 80).to_socket_addrs()?;
            Ok(addresses.map(|each| each.ip().to_string()).collect::<Vec<_>>().join(","))
        }
        "sock-accept" => raw::accept(descriptor(object)?),
        "sock-send" => raw::send(descriptor(object)?),
        "sock-recv" => raw::receive(descriptor(object)?),
        "sock-shutdown" => raw::shutdown(descriptor(object)?),
        _ => Err(io::ErrorKind::InvalidInput.into()),
    }
}

/// Says "hello" and returns what comes back until the other end closes.
fn connect(object: &str) -> io::Result<String> {
    let mut stream = TcpStream::connect(object)?;
    stream.write_all(b"hello")?;
    stream.shutdown(Shutdown::Write)?;
    let mut text = String::new();
    stream.read_to_string(&mut text)?;
    Ok(format!("connected {text}"))
}

fn descriptor(object: &str) -> io::Result<u32> {
    object.parse().map_err(|_| io::ErrorKind::InvalidInput.into())
}

#[cfg(not(target_env = "p2"))]
mod raw {
    use std::io;

    #[repr(C)]
    struct Vector {
        begin: *mut u8,
        length: usize,
    }

    #[link(wasm_import_module = "wasi_snapshot_preview1")]
    unsafe extern "C" {
        fn sock_accept(descriptor: u32, flags: u32, accepted: *mut u32) -> u32;
        fn sock_recv(
            descriptor: u32,
            vectors: *const Vector,
            count: usize,
            flags: u32,
            received: *mut usize,
            flags_out: *mut u16,
        ) -> u32;
        fn sock_send(
            descriptor: u32,
            vectors: *const Vector,
            count: usize,
            flags: u32,
            sent: *mut usize,
        ) -> u32;
        fn sock_shutdown(descriptor: u32, how: u32) -> u32;
    }

    pub fn accept(descriptor: u32) -> io::Result<String> {
        let mut accepted = 0;
        // SAFETY: what is written to outlives the call.
        let errno = unsafe { sock_accept(descriptor, 0, &mut accepted) };
        said(errno, || format!("descriptor {accepted}"))
    }

    pub fn send(descriptor: u32) -> io::Result<String> {
        let (mut bytes, mut sent) = (*b"hello", 0);
        let vector = Vector { begin: bytes.as_mut_ptr(), length: bytes.len() };
        // SAFETY: the vector spans the bytes, and all outlive the call.
        let errno = unsafe { sock_send(descriptor, &vector, 1, 0, &mut sent) };
        said(errno, || format!("{sent} bytes sent"))
    }

    pub fn receive(descriptor: u32) -> io::Result<String> {
        let (mut bytes, mut received, mut flags) = ([0; 64], 0, 0);
        let vector = Vector { begin: bytes.as_mut_ptr(), length: bytes.len() };
        // SAFETY: the vector spans the bytes, and all outlive the call.
        let errno = unsafe { sock_recv(descriptor, &vector, 1, 0, &mut received, &mut flags) };
        said(errno, || format!("{received} bytes received"))
    }

    pub fn shutdown(descriptor: u32) -> io::Result<String> {
        // SAFETY: numbers only.
        said(unsafe { sock_shutdown(descriptor, 3) }, String::new)
    }

    fn said(errno: u32, done: impl FnOnce() -> String) -> io::Result<String> {
        match errno {
            0 => Ok(done()),
            errno => Err(io::Error::from_raw_os_error(errno as i32)),
        }
    }
}

/// A component has no such functions.
#[cfg(target_env = "p2")]
mod raw {
    use std::io;

    pub fn accept(_: u32) -> io::Result<String> {
        Err(io::ErrorKind::Unsupported.into())
    }

    pub use accept as send;
    pub use accept as receive;
    pub use accept as shutdown;
}
