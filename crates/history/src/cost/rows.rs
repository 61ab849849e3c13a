//! Sums over the parts of a context as lists: by message, tool, file, agent and turn.
//!
//! Every list tells apart the same whole, so each adds up to it.

use std::collections::HashMap;
use std::hash::Hash;

use serde::Serialize;
use uuid::Uuid;

use super::atoms::{Atom, Atoms};
use super::{ContextCost, Split};
use crate::conversation::Conversation;
use crate::message::Content;

/// What something cost.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Row {
    /// The call that brought it first.
    pub call: Option<Uuid>,
    /// What it cost.
    pub cost: Split,
    /// Later calls that sent it again. Of several pieces, the sum.
    pub resent: u64,
    /// What it is.
    pub subject: Subject,
    /// About how many tokens it had when it came in.
    pub tokens: u64,
}

/// What costs.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum Subject {
    /// An agent. `None` = the main one.
    Agent {
        /// Its id.
        id: Option<String>,
    },
    /// Definitions of tools.
    Definitions,
    /// A file that a tool read or wrote.
    File {
        /// Its path.
        path: String,
    },
    /// Instructions before the messages.
    Instructions,
    /// A message, among `Conversation::entries`.
    Message {
        /// Which.
        entry: usize,
    },
    /// What is not of the kind that is asked for, or could not be read.
    Other,
    /// A tool.
    Tool {
        /// Its name.
        name: String,
    },
    /// A turn, among `Conversation::turns`.
    Turn {
        /// Which.
        turn: usize,
    },
}

pub(super) fn rows(
    conversation: &Conversation,
    atoms: &Atoms,
    splits: &[Split],
    estimated: bool,
    unpriced: u64,
) -> ContextCost {
    let mut total = Split::default();
    for split in splits {
        total.add(split);
    }
    let uses = Uses::of(conversation);
    let of_atoms = |subject: &dyn Fn(Atom) -> Subject| {
        let mut rows = Rows::default();
        for sum in &atoms.sums {
            let call = sum.call.map(|call| conversation.calls[call].call.id);
            let row = rows.row(subject(sum.atom));
            row.call = row.call.or(call);
            row.cost.add(&sum.split);
            row.resent += sum.resent;
            row.tokens += sum.tokens;
        }
        rows.sorted()
    };
    let of_calls = |subject: &dyn Fn(usize) -> Subject| {
        let mut rows = Rows::default();
        for (number, split) in splits.iter().enumerate() {
            let call = &conversation.calls[number].call;
            let row = rows.row(subject(number));
            row.call = row.call.or(Some(call.id));
            row.cost.add(split);
            row.tokens += call.usage.prompt().unwrap_or(0) + call.usage.output.unwrap_or(0);
        }
        rows.sorted()
    };
    ContextCost {
        agents: of_calls(&|number| Subject::Agent {
            id: conversation.calls[number].call.lineage.agent.clone(),
        }),
        estimated,
        files: of_atoms(&|atom| uses.file(atom)),
        messages: of_atoms(&message),
        tools: of_atoms(&|atom| uses.tool(atom)),
        total,
        turns: of_calls(&|number| Subject::Turn { turn: conversation.calls[number].turn }),
        unpriced,
    }
}

fn message(atom: Atom) -> Subject {
    match atom {
        Atom::Definitions(_) => Subject::Definitions,
        Atom::Instructions(_) => Subject::Instructions,
        Atom::Piece(entry, _) => Subject::Message { entry },
        Atom::Rest => Subject::Other,
    }
}

/// Which tool and which file a piece belongs to.
struct Uses {
    by: HashMap<(usize, usize), (String, Option<String>)>,
}

impl Uses {
    fn of(conversation: &Conversation) -> Self {
        let mut by = HashMap::new();
        for tool in &conversation.tools {
            let (entry, piece) = tool.asked;
            let file = match conversation.entries[entry].message.pieces.get(piece).map(|piece| &piece.content)
            {
                Some(Content::ToolCall { arguments, .. }) => file(arguments.as_str()),
                Some(_) | None => None,
            };
            for place in [Some(tool.asked), tool.result].into_iter().flatten() {
                by.insert(place, (tool.name.clone(), file.clone()));
            }
        }
        Self { by }
    }

    fn find(&self, atom: Atom) -> Option<&(String, Option<String>)> {
        match atom {
            Atom::Piece(entry, piece) => self.by.get(&(entry, piece)),
            Atom::Definitions(_) | Atom::Instructions(_) | Atom::Rest => None,
        }
    }

    fn tool(&self, atom: Atom) -> Subject {
        match (self.find(atom), atom) {
            (Some((name, _)), _) => Subject::Tool { name: name.clone() },
            (None, Atom::Definitions(_)) => Subject::Definitions,
            (None, Atom::Instructions(_) | Atom::Piece(..) | Atom::Rest) => Subject::Other,
        }
    }

    fn file(&self, atom: Atom) -> Subject {
        match self.find(atom) {
            Some((_, Some(path))) => Subject::File { path: path.clone() },
            Some((_, None)) | None => Subject::Other,
        }
    }
}

/// The file that a tool's input names.
fn file(arguments: &str) -> Option<String> {
    const NAMES: [&str; 6] = ["file_path", "notebook_path", "path", "filePath", "absolute_path", "filename"];
    let arguments: serde_json::Map<String, serde_json::Value> = serde_json::from_str(arguments).ok()?;
    NAMES.iter().find_map(|name| arguments.get(*name)?.as_str().map(str::to_owned))
}

#[derive(Default)]
struct Rows {
    by: HashMap<Subject, usize>,
    rows: Vec<Row>,
}

impl Rows {
    fn row(&mut self, subject: Subject) -> &mut Row {
        let at = *self.by.entry(subject.clone()).or_insert_with(|| {
            self.rows.push(Row { call: None, cost: Split::default(), resent: 0, subject, tokens: 0 });
            self.rows.len() - 1
        });
        &mut self.rows[at]
    }

    /// The dearest first; what cost nothing and holds nothing is left out.
    fn sorted(self) -> Vec<Row> {
        let mut rows = self.rows;
        rows.retain(|row| row.tokens > 0 || row.cost != Split::default());
        rows.sort_by_key(|row| std::cmp::Reverse((row.cost.total(), row.tokens)));
        rows
    }
}
