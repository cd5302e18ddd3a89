/// The documentation of a hook, as `mix pipeline.hooks` prints it.
///
/// The texts are Markdown.
#[derive(Clone, Copy, Debug)]
pub struct Description {
    /// The purpose of the hook, in a paragraph or two, with its limits.
    pub purpose: &'static str,
    /// The fields of its configuration.
    pub fields: &'static [Field],
    /// The result of a run.
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
    /// Its purpose.
    pub doc: &'static str,
}

impl Description {
    /// The description of a hook that does not document itself.
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
