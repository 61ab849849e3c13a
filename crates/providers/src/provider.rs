//! The seam between the engine and the providers: where a call goes, how it is signed, what is odd there.
//!
//! To add a provider: a file beside the others that implements [`Provider`], a line in [`crate::open`], a folder of
//! fixtures. A provider builds addresses and headers and edits single fields; it never opens a connection, never
//! reads a clock, and never writes a wire format of its own (that is `lockgate-wire`).

use std::ops::Range;

use bytes::Bytes;
use http::{HeaderMap, Method, Uri};
use lockgate_core::{Dialect, Failure, Secret};
use lockgate_wire::Quirks;

/// What the engine wants to do at a provider.
#[derive(Debug, Clone)]
pub struct Ask<'a> {
    /// The dialect the body is in; one of [`Provider::dialects`].
    pub dialect: Dialect,
    /// The model's id at the provider; empty for [`Operation::Models`] and [`Operation::Raw`].
    pub model: &'a str,
    /// What is to be done.
    pub operation: Operation<'a>,
    /// Whether the answer shall be streamed.
    pub stream: bool,
}

/// What can be asked of a provider.
#[derive(Debug, Clone)]
pub enum Operation<'a> {
    /// Count the tokens of a conversation.
    CountTokens,
    /// Make embeddings; `single` where the dialect has a form for one input alone.
    Embed {
        /// One input, one vector.
        single: bool,
    },
    /// Generate an answer.
    Generate,
    /// List the models. Must cost nothing.
    Models,
    /// An endpoint that we do not model, passed as it is.
    Raw {
        /// The client's method.
        method: &'a Method,
        /// The client's path and query, such as `/v1/files?limit=3`.
        path_and_query: &'a str,
    },
}

/// Where a call goes.
#[derive(Debug, Clone)]
pub enum Endpoint {
    /// Over HTTP.
    Http {
        /// The method.
        method: Method,
        /// The absolute address.
        uri: Uri,
    },
    /// To a program on this machine, which reads the body on stdin and answers on stdout.
    Process(CommandLine),
}

/// A program with its arguments; started directly, never through a shell.
#[derive(Debug, Clone)]
pub struct CommandLine {
    /// Arguments, one each.
    pub args: Vec<String>,
    /// How the body is handed to it.
    pub feed: Feed,
    /// Output after which the run is ended, in bytes.
    pub max_output_bytes: u64,
    /// The program, looked up on PATH.
    pub program: String,
    /// How long the run may take, in milliseconds.
    pub timeout_ms: u64,
    /// Whether an environment variable is kept from it.
    pub withheld: fn(&str) -> bool,
}

/// How a program wants its body: piece by piece, each after it is done with the one before. Its answer is over with
/// the line that ends the last piece.
#[derive(Debug, Clone, Copy)]
pub struct Feed {
    /// Whether a line of its output says that it is done with a piece.
    pub ends: fn(&[u8]) -> bool,
    /// The pieces of a body, in order.
    pub pieces: fn(&[u8]) -> Vec<Range<usize>>,
}

/// A credential for a provider, with the scheme it is shown in.
#[derive(Debug, Clone)]
pub enum Credential {
    /// `Authorization: Bearer`.
    Bearer(Secret),
    /// The header that the provider documents for keys.
    Key(Secret),
    /// None: the server asks for none, or the program has its own login.
    None,
}

/// One upstream. The engine calls `endpoint` and `sign` for each attempt.
pub trait Provider: Send + Sync {
    /// The dialects it speaks natively, the one to convert to first.
    fn dialects(&self) -> &'static [Dialect];

    /// Those that one of its models is there in.
    fn dialects_of(&self, _model: &str) -> &'static [Dialect] {
        self.dialects()
    }

    /// Where to send it. An operation that the provider does not have is `NotFound`, in words for the client.
    fn endpoint(&self, ask: &Ask<'_>) -> Result<Endpoint, Failure>;

    /// Puts the credential (and what else the provider demands, such as a version header that the client did not
    /// send) into the headers.
    fn sign(&self, credential: &Credential, ask: &Ask<'_>, headers: &mut HeaderMap) -> Result<(), Failure>;

    /// What this server does differently from the owner of the dialect, for one model. `need` is our estimate of
    /// the tokens that prompt and answer take together.
    fn quirks(&self, _model: &str, _need: u64) -> Quirks {
        Quirks::default()
    }

    /// Single fields of the body that this provider wants otherwise (splices, never a rebuild). Called for bodies
    /// of both kinds, passed and converted.
    fn adapt(&self, _ask: &Ask<'_>, body: Bytes) -> Result<Bytes, Failure> {
        Ok(body)
    }

    /// Whether the same request would be refused again, though the status says that the server is at fault.
    fn is_final(&self, _failure: &Failure) -> bool {
        false
    }

    /// Where access tokens come from, for providers that do not take a key.
    fn tokens(&self) -> Option<&dyn TokenSource> {
        None
    }
}

/// A provider's way to short-lived access tokens. The engine sends the request, keeps the token until shortly before
/// it expires, and hands it to `sign` as [`Credential::Bearer`].
pub trait TokenSource: Send + Sync {
    /// The request that gets a token. `now` is in seconds since 1970.
    fn request(&self, now: u64) -> Result<http::Request<Bytes>, Failure>;

    /// Reads the answer.
    fn read(&self, status: u16, body: &[u8]) -> Result<AccessToken, Failure>;
}

/// An access token.
#[derive(Debug, Clone)]
pub struct AccessToken {
    /// Seconds until it expires.
    pub expires_in: u64,
    /// The token.
    pub token: Secret,
}
