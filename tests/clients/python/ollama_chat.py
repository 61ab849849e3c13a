"""ollama-python: chat, embed and the list of models."""

import harness
import ollama


class Client:
    def __init__(self, base, key, model):
        self.model = model
        self.base, self.key = base, key
        self.api = self.with_patience(60.0)

    def with_patience(self, seconds):
        return ollama.Client(host=self.base, headers={"Authorization": f"Bearer {self.key}"}, timeout=seconds)

    def talk(self, ask, seen):
        api = self.with_patience(ask.patience)
        messages = []
        for prompt in ask.prompts():
            message = {"role": "user", "content": prompt}
            messages.append({**message, "images": [harness.RED_DOT]} if ask.image else message)
            for _ in range(harness.MOST_ROUNDS):
                answer = turn(api, self.model, ask, seen, messages)
                messages.append(answer)
                if not answer.get("tool_calls"):
                    break
                for call in answer["tool_calls"]:
                    result = seen.call(call.function.name, dict(call.function.arguments))
                    messages.append({"role": "tool", "tool_name": call.function.name, "content": result})

    def embed(self):
        made = self.api.embed(model="embed-small", input=["one", "two", "one"])
        return [[round(v, 3) for v in entry] for entry in made.embeddings]

    def models(self):
        return sorted(model.model for model in self.api.list().models)


def turn(api, model, ask, seen, messages):
    seen.requests += 1
    wish = {"model": model, "messages": messages, "stream": ask.stream}
    if ask.tools:
        wish["tools"] = [{"type": "function", "function": tool} for tool in harness.TOOLS]
    if ask.think:
        wish["think"] = True
    if ask.schema:
        wish["format"] = harness.PERSON
    answered = api.chat(**wish)
    seen.text, thinking, calls, last = "", "", [], None
    for chunk in answered if ask.stream else [answered]:
        last = chunk
        seen.text += chunk.message.content or ""
        seen.deltas += bool(ask.stream and chunk.message.content)
        thinking += chunk.message.thinking or ""
        calls.extend(chunk.message.tool_calls or [])
    seen.thinking += thinking
    seen.stops.append(last.done_reason if last.done else "not done")
    seen.models.append(last.model)
    seen.usage.append({"input": last.prompt_eval_count, "output": last.eval_count})
    message = {"role": "assistant", "content": seen.text}
    return message | ({"thinking": thinking} if thinking else {}) | ({"tool_calls": calls} if calls else {})


if __name__ == "__main__":
    harness.main(Client)
