//! Reads what judges say: models, which say how probable something is, and services, which say a verdict.
//!
//! The only reader of such answers. What cannot be read is no answer, never a verdict.

use serde::Deserialize;
use serde_json::Value;

use crate::changes::{Changes, Remove, Set};
use crate::decision::Then;
use crate::verdict::{Finding, Reply};

/// What a model says.
#[derive(Debug, Clone, PartialEq, Deserialize)]
pub(crate) struct Opinion {
    /// Why, in its words; perhaps none.
    #[serde(default)]
    pub(crate) explanation: String,
    /// From 0 to 1.
    pub(crate) probability: f64,
    /// The number of the rule that it is about, from 1.
    #[serde(default)]
    pub(crate) rule: Option<usize>,
}

impl Opinion {
    /// Why, with words for a model that gives none.
    pub(crate) fn finding(&self, otherwise: &str) -> Finding {
        let explanation = self.explanation.trim();
        let reason = if explanation.is_empty() { otherwise } else { explanation };
        let evidence = Some(format!("probability {:.2}", self.probability));
        Finding { evidence, reason: reason.to_owned(), rule: None }
    }
}

/// What a model says; the error says why it says nothing.
pub(crate) fn opinion(reply: &Reply) -> Result<Opinion, String> {
    let Reply::Text(text) = reply else { return Err("nobody judged it".into()) };
    // The first JSON object that says it: models put words and fences around it.
    let found = text.match_indices('{').find_map(|(at, _)| {
        let mut values = serde_json::Deserializer::from_str(&text[at..]).into_iter::<Opinion>();
        values.next()?.ok().filter(|said| (0.0..=1.0).contains(&said.probability))
    });
    found.ok_or_else(|| "the judge's answer cannot be read".into())
}

/// What a service says.
#[derive(Debug, Clone)]
pub(crate) struct Word {
    /// What is to be another in a request.
    pub(crate) changes: Changes,
    pub(crate) finding: Finding,
    pub(crate) then: Then,
    /// What shall stand there.
    pub(crate) with: Option<String>,
}

#[derive(Deserialize)]
struct Said {
    verdict: Then,
    #[serde(default)]
    reason: Option<String>,
    #[serde(default)]
    remove: Remove,
    #[serde(default)]
    rule: Option<String>,
    #[serde(default)]
    set: Set,
    #[serde(default, rename = "with")]
    other: Option<Value>,
}

/// What a service says; the error says why it says nothing. Its answer is JSON and nothing else.
pub(crate) fn word(reply: &Reply) -> Result<Word, String> {
    let Reply::Text(text) = reply else { return Err("the service gave no answer".into()) };
    let said: Said = serde_json::from_str(text)
        .map_err(|error| format!("the service's answer cannot be read: {error}"))?;
    let reason = said.reason.filter(|reason| !reason.trim().is_empty());
    let reason = reason.unwrap_or_else(|| "the service says so".to_owned());
    let with = said.other.map(|other| match other {
        Value::String(text) => text,
        other => other.to_string(),
    });
    let changes = Changes { remove: said.remove, set: said.set };
    Ok(Word {
        changes,
        finding: Finding { evidence: None, reason, rule: said.rule },
        then: said.verdict,
        with,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_models_opinion_is_found_among_its_words_and_nothing_else_is_one() {
        let read = |text: &str| opinion(&Reply::Text(text.to_owned()));
        let said =
            read("Sure {thing}:\n```json\n{\"probability\": 0.4, \"explanation\": \" \", \"rule\": 2}\n```")
                .unwrap();
        assert_eq!((said.probability, said.rule), (0.4, Some(2)));
        assert_eq!(said.finding("no words").reason, "no words");
        let finding = read(r#"{"probability": 1, "explanation": "it deletes {all}"}"#).unwrap().finding("");
        assert_eq!(
            (finding.reason.as_str(), finding.evidence.as_deref()),
            ("it deletes {all}", Some("probability 1.00"))
        );
        for unreadable in ["", "no", "{}", r#"{"probability": 7}"#, r#"{"probability": "high"}"#] {
            assert!(read(unreadable).is_err(), "{unreadable}");
        }
        assert!(opinion(&Reply::Person { agreed: true, by: None, words: None }).is_err());
    }
}
