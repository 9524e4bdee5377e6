//! Definitions, the templates to start from, and the phases to build with, as JSON.

use http::{HeaderMap, StatusCode, header};

use crate::{
    Problem, Reply,
    bindings::{
        catalog::Phase,
        definitions::{Change, Definition, Deprecation, Difference, Page, Template},
    },
    reply::{
        self,
        json::{self, Object},
    },
    request::{
        condition::is_fresh,
        json::{Fields, check, violation},
    },
};

/// A definition document in a body: strictly checked JSON; the engine knows the rest.
///
/// # Errors
///
/// 400 or 422, see [`check`]; 422 when there is none.
pub fn document(body: String) -> Result<String, Problem> {
    if body.is_empty() {
        return Err(Problem::invalid(vec![violation(
            "",
            "is missing: the body must be a definition",
        )]));
    }
    check(&body)?;
    Ok(body)
}

/// What to make of a template: a workflow of this id, with these parameters.
#[derive(Debug)]
pub struct Instance {
    /// The workflow's id.
    pub id: String,
    /// A JSON object.
    pub parameters: String,
}

/// Parses `{id, parameters}`.
///
/// # Errors
///
/// 422 with every violation.
pub fn instance(body: &str) -> Result<Instance, Problem> {
    let mut fields = Fields::parse(body)?;
    // The engine says what an id is.
    let id = fields.text("id").unwrap_or_default();
    let parameters = fields.object("parameters").unwrap_or("{}").to_owned();
    fields.finish_with(Ok(Instance { id, parameters }))
}

/// The reason in the body of a deprecation, `{reason}`.
///
/// # Errors
///
/// 422 with every violation.
pub fn reason(body: &str) -> Result<String, Problem> {
    let mut fields = Fields::parse(body)?;
    let reason = fields.text("reason");
    // The engine says how long it may be, and that it must be there.
    fields.finish_with(Ok(reason.unwrap_or_default()))
}

/// The reply when what was to be removed is.
pub fn removed() -> Reply {
    reply::empty(StatusCode::NO_CONTENT)
}

/// The reply with a difference: `{id, from, to, document, nodes: {added, removed, changed}}`.
pub fn difference(id: &str, found: &Difference) -> Reply {
    let text = json::object(|object| {
        object.field("id", id);
        object.field("from", found.from_version);
        object.field("to", found.to_version);
        object.objects("document", &found.document, write_change);
        object.object("nodes", |object| {
            object.field("added", &found.added);
            object.field("removed", &found.removed);
            object.objects("changed", &found.changed, |object, node| {
                object.field("id", &node.id);
                object.objects("changes", &node.changes, write_change);
            });
        });
    });
    reply::with_json(StatusCode::OK, text)
}

fn write_change(object: &mut Object, change: &Change) {
    object.field("pointer", &change.pointer);
    for (name, value) in [("before", &change.before), ("after", &change.after)] {
        if let Some(value) = value {
            object.document(name, value);
        }
    }
}

/// The reply with a definition whatever the client has, see [`shown`].
///
/// # Errors
///
/// None in practice: a version fits every header.
pub fn changed(definition: &Definition) -> Result<Reply, Problem> {
    tagged(definition)
}

/// The reply to a put: the definition as stored, and where to find it.
///
/// # Errors
///
/// 500 when the engine gave an id that no header can carry.
pub fn stored(definition: &Definition) -> Result<Reply, Problem> {
    let mut reply = tagged(definition)?;
    let location = format!(
        "/api/workflows/{}?version={}",
        definition.id, definition.version
    );
    reply::set(&mut reply, header::LOCATION, &location)?;
    Ok(reply)
}

/// The reply with a definition, `{id, version, name, description, created_at, document}`, tagged with
/// its version; or 304 when the client has it already.
///
/// # Errors
///
/// None in practice: a version fits every header.
pub fn shown(headers: &HeaderMap, definition: &Definition) -> Result<Reply, Problem> {
    let tag = tag(definition);
    if !is_fresh(headers, &tag) {
        return tagged(definition);
    }
    let mut reply = reply::empty(StatusCode::NOT_MODIFIED);
    reply::set(&mut reply, header::ETAG, &tag)?;
    Ok(reply)
}

/// The reply with a page of definitions, without their documents.
pub fn listed(page: &Page) -> Reply {
    let text = json::page(&page.items, &page.next, write_definition);
    reply::with_json(StatusCode::OK, text)
}

/// The reply to a validation that found nothing wrong.
pub fn valid() -> Reply {
    reply::with_json(
        StatusCode::OK,
        json::object(|object| object.field("valid", true)),
    )
}

/// The reply with all templates, `{items: [{name, description}], next: null}`.
pub fn templates(templates: &[Template]) -> Reply {
    let text = json::page(templates, None::<&str>, |object, template| {
        object.field("name", &template.name);
        object.field("description", &template.description);
    });
    reply::with_json(StatusCode::OK, text)
}

/// The reply with one of the templates, `{name, description, parameters, document}`.
///
/// # Errors
///
/// 404 when none has the name.
pub fn template(templates: &[Template], name: &str) -> Result<Reply, Problem> {
    let template = templates
        .iter()
        .find(|template| template.name == name)
        .ok_or_else(|| Problem::not_found(format!("there is no template `{name}`")))?;
    let text = json::object_sized(template.document.len(), |object| {
        object.field("name", &template.name);
        object.field("description", &template.description);
        object.document("parameters", &template.parameters);
        object.document("document", &template.document);
    });
    Ok(reply::with_json(StatusCode::OK, text))
}

/// The reply with all phases, `{items: [{name, version, description, digest}], next: null}`.
pub fn phases(phases: &[Phase]) -> Reply {
    let text = json::page(phases, None::<&str>, write_phase);
    reply::with_json(StatusCode::OK, text)
}

/// The reply with a phase and its schemas: `{name, version, description, digest, config_schema,
/// input_schema, output_schema}`.
pub fn phase(phase: &Phase) -> Reply {
    let text = json::object(|object| {
        write_phase(object, phase);
        object.document("config_schema", &phase.config_schema);
        object.document("input_schema", &phase.input_schema);
        object.document("output_schema", &phase.output_schema);
    });
    reply::with_json(StatusCode::OK, text)
}

fn tagged(definition: &Definition) -> Result<Reply, Problem> {
    let text = json::object_sized(definition.document.len(), |object| {
        write_definition(object, definition);
        object.document("document", &definition.document);
    });
    let mut reply = reply::with_json(StatusCode::OK, text);
    reply::set(&mut reply, header::ETAG, &tag(definition))?;
    Ok(reply)
}

/// Versions never change, so the number tags the content; but for the time in which one is deprecated.
fn tag(definition: &Definition) -> String {
    match &definition.deprecated {
        None => format!("\"{}\"", definition.version),
        Some(Deprecation { at, .. }) => format!("\"{}-{at}\"", definition.version),
    }
}

fn write_definition(object: &mut Object, definition: &Definition) {
    object.field("id", &definition.id);
    object.field("version", definition.version);
    object.field("name", &definition.name);
    object.field("description", &definition.description);
    object.field("created_at", &definition.created_at);
    if let Some(Deprecation { reason, at }) = &definition.deprecated {
        object.object("deprecated", |object| {
            object.field("reason", reason);
            object.field("at", at);
        });
    }
}

fn write_phase(object: &mut Object, phase: &Phase) {
    object.field("name", &phase.name);
    object.field("version", &phase.version);
    object.field("description", &phase.description);
    object.field("digest", &phase.digest);
}

#[cfg(test)]
mod tests {
    use super::{
        Definition, Deprecation, Page, Phase, Template, document, listed, phase, shown, stored,
        template,
    };
    use crate::{
        reply::test::{text, value},
        request::{condition::expected_version, test::head},
    };
    use http::{HeaderMap, StatusCode, header};
    use serde_json::json;

    fn definition() -> Definition {
        Definition {
            id: "w".to_owned(),
            version: 3,
            name: "W".to_owned(),
            description: String::new(),
            document: "{ \"id\" : \"w\" }\n".to_owned(),
            created_at: "t".to_owned(),
            deprecated: None,
        }
    }

    #[test]
    fn documents_are_checked_and_kept_as_they_are() {
        let text = "{ \"nodes\" : [1.0] }\n";
        assert_eq!(document(text.to_owned()).unwrap(), text);
        for (bad, status) in [("", 422), ("{", 400), ("{\"a\":1,\"a\":1}", 422)] {
            let problem = document(bad.to_owned()).unwrap_err();
            assert_eq!(problem.status().as_u16(), status, "{bad}");
        }
    }

    #[test]
    fn a_put_says_what_it_stored() {
        let reply = stored(&definition()).unwrap();
        assert_eq!(reply.headers()[header::ETAG], "\"3\"");
        assert_eq!(
            reply.headers()[header::LOCATION],
            "/api/workflows/w?version=3"
        );
        assert_eq!(
            value(reply),
            json!({
                "id": "w", "version": 3, "name": "W", "description": "", "created_at": "t",
                "document": {"id": "w"},
            })
        );
    }

    #[test]
    fn a_version_is_sent_once() {
        let headers = head("GET", "/", &[("if-none-match", "\"3\"")]).headers;
        let reply = shown(&headers, &definition()).unwrap();
        assert_eq!(reply.status(), StatusCode::NOT_MODIFIED);
        assert_eq!(text(reply), "");
        let reply = shown(&HeaderMap::new(), &definition()).unwrap();
        assert_eq!(reply.status(), StatusCode::OK);
    }

    #[test]
    fn a_deprecated_version_says_so_and_is_sent_again() {
        let deprecated = || Definition {
            deprecated: Some(Deprecation {
                reason: "slow".to_owned(),
                at: "2026-01-01T00:00:00.000Z".to_owned(),
            }),
            ..definition()
        };
        let headers = head("GET", "/", &[("if-none-match", "\"3\"")]).headers;
        let reply = shown(&headers, &deprecated()).unwrap();
        let tag = reply.headers()[header::ETAG].clone();
        assert_eq!(tag, "\"3-2026-01-01T00:00:00.000Z\"");
        assert_eq!(
            value(reply)["deprecated"],
            json!({"reason": "slow", "at": "2026-01-01T00:00:00.000Z"})
        );
        let headers = head("GET", "/", &[("if-none-match", tag.to_str().unwrap())]).headers;
        let reply = shown(&headers, &deprecated()).unwrap();
        assert_eq!(reply.status(), StatusCode::NOT_MODIFIED);
        assert_eq!(
            shown(&headers, &definition()).unwrap().status(),
            StatusCode::OK
        );
        // Which version it is can be told from either.
        let headers = head("PUT", "/", &[("if-match", tag.to_str().unwrap())]).headers;
        assert_eq!(expected_version(&headers).unwrap(), Some(3));
    }

    #[test]
    fn lists_leave_the_document_out() {
        let page = Page {
            items: vec![definition()],
            next: Some("c".to_owned()),
        };
        let list = value(listed(&page));
        assert!(list["items"][0].get("document").is_none());
        assert_eq!(list["next"], "c");
    }

    #[test]
    fn templates_are_found_by_name() {
        let templates = [Template {
            name: "t".to_owned(),
            description: "d".to_owned(),
            parameters: "{}".to_owned(),
            document: "{\"id\":\"t\"}".to_owned(),
        }];
        assert_eq!(
            value(super::templates(&templates))["items"],
            json!([{"name": "t", "description": "d"}])
        );
        assert_eq!(
            value(template(&templates, "t").unwrap())["document"]["id"],
            "t"
        );
        let problem = template(&templates, "u").err().unwrap();
        assert_eq!(problem.status(), StatusCode::NOT_FOUND);
    }

    #[test]
    fn phases_show_their_schemas() {
        let delay = Phase {
            name: "delay".to_owned(),
            version: "1.0.0".to_owned(),
            description: "waits".to_owned(),
            config_schema: "{\"type\":\"object\"}".to_owned(),
            input_schema: "true".to_owned(),
            output_schema: "true".to_owned(),
            digest: "00".to_owned(),
        };
        let shown = value(phase(&delay));
        assert_eq!(shown["config_schema"], json!({"type": "object"}));
        assert_eq!(shown["output_schema"], true);
        let list = value(super::phases(&[delay]));
        assert!(list["items"][0].get("config_schema").is_none());
    }
}
