"""openai-python on Responses, stateless: encrypted reasoning goes back with each turn."""

import json

import harness
import openai


class Client:
    def __init__(self, base, key, model):
        self.model = model
        self.api = openai.OpenAI(base_url=f"{base}/v1", api_key=key, max_retries=0)

    def talk(self, ask, seen):
        items = []
        for prompt in ask.prompts():
            items.append({"role": "user", "content": content(ask, prompt)})
            for _ in range(harness.MOST_ROUNDS):
                output = self.turn(ask, seen, items)
                items.extend(sent_back(item) for item in output)
                calls = [item for item in output if item.type == "function_call"]
                if not calls:
                    break
                for call in calls:
                    result = seen.call(call.name, json.loads(call.arguments))
                    items.append({"type": "function_call_output", "call_id": call.call_id, "output": result})

    def turn(self, ask, seen, items):
        seen.requests += 1
        api = self.api.with_options(timeout=ask.patience)
        wish = {"model": self.model, "input": items, "store": False}
        if ask.tools:
            wish["tools"] = [{"type": "function", "strict": False, **tool} for tool in harness.TOOLS]
        if ask.think:
            wish["reasoning"] = {"effort": "medium", "summary": "auto"}
            wish["include"] = ["reasoning.encrypted_content"]
        if ask.schema:
            wish["text"] = {
                "format": {"type": "json_schema", "name": "person", "strict": True, "schema": harness.PERSON}
            }
        response = streamed(api, seen, wish) if ask.stream else api.responses.create(**wish)
        seen.text = response.output_text
        for item in response.output:
            if item.type == "reasoning":
                seen.thinking += "".join(part.text for part in item.summary)
        seen.stops.append(response.status)
        seen.models.append(response.model)
        usage = response.usage
        seen.usage.append(usage and {"input": usage.input_tokens, "output": usage.output_tokens})
        return response.output


def content(ask, prompt):
    text = {"type": "input_text", "text": prompt}
    if not ask.image:
        return [text]
    url = f"data:image/png;base64,{harness.RED_DOT}"
    return [text, {"type": "input_image", "image_url": url, "detail": "auto"}]


def sent_back(item):
    return item.model_dump(exclude_none=True, exclude={"parsed_arguments", "status"})


def streamed(api, seen, wish):
    with api.responses.stream(**wish) as stream:
        for event in stream:
            if event.type == "response.output_text.delta":
                seen.deltas += 1
                seen.text += event.delta
            if event.type == "error":
                raise openai.APIError(event.message, request=None, body=event.model_dump())
            if event.type == "response.failed":
                raise openai.APIError(event.response.error.message, request=None, body=event.response.error.model_dump())
        return stream.get_final_response()


if __name__ == "__main__":
    harness.main(Client)
