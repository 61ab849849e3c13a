//! The looks of an answer's words.
//!
//! # What it does
//!
//! Changes letters and signs while they stream, one preset behind the other: `plain_punctuation` makes typewriter signs of curly quotes, long dashes and
//! the one sign of an ellipsis; `no_emoji` takes emoji out; `upper_case` and `lower_case` are what they say.
//!
//! # Why
//!
//! Answers that are pasted into code, tickets and mails, and a sign that policies work which everybody sees.
//!
//! # Example
//!
//! ```yaml
//! policies:
//!   chain:
//!     - text_style: {presets: [plain_punctuation, no_emoji]}
//! ```
//!
//! # Limits
//!
//! Code inside an answer is changed like everything else. Tool calls, thoughts and requests are not.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::policy::{CallFacts, Needs, Policy, PolicyRun, TextNeed, View};
use crate::verdict::{Finding, Settled};

/// Which presets, in order.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, JsonSchema, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Options {
    /// What is changed, one behind the other.
    #[schemars(length(min = 1))]
    pub presets: Vec<Preset>,
}

/// A way to change a sign.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, JsonSchema, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Preset {
    /// Small letters in place of capital ones.
    LowerCase,
    /// No emoji.
    NoEmoji,
    /// Straight quotes, short dashes, three dots.
    PlainPunctuation,
    /// Capital letters in place of small ones.
    UpperCase,
}

impl Preset {
    /// What a text becomes. Each sign is looked at alone, so that it does not matter where a stream is cut.
    fn change(self, text: &str) -> String {
        match self {
            Self::LowerCase => text.chars().flat_map(char::to_lowercase).collect(),
            Self::NoEmoji => text.chars().filter(|c| !is_emoji(*c)).collect(),
            Self::PlainPunctuation => text.chars().fold(String::with_capacity(text.len()), |mut out, c| {
                match plain(c) {
                    Some(signs) => out.push_str(signs),
                    None => out.push(c),
                }
                out
            }),
            Self::UpperCase => text.chars().flat_map(char::to_uppercase).collect(),
        }
    }
}

fn plain(c: char) -> Option<&'static str> {
    Some(match c {
        '\u{2018}' | '\u{2019}' | '\u{201a}' | '\u{201b}' => "'",
        '\u{201c}' | '\u{201d}' | '\u{201e}' | '\u{201f}' => "\"",
        '\u{2010}'..='\u{2013}' => "-",
        '\u{2014}' | '\u{2015}' => "--",
        '\u{2026}' => "...",
        '\u{a0}' | '\u{202f}' => " ",
        _ => return None,
    })
}

/// Signs that are shown as pictures by themselves (Unicode's `Emoji_Presentation`), flags, skin tones, and the sign that colours one before it.
/// What joins several to one stays, as it belongs to the letters of some scripts.
const fn is_emoji(c: char) -> bool {
    matches!(c,
        '\u{1f000}'..='\u{1faff}' | '\u{fe0f}' | '\u{20e3}' | '\u{231a}'..='\u{231b}' | '\u{23e9}'..='\u{23ec}' | '\u{23f0}' | '\u{23f3}'
        | '\u{25fd}'..='\u{25fe}' | '\u{2614}'..='\u{2615}' | '\u{2648}'..='\u{2653}' | '\u{267f}' | '\u{2693}' | '\u{26a1}'
        | '\u{26aa}'..='\u{26ab}' | '\u{26bd}'..='\u{26be}' | '\u{26c4}'..='\u{26c5}' | '\u{26ce}' | '\u{26d4}' | '\u{26ea}'
        | '\u{26f2}'..='\u{26f3}' | '\u{26f5}' | '\u{26fa}' | '\u{26fd}' | '\u{2705}' | '\u{270a}'..='\u{270b}' | '\u{2728}' | '\u{274c}'
        | '\u{274e}' | '\u{2753}'..='\u{2755}' | '\u{2757}' | '\u{2795}'..='\u{2797}' | '\u{27b0}' | '\u{27bf}' | '\u{2b1b}'..='\u{2b1c}'
        | '\u{2b50}' | '\u{2b55}')
}

/// The policy.
pub struct TextStyle(pub Options);

impl Policy for TextStyle {
    fn needs(&self) -> Needs {
        Needs { text: TextNeed::Window, ..Needs::default() }
    }

    fn open(&self, _: &CallFacts) -> Box<dyn PolicyRun> {
        Box::new(Styling(self.0.presets.clone()))
    }
}

struct Styling(Vec<Preset>);

impl PolicyRun for Styling {
    fn on_text(&mut self, pending: &str, _: bool, _: &View<'_>) -> Settled {
        let new = self.0.iter().fold(pending.to_owned(), |text, preset| preset.change(&text));
        if new == pending {
            return Settled::all(pending);
        }
        Settled {
            edits: vec![(0..pending.len(), new)],
            finding: Some(Finding::because("the words are in another style")),
            upto: pending.len(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn styled(presets: &[Preset], text: &str) -> String {
        presets.iter().fold(text.to_owned(), |text, preset| preset.change(&text))
    }

    /// Requirement source 000, the policy on capital letters: and what has no other case stays as it is.
    #[test]
    fn letters_and_signs_are_changed_and_the_rest_stays() {
        assert_eq!(styled(&[Preset::UpperCase], "Straße, 1 naïve 🦀"), "STRASSE, 1 NAÏVE 🦀");
        assert_eq!(styled(&[Preset::LowerCase], "ΣΑΣ ABC"), "σασ abc");
        assert_eq!(styled(&[Preset::PlainPunctuation], "“It’s” — 3–4…"), "\"It's\" -- 3-4...");
        assert_eq!(
            styled(&[Preset::NoEmoji], "Done ✅ by 👩🏽 and ❤\u{fe0f}! © 3 # ✓"),
            "Done  by  and ❤! © 3 # ✓"
        );
        assert_eq!(styled(&[Preset::NoEmoji, Preset::UpperCase], "ok 🎉"), "OK ");
    }

    #[test]
    fn it_does_not_matter_where_a_stream_is_cut() {
        let text = "“Ja” – ‘Straße’ 👩🏽‍💻…";
        for preset in [Preset::LowerCase, Preset::NoEmoji, Preset::PlainPunctuation, Preset::UpperCase] {
            for (at, _) in text.char_indices() {
                let (one, other) = text.split_at(at);
                assert_eq!(
                    preset.change(one) + &preset.change(other),
                    preset.change(text),
                    "{preset:?} at {at}"
                );
            }
        }
    }
}
