//! The declarations of manifests, read from the maps themselves.

use std::collections::HashMap;

use foldhash::fast::RandomState;
use pipeline_core::requirement::{Requirement, parse_version};
use pipeline_core::resolve::{Node, NumberedDependency, PluginTable, PluginTableBuilder};
use rustler::sys::ErlNifTerm as Word;
use rustler::{Atom, Decoder, Error, ListIterator, NifResult, Term};
use semver::Version;

use crate::id::Id;
use crate::interner::{Interner, TermCache};

rustler::atoms! { capabilities, capability, dependencies, id, nil, optional, r#false = "false", r#true = "true", version }

/// Plugins as a [`PluginTableBuilder`], with the lists that its numbers count through.
///
/// A term is known again by its word: while a NIF runs, the terms it was given stay where they are, so equal
/// words are one term. Where many manifests name the same atom or share a requirement, it is looked at once.
pub(crate) struct ManifestTerms<'a> {
    builder: PluginTableBuilder,
    /// The ids as they were given, for the answer.
    ids: Vec<Term<'a>>,
    names: Vec<Id>,
    /// The numbers of names that are atoms, by word, and of the others.
    atoms: HashMap<Word, u32, RandomState>,
    texts: HashMap<Id, u32, RandomState>,
    versions: Interner<&'a str, Version>,
    requirements: Interner<&'a str, Requirement>,
    recent_versions: TermCache<u32>,
    recent_options: TermCache<(Option<u32>, bool)>,
    words: Words<'a>,
}

/// Atoms that manifests are read with.
struct Words<'a> {
    id: Term<'a>,
    version: Term<'a>,
    capabilities: Term<'a>,
    dependencies: Term<'a>,
    capability: Word,
    optional: Word,
    r#true: Word,
    /// The atoms that are no id.
    no_ids: [Word; 3],
}

impl<'a> ManifestTerms<'a> {
    /// Reads a list of manifests to be ordered and one of those that are present.
    ///
    /// # Errors
    ///
    /// `BadArg` for what is no manifest.
    pub(crate) fn read(coming: Term<'a>, present: Term<'a>) -> NifResult<Self> {
        let env = coming.get_env();
        let count = coming.list_length()?;
        let mut this = Self {
            builder: PluginTableBuilder::default(),
            ids: Vec::with_capacity(count),
            names: Vec::with_capacity(count),
            atoms: HashMap::with_capacity_and_hasher(count, RandomState::default()),
            texts: HashMap::default(),
            versions: Interner::default(),
            requirements: Interner::default(),
            recent_versions: TermCache::default(),
            recent_options: TermCache::default(),
            words: Words {
                id: id().to_term(env),
                version: version().to_term(env),
                capabilities: capabilities().to_term(env),
                dependencies: dependencies().to_term(env),
                capability: capability().as_c_arg(),
                optional: optional().as_c_arg(),
                r#true: r#true().as_c_arg(),
                no_ids: [nil(), r#true(), r#false()].map(Atom::as_c_arg),
            },
        };
        each(coming, |manifest| this.manifest(manifest))?;
        this.builder.rest_is_loaded();
        each(present, |manifest| this.manifest(manifest))?;
        Ok(this)
    }

    /// Calls `use_table` with the plugins and their ids.
    ///
    /// # Errors
    ///
    /// `BadArg` if the builder had a number that the lists do not reach, which reading does not leave behind.
    pub(crate) fn table<R>(
        &self,
        use_table: impl FnOnce(&PluginTable<'_, Id>, &[Term<'a>]) -> R,
    ) -> NifResult<R> {
        let names: Vec<&Id> = self.names.iter().collect();
        let versions: Vec<&Version> = self.versions.all().iter().collect();
        let requirements: Vec<&Requirement> = self.requirements.all().iter().collect();
        let table = PluginTable::new(&self.builder, &names, &versions, &requirements);
        table.map_or(Err(Error::BadArg), |table| Ok(use_table(&table, &self.ids)))
    }

    /// The plugins as nodes, which can be sent to another thread.
    pub(crate) fn nodes(&self) -> NifResult<Vec<Node<Id>>> {
        self.table(|table, _| table.nodes())
    }

    fn manifest(&mut self, manifest: Term<'a>) -> NifResult<()> {
        let id = manifest.map_get(self.words.id)?;
        let version = manifest.map_get(self.words.version)?;
        let (name, version) = (self.id(id)?, self.version(version)?);
        self.ids.push(id);
        self.builder.plugin(name, version);
        each(manifest.map_get(self.words.capabilities)?, |declared| {
            let (name, _value): (Term<'a>, Term<'a>) = declared.decode()?;
            let name = self.capability(name)?;
            self.builder.provides(name);
            Ok(())
        })?;
        each(manifest.map_get(self.words.dependencies)?, |declared| {
            let dependency = match self.known_dependency(declared) {
                Some(known) => known,
                None => self.dependency(declared)?,
            };
            self.builder.depends_on(dependency);
            Ok(())
        })
    }

    /// A dependency whose parts were seen before: by their words alone, which is all that most of many take.
    fn known_dependency(&self, declared: Term<'a>) -> Option<NumberedDependency> {
        let (target, options): (TermWord, TermWord) = declared.decode().ok()?;
        let (requirement, optional) = self.recent_options.get(options.0)?;
        let dependency = NumberedDependency::plugin(self.known_id(target.0)?, requirement);
        Some(dependency.optional(optional))
    }

    fn dependency(&mut self, declared: Term<'a>) -> NifResult<NumberedDependency> {
        let (target, options): (Term<'a>, Term<'a>) = declared.decode()?;
        let dependency = if let Some(id) = self.known_id(target.as_c_arg()) {
            NumberedDependency::plugin(id, None)
        } else {
            match target.decode::<(Term<'a>, Term<'a>)>() {
                Ok((tag, name)) if tag.as_c_arg() == self.words.capability => {
                    NumberedDependency::capability(self.capability(name)?)
                }
                _ => NumberedDependency::plugin(self.id(target)?, None),
            }
        };
        let (requirement, optional) = self.options(options)?;
        Ok(dependency.requires(requirement).optional(optional))
    }

    /// The number of an atom that was seen before.
    fn known_id(&self, word: Word) -> Option<u32> {
        let is_id = |_: &&u32| !self.words.no_ids.contains(&word);
        self.atoms.get(&word).filter(is_id).copied()
    }

    fn id(&mut self, term: Term<'a>) -> NifResult<u32> {
        if let Some(known) = self.known_id(term.as_c_arg()) {
            return Ok(known);
        }
        match term.decode()? {
            Id::Text(text) if text.is_empty() => Err(Error::BadArg),
            Id::Atom(atom) if self.words.no_ids.contains(&atom.as_c_arg()) => Err(Error::BadArg),
            id => self.name(id),
        }
    }

    /// An atom, or one that the VM does not know.
    fn capability(&mut self, term: Term<'a>) -> NifResult<u32> {
        match term.decode()? {
            Id::Text(_) => Err(Error::BadArg),
            name => self.name(name),
        }
    }

    fn name(&mut self, name: Id) -> NifResult<u32> {
        let new = u32::try_from(self.names.len()).map_err(|_| Error::BadArg)?;
        let number = *match &name {
            Id::Atom(atom) => self.atoms.entry(atom.as_c_arg()).or_insert(new),
            text => self.texts.entry(text.clone()).or_insert(new),
        };
        if number == new {
            self.names.push(name);
        }
        Ok(number)
    }

    fn version(&mut self, term: Term<'a>) -> NifResult<u32> {
        if let Some(known) = self.recent_versions.get(term.as_c_arg()) {
            return Ok(known);
        }
        let text: &str = term.decode()?;
        let parse = || parse_version(text).map_err(|_| Error::BadArg);
        let number = self.versions.number(text, parse)?;
        self.recent_versions.put(term.as_c_arg(), number);
        Ok(number)
    }

    /// The requirement and whether the dependency is optional; of options given twice the first counts.
    fn options(&mut self, term: Term<'a>) -> NifResult<(Option<u32>, bool)> {
        if let Some(known) = self.recent_options.get(term.as_c_arg()) {
            return Ok(known);
        }
        let (mut requirement, mut is_optional) = (None, None);
        each(term, |option| {
            let (key, value): (Atom, Term<'a>) = option.decode()?;
            if key.as_c_arg() == self.words.version.as_c_arg() {
                requirement.get_or_insert(value);
            } else if key.as_c_arg() == self.words.optional {
                is_optional.get_or_insert(value);
            }
            Ok(())
        })?;
        let given = requirement.filter(|value| value.as_c_arg() != self.words.no_ids[0]);
        let requirement = match given {
            None => None,
            Some(value) => {
                let text: &str = value.decode()?;
                let parse = || text.parse().map_err(|_| Error::BadArg);
                Some(self.requirements.number(text, parse)?)
            }
        };
        let optional = is_optional.is_some_and(|value| value.as_c_arg() == self.words.r#true);
        self.recent_options
            .put(term.as_c_arg(), (requirement, optional));
        Ok((requirement, optional))
    }
}

/// A term whose word is enough.
struct TermWord(Word);

impl<'a> Decoder<'a> for TermWord {
    fn decode(term: Term<'a>) -> NifResult<Self> {
        Ok(Self(term.as_c_arg()))
    }
}

/// The elements of a list. Its length is asked for only because the iterator panics where a list is improper.
fn each<'a>(list: Term<'a>, visit: impl FnMut(Term<'a>) -> NifResult<()>) -> NifResult<()> {
    list.list_length()?;
    list.decode::<ListIterator<'a>>()?.try_for_each(visit)
}
