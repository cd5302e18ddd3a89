use std::io::{self, Read};

/// What came of inflating under a cap.
#[derive(Debug)]
pub(crate) enum Inflated {
    /// All of it.
    Whole(Vec<u8>),
    /// There is more than the cap allows.
    Beyond,
}

/// Reads `inflater` to its end, or to one byte past `cap`. Memory grows with what really comes out,
/// never with what a header promised.
pub(crate) fn inflate(inflater: impl Read, cap: u64) -> io::Result<Inflated> {
    let mut bytes = Vec::new();
    inflater
        .take(cap.saturating_add(1))
        .read_to_end(&mut bytes)?;
    Ok(if bytes.len() as u64 > cap {
        Inflated::Beyond
    } else {
        Inflated::Whole(bytes)
    })
}
