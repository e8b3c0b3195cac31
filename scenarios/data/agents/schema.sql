-- Tables of the "agents" data set, for PostgreSQL 15.
--
-- Run it once with psql and ON_ERROR_STOP, as the owner of an empty database.
-- It creates tables (and the indexes of their keys) in the current database
-- and nothing else: no database, no role, no setting.  A second run fails,
-- because a table that is already there may hold other rows.

CREATE TABLE agentfeatures (
    id                    integer      PRIMARY KEY,
    numgroup              integer      NOT NULL,
    firstname             varchar(128) NOT NULL DEFAULT '',
    lastname              varchar(128) NOT NULL DEFAULT '',
    number                varchar(40)  NOT NULL UNIQUE,
    passwd                varchar(128) NOT NULL DEFAULT '',
    context               varchar(39)  NOT NULL,
    language              varchar(20)  NOT NULL DEFAULT '',
    autologoff            integer,
    "group"               varchar(255) DEFAULT '',
    description           text         NOT NULL DEFAULT '',
    preprocess_subroutine varchar(40)  DEFAULT ''
);

-- One row per agent that is logged in.  The data set leaves it empty, so that
-- a LEFT JOIN from agentfeatures finds nobody and yields NULLs.
CREATE TABLE agent_login_status (
    agent_id        integer      PRIMARY KEY,
    agent_number    varchar(40)  NOT NULL,
    extension       varchar(80)  NOT NULL,
    context         varchar(80)  NOT NULL,
    interface       varchar(128) NOT NULL UNIQUE,
    state_interface varchar(128) NOT NULL,
    login_at        timestamp    NOT NULL DEFAULT current_timestamp
);
