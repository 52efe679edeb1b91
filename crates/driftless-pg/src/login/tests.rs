use proptest::collection::vec;
use proptest::prelude::{Just, Strategy, any, prop_assert, prop_assert_eq, proptest};
use proptest::prop_oneof;
use proptest::sample::Index;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::UnixStream;
use tokio::runtime::Builder;

use super::*;

#[test]
fn refusals_of_poolers_are_understood_by_their_words() {
    for (state, message, expected) in [
        (
            "28P01",
            "password authentication failed for user \"a\"",
            Meaning::Refused,
        ),
        ("XX000", "Tenant or user not found", Meaning::Refused),
        (
            "XX000",
            "Circuit breaker open: too many authentication errors",
            Meaning::Refused,
        ),
        ("08P01", "SASL authentication failed", Meaning::Refused),
        ("XX000", "Max client connections reached", Meaning::Full),
        ("53300", "sorry, too many clients already", Meaning::Full),
        (
            "08P01",
            "no more connections allowed (max_client_conn)",
            Meaning::Full,
        ),
        ("08P01", "no such database: d", Meaning::NoDatabase),
        ("08P01", "database \"d\" does not exist", Meaning::NoDatabase),
        ("3D000", "database \"d\" does not exist", Meaning::NoDatabase),
        ("57P03", "the database system is starting up", Meaning::Unknown),
    ] {
        let server = ServerError {
            sqlstate: state.to_owned(),
            message: message.to_owned(),
            ..ServerError::default()
        };
        assert_eq!(meaning(&server), expected, "{message}");
    }
}

/// A message of the server.
fn message(tag: u8, body: &[u8]) -> Vec<u8> {
    let mut bytes = vec![tag];
    bytes.extend_from_slice(&(body.len() as u32 + 4).to_be_bytes());
    bytes.extend_from_slice(body);
    bytes
}

/// What follows once we are let in.
fn welcome() -> Vec<u8> {
    let messages = [
        message(b'R', &[0; 4]),
        message(b'S', b"TimeZone\0UTC\0"),
        message(b'K', &[0, 0, 0, 7, 0, 0, 0, 8]),
        message(b'Z', b"I"),
    ];
    messages.concat()
}

/// Logs in with this server; the process that it names.
fn run(server: impl AsyncFnOnce(UnixStream) -> std::io::Result<()>) -> Result<i32, PgError> {
    let runtime = Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let config = ConnectConfig::parse("host=/none user=u password=p dbname=d").unwrap();
        let (ours, theirs) = UnixStream::pair().unwrap();
        let client = async {
            let login = log_in(&config, Socket::Unix(ours), "test").await?;
            Ok(login.process_id)
        };
        // The client may hang up before the server is done.
        let (login, _) = tokio::join!(client, server(theirs));
        login
    })
}

/// Logs in with a server that says this and hangs up.
fn logged_in(words: Vec<u8>) -> Result<i32, PgError> {
    run(async move |mut theirs: UnixStream| {
        theirs.write_all(&words).await?;
        theirs.shutdown().await?;
        theirs.read_to_end(&mut Vec::new()).await.map(drop)
    })
}

/// Logs in with a server that asks for SCRAM and answers with these texts; `%n` in the first stands for our nonce.
fn proven(first: &str, last: &str) -> Result<i32, PgError> {
    let (first, last) = (first.to_owned(), last.to_owned());
    run(async move |mut theirs: UnixStream| {
        let asks = [&[0, 0, 0, 10][..], b"SCRAM-SHA-256\0\0"].concat();
        theirs.write_all(&message(b'R', &asks)).await?;
        let (mut heard, mark) = (Vec::new(), b"n=,r=");
        let nonce = loop {
            let at = heard.windows(mark.len()).position(|bytes| bytes == mark);
            if let Some(nonce) = at.and_then(|at| heard.get(at + mark.len()..at + mark.len() + 24)) {
                break String::from_utf8_lossy(nonce).into_owned();
            }
            if theirs.read_buf(&mut heard).await? == 0 {
                return Ok(());
            }
        };
        let first = first.replace("%n", &nonce);
        let answers = [
            message(b'R', &[&[0, 0, 0, 11][..], first.as_bytes()].concat()),
            message(b'R', &[&[0, 0, 0, 12][..], last.as_bytes()].concat()),
            welcome(),
        ];
        theirs.write_all(&answers.concat()).await?;
        theirs.shutdown().await?;
        theirs.read_to_end(&mut heard).await.map(drop)
    })
}

/// Messages that are well-formed, nearly, or not at all.
fn words() -> impl Strategy<Value = Vec<u8>> {
    let nearly = (
        proptest::sample::select(b"RREKSNZvD".to_vec()),
        vec(any::<u8>(), 0..40),
    )
        .prop_map(|(tag, body)| message(tag, &body));
    let kinds = proptest::sample::select(vec![0u8, 3, 5, 10, 11, 12]);
    let asking = (kinds, vec(any::<u8>(), 0..30))
        .prop_map(|(kind, rest)| message(b'R', &[&[0, 0, 0, kind][..], &rest].concat()));
    let right = proptest::sample::select(vec![
        welcome(),
        message(b'R', &[0, 0, 0, 3]),
        message(b'R', &[0, 0, 0, 5, 1, 2, 3, 4]),
        message(b'R', &[&[0, 0, 0, 10][..], b"SCRAM-SHA-256\0\0"].concat()),
        message(b'E', b"SFATAL\0VFATAL\0C28P01\0Mno\0\0"),
        message(b'N', b"SNOTICE\0Mhello\0\0"),
    ]);
    let noise = vec(any::<u8>(), 0..20);
    vec(
        prop_oneof![3 => right, 2 => asking, 2 => nearly, 1 => noise],
        0..6,
    )
    .prop_map(|parts| parts.concat())
}

proptest! {
    /// Whatever answers: no panic, no endless wait, and nobody is believed who did not let us in.
    #[test]
    fn any_server_lets_us_in_or_is_refused(words in words()) {
        let lets_in = words.windows(5).any(|bytes| bytes == b"Z\0\0\0\x05");
        match logged_in(words) {
            Ok(_) => prop_assert!(lets_in),
            Err(error) => prop_assert!(!error.to_string().contains(char::is_control)),
        }
    }

    #[test]
    fn a_welcome_that_is_cut_is_none(cut in any::<Index>(), at in any::<Index>(), byte in any::<u8>()) {
        let whole = welcome();
        prop_assert_eq!(logged_in(whole.clone()).ok(), Some(7));
        prop_assert!(logged_in(whole[..cut.index(whole.len())].to_vec()).is_err());
        let mut broken = whole;
        let at = at.index(broken.len());
        broken[at] = byte;
        // Refused or not: it comes to an end.
        drop(logged_in(broken));
    }

    /// A server that does not know the password cannot make a proof up.
    #[test]
    fn no_words_prove_that_a_server_knows_the_password(
        salt in "[A-Za-z0-9+/=]{0,12}",
        rounds in prop_oneof![(0u32..50).prop_map(|rounds| rounds.to_string()), "[0-9-]{0,12}"],
        other in prop_oneof![Just(None), "[a-z=,]{0,12}".prop_map(Some)],
        last in prop_oneof!["v=[A-Za-z0-9+/=]{0,44}", "e=\\PC{0,9}", "\\PC{0,9}"],
    ) {
        let first = other.unwrap_or_else(|| format!("r=%nabc,s={salt},i={rounds}"));
        prop_assert!(proven(&first, &last).is_err());
    }
}

#[test]
fn a_server_cannot_keep_us_counting() {
    let error = proven("r=%nabc,s=QSXCR+Q6sek8bf92,i=4294967295", "v=AAAA").unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Authentication);
}
