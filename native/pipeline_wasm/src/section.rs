use pipeline_core::hook::HookKind;
use pipeline_core::plugin::{DeclaredHook, Manifest};
use serde_json::Value as Json;

use crate::{Grants, LoadError, SectionProblem};

/// The custom section that holds the manifest.
const SECTION: &str = "pipeline-plugin";
/// How large a manifest may be.
const MAX_BYTES: usize = 256 * 1024;
const HEADER: [u8; 8] = *b"\0asm\x01\0\0\0";

/// What a module says of itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GuestManifest {
    /// The manifest, as any plugin has one.
    pub plugin: Manifest,
    /// For each of its hooks, in order, the function that is it: the two of an around begin with this name.
    pub exports: Vec<String>,
    /// What it asks for.
    pub asks: Grants,
}

impl GuestManifest {
    /// Reads the manifest of a module. Nothing of the module is compiled, and nothing runs.
    ///
    /// # Errors
    ///
    /// [`LoadError::Section`] if there is none, or none that can be read.
    pub fn read(module: &[u8]) -> Result<Self, LoadError> {
        let text = find(module).map_err(LoadError::Section)?;
        if text.len() > MAX_BYTES {
            return Err(LoadError::Section(SectionProblem::TooLarge {
                bytes: text.len(),
                limit: MAX_BYTES,
            }));
        }
        parse(text).map_err(|error| {
            LoadError::Section(SectionProblem::Unreadable {
                message: error.to_string(),
            })
        })
    }
}

fn parse(text: &[u8]) -> Result<GuestManifest, serde_json::Error> {
    let mut json: serde_json::Map<String, Json> = serde_json::from_slice(text)?;
    let asks = match json.remove("asks") {
        Some(asks) => serde_json::from_value(asks)?,
        None => Grants::none(),
    };
    let mut exports = Vec::new();
    if let Some(Json::Array(hooks)) = json.get_mut("hooks") {
        for hook in hooks {
            let export = hook.as_object_mut().and_then(|hook| hook.remove("export"));
            exports.push(export.map(serde_json::from_value).transpose()?);
        }
    }
    let plugin: Manifest = serde_json::from_value(Json::Object(json))?;
    let named = plugin.hooks.iter().zip(exports);
    let exports = named.map(|(hook, export)| export.unwrap_or_else(|| default_export(hook)));
    Ok(GuestManifest {
        exports: exports.collect(),
        plugin,
        asks,
    })
}

fn default_export(hook: &DeclaredHook) -> String {
    format!("{}_{}", hook.kind, hook.point)
}

/// The functions that a hook consists of.
pub(crate) fn functions(kind: HookKind, export: &str) -> Vec<String> {
    match kind {
        HookKind::Around => vec![format!("{export}_enter"), format!("{export}_leave")],
        _ => vec![export.to_owned()],
    }
}

fn find(module: &[u8]) -> Result<&[u8], SectionProblem> {
    let mut rest = module
        .strip_prefix(&HEADER)
        .ok_or(SectionProblem::NoModule)?;
    while let Some((id, after)) = rest.split_first() {
        let (section, after) = sized(after).ok_or(SectionProblem::Malformed)?;
        rest = after;
        if *id == 0 {
            let (name, content) = sized(section).ok_or(SectionProblem::Malformed)?;
            if name == SECTION.as_bytes() {
                return Ok(content);
            }
        }
    }
    Err(SectionProblem::Missing)
}

/// What a length stands before, and what follows it.
fn sized(bytes: &[u8]) -> Option<(&[u8], &[u8])> {
    let mut length: u64 = 0;
    for (index, byte) in bytes.iter().take(5).enumerate() {
        length |= u64::from(byte & 0x7f) << (7 * index);
        if byte & 0x80 == 0 {
            return bytes[index + 1..].split_at_checked(usize::try_from(length).ok()?);
        }
    }
    None
}
