use super::*;
use crate::catalog::{Circumstances, ConstraintKind, ForeignKey, Index, RelationKind, Trigger};
use crate::code;
use crate::plan::{Chunking, EntityPlan, Evaluation, IdentityPlan, Mint, Origin, Path, Program};
use crate::spec::Limit;

fn table(name: &str) -> Relation {
    Relation {
        oid: 1,
        name: QualifiedName::new("public", name),
        kind: RelationKind::Table,
        owner: "app".to_owned(),
        owned: true,
        may_select: true,
        may_insert: true,
        may_delete: true,
        may_update: true,
        row_security: false,
        has_rows: false,
        estimated_rows: 0,
        bytes: 0,
        pages: 0,
        columns: Vec::new(),
        constraints: Vec::new(),
        indexes: Vec::new(),
        triggers: Vec::new(),
        referenced_by: Vec::new(),
        around: Circumstances::default(),
    }
}

fn index(name: &str, rest: &str, unique: bool) -> Index {
    let word = if unique { "UNIQUE " } else { "" };
    Index {
        oid: 2,
        name: name.to_owned(),
        definition: format!("CREATE {word}INDEX {name} ON public.t USING {rest}"),
        unique,
        valid: true,
        nulls_not_distinct: false,
        expressions: vec!["a".to_owned()],
        columns: vec![Some("a".to_owned())],
        predicate: None,
        replica_identity: false,
        clustered: false,
        tablespace: None,
        statistics: false,
        inherited: false,
        constraint: None,
        comment: None,
    }
}

fn constraint(oid: u32, name: &str, kind: ConstraintKind, definition: &str) -> Constraint {
    Constraint {
        oid,
        name: name.to_owned(),
        kind,
        columns: vec!["a".to_owned()],
        definition: definition.to_owned(),
        foreign: None,
        validated: true,
        inherited: false,
        deferrable: false,
        index_oid: 0,
        comment: None,
    }
}

/// A table with a primary key over `a`.
fn keyed(name: &str) -> Relation {
    let mut relation = table(name);
    let key = format!("{name}_pkey");
    let behind = index(&key, "btree (a)", true);
    relation.indexes.push(Index {
        constraint: Some(key.clone()),
        ..behind
    });
    relation
        .constraints
        .push(constraint(10, &key, ConstraintKind::Primary, "PRIMARY KEY (a)"));
    relation
}

fn refer(child: &mut Relation, parent: &mut Relation, oid: u32) {
    let name = format!("{}_fk{oid}", child.name.name);
    let mut key = constraint(
        oid,
        &name,
        ConstraintKind::Foreign,
        "FOREIGN KEY (a) REFERENCES public.p(a)",
    );
    key.foreign = Some(ForeignKey {
        parent: parent.name.clone(),
        parent_columns: vec!["a".to_owned()],
    });
    child.constraints.push(key);
    parent.referenced_by.push((child.name.clone(), name));
}

fn trigger(name: &str, mode: TriggerMode) -> Trigger {
    Trigger {
        name: name.to_owned(),
        mode,
        on_insert: true,
        per_row: false,
        function: QualifiedName::new("public", "f"),
        reaches: Vec::new(),
    }
}

fn entity(relation: &Relation, path: Path) -> EntityPlan {
    EntityPlan {
        name: relation.name.name.clone(),
        origin: Origin {
            sql: String::new(),
            label: String::new(),
            relation: None,
            filter: None,
            raw_text: false,
        },
        into: relation.name.clone(),
        path,
        reason: String::new(),
        after: Vec::new(),
        chunking: Chunking::Whole,
        inputs: Vec::new(),
        identity: IdentityPlan {
            key: Vec::new(),
            mint: Mint::Columns(Vec::new()),
            target: Vec::new(),
            adopt: None,
            prerecord: false,
            merge: None,
            natural_key: None,
            uuid_column: None,
            signature: String::new(),
        },
        key_evaluation: Evaluation::default(),
        evaluation: Evaluation::default(),
        target_evaluation: Evaluation::default(),
        program: Program::default(),
        constants: Vec::new(),
        columns: Vec::new(),
        source_rules: Vec::new(),
        target_rules: Vec::new(),
        refs: Vec::new(),
        sequences: Vec::new(),
        sensitive: Vec::new(),
        unused: Vec::new(),
        lookups: Vec::new(),
        batch_rows: 1,
        batch_bytes: 1,
        max_rejects: Limit::Rows(0),
        digest: 0,
    }
}

fn ground(relations: &[(&Relation, Option<Path>)]) -> (Plan, Catalog) {
    let plan = Plan {
        pipeline: "p".to_owned(),
        state_schema: "driftless".to_owned(),
        namespace: uuid::Uuid::nil(),
        max_row_bytes: 1,
        source_connections: 1,
        target_connections: 1,
        entities: relations
            .iter()
            .filter_map(|(relation, path)| path.map(|path| entity(relation, path)))
            .collect(),
    };
    let mut catalog = Catalog::default();
    for (relation, _) in relations {
        catalog
            .relations
            .insert(relation.name.clone(), (*relation).clone());
    }
    (plan, catalog)
}

fn decide(relations: &[(&Relation, Option<Path>)], silencing: Silencing) -> AsidePlan {
    let (plan, catalog) = ground(relations);
    set_aside(&plan, &catalog, silencing, &[])
}

/// Triggers that forbid the load, with the places of the findings.
fn forbidding(
    relations: &[(&Relation, Option<Path>)],
    silencing: Silencing,
    recorded: &[AsideItem],
    kept: &[Kept],
) -> Vec<String> {
    let (plan, catalog) = ground(relations);
    let findings = unsilenced(&plan.entities, &plan, &catalog, silencing, recorded, kept);
    assert!(
        findings
            .iter()
            .all(|finding| finding.code == code::TRIGGERS_NOT_SILENCED)
    );
    findings.into_iter().map(|finding| finding.place).collect()
}

fn names(aside: &AsidePlan) -> Vec<&str> {
    aside.items.iter().map(|item| item.name.as_str()).collect()
}

#[test]
fn what_depends_goes_first_and_comes_back_last() {
    let (mut parent, mut child) = (keyed("p"), keyed("c"));
    refer(&mut child, &mut parent, 20);
    refer(&mut child, &mut parent, 21);
    child.indexes.push(index("c_i", "btree (a)", false));
    child.triggers.push(trigger("t", TriggerMode::Always));
    let aside = decide(
        &[(&parent, Some(Path::Load)), (&child, Some(Path::Load))],
        Silencing::ReplicaRole,
    );
    assert_eq!(
        names(&aside),
        ["t", "c_fk21", "c_fk20", "c_i", "c_pkey", "p_pkey"]
    );
    assert!(aside.kept.is_empty());
    let key = &aside.items[1];
    assert_eq!(
        key.restore,
        [
            "ALTER TABLE ONLY \"public\".\"c\" ADD CONSTRAINT \"c_fk21\" FOREIGN KEY (a) REFERENCES public.p(a) NOT VALID"
        ]
    );
    assert_eq!(
        key.validate.as_deref(),
        Some("ALTER TABLE ONLY \"public\".\"c\" VALIDATE CONSTRAINT \"c_fk21\"")
    );
    assert_eq!(
        aside.items[0].restore,
        ["ALTER TABLE ONLY \"public\".\"c\" ENABLE ALWAYS TRIGGER \"t\""]
    );
}

#[test]
fn a_key_comes_back_through_its_index_with_everything_said_of_it() {
    let mut relation = table("t");
    let mut unique = constraint(
        5,
        "t_u",
        ConstraintKind::Unique,
        "UNIQUE (a) DEFERRABLE INITIALLY DEFERRED",
    );
    unique.comment = Some("it's".to_owned());
    relation.constraints.push(unique);
    relation.indexes.push(Index {
        constraint: Some("t_u".to_owned()),
        clustered: true,
        replica_identity: true,
        tablespace: Some("fast".to_owned()),
        comment: Some("i".to_owned()),
        ..index("t_u", "btree (a, lower(b)) WHERE (a > 0)", true)
    });
    let aside = decide(&[(&relation, Some(Path::Load))], Silencing::ReplicaRole);
    let item = &aside.items[0];
    assert_eq!(item.tablespace, "fast");
    assert_eq!(
        item.restore,
        [
            "ALTER TABLE ONLY \"public\".\"t\" ADD CONSTRAINT \"t_u\" UNIQUE USING INDEX \"t_u\" DEFERRABLE INITIALLY \
             DEFERRED",
            "ALTER TABLE \"public\".\"t\" CLUSTER ON \"t_u\"",
            "ALTER TABLE ONLY \"public\".\"t\" REPLICA IDENTITY USING INDEX \"t_u\"",
            "COMMENT ON INDEX \"public\".\"t_u\" IS 'i'",
            "COMMENT ON CONSTRAINT \"t_u\" ON \"public\".\"t\" IS 'it''s'",
        ]
    );
    let expected = Uniqueness::Keys {
        keys: vec!["a".to_owned(), "lower(b)".to_owned()],
        predicate: Some("(a > 0)".to_owned()),
        nulls_not_distinct: false,
    };
    assert_eq!(item.unique, Some(expected));
    let text = serde_json::to_string(item).unwrap();
    assert_eq!(&serde_json::from_str::<AsideItem>(&text).unwrap(), item);
}

#[test]
fn what_others_need_stays() {
    let (mut parent, mut outside) = (keyed("p"), keyed("o"));
    refer(&mut outside, &mut parent, 20);
    let aside = decide(
        &[(&parent, Some(Path::Load)), (&outside, None)],
        Silencing::ReplicaRole,
    );
    assert!(aside.items.is_empty());
    assert_eq!(
        aside.kept[0].reason,
        "the foreign key o_fk20 of public.o, outside the plan, refers to it"
    );
}

#[test]
fn a_foreign_key_to_a_table_outside_stays_silent_or_goes() {
    let (mut parent, mut child) = (keyed("p"), table("c"));
    refer(&mut child, &mut parent, 20);
    let relations = [(&parent, None), (&child, Some(Path::Load))];
    assert!(decide(&relations, Silencing::ReplicaRole).items.is_empty());
    assert_eq!(names(&decide(&relations, Silencing::EachTrigger)), ["c_fk20"]);
}

#[test]
fn tables_of_other_kinds_and_owners_keep_everything() {
    let mut root = keyed("r");
    root.kind = RelationKind::Partitioned;
    let mut foreign = keyed("f");
    foreign.owned = false;
    foreign.owner = "auth".to_owned();
    foreign.triggers.push(trigger("always", TriggerMode::Always));
    foreign.triggers.push(trigger("origin", TriggerMode::Origin));
    let mut broken = table("b");
    broken.indexes.push(Index {
        valid: false,
        ..index("b_i", "btree (a)", false)
    });
    broken.indexes.push(Index {
        statistics: true,
        ..index("b_s", "btree (lower(a))", false)
    });
    broken.indexes.push(Index {
        inherited: true,
        ..index("b_p", "btree (a)", false)
    });
    let relations = [
        (&root, Some(Path::Load)),
        (&foreign, Some(Path::Beside)),
        (&broken, Some(Path::Load)),
    ];
    let aside = decide(&relations, Silencing::ReplicaRole);
    assert!(aside.items.is_empty());
    assert_eq!(aside.kept.len(), 4);
    let forbidding = |silencing| forbidding(&relations, silencing, &[], &[]);
    assert_eq!(
        forbidding(Silencing::ReplicaRole),
        ["table public.f, trigger always"]
    );
    assert_eq!(forbidding(Silencing::EachTrigger).len(), 2);
}

#[test]
fn triggers_go_one_by_one_where_the_replica_role_is_refused() {
    let mut relation = table("t");
    relation.triggers.push(trigger("o", TriggerMode::Origin));
    relation.triggers.push(trigger("d", TriggerMode::Disabled));
    relation.triggers.push(trigger("r", TriggerMode::Replica));
    let each = decide(&[(&relation, Some(Path::Load))], Silencing::EachTrigger);
    assert_eq!(
        each.items[0].drop_sql,
        "ALTER TABLE ONLY \"public\".\"t\" DISABLE TRIGGER \"o\""
    );
    assert_eq!(names(&each), ["o"]);
    let replica = decide(&[(&relation, Some(Path::Load))], Silencing::ReplicaRole);
    assert_eq!(
        replica.items[0].restore,
        ["ALTER TABLE ONLY \"public\".\"t\" ENABLE REPLICA TRIGGER \"r\""]
    );
}

#[test]
fn operator_classes_and_exclusions_are_judged_on_a_copy() {
    let mut relation = table("t");
    relation
        .indexes
        .push(index("u", "btree (a text_pattern_ops)", true));
    relation.constraints.push(constraint(
        7,
        "x",
        ConstraintKind::Exclusion,
        "EXCLUDE USING gist (a WITH =) DEFERRABLE",
    ));
    relation.indexes.push(Index {
        constraint: Some("x".to_owned()),
        ..index("x", "gist (a)", false)
    });
    let aside = decide(&[(&relation, Some(Path::Load))], Silencing::ReplicaRole);
    let unique: Vec<_> = aside.items.iter().map(|item| item.unique.clone()).collect();
    assert_eq!(
        unique,
        [
            Some(Uniqueness::CopyConstraint(
                "EXCLUDE USING gist (a WITH =)".to_owned()
            )),
            Some(Uniqueness::CopyIndex(
                "USING btree (a text_pattern_ops)".to_owned()
            )),
        ]
    );
}

#[test]
fn foreign_keys_on_a_circle_are_set_aside_beside_rows_of_others() {
    let (mut a, mut b, mut c) = (keyed("a"), keyed("b"), keyed("c"));
    refer(&mut a, &mut b, 20);
    refer(&mut b, &mut a, 21);
    refer(&mut c, &mut a, 22);
    let beside = Some(Path::Beside);
    let relations = [(&a, beside), (&b, beside), (&c, beside)];
    let aside = decide(&relations, Silencing::EachTrigger);
    assert_eq!(names(&aside), ["b_fk21", "a_fk20"]);
    assert!(aside.items.iter().all(|item| item.filled));
    assert!(decide(&relations, Silencing::ReplicaRole).items.is_empty());
    b.owned = false;
    let relations = [(&a, beside), (&b, beside)];
    let aside = decide(&relations, Silencing::EachTrigger);
    assert_eq!(names(&aside), ["a_fk20"]);
    assert_eq!(aside.kept[0].name, "b_fk21");
}

/// A partitioned table with a statement's trigger and a row trigger, the latter's copies on partitions, and one of a partition's own.
fn partitioned() -> [Relation; 4] {
    let per_row = |name: &str| Trigger {
        per_row: true,
        ..trigger(name, TriggerMode::Origin)
    };
    let (mut root, mut middle, mut one, mut other) =
        (table("root"), table("middle"), table("one"), table("other"));
    root.kind = RelationKind::Partitioned;
    middle.kind = RelationKind::Partitioned;
    root.triggers = vec![per_row("each"), trigger("once", TriggerMode::Origin)];
    middle.triggers = vec![per_row("each")];
    one.triggers = vec![
        per_row("each"),
        per_row("own"),
        trigger("unasked", TriggerMode::Origin),
    ];
    other.triggers = vec![per_row("each")];
    let name = |relation: &Relation| relation.name.clone();
    root.around.shares_rows_with = vec![name(&middle), name(&one), name(&other)];
    middle.around.shares_rows_with = vec![name(&one), name(&root)];
    one.around.shares_rows_with = vec![name(&middle), name(&root)];
    other.around.shares_rows_with = vec![name(&root)];
    [root, middle, one, other]
}

fn silenced(aside: &AsidePlan) -> Vec<String> {
    let item = |item: &AsideItem| format!("{} {} for {}", item.table.name, item.name, item.entity);
    aside.items.iter().map(item).collect()
}

#[test]
fn triggers_of_partitions_act_where_the_rows_are() {
    let [mut root, middle, mut one, other] = partitioned();
    let each = Silencing::EachTrigger;
    let with = |root: &Relation, one: &Relation| -> (AsidePlan, Vec<String>) {
        let relations = [
            (root, Some(Path::Beside)),
            (&middle, None),
            (one, None),
            (&other, None),
        ];
        (decide(&relations, each), forbidding(&relations, each, &[], &[]))
    };
    let (empty, findings) = with(&root, &one);
    let all = [
        "one each for root",
        "one own for root",
        "other each for root",
        "root once for root",
    ];
    assert_eq!(silenced(&empty), all);
    assert!(findings.is_empty());
    // What cannot be disabled forbids the load, once for all copies.
    one.owned = false;
    let (partly, findings) = with(&root, &one);
    assert_eq!(silenced(&partly), [all[2], all[3]]);
    assert_eq!(
        findings,
        ["table public.one, trigger each", "table public.one, trigger own"]
    );
    root.has_rows = true;
    let (filled, findings) = with(&root, &one);
    assert!(filled.items.is_empty());
    let places = [
        "table public.one and another partition, trigger each",
        "table public.root, trigger once",
        "table public.one, trigger own",
    ];
    assert_eq!(findings, [places[0], places[1], places[2]]);
    // Rows that came when the triggers were silent are the pipeline's own.
    let relations = [
        (&root, Some(Path::Beside)),
        (&middle, None),
        (&one, None),
        (&other, None),
    ];
    let findings = forbidding(&relations, each, &empty.items[..1], &[]);
    assert_eq!(findings.len(), 2);
    let of_another = [AsideItem {
        entity: "rooted, another".to_owned(),
        ..empty.items[0].clone()
    }];
    assert_eq!(forbidding(&relations, each, &of_another, &[]).len(), 3);
}

#[test]
fn a_partition_that_is_written_has_the_copies_silenced_and_its_own() {
    let [root, middle, one, other] = partitioned();
    let relations = [
        (&root, None),
        (&middle, None),
        (&one, Some(Path::Load)),
        (&other, None),
    ];
    let aside = decide(&relations, Silencing::EachTrigger);
    assert_eq!(
        silenced(&aside),
        ["one each for one", "one own for one", "one unasked for one"]
    );
    // What the rehearsal could not disable would fire.
    let kept = [Kept {
        table: one.name.clone(),
        kind: AsideKind::Trigger,
        name: "own".to_owned(),
        reason: "no".to_owned(),
    }];
    let findings = forbidding(&relations, Silencing::EachTrigger, &[], &kept);
    assert_eq!(findings, ["table public.one, trigger own"]);
    assert!(forbidding(&relations, Silencing::ReplicaRole, &[], &[]).is_empty());
}

#[test]
fn autovacuum_leaves_tables_alone_that_are_loaded_and_say_nothing_of_it() {
    let watched = |name: &str| {
        let mut table = keyed(name);
        table.around.autovacuum = true;
        table
    };
    let (quiet, unwatched, beside) = (watched("quiet"), keyed("unwatched"), watched("beside"));
    let (mut said, mut others) = (watched("said"), watched("others"));
    said.around.autovacuum_said = true;
    others.owned = false;
    let load = Some(Path::Load);
    let tables = [
        (&quiet, load),
        (&unwatched, load),
        (&beside, Some(Path::Beside)),
        (&said, load),
        (&others, load),
    ];
    let aside = decide(&tables, Silencing::ReplicaRole);
    let is_it = |item: &&AsideItem| item.kind == AsideKind::Autovacuum;
    let found: Vec<&AsideItem> = aside.items.iter().filter(is_it).collect();
    assert_eq!(found, [&aside.items[0]], "it comes back last");
    assert_eq!(
        (found[0].table.name.as_str(), found[0].entity.as_str()),
        ("quiet", "quiet")
    );
    assert_eq!(
        (found[0].drop_sql.as_str(), found[0].restore.as_slice()),
        (
            "ALTER TABLE ONLY \"public\".\"quiet\" SET (autovacuum_enabled = off)",
            ["ALTER TABLE ONLY \"public\".\"quiet\" RESET (autovacuum_enabled)".to_owned()].as_slice()
        )
    );

    // What stands in the catalog meanwhile.
    let mut off = quiet;
    (off.around.autovacuum, off.around.autovacuum_said) = (false, true);
    let (plan, catalog) = ground(&[(&off, load)]);
    let catalog = with_autovacuum_back(catalog, &aside.items);
    assert!(catalog.relations[&off.name].around.autovacuum);
    let again = set_aside(&plan, &catalog, Silencing::ReplicaRole, &aside.items);
    assert!(!again.items.iter().any(|item| is_it(&item)));
}
