"""200 requests without retries of the SDK's own, from 8 threads, while one of three providers is killed: no failure."""

import os
import sys
import threading
from concurrent.futures import ThreadPoolExecutor

import openai

client = openai.OpenAI(base_url=os.environ["TIDEGATE_URL"], api_key="sk-of-the-sdk", max_retries=0, timeout=20)
messages = [{"role": "user", "content": "Say hello."}]
killed = threading.Event()


def one(number):
    if number == 100:
        # The others go on while the provider dies.
        print("kill one", flush=True)
        sys.stdin.readline()
        killed.set()
    raw = client.chat.completions.with_raw_response.create(model="gpt-4.1", messages=messages)
    assert raw.parse().choices[0].message.content
    return killed.is_set(), raw.headers["x-mock-server"]


with ThreadPoolExecutor(8) as pool:
    answers = list(pool.map(one, range(200)))
before = {server for after, server in answers if not after}
late = {server for after, server in answers[-40:] if after}
assert before == {"alpha", "beta", "gamma"}, before
assert late == {"alpha", "gamma"}, late
