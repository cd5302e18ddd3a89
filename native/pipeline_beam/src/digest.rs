use sha2::{Digest as _, Sha256};

/// SHA-256 of the bytes read. Loading the code compares it.
pub type Digest = [u8; 32];

pub(crate) fn digest(bytes: &[u8]) -> Digest {
    Sha256::digest(bytes).into()
}

/// The digest of a module in an archive. It covers both, since they are read one after the other and the
/// archive may change in between.
pub(crate) fn digest_within(archive: &Digest, module: &Digest) -> Digest {
    digest(&[*archive, *module].concat())
}
