//! `phasewright-edge MANIFEST LINK`: serves an application as it runs elsewhere, for whoever measures it
//! from outside. `SPIN_VARIABLE_ENGINE_URL` and `SPIN_VARIABLE_ENGINE_TOKEN` say, as for Spin, which
//! engine it asks.

use std::{env, path::Path, thread};

use anyhow::{Context, Result, bail};
use phasewright::endpoints::Manifest;
use phasewright_tests::edge::{Edge, Variables, serve};

fn main() -> Result<()> {
    let arguments: Vec<_> = env::args_os().skip(1).collect();
    let [manifest, link] = &arguments[..] else {
        bail!("usage: phasewright-edge MANIFEST LINK");
    };
    let mut variables = Variables::new();
    for name in ["engine_url", "engine_token"] {
        let given = format!("SPIN_VARIABLE_{}", name.to_uppercase());
        let value = env::var(&given).with_context(|| format!("{given} is not there"))?;
        variables.insert(name, value);
    }
    let manifest = Manifest::read(Path::new(manifest))?;
    let address = serve(Edge::new(manifest, Path::new(link), variables)?)?;
    println!("listening on http://{address}");
    // Until it is killed.
    loop {
        thread::park();
    }
}
