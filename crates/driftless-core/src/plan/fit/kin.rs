//! Types of one's own that two servers call the same: their bytes hold numbers of other objects, their text means the same if
//! what they are made of does.

use super::{End, Fit, Misfit, cast};
use crate::catalog::{Field, TypeKind, TypeRef};
use crate::plan::travel::{is_kin, names_an_object};

/// Whether the type's own bytes mean nothing on another server: not built in, and more than an extension's.
pub(super) fn is_own(data_type: &TypeRef) -> bool {
    match &data_type.kind {
        TypeKind::Array(element) => !element.is_builtin(),
        TypeKind::Base | TypeKind::Enum(_) | TypeKind::Domain { .. } | TypeKind::Other => false,
        TypeKind::Composite(_) | TypeKind::Range(_) => !data_type.is_builtin(),
    }
}

/// Composites, ranges and arrays of one's own under one name.
pub(super) fn namesake(from: End<'_>, to: End<'_>) -> Option<Result<Fit, Misfit>> {
    let (own, wanted) = (from.data_type, to.data_type);
    if let (TypeKind::Composite(own), TypeKind::Composite(wanted)) = (&own.kind, &wanted.kind)
        && let Some(misfit) = other_fields(own, wanted)
    {
        return Some(Err(misfit));
    }
    if !is_own(own) || !is_own(wanted) || !is_named_alike(own, wanted) {
        return None;
    }
    if own.any(&names_an_object) {
        return Some(Err(Misfit::new(
            "it holds the name of an object, which may be a number that is another object's here",
            "write the conversion as sql",
        )));
    }
    let modified = to.typmod >= 0 && to.typmod != from.typmod;
    (is_kin(own, wanted) && !modified).then(|| {
        Ok(if own.name == wanted.name {
            cast("{x}", to, None)
        } else {
            cast("({x})::pg_catalog.text", to, None)
        })
    })
}

/// Whether both servers call it the same, wherever it is.
fn is_named_alike(from: &TypeRef, to: &TypeRef) -> bool {
    match (&from.kind, &to.kind) {
        (TypeKind::Array(own), TypeKind::Array(wanted)) => is_named_alike(own, wanted),
        _ => from.name.name == to.name.name,
    }
}

/// Why a composite's text would fill other fields than it came from.
fn other_fields(from: &[Field], to: &[Field]) -> Option<Misfit> {
    let names = |fields: &[Field]| -> Vec<String> { fields.iter().map(|field| field.name.clone()).collect() };
    let (own, wanted) = (names(from), names(to));
    (own != wanted).then(|| {
        Misfit::new(
            format!(
                "its fields are {}, and those of the target's type are {}",
                own.join(", "),
                wanted.join(", ")
            ),
            "write the conversion as sql: `sql = \"ROW(…)::…\"`, or from a query of the source",
        )
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::catalog::builtin;
    use crate::name::QualifiedName;
    use crate::plan::fit::tests::PLAIN;
    use crate::plan::fit::{Terms, fit, fit_of_text};

    fn own(name: &str, kind: TypeKind) -> TypeRef {
        TypeRef {
            oid: 20_000,
            name: QualifiedName::new("public", name),
            kind,
            array_oid: 20_001,
            binary: true,
        }
    }

    fn composite(fields: &[(&str, u32, i32)]) -> TypeRef {
        let field = |(name, oid, typmod): &(&str, u32, i32)| Field {
            name: (*name).to_owned(),
            data_type: builtin::of(*oid),
            typmod: *typmod,
        };
        own("pair", TypeKind::Composite(fields.iter().map(field).collect()))
    }

    fn array(element: TypeRef) -> TypeRef {
        own("_x", TypeKind::Array(Box::new(element)))
    }

    fn domain(typmod: i32) -> TypeRef {
        let kind = TypeKind::Domain {
            base: Box::new(builtin::of(builtin::NUMERIC)),
            typmod,
            not_null: false,
            checked: false,
        };
        own("price", kind)
    }

    /// Whether a value of the one becomes one of the other, and whether each is looked at.
    fn looked_at(from: &TypeRef, to: &TypeRef, terms: Terms<'_>) -> Option<bool> {
        let end = |data_type| End {
            data_type,
            typmod: -1,
        };
        let direct = fit(end(from), end(to), terms).ok()?;
        let through_text = fit_of_text(end(from), end(to), terms).ok()?;
        let looks = |fit: &Fit| {
            matches!(
                fit,
                Fit::Cast {
                    lossless: Some(_),
                    ..
                }
            )
        };
        assert_eq!(looks(&direct), looks(&through_text));
        Some(looks(&direct))
    }

    const NUMERIC: u32 = builtin::NUMERIC;

    #[test]
    fn composites_need_the_same_fields_in_order() {
        let (a, b) = (("a", builtin::INT4, -1), ("b", builtin::INT4, -1));
        let pair = composite(&[a, b]);
        assert_eq!(looked_at(&pair, &pair, PLAIN), Some(false));
        for other in [&[b, a][..], &[a], &[a, b, ("c", builtin::INT4, -1)]] {
            assert_eq!(looked_at(&pair, &composite(other), PLAIN), None);
        }
        let wider = composite(&[a, ("b", builtin::INT8, -1)]);
        assert_eq!(looked_at(&pair, &wider, PLAIN), Some(true));
    }

    #[test]
    fn what_another_modifier_would_round_is_looked_at() {
        let (all, two) = (
            composite(&[("a", NUMERIC, -1)]),
            composite(&[("a", NUMERIC, 786_438)]),
        );
        assert_eq!(looked_at(&two, &all, PLAIN), Some(false));
        assert_eq!(looked_at(&all, &two, PLAIN), Some(true));
        let (all, two) = (array(domain(-1)), array(domain(786_438)));
        assert_eq!(looked_at(&two, &all, PLAIN), Some(false));
        assert_eq!(looked_at(&all, &two, PLAIN), Some(true));
        let range = |oid| own("span", TypeKind::Range(Some(Box::new(builtin::of(oid)))));
        let (numbers, floats) = (range(NUMERIC), range(builtin::FLOAT8));
        assert_eq!(looked_at(&numbers, &numbers, PLAIN), Some(false));
        assert_eq!(looked_at(&numbers, &floats, PLAIN), Some(true));
    }

    #[test]
    fn money_and_names_of_objects_do_not_hide_inside() {
        let money = composite(&[("a", builtin::MONEY, -1)]);
        assert_eq!(looked_at(&money, &money, PLAIN), None);
        let regclass = TypeRef {
            oid: 2205,
            name: QualifiedName::new("pg_catalog", "regclass"),
            ..builtin::of(builtin::OID)
        };
        let kind = TypeKind::Composite(vec![Field {
            name: "a".to_owned(),
            data_type: regclass,
            typmod: -1,
        }]);
        let named = own("pair", kind);
        assert_eq!(looked_at(&named, &named, PLAIN), None);
    }

    #[test]
    fn intervals_between_servers_of_which_one_knows_infinity() {
        let terms = Terms {
            same_interval: false,
            ..PLAIN
        };
        let interval = builtin::of(builtin::INTERVAL);
        let end = |typmod| End {
            data_type: &interval,
            typmod,
        };
        let checked = Fit::Checked(crate::plan::program::Check::SameInterval);
        assert_eq!(fit(end(-1), end(-1), terms), Ok(checked.clone()));
        let lossy = Terms { lossy: true, ..terms };
        assert_eq!(fit(end(-1), end(-1), lossy), Ok(checked));
        let several = TypeRef {
            oid: 1187,
            ..array(interval.clone())
        };
        let end = End {
            data_type: &several,
            typmod: -1,
        };
        assert_eq!(fit(end, end, terms), Ok(cast("{x}", end, None)));
        assert_eq!(fit(end, end, PLAIN), Ok(Fit::Same));
    }
}
