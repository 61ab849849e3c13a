// @anthropic-ai/sdk on Messages, count_tokens and models.
"use strict";

const { load, main, MOST_ROUNDS, PERSON, RED_DOT, TOOLS } = require("./harness.cjs");
const Anthropic = load("@anthropic-ai/sdk").default;

const tools = TOOLS.map((tool) => ({ name: tool.name, description: tool.description, input_schema: tool.parameters }));

class Client {
  constructor(base, key, model) {
    this.model = model;
    this.api = new Anthropic({ baseURL: base, apiKey: key, maxRetries: 0 });
  }

  async talk(ask, seen) {
    const messages = [];
    for (const prompt of ask.prompts) {
      messages.push({ role: "user", content: content(ask, prompt) });
      for (let round = 0; round < MOST_ROUNDS; round++) {
        const message = await this.turn(ask, seen, messages);
        messages.push({ role: "assistant", content: message.content });
        const calls = message.content.filter((block) => block.type === "tool_use");
        if (!calls.length) break;
        const results = calls.map((call) => {
          const result = seen.call(call.name, call.input);
          return { type: "tool_result", tool_use_id: call.id, content: result };
        });
        messages.push({ role: "user", content: results });
      }
    }
  }

  async turn(ask, seen, messages) {
    seen.requests += 1;
    const wish = { model: this.model, max_tokens: 4096, messages };
    if (ask.tools) wish.tools = tools;
    if (ask.think) wish.thinking = { type: "enabled", budget_tokens: 2048 };
    if (ask.schema) wish.output_config = { format: { type: "json_schema", schema: PERSON } };
    const options = { timeout: ask.patience };
    const message = ask.stream
      ? await streamed(this.api, seen, wish, options)
      : await this.api.messages.create(wish, options);
    const all = (type, field) => message.content.filter((b) => b.type === type).map((b) => b[field]).join("");
    seen.text = all("text", "text");
    seen.thinking += all("thinking", "thinking");
    seen.stops.push(message.stop_reason);
    seen.models.push(message.model);
    seen.usage.push({ input: message.usage.input_tokens, output: message.usage.output_tokens });
    return message;
  }

  async models() {
    const found = [];
    for await (const model of this.api.models.list()) found.push(model.id);
    return found.sort();
  }

  async count() {
    const messages = [{ role: "user", content: "How many tokens are these?" }];
    return (await this.api.messages.countTokens({ model: this.model, messages, tools })).input_tokens;
  }
}

function content(ask, prompt) {
  if (!ask.image) return prompt;
  const source = { type: "base64", media_type: "image/png", data: RED_DOT };
  return [{ type: "image", source }, { type: "text", text: prompt }];
}

async function streamed(api, seen, wish, options) {
  seen.text = "";
  const stream = api.messages.stream(wish, options);
  stream.on("text", (delta) => {
    seen.deltas += 1;
    seen.text += delta;
  });
  return await stream.finalMessage();
}

main((base, key, model) => new Client(base, key, model));
