//! What Gemini refuses.

use serde_json::Value;

use super::{Rejection, tool_name};
use crate::dialect::Op;
use crate::seen::{Seen, list, text};
use crate::signatures::Verdict;
use crate::state::State;

const TOP: [&str; 12] = [
    "model",
    "contents",
    "systemInstruction",
    "tools",
    "toolConfig",
    "generationConfig",
    "safetySettings",
    "cachedContent",
    "labels",
    "serviceTier",
    "store",
    "continuationToken",
];
const CONFIG: [&str; 26] = [
    "temperature",
    "topP",
    "topK",
    "maxOutputTokens",
    "stopSequences",
    "candidateCount",
    "seed",
    "responseMimeType",
    "responseSchema",
    "responseJsonSchema",
    "thinkingConfig",
    "presencePenalty",
    "frequencyPenalty",
    "responseLogprobs",
    "logprobs",
    "responseModalities",
    "mediaResolution",
    "speechConfig",
    "audioTimestamp",
    "routingConfig",
    "modelSelectionConfig",
    "enableAffectiveDialog",
    "imageConfig",
    "enableEnhancedCivicAnswers",
    "_responseJsonSchema",
    "responseFormat",
];
const PART: [&str; 18] = [
    "text",
    "inlineData",
    "fileData",
    "functionCall",
    "functionResponse",
    "executableCode",
    "codeExecutionResult",
    "toolCall",
    "toolResponse",
    "thought",
    "thoughtSignature",
    "videoMetadata",
    "mediaResolution",
    "partMetadata",
    "audioTranscription",
    "mediaProcessing",
    "speechMetadata",
    "documentMetadata",
];
const SCHEMA: [&str; 25] = [
    "anyOf",
    "default",
    "description",
    "enum",
    "example",
    "format",
    "items",
    "maxItems",
    "minItems",
    "maxLength",
    "minLength",
    "maxProperties",
    "minProperties",
    "maximum",
    "minimum",
    "nullable",
    "pattern",
    "properties",
    "propertyOrdering",
    "required",
    "title",
    "type",
    "additionalProperties",
    "defs",
    "ref",
];
/// Values that Google documents for histories from other models; it skips the check for them.
const BYPASS: [&str; 4] = [
    "context_engineering_is_the_way_to_go",
    "skip_thought_signature_validator",
    "Y29udGV4dF9lbmdpbmVlcmluZ19pc190aGVfd2F5X3RvX2dv",
    "c2tpcF90aG91Z2h0X3NpZ25hdHVyZV92YWxpZGF0b3I=",
];

pub(super) fn check(seen: &Seen, state: &State) -> Result<(), Rejection> {
    let body = seen.body();
    if seen.route.op == Op::CountTokens {
        known(
            body,
            &[
                "contents",
                "generateContentRequest",
                "systemInstruction",
                "tools",
                "model",
                "generationConfig",
            ],
            "",
        )?;
        return Ok(());
    }
    known(body, &TOP, "")?;
    if let Some(config) = body.get("generationConfig") {
        known(config, &CONFIG, " at 'generation_config'")?;
    }
    config(body)?;
    let contents = list(body, "contents");
    if contents.is_empty() {
        return Err(Rejection::bad("* GenerateContentRequest.contents: contents is not specified\n"));
    }
    tools(body)?;
    super::chosen::gemini(body)?;
    for (at, content) in contents.iter().enumerate() {
        known(content, &["parts", "role"], &format!(" at 'contents[{at}]'"))?;
        role(content)?;
        parts(content, at)?;
    }
    turns(contents)?;
    signatures(seen.model(), contents, state)
}

/// What lies deeper than the top and the parameters of generation.
fn config(body: &Value) -> Result<(), Rejection> {
    let thinking = &body["generationConfig"]["thinkingConfig"];
    let names = ["includeThoughts", "thinkingBudget", "thinkingLevel"];
    known(thinking, &names, " at 'generation_config.thinking_config'")?;
    let tools = &body["toolConfig"];
    let names = ["functionCallingConfig", "includeServerSideToolInvocations", "retrievalConfig"];
    known(tools, &names, " at 'tool_config'")?;
    let names = ["allowedFunctionNames", "mode", "streamFunctionCallArguments"];
    known(&tools["functionCallingConfig"], &names, " at 'tool_config.function_calling_config'")
}

/// Fields of what a part may hold.
const HOLDS: [(&str, &[&str]); 4] = [
    ("fileData", &["displayName", "fileUri", "mimeType"]),
    ("functionCall", &["args", "id", "name", "partialArgs", "willContinue"]),
    ("functionResponse", &["id", "name", "parts", "response", "scheduling", "willContinue"]),
    ("inlineData", &["data", "displayName", "mimeType"]),
];

/// Google's JSON takes `snake_case` for `camelCase`.
fn camel(name: &str) -> String {
    let mut out = String::new();
    let mut raise = false;
    for c in name.chars() {
        if c == '_' && !out.is_empty() {
            raise = true;
        } else {
            out.push(if raise { c.to_ascii_uppercase() } else { c });
            raise = false;
        }
    }
    out
}

fn known(value: &Value, names: &[&str], place: &str) -> Result<(), Rejection> {
    let Some(fields) = value.as_object() else { return Ok(()) };
    match fields.keys().find(|key| !names.contains(&key.as_str()) && !names.contains(&camel(key).as_str())) {
        Some(key) => Err(Rejection::bad(format!(
            "Invalid JSON payload received. Unknown name \"{key}\"{place}: Cannot find field."
        ))),
        None => Ok(()),
    }
}

fn tools(body: &Value) -> Result<(), Rejection> {
    for (at, tool) in list(body, "tools").iter().enumerate() {
        for (n, function) in list(tool, "functionDeclarations").iter().enumerate() {
            let place = format!(" at 'tools[{at}].function_declarations[{n}]");
            let fields = [
                "name",
                "description",
                "parameters",
                "parametersJsonSchema",
                "response",
                "responseJsonSchema",
                "behavior",
            ];
            known(function, &fields, &format!("{place}'"))?;
            let name = text(function, "name");
            let bare = name.replace(['.', ':'], "_");
            if !tool_name(&bare, 128) || name.starts_with(|c: char| c.is_ascii_digit()) {
                return Err(Rejection::bad(format!(
                    "* GenerateContentRequest.tools[{at}].function_declarations[{n}].name: Invalid function name. \
                     Must start with a letter or an underscore. Must be alphanumeric (a-z, A-Z, 0-9), underscores \
                     (_), dots (.), colons (:), or dashes (-), with a maximum length of 128."
                )));
            }
            if let Some(schema) = function.get("parameters") {
                self::schema(schema, &format!("{place}.parameters'"))?;
            }
        }
    }
    Ok(())
}

fn schema(value: &Value, place: &str) -> Result<(), Rejection> {
    known(value, &SCHEMA, place)?;
    let inner = value.get("properties").and_then(Value::as_object);
    let properties = inner.into_iter().flat_map(|p| p.values());
    let items = value.get("items").into_iter().chain(list(value, "anyOf"));
    properties.chain(items).try_for_each(|v| schema(v, place))
}

fn role(content: &Value) -> Result<(), Rejection> {
    let role = content.get("role").and_then(Value::as_str);
    if role.is_none_or(|r| ["user", "model", "function"].contains(&r)) {
        return Ok(());
    }
    Err(Rejection::bad("Please use a valid role: user, model."))
}

fn parts(content: &Value, at: usize) -> Result<(), Rejection> {
    let parts = list(content, "parts");
    if parts.is_empty() {
        return Err(Rejection::bad(format!(
            "* GenerateContentRequest.contents[{at}].parts: contents.parts must not be empty.\n"
        )));
    }
    for (n, part) in parts.iter().enumerate() {
        known(part, &PART, &format!(" at 'contents[{at}].parts[{n}]'"))?;
        let kinds = PART[..9].iter().filter(|kind| part.get(**kind).is_some()).count();
        if kinds == 0 && part.get("thoughtSignature").is_none() {
            return Err(Rejection::bad(format!(
                "* GenerateContentRequest.contents[{at}].parts[{n}].data: required oneof field 'data' must have one \
                 initialized field\n"
            )));
        }
        if kinds > 1 {
            return Err(Rejection::bad(format!(
                "Invalid value at 'contents[{at}].parts[{n}]' (oneof), oneof field 'data' is already set."
            )));
        }
        for (field, names) in HOLDS {
            known(&part[field], names, &format!(" at 'contents[{at}].parts[{n}].{field}'"))?;
        }
        for (field, inside) in [("functionCall", "args"), ("functionResponse", "response")] {
            let value = part.get(field).and_then(|v| v.get(inside));
            if value.is_some_and(|v| !v.is_object() && !v.is_null()) {
                return Err(Rejection::bad(format!(
                    "Invalid value at 'contents[{at}].parts[{n}].{field}.{inside}' (type.googleapis.com/google.protobuf.Struct)"
                )));
            }
        }
    }
    Ok(())
}

fn count(content: Option<&Value>, field: &str) -> usize {
    content.map_or(0, |c| list(c, "parts").iter().filter(|p| p.get(field).is_some()).count())
}

/// A turn of responses answers exactly the calls of the turn before.
fn turns(contents: &[Value]) -> Result<(), Rejection> {
    for at in 0..contents.len() {
        let calls = count(contents.get(at), "functionCall");
        let responses = count(contents.get(at + 1), "functionResponse");
        if calls > 0 && calls != responses {
            return Err(Rejection::bad(
                "Please ensure that the number of function response parts is equal to the number of function call \
                 parts of the function call turn.",
            ));
        }
        let before = at.checked_sub(1).and_then(|b| contents.get(b));
        if count(contents.get(at), "functionResponse") > 0 && count(before, "functionCall") == 0 {
            return Err(Rejection::bad(
                "Please ensure that function response turn comes immediately after a function call turn.",
            ));
        }
    }
    Ok(())
}

/// Gemini 3 wants the signature of each step of the current turn back, on the step's first call.
fn signatures(model: &str, contents: &[Value], state: &State) -> Result<(), Rejection> {
    let human = |c: &Value| text(c, "role") != "model" && count(Some(c), "functionResponse") == 0;
    let current = contents.iter().rposition(human).unwrap_or(0);
    let bare = model.rsplit('/').next().unwrap_or(model);
    for (at, content) in contents.iter().enumerate() {
        let mut first = true;
        for part in list(content, "parts") {
            let signature = part.get("thoughtSignature").or_else(|| part.get("thought_signature"));
            let call = part.get("functionCall");
            if let Some(given) = signature.and_then(Value::as_str) {
                let accepted = BYPASS.iter().any(|b| b.trim_end_matches('=') == given.trim_end_matches('='));
                if !accepted && state.signatures.check(given, None) != Verdict::Own {
                    return Err(Rejection::bad("Corrupted thought signature."));
                }
            } else if let Some(call) = call.filter(|_| first && at > current && bare.starts_with("gemini-3"))
            {
                return Err(Rejection::bad(format!(
                    "Function call is missing a thought_signature in functionCall parts. This is required for tools \
                     to work correctly, and missing thought_signature may lead to degraded model performance. \
                     Additional data, function call `default_api:{}` , position {}. Please refer to \
                     https://ai.google.dev/gemini-api/docs/thought-signatures for more details.",
                    text(call, "name"),
                    at + 1
                )));
            }
            first = first && call.is_none();
        }
    }
    Ok(())
}
