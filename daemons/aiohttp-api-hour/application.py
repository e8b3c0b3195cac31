"""API-Hour, the daemon of 2015: aiohttp.web on Gunicorn workers, answering through an aiopg pool.

libpq reads PGHOST, PGPORT, PGUSER, PGPASSWORD, PGDATABASE and PGSSLMODE by itself:
the connection string below is empty on purpose.
"""

import os

import aiopg
import api_hour
import psycopg2.extras
import ujson
from aiohttp import web

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


def answer(document):
    # ujson, as in 2015: it writes no spaces, so its answers are a tenth smaller than json's.
    return web.Response(body=ujson.dumps(document).encode(), content_type="application/json")


class Container(api_hour.Container):
    """What a worker runs: API-Hour makes one in each, after the fork."""

    def __init__(self, *args, **keywords):
        super().__init__(*args, **keywords)
        self.app = web.Application()
        self.app.router.add_get("/index", self.index)
        self.app.router.add_get("/agents", self.agents)

    async def index(self, request):
        return answer({"hello": "world"})

    async def agents(self, request):
        # aiopg's connections are in autocommit mode: one statement, no transaction around it.
        async with self.engines["pool"].acquire() as connection:
            async with connection.cursor(cursor_factory=psycopg2.extras.RealDictCursor) as cursor:
                await cursor.execute(AGENTS_SQL)
                rows = await cursor.fetchall()
        return answer(rows)

    def make_servers(self):
        # API-Hour 0.8 asks for a handler in the way of old aiohttp; 3.8 still knows it.
        return [
            self.app.make_handler(
                loop=self.loop,
                # API-Hour would print a line for each request otherwise.
                access_log=None,
                keepalive_timeout=self.worker.cfg.keepalive,
            )
        ]

    async def pre_start(self):
        """Before the worker serves: its pool, and what newer releases of aiohttp want done."""
        size = int(os.environ["TIMETRIAL_POOL"])
        self.engines["pool"] = await aiopg.create_pool("", minsize=size, maxsize=size)
        self.app.freeze()
        await self.app.startup()

    async def cleanup(self):
        await self.app.cleanup()
        pool = self.engines["pool"]
        pool.close()
        await pool.wait_closed()
