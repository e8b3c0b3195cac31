create table counters (name text primary key, count bigint not null);
