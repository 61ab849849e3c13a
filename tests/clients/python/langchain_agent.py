"""LangChain's chat models and its agent loop, over the OpenAI and the Anthropic dialect (`--model openai/M`, `anthropic/M`)."""

import harness
from langchain.agents import create_agent
from langchain_anthropic import ChatAnthropic
from langchain_core.tools import tool
from langchain_openai import ChatOpenAI


class Client:
    def __init__(self, base, key, model):
        self.kind, _, self.name = model.partition("/")
        self.base, self.key = base, key

    def chat(self, ask):
        if self.kind == "anthropic":
            thinking = {"type": "enabled", "budget_tokens": 2048} if ask.think else None
            return ChatAnthropic(
                base_url=self.base, api_key=self.key, model=self.name, max_retries=0, timeout=ask.patience,
                max_tokens=4096, thinking=thinking,
            )
        return ChatOpenAI(
            base_url=f"{self.base}/v1", api_key=self.key, model=self.name, max_retries=0, timeout=ask.patience,
            stream_usage=True,
        )

    def talk(self, ask, seen):
        chat = self.chat(ask)
        if ask.schema:
            seen.requests += 1
            found = chat.with_structured_output(harness.PERSON | {"title": "person"}, method="json_schema").invoke(ask.prompts())
            seen.text = f'{{"name": "{found["name"]}", "age": {found["age"]}}}'
        elif ask.tools:
            self.loop(chat, ask, seen)
        else:
            plain(chat, ask, seen)

    def loop(self, chat, ask, seen):
        @tool
        def get_weather(city: str) -> str:
            """The weather in a city."""
            return seen.call("get_weather", {"city": city})

        @tool
        def get_time(city: str) -> str:
            """The time in a city."""
            return seen.call("get_time", {"city": city})

        agent = create_agent(chat, [get_weather, get_time])
        messages = []
        for prompt in ask.prompts():
            messages.append({"role": "user", "content": prompt})
            if ask.stream:
                for mode, step in agent.stream({"messages": messages}, stream_mode=["messages", "values"]):
                    if mode == "messages":
                        seen.deltas += bool(step[0].type == "AIMessageChunk" and step[0].text)
                    else:
                        messages = step["messages"]
            else:
                messages = agent.invoke({"messages": messages})["messages"]
        answers = [message for message in messages if message.type == "ai"]
        for answer in answers:
            seen.requests += 1
            note(seen, answer)


def plain(chat, ask, seen):
    messages = []
    for prompt in ask.prompts():
        seen.requests += 1
        seen.text = ""
        messages.append({"role": "user", "content": content(ask, prompt)})
        if ask.stream:
            whole = None
            for chunk in chat.stream(messages):
                seen.deltas += bool(chunk.text)
                seen.text += chunk.text
                whole = chunk if whole is None else whole + chunk
        else:
            whole = chat.invoke(messages)
        messages.append(whole)
        note(seen, whole)


def note(seen, message):
    seen.text = message.text
    for block in message.content_blocks:
        if block["type"] == "reasoning":
            seen.thinking += block.get("reasoning", "")
    usage = message.usage_metadata
    seen.usage.append(usage and {"input": usage["input_tokens"], "output": usage["output_tokens"]})
    about = message.response_metadata
    seen.stops.append(about.get("finish_reason") or about.get("stop_reason"))
    seen.models.append(about.get("model_name"))


def content(ask, prompt):
    if not ask.image:
        return prompt
    image = {"type": "image", "base64": harness.RED_DOT, "mime_type": "image/png"}
    return [{"type": "text", "text": prompt}, image]


if __name__ == "__main__":
    harness.main(Client)
