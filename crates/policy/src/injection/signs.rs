//! The signs of instructions to a model, each with its weight, and where in a text they stand close together. One automaton finds words;
//! only around a word the patterns are asked.

use std::ops::Range;

use aho_corasick::{AhoCorasick, AhoCorasickKind};
use regex_automata::meta::Regex;
use regex_automata::util::syntax;

use crate::provenance::encoded;

/// A sign: its name, its weight, and the pattern that it has in small letters with single blanks.
const SIGNS: [(&str, u32, &str); 23] = [
    (
        "override",
        3,
        r"\b(ignor(e|ing)|disregard|forget|overrid(e|es|ing)|supersedes?|bypass|stop following|do not follow)\b[^.]{0,30}\b(previous|prior|above|earlier|preceding|foregoing|all|any|your|original|initial|existing)\b[^.]{0,30}\b(i[a-z]{1,4}structions?|prompts?|directives?|guidelines|orders|programming|directions)\b",
    ),
    (
        "override",
        3,
        r"(ignoriere? (alle|die|s.{0,2}mtliche|deine) [^.]{0,30}(anweisungen|instruktionen)|ignor(a|e|ez|en) (todas? )?(as|las|les|le|toutes les|tutte le) [^.]{0,30}(instruc|instruk|istruz)|忽略[^.]{0,60}(指令|指示|说明|提示)|игнорируй[^.]{0,60}(инструкци|указани)|(이전|위의)[^.]{0,60}(지시|명령)[^.]{0,30}무시|(以前|これまで)の?[^.]{0,30}指示[^.]{0,30}無視)",
    ),
    (
        "override",
        1,
        r"\b(ignore|disregard|forget)\b[^.]{0,30}\b(previous|prior|above|everything|the user|the summari[sz]ation|your)\b",
    ),
    (
        "addressed",
        2,
        r"(\b(dear|hey|hi|hello|attention|note (to|for)|(message|reminder|instructions?|notice|request|important) (to|for)|calling)\b[,: ]{1,3}(the |any |all |an |our |my |every )?(ai|llms?|gpt|chatgpt|claude|gemini|copilot|language models?|chatbots?|(ai|coding|automated|autonomous) (assistants?|agents?|models?|systems?)|assistants?)\b)",
    ),
    (
        "addressed",
        2,
        r"([.!?>\]\n\-:*] ?|^ ?)(ai (assistant|agent|model)|assistant|claude|chatgpt|llm|ai|agent|model) ?[:,\-] ?(please |you |now |ignore|disregard|forget|do |stop|send|run|call|use|output|reply|respond|execute|instead|when|before)",
    ),
    (
        "condition",
        3,
        r"\bif you('re| are) (an? |the )?((ai|llm|language model|large language model|chatbot|gpt|claude)\b|(ai|automated|autonomous|coding) (assistant|agent|model|system|tool))",
    ),
    (
        "secrecy",
        2,
        r"\b(do not|don't|never|without) (tell|telling|mention|mentioning|inform|informing|notify|notifying|reveal|revealing|alert|alerting|disclos(e|ing)|asking|let)\b[^.]{0,25}\b(the user|the human|the operator|the owner|your user|anyone|this (to|instruction|step|message))\b",
    ),
    (
        "task",
        2,
        r"\b(your|the) (new|real|actual|true|updated|only) (task|instructions?|goal|objective|mission|directive|priority|orders)\b",
    ),
    (
        "task",
        2,
        r"\b(new|updated|additional|special|hidden|secret|urgent|important) (instructions?|directives?|orders) ?(for you|from [a-z ]{2,30})?:",
    ),
    (
        "task",
        2,
        r"\b(complete|perform|do|execute|carry out) (this|the following|these) ?[a-z]* (task|action|step|instruction)s? (first|before|instead|immediately)|please do the following first|\bdo the following (first|instead|immediately)",
    ),
    (
        "message",
        3,
        r"\bimportant (message|instructions?|notice|note|update)s? (from (me|the (developer|system|user|admin)|[a-z]+ [a-z]+), (to|for) (you|the)|(for|to) (you|(the |all |any )?(ai|assistant|llm|agent|language model)s?))\b|\bmessage from me\b[^.]{0,40}\bto you\b",
    ),
    (
        "before",
        2,
        r"\bbefore (you )?(can |may |must )?(solv|continu|proceed|answer|respond|repl|complet|finish|summar|do)[a-z]*[^.]{0,80}\b(you must|you need to|please|first|(call|use|invoke|run) [a-z]+_[a-z_]+)\b",
    ),
    (
        "before",
        1,
        r"\b(after|once) (you do that|that|doing (so|this)|you have done (so|this)),? (you (can|may|should)|continue|proceed)",
    ),
    (
        "authority",
        1,
        r"\b(the|your) (user|developer|admin|administrator|operator|owner|security team) (has |have )?(already |explicitly )?(pre-?)?(approved|authori[sz]ed|confirmed|granted|consented|instructed|permitted)",
    ),
    (
        "markup",
        2,
        r#"(<\|(im_start|system|endoftext|user|assistant)\|?>?|<</?sys>>|\[/?inst\]|\[/?system[^\]]{0,20}\]|</?system>|</?system[_-](message|prompt|instructions?|override)>|</?(important|information|admin|instructions?_override)>|#{2,} ?(system|admin|instructions?)\b ?(message|prompt|override)?:|begin (system|admin|new) (message|prompt|instructions?|override)|\\?"role\\?" ?: ?\\?"system|</?(tool_result|function_results?|tool_response|user_message|assistant)>|(system|admin|developer) (override|message|notice|alert) ?:)"#,
    ),
    ("markup", 3, r"#+ ?[(\[]system[ _]message[)\]]"),
    ("markup", 1, r"(^|\n)(human|assistant|system|user): "),
    (
        "role",
        2,
        r"\byou are (now|no longer)\b (a|an|in|bound|dan|the|free|allowed|required|operating|acting)|\b(developer|dan|god|admin|debug|maintenance|unrestricted|jailbreak) mode (is )?(now )?(enabled|activated|active|on)\b|\bfrom now on,? (you|all|every|always|your)\b|\bfor the (rest|remainder) of (this|the|our) (conversation|session|chat)",
    ),
    (
        "role",
        1,
        r"\b(end|begin|start|prefix|conclude) (every|each|all|your|any) (response|reply|answer|message|output|summary)",
    ),
    (
        "leak",
        2,
        r"\b(send|post|forward|upload|email|transmit|leak|exfiltrate|reveal|output|print|repeat|share|include|append|encode|paste)\b[^.]{0,60}\b(system prompt|your (full |entire )?(instructions|prompt|context)|(this|the|our|full|entire) (conversation|chat) ?(history|log)?|chat history|api[ _-]?keys?|credentials|private keys?|ssh keys?|environment variables|access tokens?|\.env\b|id_rsa|/etc/passwd)",
    ),
    (
        "call",
        1,
        r"\b(call|use|invoke|run|execute|trigger)\b (the )?`?[a-z]+(_[a-z]+)+`?( tool| function)? (on|with|to|and|for|using)\b|\b(call|use|invoke) the [a-z_ ]{2,30} (tool|function)\b",
    ),
    (
        "reply",
        1,
        r"\b(reply|respond|answer|output|say|print|write)\b[^.]{0,60}\b(and nothing else|verbatim|exactly|only)\b|\binstead(,| of)[^.]{0,40}\b(reply|respond|answer|output|summar|say)",
    ),
    (
        "urgent",
        1,
        r"\b(you must|you are required to|it is (critical|essential|mandatory|imperative) that you|failure to comply|mandatory|required step|compliance requirement)\b",
    ),
];

/// Words around which the patterns are asked.
const WORDS: [&str; 64] = [
    "ignor",
    "disregard",
    "forget",
    "overrid",
    "supersede",
    "bypass",
    "stop following",
    "do not follow",
    "忽略",
    "игнорируй",
    "무시",
    "無視",
    " ai",
    "llm",
    "chatgpt",
    "claude",
    "gemini",
    "copilot",
    "language model",
    "assistant",
    "chatbot",
    " agent",
    "if you",
    "the user",
    "the human",
    "your user",
    "your task",
    "your new",
    "your real",
    "your actual",
    "instructions",
    "directive",
    "do the following",
    "important message",
    "message from me",
    "before you",
    "before repl",
    "before answ",
    "before resp",
    "before cont",
    "new task",
    "(system",
    "after you",
    "approved",
    "authoriz",
    "authoris",
    "<|",
    "<<sys",
    "[inst",
    "[system",
    "<system",
    "system:",
    "system message",
    "system prompt",
    "role\"",
    "<important",
    "<information",
    "you are now",
    "no longer",
    "mode enabled",
    "mode activated",
    "from now on",
    "for the re",
    "you must",
];

/// Weight of a sign that people cannot see.
const HIDDEN: u32 = 3;

/// Signs so close to each other belong together.
const NEAR: usize = 400;

/// What comes before and behind a word is looked at too.
const AROUND: usize = 160;

/// So many invisible letters in a row are no accident.
const UNSEEN_MIN: usize = 8;

/// What speaks for an injection, where it stands densest.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Suspicion {
    /// Where it begins in the text.
    pub at: usize,
    /// Its beginning, in small letters.
    pub evidence: String,
    /// The names of the signs.
    pub signs: Vec<&'static str>,
    /// What they weigh together.
    pub weight: u32,
}

/// The signs, ready to be looked for.
pub struct Signs {
    patterns: Regex,
    words: AhoCorasick,
}

impl Signs {
    /// Makes them ready; the error says why they cannot be.
    pub fn new() -> Result<Self, String> {
        let words =
            AhoCorasick::builder().ascii_case_insensitive(true).kind(Some(AhoCorasickKind::DFA)).build(WORDS);
        let bytes = syntax::Config::new().unicode(false).utf8(false);
        let patterns: Vec<&str> = SIGNS.iter().map(|(_, _, pattern)| *pattern).collect();
        let patterns = Regex::builder().syntax(bytes).build_many(&patterns);
        Ok(Self {
            patterns: patterns.map_err(|error| error.to_string())?,
            words: words.map_err(|error| error.to_string())?,
        })
    }

    /// What in a text speaks most for an injection; `None` = nothing.
    pub fn of(&self, text: &str) -> Option<Suspicion> {
        let seen = self.seen(text);
        let hidden = hidden(text).map(|(at, words)| {
            let mut suspicion =
                Suspicion { at, evidence: shown(&words), signs: vec!["hidden"], weight: HIDDEN };
            self.add_inside(&mut suspicion, &words);
            suspicion
        });
        let encoded = encoded(text).into_iter().filter_map(|words| {
            let inside = self.seen(&words)?;
            (inside.weight > 1).then(|| Suspicion {
                at: 0,
                evidence: inside.evidence,
                signs: ["encoded"].into_iter().chain(inside.signs).collect(),
                weight: inside.weight + HIDDEN,
            })
        });
        seen.into_iter().chain(hidden).chain(encoded).max_by_key(|suspicion| suspicion.weight)
    }

    fn add_inside(&self, suspicion: &mut Suspicion, words: &str) {
        if let Some(inside) = self.seen(words) {
            suspicion.signs.extend(inside.signs);
            suspicion.weight += inside.weight;
        }
    }

    /// What speaks for an injection in the letters that can be seen.
    fn seen(&self, text: &str) -> Option<Suspicion> {
        let mut worst: Option<Suspicion> = None;
        for region in self.regions(text) {
            let plain = plain(&text[region.clone()]);
            let mut signs: Vec<&'static str> = Vec::new();
            let mut met = [false; SIGNS.len()];
            let mut first: Option<Range<usize>> = None;
            let mut from = 0;
            // Signs overlap: each pattern counts once, and the search goes on behind where the last one began.
            while from < plain.len() {
                let input = regex_automata::Input::new(plain.as_bytes()).range(from..);
                let Some(found) = self.patterns.search(&input) else { break };
                met[found.pattern().as_usize()] = true;
                first.get_or_insert(found.range());
                from = found.start() + (found.len() / 2).max(1);
            }
            let mut weight = 0;
            for ((name, sign, _), met) in SIGNS.iter().zip(met) {
                // Of one name the heaviest counts.
                if met && !signs.contains(name) {
                    weight += sign;
                    signs.push(name);
                }
            }
            let Some(range) = first else { continue };
            if in_comment(text, &region) {
                signs.push("comment");
                weight += 1;
            }
            if worst.as_ref().is_none_or(|known| known.weight < weight) {
                let evidence = shown(&String::from_utf8_lossy(&plain.as_bytes()[range.start..]));
                worst = Some(Suspicion { at: region.start, evidence, signs, weight });
            }
        }
        worst
    }

    /// Where words stand, those near each other together.
    fn regions(&self, text: &str) -> Vec<Range<usize>> {
        let mut regions: Vec<Range<usize>> = Vec::new();
        for found in self.words.find_iter(text) {
            let start = text.floor_char_boundary(found.start().saturating_sub(AROUND));
            let end = text.ceil_char_boundary((found.end() + AROUND).min(text.len()));
            match regions.last_mut() {
                Some(last) if start <= last.end && found.end() - last.start < NEAR * 4 => last.end = end,
                Some(_) | None => regions.push(start..end),
            }
        }
        regions
    }
}

/// Small letters, single blanks, without emphasis and what cannot be seen. Ends of lines stay.
fn plain(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '\n' => {
                if out.ends_with(' ') {
                    out.pop();
                }
                // A line that is wrapped goes on; a full stop or a blank line ends it.
                out.push(if out.ends_with(['.', '!', '?', ':', '>', '\n']) || out.is_empty() {
                    '\n'
                } else {
                    ' '
                });
            }
            c if c.is_whitespace() => {
                if !out.ends_with([' ', '\n']) {
                    out.push(' ');
                }
            }
            '*' | '`' | '\u{200b}'..='\u{200f}' | '\u{2060}' | '\u{feff}' => {}
            '’' => out.push('\''),
            c if c.is_ascii() => out.push(c.to_ascii_lowercase()),
            c => out.extend(c.to_lowercase()),
        }
    }
    out
}

/// The beginning of a text, for people.
fn shown(text: &str) -> String {
    let line: String = text.chars().map(|c| if c.is_control() { ' ' } else { c }).take(100).collect();
    line.trim().to_owned()
}

fn in_comment(text: &str, region: &Range<usize>) -> bool {
    let before = &text[..region.end];
    let opened = before.rfind("<!--");
    let hidden_style = || {
        let near = text[text.floor_char_boundary(region.start.saturating_sub(AROUND))..region.end]
            .to_ascii_lowercase();
        [
            "display:none",
            "display: none",
            "font-size:0",
            "font-size: 0",
            "visibility:hidden",
            "visibility: hidden",
        ]
        .iter()
        .any(|style| near.contains(style))
    };
    opened.is_some_and(|at| !text[at..region.start.max(at)].contains("-->")) || hidden_style()
}

/// Letters that no screen shows: where they begin, and the words that they spell, as far as they spell any.
fn hidden(text: &str) -> Option<(usize, String)> {
    if text.is_ascii() {
        return None;
    }
    let (mut run, mut start, mut words) = (0, 0, String::new());
    // A flag is spelled with such letters behind its picture.
    let mut flag = false;
    for (at, c) in text.char_indices() {
        let spelled = match c {
            '\u{e0020}'..='\u{e007e}' => char::from_u32(u32::from(c) - 0xe0000),
            '\u{e0000}'..='\u{e001f}' | '\u{e007f}' | '\u{200b}' | '\u{2060}'..='\u{2064}' | '\u{feff}' => {
                None
            }
            '\u{e0100}'..='\u{e01ef}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' => None,
            other => {
                if run >= UNSEEN_MIN && !flag {
                    return Some((start, words));
                }
                (run, flag) = (0, other == '\u{1f3f4}');
                words.clear();
                continue;
            }
        };
        if run == 0 {
            start = at;
        }
        run += 1;
        words.extend(spelled);
    }
    (run >= UNSEEN_MIN && !flag).then_some((start, words))
}
