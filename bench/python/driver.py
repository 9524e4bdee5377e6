"""Clients in the process of the engine, driven by JSON lines: the Python half of the harness.

A line on standard input is `{"workload", "clients", "seconds", "beside"}`, where `beside` is how many
clients run `chain3` meanwhile, or `{"start", "count"}`, of which workload to start how many
executions that nobody waits for; it is answered by one line, `{"micros", "took_micros"}` or
`{"error"}`. The first line says `{"ready": true}`.
"""

import asyncio
import json
import sys
import time


# Clients that start what nobody waits for.
STARTERS = 16


class CannotBe(Exception):
    """The engine has nothing like it; says why."""


def say(answer):
    sys.stdout.write(json.dumps(answer) + "\n")
    sys.stdout.flush()


async def run(call, clients, seconds, beside, chain):
    """Each client makes the next call when its last is over; at least one each. Others run chains
    until the last of them is done."""
    micros = []
    started = time.perf_counter()
    done = asyncio.Event()

    async def client(number):
        while True:
            one = time.perf_counter()
            await call(number)
            ended = time.perf_counter()
            micros.append(round((ended - one) * 1e6))
            if ended - started >= seconds:
                return

    async def neighbour(number):
        while not done.is_set():
            await chain(number)

    neighbours = asyncio.gather(*(neighbour(number) for number in range(beside)))
    await asyncio.gather(*(client(number) for number in range(clients)))
    took = time.perf_counter() - started
    done.set()
    await neighbours
    return {"micros": micros, "took_micros": round(took * 1e6)}


async def start_many(start, count):
    started = time.perf_counter()
    numbers = iter(range(count))

    async def starter(number):
        for _ in numbers:
            await start(number)

    await asyncio.gather(*(starter(number) for number in range(STARTERS)))
    return {"micros": [], "took_micros": round((time.perf_counter() - started) * 1e6)}


async def serve(workloads, starts):
    """`workloads` has a function for each name: it runs one execution for the client of a number,
    from its start to its result, and raises when anything is not as it should be. Those in `starts`
    do not wait for the result."""
    say({"ready": True})
    loop = asyncio.get_running_loop()
    while line := await loop.run_in_executor(None, sys.stdin.readline):
        asked = json.loads(line)
        try:
            if "start" in asked:
                say(await start_many(starts[asked["start"]], asked["count"]))
                continue
            call, chain = workloads[asked["workload"]], workloads["chain3"]
            say(await run(call, asked["clients"], asked["seconds"], asked["beside"], chain))
        except CannotBe as error:
            say({"error": str(error)})
        except Exception as error:
            say({"error": f"{type(error).__name__}: {error}"})


def check(result, expected):
    if result != expected:
        raise ValueError(f"the result is {result}, not {expected}")
