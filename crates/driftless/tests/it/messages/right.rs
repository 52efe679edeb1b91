//! Roles that may not do what a load needs, and row-level security.

use super::Scene;

const SOURCE: &str = "
CREATE TABLE public.customer (id integer PRIMARY KEY, name text);
CREATE TABLE public.customer_order (id integer PRIMARY KEY, customer_id integer, amount numeric(12,2));
INSERT INTO public.customer VALUES (1, 'One');
INSERT INTO public.customer_order VALUES (1, 1, 1.25);
";

const TARGET: &str = "
CREATE TABLE public.customers (id uuid PRIMARY KEY, name text NOT NULL);
CREATE TABLE public.orders (id integer PRIMARY KEY, customer_id uuid REFERENCES public.customers, amount numeric(12,2));
CREATE SEQUENCE public.orders_id_seq OWNED BY public.orders.id;
ALTER TABLE public.orders ALTER id SET DEFAULT nextval('public.orders_id_seq');
CREATE FUNCTION public.cleaned(text) RETURNS text LANGUAGE sql IMMUTABLE AS 'SELECT btrim($1)';
REVOKE EXECUTE ON FUNCTION public.cleaned FROM PUBLIC;
REVOKE TEMPORARY ON DATABASE TARGET FROM PUBLIC;
";

const MAPPING: &str = r#"[entities.customers]
from = "public.customer"
into = "public.customers"

[entities.customers.columns]
id = { id = true }
name = { sql = "public.cleaned(name)" }

[entities.orders]
from = "public.customer_order"
into = "public.orders"

[entities.orders.columns]
customer_id = { ref = "customers", from = "customer_id", missing = "null" }
"#;

const READER: &str = "
CREATE ROLE READER LOGIN PASSWORD 'of the reader';
GRANT USAGE ON SCHEMA public TO READER;
GRANT SELECT ON public.customer, public.customer_order TO READER;
";

/// Everything that a role needs which does not own the tables.
const WRITER: &str = "
CREATE ROLE WRITER LOGIN PASSWORD 'of the writer';
GRANT CREATE, TEMPORARY ON DATABASE TARGET TO WRITER;
GRANT USAGE ON SCHEMA public TO WRITER;
GRANT SELECT, INSERT, UPDATE, DELETE ON public.customers, public.orders TO WRITER;
GRANT USAGE, SELECT, UPDATE ON SEQUENCE public.orders_id_seq TO WRITER;
GRANT EXECUTE ON FUNCTION public.cleaned TO WRITER;
";

/// Two databases with a role each that lives as long as they do.
struct Roles {
    scene: Scene,
    reader: String,
    writer: String,
}

impl Roles {
    async fn new() -> Roles {
        let mut scene = Scene::new("told_right", SOURCE, "").await;
        let (reader, writer) = (
            format!("reader_{}", scene.source.name()),
            format!("writer_{}", scene.target.name()),
        );
        // Their names hold those of the databases, which would be replaced first.
        scene.name_first(&reader, "READER");
        scene.name_first(&writer, "WRITER");
        let roles = Roles {
            scene,
            reader,
            writer,
        };
        roles.source(READER).await;
        roles.target(TARGET).await;
        roles.target(WRITER).await;
        let scene = &roles.scene;
        scene.connect(
            &scene.source.url_as(&roles.reader, "of the reader"),
            &scene.target.url_as(&roles.writer, "of the writer"),
        );
        scene.map(MAPPING);
        roles
    }

    async fn source(&self, sql: &str) {
        self.scene.source.run(&sql.replace("READER", &self.reader)).await;
    }

    async fn target(&self, sql: &str) {
        let sql = sql
            .replace("WRITER", &self.writer)
            .replace("TARGET", self.scene.target.name());
        self.scene.target.run(&sql).await;
    }

    /// The roles would outlive their databases otherwise.
    async fn end(self) {
        self.source("DROP OWNED BY READER; DROP ROLE READER").await;
        self.target("DROP OWNED BY WRITER; DROP ROLE WRITER").await;
    }
}

/// What is taken from the reader, and given back.
const OF_THE_READER: &[(&str, &str, &str)] = &[
    (
        "source_usage",
        "REVOKE USAGE ON SCHEMA public FROM READER, PUBLIC",
        "GRANT USAGE ON SCHEMA public TO READER, PUBLIC",
    ),
    (
        "source_select",
        "REVOKE SELECT ON public.customer FROM READER",
        "GRANT SELECT ON public.customer TO READER",
    ),
    (
        "source_select_of_a_column",
        "REVOKE SELECT ON public.customer FROM READER; GRANT SELECT (id) ON public.customer TO READER",
        "GRANT SELECT ON public.customer TO READER",
    ),
    (
        "source_row_security",
        "ALTER TABLE public.customer ENABLE ROW LEVEL SECURITY",
        "ALTER TABLE public.customer DISABLE ROW LEVEL SECURITY",
    ),
];

/// What is taken from the writer, and given back.
const OF_THE_WRITER: &[(&str, &str, &str)] = &[
    (
        "target_usage",
        "REVOKE USAGE ON SCHEMA public FROM WRITER, PUBLIC",
        "GRANT USAGE ON SCHEMA public TO WRITER, PUBLIC",
    ),
    (
        "target_insert",
        "REVOKE INSERT ON public.orders FROM WRITER",
        "GRANT INSERT ON public.orders TO WRITER",
    ),
    (
        "target_select",
        "REVOKE SELECT ON public.orders FROM WRITER",
        "GRANT SELECT ON public.orders TO WRITER",
    ),
    (
        "target_update",
        "REVOKE UPDATE ON public.orders FROM WRITER",
        "GRANT UPDATE ON public.orders TO WRITER",
    ),
    (
        "target_delete",
        "REVOKE DELETE ON public.orders FROM WRITER",
        "GRANT DELETE ON public.orders TO WRITER",
    ),
    (
        "target_everything",
        "REVOKE ALL ON public.orders, public.customers FROM WRITER",
        "GRANT SELECT, INSERT, UPDATE, DELETE ON public.customers, public.orders TO WRITER",
    ),
    (
        "target_create",
        "REVOKE CREATE ON DATABASE TARGET FROM WRITER",
        "GRANT CREATE ON DATABASE TARGET TO WRITER",
    ),
    (
        "target_temporary",
        "REVOKE TEMPORARY ON DATABASE TARGET FROM WRITER",
        "GRANT TEMPORARY ON DATABASE TARGET TO WRITER",
    ),
    (
        "target_execute",
        "REVOKE EXECUTE ON FUNCTION public.cleaned FROM WRITER",
        "GRANT EXECUTE ON FUNCTION public.cleaned TO WRITER",
    ),
    (
        "target_sequence",
        "REVOKE ALL ON SEQUENCE public.orders_id_seq FROM WRITER",
        "GRANT USAGE, SELECT, UPDATE ON SEQUENCE public.orders_id_seq TO WRITER",
    ),
    (
        "target_row_security",
        "ALTER TABLE public.orders ENABLE ROW LEVEL SECURITY",
        "ALTER TABLE public.orders DISABLE ROW LEVEL SECURITY",
    ),
    (
        "target_triggers",
        "CREATE FUNCTION public.stamp() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NEW; END'; \
         CREATE TRIGGER stamped BEFORE INSERT ON public.orders FOR EACH ROW EXECUTE FUNCTION public.stamp()",
        "DROP TRIGGER stamped ON public.orders; DROP FUNCTION public.stamp",
    ),
];

#[tokio::test]
async fn missing_rights() {
    let roles = Roles::new().await;
    for (name, taken, given) in OF_THE_READER {
        roles.source(taken).await;
        insta::assert_snapshot!(*name, roles.scene.told(&["check"]));
        roles.source(given).await;
    }
    for (name, taken, given) in OF_THE_WRITER {
        roles.target(taken).await;
        insta::assert_snapshot!(*name, roles.scene.told(&["check"]));
        roles.target(given).await;
    }
    insta::assert_snapshot!(
        "enough",
        [roles.scene.told(&["check"]), roles.scene.told(&["migrate"])].join("\n")
    );
    roles.end().await;
}
