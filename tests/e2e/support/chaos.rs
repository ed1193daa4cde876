//! A provider that is well at times and at others refuses, resets, stalls, drips, lies or rate limits, on a schedule
//! that follows from a seed. It answers chat completions, plain and streamed, and counts what it was asked and how much
//! of each answer it sent. Everything else (`GET /models` of a check) is answered too, with the same faults.

use std::collections::HashMap;
use std::io;
use std::net::{Shutdown, SocketAddr, TcpStream};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use socket2::{Domain, Socket, Type};

use self::chat::Question;
use self::misbehave::{After, Answerer, Sent};
use self::schedule::{Fault, Schedule};
use super::http::Connection;
use super::wait::now;

pub mod chat;
pub mod misbehave;
pub mod schedule;

pub struct Chaos {
    shared: Arc<Shared>,
    director: Option<JoinHandle<()>>,
    /// Keeps the port while nobody listens there.
    _port: Socket,
}

/// A chat completion that arrived whole.
#[derive(Clone, Debug)]
pub struct Seen {
    /// What was done to it.
    pub fault: Fault,
    pub sent: Sent,
}

struct Shared {
    name: String,
    address: SocketAddr,
    schedule: Schedule,
    start: Instant,
    stopping: AtomicBool,
    killed: AtomicBool,
    /// Instead of what the schedule says.
    ordered: Mutex<Option<Fault>>,
    listener: Mutex<Option<Arc<Socket>>>,
    connections: AtomicUsize,
    others: AtomicUsize,
    seen: Mutex<Vec<Seen>>,
    open: Mutex<HashMap<usize, TcpStream>>,
}

impl Chaos {
    /// Its schedule begins now.
    pub fn start(name: &str, schedule: Schedule) -> Chaos {
        let port = bind(([127, 0, 0, 1], 0).into()).unwrap();
        let shared = Arc::new(Shared {
            name: name.to_owned(),
            address: port.local_addr().unwrap().as_socket().unwrap(),
            schedule,
            start: now(),
            stopping: AtomicBool::new(false),
            killed: AtomicBool::new(false),
            ordered: Mutex::default(),
            listener: Mutex::default(),
            connections: AtomicUsize::new(0),
            others: AtomicUsize::new(0),
            seen: Mutex::default(),
            open: Mutex::default(),
        });
        shared.listen_or_not();
        let directed = Arc::clone(&shared);
        let director = std::thread::spawn(move || directed.direct());
        Chaos { shared, director: Some(director), _port: port }
    }

    pub fn well(name: &str) -> Chaos {
        Chaos::start(name, Schedule::always(Fault::Well))
    }

    pub fn name(&self) -> &str {
        &self.shared.name
    }

    pub fn url(&self) -> String {
        format!("http://{}", self.shared.address)
    }

    pub fn schedule(&self) -> &Schedule {
        &self.shared.schedule
    }

    /// From now on it does this, whatever its schedule says.
    pub fn act(&self, fault: Fault) {
        *self.shared.ordered.lock().unwrap() = Some(fault);
        self.shared.listen_or_not();
    }

    /// As if its process was killed: all connections end, nobody listens any more.
    pub fn kill(&self) {
        self.shared.killed.store(true, Ordering::SeqCst);
        self.shared.listen_or_not();
        self.shared.end_connections();
    }

    /// Chat completions that arrived whole, in order of arrival.
    pub fn seen(&self) -> Vec<Seen> {
        self.shared.seen.lock().unwrap().clone()
    }

    /// How many of them.
    pub fn received(&self) -> usize {
        self.shared.seen.lock().unwrap().len()
    }

    /// How many of them got at least so much of an answer; [`Sent::Beginning`]: any byte.
    pub fn answered(&self, at_least: Sent) -> usize {
        self.shared.seen.lock().unwrap().iter().filter(|seen| seen.sent >= at_least).count()
    }

    /// Of whom some bytes of an answer were sent, but not a whole right one: when a well server was killed, what a proxy
    /// may have lost. An error is none of the content, however whole.
    pub fn half_answered(&self) -> Vec<Seen> {
        let half = |seen: &Seen| seen.sent > Sent::Nothing && seen.sent < Sent::Whole;
        self.seen().into_iter().filter(half).collect()
    }

    /// Requests that were no chat completions: checks.
    pub fn others(&self) -> usize {
        self.shared.others.load(Ordering::SeqCst)
    }

    /// Connections accepted so far.
    pub fn connections(&self) -> usize {
        self.shared.connections.load(Ordering::SeqCst)
    }
}

impl Drop for Chaos {
    fn drop(&mut self) {
        self.shared.stopping.store(true, Ordering::SeqCst);
        self.shared.listen_or_not();
        if let Some(director) = self.director.take() {
            let _ = director.join();
        }
        self.shared.end_connections();
    }
}

impl Shared {
    fn fault(&self) -> Fault {
        let ordered = *self.ordered.lock().unwrap();
        ordered.unwrap_or_else(|| self.schedule.at(self.start.elapsed()))
    }

    fn going_on(&self) -> bool {
        !self.stopping.load(Ordering::SeqCst) && !self.killed.load(Ordering::SeqCst)
    }

    fn direct(self: &Arc<Shared>) {
        while !self.stopping.load(Ordering::SeqCst) {
            self.listen_or_not();
            std::thread::sleep(Duration::from_millis(5));
        }
    }

    /// Begins or ceases to listen, as it must be now.
    fn listen_or_not(self: &Arc<Shared>) {
        let mut listener = self.listener.lock().unwrap();
        let wanted = self.going_on() && self.fault() != Fault::Refuse;
        if wanted && listener.is_none() {
            let Ok(socket) = bind(self.address) else { return };
            socket.listen(1024).unwrap();
            let (socket, shared) = (Arc::new(socket), Arc::clone(self));
            *listener = Some(Arc::clone(&socket));
            std::thread::spawn(move || shared.accept(&socket));
        } else if !wanted && let Some(socket) = listener.take() {
            // Ends the accept that waits, too.
            let _ = socket.shutdown(Shutdown::Both);
        }
    }

    fn accept(self: Arc<Shared>, listener: &Socket) {
        while let Ok((socket, _)) = listener.accept() {
            let shared = Arc::clone(&self);
            std::thread::spawn(move || shared.converse(socket.into()));
        }
    }

    fn end_connections(&self) {
        for socket in self.open.lock().unwrap().values() {
            let _ = socket.shutdown(Shutdown::Both);
        }
    }

    fn converse(&self, socket: TcpStream) {
        let Ok(handle) = socket.try_clone() else { return };
        let _ = socket.set_nodelay(true);
        let index = self.connections.fetch_add(1, Ordering::SeqCst);
        self.open.lock().unwrap().insert(index, handle);
        // Killed meanwhile: whoever ended the connections may have missed this one.
        if self.going_on() {
            self.serve(Connection::over(socket));
        }
        // The clone in `open` shares the socket: dropping the connection alone would not close it.
        self.open.lock().unwrap().remove(&index);
    }

    fn serve(&self, mut connection: Connection) {
        if self.fault() == Fault::ResetAtOnce {
            return connection.reset_when_dropped();
        }
        loop {
            // A kept connection may be idle for as long as the test lasts.
            while connection.silent_for(Duration::from_millis(500)) {
                if !self.going_on() {
                    return;
                }
            }
            let Some(request) = connection.request().filter(|request| request.whole) else { return };
            match self.answer(&mut connection, chat::question(&request)) {
                After::GoOn => {}
                After::Close => return,
                After::Reset => return connection.reset_when_dropped(),
                After::Stall => {
                    while self.going_on() && !connection.ended_within(Duration::from_millis(100)) {}
                    return;
                }
            }
        }
    }

    fn answer(&self, connection: &mut Connection, question: Option<Question>) -> After {
        let fault = self.fault();
        let place = question.as_ref().map(|_| self.record(fault));
        if place.is_none() {
            self.others.fetch_add(1, Ordering::SeqCst);
        }
        let mut sent = |sent| {
            if let Some(place) = place {
                self.seen.lock().unwrap()[place].sent = sent;
            }
        };
        let server = &self.name;
        Answerer { connection, server, question: question.as_ref(), sent: &mut sent }.answer(fault)
    }

    fn record(&self, fault: Fault) -> usize {
        let mut seen = self.seen.lock().unwrap();
        seen.push(Seen { fault, sent: Sent::Nothing });
        seen.len() - 1
    }
}

/// Several sockets may have the port, those that listen get the connections.
fn bind(address: SocketAddr) -> io::Result<Socket> {
    let socket = Socket::new(Domain::IPV4, Type::STREAM, None)?;
    socket.set_reuse_port(true)?;
    socket.bind(&address.into())?;
    Ok(socket)
}
