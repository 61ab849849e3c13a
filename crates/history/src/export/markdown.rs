//! A session as Markdown for people: facts, turns, what was said, tool calls with their results folded away.
//!
//! All that others wrote goes through `html`: it cannot leave its place, begin HTML, or load anything.

use std::collections::HashSet;
use std::fmt::Write as _;

use lockgate_ledger::Nano;
use lockgate_store::{Outcome, Session};

use super::html::{fenced, inline, quoted};
use crate::conversation::{CallNote, CallStep, Conversation, EntrySource, EntryState, Origin, Turn};
use crate::intervention::{Changed, Intervention, Tag};
use crate::message::{Arguments, Content, Media, MediaPlace, Piece, Speaker};
use crate::print::parted;
use crate::time::{duration, rfc3339};

/// Writes a session down. Without a session, the calls that are there.
pub fn markdown(conversation: &Conversation, session: Option<&Session>) -> String {
    let paired = conversation.tools.iter().filter_map(|tool| tool.result).collect();
    let mut page = Page { conversation, out: String::new(), paired };
    page.head(session);
    for (number, thread) in conversation.threads.iter().enumerate() {
        page.thread(number, &thread.origin, thread.agent.as_deref());
        let turns = conversation.turns.iter().filter(|turn| turn.thread == number);
        for turn in turns {
            page.turn(turn);
        }
    }
    let kept = page.out.trim_end().len();
    page.out.truncate(kept);
    page.out.push('\n');
    page.out
}

struct Page<'a> {
    conversation: &'a Conversation,
    out: String,
    /// Results that are shown beside their call.
    paired: HashSet<(usize, usize)>,
}

fn money(nano: i64) -> String {
    Nano::from_i64(nano).map_or_else(|| "unknown".to_owned(), |nano| nano.to_string())
}

impl Page<'_> {
    // Writing to a text cannot fail: the results of `write!` are not looked at.
    fn head(&mut self, session: Option<&Session>) {
        let title = session.and_then(|session| session.title.as_ref()).map(|title| inline(&title.text));
        let _ = writeln!(self.out, "# {}\n", title.unwrap_or_else(|| "A session without a title".to_owned()));
        let calls = &self.conversation.calls;
        let mut facts: Vec<(&str, String)> = Vec::new();
        let mut fact = |name, value: Option<String>| facts.extend(value.map(|value| (name, value)));
        if let Some(session) = session {
            fact("Session", Some(session.reference.id.clone()));
            fact("Folder", session.cwd.clone());
            fact("Repository", session.repo.clone());
            fact("Branch", session.branch.clone());
        }
        let first = calls.first().map(|note| &note.call);
        fact("Client", first.and_then(|call| words([&call.client.name, &call.client.version])));
        fact("Key", first.and_then(|call| call.principal.key.clone()));
        fact("User", first.and_then(|call| call.principal.user.clone()));
        let mut models: Vec<&str> =
            calls.iter().filter_map(|note| note.call.route.resolved_model.as_deref()).collect();
        models.sort_unstable();
        models.dedup();
        fact("Models", Some(models.join(", ")).filter(|models| !models.is_empty()));
        fact("Began", first.map(|call| rfc3339(call.timing.started_us)));
        fact("Last call", calls.last().map(|note| rfc3339(note.call.timing.started_us)));
        fact("Calls", Some(calls.len().to_string()));
        let sum = |of: fn(&CallNote) -> Option<u64>| calls.iter().filter_map(of).sum::<u64>().to_string();
        fact("Prompt tokens", Some(sum(|note| note.call.usage.prompt())));
        fact("of them from the cache", Some(sum(|note| note.call.usage.cache_read)));
        fact("Output tokens", Some(sum(|note| note.call.usage.output)));
        let unpriced = calls.iter().filter(|note| note.call.cost_nano.is_none()).count();
        let without =
            if unpriced > 0 { format!(" and {unpriced} calls of unknown cost") } else { String::new() };
        fact("Cost", Some(format!("{}{without}", money(self.conversation.cost_nano()))));
        self.out.push_str("| | |\n|---|---|\n");
        for (name, value) in facts {
            let _ = writeln!(self.out, "| {name} | {} |", inline(&value));
        }
        self.out.push('\n');
    }

    fn thread(&mut self, number: usize, origin: &Origin, agent: Option<&str>) {
        let who = agent.map_or_else(|| "Main agent".to_owned(), |agent| format!("Agent {}", inline(agent)));
        let words = match origin {
            Origin::New if number == 0 => return,
            Origin::New => format!("{who}, from the beginning"),
            Origin::Compacted { .. } => format!("{who}, after the conversation was condensed"),
            Origin::Fork { after, .. } => format!("{who}, another way from message {}", after + 1),
            Origin::Housekeeping { .. } => "The client for itself".to_owned(),
            Origin::SubAgent { started_by } => {
                let tool = started_by.and_then(|tool| self.conversation.tools.get(tool));
                tool.map_or(who.clone(), |tool| format!("{who}, started by {}", inline(&tool.name)))
            }
        };
        let _ = writeln!(self.out, "## {words}\n");
    }

    fn turn(&mut self, turn: &Turn) {
        let number = turn.number.map(|number| format!(" {number}")).unwrap_or_default();
        let _ = writeln!(self.out, "### Turn{number} ({})\n", inline(&turn.kind));
        for call in &turn.calls {
            self.call(*call);
        }
    }

    fn call(&mut self, number: usize) {
        let note = &self.conversation.calls[number];
        for entry in note.entries.iter().filter(|entry| Some(**entry) != note.answer) {
            self.entry(*entry);
        }
        for intervention in note.interventions.iter().filter(|one| one.side == Changed::Request) {
            self.intervention(intervention);
        }
        if let Some(answer) = note.answer {
            self.entry(answer);
        }
        for intervention in note.interventions.iter().filter(|one| one.side == Changed::Answer) {
            self.intervention(intervention);
        }
        self.facts(note);
    }

    /// One line on what a call was.
    fn facts(&mut self, note: &CallNote) {
        let call = &note.call;
        let usage = &call.usage;
        let mut facts = Vec::new();
        facts.extend(call.route.resolved_model.as_deref().map(inline));
        if let (Some(prompt), Some(output)) = (usage.prompt(), usage.output) {
            let cached = usage.cache_read.map(|read| format!(" ({read} cached)")).unwrap_or_default();
            facts.push(format!("{prompt}{cached} → {output} tokens"));
        }
        facts.extend(call.cost_nano.map(money));
        facts.extend(call.timing.total_us.map(duration));
        match note.step {
            CallStep::Retry { .. } => facts.push("asked again".to_owned()),
            CallStep::Rewrites { changed } => facts.push(format!("{changed} earlier messages changed")),
            CallStep::Begins | CallStep::Continues => {}
        }
        if call.outcome != Outcome::Complete {
            facts.push(format!("**{}**", call.outcome.as_str()));
        }
        let error = call.error.as_ref().map(|error| error.message.as_str()).or(note.answer_error.as_deref());
        facts.extend(error.map(inline));
        let _ = writeln!(self.out, "*{}*\n", facts.join(" · "));
    }

    fn entry(&mut self, number: usize) {
        let entry = &self.conversation.entries[number];
        let who = match (entry.message.speaker, entry.source) {
            (Speaker::Assistant, _) => "Assistant",
            (Speaker::System, _) => "Program",
            (Speaker::User, _) => "User",
        };
        let state = match (entry.state, entry.edit_of) {
            (EntryState::Dropped, _) => " (not kept by the client)",
            (EntryState::Edited, _) => " (changed later)",
            (EntryState::Current, Some(_)) => " (in place of an earlier message)",
            (EntryState::Current, None) => "",
        };
        let is_shown = |piece: &Piece| !matches!(&piece.content, Content::ToolResult { .. });
        if entry.message.pieces.iter().any(is_shown) || !state.is_empty() {
            let _ = writeln!(self.out, "**{who}**{state}\n");
        }
        for (at, piece) in entry.message.pieces.iter().enumerate() {
            self.piece(number, at, piece);
        }
        if entry.source == EntrySource::Produced && entry.message.pieces.is_empty() {
            self.out.push_str("*nothing was said*\n\n");
        }
    }

    fn piece(&mut self, entry: usize, at: usize, piece: &Piece) {
        match &piece.content {
            Content::Text { text } | Content::Refusal { text } => {
                let (kept, reminders) = parted(text);
                let kept = kept.trim();
                if !kept.is_empty() && self.conversation.entries[entry].message.speaker == Speaker::System {
                    self.folded("Instructions between messages", |out| quoted(kept, out));
                } else if !kept.is_empty() {
                    quoted(kept, &mut self.out);
                }
                if !reminders.is_empty() {
                    self.folded("Reminders of the client", |out| fenced(&reminders, "", out));
                }
            }
            Content::Thinking { redacted: true, .. } => {
                self.out.push_str("*thoughts that only the provider can read*\n\n");
            }
            Content::Thinking { text, .. } if text.is_empty() => {
                self.out.push_str("*thoughts that are not told*\n\n");
            }
            Content::Thinking { text, .. } => self.folded("Thoughts", |out| quoted(text, out)),
            Content::ToolCall { arguments, name, .. } => {
                let result = self.conversation.tool_at(entry, at).map(|tool| &self.conversation.tools[tool]);
                let found = result.and_then(|tool| tool.result);
                let failed = result.and_then(|tool| tool.is_error) == Some(true);
                let state = match (found, failed) {
                    (None, _) => " (no result)",
                    (Some(_), true) => " (failed)",
                    (Some(_), false) => "",
                };
                let summary = format!("Tool <code>{}</code>{state}", inline(name));
                let content = found
                    .and_then(|(entry, piece)| self.conversation.entries[entry].message.pieces.get(piece));
                self.folded(&summary, |out| {
                    match arguments {
                        Arguments::Json(raw) => fenced(&pretty(raw.get()), "json", out),
                        Arguments::Text(text) => fenced(text, "", out),
                    }
                    if let Some(Content::ToolResult { content, .. }) = content.map(|piece| &piece.content) {
                        out.push_str("Result:\n\n");
                        for piece in content {
                            result_piece(piece, out);
                        }
                    }
                });
            }
            // Beside its call, where that is known.
            Content::ToolResult { .. } if self.paired.contains(&(entry, at)) => {}
            Content::ToolResult { content, .. } => {
                let content = content.clone();
                self.folded("Result of a tool whose call is not here", |out| {
                    for piece in &content {
                        result_piece(piece, out);
                    }
                });
            }
            Content::Audio(_)
            | Content::Document(_)
            | Content::Image(_)
            | Content::ServerTool { .. }
            | Content::Unknown { .. }
            | Content::Unreadable { .. }
            | Content::Video(_) => result_piece(piece, &mut self.out),
        }
    }

    fn folded(&mut self, summary: &str, write: impl FnOnce(&mut String)) {
        let _ = writeln!(self.out, "<details><summary>{summary}</summary>\n");
        write(&mut self.out);
        self.out.push_str("</details>\n\n");
    }

    fn intervention(&mut self, intervention: &Intervention) {
        let side = match intervention.side {
            Changed::Answer => "answer",
            Changed::Request => "request",
        };
        let _ = writeln!(self.out, "**A policy changed the {side}** ({})\n", intervention.what);
        if intervention.diff.is_empty() {
            fenced(&intervention.original, "", &mut self.out);
            fenced(&intervention.r#final, "", &mut self.out);
            return;
        }
        let mut text = String::new();
        for line in &intervention.diff {
            let sign = match line.tag {
                Tag::Equal => ' ',
                Tag::Final => '+',
                Tag::Original => '-',
            };
            let _ = writeln!(text, "{sign}{}", line.text);
        }
        fenced(&text, "diff", &mut self.out);
    }
}

/// What is shown the same inside a result and outside.
fn result_piece(piece: &Piece, out: &mut String) {
    match &piece.content {
        Content::Audio(media) => note("sound", media, out),
        Content::Document(media) => note("document", media, out),
        Content::Image(media) => note("image", media, out),
        Content::Video(media) => note("video", media, out),
        Content::ServerTool { kind, raw } | Content::Unknown { kind, raw } => {
            let _ = writeln!(out, "*{}*\n", inline(kind));
            fenced(&pretty(raw.get()), "json", out);
        }
        Content::Unreadable { reason, text } => {
            let _ = writeln!(out, "*could not be read: {}*\n", inline(reason));
            fenced(text, "", out);
        }
        Content::Refusal { text } | Content::Text { text } | Content::Thinking { text, .. } => {
            fenced(text, "", out);
        }
        Content::ToolCall { arguments, .. } => fenced(arguments.as_str(), "", out),
        Content::ToolResult { content, .. } => {
            // Results hold no results; one level is enough.
            let _ = writeln!(out, "*{} pieces*\n", content.len());
        }
    }
}

fn note(what: &str, media: &Media, out: &mut String) {
    let kind = media.media_type.as_deref().unwrap_or("of unknown type");
    let size = media.bytes.map(|bytes| format!(", {bytes} bytes")).unwrap_or_default();
    let name = media.name.as_deref().map(|name| format!(", {name}")).unwrap_or_default();
    let place = match &media.place {
        MediaPlace::File(id) => format!(", file {id} at the provider"),
        MediaPlace::Url(url) => format!(", at {url}"),
        MediaPlace::Inline | MediaPlace::Text => String::new(),
    };
    let _ = writeln!(out, "*[{what}: {}]*\n", inline(&format!("{kind}{size}{name}{place}")));
}

fn pretty(json: &str) -> String {
    let read: Result<serde_json::Value, _> = serde_json::from_str(json);
    read.ok().and_then(|value| serde_json::to_string_pretty(&value).ok()).unwrap_or_else(|| json.to_owned())
}

fn words<const N: usize>(of: [&Option<String>; N]) -> Option<String> {
    let found: Vec<&str> = of.into_iter().filter_map(|word| word.as_deref()).collect();
    (!found.is_empty()).then(|| found.join(" "))
}
