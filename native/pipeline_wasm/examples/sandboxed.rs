//! Loads guests in WebAssembly into a host whose contexts are of its own type. Prints what they did, and how the host
//! kept one from doing more.

use std::error::Error;

use pipeline_core::hook::{ContextFamily, Point};
use pipeline_core::host::Host;
use pipeline_wasm::{
    Change, Failure, FieldError, FieldPath, Fields, Grants, Value, WasmPlugin, serialized,
};
use serde::{Deserialize, Serialize};

/// What this program publishes.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct Article {
    title: String,
    stars: u32,
}

impl Fields for Article {
    fn field(&self, path: &FieldPath) -> Option<Value> {
        serialized::field(self, path)
    }

    fn apply(&mut self, changes: Vec<Change>) -> Result<(), FieldError> {
        serialized::apply(self, changes)
    }
}

struct Articles;
impl ContextFamily for Articles {
    type Context<'a> = Article;
    type Error = Failure;

    fn is_refusal(error: &Failure) -> bool {
        error.is_refusal()
    }
}

const PUBLISH: Point<Articles> = Point::new("publish");

/// A guest that never comes to an end.
const ENDLESS: &str = r#"
    (module
      (memory (export "memory") 1)
      (func (export "pipeline_alloc") (param i32) (result i32) (i32.const 0))
      (func (export "before_publish") (result i32) (loop $again (br $again)) (i32.const 0))
      (@custom "pipeline-plugin"
        "{\"id\": \"endless\", \"version\": \"1.0.0\", \"hooks\": [{\"kind\": \"before\", \"point\": \"publish\"}]}"))"#;

fn main() -> Result<(), Box<dyn Error>> {
    let host: Host<Articles> = Host::new();
    let mut article = Article {
        title: "Walls".to_owned(),
        stars: 4,
    };

    let star = wat::parse_str(include_str!("star.wat"))?;
    println!(
        "It asks for {}",
        serde_json::to_string(&Grants::asked_by(&star)?)?
    );
    let refused = WasmPlugin::from_bytes(&star, Grants::none().read("/stars")?).map(|_| ());
    let refused = refused.expect_err("it asks to write, too");
    println!("Refused: {refused}");

    let grants = Grants::none().read("/stars")?.write("/stars")?;
    let id = host.load(WasmPlugin::from_bytes(&star, grants)?)?;
    host.run(PUBLISH, &mut article, |_| Ok(()), &mut Vec::new())?;
    println!("Published with {} stars", article.stars);
    assert_eq!(article.stars, 5);
    host.unload(&id)?;

    let endless = wat::parse_str(ENDLESS)?;
    host.load(WasmPlugin::from_bytes(
        &endless,
        Grants::none().fuel(1_000_000),
    )?)?;
    let failed = host.run(PUBLISH, &mut article, |_| Ok(()), &mut Vec::new());
    let failed = failed.expect_err("it never comes to an end");
    println!("Failed: {failed}");
    assert!(failed.to_string().contains("used up its fuel of 1000000"));
    assert_eq!(article.stars, 5);
    Ok(())
}
