use std::fmt;

use wasmi::{
    CompilationMode, Config, EnforcedLimits, Engine, Error, ExternType, FuncType, Linker, Module,
    ValType,
};

use super::MAX_MODULE_BYTES;
use super::import::{Import, MAX_ARGUMENTS, MODULE, written};
use super::limiter::Limiter;
use crate::{Grants, ImportProblem, LoadError};

/// A module that is compiled, with what it may import. It has an engine of its own, which goes with it: an engine
/// keeps the code of all its modules.
pub(crate) struct Compiled {
    pub(super) module: Module,
    pub(super) linker: Linker<Limiter>,
}

/// A guest asks the host for something.
#[derive(Clone, Copy, Debug)]
pub(super) struct Request {
    pub(super) import: Import,
    pub(super) arguments: [u32; MAX_ARGUMENTS],
}

impl fmt::Display for Request {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "asked for {}", self.import.name())
    }
}

impl wasmi::errors::HostError for Request {}

impl Compiled {
    /// Compiles a module, and checks what it imports.
    pub(crate) fn new(bytes: &[u8], grants: &Grants) -> Result<Self, LoadError> {
        if bytes.len() > MAX_MODULE_BYTES {
            return Err(LoadError::TooLarge {
                bytes: bytes.len(),
                limit: MAX_MODULE_BYTES,
            });
        }
        let engine = Engine::new(&config());
        let refused = |error: Error| LoadError::Module {
            message: error.to_string(),
        };
        let module = Module::new(&engine, bytes).map_err(refused)?;
        let problems: Vec<_> = module
            .imports()
            .filter_map(|import| problem(import.module(), import.name(), import.ty(), grants))
            .collect();
        if !problems.is_empty() {
            return Err(LoadError::Imports(problems));
        }
        let linker = linker(&engine).map_err(refused)?;
        Ok(Self { module, linker })
    }

    /// Checks the memory and the function that gives of it.
    pub(crate) fn check_memory(&self, grants: &Grants) -> Result<(), LoadError> {
        let Some(ExternType::Memory(memory)) = self.module.get_export("memory") else {
            return Err(LoadError::NoMemory);
        };
        let bytes = memory.minimum().saturating_mul(64 * 1024);
        if usize::try_from(bytes).map_or(true, |bytes| bytes > grants.memory_limit()) {
            return Err(LoadError::MemoryTooLarge {
                bytes,
                limit: grants.memory_limit(),
            });
        }
        self.check_function("pipeline_alloc", true)
    }

    /// Checks that a function is there, that takes one number or none, and gives one.
    pub(crate) fn check_function(&self, name: &str, takes_one: bool) -> Result<(), LoadError> {
        let parameters = vec![ValType::I32; usize::from(takes_one)];
        let expected = FuncType::new(parameters, [ValType::I32]);
        match self.module.get_export(name) {
            Some(ExternType::Func(found)) if found == expected => Ok(()),
            _ => Err(LoadError::NoFunction {
                name: name.to_owned(),
                expected: written(&expected),
            }),
        }
    }
}

impl fmt::Debug for Compiled {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Compiled").finish_non_exhaustive()
    }
}

fn config() -> Config {
    let mut config = Config::default();
    config
        .consume_fuel(true)
        .compilation_mode(CompilationMode::Eager)
        .enforced_limits(EnforcedLimits::strict())
        // It would run before there is a call that pays for it.
        .allow_start_fn(false)
        .ignore_custom_sections(true)
        .wasm_multi_memory(false)
        .wasm_custom_page_sizes(false);
    config
}

fn problem(module: &str, name: &str, ty: &ExternType, grants: &Grants) -> Option<ImportProblem> {
    let shown = format!("{module}.{name}");
    let known = Some(name)
        .filter(|_| module == MODULE)
        .and_then(Import::named);
    let Some(import) = known else {
        return Some(ImportProblem::Unknown { name: shown });
    };
    if let Some(grant) = import.lacking(grants) {
        return Some(ImportProblem::NotGranted {
            name: shown,
            grant: grant.to_owned(),
        });
    }
    if ty.func() == Some(&import.ty()) {
        return None;
    }
    Some(ImportProblem::Type {
        name: shown,
        expected: written(&import.ty()),
    })
}

fn linker(engine: &Engine) -> Result<Linker<Limiter>, Error> {
    let mut linker = Linker::new(engine);
    for import in Import::ALL {
        linker.func_new(MODULE, import.name(), import.ty(), move |_, given, _| {
            let mut arguments = [0; MAX_ARGUMENTS];
            for (argument, value) in arguments.iter_mut().zip(given) {
                *argument = value.i32().unwrap_or_default().cast_unsigned();
            }
            Err(Error::host(Request { import, arguments }))
        })?;
    }
    Ok(linker)
}
