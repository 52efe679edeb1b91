use std::future::poll_fn;

use tokio::sync::mpsc::{UnboundedReceiver, unbounded_channel};
use tokio_postgres::{AsyncMessage, Client, NoTls};

use crate::database::TestDatabase;

/// What the listener tells itself.
const END: &str = "that was all";

/// Somebody who listens on a channel of a database, as an API's server does.
pub struct Listener {
    client: Client,
    channel: String,
    payloads: UnboundedReceiver<String>,
}

impl Listener {
    /// Listens from now on.
    ///
    /// # Panics
    ///
    /// The server refuses.
    pub async fn start(database: &TestDatabase, channel: &str) -> Self {
        let (client, mut connection) = tokio_postgres::connect(&database.url(), NoTls)
            .await
            .unwrap_or_else(|error| panic!("no connection: {error}"));
        let (sender, payloads) = unbounded_channel();
        tokio::spawn(async move {
            while let Some(Ok(message)) = poll_fn(|context| connection.poll_message(context)).await {
                if let AsyncMessage::Notification(notification) = message
                    && sender.send(notification.payload().to_owned()).is_err()
                {
                    return;
                }
            }
        });
        let listener = Self {
            client,
            channel: channel.to_owned(),
            payloads,
        };
        listener.say(&format!("LISTEN {channel}")).await;
        listener
    }

    /// Everything that was notified since the last time, in order. PostgreSQL delivers in the order of commits, so what
    /// committed before this call is among it.
    ///
    /// # Panics
    ///
    /// The connection is lost.
    pub async fn heard(&mut self) -> Vec<String> {
        self.say(&format!("NOTIFY {}, '{END}'", self.channel)).await;
        let mut heard = Vec::new();
        loop {
            match self.payloads.recv().await {
                Some(payload) if payload == END => return heard,
                Some(payload) => heard.push(payload),
                None => panic!("the listener's connection is lost"),
            }
        }
    }

    async fn say(&self, sql: &str) {
        let said = self.client.batch_execute(sql).await;
        said.unwrap_or_else(|error| panic!("{sql}: {error}"));
    }
}
