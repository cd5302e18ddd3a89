use wasmi::{FuncType, ValType};

use crate::Grants;

/// The module that guests import from.
pub(crate) const MODULE: &str = "pipeline";

/// Most arguments that an import takes.
pub(crate) const MAX_ARGUMENTS: usize = 4;

/// A function that guests can import.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Import {
    FieldGet,
    FieldPut,
    FieldRemove,
    FieldKind,
    ConfigGet,
    Answer,
    Refuse,
    Log,
    Clock,
    Random,
    Emit,
}

impl Import {
    pub(crate) const ALL: [Self; 11] = [
        Self::FieldGet,
        Self::FieldPut,
        Self::FieldRemove,
        Self::FieldKind,
        Self::ConfigGet,
        Self::Answer,
        Self::Refuse,
        Self::Log,
        Self::Clock,
        Self::Random,
        Self::Emit,
    ];

    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::FieldGet => "field_get",
            Self::FieldPut => "field_put",
            Self::FieldRemove => "field_remove",
            Self::FieldKind => "field_kind",
            Self::ConfigGet => "config_get",
            Self::Answer => "answer",
            Self::Refuse => "refuse",
            Self::Log => "log",
            Self::Clock => "clock",
            Self::Random => "random",
            Self::Emit => "emit",
        }
    }

    pub(crate) fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|import| import.name() == name)
    }

    /// How many arguments it takes, each of 32 bits.
    fn arguments(self) -> usize {
        match self {
            Self::Clock => 0,
            Self::FieldRemove | Self::FieldKind | Self::Answer | Self::Refuse | Self::Random => 2,
            Self::FieldGet | Self::ConfigGet | Self::Log => 3,
            Self::FieldPut | Self::Emit => 4,
        }
    }

    fn result(self) -> Option<ValType> {
        match self {
            Self::FieldGet | Self::FieldKind | Self::ConfigGet => Some(ValType::I32),
            Self::Clock => Some(ValType::I64),
            _ => None,
        }
    }

    pub(crate) fn ty(self) -> FuncType {
        FuncType::new(vec![ValType::I32; self.arguments()], self.result())
    }

    /// What has to be granted before it can be imported, if that is missing.
    pub(crate) fn lacking(self, grants: &Grants) -> Option<&'static str> {
        let (granted, grant) = match self {
            Self::Log => (grants.log, "log"),
            Self::Clock => (grants.clock, "clock"),
            Self::Random => (grants.random, "random"),
            Self::Emit => (!grants.emit.is_empty(), "emit"),
            _ => return None,
        };
        (!granted).then_some(grant)
    }
}

/// A type as the text format writes it.
pub(crate) fn written(ty: &FuncType) -> String {
    let list = |types: &[ValType]| -> String {
        let names = types.iter().map(|ty| format!("{ty:?}").to_lowercase());
        names.collect::<Vec<_>>().join(" ")
    };
    let part = |word: &str, types: &[ValType]| match types {
        [] => String::new(),
        types => format!(" ({word} {})", list(types)),
    };
    let parameters = part("param", ty.params());
    format!("(func{parameters}{})", part("result", ty.results()))
}
