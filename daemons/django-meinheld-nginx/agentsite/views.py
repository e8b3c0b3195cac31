"""The three endpoints."""

import json

from django.db import connection
from django.db.models import CharField, F, Value
from django.http import HttpResponse

from .models import Agent

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
    body = json.dumps(document).encode()
    # The length is what Django's CommonMiddleware would have added; without it the
    # server falls back to chunks, and this daemon's answers would be framed unlike the others'.
    return HttpResponse(
        body,
        content_type="application/json",
        headers={"Content-Length": str(len(body))},
    )


def index(request):
    return answer({"hello": "world"})


def agents(request):
    with connection.cursor() as cursor:
        cursor.execute(AGENTS_SQL)
        names = [column[0] for column in cursor.description]
        rows = [dict(zip(names, row)) for row in cursor.fetchall()]
    return answer(rows)


def agents_with_orm(request):
    rows = Agent.objects.order_by("id").values(
        "number",
        extension=F("login__extension"),
        context=F("login__context"),
        state_interface=F("login__state_interface"),
        status=Value("offline", output_field=CharField()),
        extension_status=Value("-1", output_field=CharField()),
        paused=Value("0", output_field=CharField()),
    )
    return answer(list(rows))
