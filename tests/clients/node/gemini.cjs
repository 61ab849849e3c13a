// @google/genai: generateContent, streamed and whole, embeddings, models, countTokens.
"use strict";

const { load, main, MOST_ROUNDS, PERSON, RED_DOT, TOOLS } = require("./harness.cjs");
const { GoogleGenAI } = load("@google/genai");

class Client {
  constructor(base, key, model) {
    this.model = model;
    this.api = new GoogleGenAI({ apiKey: key, httpOptions: { baseUrl: base } });
  }

  async talk(ask, seen) {
    const contents = [];
    for (const prompt of ask.prompts) {
      contents.push({ role: "user", parts: parts(ask, prompt) });
      for (let round = 0; round < MOST_ROUNDS; round++) {
        const answer = await this.turn(ask, seen, contents);
        contents.push({ role: "model", parts: answer });
        const calls = answer.filter((part) => part.functionCall).map((part) => part.functionCall);
        if (!calls.length) break;
        const results = calls.map(({ id, name, args }) => {
          return { functionResponse: { id, name, response: { output: seen.call(name, args) } } };
        });
        contents.push({ role: "user", parts: results });
      }
    }
  }

  async turn(ask, seen, contents) {
    seen.requests += 1;
    const wish = { model: this.model, contents, config: config(ask) };
    const answer = [];
    let usage = null;
    seen.text = "";
    const note = (chunk) => {
      usage = chunk.usageMetadata ?? usage;
      const candidate = chunk.candidates?.[0];
      answer.push(...(candidate?.content?.parts ?? []));
      if (!candidate?.finishReason) return;
      seen.stops.push(candidate.finishReason);
      seen.models.push(chunk.modelVersion);
    };
    const said = (thought) => answer.filter((p) => p.text && Boolean(p.thought) === thought).map((p) => p.text).join("");
    if (ask.stream) {
      for await (const chunk of await this.api.models.generateContentStream(wish)) {
        const before = said(false).length;
        note(chunk);
        seen.text = said(false);
        seen.deltas += seen.text.length > before ? 1 : 0;
      }
    } else {
      note(await this.api.models.generateContent(wish));
      seen.text = said(false);
    }
    seen.thinking += said(true);
    const output = (usage?.candidatesTokenCount ?? 0) + (usage?.thoughtsTokenCount ?? 0);
    seen.usage.push(usage && { input: usage.promptTokenCount, output });
    return answer;
  }

  async embed() {
    const made = await this.api.models.embedContent({ model: "embed-small", contents: ["one", "two", "one"] });
    return made.embeddings.map((entry) => entry.values.map((v) => Math.round(v * 1000) / 1000));
  }

  async models() {
    const found = [];
    for await (const model of await this.api.models.list()) found.push(model.name.replace(/^models\//, ""));
    return found.sort();
  }

  async count() {
    return (await this.api.models.countTokens({ model: this.model, contents: "How many tokens are these?" })).totalTokens;
  }
}

function config(ask) {
  const wish = {};
  if (ask.tools) {
    const declared = TOOLS.map(({ name, description, parameters }) => ({ name, description, parametersJsonSchema: parameters }));
    wish.tools = [{ functionDeclarations: declared }];
  }
  if (ask.think) wish.thinkingConfig = { includeThoughts: true };
  if (ask.schema) Object.assign(wish, { responseMimeType: "application/json", responseJsonSchema: PERSON });
  return wish;
}

function parts(ask, prompt) {
  const text = { text: prompt };
  return ask.image ? [{ inlineData: { mimeType: "image/png", data: RED_DOT } }, text] : [text];
}

main((base, key, model) => new Client(base, key, model));
