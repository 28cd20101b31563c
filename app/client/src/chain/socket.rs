//! What a cluster tells by itself, over its WebSocket, so that nobody has to ask again and again.
//!
//! It only says when to look: what is true is read over RPC. A socket that drops therefore costs time and nothing else;
//! it is connected anew, and everybody who waits looks once more, since something may have been missed.

use anchor_lang::prelude::Pubkey;
use futures_util::future::BoxFuture;
use futures_util::stream::BoxStream;
use futures_util::StreamExt;
use solana_commitment_config::CommitmentConfig;
use solana_pubsub_client::nonblocking::pubsub_client::{PubsubClient, PubsubClientResult};
use solana_rpc_client_api::config::{
    RpcSignatureSubscribeConfig, RpcTransactionLogsConfig, RpcTransactionLogsFilter,
};
use solana_signature::Signature;
use std::collections::HashMap;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError, Weak};
use std::time::{Duration, Instant};
use tokio::sync::mpsc::{unbounded_channel, UnboundedReceiver, UnboundedSender};
use tokio::sync::oneshot;
use tokio::time::{sleep, timeout};

/// How long a cluster may take to answer. One that falls silent later is noticed by its missing pongs.
const SILENCE: Duration = Duration::from_secs(10);
/// How long to wait before connecting anew: twice as long each time that it fails, up to the longest.
const FIRST_PAUSE: Duration = Duration::from_millis(250);
const LONGEST_PAUSE: Duration = Duration::from_secs(30);
/// How much longer a wait may be where the cluster tells of what happens.
const STRETCH: u32 = 4;

/// What can be waited for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Topic {
    /// A transaction lands.
    Signature(Signature),
    /// A transaction that names this account lands.
    Account(Pubkey),
}

/// Somebody's interest in a [`Topic`].
#[derive(Default)]
pub struct Watch(Option<Watched>);

struct Watched {
    socket: Arc<Socket>,
    id: u64,
    /// What had happened when it was looked last.
    seen: u64,
}

impl Watch {
    /// Waits until something happened since the last call, or for `poll`, after which it is time to look anyway. Where
    /// the cluster tells of what happens, that may be four times as long.
    pub fn wait(&mut self, poll: Duration) {
        match &mut self.0 {
            Some(watched) => watched.seen = watched.socket.wait(watched.id, watched.seen, poll),
            None => std::thread::sleep(poll),
        }
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        if let Some(watched) = &self.0 {
            watched.socket.lock().watches.remove(&watched.id);
            watched.socket.tell(Command::Forget(watched.id));
        }
    }
}

/// A connection to a cluster's WebSocket that is kept up.
pub struct Socket {
    state: Mutex<State>,
    changed: Condvar,
    commands: UnboundedSender<Command>,
}

#[derive(Default)]
struct State {
    next_id: u64,
    watches: HashMap<u64, Progress>,
}

/// How a watch stands.
#[derive(Default, Clone, Copy)]
struct Progress {
    /// The cluster has said that it will tell.
    subscribed: bool,
    /// Rises with each notification.
    events: u64,
}

enum Command {
    Watch(u64, Topic),
    Forget(u64),
}

impl Socket {
    /// Connects to `url` in the background, and stays connected until nobody holds the socket any more.
    pub fn open(url: &str) -> Arc<Self> {
        let (commands, received) = unbounded_channel();
        let socket = Arc::new(Self {
            state: Mutex::default(),
            changed: Condvar::new(),
            commands,
        });
        let (weak, url) = (Arc::downgrade(&socket), url.to_owned());
        // Without the thread every wait lasts: that is the fallback.
        let _ = std::thread::Builder::new()
            .name("websocket".to_owned())
            .spawn(move || {
                let runtime = tokio::runtime::Builder::new_current_thread()
                    .enable_all()
                    .build();
                if let Ok(runtime) = runtime {
                    runtime.block_on(Connection::new(weak, url, received).keep());
                }
            });
        socket
    }

    /// Watches `topic` from now on.
    pub fn watch(self: &Arc<Self>, topic: Topic) -> Watch {
        let mut state = self.lock();
        let id = state.next_id;
        state.next_id += 1;
        state.watches.insert(id, Progress::default());
        drop(state);
        self.tell(Command::Watch(id, topic));
        Watch(Some(Watched {
            socket: self.clone(),
            id,
            seen: 0,
        }))
    }

    /// Waits as [`Watch::wait`] says. Returns what has happened by then.
    fn wait(&self, id: u64, seen: u64, poll: Duration) -> u64 {
        let start = Instant::now();
        let mut state = self.lock();
        loop {
            let progress = state.watches.get(&id).copied().unwrap_or_default();
            let patience = if progress.subscribed {
                poll * STRETCH
            } else {
                poll
            };
            let left = patience.saturating_sub(start.elapsed());
            if progress.events != seen || left.is_zero() {
                return progress.events;
            }
            state = self
                .changed
                .wait_timeout(state, left)
                .unwrap_or_else(PoisonError::into_inner)
                .0;
        }
    }

    /// Something happened to watch `id`.
    fn notify(&self, id: u64, subscribed: bool) {
        if let Some(progress) = self.lock().watches.get_mut(&id) {
            progress.subscribed = subscribed;
            progress.events += 1;
        }
        self.changed.notify_all();
    }

    fn tell(&self, command: Command) {
        // Nobody listens when the thread could not start; then there is nothing to tell it.
        let _ = self.commands.send(command);
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        // Nothing under the lock can be left half done.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The socket's own thread.
struct Connection {
    socket: Weak<Socket>,
    url: String,
    commands: UnboundedReceiver<Command>,
    topics: HashMap<u64, Topic>,
}

impl Connection {
    fn new(socket: Weak<Socket>, url: String, commands: UnboundedReceiver<Command>) -> Self {
        Self {
            socket,
            url,
            commands,
            topics: HashMap::new(),
        }
    }

    /// Connects again and again, until nobody holds the socket.
    async fn keep(mut self) {
        let mut pause = FIRST_PAUSE;
        while self.socket.strong_count() > 0 {
            if let Ok(Ok(client)) = timeout(SILENCE, PubsubClient::new(&self.url)).await {
                if self.serve(Arc::new(client)).await {
                    pause = FIRST_PAUSE;
                }
                self.disconnected();
            }
            sleep(pause).await;
            pause = (pause * 2).min(LONGEST_PAUSE);
        }
    }

    /// Serves every watch until the connection ends. Returns whether the cluster answered.
    async fn serve(&mut self, client: Arc<PubsubClient>) -> bool {
        // A subscription that is never given up ends with the connection.
        let slots = timeout(SILENCE, client.slot_subscribe()).await;
        let Ok(Ok((mut slots, _))) = slots else {
            return false;
        };
        let mut followed = HashMap::new();
        for (id, topic) in &self.topics {
            followed.insert(*id, follow(&client, &self.socket, *id, *topic));
        }
        loop {
            tokio::select! {
                command = self.commands.recv() => match command {
                    Some(Command::Watch(id, topic)) => {
                        self.topics.insert(id, topic);
                        followed.insert(id, follow(&client, &self.socket, id, topic));
                    }
                    Some(Command::Forget(id)) => {
                        self.topics.remove(&id);
                        followed.remove(&id);
                    }
                    None => break,
                },
                slot = slots.next() => if slot.is_none() {
                    break;
                },
            }
        }
        true
    }

    /// Whoever waits looks again, and goes on asking until there is a connection.
    fn disconnected(&self) {
        if let Some(socket) = self.socket.upgrade() {
            for id in self.topics.keys() {
                socket.notify(*id, false);
            }
        }
    }
}

/// Tells watch `id` of whatever happens to `topic`, until the answer is dropped.
fn follow(
    client: &Arc<PubsubClient>,
    socket: &Weak<Socket>,
    id: u64,
    topic: Topic,
) -> oneshot::Sender<()> {
    let (client, socket) = (client.clone(), socket.clone());
    let (following, mut forgotten) = oneshot::channel();
    let notify = move |subscribed| {
        if let Some(socket) = socket.upgrade() {
            socket.notify(id, subscribed);
        }
    };
    tokio::spawn(async move {
        // Never cut off before its answer: the client takes that for the end of the connection. A cluster that refuses
        // is asked over RPC, as where there is no socket.
        let Ok((mut notices, unsubscribe)) = subscribe(&client, topic).await else {
            return;
        };
        // What happened before the cluster listened, it won't tell.
        notify(true);
        loop {
            tokio::select! {
                notice = notices.next() => match notice {
                    Some(()) => notify(true),
                    None => break,
                },
                _ = &mut forgotten => break,
            }
        }
        // Whoever does not answer this is about to be given up.
        let _ = timeout(SILENCE, unsubscribe()).await;
    });
    following
}

type Unsubscribe = Box<dyn FnOnce() -> BoxFuture<'static, ()> + Send>;

/// Has the cluster tell of `topic`.
async fn subscribe(
    client: &PubsubClient,
    topic: Topic,
) -> PubsubClientResult<(BoxStream<'_, ()>, Unsubscribe)> {
    let commitment = Some(CommitmentConfig::confirmed());
    match topic {
        Topic::Signature(signature) => {
            let config = RpcSignatureSubscribeConfig {
                commitment,
                enable_received_notification: None,
            };
            let (notices, unsubscribe) =
                client.signature_subscribe(&signature, Some(config)).await?;
            Ok((notices.map(drop).boxed(), unsubscribe))
        }
        Topic::Account(account) => {
            let filter = RpcTransactionLogsFilter::Mentions(vec![account.to_string()]);
            let config = RpcTransactionLogsConfig { commitment };
            let (notices, unsubscribe) = client.logs_subscribe(filter, config).await?;
            Ok((notices.map(drop).boxed(), unsubscribe))
        }
    }
}
