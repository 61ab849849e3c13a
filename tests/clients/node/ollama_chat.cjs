// ollama-js: chat, embed and the list of models.
"use strict";

const { load, main, MOST_ROUNDS, PERSON, RED_DOT, TOOLS } = require("./harness.cjs");
const { Ollama } = load("ollama");

class Client {
  constructor(base, key, model) {
    this.model = model;
    this.api = new Ollama({ host: base, headers: { Authorization: `Bearer ${key}` } });
  }

  async talk(ask, seen) {
    const messages = [];
    for (const prompt of ask.prompts) {
      const message = { role: "user", content: prompt };
      messages.push(ask.image ? { ...message, images: [RED_DOT] } : message);
      for (let round = 0; round < MOST_ROUNDS; round++) {
        const answer = await this.turn(ask, seen, messages);
        messages.push(answer);
        if (!answer.tool_calls) break;
        for (const call of answer.tool_calls) {
          const result = seen.call(call.function.name, call.function.arguments);
          messages.push({ role: "tool", tool_name: call.function.name, content: result });
        }
      }
    }
  }

  async turn(ask, seen, messages) {
    seen.requests += 1;
    const wish = { model: this.model, messages, stream: ask.stream };
    if (ask.tools) wish.tools = TOOLS.map((tool) => ({ type: "function", function: tool }));
    if (ask.think) wish.think = true;
    if (ask.schema) wish.format = PERSON;
    seen.text = "";
    let thinking = "";
    const calls = [];
    let last = null;
    const note = (chunk) => {
      last = chunk;
      seen.text += chunk.message.content ?? "";
      seen.deltas += ask.stream && chunk.message.content ? 1 : 0;
      thinking += chunk.message.thinking ?? "";
      calls.push(...(chunk.message.tool_calls ?? []));
    };
    const answered = await this.api.chat(wish);
    if (ask.stream) for await (const chunk of answered) note(chunk);
    else note(answered);
    seen.thinking += thinking;
    seen.stops.push(last.done ? last.done_reason : "not done");
    seen.models.push(last.model);
    seen.usage.push({ input: last.prompt_eval_count ?? null, output: last.eval_count ?? null });
    return { role: "assistant", content: seen.text, ...(thinking && { thinking }), ...(calls.length && { tool_calls: calls }) };
  }

  async embed() {
    const made = await this.api.embed({ model: "embed-small", input: ["one", "two", "one"] });
    return made.embeddings.map((entry) => entry.map((v) => Math.round(v * 1000) / 1000));
  }

  async models() {
    return (await this.api.list()).models.map((model) => model.model).sort();
  }
}

main((base, key, model) => new Client(base, key, model));
