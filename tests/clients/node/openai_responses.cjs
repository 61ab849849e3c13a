// openai-node on Responses, stateless: encrypted reasoning goes back with each turn.
"use strict";

const { load, main, MOST_ROUNDS, PERSON, RED_DOT, TOOLS } = require("./harness.cjs");
const OpenAI = load("openai").default;

class Client {
  constructor(base, key, model) {
    this.model = model;
    this.api = new OpenAI({ baseURL: `${base}/v1`, apiKey: key, maxRetries: 0 });
  }

  async talk(ask, seen) {
    const input = [];
    for (const prompt of ask.prompts) {
      input.push({ role: "user", content: content(ask, prompt) });
      for (let round = 0; round < MOST_ROUNDS; round++) {
        const output = await this.turn(ask, seen, input);
        input.push(...output.map(({ parsed_arguments, ...item }) => item));
        const calls = output.filter((item) => item.type === "function_call");
        if (!calls.length) break;
        for (const call of calls) {
          const result = seen.call(call.name, JSON.parse(call.arguments));
          input.push({ type: "function_call_output", call_id: call.call_id, output: result });
        }
      }
    }
  }

  async turn(ask, seen, input) {
    seen.requests += 1;
    const wish = { model: this.model, input, store: false };
    if (ask.tools) wish.tools = TOOLS.map((tool) => ({ type: "function", strict: false, ...tool }));
    if (ask.think) {
      wish.reasoning = { effort: "medium", summary: "auto" };
      wish.include = ["reasoning.encrypted_content"];
    }
    if (ask.schema) wish.text = { format: { type: "json_schema", name: "person", strict: true, schema: PERSON } };
    const options = { timeout: ask.patience };
    const response = ask.stream
      ? await streamed(this.api, seen, wish, options)
      : await this.api.responses.create(wish, options);
    seen.text = textOf(response.output);
    for (const item of response.output.filter((i) => i.type === "reasoning")) {
      seen.thinking += item.summary.map((part) => part.text).join("");
    }
    seen.stops.push(response.status);
    seen.models.push(response.model);
    const usage = response.usage;
    seen.usage.push(usage ? { input: usage.input_tokens, output: usage.output_tokens } : null);
    return response.output;
  }
}

function textOf(output) {
  const parts = output.filter((item) => item.type === "message").flatMap((item) => item.content);
  return parts.map((part) => part.text ?? "").join("");
}

function content(ask, prompt) {
  const text = { type: "input_text", text: prompt };
  if (!ask.image) return [text];
  return [text, { type: "input_image", image_url: `data:image/png;base64,${RED_DOT}`, detail: "auto" }];
}

/** Reads the events itself and takes only a finished response for an answer. */
async function streamed(api, seen, wish, options) {
  seen.text = "";
  for await (const event of await api.responses.create({ ...wish, stream: true }, options)) {
    if (event.type === "response.output_text.delta") {
      seen.deltas += 1;
      seen.text += event.delta;
    }
    if (event.type === "error") throw Object.assign(new Error(event.message), { type: "error" });
    if (event.type === "response.failed") throw Object.assign(new Error(event.response.error.message), { type: "error" });
    if (["response.completed", "response.incomplete"].includes(event.type)) return event.response;
  }
  throw new Error("the stream ended without response.completed");
}

main((base, key, model) => new Client(base, key, model));
