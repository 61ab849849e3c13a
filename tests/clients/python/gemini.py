"""google-genai for Python: generateContent, streamed and whole, embeddings, models, countTokens."""

import base64

import harness
from google import genai
from google.genai import types


class Client:
    def __init__(self, base, key, model):
        self.model = model
        self.base, self.key = base, key
        self.api = self.with_patience(60.0)

    def with_patience(self, seconds):
        once = types.HttpRetryOptions(attempts=1)
        http = types.HttpOptions(base_url=self.base, timeout=int(seconds * 1000), retry_options=once)
        return genai.Client(api_key=self.key, http_options=http)

    def talk(self, ask, seen):
        contents = []
        for prompt in ask.prompts():
            contents.append(types.Content(role="user", parts=parts(ask, prompt)))
            for _ in range(harness.MOST_ROUNDS):
                answer = self.turn(ask, seen, contents)
                contents.append(types.Content(role="model", parts=answer))
                calls = [part.function_call for part in answer if part.function_call]
                if not calls:
                    break
                results = [
                    types.FunctionResponse(id=call.id, name=call.name, response={"output": seen.call(call.name, call.args)})
                    for call in calls
                ]
                contents.append(types.Content(role="user", parts=[types.Part(function_response=r) for r in results]))

    def turn(self, ask, seen, contents):
        seen.requests += 1
        wish = {"model": self.model, "contents": contents, "config": config(ask)}
        # The SDK's timeout is for the whole call, so a scenario's patience cannot be set.
        if ask.stream:
            answer, usage = [], None
            seen.text = ""
            for chunk in self.api.models.generate_content_stream(**wish):
                usage = chunk.usage_metadata or usage
                note(seen, chunk)
                found = chunk.candidates[0].content if chunk.candidates else None
                for part in (found and found.parts) or []:
                    answer.append(part)
                    if part.text and not part.thought:
                        seen.deltas += 1
                        seen.text += part.text
        else:
            whole = self.api.models.generate_content(**wish)
            note(seen, whole)
            usage = whole.usage_metadata
            answer = whole.candidates[0].content.parts or []
            seen.text = "".join(part.text for part in answer if part.text and not part.thought)
        seen.thinking += "".join(part.text for part in answer if part.text and part.thought)
        output = (usage.candidates_token_count or 0) + (usage.thoughts_token_count or 0) if usage else 0
        seen.usage.append(usage and {"input": usage.prompt_token_count, "output": output})
        return answer

    def embed(self):
        made = self.api.models.embed_content(model="embed-small", contents=["one", "two", "one"])
        return [[round(v, 3) for v in entry.values] for entry in made.embeddings]

    def models(self):
        return sorted(model.name.removeprefix("models/") for model in self.api.models.list())

    def count(self):
        return self.api.models.count_tokens(model=self.model, contents="How many tokens are these?").total_tokens


def note(seen, chunk):
    reason = chunk.candidates[0].finish_reason if chunk.candidates else None
    if reason:
        seen.stops.append(reason.value)
        seen.models.append(chunk.model_version)


def config(ask):
    wish = {}
    if ask.tools:
        declared = [
            types.FunctionDeclaration(
                name=tool["name"], description=tool["description"], parameters_json_schema=tool["parameters"]
            )
            for tool in harness.TOOLS
        ]
        wish["tools"] = [types.Tool(function_declarations=declared)]
        wish["automatic_function_calling"] = types.AutomaticFunctionCallingConfig(disable=True)
    if ask.think:
        wish["thinking_config"] = types.ThinkingConfig(include_thoughts=True)
    if ask.schema:
        wish |= {"response_mime_type": "application/json", "response_json_schema": harness.PERSON}
    return types.GenerateContentConfig(**wish)


def parts(ask, prompt):
    found = [types.Part.from_text(text=prompt)]
    if ask.image:
        found.insert(0, types.Part.from_bytes(data=base64.b64decode(harness.RED_DOT), mime_type="image/png"))
    return found


if __name__ == "__main__":
    harness.main(Client)
