use std::fmt::Write as _;
use std::path::PathBuf;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::{env, fs, process};

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::unix::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpStream, UnixListener, UnixStream, tcp};
use tokio::runtime::{Handle, RuntimeFlavor};
use tokio::sync::Notify;
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};
use tokio::task::{AbortHandle, yield_now};

/// What each side of a connection says, and who waits for whom.
mod dialogue;

use dialogue::Dialogue;

/// How often every task that can go on has its turn before a client that says nothing is taken to wait. What a client does
/// behind an answer goes through a few tasks at most.
const TURNS: u32 = 200;

/// Bytes taken from a socket at once.
const READ_BYTES: usize = 64 << 10;

/// Servers that answer in rounds: all answers are kept back until every server has answered and no client has more to say,
/// and then arrive at once. The number of rounds is how many answers are waited for one after the other, over all connections:
/// what servers far away would cost, counted without a clock.
///
/// Clients must run on the runtime of one thread on which the rounds were started: that they have nothing more to say is seen
/// there, by giving everybody their turn.
pub struct Rounds {
    home: PathBuf,
    shared: Arc<Shared>,
    tasks: Vec<AbortHandle>,
}

#[derive(Default)]
struct Shared {
    state: Mutex<State>,
    /// Something was said, or somebody came or left.
    news: Notify,
}

#[derive(Default)]
struct State {
    lines: Vec<Line>,
    /// Counts whatever happens.
    moves: u64,
    /// Rounds by step.
    steps: Vec<Step>,
    /// What was asked since the last round.
    asked: Vec<String>,
}

/// What happens between two marks.
struct Step {
    name: String,
    /// What was asked before each of its rounds.
    rounds: Vec<Vec<String>>,
}

/// One connection.
struct Line {
    dialogue: Dialogue,
    /// Answers that are kept back.
    kept: Vec<u8>,
    /// The server closed it.
    ended: bool,
    /// Where answers go; none once the end was passed on.
    to_client: Option<UnboundedSender<Vec<u8>>>,
}

impl Rounds {
    /// Starts to count. Needs a runtime of one thread.
    ///
    /// # Panics
    ///
    /// The runtime has several threads, or no directory for sockets can be made.
    #[must_use]
    pub fn start() -> Rounds {
        let flavor = Handle::current().runtime_flavor();
        assert_eq!(
            flavor,
            RuntimeFlavor::CurrentThread,
            "rounds need a runtime of one thread"
        );
        static NUMBER: AtomicU32 = AtomicU32::new(0);
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        let home = env::temp_dir().join(format!("rounds-{}-{number}", process::id()));
        fs::create_dir(&home).unwrap_or_else(|error| panic!("no directory for sockets: {error}"));
        let shared = Arc::new(Shared::default());
        shared.state().begin("at first");
        let turning = tokio::spawn(turn(Arc::clone(&shared)));
        Rounds {
            home,
            shared,
            tasks: vec![turning.abort_handle()],
        }
    }

    /// The URL of a server, led through the rounds.
    ///
    /// # Panics
    ///
    /// The URL is not one that a [`driftless_cluster::Cluster`] tells, or no socket can be made.
    pub fn lead(&mut self, url: &str) -> String {
        let parts = url
            .rsplit_once('@')
            .and_then(|(role, rest)| Some((role, rest.split_once('/')?)));
        let Some((role, (server, database))) = parts else {
            panic!("the URL has no role or no database");
        };
        let port = server.rsplit_once(':').map_or("5432", |(_, port)| port);
        let socket = self.home.join(format!(".s.PGSQL.{port}"));
        let listener =
            UnixListener::bind(&socket).unwrap_or_else(|error| panic!("no socket for a server: {error}"));
        let accepting = tokio::spawn(accept(listener, server.to_owned(), Arc::clone(&self.shared)));
        self.tasks.push(accepting.abort_handle());
        format!("{role}@/{database}?host={}&port={port}", self.home.display())
    }

    /// What is counted from here on is counted under this name.
    pub fn mark(&self, step: &str) {
        self.shared.state().begin(step);
    }

    /// Rounds by step, in the order of their marks.
    #[must_use]
    pub fn steps(&self) -> Vec<(String, usize)> {
        let state = self.shared.state();
        let steps = state.steps.iter();
        steps.map(|step| (step.name.clone(), step.rounds.len())).collect()
    }

    /// All rounds.
    #[must_use]
    pub fn count(&self) -> usize {
        self.steps().iter().map(|(_, rounds)| rounds).sum()
    }

    /// What was asked in each round, for whoever wants to know what is waited for.
    #[must_use]
    pub fn told(&self) -> String {
        let mut told = String::new();
        let mut number = 0;
        for step in &self.shared.state().steps {
            writeln!(told, "{}: {}", step.name, step.rounds.len()).ok();
            for asked in &step.rounds {
                number += 1;
                writeln!(told, "  {number}").ok();
                for one in asked {
                    writeln!(told, "    {one}").ok();
                }
            }
        }
        told
    }
}

impl Drop for Rounds {
    fn drop(&mut self) {
        for task in &self.tasks {
            task.abort();
        }
        fs::remove_dir_all(&self.home).ok();
    }
}

impl Shared {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Does something, which is news to whoever turns.
    fn happens<T>(&self, what: impl FnOnce(&mut State) -> T) -> T {
        let mut state = self.state();
        state.moves += 1;
        let done = what(&mut state);
        self.news.notify_one();
        done
    }
}

impl State {
    fn begin(&mut self, step: &str) {
        self.steps.push(Step {
            name: step.to_owned(),
            rounds: Vec::new(),
        });
    }

    /// Lets all answers go that are kept back, if no server owes one. Whether there were any.
    fn release(&mut self) -> bool {
        let waiting = self
            .lines
            .iter()
            .any(|line| !line.ended && line.dialogue.is_owed());
        let kept = |line: &Line| line.to_client.is_some() && (line.ended || !line.kept.is_empty());
        if waiting || !self.lines.iter().any(kept) {
            return false;
        }
        let asked = std::mem::take(&mut self.asked);
        if let Some(step) = self.steps.last_mut() {
            step.rounds.push(asked);
        }
        for line in &mut self.lines {
            if let Some(to_client) = &line.to_client
                && !line.kept.is_empty()
            {
                // A client that left needs no answer.
                to_client.send(std::mem::take(&mut line.kept)).ok();
            }
            if line.ended {
                line.to_client = None;
            }
        }
        self.moves += 1;
        true
    }
}

/// Ends a round whenever nobody has more to say.
async fn turn(shared: Arc<Shared>) {
    loop {
        let mut moves = shared.state().moves;
        let mut turns = 0;
        while turns < TURNS {
            yield_now().await;
            let now = shared.state().moves;
            turns = if now == moves { turns + 1 } else { 0 };
            moves = now;
        }
        if !shared.state().release() {
            shared.news.notified().await;
        }
    }
}

async fn accept(listener: UnixListener, server: String, shared: Arc<Shared>) {
    while let Ok((client, _)) = listener.accept().await {
        let server = server.clone();
        let shared = Arc::clone(&shared);
        shared.happens(|_| ());
        tokio::spawn(async move {
            // A connection that breaks is told to the client by its end.
            join(client, &server, &shared).await.ok();
        });
    }
}

async fn join(client: UnixStream, server: &str, shared: &Arc<Shared>) -> std::io::Result<()> {
    let server = TcpStream::connect(server).await?;
    server.set_nodelay(true)?;
    let (from_client, to_client) = client.into_split();
    let (from_server, to_server) = server.into_split();
    let (sender, receiver) = unbounded_channel();
    let line = shared.happens(|state| {
        state.lines.push(Line {
            dialogue: Dialogue::default(),
            kept: Vec::new(),
            ended: false,
            to_client: Some(sender),
        });
        state.lines.len() - 1
    });
    tokio::spawn(answer(to_client, receiver, Arc::clone(shared)));
    tokio::spawn(keep(from_server, line, Arc::clone(shared)));
    let passed = pass_on(from_client, to_server, line, shared).await;
    shared.happens(|state| {
        let line = &mut state.lines[line];
        // Nobody is left who could wait.
        (line.ended, line.to_client) = (true, None);
    });
    passed
}

/// What the client says goes on at once.
async fn pass_on(
    mut from: OwnedReadHalf,
    mut to: tcp::OwnedWriteHalf,
    line: usize,
    shared: &Shared,
) -> std::io::Result<()> {
    let mut buffer = vec![0_u8; READ_BYTES];
    loop {
        let count = from.read(&mut buffer).await?;
        if count == 0 {
            return to.shutdown().await;
        }
        shared.happens(|state| {
            for asked in state.lines[line].dialogue.client_says(&buffer[..count]) {
                state.asked.push(format!("{line}: {asked}"));
            }
        });
        to.write_all(&buffer[..count]).await?;
        shared.happens(|_| ());
    }
}

/// What the server says is kept back.
async fn keep(mut from: tcp::OwnedReadHalf, line: usize, shared: Arc<Shared>) {
    let mut buffer = vec![0_u8; READ_BYTES];
    loop {
        let count = from.read(&mut buffer).await.unwrap_or(0);
        shared.happens(|state| {
            let line = &mut state.lines[line];
            line.dialogue.server_says(&buffer[..count]);
            line.kept.extend_from_slice(&buffer[..count]);
            line.ended |= count == 0;
        });
        if count == 0 {
            return;
        }
    }
}

/// What was let go arrives.
async fn answer(mut to: OwnedWriteHalf, mut answers: UnboundedReceiver<Vec<u8>>, shared: Arc<Shared>) {
    while let Some(bytes) = answers.recv().await {
        if to.write_all(&bytes).await.is_err() {
            return;
        }
        shared.happens(|_| ());
    }
    to.shutdown().await.ok();
}
