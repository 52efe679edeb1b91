//! What a catalog tells beside the shape of tables: rules, heirs, publications, what triggers reach, settings.

use driftless_core::catalog::{RuleEvent, TriggerMode};

use crate::introspect::{look, public};
use crate::session::database;

#[tokio::test]
async fn what_is_true_beside_the_shape() {
    let database = database("around").await;
    database
        .run(
            "CREATE EXTENSION dblink;
             CREATE SCHEMA net;
             CREATE FUNCTION net.http_post(url text) RETURNS bigint LANGUAGE sql AS 'SELECT 1::bigint';
             CREATE FUNCTION tell(text) RETURNS void LANGUAGE plpgsql AS $$ BEGIN PERFORM net.http_post($1); END $$;
             CREATE FUNCTION hook() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN PERFORM Tell ('x'); RETURN NEW; END $$;
             CREATE FUNCTION ask() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN PERFORM dblink_exec('x', 'y'); RETURN NEW; END $$;
             CREATE FUNCTION calm() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN NEW.a := lower(NEW.a); RETURN NEW; END $$;
             CREATE UNLOGGED TABLE t (id int, a text);
             CREATE TABLE heir () INHERITS (t); CREATE TABLE grandchild () INHERITS (heir);
             CREATE TRIGGER a BEFORE INSERT ON t FOR EACH ROW EXECUTE FUNCTION hook();
             CREATE TRIGGER b BEFORE INSERT ON t FOR EACH ROW EXECUTE FUNCTION ask();
             CREATE TRIGGER c BEFORE INSERT ON t FOR EACH ROW EXECUTE FUNCTION calm();
             CREATE RULE nothing AS ON INSERT TO t DO INSTEAD NOTHING;
             CREATE RULE off AS ON DELETE TO t DO INSTEAD NOTHING; ALTER TABLE t DISABLE RULE off;
             CREATE RULE always AS ON UPDATE TO t DO INSTEAD NOTHING; ALTER TABLE t ENABLE ALWAYS RULE always;
             CREATE TABLE root (id int) PARTITION BY LIST (id); CREATE TABLE leaf PARTITION OF root FOR VALUES IN (1);
             CREATE TABLE alone (id int) WITH (autovacuum_enabled = off);
             CREATE MATERIALIZED VIEW empty AS SELECT 1 AS id WITH NO DATA;
             CREATE PUBLICATION few FOR TABLE root; CREATE PUBLICATION everything FOR ALL TABLES;
             CREATE PUBLICATION deletions FOR TABLE alone WITH (publish = 'delete');
             CREATE FUNCTION ddl() RETURNS event_trigger LANGUAGE plpgsql AS $$ BEGIN NOTIFY pgrst, 'reload schema'; END $$;
             CREATE EVENT TRIGGER watch ON ddl_command_end EXECUTE FUNCTION ddl();",
        )
        .await;
    let catalog = look(&database, &["t", "root", "leaf", "alone", "empty"]).await;
    let around = |name: &str| &catalog.relations[&public(name)].around;

    let t = &catalog.relations[&public("t")];
    let reached: Vec<&[String]> = t
        .triggers
        .iter()
        .map(|trigger| trigger.reaches.as_slice())
        .collect();
    assert_eq!(
        reached,
        [
            ["net.http_post".to_owned()].as_slice(),
            &["public.dblink_exec of the extension dblink".to_owned()],
            &[]
        ]
    );
    assert!(around("t").unlogged && !around("root").unlogged);
    assert_eq!(around("t").heirs, [public("grandchild"), public("heir")]);
    assert!(around("root").heirs.is_empty());
    assert!(around("t").autovacuum && around("leaf").autovacuum && around("empty").autovacuum);
    assert!(!around("alone").autovacuum && !around("root").autovacuum);
    let rules: Vec<_> = t
        .around
        .rules
        .iter()
        .map(|rule| (rule.name.as_str(), rule.event, rule.mode))
        .collect();
    assert_eq!(
        rules,
        [
            ("always", RuleEvent::Update, TriggerMode::Always),
            ("nothing", RuleEvent::Insert, TriggerMode::Origin)
        ]
    );
    let both = ["everything", "few"].map(str::to_owned);
    assert_eq!(
        (
            around("root").publications.as_slice(),
            around("leaf").publications.as_slice()
        ),
        (&both[..], &both[..])
    );
    assert_eq!(around("alone").publications, ["everything"]);
    assert!(around("empty").unpopulated && !around("alone").unpopulated);

    let server = &catalog.server;
    assert!(!server.standby);
    assert_eq!(server.publications_of_all, ["everything"]);
    assert_eq!(server.event_triggers.len(), 1);
    assert!(server.event_triggers[0].notifies && server.event_triggers[0].name == "watch");
    // Not what our own session has set.
    assert_eq!(server.setting("extra_float_digits"), Some("1"));
    database
        .run(&format!(
            "ALTER DATABASE {0} SET extra_float_digits = 0; ALTER DATABASE {0} SET statement_timeout = '2min'",
            database.name()
        ))
        .await;
    let server = look(&database, &[]).await.server;
    assert_eq!(server.setting("extra_float_digits"), Some("0"));
    assert_eq!(server.setting("statement_timeout"), Some("120000 ms"));
}
