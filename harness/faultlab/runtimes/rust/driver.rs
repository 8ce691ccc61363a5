//! The driver of the Rust runtime: std::net told what to do, one JSON line at a time. See `../README.md`.

use std::collections::BTreeMap;
use std::ffi::{c_int, c_void};
use std::fmt;
use std::io::{self, Read, Write};
use std::iter::Peekable;
use std::mem::size_of_val;
use std::net::{Ipv4Addr, Ipv6Addr, Shutdown, SocketAddr, TcpListener, TcpStream, ToSocketAddrs, UdpSocket};
use std::os::fd::{AsRawFd, RawFd};
use std::os::unix::net::{SocketAddr as UnixAddr, UnixListener, UnixStream};
use std::str::Chars;
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use Failure::{Native, Unsupported};
use Json::{Bool, List, Null, Number, Object, Text};

/// Every name the lab has given; `None` is a socket that was dropped.
static SOCKETS: Mutex<BTreeMap<String, Option<Arc<Socket>>>> = Mutex::new(BTreeMap::new());

fn main() {
    // A program does not know what compiled it; the build says so.
    let version = option_env!("RUSTC_VERSION").and_then(|words| words.split(' ').nth(1));
    let version = version.unwrap_or("unknown");
    println!(r#"{{"v": 1, "event": "ready", "runtime": "rust", "version": "{version}"}}"#);

    for line in io::stdin().lines() {
        let request = Json::parse(&line.expect("standard input"));
        // Looked up here and not in the thread: the next request may be about the same socket.
        let held = SOCKETS.lock().unwrap().get(request["sock"].text()).cloned();
        if request["background"].truth() {
            thread::spawn(move || println!("{}", answer(&request, held)));
        } else {
            println!("{}", answer(&request, held));
        }
    }
}

fn answer(request: &Json, held: Held) -> Json {
    let mut watch = Stopwatch { began: SystemTime::now(), elapsed: Duration::ZERO };
    let done = perform(request, held, &mut watch);
    let began = watch.began.duration_since(UNIX_EPOCH).expect("a clock after 1970");
    let mut fields = vec![
        ("id", request["id"].clone()),
        ("op", request["op"].clone()),
        ("t", Number(began.as_micros() as f64 / 1e6)),
        ("elapsed", Number(watch.elapsed.as_secs_f64())),
    ];
    match done {
        Ok(found) => {
            if !found.iter().any(|(key, _)| *key == "outcome") {
                fields.push(("outcome", "ok".into()));
            }
            fields.extend(found);
        }
        Err(Unsupported(why)) => fields.extend([("outcome", "unsupported".into()), ("message", why.into())]),
        Err(Native(error)) => {
            fields.push(("outcome", "error".into()));
            fields.extend(error.raw_os_error().map(|number| ("errno", Number(number.into()))));
            fields.push(("type", format!("io::ErrorKind::{:?}", error.kind()).into()));
            // What lies beneath has no name at run time (`dyn Error`), and the errors of std::net have nothing there.
            fields.push(("chain", List(vec!["std::io::Error".into()])));
            fields.push(("message", error.to_string().into()));
        }
    }
    Object(fields.into_iter().map(|(key, value)| (key.to_string(), value)).collect())
}

// ---------------------------------------------------------------------------------------------------- operations

type Fields = Vec<(&'static str, Json)>;
type Done<T> = Result<T, Failure>;

/// What a name stands for: nothing yet, a dropped socket, a socket.
type Held = Option<Option<Arc<Socket>>>;

enum Failure {
    Native(io::Error),
    Unsupported(&'static str),
}

impl From<io::Error> for Failure {
    fn from(error: io::Error) -> Failure {
        Native(error)
    }
}

/// Times one call, and nothing around it.
struct Stopwatch {
    began: SystemTime,
    elapsed: Duration,
}

impl Stopwatch {
    fn time<T>(&mut self, call: impl FnOnce() -> T) -> T {
        self.began = SystemTime::now();
        let start = Instant::now();
        let result = call();
        self.elapsed = start.elapsed();
        result
    }
}

fn perform(request: &Json, held: Held, watch: &mut Stopwatch) -> Done<Fields> {
    let fresh = held.is_none();
    let socket = || match held {
        Some(Some(socket)) => Ok(socket),
        Some(None) => Err(Unsupported("a dropped TcpStream cannot be used again: the compiler refuses it")),
        None => Err(Unsupported("no such socket: where making one fails, std leaves none behind")),
    };
    match request["op"].text() {
        "resolve" => resolve(request, watch),
        "socket" => Err(Unsupported("std::net has no unbound socket")),
        "connect" if fresh => connect(request, watch),
        "bind" if fresh && request["network"].text() != "udp" => Err(Unsupported("std::net binds and listens at once")),
        "bind" | "listen" if fresh => listen(request, watch),
        "bind" | "listen" | "connect" => {
            socket()?;
            Err(Unsupported("std::net makes a socket and binds or connects it at once, never later"))
        }
        "accept" => accept(request, &*socket()?, watch),
        "send" => send(request, &*socket()?, watch),
        "recv" => recv(request, &*socket()?, watch),
        "shutdown" => shutdown(request, &*socket()?, watch),
        "close" => close(request, socket()?, watch),
        "option" => watch.time(|| set_option(&*socket()?, request["name"].text(), &request["value"])).map(|()| vec![]),
        "deadline" => deadline(request, &*socket()?, watch),
        "error" => {
            let pending = socket()?.take_error(watch)?.and_then(|error| error.raw_os_error());
            Ok(pending.map(|number| ("errno", Number(number.into()))).into_iter().collect())
        }
        _ => Err(Unsupported("no such operation")),
    }
}

/// A port that is no `u16` gets as far as the parser of "host:port", the one place where std can be told of it.
fn look_up(address: &str, port: &Json) -> io::Result<Vec<SocketAddr>> {
    let found = match port {
        Number(port) if u16::try_from(*port as i64).is_ok() => (address, *port as u16).to_socket_addrs(),
        port => format!("{address}:{port}").to_socket_addrs(),
    };
    found.map(Iterator::collect)
}

fn resolve(request: &Json, watch: &mut Stopwatch) -> Done<Fields> {
    let found = watch.time(|| (request["name"].text(), 0).to_socket_addrs())?;
    // std asks for both families; a program that wants one picks it out.
    let wanted = found.filter(|address| match request["family"] {
        Number(family) => address.is_ipv6() == (family == 6.0),
        _ => true,
    });
    Ok(vec![("addresses", List(wanted.map(|address| address.ip().to_string().into()).collect()))])
}

fn connect(request: &Json, watch: &mut Stopwatch) -> Done<Fields> {
    let (address, port, options) = (request["address"].text(), &request["port"], &request["options"]);
    let timeout = seconds(&request["deadline"])?;
    let network = request["network"].text();
    if network != "udp" && request["local"] != Null {
        return Err(Unsupported("TcpStream has no bind before connect"));
    }
    if request["nonblocking"].truth() || request["type"] != Null {
        return Err(Unsupported("std connects blocking streams"));
    }
    let settable: fn(&str) -> bool = match network {
        "udp" => |name| !["reuseaddr", "reuseport", "v6only"].contains(&name),
        _ => |name| ["linger", "keepalive", "nodelay"].contains(&name), // they matter once it is connected
    };
    if !options.entries().iter().all(|(name, _)| settable(name)) {
        return Err(Unsupported("std::net hands the socket over when it is too late for this option"));
    }
    let socket = match network {
        "unix" => watch.time(|| UnixStream::connect(address)).map(Socket::Unix)?,
        "udp" => watch.time(|| {
            let found = look_up(address, port)?;
            let udp = match &request["local"] {
                List(local) => UdpSocket::bind(&look_up(local[0].text(), &local[1])?[..])?,
                _ if found[0].is_ipv6() => UdpSocket::bind((Ipv6Addr::UNSPECIFIED, 0))?,
                _ => UdpSocket::bind((Ipv4Addr::UNSPECIFIED, 0))?,
            };
            let socket = Socket::Udp(udp);
            set_options(&socket, options)?;
            if let Socket::Udp(udp) = &socket {
                udp.connect(&found[..])?;
            }
            Done::Ok(socket)
        })?,
        _ => {
            let connected = watch.time(|| match timeout {
                None => TcpStream::connect(&look_up(address, port)?[..]),
                Some(timeout) => connect_timeout(&look_up(address, port)?, timeout),
            });
            let socket = connected.map(Socket::Tcp)?;
            set_options(&socket, options)?;
            socket
        }
    };
    let fields = [("local", socket.local()), ("remote", socket.remote())];
    keep(request["sock"].text(), socket);
    Ok(fields.into())
}

/// std's takes one address: a program that has a name does what `connect` does, and tries each, with the time again.
fn connect_timeout(found: &[SocketAddr], timeout: Duration) -> io::Result<TcpStream> {
    let (last, others) = found.split_last().expect("an address, or an error");
    for address in others {
        if let Ok(stream) = TcpStream::connect_timeout(address, timeout) {
            return Ok(stream);
        }
    }
    TcpStream::connect_timeout(last, timeout)
}

fn listen(request: &Json, watch: &mut Stopwatch) -> Done<Fields> {
    let (address, port, options) = (request["address"].text(), &request["port"], &request["options"]);
    let network = request["network"].text();
    let settable = |name: &str, value: &Json| match name {
        "reuseaddr" => network.is_empty() && value.truth(), // TcpListener sets it unasked
        "reuseport" | "v6only" => false,
        _ => true, // connections that are accepted inherit it
    };
    if !options.entries().iter().all(|(name, value)| settable(name, value)) {
        return Err(Unsupported("std::net hands the socket over when it is too late for this option"));
    }
    let socket = watch.time(|| {
        let socket = match network {
            "unix" => Socket::UnixServer(UnixListener::bind(address)?),
            "udp" => Socket::Udp(UdpSocket::bind(&look_up(address, port)?[..])?),
            _ => Socket::TcpServer(TcpListener::bind(&look_up(address, port)?[..])?),
        };
        // std says 128; Linux takes a second word.
        if let Number(backlog) = request["backlog"] {
            c::check(unsafe { c::listen(socket.descriptor(), backlog as c_int) })?;
        }
        io::Result::Ok(socket)
    })?;
    set_options(&socket, options)?;
    let fields = [("local", socket.local())];
    keep(request["sock"].text(), socket);
    Ok(fields.into())
}

fn accept(request: &Json, server: &Socket, watch: &mut Stopwatch) -> Done<Fields> {
    if request["deadline"] != Null {
        return Err(Unsupported("TcpListener has no timeout"));
    }
    let socket = match server {
        Socket::TcpServer(server) => Socket::Tcp(watch.time(|| server.accept())?.0),
        Socket::UnixServer(server) => Socket::Unix(watch.time(|| server.accept())?.0),
        _ => return Err(Unsupported("only a listener accepts")),
    };
    let fields = [("local", socket.local()), ("remote", socket.remote())];
    keep(request["as"].text(), socket);
    Ok(fields.into())
}

fn send(request: &Json, socket: &Socket, watch: &mut Stopwatch) -> Done<Fields> {
    let data = match request["size"] {
        Number(size) => vec![b'x'; size as usize],
        _ => request["data"].text().into(),
    };
    watch.time(|| match socket {
        Socket::Tcp(stream) => Ok((&*stream).write_all(&data)?),
        Socket::Unix(stream) => Ok((&*stream).write_all(&data)?),
        Socket::Udp(udp) => match &request["to"] {
            List(to) => Ok(udp.send_to(&data, look_up(to[0].text(), &to[1])?[0]).map(drop)?),
            _ => Ok(udp.send(&data).map(drop)?),
        },
        _ => Err(Unsupported("a listener has no write")),
    })?;
    Ok(vec![("bytes", Number(data.len() as f64))]) // where it fails, write_all does not tell how far it came
}

fn recv(request: &Json, socket: &Socket, watch: &mut Stopwatch) -> Done<Fields> {
    let mut buffer = match request["max"] {
        Number(max) => vec![0; max as usize],
        _ => vec![0; 65536],
    };
    let got = watch.time(|| match socket {
        Socket::Tcp(stream) => Ok((&*stream).read(&mut buffer)?),
        Socket::Unix(stream) => Ok((&*stream).read(&mut buffer)?),
        Socket::Udp(udp) => Ok(udp.recv(&mut buffer)?),
        _ => Err(Unsupported("a listener has no read")),
    })?;
    if got == 0 && !buffer.is_empty() && !matches!(socket, Socket::Udp(_)) {
        return Ok(vec![("outcome", "eof".into())]);
    }
    let mut fields = vec![("bytes", Number(got as f64))];
    if got <= 1024 {
        fields.push(("data", String::from_utf8_lossy(&buffer[..got]).into_owned().into()));
    }
    Ok(fields)
}

fn shutdown(request: &Json, socket: &Socket, watch: &mut Stopwatch) -> Done<Fields> {
    let how = match request["how"].text() {
        "rd" => Shutdown::Read,
        "wr" => Shutdown::Write,
        _ => Shutdown::Both,
    };
    watch.time(|| match socket {
        Socket::Tcp(stream) => Ok(stream.shutdown(how)?),
        Socket::Unix(stream) => Ok(stream.shutdown(how)?),
        _ => Err(Unsupported("only a stream has shutdown")),
    })?;
    Ok(vec![])
}

/// A drop that does not take the last of the `Arc`s would close nothing.
fn close(request: &Json, socket: Arc<Socket>, watch: &mut Stopwatch) -> Done<Fields> {
    let name = request["sock"].text();
    SOCKETS.lock().unwrap().insert(name.to_string(), None);
    match Arc::try_unwrap(socket) {
        Ok(socket) => {
            watch.time(|| drop(socket));
            Ok(vec![])
        }
        Err(socket) => {
            SOCKETS.lock().unwrap().insert(name.to_string(), Some(socket));
            Err(Unsupported("a TcpStream that another thread is using cannot be dropped: the compiler refuses it"))
        }
    }
}

fn deadline(request: &Json, socket: &Socket, watch: &mut Stopwatch) -> Done<Fields> {
    let timeout = seconds(&request["seconds"])?;
    let which = request["which"].text();
    watch.time(|| {
        if which != "send" {
            match socket {
                Socket::Tcp(stream) => stream.set_read_timeout(timeout)?,
                Socket::Unix(stream) => stream.set_read_timeout(timeout)?,
                Socket::Udp(udp) => udp.set_read_timeout(timeout)?,
                _ => return Err(Unsupported("TcpListener has no timeout")),
            }
        }
        if which != "recv" {
            match socket {
                Socket::Tcp(stream) => stream.set_write_timeout(timeout)?,
                Socket::Unix(stream) => stream.set_write_timeout(timeout)?,
                Socket::Udp(udp) => udp.set_write_timeout(timeout)?,
                _ => return Err(Unsupported("TcpListener has no timeout")),
            }
        }
        Ok(vec![])
    })
}

fn seconds(value: &Json) -> Done<Option<Duration>> {
    match value {
        Number(seconds) => match Duration::try_from_secs_f64(*seconds) {
            Ok(duration) => Ok(Some(duration)),
            Err(_) => Err(Unsupported("a Duration is never negative")),
        },
        _ => Ok(None),
    }
}

fn keep(name: &str, socket: Socket) {
    SOCKETS.lock().unwrap().insert(name.to_string(), Some(Arc::new(socket)));
}

// ------------------------------------------------------------------------------------------------------- sockets

enum Socket {
    Tcp(TcpStream),
    TcpServer(TcpListener),
    Udp(UdpSocket),
    Unix(UnixStream),
    UnixServer(UnixListener),
}

/// The same words said to whichever of std's types it is: they have the method, and no trait for it.
macro_rules! whichever {
    ($socket:expr, $inner:ident => $say:expr) => {
        match $socket {
            Socket::Tcp($inner) => $say,
            Socket::TcpServer($inner) => $say,
            Socket::Udp($inner) => $say,
            Socket::Unix($inner) => $say,
            Socket::UnixServer($inner) => $say,
        }
    };
}

impl Socket {
    fn descriptor(&self) -> RawFd {
        whichever!(self, inner => inner.as_raw_fd())
    }

    fn take_error(&self, watch: &mut Stopwatch) -> io::Result<Option<io::Error>> {
        watch.time(|| whichever!(self, inner => inner.take_error()))
    }

    fn local(&self) -> Json {
        whichever!(self, inner => inner.local_addr().map_or(Null, |address| address.pair()))
    }

    /// Null where the connection is gone again, which the next operation tells better.
    fn remote(&self) -> Json {
        match self {
            Socket::Tcp(stream) => stream.peer_addr().map_or(Null, |address| address.pair()),
            Socket::Udp(udp) => udp.peer_addr().map_or(Null, |address| address.pair()),
            Socket::Unix(stream) => stream.peer_addr().map_or(Null, |address| address.pair()),
            Socket::TcpServer(_) | Socket::UnixServer(_) => Null,
        }
    }
}

trait Pair {
    fn pair(&self) -> Json;
}

impl Pair for SocketAddr {
    fn pair(&self) -> Json {
        List(vec![self.ip().to_string().into(), Number(self.port().into())])
    }
}

impl Pair for UnixAddr {
    fn pair(&self) -> Json {
        let path = self.as_pathname().map_or("".into(), |path| path.to_string_lossy());
        List(vec![path.into_owned().into(), Number(0.0)])
    }
}

// ------------------------------------------------------------------------------------------------------- options

/// Linux's numbers (x86, Arm, RISC-V).
#[cfg(target_os = "linux")]
mod number {
    use super::c_int;

    pub const SOL_SOCKET: c_int = 1;
    pub const SO_REUSEADDR: c_int = 2;
    pub const SO_SNDBUF: c_int = 7;
    pub const SO_RCVBUF: c_int = 8;
    pub const SO_KEEPALIVE: c_int = 9;
    pub const SO_LINGER: c_int = 13;
    pub const SO_REUSEPORT: c_int = 15;
    pub const IP_RECVERR: c_int = 11;
    pub const TCP_KEEPIDLE: c_int = 4;
    pub const TCP_KEEPINTVL: c_int = 5;
    pub const TCP_KEEPCNT: c_int = 6;
    pub const TCP_DEFER_ACCEPT: c_int = 9;
    pub const TCP_USER_TIMEOUT: c_int = 18;
    pub const IPV6_RECVERR: c_int = 25;
    pub const IPV6_V6ONLY: c_int = 26;
}

/// Those of macOS and FreeBSD; below 0 what they lack. macOS counts SO_LINGER in ticks of its clock, so it is SO_LINGER_SEC there.
#[cfg(any(target_os = "macos", target_os = "freebsd"))]
mod number {
    use super::c_int;

    const MACOS: bool = cfg!(target_os = "macos");
    pub const SOL_SOCKET: c_int = 0xffff;
    pub const SO_REUSEADDR: c_int = 4;
    pub const SO_SNDBUF: c_int = 0x1001;
    pub const SO_RCVBUF: c_int = 0x1002;
    pub const SO_KEEPALIVE: c_int = 8;
    pub const SO_LINGER: c_int = if MACOS { 0x1080 } else { 0x80 };
    pub const SO_REUSEPORT: c_int = 0x200;
    pub const IP_RECVERR: c_int = -1;
    pub const TCP_KEEPIDLE: c_int = if MACOS { 0x10 } else { 0x100 };
    pub const TCP_KEEPINTVL: c_int = if MACOS { 0x101 } else { 0x200 };
    pub const TCP_KEEPCNT: c_int = if MACOS { 0x102 } else { 0x400 };
    pub const TCP_DEFER_ACCEPT: c_int = -1;
    pub const TCP_USER_TIMEOUT: c_int = -1;
    pub const IPV6_RECVERR: c_int = -1;
    pub const IPV6_V6ONLY: c_int = 27;
}

/// The two calls std lacks, and what all systems number alike.
mod c {
    use super::*;

    pub use number::*;

    pub const IPPROTO_IP: c_int = 0;
    pub const IPPROTO_TCP: c_int = 6;
    pub const IPPROTO_IPV6: c_int = 41;
    pub const TCP_NODELAY: c_int = 1;

    extern "C" {
        pub fn setsockopt(fd: c_int, level: c_int, name: c_int, value: *const c_void, length: u32) -> c_int;
        pub fn listen(fd: c_int, backlog: c_int) -> c_int;
    }

    pub fn check(result: c_int) -> io::Result<()> {
        if result == -1 {
            return Err(io::Error::last_os_error());
        }
        Ok(())
    }
}

fn set_options(socket: &Socket, options: &Json) -> Done<()> {
    options.entries().iter().try_for_each(|(name, value)| set_option(socket, name, value))
}

fn set_option(socket: &Socket, name: &str, value: &Json) -> Done<()> {
    // Every option here is an int, but for `struct linger`, which is two.
    let set = |level, name, value: &[c_int]| -> Done<()> {
        if name < 0 {
            return Err(Unsupported("this system has no such option"));
        }
        let (start, length) = (value.as_ptr().cast(), size_of_val(value) as u32);
        Ok(c::check(unsafe { c::setsockopt(socket.descriptor(), level, name, start, length) })?)
    };
    let number = value.integer();
    match (name, socket) {
        ("nodelay", Socket::Tcp(stream)) => stream.set_nodelay(value.truth())?,
        ("nodelay", _) => set(c::IPPROTO_TCP, c::TCP_NODELAY, &[number])?,
        ("linger", _) => set(c::SOL_SOCKET, c::SO_LINGER, &[(number >= 0).into(), number.max(0)])?,
        ("keepalive", _) => {
            set(c::SOL_SOCKET, c::SO_KEEPALIVE, &[value.truth().into()])?;
            let parts = [("idle", c::TCP_KEEPIDLE), ("interval", c::TCP_KEEPINTVL), ("count", c::TCP_KEEPCNT)];
            for (part, name) in parts.into_iter().filter(|(part, _)| value[*part] != Null) {
                set(c::IPPROTO_TCP, name, &[value[part].integer()])?;
            }
        }
        ("user_timeout", _) => set(c::IPPROTO_TCP, c::TCP_USER_TIMEOUT, &[number])?,
        ("defer_accept", _) => set(c::IPPROTO_TCP, c::TCP_DEFER_ACCEPT, &[number])?,
        ("reuseaddr", _) => set(c::SOL_SOCKET, c::SO_REUSEADDR, &[number])?,
        ("reuseport", _) => set(c::SOL_SOCKET, c::SO_REUSEPORT, &[number])?,
        ("rcvbuf", _) => set(c::SOL_SOCKET, c::SO_RCVBUF, &[number])?,
        ("sndbuf", _) => set(c::SOL_SOCKET, c::SO_SNDBUF, &[number])?,
        ("v6only", _) => set(c::IPPROTO_IPV6, c::IPV6_V6ONLY, &[number])?,
        ("recverr", _) if socket.local()[0].text().contains(':') => set(c::IPPROTO_IPV6, c::IPV6_RECVERR, &[number])?,
        ("recverr", _) => set(c::IPPROTO_IP, c::IP_RECVERR, &[number])?,
        _ => return Err(Unsupported("no such option")),
    }
    Ok(())
}

// ---------------------------------------------------------------------------------------------------------- JSON

#[derive(Clone, PartialEq)]
enum Json {
    Null,
    Bool(bool),
    Number(f64),
    Text(String),
    List(Vec<Json>),
    Object(Vec<(String, Json)>),
}

type Input<'a> = Peekable<Chars<'a>>;

impl Json {
    fn parse(line: &str) -> Json {
        Json::value(&mut line.chars().peekable())
    }

    fn value(input: &mut Input) -> Json {
        match Json::token(input) {
            '{' => Object(Json::items(input, '}', |input| {
                let key = Json::value(input).text().to_string();
                assert_eq!(Json::token(input), ':', "after the key {key}");
                (key, Json::value(input))
            })),
            '[' => List(Json::items(input, ']', Json::value)),
            '"' => Text(Json::string(input)),
            first => {
                let mut word = first.to_string();
                while let Some(more) = input.next_if(|c| c.is_ascii_alphanumeric() || "+-.".contains(*c)) {
                    word.push(more);
                }
                match &*word {
                    "null" => Null,
                    "true" => Bool(true),
                    "false" => Bool(false),
                    number => Number(number.parse().expect(number)),
                }
            }
        }
    }

    fn items<T>(input: &mut Input, end: char, item: fn(&mut Input) -> T) -> Vec<T> {
        let mut found = vec![];
        loop {
            if input.next_if_eq(&end).is_some() {
                return found;
            }
            if input.next_if(|c| c.is_whitespace() || *c == ',').is_none() {
                found.push(item(input));
            }
        }
    }

    fn token(input: &mut Input) -> char {
        input.find(|c| !c.is_whitespace()).expect("more of the line")
    }

    /// In UTF-16, because that is what `\u` speaks.
    fn string(input: &mut Input) -> String {
        let mut units = vec![];
        loop {
            let c = match input.next().expect("more of the string") {
                '"' => return String::from_utf16_lossy(&units),
                '\\' => match input.next().expect("more of the string") {
                    'u' => {
                        let digits: String = input.take(4).collect();
                        units.push(u16::from_str_radix(&digits, 16).expect("four hexadecimal digits"));
                        continue;
                    }
                    'n' => '\n',
                    'r' => '\r',
                    't' => '\t',
                    'b' => '\u{8}',
                    'f' => '\u{c}',
                    itself => itself,
                },
                plain => plain,
            };
            units.extend_from_slice(c.encode_utf16(&mut [0; 2]));
        }
    }

    fn text(&self) -> &str {
        match self {
            Text(text) => text,
            _ => "",
        }
    }

    fn integer(&self) -> c_int {
        match self {
            Number(number) => *number as c_int,
            other => other.truth().into(),
        }
    }

    /// As Python has it: an object of details means yes.
    fn truth(&self) -> bool {
        !matches!(self, Null | Bool(false))
    }

    fn entries(&self) -> &[(String, Json)] {
        match self {
            Object(entries) => entries,
            _ => &[],
        }
    }
}

impl std::ops::Index<&str> for Json {
    type Output = Json;

    fn index(&self, key: &str) -> &Json {
        self.entries().iter().find(|(name, _)| name == key).map_or(&Null, |(_, value)| value)
    }
}

impl std::ops::Index<usize> for Json {
    type Output = Json;

    fn index(&self, position: usize) -> &Json {
        match self {
            List(items) => items.get(position).unwrap_or(&Null),
            _ => &Null,
        }
    }
}

impl From<&str> for Json {
    fn from(text: &str) -> Json {
        Text(text.to_string())
    }
}

impl From<String> for Json {
    fn from(text: String) -> Json {
        Text(text)
    }
}

impl fmt::Display for Json {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        match self {
            Null => f.write_str("null"),
            Bool(truth) => truth.fmt(f),
            Number(number) => number.fmt(f),
            Text(text) => {
                f.write_str("\"")?;
                for c in text.chars() {
                    match c {
                        '"' | '\\' => write!(f, "\\{c}")?,
                        '\0'..='\x1f' => write!(f, "\\u{:04x}", c as u32)?,
                        c => write!(f, "{c}")?,
                    }
                }
                f.write_str("\"")
            }
            List(items) => {
                f.write_str("[")?;
                for (position, item) in items.iter().enumerate() {
                    let comma = if position > 0 { ", " } else { "" };
                    write!(f, "{comma}{item}")?;
                }
                f.write_str("]")
            }
            Object(entries) => {
                f.write_str("{")?;
                for (position, (key, value)) in entries.iter().enumerate() {
                    let comma = if position > 0 { ", " } else { "" };
                    write!(f, "{comma}\"{key}\": {value}")?;
                }
                f.write_str("}")
            }
        }
    }
}
