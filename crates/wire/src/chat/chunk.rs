//! An answer as it stands on the wire, whole or a chunk of it, read forgivingly: a value of a wrong type is as good
//! as absent, text borrows from the frame.
//!
//! Only shapes, and the small readings that requests share (`reasoning_details`, arguments). What a sequence of
//! chunks means is the business of `decode`.

use std::borrow::Cow;
use std::fmt;

use lockgate_core::Seal;
use serde::Deserialize;
use serde::de::{Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde_json::value::RawValue;

/// A chunk of a stream, or a whole answer.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Chunk<'a> {
    #[serde(borrow)]
    pub(super) id: Loose<'a>,
    #[serde(borrow)]
    pub(super) object: Loose<'a>,
    pub(super) created: Number,
    #[serde(borrow)]
    pub(super) model: Loose<'a>,
    #[serde(borrow)]
    pub(super) choices: Option<Vec<Choice<'a>>>,
    #[serde(borrow)]
    pub(super) usage: Option<&'a RawValue>,
    #[serde(borrow)]
    pub(super) x_groq: Option<&'a RawValue>,
    #[serde(borrow)]
    pub(super) timings: Option<&'a RawValue>,
    #[serde(borrow)]
    pub(super) service_tier: Loose<'a>,
    #[serde(borrow)]
    pub(super) error: Option<&'a RawValue>,
}

/// One of the answers.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Choice<'a> {
    pub(super) index: Number,
    #[serde(borrow)]
    pub(super) delta: Option<Message<'a>>,
    #[serde(borrow)]
    pub(super) message: Option<Message<'a>>,
    #[serde(borrow)]
    pub(super) finish_reason: Loose<'a>,
    #[serde(borrow)]
    pub(super) native_finish_reason: Loose<'a>,
    /// The stop sequence that was met (vLLM); a number when it was a token.
    #[serde(borrow)]
    pub(super) stop_reason: Option<&'a RawValue>,
    #[serde(borrow)]
    pub(super) logprobs: Option<&'a RawValue>,
    #[serde(borrow)]
    pub(super) error: Option<&'a RawValue>,
}

/// What was said, or more of it.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Message<'a> {
    #[serde(borrow)]
    pub(super) content: Content<'a>,
    #[serde(borrow)]
    pub(super) refusal: Loose<'a>,
    #[serde(borrow)]
    pub(super) reasoning_content: Loose<'a>,
    #[serde(borrow)]
    pub(super) reasoning: Loose<'a>,
    #[serde(borrow)]
    pub(super) reasoning_details: Option<&'a RawValue>,
    #[serde(borrow)]
    pub(super) tool_calls: Option<Vec<Call<'a>>>,
    #[serde(borrow)]
    pub(super) function_call: Option<Function<'a>>,
    #[serde(borrow)]
    pub(super) annotations: Option<&'a RawValue>,
    #[serde(borrow)]
    pub(super) images: Option<&'a RawValue>,
    #[serde(borrow)]
    pub(super) audio: Option<&'a RawValue>,
}

/// Sound, or more of it.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Audio<'a> {
    #[serde(borrow)]
    pub(super) transcript: Loose<'a>,
}

/// A tool call, or more of it.
#[derive(Debug, Default, Clone, Deserialize)]
#[serde(default)]
pub(super) struct Call<'a> {
    pub(super) index: Number,
    #[serde(borrow)]
    pub(super) id: Loose<'a>,
    #[serde(borrow)]
    pub(super) function: Option<Function<'a>>,
    #[serde(borrow)]
    pub(super) custom: Option<Custom<'a>>,
    #[serde(borrow)]
    pub(super) extra_content: Option<&'a RawValue>,
}

/// A function's name and arguments.
#[derive(Debug, Default, Clone, Deserialize)]
#[serde(default)]
pub(super) struct Function<'a> {
    #[serde(borrow)]
    pub(super) name: Loose<'a>,
    #[serde(borrow)]
    pub(super) arguments: Option<&'a RawValue>,
}

/// A custom tool's name and input.
#[derive(Debug, Default, Clone, Deserialize)]
#[serde(default)]
pub(super) struct Custom<'a> {
    #[serde(borrow)]
    pub(super) name: Loose<'a>,
    #[serde(borrow)]
    pub(super) input: Loose<'a>,
}

/// A text where there is one; a number counts as its digits, everything else as nothing.
#[derive(Debug, Default, Clone)]
pub(super) struct Loose<'a>(pub(super) Option<Cow<'a, str>>);

impl Loose<'_> {
    /// The text, unless it is empty.
    pub(super) fn text(&self) -> Option<&str> {
        self.0.as_deref().filter(|text| !text.is_empty())
    }
}

/// A whole number where there is one, perhaps written as a float or a text.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub(super) struct Number(pub(super) Option<u64>);

/// Content: a text, or parts (Mistral).
#[derive(Debug, Default)]
pub(super) enum Content<'a> {
    #[default]
    None,
    Parts(Vec<&'a RawValue>),
    Text(Cow<'a, str>),
}

/// Reads whatever comes into a value that has a meaning for some types only.
macro_rules! forgiving {
    ($visitor:ident, $target:ty, { $($body:tt)* }) => {
        struct $visitor;
        impl<'de> Visitor<'de> for $visitor {
            type Value = $target;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("anything")
            }
            fn visit_unit<E>(self) -> Result<Self::Value, E> {
                Ok(Self::Value::default())
            }
            fn visit_bool<E>(self, _: bool) -> Result<Self::Value, E> {
                Ok(Self::Value::default())
            }
            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
                while map.next_entry::<IgnoredAny, IgnoredAny>()?.is_some() {}
                Ok(Self::Value::default())
            }
            $($body)*
        }
    };
}

impl<'de: 'a, 'a> Deserialize<'de> for Loose<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        forgiving!(LooseVisitor, Loose<'de>, {
            fn visit_borrowed_str<E>(self, text: &'de str) -> Result<Self::Value, E> {
                Ok(Loose(Some(Cow::Borrowed(text))))
            }
            fn visit_str<E>(self, text: &str) -> Result<Self::Value, E> {
                Ok(Loose(Some(Cow::Owned(text.to_owned()))))
            }
            fn visit_u64<E>(self, number: u64) -> Result<Self::Value, E> {
                Ok(Loose(Some(Cow::Owned(number.to_string()))))
            }
            fn visit_i64<E>(self, number: i64) -> Result<Self::Value, E> {
                Ok(Loose(Some(Cow::Owned(number.to_string()))))
            }
            fn visit_f64<E>(self, number: f64) -> Result<Self::Value, E> {
                Ok(Loose(Some(Cow::Owned(number.to_string()))))
            }
            fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Self::Value, A::Error> {
                while seq.next_element::<IgnoredAny>()?.is_some() {}
                Ok(Loose(None))
            }
        });
        deserializer.deserialize_any(LooseVisitor)
    }
}

impl<'de> Deserialize<'de> for Number {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        forgiving!(NumberVisitor, Number, {
            fn visit_str<E>(self, text: &str) -> Result<Self::Value, E> {
                Ok(Number(text.parse().ok()))
            }
            fn visit_u64<E>(self, number: u64) -> Result<Self::Value, E> {
                Ok(Number(Some(number)))
            }
            fn visit_i64<E>(self, number: i64) -> Result<Self::Value, E> {
                Ok(Number(u64::try_from(number).ok()))
            }
            fn visit_f64<E>(self, number: f64) -> Result<Self::Value, E> {
                Ok(Number((0.0..9e18).contains(&number).then_some(number as u64)))
            }
            fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Self::Value, A::Error> {
                while seq.next_element::<IgnoredAny>()?.is_some() {}
                Ok(Number(None))
            }
        });
        deserializer.deserialize_any(NumberVisitor)
    }
}

impl<'de: 'a, 'a> Deserialize<'de> for Content<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        forgiving!(ContentVisitor, Content<'de>, {
            fn visit_borrowed_str<E>(self, text: &'de str) -> Result<Self::Value, E> {
                Ok(Content::Text(Cow::Borrowed(text)))
            }
            fn visit_str<E>(self, text: &str) -> Result<Self::Value, E> {
                Ok(Content::Text(Cow::Owned(text.to_owned())))
            }
            fn visit_u64<E>(self, _: u64) -> Result<Self::Value, E> {
                Ok(Content::None)
            }
            fn visit_i64<E>(self, _: i64) -> Result<Self::Value, E> {
                Ok(Content::None)
            }
            fn visit_f64<E>(self, _: f64) -> Result<Self::Value, E> {
                Ok(Content::None)
            }
            fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Self::Value, A::Error> {
                let mut parts = Vec::new();
                while let Some(part) = seq.next_element()? {
                    parts.push(part);
                }
                Ok(Content::Parts(parts))
            }
        });
        deserializer.deserialize_any(ContentVisitor)
    }
}

/// A part of content in the long form.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Piece<'a> {
    #[serde(borrow, rename = "type")]
    pub(super) kind: Loose<'a>,
    #[serde(borrow)]
    pub(super) text: Loose<'a>,
    #[serde(borrow)]
    pub(super) refusal: Loose<'a>,
    /// Mistral: parts in parts.
    #[serde(borrow)]
    pub(super) thinking: Content<'a>,
}

/// One of OpenRouter's `reasoning_details`.
#[derive(Debug, Default, Clone)]
pub(super) struct Detail {
    pub(super) id: Option<String>,
    pub(super) seal: Option<Seal>,
    pub(super) summary: bool,
    pub(super) text: String,
}

/// Reads `reasoning_details`; `None` when they are of another form.
pub(super) fn details(raw: &RawValue) -> Option<Vec<Detail>> {
    #[derive(Default, Deserialize)]
    #[serde(default)]
    struct Wire<'a> {
        #[serde(borrow, rename = "type")]
        kind: Loose<'a>,
        #[serde(borrow)]
        id: Loose<'a>,
        #[serde(borrow)]
        text: Loose<'a>,
        #[serde(borrow)]
        summary: Loose<'a>,
        #[serde(borrow)]
        data: Loose<'a>,
        #[serde(borrow)]
        signature: Loose<'a>,
    }
    let list: Vec<Wire<'_>> = serde_json::from_str(raw.get()).ok()?;
    let read = |wire: Wire<'_>| {
        let kind = wire.kind.text()?;
        let id = wire.id.text().map(str::to_owned);
        let detail = match kind {
            "reasoning.text" => Detail {
                id,
                seal: wire.signature.text().map(|signature| Seal::Signature(signature.into())),
                summary: false,
                text: wire.text.text().unwrap_or_default().into(),
            },
            "reasoning.summary" => {
                Detail { id, seal: None, summary: true, text: wire.summary.text().unwrap_or_default().into() }
            }
            "reasoning.encrypted" => Detail {
                id,
                seal: Some(Seal::Encrypted(wire.data.text()?.into())),
                summary: false,
                text: String::new(),
            },
            _ => return None,
        };
        Some(detail)
    };
    list.into_iter().map(read).collect()
}

/// The signature on a tool call that Gemini's OpenAI-compatible endpoint wants back.
pub(super) fn signature_of(extra_content: &RawValue) -> Option<String> {
    #[derive(Deserialize)]
    struct Extra {
        google: Google,
    }
    #[derive(Deserialize)]
    struct Google {
        thought_signature: String,
    }
    serde_json::from_str::<Extra>(extra_content.get()).ok().map(|extra| extra.google.thought_signature)
}

/// Arguments as text: OpenAI sends a text, some servers the object itself.
pub(super) fn arguments_of(raw: &RawValue) -> String {
    serde_json::from_str::<String>(raw.get()).unwrap_or_else(|_| match raw.get() {
        "null" => String::new(),
        json => json.to_owned(),
    })
}
