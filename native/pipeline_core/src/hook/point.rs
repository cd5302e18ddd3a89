use std::fmt;
use std::marker::PhantomData;

use super::ContextFamily;
use crate::plugin::Name;

/// A hook point as a constant: its name, and the family of contexts that its hooks are called with.
///
/// A host says which points it has by such constants. Plugins that use them cannot misspell a point, nor
/// attach hooks to a point of another host's contexts:
///
/// ```
/// use pipeline_core::hook::{ContextFamily, Flow, Hook, Point};
/// use pipeline_core::host::Registrar;
///
/// struct Texts;
/// impl ContextFamily for Texts {
///     type Context<'a> = String;
///     type Error = &'static str;
/// }
///
/// const PUBLISH: Point<Texts> = Point::new("publish");
///
/// fn build(registrar: &mut Registrar<Texts>) {
///     registrar.attach(PUBLISH, Hook::before(|_: &mut String| Ok(Flow::Continue)));
/// }
/// ```
///
/// ```compile_fail,E0277
/// # use pipeline_core::hook::{ContextFamily, Flow, Hook, Point};
/// # use pipeline_core::host::Registrar;
/// # struct Texts;
/// # impl ContextFamily for Texts {
/// #     type Context<'a> = String;
/// #     type Error = &'static str;
/// # }
/// struct Images;
/// impl ContextFamily for Images {
///     type Context<'a> = Vec<u8>;
///     type Error = &'static str;
/// }
///
/// const SCALE: Point<Images> = Point::new("scale");
///
/// fn build(registrar: &mut Registrar<Texts>) {
///     registrar.attach(SCALE, Hook::before(|_: &mut String| Ok(Flow::Continue)));
/// }
/// ```
pub struct Point<F> {
    name: &'static str,
    family: PhantomData<fn() -> F>,
}

impl<F: ContextFamily> Point<F> {
    /// The point of this name.
    pub const fn new(name: &'static str) -> Self {
        Self {
            name,
            family: PhantomData,
        }
    }

    /// Its name.
    pub const fn name(self) -> &'static str {
        self.name
    }
}

impl<F> Clone for Point<F> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<F> Copy for Point<F> {}

impl<F> fmt::Debug for Point<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Point").field(&self.name).finish()
    }
}

/// Names a point of a host whose contexts are of `F`: a [`Point`] of `F`, or text, which is taken as it is.
#[diagnostic::on_unimplemented(
    message = "`{Self}` does not name a hook point of a host of `{F}`",
    note = "a `Point` names points of its own context family only"
)]
pub trait PointName<F: ContextFamily>: Copy + Send {
    /// The name.
    fn as_str(&self) -> &str;

    /// The name, to keep.
    fn to_name(self) -> Name {
        self.as_str().into()
    }
}

impl<F: ContextFamily> PointName<F> for Point<F> {
    fn as_str(&self) -> &str {
        self.name
    }
}

impl<F: ContextFamily> PointName<F> for &str {
    fn as_str(&self) -> &str {
        self
    }
}

impl<F: ContextFamily> PointName<F> for &String {
    fn as_str(&self) -> &str {
        self
    }
}

impl<F: ContextFamily> PointName<F> for &Name {
    fn as_str(&self) -> &str {
        Name::as_str(self)
    }

    fn to_name(self) -> Name {
        self.clone()
    }
}
