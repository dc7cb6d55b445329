//! A TCP proxy in front of one broker that reads the heads of Kafka's requests.
//!
//! It stands between the daemon and the broker and does what networks do: stop, swallow, delay, reset. And what only
//! somebody who understands the requests can do: hold those of one kind and let them go later, even when the client that
//! sent them has hung up; or call back at the very moment one passes, so that a process dies between two requests
//! without any help from its own code. It knows the frame around a request, and nothing of what is in it.

use std::collections::BTreeMap;
use std::io::{self, ErrorKind, Read, Write};
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use socket2::SockRef;

/// How long a thread waits before it looks whether something was asked of it.
const TICK: Duration = Duration::from_millis(100);
/// The largest frame that is believed; anything longer is no Kafka request.
const FRAME_MAX: usize = 128 << 20;

/// Kinds of request, by their numbers in the protocol.
pub(crate) mod api {
    pub(crate) const PRODUCE: i16 = 0;
    pub(crate) const OFFSET_COMMIT: i16 = 8;
    pub(crate) const INIT_PRODUCER_ID: i16 = 22;
    pub(crate) const ADD_PARTITIONS_TO_TXN: i16 = 24;
    pub(crate) const ADD_OFFSETS_TO_TXN: i16 = 25;
    pub(crate) const END_TXN: i16 = 26;
    pub(crate) const TXN_OFFSET_COMMIT: i16 = 28;
}

/// How bytes pass in one direction.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) enum Way {
    /// As they come.
    #[default]
    Open,
    /// Each piece this much later, and up to this much more.
    Slow(Duration, Duration),
    /// At so many bytes in a second, over all connections together.
    Narrow(u64),
    /// Not read at all: the sender's buffers fill up.
    Stalled,
    /// Read and thrown away.
    Lost,
}

/// When a trap springs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Moment {
    /// The request is not passed on.
    Before,
    /// The broker has it.
    After,
}

struct Trap {
    api: i16,
    moment: Moment,
    action: Box<dyn FnOnce() + Send>,
}

#[derive(Default)]
struct Control {
    requests: Way,
    answers: Way,
    /// Requests of these kinds are kept back.
    hold: Vec<i16>,
    /// A connection that carried so many bytes is reset.
    reset_after: Option<u64>,
    trap: Option<Trap>,
    held: Vec<(Arc<Connection>, Vec<u8>)>,
    seen: BTreeMap<i16, u64>,
}

struct State {
    broker: u16,
    control: Mutex<Control>,
    /// Connections of an older generation are over.
    generation: AtomicU64,
    over: AtomicBool,
    resets: AtomicU64,
    /// Pieces that did not pass as they came.
    disturbed: AtomicU64,
}

/// One proxy. Ends with the value.
pub(crate) struct Proxy {
    /// Where it listens.
    pub(crate) port: u16,
    state: Arc<State>,
}

impl Proxy {
    /// Listens on a free port; connects to the broker on `broker` whenever somebody comes.
    pub(crate) fn towards(broker: u16) -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let port = listener.local_addr().unwrap().port();
        let state = Arc::new(State {
            broker,
            control: Mutex::default(),
            generation: AtomicU64::new(0),
            over: AtomicBool::new(false),
            resets: AtomicU64::new(0),
            disturbed: AtomicU64::new(0),
        });
        let own = state.clone();
        std::thread::spawn(move || own.accept(&listener));
        Self { port, state }
    }

    /// From now on bytes pass so: towards the broker, and back.
    pub(crate) fn pass(&self, requests: Way, answers: Way) {
        let mut control = self.state.control();
        (control.requests, control.answers) = (requests, answers);
    }

    /// Everything passes again.
    pub(crate) fn mend(&self) {
        self.pass(Way::Open, Way::Open);
        let mut control = self.state.control();
        control.hold.clear();
        control.reset_after = None;
    }

    /// Keeps requests of these kinds back from now on, and no others. What is held stays so until [`Proxy::release`].
    pub(crate) fn hold(&self, kinds: &[i16]) {
        self.state.control().hold = kinds.to_vec();
    }

    /// How many requests are held.
    pub(crate) fn held(&self) -> usize {
        self.state.control().held.len()
    }

    /// Sends what was held on its way; the broker gets it, whether or not its sender is still there for the answer.
    pub(crate) fn release(&self) -> usize {
        let held = std::mem::take(&mut self.state.control().held);
        held.iter().filter(|(connection, frame)| (&connection.broker).write_all(frame).is_ok()).count()
    }

    /// Closes the connections that held requests came by, for their senders; they themselves can still be released.
    pub(crate) fn hang_up(&self) {
        for (connection, _) in &self.state.control().held {
            let _ = connection.client.shutdown(std::net::Shutdown::Both);
        }
    }

    /// Every connection is reset once it has carried so many bytes.
    pub(crate) fn reset_after(&self, bytes: u64) {
        self.state.control().reset_after = Some(bytes);
    }

    /// Resets every connection there is, once.
    pub(crate) fn reset(&self) {
        self.state.generation.fetch_add(1, Relaxed);
    }

    /// Does `action` when the next request of this kind comes by.
    pub(crate) fn trap(&self, api: i16, moment: Moment, action: impl FnOnce() + Send + 'static) {
        self.state.control().trap = Some(Trap { api, moment, action: Box::new(action) });
    }

    /// Takes the trap away; true when it has sprung.
    pub(crate) fn disarm(&self) -> bool {
        self.state.control().trap.take().is_none()
    }

    /// Requests of this kind so far.
    pub(crate) fn seen(&self, api: i16) -> u64 {
        self.state.control().seen.get(&api).copied().unwrap_or(0)
    }

    /// Connections reset, and pieces that did not pass as they came, so far.
    pub(crate) fn disturbed(&self) -> u64 {
        self.state.resets.load(Relaxed) + self.state.disturbed.load(Relaxed)
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.state.over.store(true, Relaxed);
        // The one who accepts is waiting for somebody.
        let _ = TcpStream::connect((Ipv4Addr::LOCALHOST, self.port));
    }
}

impl State {
    fn control(&self) -> MutexGuard<'_, Control> {
        self.control.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn accept(self: &Arc<Self>, listener: &TcpListener) {
        for client in listener.incoming() {
            if self.over.load(Relaxed) {
                return;
            }
            // A broker that is down refuses, and so do we, by hanging up.
            let (Ok(client), Ok(broker)) = (client, TcpStream::connect((Ipv4Addr::LOCALHOST, self.broker))) else {
                continue;
            };
            let generation = self.generation.load(Relaxed);
            let connection = Connection { client, broker, generation, ended: false.into(), carried: 0.into() };
            connection.prepare();
            let connection = Arc::new(connection);
            let (state, own) = (self.clone(), connection.clone());
            std::thread::spawn(move || {
                let _ = own.requests(&own, &state);
                own.end(&state);
            });
            let state = self.clone();
            std::thread::spawn(move || {
                let _ = connection.answers(&state);
                connection.end(&state);
            });
        }
    }

    /// Whether a piece that has just come in may go on; waits as the way has it.
    fn passes(&self, pieces: impl Fn(&Control) -> Way, bytes: usize, connection: &Connection) -> bool {
        loop {
            let way = pieces(&self.control());
            if way != Way::Open {
                self.disturbed.fetch_add(1, Relaxed);
            }
            match way {
                Way::Open => return true,
                Way::Lost => return false,
                Way::Slow(least, more) => {
                    std::thread::sleep(least + more.mul_f64(fastrand::f64()));
                    return true;
                }
                Way::Narrow(rate) => {
                    // Everybody shares the way, so they queue for it.
                    static NARROW: Mutex<()> = Mutex::new(());
                    let _mine = NARROW.lock().unwrap_or_else(PoisonError::into_inner);
                    std::thread::sleep(Duration::from_secs_f64(bytes as f64 / rate as f64));
                    return true;
                }
                Way::Stalled if connection.over(self) => return false,
                Way::Stalled => std::thread::sleep(TICK),
            }
        }
    }

    fn spring(&self, api: i16) -> Option<Trap> {
        self.control().trap.take_if(|trap| trap.api == api)
    }
}

struct Connection {
    client: TcpStream,
    broker: TcpStream,
    generation: u64,
    ended: AtomicBool,
    carried: AtomicU64,
}

impl Connection {
    fn prepare(&self) {
        for stream in [&self.client, &self.broker] {
            stream.set_nodelay(true).unwrap();
            stream.set_read_timeout(Some(TICK)).unwrap();
            stream.set_write_timeout(Some(TICK)).unwrap();
        }
    }

    fn requests(&self, shared: &Arc<Self>, state: &State) -> io::Result<()> {
        loop {
            let mut frame = vec![0; 4];
            self.fill(&self.client, &mut frame, state)?;
            let length = u32::from_be_bytes([frame[0], frame[1], frame[2], frame[3]]) as usize;
            if !(8..FRAME_MAX).contains(&length) {
                return Err(ErrorKind::InvalidData.into());
            }
            frame.resize(4 + length, 0);
            self.fill(&self.client, &mut frame[4..], state)?;
            let api = i16::from_be_bytes([frame[4], frame[5]]);
            *state.control().seen.entry(api).or_default() += 1;
            self.request(shared, state, api, frame)?;
        }
    }

    fn request(&self, shared: &Arc<Self>, state: &State, api: i16, frame: Vec<u8>) -> io::Result<()> {
        let trap = state.spring(api);
        if let Some(Trap { moment: Moment::Before, action, .. }) = trap {
            action();
            return Ok(());
        }
        {
            let mut control = state.control();
            if control.hold.contains(&api) {
                control.held.push((shared.clone(), frame));
                return Ok(());
            }
        }
        if state.passes(|control| control.requests, frame.len(), self) {
            self.write(&self.broker, &frame, state)?;
        }
        if let Some(trap) = trap {
            (trap.action)();
        }
        Ok(())
    }

    fn answers(&self, state: &State) -> io::Result<()> {
        let mut piece = vec![0; 64 << 10];
        loop {
            let length = self.some(&self.broker, &mut piece, state)?;
            if state.passes(|control| control.answers, length, self) {
                self.write(&self.client, &piece[..length], state)?;
            }
        }
    }

    fn fill(&self, from: &TcpStream, mut buffer: &mut [u8], state: &State) -> io::Result<()> {
        while !buffer.is_empty() {
            let length = self.some(from, buffer, state)?;
            buffer = &mut buffer[length..];
        }
        Ok(())
    }

    fn some(&self, mut from: &TcpStream, buffer: &mut [u8], state: &State) -> io::Result<usize> {
        loop {
            if self.over(state) {
                return Err(ErrorKind::ConnectionAborted.into());
            }
            match from.read(buffer) {
                Ok(0) => return Err(ErrorKind::UnexpectedEof.into()),
                Ok(length) => {
                    self.carried.fetch_add(length as u64, Relaxed);
                    return Ok(length);
                }
                Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => {}
                Err(error) => return Err(error),
            }
        }
    }

    fn write(&self, mut to: &TcpStream, mut bytes: &[u8], state: &State) -> io::Result<()> {
        while !bytes.is_empty() {
            if self.over(state) {
                return Err(ErrorKind::ConnectionAborted.into());
            }
            match to.write(bytes) {
                Ok(length) => bytes = &bytes[length..],
                Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => {}
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }

    fn over(&self, state: &State) -> bool {
        let tired = state.control().reset_after.is_some_and(|most| self.carried.load(Relaxed) > most);
        let reset = tired || self.generation != state.generation.load(Relaxed);
        if reset && !self.ended.swap(true, Relaxed) {
            state.resets.fetch_add(1, Relaxed);
            // Closing becomes a reset, on both sides.
            for stream in [&self.client, &self.broker] {
                let _ = SockRef::from(stream).set_linger(Some(Duration::ZERO));
            }
        }
        self.ended.load(Relaxed) || state.over.load(Relaxed)
    }

    /// The other direction ends too, unless a request is held that is yet to go to the broker.
    fn end(&self, state: &State) {
        let waits = state.control().held.iter().any(|(connection, _)| std::ptr::eq(&raw const **connection, self));
        if !waits {
            self.ended.store(true, Relaxed);
        }
    }
}
