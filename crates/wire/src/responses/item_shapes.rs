//! Items and parts of a request as they are written, after the published SDK types.
//!
//! Shapes only; [`super::write_items`] decides what becomes which.

use std::borrow::Cow;

use serde::Serialize;
use serde_json::value::RawValue;

use super::media::AnnotationOut;
use crate::said::Said;

/// An item as it is written.
#[derive(Serialize)]
#[serde(untagged)]
pub(super) enum ItemOut<'a> {
    Call {
        r#type: &'static str,
        call_id: &'a str,
        #[serde(skip_serializing_if = "Option::is_none")]
        namespace: Option<&'a str>,
        name: &'a str,
        #[serde(skip_serializing_if = "Option::is_none")]
        arguments: Option<&'a str>,
        #[serde(skip_serializing_if = "Option::is_none")]
        input: Option<&'a str>,
    },
    Message {
        r#type: &'static str,
        role: &'static str,
        content: Vec<PartOut<'a>>,
    },
    Output {
        r#type: &'static str,
        call_id: &'a str,
        output: OutputOut<'a>,
    },
    Raw(&'a RawValue),
    Reasoning {
        r#type: &'static str,
        #[serde(skip_serializing_if = "Option::is_none")]
        id: Option<&'a str>,
        summary: Vec<PartOut<'a>>,
        #[serde(skip_serializing_if = "Vec::is_empty")]
        content: Vec<PartOut<'a>>,
        #[serde(skip_serializing_if = "Option::is_none")]
        encrypted_content: Option<&'a str>,
    },
}

/// A tool's output.
#[derive(Serialize)]
#[serde(untagged)]
pub(super) enum OutputOut<'a> {
    Parts(Vec<PartOut<'a>>),
    Text(Said<'a>),
}

/// A part of a message, of an output or of thoughts.
#[derive(Serialize)]
#[serde(untagged)]
pub(super) enum PartOut<'a> {
    Audio {
        r#type: &'static str,
        input_audio: AudioOut<'a>,
    },
    File {
        r#type: &'static str,
        #[serde(skip_serializing_if = "Option::is_none")]
        filename: Option<Cow<'a, str>>,
        #[serde(skip_serializing_if = "Option::is_none")]
        file_data: Option<Cow<'a, str>>,
        #[serde(skip_serializing_if = "Option::is_none")]
        file_id: Option<&'a str>,
        #[serde(skip_serializing_if = "Option::is_none")]
        file_url: Option<&'a str>,
        #[serde(skip_serializing_if = "Option::is_none")]
        prompt_cache_breakpoint: Option<BreakpointOut<'a>>,
    },
    Image {
        r#type: &'static str,
        #[serde(skip_serializing_if = "Option::is_none")]
        image_url: Option<Cow<'a, str>>,
        #[serde(skip_serializing_if = "Option::is_none")]
        file_id: Option<&'a str>,
        detail: &'a str,
        #[serde(skip_serializing_if = "Option::is_none")]
        prompt_cache_breakpoint: Option<BreakpointOut<'a>>,
    },
    Raw(&'a RawValue),
    Refusal {
        r#type: &'static str,
        refusal: &'a str,
    },
    Text {
        r#type: &'static str,
        text: Said<'a>,
        #[serde(skip_serializing_if = "Option::is_none")]
        annotations: Option<Vec<AnnotationOut<'a>>>,
        #[serde(skip_serializing_if = "Option::is_none")]
        prompt_cache_breakpoint: Option<BreakpointOut<'a>>,
    },
}

/// Sound.
#[derive(Serialize)]
pub(super) struct AudioOut<'a> {
    pub(super) data: &'a str,
    pub(super) format: &'a str,
}

/// An explicit cache breakpoint.
#[derive(Serialize)]
pub(super) struct BreakpointOut<'a> {
    pub(super) mode: &'static str,
    pub(super) ttl: &'a str,
}
