//! Whether a rule meets a thing, and by what of it. What a rule allows must hold for all that a call names, what it forbids for any of it.

use crate::chain::Pattern;
use crate::decision::Then;

use super::facts::Seen;
use super::subject::Subject;
use super::texts::{Said, Texts};
use super::{On, PathPattern, Rule, from};

/// Whether what a rule meets does not just pass.
pub(super) fn forbids(rule: &Rule) -> bool {
    !matches!(rule.then, Then::Allow | Then::Annotate | Then::Warn)
}

/// Whether a rule that meets nothing might, if more was known of what the commands of a shell tool reach.
pub(super) fn may_reach(rule: &Rule, subject: &Subject<'_>) -> bool {
    let asks = rule.condition.as_ref().map(|condition| condition.asks).unwrap_or_default();
    let reaches =
        !rule.paths.is_empty() || !rule.hosts.is_empty() || asks.commands || asks.hosts || asks.paths;
    reaches && of_tool(rule, subject.tool) && of_arguments(rule, &subject.seen)
}

pub(super) fn meets(rule: &Rule, subject: &mut Subject<'_>) -> bool {
    let places = if rule.then == Then::Allow {
        let seen = &subject.seen;
        let known = (rule.paths.is_empty() && rule.hosts.is_empty()) || seen.unread().is_none();
        known
            && (rule.paths.is_empty() || all(&seen.all_paths(), |path| fits(&rule.paths, path)))
            && (rule.hosts.is_empty() || all(&seen.all_hosts(), |host| is_one_of(&rule.hosts, host)))
    } else {
        (rule.paths.is_empty() || path(rule, &subject.seen).is_some())
            && (rule.hosts.is_empty() || host(rule, &subject.seen).is_some())
    };
    of_tool(rule, subject.tool)
        && of_arguments(rule, &subject.seen)
        && places
        && of_sources(rule, subject)
        && of_texts(rule, subject)
        && rule.condition.as_ref().is_none_or(|condition| subject.fulfils(condition))
}

/// What of a thing a rule met, in few words.
pub(super) fn evidence(rule: &Rule, subject: &Subject<'_>) -> Option<String> {
    let argument = rule.arguments.keys().next();
    let argument = argument.and_then(|name| Some(format!("{name}: {}", subject.seen.argument(name)?)));
    argument
        .or_else(|| path(rule, &subject.seen).map(str::to_owned))
        .or_else(|| host(rule, &subject.seen).map(str::to_owned))
        .or_else(|| {
            let texts = (rule.on == On::Call && !rule.texts.is_empty()).then(|| texts_from(rule, subject));
            let found = texts?.find_map(|text| found_in(&rule.texts, text));
            found.map(str::to_owned)
        })
        .or_else(|| {
            let sources = subject.traced.as_ref().filter(|_| !rule.from.is_empty())?.found();
            let source = sources.iter().find(|source| from::any(&rule.from, std::slice::from_ref(source)))?;
            Some(format!("{}: {}", source.tool, source.evidence))
        })
}

fn of_tool(rule: &Rule, tool: &str) -> bool {
    rule.tools.is_empty() || is_one_of(&rule.tools, tool)
}

fn of_arguments(rule: &Rule, seen: &Seen<'_>) -> bool {
    rule.arguments
        .iter()
        .all(|(name, pattern)| seen.argument(name).is_some_and(|text| pattern.matches(&text)))
}

fn of_sources(rule: &Rule, subject: &Subject<'_>) -> bool {
    if rule.from.is_empty() || rule.on == On::Call {
        return true;
    }
    let Some(traced) = &subject.traced else { return false };
    if rule.then == Then::Allow {
        return all(traced.found(), |source| from::any(&rule.from, std::slice::from_ref(source)));
    }
    from::any(&rule.from, traced.found())
}

/// Whether a rule asks for texts of the request.
pub(super) fn asks_texts(rule: &Rule) -> bool {
    let by_fields = rule.on == On::Call && (!rule.texts.is_empty() || !rule.from.is_empty());
    by_fields || rule.condition.as_ref().is_some_and(|condition| condition.asks.request)
}

/// The texts of a request that are from where a rule says.
fn texts_from<'s>(rule: &'s Rule, subject: &'s Subject<'_>) -> impl Iterator<Item = &'s str> {
    let all = subject.texts().map(Texts::all).unwrap_or_default();
    let meant =
        |said: &&Said<'_>| rule.from.is_empty() || rule.from.iter().any(|from| from.fits(&said.whose));
    all.iter().filter(meant).map(|said| said.text)
}

fn of_texts(rule: &Rule, subject: &Subject<'_>) -> bool {
    if rule.on != On::Call || (rule.texts.is_empty() && rule.from.is_empty()) {
        return true;
    }
    let mut texts = texts_from(rule, subject).peekable();
    if rule.texts.is_empty() || texts.peek().is_none() {
        return texts.peek().is_some();
    }
    let fits = |text| is_one_of(&rule.texts, text);
    if rule.then == Then::Allow { texts.all(fits) } else { texts.any(fits) }
}

/// Whether there are some, and each is so.
fn all<T>(things: &[T], so: impl Fn(&T) -> bool) -> bool {
    !things.is_empty() && things.iter().all(so)
}

fn is_one_of(patterns: &[Pattern], name: &str) -> bool {
    patterns.iter().any(|pattern| pattern.matches(name))
}

/// The place of a text that a pattern is about, if it fits one: from its longest words on.
fn found_in<'t>(patterns: &[Pattern], text: &'t str) -> Option<&'t str> {
    let pattern = patterns.iter().find(|pattern| pattern.matches(text))?;
    let words = pattern.as_str().split(['*', '?', '[', ']', '{', '}', ',', '\\']);
    let longest = words.max_by_key(|word| word.len()).filter(|word| word.is_ascii()).unwrap_or_default();
    let at = text
        .as_bytes()
        .windows(longest.len().max(1))
        .position(|window| window.eq_ignore_ascii_case(longest.as_bytes()));
    // Not from the middle of a word: it may be a secret, which is known by its beginning.
    let before = &text[..text.floor_char_boundary(at.unwrap_or(0).saturating_sub(20))];
    let from = before.rfind(char::is_whitespace).map_or(0, |space| space + 1);
    Some(text[from..].trim_start())
}

fn fits(patterns: &[PathPattern], path: &str) -> bool {
    patterns.iter().any(|pattern| pattern.matches(path))
}

fn path<'s>(rule: &Rule, seen: &'s Seen<'_>) -> Option<&'s str> {
    if rule.paths.is_empty() {
        return None;
    }
    seen.paths().iter().map(String::as_str).find(|path| fits(&rule.paths, path))
}

fn host<'s>(rule: &Rule, seen: &'s Seen<'_>) -> Option<&'s str> {
    if rule.hosts.is_empty() {
        return None;
    }
    seen.hosts().iter().map(String::as_str).find(|host| is_one_of(&rule.hosts, host))
}
