//! Tool calls and their results, brought together over calls: by id, or by place where a dialect makes up ids.

use super::{Conversation, ToolUse};
use crate::message::{Content, Message};
use crate::print::{self, Print};

/// Messages of a sub-agent's first request that may hold its task.
const FIRST: usize = 4;

impl Conversation {
    /// Notes the tool calls and results of an entry. A second time changes nothing.
    pub(super) fn note_tools(&mut self, entry: usize) {
        let agent = self.threads[self.entries[entry].thread].agent.clone();
        let replaced = self.entries[entry].edit_of;
        for piece in 0..self.entries[entry].message.pieces.len() {
            match tool(&self.entries[entry].message.pieces[piece].content) {
                Some(Tool::Call { arguments, id, name }) => {
                    let key = (agent.clone(), id.to_owned());
                    let known = self.open.get(&key).map(|at| &self.tools[*at]);
                    let is_edit = known.is_some_and(|tool| Some(tool.asked.0) == replaced);
                    if is_edit || self.tool_at(entry, piece).is_some() {
                        continue;
                    }
                    let tool = ToolUse {
                        asked: (entry, piece),
                        id: id.to_owned(),
                        is_error: None,
                        name: name.to_owned(),
                        result: None,
                    };
                    if let Some(task) = task(arguments) {
                        self.tasks.insert(task, self.tools.len());
                    }
                    self.open.insert(key, self.tools.len());
                    self.tools.push(tool);
                }
                Some(Tool::Result { id, is_error }) => {
                    if let Some(at) = self.open.get(&(agent.clone(), id.to_owned())).copied() {
                        let tool = &mut self.tools[at];
                        if tool.result.is_none() || tool.result.map(|(old, _)| old) == replaced {
                            tool.result = Some((entry, piece));
                            tool.is_error = Some(is_error);
                        }
                    }
                }
                None => {}
            }
        }
    }

    /// A client has sent back an answer: the ids of its calls may be others than those the answer had.
    pub(super) fn alias(&mut self, entry: usize, kept: &Message) {
        let agent = self.threads[self.entries[entry].thread].agent.clone();
        let first = self.tools.partition_point(|tool| tool.asked.0 < entry);
        let calls = kept.pieces.iter().filter_map(|piece| match tool(&piece.content)? {
            Tool::Call { id, .. } => Some(id),
            Tool::Result { .. } => None,
        });
        for (at, id) in (first..).zip(calls) {
            if self.tools.get(at).is_some_and(|tool| tool.asked.0 == entry) {
                self.open.insert((agent.clone(), id.to_owned()), at);
            }
        }
    }

    /// The tool call that gave the task which a sub-agent begins with.
    pub(super) fn started_by(&self, messages: &[Option<Message>]) -> Option<usize> {
        messages.iter().flatten().take(FIRST).flat_map(|message| &message.pieces).find_map(|piece| {
            let Content::Text { text } = &piece.content else { return None };
            let kept = print::without_reminders(text);
            self.tasks.get(&print::of_text(kept.trim())).copied()
        })
    }
}

/// What a piece has to do with a tool of the client.
enum Tool<'a> {
    Call { arguments: &'a str, id: &'a str, name: &'a str },
    Result { id: &'a str, is_error: bool },
}

fn tool(content: &Content) -> Option<Tool<'_>> {
    match content {
        Content::ToolCall { arguments, id, name } => {
            Some(Tool::Call { arguments: arguments.as_str(), id, name })
        }
        Content::ToolResult { id, is_error, .. } => Some(Tool::Result { id, is_error: *is_error }),
        Content::Audio(_)
        | Content::Document(_)
        | Content::Image(_)
        | Content::Refusal { .. }
        | Content::ServerTool { .. }
        | Content::Text { .. }
        | Content::Thinking { .. }
        | Content::Unknown { .. }
        | Content::Unreadable { .. }
        | Content::Video(_) => None,
    }
}

/// The task in the arguments of a tool that starts an agent.
fn task(arguments: &str) -> Option<Print> {
    #[derive(serde::Deserialize)]
    struct Task {
        prompt: String,
    }
    let task: Task = serde_json::from_str(arguments).ok()?;
    Some(print::of_text(task.prompt.trim()))
}
