//! The least there is: a host, one point, one plugin. Prints what became of a text with the plugin and
//! without it.

use pipeline_core::hook::{ContextFamily, Flow, Hook, Point};
use pipeline_core::host::{Host, Plugin, PluginError, Registrar};
use pipeline_core::plugin::Manifest;
use pipeline_core::semver::Version;

struct Texts;
impl ContextFamily for Texts {
    type Context<'a> = String;
    type Error = &'static str;
}

const PUBLISH: Point<Texts> = Point::new("publish");

struct Trim;
impl Plugin<Texts> for Trim {
    fn manifest(&self) -> Manifest {
        Manifest::new("trim", Version::new(1, 0, 0))
    }
    fn build(&self, registrar: &mut Registrar<Texts>) -> Result<(), PluginError> {
        let trim = |text: &mut String| {
            *text = text.trim().to_owned();
            Ok(Flow::Continue)
        };
        registrar.attach(PUBLISH, Hook::before(trim));
        Ok(())
    }
}

fn publish(host: &Host<Texts>, text: &str) -> Result<String, Box<dyn std::error::Error>> {
    let mut text = text.to_owned();
    let add_mark = |text: &mut String| {
        text.push('!');
        Ok(())
    };
    host.run(PUBLISH, &mut text, add_mark, &mut Vec::new())?;
    Ok(text)
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let host = Host::new();
    let id = host.load(Trim)?;
    let with = publish(&host, " hello ")?;
    host.unload(&id)?;
    let without = publish(&host, " hello ")?;
    println!("with trim {with:?}, without {without:?}");
    assert_eq!((with.as_str(), without.as_str()), ("hello!", " hello !"));
    Ok(())
}
