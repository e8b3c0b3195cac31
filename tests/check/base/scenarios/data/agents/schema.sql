CREATE TABLE agents (number text);
