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
