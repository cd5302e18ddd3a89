/// The contexts that the hooks of a chain are called with.
///
/// The context is a generic associated type, so that one executor serves a program's own struct (no lifetime)
/// and a context that borrows from its caller, such as the terms of a BEAM process.
pub trait ContextFamily: 'static {
    /// The value that a run hands from hook to hook.
    type Context<'a>;
    /// Why a hook of this family refused or failed.
    type Error: Send + 'static;

    /// Whether an error is an answer of the hook rather than a failure to do its work, which the [`Circuit`]
    /// of a hook does not count. By default none is.
    ///
    /// [`Circuit`]: super::Circuit
    fn is_refusal(_error: &Self::Error) -> bool {
        false
    }
}
