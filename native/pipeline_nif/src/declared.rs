//! What manifests declare, read from the maps themselves.

use std::collections::HashMap;

use foldhash::fast::RandomState;
use pipeline_core::requirement::{Requirement, parse_version};
use pipeline_core::resolve::{Draft, Need, Node, Roster};
use rustler::sys::ErlNifTerm as Word;
use rustler::{Atom, Error, NifResult, Term};
use semver::Version;

use crate::id::Id;
use crate::numbers::{Numbers, Recent};

rustler::atoms! { capabilities, capability, dependencies, id, nil, optional, r#false = "false", r#true = "true", version }

/// Plugins as a [`Draft`], with the lists that its numbers count through.
///
/// A term is known again by its word: while a NIF runs, the terms it was given stay where they are, so equal words are
/// one term. Where many manifests name the same atom or share a requirement, it is looked at once.
pub(crate) struct Declared<'a> {
    draft: Draft,
    /// The ids as they were given, for the answer.
    ids: Vec<Term<'a>>,
    names: Numbers<Id, Id>,
    /// The numbers of names that are atoms, by word.
    atoms: HashMap<Word, u32, RandomState>,
    versions: Numbers<&'a str, Version>,
    requirements: Numbers<&'a str, Requirement>,
    recent_versions: Recent<u32>,
    recent_options: Recent<(Option<u32>, bool)>,
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

impl<'a> Declared<'a> {
    /// Reads a list of manifests to be ordered and one of those that are present.
    ///
    /// # Errors
    ///
    /// `BadArg` for what is no manifest.
    pub(crate) fn read(coming: Term<'a>, present: Term<'a>) -> NifResult<Self> {
        let env = coming.get_env();
        let mut this = Self {
            draft: Draft::default(),
            ids: Vec::new(),
            names: Numbers::default(),
            atoms: HashMap::default(),
            versions: Numbers::default(),
            requirements: Numbers::default(),
            recent_versions: Recent::default(),
            recent_options: Recent::default(),
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
        this.draft.rest_is_present();
        each(present, |manifest| this.manifest(manifest))?;
        Ok(this)
    }

    /// Calls `use_roster` with the plugins and their ids.
    ///
    /// # Errors
    ///
    /// None: the lists hold what the draft has numbers of.
    pub(crate) fn roster<R>(
        &self,
        use_roster: impl FnOnce(&Roster<'_, Id>, &[Term<'a>]) -> R,
    ) -> NifResult<R> {
        let names: Vec<&Id> = self.names.all().iter().collect();
        let versions: Vec<&Version> = self.versions.all().iter().collect();
        let requirements: Vec<&Requirement> = self.requirements.all().iter().collect();
        let roster = Roster::new(&self.draft, &names, &versions, &requirements);
        roster.map_or(Err(Error::BadArg), |roster| {
            Ok(use_roster(&roster, &self.ids))
        })
    }

    /// The plugins as nodes, which can be sent to another thread.
    pub(crate) fn nodes(&self) -> NifResult<Vec<Node<Id>>> {
        self.roster(|roster, _| roster.nodes())
    }

    fn manifest(&mut self, manifest: Term<'a>) -> NifResult<()> {
        let id = manifest.map_get(self.words.id)?;
        let version = manifest.map_get(self.words.version)?;
        let (name, version) = (self.id(id)?, self.version(version)?);
        self.ids.push(id);
        self.draft.plugin(name, version);
        each(manifest.map_get(self.words.capabilities)?, |declared| {
            let (name, _value): (Term<'a>, Term<'a>) = declared.decode()?;
            let name = self.capability(name)?;
            self.draft.provides(name);
            Ok(())
        })?;
        each(manifest.map_get(self.words.dependencies)?, |declared| {
            let (target, options) = declared.decode()?;
            let need = self.need(target, options)?;
            self.draft.needs(need);
            Ok(())
        })
    }

    fn need(&mut self, target: Term<'a>, options: Term<'a>) -> NifResult<Need> {
        let word = target.as_c_arg();
        let tagged = || target.decode::<(Term<'a>, Term<'a>)>();
        let known = self
            .atoms
            .get(&word)
            .filter(|_| !self.words.no_ids.contains(&word));
        let name = match known {
            Some(&known) => Ok(known),
            None => match tagged().map(|(tag, name)| (tag.as_c_arg(), name)) {
                Ok((tag, name)) if tag == self.words.capability => Err(self.capability(name)?),
                _ => Ok(self.id(target)?),
            },
        };
        let (requirement, optional) = self.options(options)?;
        let need = match name {
            Ok(id) => Need::plugin(id, requirement),
            Err(capability) => Need::capability(capability),
        };
        Ok(need.optional(optional))
    }

    /// Of what is no id, names are all but these.
    fn id(&mut self, term: Term<'a>) -> NifResult<u32> {
        if self.words.no_ids.contains(&term.as_c_arg()) {
            return Err(Error::BadArg);
        }
        let number = self.name(term)?;
        if matches!(&self.names.all()[number as usize], Id::Text(text) if text.is_empty()) {
            return Err(Error::BadArg);
        }
        Ok(number)
    }

    /// An atom, or one that the VM does not know.
    fn capability(&mut self, term: Term<'a>) -> NifResult<u32> {
        let number = self.name(term)?;
        if matches!(self.names.all()[number as usize], Id::Text(_)) {
            return Err(Error::BadArg);
        }
        Ok(number)
    }

    fn name(&mut self, term: Term<'a>) -> NifResult<u32> {
        let word = term.as_c_arg();
        if let Some(&known) = self.atoms.get(&word) {
            return Ok(known);
        }
        let name: Id = term.decode()?;
        let is_atom = matches!(name, Id::Atom(_));
        let number = self.names.number(name.clone(), || Ok(name))?;
        if is_atom {
            self.atoms.insert(word, number);
        }
        Ok(number)
    }

    fn version(&mut self, term: Term<'a>) -> NifResult<u32> {
        if let Some(known) = self.recent_versions.get(term) {
            return Ok(known);
        }
        let text: &str = term.decode()?;
        let parse = || parse_version(text).map_err(|_| Error::BadArg);
        let number = self.versions.number(text, parse)?;
        self.recent_versions.put(term, number);
        Ok(number)
    }

    /// The requirement and whether the dependency is optional; of options given twice the first counts.
    fn options(&mut self, term: Term<'a>) -> NifResult<(Option<u32>, bool)> {
        if let Some(known) = self.recent_options.get(term) {
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
        self.recent_options.put(term, (requirement, optional));
        Ok((requirement, optional))
    }
}

/// The elements of a proper list.
fn each<'a>(list: Term<'a>, mut visit: impl FnMut(Term<'a>) -> NifResult<()>) -> NifResult<()> {
    let mut rest = list;
    while let Ok((element, tail)) = rest.list_get_cell() {
        visit(element)?;
        rest = tail;
    }
    if rest.is_empty_list() {
        Ok(())
    } else {
        Err(Error::BadArg)
    }
}
