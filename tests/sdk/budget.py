"""A budget that is used up, and one that calls in flight hold, as applications with the SDKs see them."""

import os
import threading
import time

import anthropic
import openai

url = os.environ["TIDEGATE_URL"]
messages = [{"role": "user", "content": "Say hello."}]


def client(key, retries):
    return openai.OpenAI(base_url=url + "/v1", api_key=key, max_retries=retries, timeout=20)


def spend(of, tokens, most=None, slow="no"):
    """A token is a micro-dollar."""
    metadata = {"metadata": {"completion": tokens, "slow": slow}}
    return of.chat.completions.with_raw_response.create(
        model="exact", messages=messages, max_tokens=most or tokens, extra_body=metadata
    )


# What it cost is in a header.
raw = spend(client("sk-app", 5), 600)
assert raw.headers["x-tidegate-cost"] == "0.000600", raw.headers
assert raw.parse().usage.completion_tokens == 600

# A call that could need all that there is: another one is told to wait, does so by itself, and passes.
other = client("sk-other", 5)
slow = threading.Thread(target=lambda: spend(other, 300, most=64_000, slow="yes"))
slow.start()
time.sleep(0.2)
begun = time.monotonic()
raw = spend(other, 200)
assert raw.parse().usage.completion_tokens == 200
assert time.monotonic() - begun > 0.3, "nobody waited"
slow.join()

# Who may ask for far more than there is gets what it takes. Two of them, of which the second takes the rest.
for tokens in (100, 300):
    raw = spend(client("sk-app", 5), tokens, most=100_000_000)
    assert raw.parse().usage.completion_tokens == tokens

# Used up: an exception at once, however often the SDK may try again.
time.sleep(0.1)
for more in ({}, {"stream": True}):
    try:
        client("sk-app", 5).chat.completions.create(model="exact", messages=messages, max_tokens=9, **more)
    except openai.RateLimitError as error:
        assert type(error) is openai.RateLimitError, error
        assert (error.status_code, error.code, error.type) == (429, "insufficient_quota", "insufficient_quota"), error
        assert "budget" in error.message and error.request_id, error
    else:
        raise AssertionError("it was let through")

# The same for Anthropic's.
try:
    anthropic.Anthropic(base_url=url, api_key="sk-app", max_retries=5, timeout=20).messages.create(
        model="claude-sonnet-4.5", max_tokens=9, messages=messages
    )
except anthropic.RateLimitError as error:
    assert type(error) is anthropic.RateLimitError and "budget" in error.message, error
else:
    raise AssertionError("it was let through")

# Others go on.
spend(client("sk-free", 0), 100)
