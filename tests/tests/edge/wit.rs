//! The workflow interface as it is written in WIT: its functions, and samples of its types in their
//! JSON form.

use std::{cell::Cell, path::Path};

use serde_json::{Map, Value, json};
use wit_parser::{Function, PackageId, Resolve, Type, TypeDefKind, TypeId};

pub struct Wit {
    resolve: Resolve,
    package: PackageId,
}

impl Wit {
    pub fn read() -> Self {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../wit/workflow");
        let mut resolve = Resolve::default();
        let (package, _) = resolve.push_dir(folder).unwrap();
        Self { resolve, package }
    }

    /// All functions, with the names of their interfaces.
    pub fn functions(&self) -> impl Iterator<Item = (&str, &Function)> {
        let interfaces = self.resolve.packages[self.package].interfaces.iter();
        interfaces.flat_map(|(name, id)| {
            let functions = self.resolve.interfaces[*id].functions.values();
            functions.map(move |function| (name.as_str(), function))
        })
    }

    /// All types with names of their own, as `interface.type`.
    pub fn types(&self) -> impl Iterator<Item = (String, Type)> {
        let interfaces = self.resolve.packages[self.package].interfaces.iter();
        interfaces.flat_map(|(interface, id)| {
            let types = self.resolve.interfaces[*id].types.iter();
            let own = types.filter(|(_, id)| {
                let kind = &self.resolve.types[**id].kind;
                !matches!(kind, TypeDefKind::Type(_))
            });
            own.map(move |(name, id)| (format!("{interface}.{name}"), Type::Id(*id)))
        })
    }

    /// Whether there is a stream in it.
    pub fn has_stream(&self, kind: &Type) -> bool {
        let Type::Id(id) = kind else {
            return false;
        };
        match &self.resolve.types[*id].kind {
            TypeDefKind::Stream(_) => true,
            TypeDefKind::Result(result) => result.ok.is_some_and(|kind| self.has_stream(&kind)),
            TypeDefKind::Tuple(tuple) => tuple.types.iter().any(|kind| self.has_stream(kind)),
            _ => false,
        }
    }

    /// Values of a type in which each field is there and is not, and each case is there.
    pub fn samples(&self, kind: &Type) -> Vec<Value> {
        let samples = Samples {
            resolve: &self.resolve,
            count: Cell::new(0),
        };
        samples.of(kind)
    }
}

/// Makes values that differ from one another.
struct Samples<'r> {
    resolve: &'r Resolve,
    count: Cell<u32>,
}

impl Samples<'_> {
    fn next(&self) -> u32 {
        self.count.set(self.count.get() + 1);
        self.count.get()
    }

    fn of(&self, kind: &Type) -> Vec<Value> {
        match kind {
            Type::Bool => vec![json!(true), json!(false)],
            Type::U8 | Type::U16 | Type::U32 => vec![json!(self.next())],
            Type::U64 => vec![json!(self.next()), json!(u64::MAX)],
            Type::F32 | Type::F64 => vec![json!(0.5), json!(1.0)],
            Type::String => {
                let number = self.next();
                vec![
                    json!(format!("text {number}")),
                    json!(format!("{{\"text\": \"\nä{number}\"}}")),
                ]
            }
            Type::Id(id) => self.of_defined(*id),
            other => panic!("no samples of {other:?}: write some"),
        }
    }

    fn of_defined(&self, id: TypeId) -> Vec<Value> {
        match &self.resolve.types[id].kind {
            TypeDefKind::Type(kind) => self.of(kind),
            TypeDefKind::Record(record) => {
                let fields = record.fields.iter();
                let fields: Vec<_> = fields
                    .map(|field| (snake(&field.name), self.of(&field.ty)))
                    .collect();
                side_by_side(fields.iter().map(|(_, samples)| samples.as_slice()))
                    .map(|values| {
                        let names = fields.iter().map(|(name, _)| name.clone());
                        Value::Object(names.zip(values).collect::<Map<_, _>>())
                    })
                    .collect()
            }
            TypeDefKind::Tuple(tuple) => {
                let parts: Vec<_> = tuple.types.iter().map(|kind| self.of(kind)).collect();
                side_by_side(parts.iter().map(Vec::as_slice))
                    .map(Value::Array)
                    .collect()
            }
            TypeDefKind::Enum(cases) => {
                let cases = cases.cases.iter();
                cases.map(|case| json!(upper_camel(&case.name))).collect()
            }
            TypeDefKind::Variant(variant) => {
                let cases = variant.cases.iter();
                cases
                    .flat_map(|case| self.of_case(&upper_camel(&case.name), case.ty.as_ref()))
                    .collect()
            }
            TypeDefKind::Option(kind) => {
                let mut samples = self.of(kind);
                samples.push(Value::Null);
                samples
            }
            TypeDefKind::List(kind) => vec![Value::Array(self.of(kind)), json!([])],
            TypeDefKind::Result(result) => {
                let cases = [("Ok", result.ok.as_ref()), ("Err", result.err.as_ref())];
                let of_case = |(name, kind): (&str, Option<&Type>)| match kind {
                    None => vec![json!({ name: null })],
                    kind => self.of_case(name, kind),
                };
                cases.into_iter().flat_map(of_case).collect()
            }
            // What it carries comes after the text.
            TypeDefKind::Stream(_) => vec![Value::Null],
            other => panic!("no samples of {other:?}: write some"),
        }
    }

    fn of_case(&self, name: &str, kind: Option<&Type>) -> Vec<Value> {
        match kind {
            None => vec![json!(name)],
            Some(kind) => {
                let samples = self.of(kind).into_iter();
                samples.map(|sample| json!({ name: sample })).collect()
            }
        }
    }
}

/// First samples together, second ones together, and so on, until each has been there.
pub fn side_by_side<'s>(
    parts: impl Iterator<Item = &'s [Value]> + Clone,
) -> impl Iterator<Item = Vec<Value>> {
    let count = parts.clone().map(<[Value]>::len).max().unwrap_or(1);
    (0..count).map(move |at| {
        let parts = parts.clone();
        parts
            .map(|samples| samples[at % samples.len()].clone())
            .collect()
    })
}

/// `plan-rerun` → `plan_rerun`
pub fn snake(name: &str) -> String {
    name.replace('-', "_")
}

/// `timed-out` → `TimedOut`
fn upper_camel(name: &str) -> String {
    let words = name.split('-').map(|word| {
        let (first, rest) = word.split_at(1);
        first.to_uppercase() + rest
    });
    words.collect()
}
