"""Flask answering from PostgreSQL, with a connection per request and with a pool.

libpq reads PGHOST, PGPORT, PGUSER, PGPASSWORD, PGDATABASE and PGSSLMODE by
itself: the connection strings below are empty on purpose.
"""

import json
import os
import threading
from contextlib import closing

import psycopg2
from flask import Flask, Response
from psycopg2.pool import ThreadedConnectionPool

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

app = Flask(__name__, static_folder=None)

_pool = None
_pool_lock = threading.Lock()


def shared_pool():
    """The pool of this worker, made by the first request that needs it.

    A request only ever runs in a worker, so no connection is shared over a fork,
    and a worker that never serves the endpoint holds no connections.
    """
    global _pool
    if _pool is None:
        with _pool_lock:
            if _pool is None:
                size = int(os.environ["TIMETRIAL_POOL"])
                _pool = ThreadedConnectionPool(size, size, "")
    return _pool


def fetch_agents(connection):
    # One statement, no transaction around it: otherwise psycopg2 would send a BEGIN first,
    # and a pooled connection would need a ROLLBACK after it.
    if not connection.autocommit:
        connection.autocommit = True
    with connection.cursor() as cursor:
        cursor.execute(AGENTS_SQL)
        names = [column.name for column in cursor.description]
        return [dict(zip(names, row)) for row in cursor.fetchall()]


def answer(document):
    return Response(json.dumps(document), content_type="application/json")


@app.get("/index")
def index():
    return answer({"hello": "world"})


@app.get("/agents")
def agents():
    with closing(psycopg2.connect("")) as connection:
        rows = fetch_agents(connection)
    return answer(rows)


@app.get("/agents_with_pool")
def agents_with_pool():
    pool = shared_pool()
    connection = pool.getconn()
    broken = True
    try:
        rows = fetch_agents(connection)
        broken = False
    finally:
        # Whatever happened, the pool gets its place back; a connection on which
        # something failed is closed, and the pool opens another when it needs one.
        pool.putconn(connection, close=broken)
    return answer(rows)
