-- A Supabase project as its owner meets it, for the superuser of an empty database on a server whose superuser is not
-- called postgres. `postgres` is the project's role: it may log in, replicate and pass row security, and is no superuser.

CREATE ROLE anon NOLOGIN;
CREATE ROLE authenticated NOLOGIN;
CREATE ROLE service_role NOLOGIN BYPASSRLS;
CREATE ROLE authenticator LOGIN NOINHERIT PASSWORD 'unused';
CREATE ROLE supabase_auth_admin NOLOGIN NOINHERIT CREATEROLE;
CREATE ROLE postgres LOGIN CREATEDB CREATEROLE REPLICATION BYPASSRLS PASSWORD 'p@ss word';
GRANT anon, authenticated, service_role TO authenticator, postgres;
GRANT pg_monitor, pg_read_all_data, pg_signal_backend TO postgres;
ALTER ROLE authenticator SET statement_timeout = '8s';
ALTER ROLE authenticator SET lock_timeout = '8s';
ALTER ROLE postgres SET statement_timeout = '2min';
ALTER ROLE postgres SET search_path = "$user", public, extensions;
-- Stands for the allow-list of the platform's extension.
GRANT SET ON PARAMETER session_replication_role TO postgres;

DO $settings$
BEGIN
  EXECUTE format('ALTER DATABASE %I SET extra_float_digits = 0', current_database());
  EXECUTE format('GRANT CREATE, CONNECT, TEMPORARY ON DATABASE %I TO postgres', current_database());
END
$settings$;

CREATE SCHEMA extensions;
GRANT USAGE ON SCHEMA extensions TO postgres, anon, authenticated, service_role;
GRANT ALL ON SCHEMA public TO postgres;
GRANT USAGE ON SCHEMA public TO anon, authenticated, service_role;

-- Sign-in: tables of another role, which the project's role may fill and may not alter.
CREATE SCHEMA auth AUTHORIZATION supabase_auth_admin;
GRANT USAGE ON SCHEMA auth TO postgres, authenticated;
SET ROLE supabase_auth_admin;
CREATE TABLE auth.users (
  id uuid PRIMARY KEY, instance_id uuid, aud varchar(255), role varchar(255), email varchar(255), encrypted_password varchar(255),
  email_confirmed_at timestamptz, phone text UNIQUE, phone_confirmed_at timestamptz,
  confirmation_token varchar(255), recovery_token varchar(255), email_change varchar(255), email_change_token_new varchar(255),
  phone_change text DEFAULT '', reauthentication_token varchar(255) DEFAULT '',
  raw_app_meta_data jsonb, raw_user_meta_data jsonb, created_at timestamptz, updated_at timestamptz,
  confirmed_at timestamptz GENERATED ALWAYS AS (least(email_confirmed_at, phone_confirmed_at)) STORED,
  is_sso_user boolean NOT NULL DEFAULT false, is_anonymous boolean NOT NULL DEFAULT false);
CREATE UNIQUE INDEX users_email_partial_key ON auth.users (email) WHERE is_sso_user = false;
CREATE UNIQUE INDEX confirmation_token_idx ON auth.users (confirmation_token) WHERE confirmation_token !~ '^[0-9 ]*$';
CREATE TABLE auth.identities (
  id uuid PRIMARY KEY DEFAULT gen_random_uuid(), provider_id text NOT NULL, provider text NOT NULL,
  user_id uuid NOT NULL REFERENCES auth.users ON DELETE CASCADE, identity_data jsonb NOT NULL,
  email text GENERATED ALWAYS AS (lower(identity_data ->> 'email')) STORED,
  created_at timestamptz, updated_at timestamptz, UNIQUE (provider_id, provider));
CREATE TABLE auth.schema_migrations (version varchar(255) PRIMARY KEY);
ALTER TABLE auth.users ENABLE ROW LEVEL SECURITY;
ALTER TABLE auth.identities ENABLE ROW LEVEL SECURITY;
GRANT SELECT, INSERT, UPDATE, DELETE, REFERENCES, TRIGGER ON auth.users, auth.identities TO postgres;
-- A user of the new application, who was there before.
INSERT INTO auth.users (id, aud, role, email, raw_user_meta_data, created_at, updated_at)
VALUES ('d0000000-0000-4000-8000-000000000001', 'authenticated', 'authenticated', 'staff@example.org', '{}', now(), now());
RESET ROLE;

-- What a web hook calls. Nobody may be called while rows are loaded.
CREATE SCHEMA net;
GRANT USAGE ON SCHEMA net TO postgres;
CREATE FUNCTION net.http_post(url text, body jsonb) RETURNS bigint LANGUAGE plpgsql AS
$f$ BEGIN RAISE EXCEPTION 'a request to % went out', url; END $f$;

CREATE PUBLICATION supabase_realtime;
ALTER PUBLICATION supabase_realtime OWNER TO postgres;

-- The API rereads its picture of the schema after every transaction that changes it. Stricter than the platform's own
-- trigger: it tells of indexes too, and leaves out only what is temporary.
CREATE FUNCTION extensions.tell_api_of_ddl() RETURNS event_trigger LANGUAGE plpgsql AS $f$
BEGIN
  IF EXISTS (SELECT FROM pg_event_trigger_ddl_commands() WHERE schema_name IS DISTINCT FROM 'pg_temp') THEN
    NOTIFY pgrst, 'reload schema';
  END IF;
END $f$;
CREATE FUNCTION extensions.tell_api_of_drops() RETURNS event_trigger LANGUAGE plpgsql AS $f$
BEGIN
  IF EXISTS (SELECT FROM pg_event_trigger_dropped_objects() WHERE NOT is_temporary) THEN
    NOTIFY pgrst, 'reload schema';
  END IF;
END $f$;
CREATE EVENT TRIGGER pgrst_ddl_watch ON ddl_command_end EXECUTE FUNCTION extensions.tell_api_of_ddl();
CREATE EVENT TRIGGER pgrst_drop_watch ON sql_drop EXECUTE FUNCTION extensions.tell_api_of_drops();
