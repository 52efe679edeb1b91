use tokio_postgres::{Client, NoTls};

use crate::wait::wait_until;

/// More than any server of a test takes.
const MOST: usize = 1000;

/// Somebody who holds every connection that a server has for ordinary roles. Given back with this value.
pub struct Hoard(Vec<Client>);

impl Hoard {
    /// Connects with an ordinary role's URL until the server takes no more.
    ///
    /// # Panics
    ///
    /// The server refuses for another reason than being full.
    pub async fn take_all(url: &str) -> Hoard {
        let mut held = Vec::new();
        while held.len() < MOST {
            match tokio_postgres::connect(url, NoTls).await {
                Ok((client, connection)) => {
                    tokio::spawn(connection);
                    held.push(client);
                }
                Err(error) => {
                    let code = error.code().map(|code| code.code().to_owned());
                    assert_eq!(code.as_deref(), Some("53300"), "{error}");
                    return Hoard(held);
                }
            }
        }
        panic!("the server takes {MOST} connections");
    }

    /// How many there are.
    #[must_use]
    pub fn connections(&self) -> usize {
        self.0.len()
    }

    /// Gives all back, and waits until the server has noticed.
    ///
    /// # Panics
    ///
    /// It takes no connection for long.
    pub async fn give_back(self, url: &str) {
        drop(self.0);
        wait_until("a free connection", async || {
            tokio_postgres::connect(url, NoTls).await.is_ok()
        })
        .await;
    }
}
