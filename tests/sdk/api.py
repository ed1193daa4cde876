"""What an application does with the official SDK: nothing but base_url differs."""

import os

import openai

client = openai.OpenAI(base_url=os.environ["TIDEGATE_URL"], api_key="sk-of-the-sdk", max_retries=0, timeout=20)
messages = [{"role": "user", "content": "Say hello."}]

# chat
chat = client.chat.completions.create(model="gpt-4.1", messages=messages)
assert chat.object == "chat.completion", chat
assert chat.choices[0].message.content and chat.choices[0].finish_reason == "stop", chat
assert chat.usage.total_tokens == chat.usage.prompt_tokens + chat.usage.completion_tokens > 0, chat

# the same, with what HTTP says about it
raw = client.chat.completions.with_raw_response.create(
    model="gpt-4.1", messages=messages, extra_headers={"x-request-id": "from-the-sdk"}
)
assert raw.headers["x-request-id"] == "from-the-sdk", raw.headers
assert raw.headers["x-upstream-request-id"], raw.headers
assert int(raw.headers["x-ratelimit-remaining-requests"]) < 100000, raw.headers
assert raw.parse()._request_id == "from-the-sdk"

# stream
with client.chat.completions.create(model="gpt-4.1", messages=messages, stream=True) as stream:
    chunks = list(stream)
text = "".join(chunk.choices[0].delta.content or "" for chunk in chunks if chunk.choices)
assert text and len(chunks) > 2, chunks
assert chunks[-1].choices[0].finish_reason == "stop", chunks[-1]
assert all(chunk.usage is None for chunk in chunks)

# stream with usage: the last chunk has it and no choices
with client.chat.completions.create(
    model="gpt-4.1", messages=messages, stream=True, stream_options={"include_usage": True}
) as stream:
    chunks = list(stream)
assert chunks[-1].choices == [] and chunks[-1].usage.total_tokens > 0, chunks[-1]

# embeddings, of more text than a buffer holds
long = "word " * 60_000
embeddings = client.embeddings.create(model="text-embedding-3-small", input=["one", "two", long])
assert [item.index for item in embeddings.data] == [0, 1, 2]
assert all(len(item.embedding) > 0 for item in embeddings.data)

# models
models = [model.id for model in client.models.list()]
assert models and client.models.retrieve(models[0]).id == models[0], models
