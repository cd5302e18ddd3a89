//! The core's registry with terms as entries.

use std::panic::AssertUnwindSafe;
use std::sync::Arc;

use pipeline_core::registry::{
    ChangesError, Provider, Provision, Registry, RegistryEntry, RegistryError, Snapshot,
};
use rustler::{Encoder, Env, Error, NifResult, Resource, ResourceArc, Term};

use crate::hook_order::list;
use crate::id::Id;
use crate::shared_term::SharedTerm;

rustler::atoms! { ahead, duplicate, error, ok, too_old, unknown }

/// An entry of the registry.
struct Registered {
    id: Id,
    capabilities: Vec<(Id, Vec<Value>)>,
    providers: Vec<(Id, Provider)>,
    /// The module that each of the providers names.
    modules: Vec<SharedTerm>,
    info: SharedTerm,
}

/// The value of a capability as the external term format writes it, which is the same for equal terms.
type Value = Box<[u8]>;

impl RegistryEntry for Registered {
    type Id = Id;
    type Key = Id;
    type Value = Value;

    fn id(&self) -> &Id {
        &self.id
    }

    fn capabilities(&self) -> impl Iterator<Item = (Id, Vec<Value>)> {
        self.capabilities.iter().cloned()
    }

    fn providers(&self) -> impl Iterator<Item = (Id, Provider)> {
        self.providers.iter().cloned()
    }
}

/// A change is published whole or, should it panic, not at all; so a panic leaves nothing half done to be
/// seen.
struct RegistryResource(AssertUnwindSafe<RegistrySource>);

/// A registry as it is now, or as it was at one moment.
#[expect(
    clippy::large_enum_variant,
    reason = "a registry is read where it lies; most of it is padding"
)]
enum RegistrySource {
    Live(Registry<Registered>),
    Kept(Box<Snapshot<Registered>>),
}

impl RegistryResource {
    fn new(source: RegistrySource) -> ResourceArc<Self> {
        ResourceArc::new(Self(AssertUnwindSafe(source)))
    }

    fn read<R>(&self, read: impl FnOnce(&Snapshot<Registered>) -> R) -> R {
        match &*self.0 {
            RegistrySource::Live(registry) => registry.read(read),
            RegistrySource::Kept(snapshot) => read(snapshot),
        }
    }

    /// A snapshot takes no changes.
    fn live(&self) -> NifResult<&Registry<Registered>> {
        match &*self.0 {
            RegistrySource::Live(registry) => Ok(registry),
            RegistrySource::Kept(_) => Err(Error::BadArg),
        }
    }
}

#[rustler::resource_impl]
impl Resource for RegistryResource {}

#[rustler::nif]
fn registry_new() -> ResourceArc<RegistryResource> {
    RegistryResource::new(RegistrySource::Live(Registry::new()))
}

/// The registry as it is now, to be read like one. It shares what it holds with the registry.
#[rustler::nif]
fn registry_snapshot(registry: &RegistryResource) -> ResourceArc<RegistryResource> {
    let snapshot = registry.read(Snapshot::clone);
    RegistryResource::new(RegistrySource::Kept(Box::new(snapshot)))
}

/// `:ok` or `:duplicate`.
#[rustler::nif]
fn registry_register<'a>(
    env: Env<'a>,
    registry: &RegistryResource,
    id: Id,
    capabilities: Term<'a>,
    providers: Term<'a>,
    info: Term<'a>,
) -> NifResult<Term<'a>> {
    let entry = registered(id, capabilities, providers, info)?;
    Ok(changed_or_not(env, registry.live()?.register(entry)))
}

/// Registers `[{id, capabilities, providers, info}]` in their order, in one step. `:ok` or
/// `{:duplicate, id}`. On a dirty scheduler: it copies all of them.
#[rustler::nif(schedule = "DirtyCpu")]
fn registry_register_all<'a>(
    env: Env<'a>,
    registry: &RegistryResource,
    entries: Term<'a>,
) -> NifResult<Term<'a>> {
    match registry.live()?.register_all(all_registered(entries)?) {
        Err(RegistryError::DuplicateId(id)) => Ok((duplicate(), id).encode(env)),
        _ => Ok(ok().encode(env)),
    }
}

/// Replaces what is registered under an id. `:ok` or `:unknown`.
#[rustler::nif]
fn registry_replace<'a>(
    env: Env<'a>,
    registry: &RegistryResource,
    id: Id,
    capabilities: Term<'a>,
    providers: Term<'a>,
    info: Term<'a>,
) -> NifResult<Term<'a>> {
    let entry = registered(id, capabilities, providers, info)?;
    Ok(changed_or_not(env, registry.live()?.replace(entry)))
}

/// Replaces `[{id, capabilities, providers, info}]` in one step. `:ok` or `:unknown`. On a dirty scheduler:
/// it copies all of them.
#[rustler::nif(schedule = "DirtyCpu")]
fn registry_replace_all<'a>(
    env: Env<'a>,
    registry: &RegistryResource,
    entries: Term<'a>,
) -> NifResult<Term<'a>> {
    let entries = all_registered(entries)?;
    Ok(changed_or_not(env, registry.live()?.replace_all(entries)))
}

/// `:ok` or `:unknown`.
#[rustler::nif]
fn registry_unregister<'a>(
    env: Env<'a>,
    registry: &RegistryResource,
    id: Id,
) -> NifResult<Term<'a>> {
    Ok(changed_or_not(env, registry.live()?.unregister(&id)))
}

/// `{:ok, info}` or `:error`.
#[rustler::nif]
fn registry_get<'a>(env: Env<'a>, registry: &RegistryResource, id: Id) -> Term<'a> {
    match registry.read(|snapshot| snapshot.get(&id).cloned()) {
        Some(entry) => (ok(), entry.info.copy_to(env)).encode(env),
        None => error().encode(env),
    }
}

/// All infos in load order. On a dirty scheduler: it copies everything that is registered.
#[rustler::nif(schedule = "DirtyCpu")]
fn registry_list<'a>(env: Env<'a>, registry: &RegistryResource) -> Vec<Term<'a>> {
    registry.read(|snapshot| {
        snapshot
            .list()
            .map(|entry| entry.info.copy_to(env))
            .collect()
    })
}

#[rustler::nif(name = "registry_find_by_capability")]
fn registry_find_by_capability<'a>(
    env: Env<'a>,
    registry: &RegistryResource,
    capability: Id,
) -> Term<'a> {
    registry.read(|snapshot| ids(env, snapshot.find_by_capability(&capability)))
}

#[rustler::nif(name = "registry_find_by_capability")]
fn registry_find_by_capability_value<'a>(
    env: Env<'a>,
    registry: &RegistryResource,
    capability: Id,
    value: Term<'a>,
) -> Term<'a> {
    let value: Value = value.to_binary().as_slice().into();
    registry.read(|snapshot| ids(env, snapshot.find_by_capability_value(&capability, &value)))
}

/// `{:ok, id, module}` or `:error`.
#[rustler::nif]
fn registry_provider<'a>(env: Env<'a>, registry: &RegistryResource, provider_type: Id) -> Term<'a> {
    registry.read(|snapshot| match snapshot.provider(&provider_type) {
        Some(Provision { entry, declaration }) => {
            let module = entry.modules[*declaration].copy_to(env);
            (ok(), &entry.id, module).encode(env)
        }
        None => error().encode(env),
    })
}

/// How many changes there have been.
#[rustler::nif]
fn registry_generation(registry: &RegistryResource) -> u64 {
    registry.read(Snapshot::generation)
}

/// `{:ok, generation, changed, removed}`, or `{:error, :too_old | :ahead}`.
#[rustler::nif]
fn registry_changed_since<'a>(
    env: Env<'a>,
    registry: &RegistryResource,
    generation: u64,
) -> Term<'a> {
    match registry.read(|snapshot| snapshot.changed_since(generation)) {
        Ok(changes) => (ok(), changes.generation, changes.changed, changes.removed).encode(env),
        Err(ChangesError::TooOld { .. }) => (error(), too_old()).encode(env),
        Err(_) => (error(), ahead()).encode(env),
    }
}

/// A list of one, which most are, without memory but the list's own.
fn ids<'a, 's>(env: Env<'a>, mut entries: impl Iterator<Item = &'s Arc<Registered>>) -> Term<'a> {
    let end = Term::list_new_empty(env);
    let Some(first) = entries.next() else {
        return end;
    };
    let rest: Vec<Term<'a>> = entries.map(|entry| entry.id.encode(env)).collect();
    let rest = rest.into_iter().rev().fold(end, Term::list_prepend);
    rest.list_prepend(&first.id)
}

fn changed_or_not<T>(env: Env<'_>, outcome: Result<T, RegistryError<Id>>) -> Term<'_> {
    match outcome {
        Ok(_) => ok().encode(env),
        Err(RegistryError::DuplicateId(_)) => duplicate().encode(env),
        Err(_) => unknown().encode(env),
    }
}

fn all_registered(entries: Term<'_>) -> NifResult<Vec<Registered>> {
    list::<(Id, Term<'_>, Term<'_>, Term<'_>)>(entries)?
        .into_iter()
        .map(|(id, capabilities, providers, info)| registered(id, capabilities, providers, info))
        .collect()
}

fn registered(
    id: Id,
    capabilities: Term<'_>,
    providers: Term<'_>,
    info: Term<'_>,
) -> NifResult<Registered> {
    // Checks that the lists are proper: decoding an improper one panics.
    capabilities.list_length()?;
    providers.list_length()?;
    let capabilities = capabilities
        .decode::<Vec<(Id, Term<'_>)>>()?
        .into_iter()
        .map(|(name, values)| {
            values.list_length()?;
            let values = values.decode::<Vec<Term<'_>>>()?;
            Ok((
                name,
                values
                    .iter()
                    .map(|value| value.to_binary().as_slice().into())
                    .collect(),
            ))
        })
        .collect::<NifResult<_>>()?;
    let (providers, modules) = providers
        .decode::<Vec<(Id, Term<'_>, i64, bool)>>()?
        .into_iter()
        .map(|(name, module, priority, default)| {
            let provider = Provider { priority, default };
            ((name, provider), SharedTerm::new(module))
        })
        .unzip();
    Ok(Registered {
        id,
        capabilities,
        providers,
        modules,
        info: SharedTerm::new(info),
    })
}
