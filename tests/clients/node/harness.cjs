// What every Node client of the tests does: reads the command line, runs scenarios, prints what the client saw: one
// JSON object per scenario and line, in the same form as python/harness.py. Nothing here knows any API.
"use strict";

const { createRequire } = require("node:module");
const { parseArgs } = require("node:util");

/** Loads a package from where setup.sh put it. */
const load = createRequire(`${process.env.LOCKGATE_CLIENTS}/package.json`);

const RED_DOT =
  "iVBORw0KGgoAAAANSUhEUgAAAAUAAAAFCAYAAACNbyblAAAAHElEQVQI12P4//8/w38GIAXDIBKE0DHxgljNBAAO9TXL0Y4OHwAAAABJRU5ErkJggg==";
const PERSON = {
  type: "object",
  properties: { name: { type: "string" }, age: { type: "integer" } },
  required: ["name", "age"],
  additionalProperties: false,
};
const CITY = { type: "object", properties: { city: { type: "string" } }, required: ["city"] };
const TOOLS = [
  { name: "get_weather", description: "The weather in a city.", parameters: CITY },
  { name: "get_time", description: "The time in a city.", parameters: CITY },
];
const RESULTS = { get_weather: "sunny", get_time: "12:00" };
const MOST_ROUNDS = 8;
const STREAMS = ["stream", "cut", "reset", "error-inside", "silence", "pause"];

/** The options of a scenario, by its name. */
function options(name) {
  const bare = name.replace(/-stream$/, "");
  const mark = name === "stream" ? "text" : bare;
  const thinks = mark.startsWith("think") || mark === "six";
  const prompts = [`[${mark}] Please answer.`, `[${mark}] And again, please.`];
  return {
    mark,
    stream: name !== bare || STREAMS.includes(name),
    tools: ["tools", "parallel", "think-tools", "six"].includes(mark),
    think: thinks,
    image: mark === "image",
    schema: mark === "structured",
    // Longest silence that the client puts up with, in milliseconds.
    patience: ["silence", "pause"].includes(mark) ? 8000 : 60000,
    prompts: prompts.slice(0, mark.startsWith("think") ? 2 : 1),
  };
}

/** What the client saw, as far as it came. */
class Seen {
  text = "";
  thinking = "";
  calls = [];
  usage = [];
  stops = [];
  models = [];
  deltas = 0;
  requests = 0;

  call(name, args) {
    this.calls.push({ name, args });
    return RESULTS[name] ?? "no such tool";
  }
}

/** An exception as the tests compare it: what a program can read off it. */
function failure(error) {
  const headers = error.headers ?? error.responseHeaders ?? {};
  const header = (name) => (typeof headers.get === "function" ? headers.get(name) : headers[name]) ?? null;
  const status = error.status ?? error.statusCode ?? error.status_code;
  return {
    class: error.constructor?.name ?? typeof error,
    status: typeof status === "number" ? status : null,
    type: error.type ?? error.error?.error?.type ?? null,
    message: String(error.message ?? error).slice(0, 600),
    request_id: error.requestID ?? error.request_id ?? header("x-request-id") ?? header("request-id"),
    retry_after: header("retry-after"),
  };
}

/** Twenty conversations at once, each of which must get its own answer. */
async function crowd(client) {
  const one = async (n) => {
    const seen = new Seen();
    const ask = options("text");
    await client.talk({ ...ask, prompts: [`[echo-${n}] Please answer.`], stream: n % 2 === 0 }, seen);
    return seen.text;
  };
  return { texts: await Promise.all(Array.from({ length: 20 }, (_, n) => one(n))) };
}

async function run(client, scenario) {
  const seen = new Seen();
  try {
    if (scenario === "crowd") return await crowd(client);
    if (["embed", "models", "count"].includes(scenario)) return { [scenario]: await client[scenario]() };
    await client.talk(options(scenario), seen);
  } catch (error) {
    return { ...seen, error: failure(error) };
  }
  return { ...seen };
}

/** `make(base, key, model)` gives the client. */
async function main(make) {
  const flags = { base: { type: "string" }, key: { type: "string" }, model: { type: "string" }, scenario: { type: "string" } };
  const { values } = parseArgs({ options: flags });
  const client = make(values.base, values.key, values.model);
  for (const scenario of values.scenario.split(",")) {
    const started = Date.now();
    const shown = await run(client, scenario);
    process.stdout.write(`${JSON.stringify({ scenario, took_ms: Date.now() - started, ...shown })}\n`);
  }
  process.exit(0);
}

module.exports = { load, main, MOST_ROUNDS, PERSON, RED_DOT, TOOLS };
