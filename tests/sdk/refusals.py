"""What is refused reaches an application as the exception that the SDK has for it."""

import os

import openai

url = os.environ["TIDEGATE_URL"]
messages = [{"role": "user", "content": "Say hello."}]


def refused(kind, key, **more):
    client = openai.OpenAI(base_url=url, api_key=key, max_retries=0, timeout=20)
    try:
        client.chat.completions.create(model="gpt-4.1", messages=messages, **more)
    except kind as error:
        assert type(error) is kind, error
        return error
    raise AssertionError(f"no {kind.__name__}")


# a wrong key, plain and streamed
for more in ({}, {"stream": True}):
    error = refused(openai.AuthenticationError, "sk-unknown", **more)
    assert error.status_code == 401 and error.code == "invalid_api_key", error
    assert error.type and error.request_id, error
    assert "sk-unknown" not in str(error), error

# the plan of this key admits two requests a minute
client = openai.OpenAI(base_url=url, api_key="sk-of-the-trial", max_retries=0, timeout=20)
for left in ("1", "0"):
    raw = client.chat.completions.with_raw_response.create(model="gpt-4.1", messages=messages)
    assert raw.headers["x-ratelimit-limit-requests"] == "2", raw.headers
    assert raw.headers["x-ratelimit-remaining-requests"] == left, raw.headers
for more in ({}, {"stream": True}):
    error = refused(openai.RateLimitError, "sk-of-the-trial", **more)
    assert error.status_code == 429 and error.code == "rate_limit_exceeded", error
    assert 1 <= int(error.response.headers["retry-after"]) <= 120, error.response.headers
    assert error.response.headers["x-ratelimit-remaining-requests"] == "0"

# another key is not concerned
openai.OpenAI(base_url=url, api_key="sk-of-the-sdk", max_retries=0).models.list()
