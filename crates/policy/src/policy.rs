//! The seam: what a policy is given and what it may say.
//!
//! A [`Policy`] is configured once and shared by all calls; a [`PolicyRun`] is one call's, and the only place for state. A policy sees
//! complete things (a request, a tool call, a text), or text in a window that it keeps itself. It sees no event, index or frame, and
//! does no I/O: what it cannot know it asks as a [`Question`](crate::Question).

use lockgate_core::content::ToolCall;
use lockgate_core::{Conversation, DataClass, Dialect, Origin};
use serde::{Deserialize, Serialize};

use crate::common::Common;
use crate::quality::Team;
use crate::verdict::{Also, BlockVerdict, CallVerdict, EndVerdict, Reply, Settled};

/// What is known of a call before anything in it is read.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CallFacts {
    /// The program that calls, as it names itself (`claude-cli/2.1.5 …`).
    pub client: Option<String>,
    /// How confidential its data may be, as the caller's key says.
    pub data_class: Option<DataClass>,
    /// The client's dialect.
    pub dialect: Dialect,
    /// Whether the client makes the call for its own sake: a probe, a title, a count. Nobody reads the answer.
    pub housekeeping: bool,
    /// How often the person has spoken in the conversation: 1 in their first turn. 0 where it is not known.
    pub human_turn: u32,
    /// The call's id.
    pub id: String,
    /// The name of the caller's key.
    pub key: Option<String>,
    /// The model as the client asked for it.
    pub model: String,
    /// What the key is used for.
    pub project: Option<String>,
    /// The session that it belongs to, where the client says so.
    pub session: Option<String>,
    /// Whether the answer must be in a form that added words would break.
    pub structured: bool,
    /// Whether it holds a conversation that could not be read.
    #[serde(default)]
    pub unread: bool,
    /// How strictly the caller takes the quality of commits and pull requests (`x-lockgate-team`), over what policies say.
    pub team: Option<Team>,
    /// Who the key belongs to.
    pub user: Option<String>,
}

impl CallFacts {
    /// A call of which only its id is known.
    pub fn unknown(id: &str) -> Self {
        Self {
            client: None,
            data_class: None,
            dialect: Dialect::Chat,
            housekeeping: false,
            human_turn: 0,
            id: id.to_owned(),
            key: None,
            model: String::new(),
            project: None,
            session: None,
            structured: false,
            team: None,
            unread: false,
            user: None,
        }
    }
}

/// What a policy sees beside the thing it judges.
#[derive(Clone, Copy)]
pub struct View<'a> {
    /// The conversation so far, for policies that need it; `None` where it could not be read.
    pub conversation: Option<&'a Conversation>,
    /// The call.
    pub facts: &'a CallFacts,
}

/// A complete block of an answer.
#[derive(Debug, Clone, Copy)]
pub enum Piece<'a> {
    /// All the words of a text block.
    Text(&'a str),
    /// A tool call with all its arguments.
    ToolCall(&'a ToolCall),
}

/// What of an answer's text a policy needs, the cheapest first.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord)]
pub enum TextNeed {
    /// Nothing.
    #[default]
    None,
    /// It rewrites text while it streams ([`PolicyRun::on_text`]).
    Window,
    /// Each text block as a whole ([`PolicyRun::on_block`]): it is held until it is complete.
    Whole,
}

/// What a policy needs. The engine takes the cheapest way that gives it to every policy of a call.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Needs {
    /// The request, read.
    pub conversation: bool,
    /// To have a say at the end of the answer.
    pub end: bool,
    /// To rewrite texts of the request.
    pub request_text: bool,
    /// What of the answer's text.
    pub text: TextNeed,
    /// Tool calls, held until they are judged.
    pub tools: bool,
}

impl Needs {
    /// Tool calls alone.
    pub const TOOLS: Self =
        Self { conversation: false, end: false, request_text: false, text: TextNeed::None, tools: true };

    /// What both need.
    #[must_use]
    pub fn and(self, other: Self) -> Self {
        Self {
            conversation: self.conversation || other.conversation,
            end: self.end || other.end,
            request_text: self.request_text || other.request_text,
            text: self.text.max(other.text),
            tools: self.tools || other.tools,
        }
    }

    /// Whether anything of the answer is looked at.
    pub fn answer(&self) -> bool {
        self.end || self.tools || self.text != TextNeed::None
    }

    /// Whether the request's body must be read.
    pub fn request(&self) -> bool {
        self.conversation || self.request_text
    }
}

/// A policy as it is configured.
pub trait Policy: Send + Sync {
    /// What it needs.
    fn needs(&self) -> Needs;

    /// The names of its rules, where it has rules.
    fn rules(&self) -> Vec<String> {
        Vec::new()
    }

    /// Whether it has something to say of requests ([`PolicyRun::on_call`]): if so, it has a vote on them in its group.
    fn judges_requests(&self) -> bool {
        false
    }

    /// Whether it may have the model asked again ([`BlockVerdict::Resample`]). What it says so without this is a refusal.
    fn may_resample(&self) -> bool {
        false
    }

    /// Begins with a call.
    fn open(&self, facts: &CallFacts) -> Box<dyn PolicyRun>;

    /// Begins with a call, with what its policies share. For policies that need any of that.
    fn open_with(&self, facts: &CallFacts, _common: &Common) -> Box<dyn PolicyRun> {
        self.open(facts)
    }
}

/// A policy at work on one call. Each hook is given what [`Policy::needs`] asks for and nothing else.
pub trait PolicyRun: Send {
    /// The request, before it goes anywhere.
    fn on_call(&mut self, _view: &View<'_>) -> CallVerdict {
        CallVerdict::Allow
    }

    /// A complete block of the answer, which the client has not got yet.
    fn on_block(&mut self, _piece: Piece<'_>, _view: &View<'_>) -> BlockVerdict {
        BlockVerdict::Allow
    }

    /// What it has to say beside its verdict of the request or the block that it was asked about last; each is said once.
    fn also(&mut self) -> Vec<Also> {
        Vec::new()
    }

    /// What came of question `number` of those asked about a block; `None` while others are still open.
    fn on_reply(&mut self, _number: usize, _reply: Reply, _view: &View<'_>) -> Option<BlockVerdict> {
        Some(BlockVerdict::Allow)
    }

    /// What came of question `number` of those asked about the request; `None` while others are still open.
    fn on_call_reply(&mut self, _number: usize, _reply: Reply, _view: &View<'_>) -> Option<CallVerdict> {
        Some(CallVerdict::Allow)
    }

    /// Text of the answer that is not settled yet, and whether its block ends here.
    fn on_text(&mut self, pending: &str, _last: bool, _view: &View<'_>) -> Settled {
        Settled::all(pending)
    }

    /// A text of the request; `Some` = what the provider gets instead.
    fn on_request_text(&mut self, _origin: Origin, _text: &str) -> Option<String> {
        None
    }

    /// The answer is over. `tools`: whether it ends with tool calls.
    fn on_end(&mut self, _tools: bool, _view: &View<'_>) -> EndVerdict {
        EndVerdict::Allow
    }
}
