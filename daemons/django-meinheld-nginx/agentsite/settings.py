"""Settings of the benchmarked site: no middleware, no debug, a connection per request."""

import os
import secrets

DEBUG = False

# Nothing here signs anything; Django only refuses to work without a key.
SECRET_KEY = secrets.token_urlsafe(48)

# The load generator names the host as the scenario addresses it.
ALLOWED_HOSTS = ["*"]

INSTALLED_APPS = ["agentsite"]
MIDDLEWARE = []
ROOT_URLCONF = "agentsite.urls"
USE_TZ = True
# Django sets the process's time zone from this; its default would date the log in Chicago.
TIME_ZONE = "UTC"

DATABASES = {
    "default": {
        "ENGINE": "django.db.backends.postgresql",
        "HOST": os.environ.get("PGHOST", ""),
        "PORT": os.environ.get("PGPORT", ""),
        "USER": os.environ.get("PGUSER", ""),
        "PASSWORD": os.environ.get("PGPASSWORD", ""),
        "NAME": os.environ["PGDATABASE"],
        # The connection is opened by the first query of a request and closed at its end.
        # On each new one Django first sets the session's time zone, unless the server's is
        # already called "UTC": a statement more than Flask's connections have.
        "CONN_MAX_AGE": 0,
        "OPTIONS": {"sslmode": os.environ.get("PGSSLMODE", "prefer")},
    }
}

# Without DEBUG, Django would send the tracebacks to mail addresses nobody has set.
LOGGING = {
    "version": 1,
    "disable_existing_loggers": False,
    "handlers": {"stderr": {"class": "logging.StreamHandler"}},
    "loggers": {
        "django": {"handlers": ["stderr"], "level": "ERROR", "propagate": False},
    },
}
