// openai-node on Chat Completions, embeddings and models.
"use strict";

const { load, main, MOST_ROUNDS, PERSON, RED_DOT, TOOLS } = require("./harness.cjs");
const OpenAI = load("openai").default;

class Client {
  constructor(base, key, model) {
    this.model = model;
    this.api = new OpenAI({ baseURL: `${base}/v1`, apiKey: key, maxRetries: 0 });
  }

  async talk(ask, seen) {
    const messages = [];
    for (const prompt of ask.prompts) {
      messages.push({ role: "user", content: content(ask, prompt) });
      for (let round = 0; round < MOST_ROUNDS; round++) {
        const message = await this.turn(ask, seen, messages);
        messages.push(message);
        if (!message.tool_calls?.length) break;
        for (const call of message.tool_calls) {
          const result = seen.call(call.function.name, JSON.parse(call.function.arguments));
          messages.push({ role: "tool", tool_call_id: call.id, content: result });
        }
      }
    }
  }

  async turn(ask, seen, messages) {
    seen.requests += 1;
    const wish = { model: this.model, messages };
    if (ask.tools) wish.tools = TOOLS.map((tool) => ({ type: "function", function: tool }));
    if (ask.think) wish.reasoning_effort = "medium";
    if (ask.schema) {
      wish.response_format = { type: "json_schema", json_schema: { name: "person", strict: true, schema: PERSON } };
    }
    const options = { timeout: ask.patience };
    const completion = ask.stream
      ? await streamed(this.api, seen, wish, options)
      : await this.api.chat.completions.create(wish, options);
    const [choice] = completion.choices;
    seen.text = choice.message.content ?? "";
    // The SDK's stream helper keeps only the last piece of a field that it does not know, so `streamed` adds them up.
    if (!ask.stream) seen.thinking += choice.message.reasoning_content ?? "";
    seen.stops.push(choice.finish_reason);
    seen.models.push(completion.model);
    const usage = completion.usage;
    seen.usage.push(usage ? { input: usage.prompt_tokens, output: usage.completion_tokens } : null);
    return choice.message;
  }

  async embed() {
    const made = await this.api.embeddings.create({ model: "embed-small", input: ["one", "two", "one"] });
    return made.data.map((entry) => entry.embedding.map((v) => Math.round(v * 1000) / 1000));
  }

  async models() {
    const found = [];
    for await (const model of this.api.models.list()) found.push(model.id);
    return found.sort();
  }
}

function content(ask, prompt) {
  if (!ask.image) return prompt;
  const url = `data:image/png;base64,${RED_DOT}`;
  return [{ type: "text", text: prompt }, { type: "image_url", image_url: { url } }];
}

async function streamed(api, seen, wish, options) {
  seen.text = "";
  const stream = api.chat.completions.stream({ ...wish, stream_options: { include_usage: true } }, options);
  stream.on("content", (delta) => {
    seen.deltas += 1;
    seen.text += delta;
  });
  stream.on("chunk", (chunk) => {
    seen.thinking += chunk.choices[0]?.delta.reasoning_content ?? "";
  });
  return await stream.finalChatCompletion();
}

main((base, key, model) => new Client(base, key, model));
