"""Streams of a provider that begin badly, while another provider is well: an application sees nothing of it."""

import json
import os
import urllib.request

import openai

client = openai.OpenAI(base_url=os.environ["TIDEGATE_URL"], api_key="sk-of-the-sdk", max_retries=0, timeout=20)
messages = [{"role": "user", "content": "Say hello."}]


def bad(faults):
    """What the provider that is asked first does to the next requests."""
    body = json.dumps(faults).encode()
    request = urllib.request.Request(os.environ["TIDEGATE_MOCK_URL"] + "/mock/faults", body, {"content-type": "application/json"})
    urllib.request.build_opener(urllib.request.ProxyHandler({})).open(request, timeout=20).close()


for faults in [
    {"stall_after_head": True},
    {"stall_before_content": True},
    {"cut_before_content": True},
    {"cut_before_head": True},
    {"error_event": 500},
    {"error_event": 429},
    {"status": 429},
    {"garbage": True},
]:
    bad(faults)
    raw = client.chat.completions.with_raw_response.create(model="gpt-4.1", messages=messages, stream=True)
    assert raw.headers["x-tidegate-attempts"] == "2", (faults, raw.headers)
    with raw.parse() as stream:
        chunks = list(stream)
    roles = [chunk for chunk in chunks if chunk.choices and chunk.choices[0].delta.role]
    text = "".join(chunk.choices[0].delta.content or "" for chunk in chunks if chunk.choices)
    assert text and len(roles) == 1 and chunks[-1].choices[0].finish_reason == "stop", (faults, chunks)
    assert len({chunk.id for chunk in chunks}) == 1, (faults, chunks)

# No retry helps where the request is wrong: the SDK raises what the provider said in its stream.
bad({"error_event": 400})
with client.chat.completions.create(model="gpt-4.1", messages=messages, stream=True) as stream:
    try:
        list(stream)
    except openai.APIError:
        pass
    else:
        raise AssertionError("the error event was lost")

# Nobody is left: the SDK gets an error with a status before any chunk.
lone = client.with_options(base_url=os.environ["TIDEGATE_LONE_URL"])
for faults, error in [({"cut_before_content": True}, 502), ({"stall_before_content": True}, 504)]:
    bad(faults)
    try:
        lone.chat.completions.create(model="gpt-4.1", messages=messages, stream=True)
    except openai.APIStatusError as raised:
        assert raised.status_code == error and raised.body["code"].startswith("upstream_"), (faults, raised.body)
    else:
        raise AssertionError(faults)
