// The Vercel AI SDK and its own agent loop over each provider package: `--model openai/M` (Responses), `compatible/M`
// (Chat Completions), `anthropic/M`, `google/M`.
"use strict";

const { load, main, MOST_ROUNDS, PERSON, RED_DOT, TOOLS } = require("./harness.cjs");
const { generateText, jsonSchema, Output, stepCountIs, streamText, tool } = load("ai");

// Its warnings would go to standard output, among the results.
globalThis.AI_SDK_LOG_WARNINGS = ({ warnings }) => process.stderr.write(`${JSON.stringify(warnings)}\n`);

const PROVIDERS = {
  anthropic: (base, apiKey) => load("@ai-sdk/anthropic").createAnthropic({ baseURL: `${base}/v1`, apiKey }),
  compatible: (base, apiKey) =>
    load("@ai-sdk/openai-compatible").createOpenAICompatible({ name: "lockgate", baseURL: `${base}/v1`, apiKey, includeUsage: true, supportsStructuredOutputs: true }),
  google: (base, apiKey) => load("@ai-sdk/google").createGoogleGenerativeAI({ baseURL: `${base}/v1beta`, apiKey }),
  openai: (base, apiKey) => load("@ai-sdk/openai").createOpenAI({ baseURL: `${base}/v1`, apiKey }),
};
const THINKING = {
  anthropic: { anthropic: { thinking: { type: "enabled", budgetTokens: 2048 } } },
  compatible: { lockgate: { reasoningEffort: "medium" } },
  google: { google: { thinkingConfig: { includeThoughts: true } } },
  openai: { openai: { reasoningEffort: "medium", reasoningSummary: "auto", store: false, include: ["reasoning.encrypted_content"] } },
};

class Client {
  constructor(base, key, model) {
    this.kind = model.slice(0, model.indexOf("/"));
    this.model = PROVIDERS[this.kind](base, key)(model.slice(model.indexOf("/") + 1));
  }

  async talk(ask, seen) {
    const messages = [];
    for (const prompt of ask.prompts) {
      messages.push({ role: "user", content: content(ask, prompt) });
      const wish = { model: this.model, messages, maxRetries: 0, stopWhen: stepCountIs(MOST_ROUNDS) };
      if (ask.tools) wish.tools = tools(seen);
      if (ask.think) wish.providerOptions = THINKING[this.kind];
      if (ask.schema) wish.output = Output.object({ schema: jsonSchema(PERSON) });
      const result = ask.stream ? await streamed(seen, wish) : await generateText(wish);
      messages.push(...(await result.response).messages);
      for (const step of await result.steps) {
        seen.requests += 1;
        seen.thinking += step.reasoningText ?? "";
        seen.stops.push(step.finishReason);
        seen.models.push(step.response.modelId);
        seen.usage.push({ input: step.usage.inputTokens ?? null, output: step.usage.outputTokens ?? null });
      }
      seen.text = await result.text;
    }
  }
}

function tools(seen) {
  const made = TOOLS.map(({ name, description, parameters }) => {
    const execute = (args) => seen.call(name, args);
    return [name, tool({ description, inputSchema: jsonSchema(parameters), execute })];
  });
  return Object.fromEntries(made);
}

function content(ask, prompt) {
  if (!ask.image) return prompt;
  return [{ type: "text", text: prompt }, { type: "image", image: RED_DOT, mediaType: "image/png" }];
}

async function streamed(seen, wish) {
  let problem = null;
  const result = streamText({ ...wish, onError: () => {} });
  for await (const part of result.fullStream) {
    if (part.type === "text-delta") {
      seen.deltas += 1;
      seen.text += part.text;
    }
    if (part.type === "error") problem = part.error;
  }
  if (problem) {
    // Otherwise these reject unheard.
    await Promise.allSettled([result.response, result.steps, result.text]);
    throw problem instanceof Error ? problem : Object.assign(new Error(problem.message ?? JSON.stringify(problem)), problem);
  }
  return result;
}

main((base, key, model) => new Client(base, key, model));
