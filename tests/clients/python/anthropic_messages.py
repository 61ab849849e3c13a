"""anthropic-python on Messages, count_tokens and models."""

import anthropic
import harness


class Client:
    def __init__(self, base, key, model):
        self.model = model
        self.api = anthropic.Anthropic(base_url=base, api_key=key, max_retries=0)

    def talk(self, ask, seen):
        messages = []
        for prompt in ask.prompts():
            messages.append({"role": "user", "content": content(ask, prompt)})
            for _ in range(harness.MOST_ROUNDS):
                message = self.turn(ask, seen, messages)
                messages.append({"role": "assistant", "content": message.content})
                calls = [block for block in message.content if block.type == "tool_use"]
                if not calls:
                    break
                results = [(call.id, seen.call(call.name, call.input)) for call in calls]
                blocks = [{"type": "tool_result", "tool_use_id": i, "content": r} for i, r in results]
                messages.append({"role": "user", "content": blocks})

    def turn(self, ask, seen, messages):
        seen.requests += 1
        api = self.api.with_options(timeout=ask.patience)
        wish = {"model": self.model, "max_tokens": 4096, "messages": messages}
        if ask.tools:
            wish["tools"] = tools()
        if ask.think:
            wish["thinking"] = {"type": "enabled", "budget_tokens": 2048}
        if ask.schema:
            wish["output_config"] = {"format": {"type": "json_schema", "schema": harness.PERSON}}
        if ask.stream:
            with api.messages.stream(**wish) as stream:
                for text in stream.text_stream:
                    seen.deltas += 1
                    seen.text += text
                message = stream.get_final_message()
        else:
            message = api.messages.create(**wish)
        seen.text = "".join(block.text for block in message.content if block.type == "text")
        seen.thinking += "".join(block.thinking for block in message.content if block.type == "thinking")
        seen.stops.append(message.stop_reason)
        seen.models.append(message.model)
        seen.usage.append({"input": message.usage.input_tokens, "output": message.usage.output_tokens})
        return message

    def models(self):
        return sorted(model.id for model in self.api.models.list())

    def count(self):
        messages = [{"role": "user", "content": "How many tokens are these?"}]
        return self.api.messages.count_tokens(model=self.model, messages=messages, tools=tools()).input_tokens


def tools():
    return [
        {"name": tool["name"], "description": tool["description"], "input_schema": tool["parameters"]}
        for tool in harness.TOOLS
    ]


def content(ask, prompt):
    if not ask.image:
        return prompt
    source = {"type": "base64", "media_type": "image/png", "data": harness.RED_DOT}
    return [{"type": "image", "source": source}, {"type": "text", "text": prompt}]


if __name__ == "__main__":
    harness.main(Client)
