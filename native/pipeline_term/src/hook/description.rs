/// How a hook documents itself, for those who configure it: what `mix pipeline.hooks` prints.
///
/// The texts are Markdown.
#[derive(Clone, Copy, Debug)]
pub struct Description {
    /// What the hook is for, in a paragraph or two, with its limits.
    pub purpose: &'static str,
    /// The fields of its configuration.
    pub fields: &'static [Field],
    /// What a run gives.
    pub returns: &'static str,
    /// The reasons with which it refuses a run, and when it fails.
    pub refuses: &'static [&'static str],
    /// Lines of an Elixir shell, `iex> …` and what it answers, that run as a test.
    pub example: &'static str,
}

/// A field of a hook's configuration.
#[derive(Clone, Copy, Debug)]
pub struct Field {
    /// Its name.
    pub name: &'static str,
    /// Its type, with the unit: `milliseconds, 1 to 3,600,000`.
    pub ty: &'static str,
    /// Its value where it is not given, as Elixir writes it; none if it has to be given.
    pub default: Option<&'static str>,
    /// What it is for.
    pub doc: &'static str,
}

impl Description {
    /// That of a hook which does not document itself.
    pub const NONE: Self = Self {
        purpose: "",
        fields: &[],
        returns: "",
        refuses: &[],
        example: "",
    };
}

impl Field {
    /// A field that has to be given.
    pub const fn required(name: &'static str, ty: &'static str, doc: &'static str) -> Self {
        Self {
            name,
            ty,
            default: None,
            doc,
        }
    }

    /// A field that may be left out.
    pub const fn optional(
        name: &'static str,
        ty: &'static str,
        default: &'static str,
        doc: &'static str,
    ) -> Self {
        Self {
            name,
            ty,
            default: Some(default),
            doc,
        }
    }
}
