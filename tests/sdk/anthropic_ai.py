"""Models, usage and limits of tokens, as an application with Anthropic's SDK sees them."""

import os
import time

import anthropic

url = os.environ["TIDEGATE_URL"]
client = anthropic.Anthropic(base_url=url, api_key="sk-of-the-sdk", max_retries=0, timeout=20)
trial = anthropic.Anthropic(base_url=url, api_key="sk-of-the-trial", max_retries=0, timeout=20)
call = {"model": "claude-sonnet-4.5", "max_tokens": 30, "messages": [{"role": "user", "content": "Say hello."}]}

# a message
raw = client.messages.with_raw_response.create(**call)
message = raw.parse()
assert message.content[0].text == "Hello." and message.stop_reason == "end_turn", message
assert message.usage.input_tokens == 10 and message.usage.cache_read_input_tokens == 100, message.usage
assert raw.headers["x-tidegate-model"] == "claude-sonnet-4.5", raw.headers
assert raw.headers["x-ratelimit-limit-tokens"] == "1000000", raw.headers

# its 130 tokens are counted, whatever of them came from a cache
for _ in range(400):
    raw = client.messages.with_raw_response.create(**call)
    if int(raw.headers["x-ratelimit-remaining-tokens"]) < 1_000_000 - 130:
        break
    time.sleep(0.01)
else:
    raise AssertionError(raw.headers)

# streams, both ways the SDK has
with client.messages.stream(**call) as stream:
    assert "".join(stream.text_stream) == "Hello."
    final = stream.get_final_message()
assert final.usage.output_tokens == 20 and final.stop_reason == "end_turn", final
with client.messages.create(stream=True, **call) as stream:
    kinds = [event.type for event in stream]
assert kinds[0] == "message_start" and kinds[-1] == "message_stop", kinds


def refused(kind, name, client, **changed):
    try:
        client.messages.create(**{**call, **changed})
    except kind as error:
        assert type(error) is kind, error
        assert error.body["type"] == "error" and error.body["error"]["type"] == name, error.body
        assert error.body["error"]["message"], error.body
        return error
    raise AssertionError(f"no {kind.__name__}")


stranger = anthropic.Anthropic(base_url=url, api_key="sk-unknown", max_retries=0, timeout=20)
for more in ({}, {"stream": True}):
    refused(anthropic.AuthenticationError, "authentication_error", stranger, **more)
    refused(anthropic.NotFoundError, "not_found_error", client, model="claude-nonsense", **more)
    refused(anthropic.PermissionDeniedError, "permission_error", trial, model="fast", **more)

# The plan has 50 tokens, the first call took 130.
trial.messages.create(**call)
for _ in range(400):
    try:
        trial.messages.create(**call)
    except anthropic.RateLimitError:
        break
    time.sleep(0.01)
for more in ({}, {"stream": True}):
    error = refused(anthropic.RateLimitError, "rate_limit_error", trial, **more)
    headers = error.response.headers
    assert 1 <= int(headers["retry-after"]) <= 120, headers
    assert headers["x-ratelimit-remaining-tokens"] == "0", headers
