"""What every Python client of the tests does: reads the command line, runs scenarios, prints what the client saw.

One JSON object per scenario and line. An SDK's file gives a class with `talk` (a conversation with the options of a
scenario) and, where the SDK has them, `embed`, `models` and `count`. Nothing here knows any API.
"""

import argparse
import json
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field

RED_DOT = (
    "iVBORw0KGgoAAAANSUhEUgAAAAUAAAAFCAYAAACNbyblAAAAHElEQVQI12P4//8/w38GIAXDIBKE0DHxgljNBAAO9TXL0Y4OHwAAAABJRU5ErkJggg=="
)
PERSON = {
    "type": "object",
    "properties": {"name": {"type": "string"}, "age": {"type": "integer"}},
    "required": ["name", "age"],
    "additionalProperties": False,
}
CITY = {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]}
TOOLS = [
    {"name": "get_weather", "description": "The weather in a city.", "parameters": CITY},
    {"name": "get_time", "description": "The time in a city.", "parameters": CITY},
]
RESULTS = {"get_weather": "sunny", "get_time": "12:00"}
MOST_ROUNDS = 8


@dataclass
class Ask:
    """The options of a scenario."""

    mark: str
    stream: bool = False
    tools: bool = False
    think: bool = False
    image: bool = False
    schema: bool = False
    # Longest silence that the client puts up with.
    patience: float = 60.0
    # Human turns, each after the answer to the one before.
    turns: int = 1

    def prompts(self):
        return [f"[{self.mark}] Please answer.", f"[{self.mark}] And again, please."][: self.turns]


@dataclass
class Seen:
    """What the client saw, as far as it came."""

    text: str = ""
    thinking: str = ""
    calls: list = field(default_factory=list)
    usage: list = field(default_factory=list)
    stops: list = field(default_factory=list)
    models: list = field(default_factory=list)
    # Pieces of text that came one by one.
    deltas: int = 0
    requests: int = 0

    def call(self, name, args):
        self.calls.append({"name": name, "args": args})
        return RESULTS.get(name, "no such tool")


def options(name):
    """The options of a scenario, by its name."""
    stream = name.endswith("-stream") or name in ("stream", "cut", "reset", "error-inside", "silence", "pause")
    mark = "text" if name == "stream" else name.removesuffix("-stream")
    thinks = mark.startswith("think") or mark == "six"
    return Ask(
        mark=mark,
        stream=stream,
        tools=mark in ("tools", "parallel", "think-tools", "six"),
        think=thinks,
        image=mark == "image",
        schema=mark == "structured",
        patience=8.0 if mark in ("silence", "pause") else 60.0,
        turns=2 if mark.startswith("think") else 1,
    )


def failure(error):
    """An exception as the tests compare it: what a program can read off it."""
    response = getattr(error, "response", None)
    headers = getattr(response, "headers", None) or {}
    status = next((v for v in (getattr(error, n, None) for n in ("status_code", "code")) if isinstance(v, int)), None)
    return {
        "class": type(error).__name__,
        "status": status,
        "type": getattr(error, "type", None) or getattr(error, "status", None),
        "message": str(error)[:600],
        "request_id": getattr(error, "request_id", None),
        "retry_after": headers.get("retry-after"),
    }


def crowd(client):
    """Twenty conversations at once, each of which must get its own answer."""

    def one(n):
        seen = Seen()
        client.talk(Ask(mark=f"echo-{n}", stream=n % 2 == 0), seen)
        return seen.text

    with ThreadPoolExecutor(20) as pool:
        return {"texts": list(pool.map(one, range(20)))}


def run(client, scenario):
    """What one scenario shows."""
    seen = Seen()
    try:
        if scenario == "crowd":
            return crowd(client)
        if scenario in ("embed", "models", "count"):
            return {scenario: getattr(client, scenario)()}
        client.talk(options(scenario), seen)
    except Exception as error:  # Whatever an SDK raises is a finding, not a fault of the harness.
        return {**vars(seen), "error": failure(error)}
    return vars(seen)


def main(make):
    """`make(base, key, model)` gives the client."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--base", required=True, help="http://host:port, without a path")
    parser.add_argument("--key", required=True)
    parser.add_argument("--model", required=True)
    parser.add_argument("--scenario", required=True, help="names, separated by commas")
    args = parser.parse_args()
    client = make(args.base, args.key, args.model)
    for scenario in args.scenario.split(","):
        started = time.monotonic()
        shown = run(client, scenario)
        took = round((time.monotonic() - started) * 1000)
        print(json.dumps({"scenario": scenario, "took_ms": took, **shown}))
        sys.stdout.flush()
