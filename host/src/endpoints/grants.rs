//! What the manifest gives a component: variables, as Spin does, and an environment.

use std::{collections::BTreeMap, env};

use wasmtime::component::{Accessor, Component, HasSelf};

use super::{
    instance::State,
    manifest::{Source, Variables},
};

pub(super) mod bindings {
    wasmtime::component::bindgen!({
        path: "../wit/spin",
        world: "platform",
        imports: { default: async | store },
    });
}

use bindings::spin::variables::variables;

/// The interface by which components ask for variables.
const VARIABLES: &str = "spin:variables/variables@3.0.0";

/// What all instances of a component have.
#[derive(Debug, Default)]
pub(super) struct Grants {
    pub(super) variables: BTreeMap<String, String>,
    pub(super) environment: Vec<(String, String)>,
}

impl Grants {
    /// Values for a component that asks for any; others need none, also of those that are
    /// required. The error names the variable that has no value.
    pub(super) fn of(
        source: &Source,
        declared: &Variables,
        component: &Component,
    ) -> Result<Self, String> {
        let mut variables = BTreeMap::new();
        let kind = component.component_type();
        let mut imports = kind.imports(component.engine());
        if imports.any(|(name, _)| name == VARIABLES) {
            for (name, template) in &source.variables {
                let value = declared.fill(template, &|name| env::var(name).ok())?;
                variables.insert(name.clone(), value);
            }
        }
        Ok(Self {
            variables,
            environment: source.environment.clone().into_iter().collect(),
        })
    }
}

impl variables::Host for State {}

impl<T: Send> variables::HostWithStore<T> for HasSelf<State> {
    async fn get(accessor: &Accessor<T, Self>, name: String) -> Result<String, variables::Error> {
        let grants = accessor.with(|mut access| access.get().grants.clone());
        let value = grants.variables.get(&name).cloned();
        value.ok_or(variables::Error::Undefined(name))
    }
}
