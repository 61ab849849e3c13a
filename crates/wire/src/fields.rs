//! What a thing that was lost is called in the dialect of the client that said it.
//!
//! Writers know a conversation in no dialect and note losses by common names; the client reads the path of its own
//! field. Names that are not in the table are things rather than fields (`thinking`, `citations`), or paths already.

use lockgate_core::Dialect;

/// Common names, and the field in Chat, Responses, Anthropic, Gemini and Ollama; empty = the common name.
const FIELDS: [(&[&str], [&str; 5]); 23] = [
    (
        &["arguments"],
        [
            "messages.tool_calls.function.arguments",
            "input.arguments",
            "messages.content.input",
            "contents.parts.functionCall.args",
            "messages.tool_calls.function.arguments",
        ],
    ),
    (
        &["audio"],
        ["messages.content.input_audio", "input.content.input_audio", "", "contents.parts.inlineData", ""],
    ),
    (
        &["budget_tokens", "thinking.budget_tokens", "thinking_budget"],
        [
            "reasoning_effort",
            "reasoning.effort",
            "thinking.budget_tokens",
            "generationConfig.thinkingConfig.thinkingBudget",
            "think",
        ],
    ),
    (&["detail", "image.detail"], ["messages.content.image_url.detail", "input.content.detail", "", "", ""]),
    (
        &["display", "reasoning.summary"],
        [
            "reasoning_effort",
            "reasoning.summary",
            "thinking.display",
            "generationConfig.thinkingConfig.includeThoughts",
            "think",
        ],
    ),
    (
        &["effort"],
        [
            "reasoning_effort",
            "reasoning.effort",
            "output_config.effort",
            "generationConfig.thinkingConfig.thinkingLevel",
            "think",
        ],
    ),
    (&["frequency_penalty"], ["", "", "", "generationConfig.frequencyPenalty", "options.frequency_penalty"]),
    (
        &["image", "messages.image"],
        [
            "messages.content.image_url",
            "input.content.input_image",
            "messages.content.image",
            "contents.parts.inlineData",
            "messages.images",
        ],
    ),
    (&["logprobs"], ["", "", "", "generationConfig.responseLogprobs", ""]),
    (
        &["max_tokens"],
        ["", "max_output_tokens", "", "generationConfig.maxOutputTokens", "options.num_predict"],
    ),
    (&["n"], ["", "", "", "generationConfig.candidateCount", ""]),
    (&["parallel_tool_calls"], ["", "", "tool_choice.disable_parallel_tool_use", "", ""]),
    (&["presence_penalty"], ["", "", "", "generationConfig.presencePenalty", "options.presence_penalty"]),
    (
        &["reasoning", "reasoning_effort"],
        ["reasoning_effort", "reasoning.effort", "thinking", "generationConfig.thinkingConfig", "think"],
    ),
    (&["seed"], ["", "", "", "generationConfig.seed", "options.seed"]),
    (&["stop"], ["", "", "stop_sequences", "generationConfig.stopSequences", "options.stop"]),
    (&["strict", "tools.strict"], ["tools.function.strict", "tools.strict", "tools.strict", "", ""]),
    (&["temperature"], ["", "", "", "generationConfig.temperature", "options.temperature"]),
    (&["tool_choice"], ["", "", "", "toolConfig.functionCallingConfig", ""]),
    (&["top_k"], ["", "", "", "generationConfig.topK", "options.top_k"]),
    (&["top_logprobs"], ["", "", "", "generationConfig.logprobs", ""]),
    (&["top_p"], ["", "", "", "generationConfig.topP", "options.top_p"]),
    (&["verbosity"], ["", "text.verbosity", "", "", ""]),
];

/// The field of a client for the form of the answer, with what stands below it.
const FORMAT: [&str; 5] =
    ["response_format", "text.format", "output_config.format", "generationConfig.responseSchema", "format"];

/// The same for the schema of a tool's arguments.
const PARAMETERS: [&str; 5] = [
    "tools.function.parameters",
    "tools.parameters",
    "tools.input_schema",
    "tools.functionDeclarations.parameters",
    "tools.function.parameters",
];

/// The client's name for a common one.
pub(crate) fn of(dialect: Dialect, name: &str) -> String {
    let column = match dialect {
        Dialect::Chat => 0,
        Dialect::Responses => 1,
        Dialect::Anthropic => 2,
        Dialect::Gemini => 3,
        Dialect::Ollama => 4,
        Dialect::ClaudeCli => return name.to_owned(),
    };
    if let Some(below) = name.strip_prefix("response_format") {
        return format!("{}{below}", FORMAT[column]);
    }
    if let Some(below) = name.strip_prefix("tools.parameters") {
        return format!("{}{below}", PARAMETERS[column]);
    }
    let row = FIELDS.iter().find(|(names, _)| names.contains(&name));
    row.map(|(_, fields)| fields[column]).filter(|field| !field.is_empty()).unwrap_or(name).to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Requirement 004-42: the path of the client's own field.
    #[test]
    fn a_loss_is_called_what_the_client_called_it() {
        for (dialect, name, field) in [
            (Dialect::Gemini, "n", "generationConfig.candidateCount"),
            (Dialect::Gemini, "thinking.budget_tokens", "generationConfig.thinkingConfig.thinkingBudget"),
            (Dialect::Anthropic, "reasoning_effort", "thinking"),
            (Dialect::Anthropic, "budget_tokens", "thinking.budget_tokens"),
            (Dialect::Responses, "response_format.minimum", "text.format.minimum"),
            (Dialect::Chat, "detail", "messages.content.image_url.detail"),
            (Dialect::Chat, "image.detail", "messages.content.image_url.detail"),
            (Dialect::Gemini, "tools.parameters.minimum", "tools.functionDeclarations.parameters.minimum"),
            (Dialect::Ollama, "top_k", "options.top_k"),
            (Dialect::Chat, "citations", "citations"),
            (Dialect::Responses, "max_tokens", "max_output_tokens"),
        ] {
            assert_eq!(of(dialect, name), field);
        }
    }
}
