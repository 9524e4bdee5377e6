//! Good manifests, and bad ones with what is said about them.

use std::path::Path;

use super::{Manifest, ManifestError};

const GOOD: &str = r#"
spin_manifest_version = 2

[application]
name = "phasewright"
version = "0.1.0"
description = "Durable workflows"
authors = ["someone"]

[[trigger.http]]
route = "/health/..."
component = "health"

[[trigger.http]]
route = "/api/executions/:id"
component = "status"

[component.health]
source = "target/health.wasm"
description = "Probes"

[component.health.build]
command = "cargo build"
workdir = "components/health"
watch = ["src/**/*.rs"]

[component.status]
source = "/opt/status.wasm"
"#;

#[test]
fn reads_a_manifest() {
    let manifest = Manifest::parse(GOOD, Path::new("app/spin.toml")).unwrap();
    assert_eq!(manifest.name, "phasewright");
    assert_eq!(manifest.version, "0.1.0");
    let path = |name: &str| manifest.components[name].path.clone();
    assert_eq!(path("health"), Path::new("app/target/health.wasm"));
    assert_eq!(path("status"), Path::new("/opt/status.wasm"));
    let description = manifest.components["health"].description.as_deref();
    assert_eq!(description, Some("Probes"));
    let target = |path| manifest.routes.find(path).map(String::as_str);
    assert_eq!(target("/health/live"), Some("health"));
    assert_eq!(target("/api/executions/1"), Some("status"));
    assert_eq!(target("/api"), None);
}

#[test]
fn says_which_file_is_missing() {
    let error = Manifest::read(Path::new("no/such/spin.toml")).unwrap_err();
    assert!(matches!(error, ManifestError::Read { .. }));
    assert!(error.to_string().starts_with("no/such/spin.toml: "));
}

/// Every edit of the good manifest is refused, and the message names the place and
/// what would do.
#[test]
fn refuses_what_it_does_not_support() {
    #[rustfmt::skip]
    let cases: &[(&str, &str, &[&str])] = &[
        // What is replaced, by what, and what the message must say.
        ("spin_manifest_version = 2\n", "", &["spin_manifest_version", "missing"]),
        ("_version = 2\n", "_version = 1\n", &["spin_manifest_version: 1 is not", "only 2"]),
        ("_version = 2\n", "_version = \"2\"\n", &["spin_manifest_version", "only 2"]),
        ("_version = 2\n", "_version = 2\nspeed = 3\n", &["spin.toml:3", "speed", "application"]),
        ("[application]", "[app]", &["`app`", "application"]),
        ("name = \"phasewright\"\n", "", &["missing field `name`"]),
        ("name = \"phasewright\"", "name = \"\"", &["application.name", "empty"]),
        ("name = \"phasewright\"", "name = 7", &["spin.toml:5", "integer", "string"]),
        ("version = \"0.1.0\"\n", "", &["missing field `version`"]),
        ("authors = [\"someone\"]", "license = \"MIT\"", &["`license`", "`authors`"]),
        ("authors = [\"someone\"]", "[application.trigger.http]\nbase = \"/\"", &["`trigger`"]),
        ("[component.status]", "[variables]\nkey = { default = \"\" }\n[component.status]", &["`variables`", "`component`"]),
        ("[component.status]", "[[trigger.redis]]\nchannel = \"a\"\n[component.status]", &["`redis`", "`http`"]),
        ("[component.status]", "[component.status.build]\nrun = \"x\"\n[component.status]", &["spin.toml", "`run`", "`command`"]),
        ("command = \"cargo build\"", "command = 3", &["command or a list of commands"]),
        ("route = \"/health/...\"\n", "", &["missing field `route`"]),
        ("route = \"/health/...\"", "route = { private = true }", &["spin.toml:11", "string"]),
        ("route = \"/health/...\"", "route = \"health\"", &["trigger.http[0].route", "`health`", "slash"]),
        ("route = \"/health/...\"", "route = \"/health/*\"", &["trigger.http[0].route", "`/health/*`"]),
        ("route = \"/health/...\"", "route = \"/api/executions/:other\"", &["trigger.http[1].route", "same paths as"]),
        ("component = \"health\"", "component = \"helth\"", &["trigger.http[0].component", "`helth`", "health, status"]),
        ("component = \"health\"", "component = { source = \"x\" }", &["spin.toml:12", "string"]),
        ("component = \"health\"", "component = \"status\"", &["component.health", "no trigger.http"]),
        ("component = \"health\"", "component = \"health\"\nid = \"one\"", &["`id`", "`route` or `component`"]),
        ("component = \"health\"", "component = \"health\"\nexecutor = { type = \"wagi\" }", &["`executor`"]),
        ("source = \"/opt/status.wasm\"", "", &["missing field `source`"]),
        ("source = \"/opt/status.wasm\"", "source = \"\"", &["component.status.source", ".wasm"]),
        ("source = \"/opt/status.wasm\"", "source = { url = \"https://x\", digest = \"y\" }", &["spin.toml:28", "string"]),
        ("\"Probes\"", "\"Probes\"\nfiles = [\"a\"]", &["spin.toml:21", "`files`", "`source`, `description`, `build`"]),
        ("\"Probes\"", "\"Probes\"\nallowed_outbound_hosts = []", &["`allowed_outbound_hosts`", "`source`"]),
        ("\"Probes\"", "\"Probes\"\nkey_value_stores = [\"default\"]", &["`key_value_stores`"]),
        ("\"Probes\"", "\"Probes\"\nsqlite_databases = [\"default\"]", &["`sqlite_databases`"]),
        ("\"Probes\"", "\"Probes\"\nai_models = [\"llama\"]", &["`ai_models`"]),
        ("\"Probes\"", "\"Probes\"\nenvironment = { A = \"b\" }", &["`environment`"]),
        ("\"Probes\"", "\"Probes\"\nvariables = { a = \"b\" }", &["`variables`"]),
        ("\"Probes\"", "\"Probes\"\ndependencies = { \"a:b/c\" = \"1.0\" }", &["`dependencies`"]),
        ("\"Probes\"", "\"Probes\"\ndependencies_inherit_configuration = true", &["`dependencies_inherit_configuration`"]),
        ("\"Probes\"", "\"Probes\"\nexclude_files = []", &["`exclude_files`"]),
        ("\"Probes\"", "\"Probes\"\ntool = {}", &["`tool`"]),
        ("\"Probes\"", "\"Probes\"\nsource = \"twice\"", &["spin.toml:21", "duplicate key"]),
        ("[component.health]", "[component.health", &["spin.toml:18"]),
    ];
    for (what, by, says) in cases {
        assert!(GOOD.contains(what), "{what} is not in the manifest");
        let text = GOOD.replacen(what, by, 1);
        let error = Manifest::parse(&text, Path::new("spin.toml"))
            .expect_err(by)
            .to_string();
        for word in *says {
            assert!(error.contains(word), "{by}\n{error}\ndoes not say {word}");
        }
        assert!(!error.contains('\n'), "{error}");
    }
}

#[test]
fn refuses_a_file_without_components() {
    let text = "spin_manifest_version = 2\n[application]\nname = \"a\"\nversion = \"1\"\n";
    let error = Manifest::parse(text, Path::new("spin.toml")).unwrap_err();
    assert!(error.to_string().contains("missing field `trigger`"));
}
