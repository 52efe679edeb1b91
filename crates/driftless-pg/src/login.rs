use std::io;

use fallible_iterator::FallibleIterator;
use postgres_protocol::authentication::md5_hash;
use postgres_protocol::authentication::sasl::{self, ScramSha256};
use postgres_protocol::message::backend::{AuthenticationSaslBody, Message};
use postgres_protocol::message::frontend;

use crate::error::{ErrorKind, PgError, ServerError};
use crate::socket::Socket;
use crate::url::{ChannelBinding, ConnectConfig};
use crate::wire::Wire;

/// A connection on which statements can begin.
pub(crate) struct Login {
    pub(crate) wire: Wire,
    /// What a cancel request must show.
    pub(crate) process_id: i32,
    pub(crate) secret_key: i32,
}

/// Starts up over a fresh socket and proves who we are.
pub(crate) async fn log_in(
    config: &ConnectConfig,
    socket: Socket,
    application_name: &str,
) -> Result<Login, PgError> {
    let mut login = Login {
        wire: Wire::new(socket, config.place()),
        process_id: 0,
        secret_key: 0,
    };
    match login.run(config, application_name).await {
        Ok(()) => Ok(login),
        Err(error) => Err(explain(config, error)),
    }
}

impl Login {
    async fn run(&mut self, config: &ConnectConfig, application_name: &str) -> Result<(), PgError> {
        let mut parameters = vec![
            ("user", config.user.as_str()),
            ("database", config.database.as_str()),
            ("application_name", application_name),
            ("client_encoding", "UTF8"),
        ];
        if let Some(options) = &config.options {
            parameters.push(("options", options));
        }
        self.wire.post(|buf| frontend::startup_message(parameters, buf))?;
        self.wire.expect_ready(false);
        self.wire.flush().await?;
        self.authenticate(config).await?;
        loop {
            match self.wire.recv().await? {
                Message::BackendKeyData(body) => {
                    self.process_id = body.process_id();
                    self.secret_key = body.secret_key();
                }
                Message::ReadyForQuery(_) => {
                    self.wire.trust();
                    return Ok(());
                }
                _ => return Err(self.wire.break_off("an unknown message after the log-in")),
            }
        }
    }

    async fn authenticate(&mut self, config: &ConnectConfig) -> Result<(), PgError> {
        let first = self.wire.recv().await?;
        let bound = matches!(first, Message::AuthenticationSasl(_));
        if config.channel_binding == ChannelBinding::Require && !bound {
            return Err(refuse(
                config,
                "channel_binding=require, but the server does not ask for SCRAM",
            ));
        }
        match first {
            Message::AuthenticationOk => return Ok(()),
            Message::AuthenticationCleartextPassword => {
                let password = password(config)?.to_owned();
                self.wire
                    .post(|buf| frontend::password_message(password.as_bytes(), buf))?;
            }
            Message::AuthenticationMd5Password(body) => {
                let hash = md5_hash(config.user.as_bytes(), password(config)?.as_bytes(), body.salt());
                self.wire
                    .post(|buf| frontend::password_message(hash.as_bytes(), buf))?;
            }
            Message::AuthenticationSasl(body) => self.scram(config, &body).await?,
            _ => {
                return Err(refuse(
                    config,
                    "the server asks for a kind of log-in that is not supported",
                )
                .remedy_is("let pg_hba.conf ask this user for scram-sha-256"));
            }
        }
        self.wire.flush().await?;
        match self.wire.recv().await? {
            Message::AuthenticationOk => Ok(()),
            _ => Err(self.wire.break_off("an unknown message within the log-in")),
        }
    }

    async fn scram(&mut self, config: &ConnectConfig, body: &AuthenticationSaslBody) -> Result<(), PgError> {
        let offered: Vec<&str> = body
            .mechanisms()
            .collect()
            .map_err(|error| self.wire.break_off(error.to_string()))?;
        let (mechanism, binding) = choose(config, self.wire.socket(), &offered)?;
        let mut scram = ScramSha256::new(password(config)?.as_bytes(), binding);
        self.wire
            .post(|buf| frontend::sasl_initial_response(mechanism, scram.message(), buf))?;
        self.wire.flush().await?;
        match self.wire.recv().await? {
            Message::AuthenticationSaslContinue(body) => {
                scram.update(body.data()).map_err(|e| unproven(config, e))?
            }
            _ => return Err(self.wire.break_off("an unknown message within SCRAM")),
        }
        self.wire
            .post(|buf| frontend::sasl_response(scram.message(), buf))?;
        self.wire.flush().await?;
        match self.wire.recv().await? {
            // The server proves here that it knows the password too.
            Message::AuthenticationSaslFinal(body) => {
                scram.finish(body.data()).map_err(|e| unproven(config, e))
            }
            _ => Err(self.wire.break_off("an unknown message within SCRAM")),
        }
    }
}

/// The mechanism, and what is told about channel binding: done, could but was not offered (which shows the server an
/// attacker in between who hid the offer), or cannot.
fn choose(
    config: &ConnectConfig,
    socket: &Socket,
    offered: &[&str],
) -> Result<(&'static str, sasl::ChannelBinding), PgError> {
    let end_point = match config.channel_binding {
        ChannelBinding::Disable => None,
        ChannelBinding::Prefer | ChannelBinding::Require => socket.server_end_point(),
    };
    let plus = offered.contains(&sasl::SCRAM_SHA_256_PLUS);
    match end_point {
        Some(hash) if plus => Ok((
            sasl::SCRAM_SHA_256_PLUS,
            sasl::ChannelBinding::tls_server_end_point(hash),
        )),
        _ if config.channel_binding == ChannelBinding::Require => Err(refuse(
            config,
            "channel_binding=require, but it is not possible here",
        )
        .remedy_is("it needs TLS, SCRAM on the server, and a certificate signed with RSA or ECDSA")),
        Some(_) if offered.contains(&sasl::SCRAM_SHA_256) => {
            Ok((sasl::SCRAM_SHA_256, sasl::ChannelBinding::unrequested()))
        }
        None if offered.contains(&sasl::SCRAM_SHA_256) => {
            Ok((sasl::SCRAM_SHA_256, sasl::ChannelBinding::unsupported()))
        }
        _ => Err(refuse(
            config,
            "the server asks for a kind of SASL that is not supported",
        )),
    }
}

fn password(config: &ConnectConfig) -> Result<&str, PgError> {
    let endpoint = &config.endpoint;
    endpoint
        .password
        .as_ref()
        .map(|secret| secret.expose())
        .ok_or_else(|| {
            let cause = "the server wants a password, and there is none";
            refuse(config, cause).remedy_is(endpoint.password_note.clone().unwrap_or_else(|| {
                "give it in the connection string (postgres://USER:PASSWORD@HOST…, percent-encoded), in PGPASSWORD or in \
                 a password file"
                    .to_owned()
            }))
        })
}

fn refuse(config: &ConnectConfig, cause: &str) -> PgError {
    PgError::new(ErrorKind::Authentication, config.place(), cause)
}

fn unproven(config: &ConnectConfig, error: io::Error) -> PgError {
    refuse(
        config,
        "SCRAM failed: the server did not prove that it knows the password",
    )
    .source(error)
}

/// What the server's refusal of a log-in means.
fn explain(config: &ConnectConfig, error: PgError) -> PgError {
    let Some(server) = error.server() else {
        return match error.kind() {
            // Nobody was let in yet: nothing is lost, it is just not there.
            ErrorKind::ConnectionLost => error.with_kind(ErrorKind::Unreachable),
            _ => error,
        };
    };
    let (kind, remedy) = match (meaning(server), server.sqlstate.as_str()) {
        (Meaning::Refused, _) => (ErrorKind::Authentication, Some(login_remedy(config, server))),
        (Meaning::Full, _) => (
            ErrorKind::Full,
            Some(
                "free connections, lower max_connections of this side in the mapping, or raise the server's"
                    .to_owned(),
            ),
        ),
        (Meaning::NoDatabase, _) => (
            ErrorKind::NoDatabase,
            Some(
                "check the database in the connection string; without one it is named like the user"
                    .to_owned(),
            ),
        ),
        (Meaning::Unknown, "57P01" | "57P02" | "57P03") => (
            ErrorKind::Unreachable,
            Some("the server starts or stops: try again".to_owned()),
        ),
        (Meaning::Unknown, _) if server.message.contains("unsupported startup parameter") => (
            ErrorKind::Server,
            Some("the pooler takes no `options`: remove them from the connection string".to_owned()),
        ),
        (Meaning::Unknown, _) => (ErrorKind::Server, None),
    };
    let out = PgError::login_refused(kind, &config.place(), server);
    match remedy {
        Some(remedy) => out.remedy_is(remedy),
        None => out,
    }
}

/// What a refusal is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Meaning {
    Refused,
    Full,
    NoDatabase,
    Unknown,
}

/// By state, and by words where poolers have no states of their own for it.
fn meaning(server: &ServerError) -> Meaning {
    const REFUSED: &[&str] = &[
        "Tenant or user not found",
        "Circuit breaker open",
        "password authentication failed",
        "SASL authentication failed",
        "no such user",
    ];
    const FULL: &[&str] = &[
        "Max client connections reached",
        "no more connections allowed",
        "max clients reached",
    ];
    let says = |words: &[&str]| words.iter().any(|words| server.message.contains(words));
    match server.sqlstate.as_str() {
        state if state.starts_with("28") || says(REFUSED) => Meaning::Refused,
        state if state == "53300" || says(FULL) => Meaning::Full,
        state if state == "3D000" || says(&["no such database"]) => Meaning::NoDatabase,
        // PgBouncer's words are the server's, its state is not.
        "08P01" if says(&["database \""]) && says(&["does not exist"]) => Meaning::NoDatabase,
        _ => Meaning::Unknown,
    }
}

fn login_remedy(config: &ConnectConfig, server: &ServerError) -> String {
    let remedy = if server.message.contains("pg_hba.conf") {
        "let pg_hba.conf of the server admit this user, database and address (and encryption, if it says so)"
    } else if server.message.contains("Tenant or user not found") || supabase_pooler(&config.host()) {
        "through a Supabase pooler the user is USER.PROJECT-REF: copy the string from the dashboard"
    } else if !server.sqlstate.starts_with("28") {
        "a pooler refuses the user: check user and password, and that the pooler knows the user (Supabase: USER.PROJECT-REF)"
    } else {
        "check user and password (percent-encoded in a URL); it is not tried again, because servers ban for that"
    };
    match &config.endpoint.password_note {
        Some(note) => format!("{remedy}; {note}"),
        None => remedy.to_owned(),
    }
}

fn supabase_pooler(host: &str) -> bool {
    host.ends_with(".pooler.supabase.com")
}

#[cfg(test)]
mod tests;
