"""openai-python on Chat Completions, embeddings and models."""

import json

import harness
import openai


class Client:
    def __init__(self, base, key, model):
        self.model = model
        self.api = openai.OpenAI(base_url=f"{base}/v1", api_key=key, max_retries=0)

    def talk(self, ask, seen):
        messages = []
        for prompt in ask.prompts():
            messages.append({"role": "user", "content": content(ask, prompt)})
            for _ in range(harness.MOST_ROUNDS):
                message = self.turn(ask, seen, messages)
                messages.append(message.model_dump(exclude_none=True, exclude={"parsed"}))
                if not message.tool_calls:
                    break
                for call in message.tool_calls:
                    result = seen.call(call.function.name, json.loads(call.function.arguments))
                    messages.append({"role": "tool", "tool_call_id": call.id, "content": result})

    def turn(self, ask, seen, messages):
        seen.requests += 1
        api = self.api.with_options(timeout=ask.patience)
        wish = {"model": self.model, "messages": messages}
        if ask.tools:
            wish["tools"] = [{"type": "function", "function": tool} for tool in harness.TOOLS]
        if ask.think:
            wish["reasoning_effort"] = "medium"
        if ask.schema:
            schema = {"name": "person", "strict": True, "schema": harness.PERSON}
            wish["response_format"] = {"type": "json_schema", "json_schema": schema}
        if ask.stream:
            completion = streamed(api, seen, wish)
        else:
            completion = api.chat.completions.create(**wish)
        choice = completion.choices[0]
        seen.text = choice.message.content or ""
        seen.thinking += getattr(choice.message, "reasoning_content", None) or ""
        seen.stops.append(choice.finish_reason)
        seen.models.append(completion.model)
        usage = completion.usage
        seen.usage.append(usage and {"input": usage.prompt_tokens, "output": usage.completion_tokens})
        return choice.message

    def embed(self):
        # The SDK asks for base64 and turns it into numbers.
        made = self.api.embeddings.create(model="embed-small", input=["one", "two", "one"])
        return [[round(v, 3) for v in entry.embedding] for entry in made.data]

    def models(self):
        return sorted(model.id for model in self.api.models.list())


def content(ask, prompt):
    if not ask.image:
        return prompt
    url = f"data:image/png;base64,{harness.RED_DOT}"
    return [{"type": "text", "text": prompt}, {"type": "image_url", "image_url": {"url": url}}]


def streamed(api, seen, wish):
    with api.chat.completions.stream(**wish, stream_options={"include_usage": True}) as stream:
        for event in stream:
            if event.type == "content.delta":
                seen.deltas += 1
                seen.text = event.snapshot
        return stream.get_final_completion()


if __name__ == "__main__":
    harness.main(Client)
