"""Starlette answering from PostgreSQL through an asyncpg pool.

asyncpg reads PGHOST, PGPORT, PGUSER, PGPASSWORD, PGDATABASE and PGSSLMODE by itself.
As it does by default, it prepares the query once per connection, and resets the
session each time a connection returns to the pool: a second round trip per request.
"""

import contextlib
import json
import os
import sys

import asyncpg
from starlette.applications import Starlette
from starlette.responses import Response
from starlette.routing import Route

# The same text in every daemon that speaks SQL itself.
AGENTS_SQL = """\
SELECT agentfeatures.number,
       agent_login_status.extension,
       agent_login_status.context,
       agent_login_status.state_interface,
       'offline' AS status,
       '-1' AS extension_status,
       '0' AS paused
  FROM agentfeatures
  LEFT JOIN agent_login_status ON agent_login_status.agent_id = agentfeatures.id
 ORDER BY agentfeatures.id
"""


@contextlib.asynccontextmanager
async def database(app):
    """Opens the pool before the worker serves, closes it when the worker ends."""
    size = int(os.environ["TIMETRIAL_POOL"])
    async with asyncpg.create_pool(
        min_size=size,
        max_size=size,
        # asyncpg would replace a connection after 50000 queries and close one that was
        # idle for five minutes; a measured pool stays as it was opened.
        max_queries=sys.maxsize,
        max_inactive_connection_lifetime=0,
    ) as pool:
        app.state.pool = pool
        yield


def answer(document):
    # The bytes of every daemon that uses Python's json, unlike Starlette's JSONResponse.
    return Response(json.dumps(document).encode(), media_type="application/json")


async def index(request):
    return answer({"hello": "world"})


async def agents(request):
    async with request.app.state.pool.acquire() as connection:
        records = await connection.fetch(AGENTS_SQL)
    return answer([dict(record) for record in records])


app = Starlette(
    routes=[Route("/index", index), Route("/agents", agents)],
    lifespan=database,
)
