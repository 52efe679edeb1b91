//! Types and tables in short notation: `numeric(12,2)`, `id int4 pk; name varchar(40) !`.

use crate::catalog::{
    Catalog, Circumstances, Column, Constraint, ConstraintKind, Generated, Index, Oid, Relation,
    RelationKind, TypeKind, TypeRef, builtin,
};
use crate::name::QualifiedName;

const BUILTIN: &[Oid] = &[
    builtin::BOOL,
    builtin::BYTEA,
    builtin::CHAR,
    builtin::NAME,
    builtin::INT8,
    builtin::INT2,
    builtin::INT4,
    builtin::TEXT,
    builtin::OID,
    builtin::JSON,
    builtin::XML,
    builtin::POINT,
    builtin::CIDR,
    builtin::FLOAT4,
    builtin::FLOAT8,
    builtin::MACADDR8,
    builtin::MONEY,
    builtin::MACADDR,
    builtin::INET,
    builtin::BPCHAR,
    builtin::VARCHAR,
    builtin::DATE,
    builtin::TIME,
    builtin::TIMESTAMP,
    builtin::TIMESTAMPTZ,
    builtin::INTERVAL,
    builtin::TIMETZ,
    builtin::BIT,
    builtin::VARBIT,
    builtin::NUMERIC,
    builtin::UUID,
    builtin::PG_LSN,
    builtin::TSVECTOR,
    builtin::JSONB,
    builtin::INT4RANGE,
    builtin::NUMRANGE,
    builtin::TSRANGE,
    builtin::TSTZRANGE,
    builtin::DATERANGE,
    builtin::INT8RANGE,
];

/// One side of a mapping.
#[derive(Debug, Clone, Default)]
pub(in crate::plan) struct Side(pub(in crate::plan) Catalog);

impl Side {
    /// With a type of its own.
    pub(in crate::plan) fn with_type(mut self, name: &str, kind: TypeKind) -> Side {
        let number = 20_000 + 2 * self.0.types.len() as Oid;
        let made = TypeRef {
            oid: number,
            name: qualified(name),
            kind,
            array_oid: number + 1,
            binary: true,
        };
        self.0.types.insert(made.name.clone(), made);
        self
    }

    /// With an enum.
    pub(in crate::plan) fn with_enum(self, name: &str, labels: &[&str]) -> Side {
        let labels = labels.iter().map(|&label| label.to_owned()).collect();
        self.with_type(name, TypeKind::Enum(labels))
    }

    /// With a domain over a type in notation.
    pub(in crate::plan) fn with_domain(self, name: &str, base: &str, not_null: bool) -> Side {
        let (base, typmod) = self.data_type(base);
        let kind = TypeKind::Domain {
            base: Box::new(base),
            typmod,
            not_null,
            checked: false,
        };
        self.with_type(name, kind)
    }

    /// With a table: columns as `name type`, then any of `pk`, `!` (not null), `=` (default), `gen` (generated),
    /// `identity`, `serial` (draws from a sequence), `ci` (collation without determinism).
    pub(in crate::plan) fn with(self, name: &str, columns: &str) -> Side {
        self.with_relation(name, RelationKind::Table, columns)
    }

    /// With a relation of any kind.
    pub(in crate::plan) fn with_relation(mut self, name: &str, kind: RelationKind, columns: &str) -> Side {
        let relation = self.relation(name, kind, columns);
        self.0.relations.insert(relation.name.clone(), relation);
        self
    }

    /// The same with a relation changed.
    pub(in crate::plan) fn change(mut self, name: &str, change: impl FnOnce(&mut Relation)) -> Side {
        change(self.0.relations.get_mut(&qualified(name)).expect("a relation"));
        self
    }

    /// A relation in notation.
    pub(in crate::plan) fn relation(&self, name: &str, kind: RelationKind, columns: &str) -> Relation {
        let columns: Vec<(Column, bool)> = columns
            .split(';')
            .map(str::trim)
            .filter(|text| !text.is_empty())
            .enumerate()
            .map(|(number, text)| self.column(number, text))
            .collect();
        let key: Vec<String> = columns
            .iter()
            .filter(|(_, key)| *key)
            .map(|(column, _)| column.name.clone())
            .collect();
        Relation {
            oid: 1,
            name: qualified(name),
            kind,
            owner: "us".to_owned(),
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
            columns: columns.into_iter().map(|(column, _)| column).collect(),
            indexes: if key.is_empty() {
                Vec::new()
            } else {
                vec![index(&key)]
            },
            constraints: if key.is_empty() {
                Vec::new()
            } else {
                vec![primary(key)]
            },
            triggers: Vec::new(),
            referenced_by: Vec::new(),
            around: Circumstances::default(),
        }
    }

    fn column(&self, number: usize, text: &str) -> (Column, bool) {
        let words: Vec<&str> = text.split_whitespace().collect();
        let [name, data_type, flags @ ..] = &words[..] else {
            panic!("no column: {text}")
        };
        let has = |flag: &str| flags.contains(&flag);
        let (data_type, typmod) = self.data_type(data_type);
        let not_null = matches!(data_type.kind, TypeKind::Domain { not_null: true, .. });
        let column = Column {
            name: (*name).to_owned(),
            number: number as i16 + 1,
            type_sql: super::super::sql_type::type_with_modifier(&data_type, typmod).replace('"', ""),
            data_type,
            typmod,
            not_null: not_null || has("!") || has("pk"),
            has_default: has("=") || has("serial"),
            generated: match (has("gen"), has("identity")) {
                (true, _) => Generated::Expression,
                (_, true) => Generated::IdentityAlways,
                _ => Generated::No,
            },
            sequence: (has("identity") || has("serial")).then(|| qualified("public.numbers")),
            deterministic: !has("ci"),
            readable: true,
            writable: true,
        };
        (column, has("pk"))
    }

    /// A type in notation, with its modifier.
    pub(in crate::plan) fn data_type(&self, text: &str) -> (TypeRef, i32) {
        if let Some(element) = text.strip_suffix("[]") {
            let (element, typmod) = self.data_type(element);
            return (array_of(element), typmod);
        }
        let (name, modifier) = text.split_once('(').unwrap_or((text, ""));
        let named = BUILTIN.iter().find(|oid| builtin::of(**oid).name.name == name);
        let data_type = match named {
            Some(oid) => builtin::of(*oid),
            None => {
                let found = self.0.types.get(&qualified(name));
                found.unwrap_or_else(|| panic!("no type {name}")).clone()
            }
        };
        let numbers: Vec<i32> = modifier
            .trim_end_matches(')')
            .split(',')
            .filter_map(|number| number.parse().ok())
            .collect();
        let typmod = match (data_type.oid, &numbers[..]) {
            (_, []) => -1,
            (builtin::NUMERIC, [precision, scale]) => ((precision << 16) | (0x7ff & scale)) + 4,
            (builtin::VARCHAR | builtin::BPCHAR, [length]) => length + 4,
            (builtin::INTERVAL, [digits]) => (0x7fff << 16) | digits,
            (_, [number, ..]) => *number,
        };
        (data_type, typmod)
    }
}

fn array_of(element: TypeRef) -> TypeRef {
    assert_ne!(element.array_oid, 0, "{element:?}");
    TypeRef {
        oid: element.array_oid,
        name: QualifiedName::new(element.name.schema.clone(), format!("_{}", element.name.name)),
        binary: element.binary,
        array_oid: 0,
        kind: TypeKind::Array(Box::new(element)),
    }
}

fn primary(columns: Vec<String>) -> Constraint {
    Constraint {
        oid: 2,
        name: "pkey".to_owned(),
        kind: ConstraintKind::Primary,
        columns,
        definition: String::new(),
        foreign: None,
        validated: true,
        inherited: false,
        deferrable: false,
        index_oid: 3,
        comment: None,
    }
}

/// A btree over columns.
pub(in crate::plan) fn index(columns: &[String]) -> Index {
    Index {
        oid: 3,
        name: "pkey".to_owned(),
        definition: "CREATE UNIQUE INDEX pkey ON t USING btree (…)".to_owned(),
        unique: true,
        valid: true,
        nulls_not_distinct: false,
        expressions: columns
            .iter()
            .map(|name| crate::name::quote_ident(name))
            .collect(),
        columns: columns.iter().cloned().map(Some).collect(),
        predicate: None,
        replica_identity: false,
        clustered: false,
        tablespace: None,
        statistics: false,
        inherited: false,
        constraint: Some("pkey".to_owned()),
        comment: None,
    }
}

/// `schema.name`.
pub(in crate::plan) fn qualified(name: &str) -> QualifiedName {
    let (schema, name) = name.split_once('.').expect("a schema");
    QualifiedName::new(schema, name)
}
