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

-- The application, owned by the project's role.
SET ROLE postgres;
CREATE TYPE public.member_role AS ENUM ('owner', 'member');
CREATE TABLE public.profiles (
  id uuid PRIMARY KEY REFERENCES auth.users ON DELETE CASCADE, full_name text NOT NULL, handle text UNIQUE,
  updated_at timestamptz NOT NULL DEFAULT now());
CREATE TABLE public.teams (
  id uuid PRIMARY KEY DEFAULT gen_random_uuid(), name text NOT NULL UNIQUE, owner_id uuid NOT NULL REFERENCES public.profiles,
  -- What the writing session's settings are, in the words of the server.
  timeout_seen text NOT NULL DEFAULT current_setting('statement_timeout'),
  digits_seen text NOT NULL DEFAULT current_setting('extra_float_digits'),
  replication_role_seen text NOT NULL DEFAULT current_setting('session_replication_role'));
CREATE TABLE public.memberships (
  team_id uuid NOT NULL REFERENCES public.teams ON DELETE CASCADE, profile_id uuid NOT NULL REFERENCES public.profiles ON DELETE CASCADE,
  role public.member_role NOT NULL, PRIMARY KEY (team_id, profile_id));
CREATE TABLE public.measurements (
  id uuid PRIMARY KEY, team_id uuid NOT NULL REFERENCES public.teams, taken_at timestamptz NOT NULL,
  value double precision NOT NULL, single real, note text);
CREATE INDEX measurements_team_idx ON public.measurements (team_id, taken_at DESC);
CREATE INDEX measurements_note_idx ON public.measurements (lower(note)) WHERE note IS NOT NULL;
CREATE UNIQUE INDEX measurements_once ON public.measurements (team_id, taken_at);
CREATE VIEW public.team_values WITH (security_invoker) AS
  SELECT t.id, t.name, count(m.id) AS measurements FROM public.teams AS t LEFT JOIN public.measurements AS m ON m.team_id = t.id GROUP BY t.id;
ALTER PUBLICATION supabase_realtime ADD TABLE public.teams;

CREATE FUNCTION public.handle_new_user() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER SET search_path = '' AS $f$
BEGIN
  INSERT INTO public.profiles (id, full_name) VALUES (NEW.id, 'made by a trigger');
  RETURN NEW;
END $f$;
CREATE TRIGGER on_auth_user_created AFTER INSERT ON auth.users FOR EACH ROW EXECUTE FUNCTION public.handle_new_user();
CREATE FUNCTION public.set_updated_at() RETURNS trigger LANGUAGE plpgsql AS $f$ BEGIN NEW.updated_at := now(); RETURN NEW; END $f$;
CREATE TRIGGER profiles_updated BEFORE INSERT OR UPDATE ON public.profiles FOR EACH ROW EXECUTE FUNCTION public.set_updated_at();
CREATE FUNCTION public.tell_chat() RETURNS trigger LANGUAGE plpgsql AS $f$
BEGIN
  PERFORM net.http_post('https://chat.example.org/hook', to_jsonb(NEW));
  RETURN NEW;
END $f$;
CREATE TRIGGER teams_hook AFTER INSERT ON public.teams FOR EACH ROW EXECUTE FUNCTION public.tell_chat();

ALTER TABLE public.profiles ENABLE ROW LEVEL SECURITY;
ALTER TABLE public.teams ENABLE ROW LEVEL SECURITY;
ALTER TABLE public.teams FORCE ROW LEVEL SECURITY;
ALTER TABLE public.memberships ENABLE ROW LEVEL SECURITY;
ALTER TABLE public.measurements ENABLE ROW LEVEL SECURITY;
CREATE POLICY own_profile ON public.profiles FOR SELECT TO authenticated USING (true);
INSERT INTO public.profiles (id, full_name, handle) VALUES ('d0000000-0000-4000-8000-000000000001', 'Staff', 'staff');
RESET ROLE;
