"""A stream whose provider is killed in the middle raises; it does not look complete."""

import os
import sys

import openai

client = openai.OpenAI(base_url=os.environ["TIDEGATE_LONE_URL"], api_key="sk-of-the-sdk", max_retries=0, timeout=20)
messages = [{"role": "user", "content": "Say hello."}]

chunks = []
try:
    with client.chat.completions.create(model="gpt-4.1", messages=messages, stream=True) as stream:
        for chunk in stream:
            chunks.append(chunk)
            if len(chunks) == 5:
                print("kill the provider", flush=True)
                sys.stdin.readline()
except openai.APIError as error:
    # Not a broken connection: an error event, with the code of the contract.
    assert error.code == "upstream_error", error
else:
    raise AssertionError(f"{len(chunks)} chunks, and an end that looks like one")
assert 5 <= len(chunks) < 1000, len(chunks)
assert all(not chunk.choices or chunk.choices[0].finish_reason is None for chunk in chunks)
