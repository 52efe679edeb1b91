//! How values travel into an evaluation on the target.

use super::sql_type::type_name;
use crate::catalog::{Catalog, Oid, TypeKind, TypeRef, builtin};

/// How a type travels into an evaluation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Travel {
    /// Whether the extraction casts it to text.
    pub(super) as_text: bool,
    /// The element's oid on the wire.
    pub(super) element: Oid,
    /// The array's.
    pub(super) array: Oid,
    /// What it is cast to inside, if anything.
    pub(super) cast: Option<String>,
    /// Its type there.
    pub(super) data_type: TypeRef,
}

/// Scalars of well-known types travel as they are; everything else as text, cast inside where the target knows the type.
///
/// The name of an object stays text: where it is no name but a number, it would be another object's. So do intervals where
/// only one server has infinite ones.
pub(super) fn travel(data_type: &TypeRef, target: &Catalog, same_interval: bool) -> Travel {
    let base = data_type.base();
    if travels_as_it_is(base) && (same_interval || base.oid != builtin::INTERVAL) {
        return Travel {
            as_text: false,
            element: base.oid,
            array: base.array_oid,
            cast: None,
            data_type: base.clone(),
        };
    }
    let known = known_there(base, target);
    let data_type = if known {
        base.clone()
    } else {
        builtin::of(builtin::TEXT)
    };
    Travel {
        as_text: base.labels().is_none(),
        element: builtin::TEXT,
        array: builtin::TEXT_ARRAY,
        cast: known.then(|| type_name(base)),
        data_type,
    }
}

/// Whether the bytes of a produced value, too, are what travels: the type's own, or text.
pub(super) fn bytes_travel(data_type: &TypeRef) -> bool {
    let base = data_type.base();
    travels_as_it_is(base) || base.labels().is_some() || is_citext(base)
}

/// The extension's text without case, wherever it is installed: its bytes are those of text.
pub(super) fn is_citext(data_type: &TypeRef) -> bool {
    data_type.name.name == "citext" && data_type.kind == TypeKind::Base && !data_type.is_builtin()
}

/// Whether bytes mean the same on two servers: built in, with binary form, and not an object's number in disguise.
pub(super) fn is_portable(data_type: &TypeRef) -> bool {
    let kind = matches!(data_type.kind, TypeKind::Base | TypeKind::Range(None));
    kind && data_type.is_builtin() && data_type.binary && !names_an_object(data_type)
}

/// `regclass` and its like hold an oid, which is another object's on another server.
pub(super) fn names_an_object(data_type: &TypeRef) -> bool {
    data_type.is_builtin() && data_type.name.name.starts_with("reg")
}

fn travels_as_it_is(base: &TypeRef) -> bool {
    is_portable(base) && base.array_oid != 0 && builtin::is_listed(base.oid)
}

/// Whether the target has a type of this name that takes the same text.
fn known_there(base: &TypeRef, target: &Catalog) -> bool {
    match &base.kind {
        TypeKind::Array(element) => known_there(element.base(), target) && element.base() == element.as_ref(),
        _ if base.is_builtin() => !names_an_object(base),
        _ => target
            .types
            .get(&base.name)
            .is_some_and(|there| is_kin(base, there)),
    }
}

/// Whether the text of every value of the one means the same value of the other: what they are called does not matter, what
/// they are made of does.
pub(super) fn is_kin(from: &TypeRef, to: &TypeRef) -> bool {
    let modified = |own: i32, wanted: i32| wanted >= 0 && wanted != own;
    match (&from.kind, &to.kind) {
        (
            TypeKind::Domain { base, typmod, .. },
            TypeKind::Domain {
                base: wanted,
                typmod: limit,
                ..
            },
        ) => is_kin(base, wanted) && !modified(*typmod, *limit),
        (TypeKind::Array(own), TypeKind::Array(wanted)) => is_kin(own, wanted),
        (TypeKind::Composite(own), TypeKind::Composite(wanted)) => {
            own.len() == wanted.len()
                && own.iter().zip(wanted).all(|(own, wanted)| {
                    own.name == wanted.name
                        && is_kin(&own.data_type, &wanted.data_type)
                        && !modified(own.typmod, wanted.typmod)
                })
        }
        (TypeKind::Range(Some(own)), TypeKind::Range(Some(wanted))) => is_kin(own, wanted),
        (TypeKind::Enum(own), TypeKind::Enum(wanted)) => own.iter().all(|label| wanted.contains(label)),
        (TypeKind::Base, TypeKind::Base) | (TypeKind::Range(None), TypeKind::Range(None)) => {
            from.name.name == to.name.name && from.is_builtin() == to.is_builtin()
        }
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::name::QualifiedName;

    fn own(name: &str, kind: TypeKind) -> TypeRef {
        TypeRef {
            oid: 20_000,
            name: QualifiedName::new("public", name),
            kind,
            array_oid: 20_001,
            binary: true,
        }
    }

    fn labels(labels: &[&str]) -> TypeKind {
        TypeKind::Enum(labels.iter().map(|&label| label.to_owned()).collect())
    }

    fn target(types: &[TypeRef]) -> Catalog {
        let named = types.iter().map(|one| (one.name.clone(), one.clone()));
        Catalog {
            types: named.collect(),
            ..Catalog::default()
        }
    }

    #[test]
    fn well_known_scalars_travel_as_they_are() {
        for oid in [
            builtin::INT4,
            builtin::NUMERIC,
            builtin::INET,
            builtin::INT4RANGE,
            builtin::JSONB,
        ] {
            let found = travel(&builtin::of(oid), &Catalog::default(), true);
            let array = builtin::of(oid).array_oid;
            assert_eq!(
                (found.as_text, found.element, found.array, found.cast),
                (false, oid, array, None)
            );
        }
    }

    #[test]
    fn an_array_that_cannot_be_named_travels_as_text() {
        // polygon: built in, but not among those whose arrays are known by name.
        let polygon = TypeRef {
            oid: 604,
            name: QualifiedName::new("pg_catalog", "polygon"),
            array_oid: 1027,
            ..builtin::of(builtin::POINT)
        };
        let found = travel(&polygon, &Catalog::default(), true);
        assert_eq!((found.as_text, found.array), (true, builtin::TEXT_ARRAY));
        assert_eq!(found.cast.as_deref(), Some("\"pg_catalog\".\"polygon\""));
    }

    #[test]
    fn what_names_an_object_travels_as_its_name() {
        let regclass = TypeRef {
            oid: 2205,
            name: QualifiedName::new("pg_catalog", "regclass"),
            array_oid: 2210,
            ..builtin::of(builtin::OID)
        };
        assert!(!is_portable(&regclass));
        assert!(travel(&regclass, &Catalog::default(), true).as_text);
    }

    #[test]
    fn an_enum_is_cast_where_the_target_has_all_its_labels() {
        let here = own("status", labels(&["a", "b"]));
        let cast = |there: TypeKind| travel(&here, &target(&[own("status", there)]), true).cast;
        assert_eq!(
            cast(labels(&["b", "c", "a"])).as_deref(),
            Some("\"public\".\"status\"")
        );
        assert_eq!(cast(labels(&["a", "c"])), None);
        assert_eq!(cast(TypeKind::Composite(Vec::new())), None);
        let unknown = travel(&here, &Catalog::default(), true);
        assert_eq!(
            (unknown.as_text, unknown.cast, unknown.data_type.oid),
            (false, None, builtin::TEXT)
        );
    }

    #[test]
    fn arrays_travel_as_text_and_are_cast_where_their_elements_are_known() {
        let array = |element: TypeRef| own("_x", TypeKind::Array(Box::new(element)));
        let numbers = travel(&array(builtin::of(builtin::INT4)), &Catalog::default(), true);
        assert_eq!(
            (numbers.as_text, numbers.cast.as_deref()),
            (true, Some("\"pg_catalog\".\"int4\"[]"))
        );
        let status = own("status", labels(&["a"]));
        assert_eq!(travel(&array(status), &Catalog::default(), true).cast, None);
    }

    #[test]
    fn produced_bytes_travel_only_if_they_are_the_types_own_or_text() {
        assert!(bytes_travel(&builtin::of(builtin::UUID)));
        assert!(bytes_travel(&own("status", labels(&["a"]))));
        assert!(bytes_travel(&own("citext", TypeKind::Base)));
        assert!(!bytes_travel(&own("hstore", TypeKind::Base)));
        assert!(!bytes_travel(&own(
            "_int4",
            TypeKind::Array(Box::new(builtin::of(builtin::INT4)))
        )));
    }
}
