-- A target laid out as a Supabase project: its roles, schemas, settings and what surrounds accounts, on a plain server.
CREATE ROLE anon; CREATE ROLE authenticated; CREATE ROLE service_role BYPASSRLS;
CREATE ROLE supabase_auth_admin; CREATE ROLE supabase_storage_admin;
CREATE ROLE project LOGIN PASSWORD 'let me in' CREATEDB CREATEROLE REPLICATION BYPASSRLS;
GRANT anon, authenticated, service_role TO project;
GRANT SET ON PARAMETER session_replication_role TO project;
DO $$ BEGIN
    EXECUTE format('ALTER DATABASE %I SET statement_timeout = ''2min''', current_database());
    EXECUTE format('ALTER DATABASE %I SET extra_float_digits = 0', current_database());
    EXECUTE format('GRANT CREATE, TEMPORARY ON DATABASE %I TO project', current_database());
END $$;
GRANT ALL ON SCHEMA public TO project;
CREATE SCHEMA extensions; GRANT USAGE ON SCHEMA extensions TO project;

CREATE SCHEMA auth AUTHORIZATION supabase_auth_admin; GRANT USAGE ON SCHEMA auth TO project;
SET ROLE supabase_auth_admin;
CREATE TABLE auth.users (
    instance_id uuid, id uuid PRIMARY KEY, aud varchar(255), role varchar(255), email varchar(255), encrypted_password varchar(255),
    email_confirmed_at timestamptz, confirmation_token varchar(255), recovery_token varchar(255), email_change_token_new varchar(255),
    email_change varchar(255), raw_user_meta_data jsonb, created_at timestamptz, phone text UNIQUE DEFAULT NULL, phone_change text DEFAULT '',
    confirmed_at timestamptz GENERATED ALWAYS AS (email_confirmed_at) STORED, reauthentication_token varchar(255) DEFAULT '',
    is_sso_user boolean NOT NULL DEFAULT false);
CREATE UNIQUE INDEX users_email_partial_key ON auth.users (email) WHERE is_sso_user = false;
CREATE TABLE auth.identities (
    provider_id text NOT NULL, user_id uuid NOT NULL REFERENCES auth.users ON DELETE CASCADE, identity_data jsonb NOT NULL, provider text NOT NULL,
    email text GENERATED ALWAYS AS (lower(identity_data ->> 'email')) STORED, id uuid PRIMARY KEY DEFAULT gen_random_uuid(), UNIQUE (provider_id, provider));
CREATE TABLE auth.schema_migrations (version varchar(255) PRIMARY KEY);
CREATE TABLE auth.sessions (id uuid PRIMARY KEY);
ALTER TABLE auth.users ENABLE ROW LEVEL SECURITY;
ALTER TABLE auth.identities ENABLE ROW LEVEL SECURITY;
GRANT SELECT, INSERT, UPDATE, DELETE, TRIGGER, REFERENCES ON ALL TABLES IN SCHEMA auth TO project;
RESET ROLE;
CREATE SCHEMA storage AUTHORIZATION supabase_storage_admin; GRANT USAGE ON SCHEMA storage TO project;
CREATE TABLE storage.objects (id uuid PRIMARY KEY, name text); GRANT ALL ON storage.objects TO project;

CREATE FUNCTION extensions.pgrst_watch() RETURNS event_trigger LANGUAGE plpgsql AS $$ BEGIN NOTIFY pgrst, 'reload schema'; END $$;
CREATE EVENT TRIGGER pgrst_watch ON ddl_command_end EXECUTE FUNCTION extensions.pgrst_watch();
CREATE PUBLICATION supabase_realtime;

SET ROLE project;
CREATE TABLE public.profiles (id uuid PRIMARY KEY REFERENCES auth.users ON DELETE CASCADE, email text, weight float8);
ALTER TABLE public.profiles ENABLE ROW LEVEL SECURITY;
CREATE FUNCTION public.handle_new_user() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER SET search_path = '' AS $$
BEGIN INSERT INTO public.profiles (id, email) VALUES (NEW.id, NEW.email); RETURN NEW; END $$;
CREATE TRIGGER on_auth_user_created AFTER INSERT ON auth.users FOR EACH ROW EXECUTE FUNCTION public.handle_new_user();
RESET ROLE;
ALTER PUBLICATION supabase_realtime ADD TABLE public.profiles;
