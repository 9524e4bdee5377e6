//! The service that Restate calls: each handler is an execution, each `run` in it a step.
#![forbid(unsafe_code)]

use std::{env, error::Error, net::SocketAddr, time::Duration};

use futures::{future::join_all, join};
use restate_sdk::prelude::*;
use serde::{Deserialize, Serialize};

/// What a review waits for.
const DECISION: &str = "decision";

/// Steps that are waited for together. The SDK wants all of them to be polled whenever any is, which
/// `join_all` does up to thirty; with more in one it waits for ever.
const GROUP: u32 = 25;

/// Input and output of a step.
#[derive(Debug, Clone, Serialize, Deserialize)]
struct Number {
    n: u32,
}

async fn add_one(n: u32) -> Result<Json<Number>, HandlerError> {
    Ok(Json(Number { n: n + 1 }))
}

struct Bench;

#[service]
impl Bench {
    #[handler]
    async fn chain(
        &self,
        context: Context<'_>,
        length: Json<u32>,
    ) -> Result<Json<Number>, HandlerError> {
        let mut n = 1;
        for _ in 0..length.into_inner() {
            n = context.run(move || add_one(n)).await?.into_inner().n;
        }
        Ok(Json(Number { n }))
    }

    /// Of steps that take a tenth of a second.
    #[handler]
    async fn recovery(
        &self,
        context: Context<'_>,
        length: Json<u32>,
    ) -> Result<Json<Number>, HandlerError> {
        let mut n = 1;
        for _ in 0..length.into_inner() {
            let step = move || async move {
                tokio::time::sleep(Duration::from_millis(100)).await;
                add_one(n).await
            };
            n = context.run(step).await?.into_inner().n;
        }
        Ok(Json(Number { n }))
    }

    #[handler]
    async fn fan(
        &self,
        context: Context<'_>,
        width: Json<u32>,
    ) -> Result<Json<Number>, HandlerError> {
        let width = width.into_inner();
        let step = |n| context.run(move || add_one(n));
        let groups = (0..width).step_by(GROUP as usize).map(|first| {
            let end = width.min(first + GROUP);
            join_all((first..end).map(step))
        });
        let mut sum = 0;
        for result in join_all(groups).await.into_iter().flatten() {
            sum += result?.into_inner().n;
        }
        Ok(Json(Number { n: sum }))
    }

    #[handler]
    async fn diamond(
        &self,
        context: Context<'_>,
        n: Json<u32>,
    ) -> Result<Json<Number>, HandlerError> {
        let n = n.into_inner();
        let requirements = context.run(move || add_one(n)).await?.into_inner().n;
        let design = context
            .run(move || add_one(requirements))
            .await?
            .into_inner()
            .n;
        let step = || context.run(move || add_one(design));
        let (backend, frontend) = join!(step(), step());
        let (backend, _) = (backend?.into_inner().n, frontend?);
        let testing = context.run(move || add_one(backend)).await?.into_inner().n;
        Ok(Json(
            context.run(move || add_one(testing)).await?.into_inner(),
        ))
    }
}

struct Review;

#[workflow]
impl Review {
    #[handler]
    async fn run(
        &self,
        context: WorkflowContext<'_>,
        n: Json<u32>,
    ) -> Result<Json<Number>, HandlerError> {
        let n = n.into_inner();
        let draft = context.run(move || add_one(n)).await?.into_inner().n;
        let decision: String = context.promise(DECISION).await?;
        if decision != "approve" {
            return Err(TerminalError::new("nobody approved").into());
        }
        let last = context.run(move || add_one(draft)).await?.into_inner();
        Ok(Json(last))
    }

    #[handler]
    async fn approve(&self, context: SharedWorkflowContext<'_>) -> Result<(), HandlerError> {
        context.resolve_promise(DECISION, "approve".to_owned());
        Ok(())
    }
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let address: SocketAddr = env::var("BENCH_LISTEN")?.parse()?;
    HttpServer::new(Endpoint::builder().bind(Bench).bind(Review).build())
        .listen_and_serve(address)
        .await;
    Ok(())
}
