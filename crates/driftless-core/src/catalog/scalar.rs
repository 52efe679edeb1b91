//! Types as the catalog knows them.

use crate::name::QualifiedName;

/// An object identifier of PostgreSQL.
pub type Oid = u32;

/// What kind of type it is, as far as copying and comparing need to know.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum TypeKind {
    /// A base type: built in, or of an extension.
    Base,
    /// An enum with its labels in order.
    Enum(Vec<String>),
    /// A domain over a type, with whether it (or a domain below) refuses null.
    Domain {
        /// The type below, which may be a domain again.
        base: Box<TypeRef>,
        /// Its typmod over the base, or -1.
        typmod: i32,
        /// Whether it is NOT NULL.
        not_null: bool,
        /// Whether it has CHECK constraints.
        checked: bool,
    },
    /// An array of a type.
    Array(Box<TypeRef>),
    /// A composite type with its fields in order.
    Composite(Vec<Field>),
    /// A range or multirange, with the type of its bounds unless it is built in.
    Range(Option<Box<TypeRef>>),
    /// Anything else (pseudo-types).
    Other,
}

/// A field of a composite type.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Field {
    /// Its name.
    pub name: String,
    /// Its type.
    pub data_type: TypeRef,
    /// Its typmod, or -1.
    pub typmod: i32,
}

/// A type of one server.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TypeRef {
    /// Its oid on that server. Below 10,000 it means the same everywhere.
    pub oid: Oid,
    /// Schema and name (`pg_catalog.int4`).
    pub name: QualifiedName,
    /// What kind it is.
    pub kind: TypeKind,
    /// The oid of the type of its arrays, 0 if there is none.
    pub array_oid: Oid,
    /// Whether it has binary input and output.
    pub binary: bool,
}

impl TypeRef {
    /// The type below all domains; itself if it is none.
    pub fn base(&self) -> &TypeRef {
        match &self.kind {
            TypeKind::Domain { base, .. } => base.base(),
            _ => self,
        }
    }

    /// The labels, if the type below all domains is an enum.
    pub fn labels(&self) -> Option<&[String]> {
        match &self.base().kind {
            TypeKind::Enum(labels) => Some(labels),
            _ => None,
        }
    }

    /// The element, if the type below all domains is an array.
    pub fn element(&self) -> Option<&TypeRef> {
        match &self.base().kind {
            TypeKind::Array(element) => Some(element),
            _ => None,
        }
    }

    /// Whether this holds of the type, or of one that its values are made of: below domains, elements, fields, bounds.
    pub fn any(&self, holds: &impl Fn(&TypeRef) -> bool) -> bool {
        holds(self)
            || match &self.kind {
                TypeKind::Domain { base, .. } => base.any(holds),
                TypeKind::Array(element) => element.any(holds),
                TypeKind::Composite(fields) => fields.iter().any(|field| field.data_type.any(holds)),
                TypeKind::Range(Some(bounds)) => bounds.any(holds),
                TypeKind::Base | TypeKind::Enum(_) | TypeKind::Range(None) | TypeKind::Other => false,
            }
    }

    /// Whether its oid means the same on every server.
    pub fn is_builtin(&self) -> bool {
        self.oid < 10_000
    }
}

/// Oids of built-in types: the same in every PostgreSQL.
pub mod builtin {
    use super::{Oid, TypeKind, TypeRef};
    use crate::name::QualifiedName;

    /// Declares the oids and the table from which type references are made.
    macro_rules! builtins {
        ($($name:ident = $oid:literal, $array:literal, $text:literal;)*) => {
            $(#[doc = concat!("Oid of `", $text, "`.")] pub const $name: Oid = $oid;)*
            const TABLE: &[(Oid, Oid, &str)] = &[$(($oid, $array, $text)),*];
        };
    }

    builtins! {
        BOOL = 16, 1000, "bool";
        BYTEA = 17, 1001, "bytea";
        CHAR = 18, 1002, "char";
        NAME = 19, 1003, "name";
        INT8 = 20, 1016, "int8";
        INT2 = 21, 1005, "int2";
        INT4 = 23, 1007, "int4";
        TEXT = 25, 1009, "text";
        OID = 26, 1028, "oid";
        JSON = 114, 199, "json";
        XML = 142, 143, "xml";
        POINT = 600, 1017, "point";
        CIDR = 650, 651, "cidr";
        FLOAT4 = 700, 1021, "float4";
        FLOAT8 = 701, 1022, "float8";
        MACADDR8 = 774, 775, "macaddr8";
        MONEY = 790, 791, "money";
        MACADDR = 829, 1040, "macaddr";
        INET = 869, 1041, "inet";
        BPCHAR = 1042, 1014, "bpchar";
        VARCHAR = 1043, 1015, "varchar";
        DATE = 1082, 1182, "date";
        TIME = 1083, 1183, "time";
        TIMESTAMP = 1114, 1115, "timestamp";
        TIMESTAMPTZ = 1184, 1185, "timestamptz";
        INTERVAL = 1186, 1187, "interval";
        TIMETZ = 1266, 1270, "timetz";
        BIT = 1560, 1561, "bit";
        VARBIT = 1562, 1563, "varbit";
        NUMERIC = 1700, 1231, "numeric";
        UUID = 2950, 2951, "uuid";
        RECORD = 2249, 2287, "record";
        DATEMULTIRANGE = 4535, 6155, "datemultirange";
        PG_LSN = 3220, 3221, "pg_lsn";
        TSVECTOR = 3614, 3643, "tsvector";
        JSONB = 3802, 3807, "jsonb";
        INT4RANGE = 3904, 3905, "int4range";
        NUMRANGE = 3906, 3907, "numrange";
        TSRANGE = 3908, 3909, "tsrange";
        TSTZRANGE = 3910, 3911, "tstzrange";
        DATERANGE = 3912, 3913, "daterange";
        INT8RANGE = 3926, 3927, "int8range";
        TEXT_ARRAY = 1009, 0, "_text";
        INT8_ARRAY = 1016, 0, "_int8";
    }

    /// Whether the type with this oid is one of these, so that [`element_name`] knows the type of its arrays.
    pub fn is_listed(oid: Oid) -> bool {
        TABLE.iter().any(|entry| entry.0 == oid && entry.1 != 0)
    }

    /// The reference of a built-in base or range type.
    ///
    /// # Panics
    /// Never for the constants of this module.
    pub fn of(oid: Oid) -> TypeRef {
        let (oid, array_oid, text) = TABLE
            .iter()
            .copied()
            .find(|entry| entry.0 == oid)
            .unwrap_or((oid, 0, "unknown"));
        TypeRef {
            oid,
            name: QualifiedName::new("pg_catalog", text),
            kind: if text.ends_with("range") {
                TypeKind::Range(None)
            } else {
                TypeKind::Base
            },
            array_oid,
            binary: true,
        }
    }

    /// The type of the elements of arrays with this oid, as SQL writes it. `text` for any that is not built in.
    pub fn element_name(array: Oid) -> String {
        let element = TABLE
            .iter()
            .find(|entry| entry.1 == array && array != 0)
            .map_or("text", |entry| entry.2);
        format!("pg_catalog.\"{element}\"")
    }
}
