-- The state of one pipeline. {state} is the quoted name of the schema, which is there by now; executed in one transaction.
REVOKE ALL ON SCHEMA {state} FROM PUBLIC;

CREATE TABLE {state}.pipeline (
    name       text        PRIMARY KEY,
    version    int4        NOT NULL,
    namespace  uuid        NOT NULL,
    created_at timestamptz NOT NULL DEFAULT pg_catalog.clock_timestamp(),
    -- Whether the schema was changed unseen by event triggers that tell an API of it.
    reload_owed bool       NOT NULL DEFAULT false
);

-- The lease: the epoch that every transaction checks FOR SHARE, and apart from it who beats, so that a heartbeat
-- never waits for a transaction.
CREATE TABLE {state}.lease (
    pipeline text PRIMARY KEY,
    epoch    int8 NOT NULL
);
CREATE TABLE {state}.lease_holder (
    pipeline      text        PRIMARY KEY,
    epoch         int8        NOT NULL,
    holder        text        NOT NULL,
    backend_pid   int4        NOT NULL,
    backend_start timestamptz NOT NULL,
    beat_at       timestamptz NOT NULL,
    released      bool        NOT NULL DEFAULT false
);
CREATE TABLE {state}.lease_backend (
    pipeline      text        NOT NULL,
    epoch         int8        NOT NULL,
    backend_pid   int4        NOT NULL,
    backend_start timestamptz NOT NULL,
    PRIMARY KEY (pipeline, epoch, backend_pid)
);

CREATE TABLE {state}.execution (
    id         int8        GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    pipeline   text        NOT NULL,
    command    text        NOT NULL,
    epoch      int8        NOT NULL,
    state      text        NOT NULL,
    started_at timestamptz NOT NULL DEFAULT pg_catalog.clock_timestamp(),
    ended_at   timestamptz,
    snapshot   text,
    code       text,
    message    text
);
CREATE TABLE {state}.execution_entity (
    execution   int8 NOT NULL REFERENCES {state}.execution (id),
    entity      text NOT NULL,
    read        int8 NOT NULL DEFAULT 0,
    inserted    int8 NOT NULL DEFAULT 0,
    updated     int8 NOT NULL DEFAULT 0,
    unchanged   int8 NOT NULL DEFAULT 0,
    deleted     int8 NOT NULL DEFAULT 0,
    rejected    int8 NOT NULL DEFAULT 0,
    parked      int8 NOT NULL DEFAULT 0,
    conflicts   int8 NOT NULL DEFAULT 0,
    bytes       int8 NOT NULL DEFAULT 0,
    duration_ms int8 NOT NULL DEFAULT 0,
    PRIMARY KEY (execution, entity)
);

CREATE TABLE {state}.entity (
    pipeline    text        NOT NULL,
    entity      text        NOT NULL,
    table_name  text        NOT NULL,
    schema_name text        NOT NULL,
    path        text        NOT NULL,
    phase       text        NOT NULL,
    digest      int8        NOT NULL,
    signature   text        NOT NULL,
    described   text[]      NOT NULL,
    chunking    text        NOT NULL,
    execution   int8        NOT NULL,
    changed_at  timestamptz NOT NULL DEFAULT pg_catalog.clock_timestamp(),
    PRIMARY KEY (pipeline, entity)
);

-- Checkpoints: a chunk is done when the transaction that wrote its rows has committed.
CREATE TABLE {state}.chunk (
    pipeline  text NOT NULL,
    entity    text NOT NULL,
    number    int4 NOT NULL,
    low       text,
    high      text,
    done      bool NOT NULL DEFAULT false,
    snapshot  text,
    rows_read int8,
    written   int8,
    rejected  int8,
    bytes     int8,
    execution int8,
    done_at   timestamptz,
    PRIMARY KEY (pipeline, entity, number)
);

CREATE TABLE {state}.rejects (
    pipeline        text        NOT NULL,
    entity          text        NOT NULL,
    key             text        NOT NULL COLLATE pg_catalog."C",
    state           text        NOT NULL,
    stage           text        NOT NULL,
    code            text        NOT NULL,
    sqlstate        text,
    category        text        NOT NULL,
    message         text        NOT NULL,
    column_name     text,
    constraint_name text,
    rule            text,
    parent_entity   text,
    parent_key      text,
    source_row      jsonb,
    execution       int8        NOT NULL,
    first_seen      timestamptz NOT NULL DEFAULT pg_catalog.clock_timestamp(),
    last_seen       timestamptz NOT NULL DEFAULT pg_catalog.clock_timestamp(),
    PRIMARY KEY (pipeline, entity, key)
);
CREATE TABLE {state}.warning (
    pipeline  text        NOT NULL,
    entity    text        NOT NULL,
    key       text        NOT NULL COLLATE pg_catalog."C",
    rule      text        NOT NULL,
    execution int8        NOT NULL,
    seen_at   timestamptz NOT NULL DEFAULT pg_catalog.clock_timestamp(),
    PRIMARY KEY (pipeline, entity, key, rule)
);
CREATE TABLE {state}.conflict (
    id        int8        GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    pipeline  text        NOT NULL,
    entity    text        NOT NULL,
    type      text        NOT NULL,
    key       text,
    detail    jsonb       NOT NULL,
    verdict   text,
    execution int8        NOT NULL,
    seen_at   timestamptz NOT NULL DEFAULT pg_catalog.clock_timestamp()
);

-- DDL that is set aside while a load runs. What is dropped stands here first.
CREATE TABLE {state}.set_aside (
    pipeline   text        NOT NULL,
    seq        int4        NOT NULL,
    entity     text        NOT NULL,
    table_name text        NOT NULL,
    kind       text        NOT NULL,
    name       text        NOT NULL,
    drop_sql   text        NOT NULL,
    restore    jsonb       NOT NULL,
    state      text        NOT NULL,
    error      text,
    execution  int8        NOT NULL,
    changed_at timestamptz NOT NULL DEFAULT pg_catalog.clock_timestamp(),
    PRIMARY KEY (pipeline, seq)
);

-- Looks an identity up; null where there is none. Keys are canonical text: what PostgreSQL prints for the key, for
-- several columns a JSON array of texts.
CREATE FUNCTION {state}.uuid_for(entity text, key text) RETURNS uuid
LANGUAGE plpgsql STABLE
SET search_path = pg_catalog
AS $function$
DECLARE
    identities text := 'identity_' || $1;
    recorded   text := 'recorded_' || $1;
    keys       text[] := ARRAY[$2];
    columns    bigint;
    condition  text;
    found      uuid;
BEGIN
    SELECT pg_catalog.string_agg(
               pg_catalog.format('%I = $1[%s]::%s', a.attname, a.attnum, pg_catalog.format_type(a.atttypid, NULL)),
               ' AND ' ORDER BY a.attnum),
           pg_catalog.count(*)
      INTO condition, columns
      FROM pg_catalog.pg_attribute AS a
     WHERE a.attrelid = pg_catalog.to_regclass(pg_catalog.format('%I.%I', {state_literal}, identities))
       AND a.attname ~ '^k[0-9]+$' AND NOT a.attisdropped;
    -- A statement of its own: within the one above a key of one column would be parsed as JSON as well.
    IF columns > 1 THEN
        keys := ARRAY(SELECT pg_catalog.json_array_elements_text($2::json));
    END IF;
    IF condition IS NOT NULL AND EXISTS (
        SELECT FROM pg_catalog.pg_attribute
         WHERE attrelid = pg_catalog.to_regclass(pg_catalog.format('%I.%I', {state_literal}, identities))
           AND attname = 't1' AND atttypid = 'uuid'::regtype) THEN
        EXECUTE pg_catalog.format('SELECT t1 FROM %I.%I WHERE %s', {state_literal}, identities, condition)
           INTO found USING keys;
    END IF;
    IF found IS NULL
       AND pg_catalog.to_regclass(pg_catalog.format('%I.%I', {state_literal}, recorded)) IS NOT NULL THEN
        EXECUTE pg_catalog.format('SELECT id FROM %I.%I WHERE key = $1', {state_literal}, recorded)
           INTO found USING $2;
    END IF;
    RETURN found;
EXCEPTION WHEN data_exception THEN
    -- A text that is no key of this entity's type names nothing.
    RETURN NULL;
END
$function$;
REVOKE ALL ON FUNCTION {state}.uuid_for(text, text) FROM PUBLIC;
