//! What executions are made of: workflow definitions, templates to start from, the phase catalog.

use http::request::Parts;
use phasewright_endpoint::{
    Problem, Reply, Request,
    bindings::{catalog, definitions},
    definition,
    request::{
        allow,
        body::read,
        caller::caller,
        condition::expected_version,
        json::Fields,
        path::{Path, id, number, phase_name},
        query::Query,
    },
    serve,
};
use spin_sdk::http::Method;

serve!(super::handle);

async fn handle(request: Request) -> Reply {
    route(request).await.unwrap_or_else(Problem::into_reply)
}

async fn route(request: Request) -> Result<Reply, Problem> {
    let path = Path::parse(request.uri().path())?;
    let segments = path.segments();
    if let ["api", "workflows", workflow] = segments[..] {
        return one(request, workflow).await;
    }
    if let ["api", "workflows", workflow, "versions", version] = segments[..] {
        return remove_version(&request.into_parts().0, workflow, version).await;
    }
    if let ["api", "workflows", workflow, "versions", version, verb] = segments[..] {
        return change(request, workflow, version, verb).await;
    }
    if let ["api", "templates", name, "instantiate"] = segments[..] {
        return instantiate(request, name).await;
    }
    let head = request.into_parts().0;
    match segments[..] {
        ["api", "workflows"] => list(&head).await,
        ["api", "workflows", workflow, "diff"] => diff(&head, workflow).await,
        ["api", "workflows", workflow, "versions"] => versions(&head, workflow).await,
        ["api", "templates"] => templates(&head).await,
        ["api", "templates", name] => template(&head, name).await,
        ["api", "phases"] => phases(&head).await,
        ["api", "phases", name] => phase(&head, name).await,
        _ => Err(Problem::no_route()),
    }
}

/// One workflow; a `POST` to the name `validate` validates, and `validate` is a workflow's id
/// otherwise.
async fn one(request: Request, workflow: &str) -> Result<Reply, Problem> {
    let (head, body) = request.into_parts();
    if workflow == "validate" {
        allow(
            &head,
            &[Method::DELETE, Method::GET, Method::POST, Method::PUT],
        )?;
    } else {
        allow(&head, &[Method::DELETE, Method::GET, Method::PUT])?;
    }
    let workflow = id("id", workflow)?.to_owned();
    let caller = caller(&head.headers)?;
    match head.method {
        Method::PUT => {
            Query::parse(&head, &[])?;
            let expected = expected_version(&head.headers)?;
            let document = definition::document(read(&head, body).await?)?;
            let stored = definitions::put(caller, workflow, document, expected).await?;
            definition::stored(&stored)
        }
        Method::DELETE => {
            Query::parse(&head, &[])?;
            definitions::remove(caller, workflow, None).await?;
            Ok(definition::removed())
        }
        Method::POST => {
            Query::parse(&head, &[])?;
            let document = definition::document(read(&head, body).await?)?;
            definitions::validate(caller, document).await?;
            Ok(definition::valid())
        }
        _ => {
            let query = Query::parse(&head, &["version"])?;
            let version = query.number("version", 1, u32::MAX)?;
            let found = definitions::get(caller, workflow, version).await?;
            definition::shown(&head.headers, &found)
        }
    }
}

async fn remove_version(head: &Parts, workflow: &str, version: &str) -> Result<Reply, Problem> {
    allow(head, &[Method::DELETE])?;
    let workflow = id("id", workflow)?.to_owned();
    let version = number("version", version)?;
    Query::parse(head, &[])?;
    definitions::remove(caller(&head.headers)?, workflow, Some(version)).await?;
    Ok(definition::removed())
}

/// What one version has otherwise than another.
async fn diff(head: &Parts, workflow: &str) -> Result<Reply, Problem> {
    allow(head, &[Method::GET])?;
    let workflow = id("id", workflow)?.to_owned();
    let query = Query::parse(head, &["from", "to"])?;
    let from = query.number("from", 1, u32::MAX)?;
    let to = query.number("to", 1, u32::MAX)?;
    let caller = caller(&head.headers)?;
    let found = definitions::diff(caller, workflow.clone(), from, to).await?;
    Ok(definition::difference(&workflow, &found))
}

/// Deprecates a version, or does so no more.
async fn change(
    request: Request,
    workflow: &str,
    version: &str,
    verb: &str,
) -> Result<Reply, Problem> {
    if !matches!(verb, "deprecate" | "restore") {
        return Err(Problem::no_route());
    }
    let (head, body) = request.into_parts();
    allow(&head, &[Method::POST])?;
    let workflow = id("id", workflow)?.to_owned();
    let version = number("version", version)?;
    Query::parse(&head, &[])?;
    let caller = caller(&head.headers)?;
    let body = read(&head, body).await?;
    let found = if verb == "deprecate" {
        let reason = definition::reason(&body)?;
        definitions::deprecate(caller, workflow, version, reason).await?
    } else {
        Fields::parse(&body)?.finish()?;
        definitions::restore(caller, workflow, version).await?
    };
    definition::changed(&found)
}

async fn list(head: &Parts) -> Result<Reply, Problem> {
    allow(head, &[Method::GET])?;
    let page = Query::parse(head, &["limit", "cursor"])?.page()?;
    let page = definitions::list(caller(&head.headers)?, page).await?;
    Ok(definition::listed(&page))
}

async fn versions(head: &Parts, workflow: &str) -> Result<Reply, Problem> {
    allow(head, &[Method::GET])?;
    let workflow = id("id", workflow)?.to_owned();
    let page = Query::parse(head, &["limit", "cursor"])?.page()?;
    let page = definitions::versions(caller(&head.headers)?, workflow, page).await?;
    Ok(definition::listed(&page))
}

async fn templates(head: &Parts) -> Result<Reply, Problem> {
    allow(head, &[Method::GET])?;
    Query::parse(head, &[])?;
    let templates = definitions::templates(caller(&head.headers)?).await?;
    Ok(definition::templates(&templates))
}

async fn template(head: &Parts, name: &str) -> Result<Reply, Problem> {
    allow(head, &[Method::GET])?;
    let name = id("name", name)?;
    Query::parse(head, &[])?;
    let templates = definitions::templates(caller(&head.headers)?).await?;
    definition::template(&templates, name)
}

async fn instantiate(request: Request, name: &str) -> Result<Reply, Problem> {
    let (head, body) = request.into_parts();
    allow(&head, &[Method::POST])?;
    let name = id("name", name)?.to_owned();
    Query::parse(&head, &[])?;
    let expected = expected_version(&head.headers)?;
    let caller = caller(&head.headers)?;
    let new = definition::instance(&read(&head, body).await?)?;
    let stored = definitions::instantiate(caller, name, new.id, new.parameters, expected).await?;
    definition::stored(&stored)
}

async fn phases(head: &Parts) -> Result<Reply, Problem> {
    allow(head, &[Method::GET])?;
    Query::parse(head, &[])?;
    let phases = catalog::list(caller(&head.headers)?).await?;
    Ok(definition::phases(&phases))
}

async fn phase(head: &Parts, name: &str) -> Result<Reply, Problem> {
    allow(head, &[Method::GET])?;
    let name = phase_name("name", name)?.to_owned();
    Query::parse(head, &[])?;
    let phase = catalog::get(caller(&head.headers)?, name).await?;
    Ok(definition::phase(&phase))
}
