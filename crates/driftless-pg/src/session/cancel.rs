use bytes::BytesMut;
use postgres_protocol::message::frontend;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use super::{Session, within};
use crate::error::PgError;
use crate::socket::{Address, Socket};
use crate::url::ConnectConfig;

/// Stops the statement that a session is running, from any task, encrypted as the session is. The stopped statement
/// fails with SQLSTATE 57014, unless it ends first: then nothing happens, or the next statement is hit.
#[derive(Debug, Clone)]
pub struct Canceller {
    config: ConnectConfig,
    address: Address,
    process_id: i32,
    secret_key: Key,
}

/// Whoever knows it can cancel: it is not printed.
#[derive(Clone)]
struct Key(i32);

impl std::fmt::Debug for Key {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("***")
    }
}

impl Canceller {
    pub(super) fn new(
        config: ConnectConfig,
        address: Address,
        process_id: i32,
        secret_key: i32,
    ) -> Canceller {
        Canceller {
            config,
            address,
            process_id,
            secret_key: Key(secret_key),
        }
    }

    /// Whether it stops what this session does.
    pub(crate) fn is_of(&self, session: &Session) -> bool {
        self.process_id == session.inner().process_id
    }

    /// Asks the server to stop the statement, and waits until it has taken the request. Whether a statement was
    /// running nobody tells.
    ///
    /// # Errors
    /// If the server cannot be reached.
    pub async fn cancel(&self) -> Result<(), PgError> {
        within(&self.config, self.ask()).await
    }

    async fn ask(&self) -> Result<(), PgError> {
        let mut socket = Socket::open_at(&self.config, &self.address).await?;
        let mut request = BytesMut::new();
        frontend::cancel_request(self.process_id, self.secret_key.0, &mut request);
        let asked = async {
            socket.write_all(&request).await?;
            socket.flush().await?;
            // The server answers by hanging up, some of them rudely.
            drop(socket.read(&mut [0]).await);
            Ok(())
        };
        asked
            .await
            .map_err(|error| PgError::lost(&self.config.place(), error))
    }
}
