/// Makes the crate a library that an Elixir module loads, with its hooks in it.
///
/// To be called once, in the root of a crate of type `cdylib`, with the full name of the module:
///
/// ```ignore
/// pipeline_term::library!("Elixir.My.Hooks");
/// ```
///
/// It stands for `rustler::init!`, and spares the crate a dependency on rustler of the same version; a crate
/// that has one calls that instead, with [`load`](crate::load). The module is one that says
/// `use Pipeline.Native.Library`, which declares what is exported.
///
/// The module can be purged while its functions run: what the library registered with the VM stays. A crate that
/// registers resources of its own and makes them on dirty schedulers has to keep one of each for good, since the
/// VM frees a type of a purged module with its last value.
#[macro_export]
macro_rules! library {
    ($module:literal) => {
        // The expansion of `init!` names rustler as a crate of the caller's; this crate has what it asks for.
        extern crate pipeline_term as rustler;
        $crate::rustler::init!($module, load = $crate::load);
    };
}
