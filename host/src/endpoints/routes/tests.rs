//! Spin's route rules.

use super::{Route, RouteError, Routes};

fn routes(sources: &[&'static str]) -> Routes<&'static str> {
    let mut routes = Routes::default();
    for source in sources {
        routes.add(Route::parse(source).unwrap(), *source).unwrap();
    }
    routes
}

const API: &[&str] = &[
    "/",
    "/health/...",
    "/health/live",
    "/api/executions",
    "/api/executions/:id",
    "/api/executions/:id/artifacts/...",
    "/api/executions/:id/cancel",
    "/api/workflows/:id",
    "/api/workflows/:id/execute",
    "/api/workflows/:id/versions",
    "/api/workflows/validate",
    "/api/openapi.json",
];

const FOUND: &[(&str, Option<&str>)] = &[
    ("/", Some("/")),
    ("/health", Some("/health/...")),
    ("/health/", Some("/health/...")),
    ("/health/live", Some("/health/live")),
    ("/health/live/", Some("/health/live")),
    ("/health/lives", Some("/health/...")),
    ("/health/ready/now", Some("/health/...")),
    ("/healthy", None),
    ("/api", None),
    ("/api/executions", Some("/api/executions")),
    ("/api/executions/7", Some("/api/executions/:id")),
    (
        "/api/executions/7/artifacts",
        Some("/api/executions/:id/artifacts/..."),
    ),
    (
        "/api/executions/7/artifacts/a/b",
        Some("/api/executions/:id/artifacts/..."),
    ),
    (
        "/api/executions/7/cancel",
        Some("/api/executions/:id/cancel"),
    ),
    ("/api/executions/7/other", None),
    ("/api/workflows/validate", Some("/api/workflows/validate")),
    ("/api/workflows/valid", Some("/api/workflows/:id")),
    (
        "/api/workflows/w/execute",
        Some("/api/workflows/:id/execute"),
    ),
    ("/api/workflows/execute", Some("/api/workflows/:id")),
    ("/api/openapi.json", Some("/api/openapi.json")),
    ("/api/openapi_json", None),
    ("/API/executions", None),
    ("", Some("/")),
];

#[test]
fn the_most_specific_route_answers() {
    let routes = routes(API);
    for (path, expected) in FOUND {
        assert_eq!(routes.find(path).copied(), *expected, "{path}");
    }
}

#[test]
fn the_order_in_the_file_makes_no_difference() {
    let mut sources = API.to_vec();
    for _ in 0..API.len() {
        sources.rotate_left(1);
        let routes = routes(&sources);
        for (path, expected) in FOUND {
            assert_eq!(
                routes.find(path).copied(),
                *expected,
                "{path} with {sources:?}"
            );
        }
    }
    sources.reverse();
    let routes = routes(&sources);
    for (path, expected) in FOUND {
        assert_eq!(routes.find(path).copied(), *expected, "{path} reversed");
    }
}

#[test]
fn refuses_malformed_routes() {
    let cases = [
        "",
        "health",
        "...",
        "/*",
        "/a/*",
        "/a/*rest",
        "/a...",
        "/.../a",
        "/a/.../b",
        "//",
        "/a//b",
        "/a/",
        "/:",
        "/a/:/b",
        "/:a/:a",
        "/:a b",
        "/:é",
        "/a b",
        "/a?b=c",
        "/a#b",
        "/a%20b",
        "/é",
        "/..",
        "/a/../b",
        "/./a",
        "/a\\b",
        "/{id}",
        "/a:b",
        "/files/:name.json",
        "/....",
    ];
    for case in cases {
        let error = Route::parse(case).expect_err(case);
        assert!(matches!(error, RouteError::Malformed { .. }));
        assert!(error.to_string().starts_with(&format!("`{case}` ")));
    }
}

#[test]
fn refuses_two_routes_for_the_same_paths() {
    for (one, other) in [
        ("/", "/"),
        ("/a", "/a"),
        ("/a/...", "/a/..."),
        ("/a/:x", "/a/:y"),
        ("/a/:x/b/...", "/a/:y/b/..."),
    ] {
        let mut routes = routes(&[one]);
        let error = routes.add(Route::parse(other).unwrap(), other).unwrap_err();
        let expected = RouteError::Duplicate {
            route: other.to_owned(),
            earlier: one.to_owned(),
        };
        assert_eq!(error, expected);
    }
    // These overlap without being the same.
    routes(&["/a/:x", "/a/b", "/a/...", "/:x/b", "/..."]);
}

#[test]
fn targets_can_be_replaced() {
    let routes = routes(&["/a", "/b/..."]).map(str::len);
    assert_eq!(routes.find("/a"), Some(&2));
    assert_eq!(routes.find("/b/c"), Some(&6));
}
