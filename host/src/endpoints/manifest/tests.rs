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
        ("[component.status]", "[variables]\nkey = { value = \"\" }\n[component.status]", &["`value`", "`default`"]),
        ("[component.status]", "[variables]\nkey = { secret = true }\n[component.status]", &["variables.key", "`default` or `required = true`"]),
        ("[component.status]", "[variables]\nkey = { default = \"\", required = true }\n[component.status]", &["variables.key", "either"]),
        ("[component.status]", "[variables]\nKey = { default = \"\" }\n[component.status]", &["variables.Key", "lower-case"]),
        ("[component.status]", "[variables]\nkey_2 = { default = \"\" }\n[component.status]", &["variables.key_2", "beginning with a letter"]),
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
        ("\"Probes\"", "\"Probes\"\nfiles = [\"a\"]", &["spin.toml:21", "`files`", "`source`, `description`"]),
        ("\"Probes\"", "\"Probes\"\nallowed_outbound_hosts = [\"http://a\"]", &["component.health.allowed_outbound_hosts", "call nobody here"]),
        ("\"Probes\"", "\"Probes\"\nkey_value_stores = [\"default\"]", &["`key_value_stores`"]),
        ("\"Probes\"", "\"Probes\"\nsqlite_databases = [\"default\"]", &["`sqlite_databases`"]),
        ("\"Probes\"", "\"Probes\"\nai_models = [\"llama\"]", &["`ai_models`"]),
        ("\"Probes\"", "\"Probes\"\nenvironment = { A = 3 }", &["spin.toml:21", "integer", "string"]),
        ("\"Probes\"", "\"Probes\"\nvariables = { A = \"b\" }", &["component.health.variables", "lower-case"]),
        ("\"Probes\"", "\"Probes\"\nvariables = { a = \"{{ b }}\" }", &["component.health.variables.a", "no variable `b`"]),
        ("\"Probes\"", "\"Probes\"\ndependencies = { \"a:b/c\" = \"1.0\" }", &["component` or `path"]),
        ("\"Probes\"", "\"Probes\"\ndependencies_inherit_configuration = true", &["component.health.dependencies_inherit_configuration", "no dependencies"]),
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

/// What Spin needs and this host passes over.
const LINKED: &str = r#"
spin_manifest_version = 2

[application]
name = "phasewright"
version = "0.1.0"

[variables]
engine_url = { default = "http://a", description = "the engine" }
engine_token = { required = true, secret = true }

[[trigger.http]]
route = "/health/..."
component = "health"

[component.health]
source = "health.wasm"
allowed_outbound_hosts = ["{{ engine_url }}", "http://b"]
dependencies_inherit_configuration = true
variables = { engine_url = "{{engine_url}},http://b", engine_token = "{{ engine_token }}" }

[component.health.dependencies]
"phasewright:workflow@0.1.0" = { component = "link", inherit_configuration = ["variables"] }

[component.link]
source = "link.wasm"
"#;

#[test]
fn passes_over_what_stands_in_for_the_engine() {
    let manifest = Manifest::parse(LINKED, Path::new("spin.toml")).unwrap();
    assert_eq!(manifest.components.len(), 1);
    let dependencies = &manifest.components["health"].dependencies;
    assert_eq!(dependencies["phasewright:workflow@0.1.0"], "link");
    for (what, by) in [
        ("workflow@0.1.0", "workflow/health@0.1.0"),
        ("workflow@0.1.0", "workflow"),
        ("component = \"link\", inherit", "path = \"x\", inherit"),
        ("[\"variables\"]", "true"),
    ] {
        let text = LINKED.replacen(what, by, 1);
        // Without the component that nothing needs any more.
        let text = if by.contains("path") {
            text.replace("[component.link]\nsource = \"link.wasm\"\n", "")
        } else {
            text
        };
        assert!(
            Manifest::parse(&text, Path::new("spin.toml")).is_ok(),
            "{by}"
        );
    }
}

#[test]
fn refuses_what_stands_in_for_something_else() {
    #[rustfmt::skip]
    let cases: &[(&str, &str, &[&str])] = &[
        ("phasewright:workflow@", "wasi:logging@", &["component.health.dependencies", "satisfies phasewright:workflow@0.1.0 itself"]),
        ("workflow@0.1.0", "workflow@0.1.1", &["satisfies phasewright:workflow@0.1.0"]),
        ("workflow@0.1.0", "workflows@0.1.0", &["satisfies phasewright:workflow@0.1.0"]),
        ("component = \"link\"", "component = \"lynk\"", &["no component `lynk`", "health, link"]),
        ("component = \"link\"", "component = \"link\", path = \"x\"", &["either `component` or `path`"]),
        ("component = \"link\"", "component = \"link\", export = \"x\"", &["`export`"]),
        ("component = \"link\"", "version = \"1\"", &["`version`"]),
        ("[\"variables\"]", "3", &["true, false or a list"]),
        ("\"link.wasm\"", "\"link.wasm\"\nallowed_outbound_hosts = [\"http://a\"]", &["component.link", "nothing of its own"]),
        ("\"link.wasm\"", "\"\"", &["component.link.source"]),
        ("{{engine_url}}", "{{engine}}", &["component.health.variables.engine_url", "no variable `engine`", "engine_token, engine_url"]),
        ("{{engine_url}}", "{{engine_url", &["component.health.variables.engine_url", "not closed"]),
        ("[\"{{ engine_url }}\"", "[\"{{ url }}\"", &["allowed_outbound_hosts", "no variable `url`"]),
        ("{ engine_url = \"", "{ Url = \"", &["component.health.variables", "`Url`"]),
    ];
    for (what, by, says) in cases {
        assert!(LINKED.contains(what), "{what} is not in the manifest");
        let text = LINKED.replacen(what, by, 1);
        let error = Manifest::parse(&text, Path::new("spin.toml"))
            .expect_err(by)
            .to_string();
        for word in *says {
            assert!(error.contains(word), "{by}\n{error}\ndoes not say {word}");
        }
    }
}

#[test]
fn variables_have_values_from_the_environment_or_defaults() {
    let manifest = Manifest::parse(LINKED, Path::new("spin.toml")).unwrap();
    let templates = &manifest.components["health"].variables;
    let token = |name: &str| (name == "SPIN_VARIABLE_ENGINE_TOKEN").then(|| "secret".to_owned());
    let url = |name: &str| (name == "SPIN_VARIABLE_ENGINE_URL").then(|| "http://c".to_owned());
    let fill = |name, env| manifest.variables.fill(&templates[name], env);
    assert_eq!(fill("engine_url", &token).unwrap(), "http://a,http://b");
    assert_eq!(fill("engine_url", &url).unwrap(), "http://c,http://b");
    assert_eq!(fill("engine_token", &token).unwrap(), "secret");
    let error = fill("engine_token", &url).unwrap_err();
    assert!(error.contains("`engine_token`"), "{error}");
    assert!(error.contains("SPIN_VARIABLE_ENGINE_TOKEN"), "{error}");
}
