"""LangGraph, in process: nodes are functions of this program, checkpoints go to PostgreSQL and are
waited for (`durability="sync"`)."""

import asyncio
import operator
import os
import pathlib
import sys
import uuid
from typing import Annotated, TypedDict

from langgraph.checkpoint.postgres.aio import AsyncPostgresSaver
from langgraph.graph import END, START, StateGraph
from langgraph.types import Command, Send, interrupt
from psycopg.rows import dict_row
from psycopg_pool import AsyncConnectionPool

sys.path.insert(0, str(pathlib.Path(__file__).parent.parent / "python"))
import driver

# Connections of all clients together.
POOL = 20


class Number(TypedDict):
    n: int


class Numbers(TypedDict):
    numbers: Annotated[list, operator.add]
    sum: int


async def add_one(state):
    return {"n": state["n"] + 1}


def chain(length):
    graph = StateGraph(Number)
    before = START
    for place in range(length):
        graph.add_node(f"s{place}", add_one)
        graph.add_edge(before, f"s{place}")
        before = f"s{place}"
    graph.add_edge(before, END)
    return graph


def fan(width):
    async def work(n):
        return {"numbers": [n + 1]}

    async def join(state):
        return {"sum": sum(state["numbers"])}

    graph = StateGraph(Numbers)
    graph.add_node("work", work)
    graph.add_node("join", join)
    each = lambda _state: [Send("work", n) for n in range(width)]
    graph.add_conditional_edges(START, each, ["work"])
    graph.add_edge("work", "join")
    graph.add_edge("join", END)
    return graph


def diamond():
    async def nothing(_state):
        return {}

    graph = StateGraph(Number)
    for name in ("requirements", "design", "backend", "testing", "review"):
        graph.add_node(name, add_one)
    # Two nodes may not write the same value in one step.
    graph.add_node("frontend", nothing)
    graph.add_edge(START, "requirements")
    graph.add_edge("requirements", "design")
    graph.add_edge("design", "backend")
    graph.add_edge("design", "frontend")
    graph.add_edge(["backend", "frontend"], "testing")
    graph.add_edge("testing", "review")
    graph.add_edge("review", END)
    return graph


def reviewed():
    async def review(state):
        if interrupt("Is it right?") != "approve":
            raise ValueError("nobody approved")
        return {}

    graph = StateGraph(Number)
    graph.add_node("draft", add_one)
    graph.add_node("review", review)
    graph.add_node("last", add_one)
    graph.add_edge(START, "draft")
    graph.add_edge("draft", "review")
    graph.add_edge("review", "last")
    graph.add_edge("last", END)
    return graph


def new_thread():
    return {"configurable": {"thread_id": str(uuid.uuid4())}}


class Clients:
    """A compiled graph for each client, since one saver lets only one at a time to the database."""

    def __init__(self, pool, graph):
        self.pool = pool
        self.graph = graph
        self.graphs = {}

    def of(self, client):
        if client not in self.graphs:
            self.graphs[client] = self.graph.compile(checkpointer=AsyncPostgresSaver(self.pool))
        return self.graphs[client]

    async def run(self, client, *states):
        """Gives each state in turn to one new thread; gives its last state."""
        thread = new_thread()
        for state in states:
            result = await self.of(client).ainvoke(state, thread, durability="sync")
        return result


async def main():
    settings = {"autocommit": True, "prepare_threshold": 0, "row_factory": dict_row}
    async with AsyncConnectionPool(
        os.environ["BENCH_DATABASE"], min_size=POOL, max_size=POOL, kwargs=settings
    ) as pool:
        await AsyncPostgresSaver(pool).setup()

        def workload(graph, state, result, expected, *decisions):
            clients = Clients(pool, graph)

            async def call(client):
                ended = await clients.run(client, state, *decisions)
                driver.check(ended[result], expected)

            return call

        workloads = {
            f"chain{length}": workload(chain(length), {"n": 1}, "n", 1 + length)
            for length in (3, 6, 30)
        }
        workloads["fan100"] = workload(fan(100), {"numbers": []}, "sum", 5050)
        workloads["diamond"] = workload(diamond(), {"n": 1}, "n", 6)
        readers, finished = Clients(pool, diamond()), new_thread()
        await readers.of(0).ainvoke({"n": 1}, finished, durability="sync")

        async def read(client):
            state = await readers.of(client).aget_state(finished)
            driver.check((state.values["n"], state.next), (6, ()))

        workloads["reads"] = read
        approve = Command(resume="approve")
        workloads["checkpoint"] = workload(reviewed(), {"n": 1}, "n", 3, approve)
        starters = Clients(pool, reviewed())

        async def start_checkpoint(client):
            await starters.run(client, {"n": 1})

        async def start_recovery(_client):
            raise driver.CannotBe("what ran goes on only when whoever called calls again")

        starts = {"checkpoint": start_checkpoint, "recovery": start_recovery}
        await driver.serve(workloads, starts)


asyncio.run(main())
