use std::collections::HashSet;

use super::{Term, TermError, Token};
use crate::limits::Limits;

/// A container that still waits for elements.
enum Open {
    List {
        items: Vec<Term>,
        left: u32,
    },
    Tuple {
        items: Vec<Term>,
        left: u32,
    },
    Map {
        pairs: Vec<(Term, Term)>,
        key: Option<Term>,
        left: u32,
    },
}

/// Builds one term from its tokens.
pub(super) struct Builder<'l> {
    limits: &'l Limits,
    /// Values that may still come.
    nodes: usize,
    open: Vec<Open>,
}

impl<'l> Builder<'l> {
    /// A builder that has paid for the term itself.
    pub(super) fn new(limits: &'l Limits) -> Result<Self, TermError> {
        let mut builder = Self {
            limits,
            nodes: limits.nodes,
            open: Vec::new(),
        };
        builder.charge(1)?;
        Ok(builder)
    }

    /// Pays for `count` values. A container pays for its elements when its header is read, so all
    /// that is ever allocated ahead stays within the one budget.
    fn charge(&mut self, count: usize) -> Result<(), TermError> {
        let limit = self.limits.nodes;
        self.nodes = self
            .nodes
            .checked_sub(count)
            .ok_or(TermError::Nodes { limit })?;
        Ok(())
    }

    fn enter(&mut self, open: Open) -> Result<(), TermError> {
        let limit = self.limits.term_depth();
        if self.open.len() >= limit {
            return Err(TermError::Depth { limit });
        }
        self.open.push(open);
        Ok(())
    }

    /// Takes a token: a finished term, or `None` when it opened a container.
    pub(super) fn push(&mut self, token: Token<'_>, at: usize) -> Result<Option<Term>, TermError> {
        Ok(Some(match token {
            Token::Atom(atom) => Term::Atom(atom.text()?.into()),
            Token::Integer(value) => Term::Integer(value),
            Token::Big {
                negative,
                magnitude,
            } => Term::integer(negative, magnitude).ok_or(TermError::Integer {
                at,
                bytes: magnitude.len(),
            })?,
            Token::Float(value) => Term::Float(value),
            Token::Binary(bytes) => Term::Binary(bytes.into()),
            Token::Bits { bytes, last_bits } => Term::bits(bytes, last_bits),
            Token::ByteList(bytes) => {
                self.charge(bytes.len())?;
                Term::List(
                    bytes
                        .iter()
                        .map(|byte| Term::Integer((*byte).into()))
                        .collect(),
                )
            }
            Token::Nil => Term::List(Vec::new()),
            Token::List(count) => {
                let items = self.items(count, 1)?;
                self.enter(Open::List { items, left: count })?;
                return Ok(None);
            }
            Token::Tuple(0) => Term::Tuple(Vec::new()),
            Token::Tuple(count) => {
                let items = self.items(count, 0)?;
                self.enter(Open::Tuple { items, left: count })?;
                return Ok(None);
            }
            Token::Map(0) => Term::Map(Vec::new()),
            Token::Map(count) => {
                self.charge(2 * count as usize)?;
                if count as usize > Limits::MAP_KEYS {
                    return Err(TermError::MapKeys { at, count });
                }
                let pairs = Vec::with_capacity(count as usize);
                self.enter(Open::Map {
                    pairs,
                    key: None,
                    left: count,
                })?;
                return Ok(None);
            }
            Token::ExternalFun {
                module,
                name,
                arity,
            } => Term::ExternalFun {
                module: module.text()?.into(),
                name: name.text()?.into(),
                arity,
            },
            Token::Opaque(what) => return Err(TermError::Opaque { what, at }),
        }))
    }

    fn items(&mut self, count: u32, more: usize) -> Result<Vec<Term>, TermError> {
        self.charge(count as usize + more)?;
        Ok(Vec::with_capacity(count as usize))
    }

    /// Hands a finished term to the container that waits for it, and that, if it is finished by it,
    /// to the next; the term itself when nothing waits any more.
    pub(super) fn close(&mut self, mut term: Term, at: usize) -> Result<Option<Term>, TermError> {
        loop {
            term = match self.open.pop() {
                None => return Ok(Some(term)),
                Some(Open::List { items, left: 0 }) => list(items, term),
                Some(Open::List { mut items, left }) => {
                    items.push(term);
                    self.open.push(Open::List {
                        items,
                        left: left - 1,
                    });
                    return Ok(None);
                }
                Some(Open::Tuple { mut items, left }) => {
                    items.push(term);
                    if left > 1 {
                        self.open.push(Open::Tuple {
                            items,
                            left: left - 1,
                        });
                        return Ok(None);
                    }
                    Term::Tuple(items)
                }
                Some(Open::Map {
                    pairs,
                    key: None,
                    left,
                }) => {
                    self.open.push(Open::Map {
                        pairs,
                        key: Some(term),
                        left,
                    });
                    return Ok(None);
                }
                Some(Open::Map {
                    mut pairs,
                    key: Some(key),
                    left,
                }) => {
                    pairs.push((key, term));
                    if left > 1 {
                        self.open.push(Open::Map {
                            pairs,
                            key: None,
                            left: left - 1,
                        });
                        return Ok(None);
                    }
                    let mut keys = HashSet::with_capacity(pairs.len());
                    if !pairs.iter().all(|(key, _)| keys.insert(key)) {
                        return Err(TermError::DuplicateKey { at });
                    }
                    Term::Map(pairs)
                }
            };
        }
    }
}

/// The list of `items` before `tail`; a tail that is a list itself goes on where `items` end.
fn list(mut items: Vec<Term>, tail: Term) -> Term {
    match tail {
        Term::List(rest) => {
            items.extend(rest);
            Term::List(items)
        }
        Term::ImproperList(rest, tail) => {
            items.extend(rest);
            Term::ImproperList(items, tail)
        }
        tail if items.is_empty() => tail,
        tail => Term::ImproperList(items, Box::new(tail)),
    }
}
