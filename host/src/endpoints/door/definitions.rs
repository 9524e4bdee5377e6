//! The part of the door that is about definitions.

use wasmtime::component::{Accessor, HasSelf};

use super::{State, engine};
use crate::contract::{
    Caller, Definition, DefinitionPage, Difference, Error, Json, PageRequest, Template,
    bindings::phasewright::workflow,
};

impl workflow::definitions::Host for State {}

impl<T: Send> workflow::definitions::HostWithStore<T> for HasSelf<State> {
    async fn put(
        door: &Accessor<T, Self>,
        caller: Caller,
        id: String,
        document: Json,
        expected_version: Option<u32>,
    ) -> Result<Definition, Error> {
        engine(door)
            .definitions_put(caller, id, document, expected_version)
            .await
    }

    async fn validate(
        door: &Accessor<T, Self>,
        caller: Caller,
        document: Json,
    ) -> Result<(), Error> {
        engine(door).definitions_validate(caller, document).await
    }

    async fn get(
        door: &Accessor<T, Self>,
        caller: Caller,
        id: String,
        version: Option<u32>,
    ) -> Result<Definition, Error> {
        engine(door).definitions_get(caller, id, version).await
    }

    async fn list(
        door: &Accessor<T, Self>,
        caller: Caller,
        page: PageRequest,
    ) -> Result<DefinitionPage, Error> {
        engine(door).definitions_list(caller, page).await
    }

    async fn versions(
        door: &Accessor<T, Self>,
        caller: Caller,
        id: String,
        page: PageRequest,
    ) -> Result<DefinitionPage, Error> {
        engine(door).definitions_versions(caller, id, page).await
    }

    async fn diff(
        door: &Accessor<T, Self>,
        caller: Caller,
        id: String,
        from_version: Option<u32>,
        to_version: Option<u32>,
    ) -> Result<Difference, Error> {
        engine(door)
            .definitions_diff(caller, id, from_version, to_version)
            .await
    }

    async fn deprecate(
        door: &Accessor<T, Self>,
        caller: Caller,
        id: String,
        version: u32,
        reason: String,
    ) -> Result<Definition, Error> {
        engine(door)
            .definitions_deprecate(caller, id, version, reason)
            .await
    }

    async fn restore(
        door: &Accessor<T, Self>,
        caller: Caller,
        id: String,
        version: u32,
    ) -> Result<Definition, Error> {
        engine(door).definitions_restore(caller, id, version).await
    }

    async fn remove(
        door: &Accessor<T, Self>,
        caller: Caller,
        id: String,
        version: Option<u32>,
    ) -> Result<(), Error> {
        engine(door).definitions_remove(caller, id, version).await
    }

    async fn templates(door: &Accessor<T, Self>, caller: Caller) -> Result<Vec<Template>, Error> {
        engine(door).definitions_templates(caller).await
    }

    async fn instantiate(
        door: &Accessor<T, Self>,
        caller: Caller,
        template: String,
        id: String,
        parameters: Json,
        expected_version: Option<u32>,
    ) -> Result<Definition, Error> {
        let engine = engine(door);
        engine
            .definitions_instantiate(caller, template, id, parameters, expected_version)
            .await
    }
}
