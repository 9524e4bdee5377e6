"""DBOS for Python, in process: steps are functions of this program, the journal is PostgreSQL."""

import asyncio
import os
import pathlib
import sys
from concurrent.futures import ThreadPoolExecutor

from dbos import DBOS

sys.path.insert(0, str(pathlib.Path(__file__).parent.parent / "python"))
import driver

# As many threads as clients there are at most.
CLIENTS_MAX = 256

# How long an execution waits for a person.
PATIENCE_SECONDS = 3600

DBOS(
    config={
        "name": "bench",
        "application_version": "1",
        "system_database_url": os.environ["BENCH_DATABASE"],
        "run_admin_server": False,
        "log_level": "ERROR",
    }
)


@DBOS.step()
def add_one(n):
    return {"n": n + 1}


@DBOS.workflow()
def chain(length):
    n = 1
    for _ in range(length):
        n = add_one(n)["n"]
    return n


@DBOS.step()
async def add_one_async(n):
    return {"n": n + 1}


@DBOS.workflow()
async def fan(width):
    results = await asyncio.gather(*(add_one_async(n) for n in range(width)))
    return sum(result["n"] for result in results)


@DBOS.workflow()
async def diamond(n):
    requirements = await add_one_async(n)
    design = await add_one_async(requirements["n"])
    backend, _frontend = await asyncio.gather(
        add_one_async(design["n"]), add_one_async(design["n"])
    )
    testing = await add_one_async(backend["n"])
    review = await add_one_async(testing["n"])
    return review["n"]


# Ids of executions that have come to their checkpoint in this process.
waiting = set()


@DBOS.workflow()
async def checkpoint(n):
    draft = await add_one_async(n)
    waiting.add(DBOS.workflow_id)
    if await DBOS.recv_async(timeout_seconds=PATIENCE_SECONDS) != "approve":
        raise ValueError("nobody approved")
    return (await add_one_async(draft["n"]))["n"]


@DBOS.step()
async def wait_and_add_one(n):
    await asyncio.sleep(0.1)
    return {"n": n + 1}


@DBOS.workflow()
async def recovery(length):
    n = 1
    for _ in range(length):
        n = (await wait_and_add_one(n))["n"]
    return n


async def main():
    DBOS.launch()
    threads = ThreadPoolExecutor(CLIENTS_MAX)
    loop = asyncio.get_running_loop()

    def chain_of(length):
        async def call(_client):
            driver.check(await loop.run_in_executor(threads, chain, length), 1 + length)

        return call

    async def fan_of_100(_client):
        driver.check(await fan(100), 5050)

    async def six_nodes(_client):
        driver.check(await diamond(1), 6)

    async def start_checkpoint(_client):
        return await DBOS.start_workflow_async(checkpoint, 1)

    async def park(client):
        handle = await start_checkpoint(client)
        while handle.get_workflow_id() not in waiting:
            await asyncio.sleep(0.01)

    async def start_recovery(_client):
        await DBOS.start_workflow_async(recovery, 20)

    async def decided(client):
        handle = await start_checkpoint(client)
        await DBOS.send_async(handle.get_workflow_id(), "approve")
        driver.check(await handle.get_result(), 3)

    finished = await DBOS.start_workflow_async(diamond, 1)
    await finished.get_result()

    async def read(_client):
        status = await DBOS.get_workflow_status_async(finished.get_workflow_id())
        driver.check(status.status, "SUCCESS")

    workloads = {f"chain{length}": chain_of(length) for length in (3, 6, 30)}
    workloads |= {"fan100": fan_of_100, "diamond": six_nodes}
    workloads |= {"reads": read, "checkpoint": decided}
    starts = {"checkpoint": park, "recovery": start_recovery}
    await driver.serve(workloads, starts)


asyncio.run(main())
