//! Performs calls: the only crate that talks to providers.
//!
//! The way of a call: server route → `Envelope::read` (limits, model, stream) → `Names::resolve` → pass, or parse →
//! `ToolNames::plain` → `Continuity::restore` → write → `attempt::open` (credential, endpoint, sign, send, retry) →
//! `Pipe` (decode → tool names → sequencer → encode, or frames as they are) → `AnswerBody` → client; the report goes
//! to the observer when the body is over. A `Tape` of the recorder notes what comes and goes on the way (`tap`).
//!
//! Knows no socket of a client, no route and no configuration file. Nothing on a call's path waits for anything but
//! the provider; what it notes is one write into the page cache now and then.

mod again;
mod answer;
mod ask;
mod attempt;
mod auto;
mod body;
mod caller;
mod catalogue;
mod connect;
mod continuity;
mod courier;
mod discover;
mod engine;
mod estimate;
mod follow;
mod gate;
mod headers;
mod hint;
mod hush;
mod kept;
mod late;
mod list;
mod loaded;
mod local;
mod meter;
mod pass;
mod passing;
mod pipe;
mod policies;
mod process;
mod proxy;
mod relay;
mod report;
mod request;
mod resolve;
mod rewrite;
mod seen;
mod side;
mod state;
mod tap;
mod targets;
mod unsent;
mod upstream;
mod watch;

pub use answer::refusal;
pub use ask::{Asker, Asking};
pub use caller::{Caller, Grant};
pub use catalogue::Catalogue;
pub use continuity::{Bounds, Continuity, Issuer};
pub use courier::Courier;
pub use engine::Engine;
pub use follow::{CallStart, Destination, Follower, Observer, TraceContext};
pub use headers::CREDENTIALS;
pub use lockgate_policy::Worked;
pub use lockgate_recorder::Mode as RecordingMode;
pub use lockgate_recorder::Operation;
pub use meter::Meter;
pub use relay::AnswerBody;
pub use report::{CallReport, Outcome};
pub use request::CallRequest;
pub use resolve::owners_of;
pub use state::{Options, ProviderStatus};
pub use upstream::Upstream;
