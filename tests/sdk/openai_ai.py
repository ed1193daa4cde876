"""Models, usage and limits of tokens, as an application with OpenAI's SDK sees them."""

import os
import time

import openai

url = os.environ["TIDEGATE_URL"] + "/v1"
client = openai.OpenAI(base_url=url, api_key="sk-of-the-sdk", max_retries=0, timeout=20)
trial = openai.OpenAI(base_url=url, api_key="sk-of-the-trial", max_retries=0, timeout=20)
messages = [{"role": "user", "content": "Say hello."}]


def left():
    """Tokens that the plan has left; asking for it takes none."""
    return int(client.models.with_raw_response.list().headers["x-ratelimit-remaining-tokens"])


def costs(before, tokens):
    """The last bytes of an answer are there a moment before it is settled."""
    for _ in range(400):
        if left() == before - tokens:
            return
        time.sleep(0.01)
    raise AssertionError((before, left(), tokens))


# chat, by the name of a model, an alias, and no name that matters
for asked, model in [("gpt-4.1", "gpt-4.1"), ("fast", "gpt-4.1-mini"), ("auto", "gpt-4.1")]:
    before = left()
    raw = client.chat.completions.with_raw_response.create(model=asked, messages=messages)
    chat = raw.parse()
    assert raw.headers["x-tidegate-model"] == model == chat.model, (asked, raw.headers, chat)
    assert raw.headers["x-ratelimit-limit-tokens"] == "1000000", raw.headers
    assert int(raw.headers["x-ratelimit-remaining-tokens"]) < before, raw.headers
    assert raw.headers["x-ratelimit-reset-tokens"].endswith("s"), raw.headers
    assert chat.usage.total_tokens > 0
    costs(before, chat.usage.total_tokens)
told = chat.usage.total_tokens

# stream: usage is counted, and not seen
before = left()
raw = client.chat.completions.with_raw_response.create(model="gpt-4.1", messages=messages, stream=True)
assert raw.headers["x-ratelimit-limit-tokens"] == "1000000", raw.headers
with raw.parse() as stream:
    chunks = list(stream)
assert "".join(chunk.choices[0].delta.content or "" for chunk in chunks)
assert all(chunk.choices and chunk.usage is None for chunk in chunks), chunks
costs(before, told)

# stream with usage: the last chunk has it and no choices
before = left()
with client.chat.completions.create(
    model="gpt-4.1", messages=messages, stream=True, stream_options={"include_usage": True}
) as stream:
    chunks = list(stream)
assert chunks[-1].choices == [] and chunks[-1].usage.total_tokens == told, chunks[-1]
costs(before, told)

# a stream that is left in the middle is paid for nevertheless
before = left()
with client.chat.completions.create(model="gpt-4.1", messages=messages, stream=True) as stream:
    for chunk in stream:
        if chunk.choices[0].delta.content:
            break
time.sleep(0.2)
assert left() < before

# responses
before = left()
response = client.responses.create(model="fast", input="Say hello.")
assert response.output_text == "Hello." and response.usage.total_tokens == 123 and response.model == "gpt-4.1-mini"
costs(before, 123)
before = left()
with client.responses.create(model="gpt-4.1", input="Say hello.", stream=True) as stream:
    events = list(stream)
assert [event.type for event in events] == ["response.output_text.delta", "response.completed"], events
assert events[-1].response.usage.output_tokens_details.reasoning_tokens == 40
costs(before, 123)

# embeddings
before = left()
embeddings = client.embeddings.create(model="text-embedding-3-small", input=["one", "two"])
assert len(embeddings.data) == 2
costs(before, embeddings.usage.total_tokens)

# an upload
before = left()
file = ("hello.mp3", b"not quite an mp3\r\n--\x00\xff" * 5000, "audio/mpeg")
text = client.audio.transcriptions.create(model="whisper-1", file=file)
assert text.text.endswith(" bytes"), text
costs(before, 59)

# models: those of the plan
listed = [model.id for model in client.models.list()]
assert sorted(listed) == ["claude-sonnet-4.5", "gpt-4.1", "gpt-4.1-mini", "text-embedding-3-small", "whisper-1"], listed
assert sorted(model.id for model in trial.models.list()) == ["claude-sonnet-4.5", "gpt-4.1"]


def refused(kind, client, **call):
    try:
        client.chat.completions.create(messages=messages, **call)
    except kind as error:
        assert type(error) is kind, error
        assert error.type and error.request_id and error.message, error
        return error
    raise AssertionError(f"no {kind.__name__}")


before = left()
for more in ({}, {"stream": True}):
    error = refused(openai.NotFoundError, client, model="gpt-5-nonsense", **more)
    assert error.status_code == 404 and error.code == "model_not_found", error
    error = refused(openai.PermissionDeniedError, trial, model="gpt-4.1-mini", **more)
    assert error.status_code == 403 and error.code == "forbidden", error
assert left() == before

# more than the plan has: one at a time, as long as there is something left
for _ in range(20):
    try:
        trial.chat.completions.create(model="gpt-4.1", messages=messages, max_tokens=1)
    except openai.RateLimitError:
        break
    time.sleep(0.05)
else:
    raise AssertionError("nothing was ever refused")
for more in ({}, {"stream": True}):
    error = refused(openai.RateLimitError, trial, model="gpt-4.1", max_tokens=50, **more)
    assert error.status_code == 429 and error.code == "rate_limit_exceeded", error
    headers = error.response.headers
    assert 1 <= int(headers["retry-after"]) <= 120, headers
    assert headers["x-ratelimit-limit-tokens"] == "50" and int(headers["x-ratelimit-remaining-tokens"]) < 50, headers
