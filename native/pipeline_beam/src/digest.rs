use sha2::{Digest as _, Sha256};

/// SHA-256 of what was read, to recognise it by when its code is loaded.
pub type Digest = [u8; 32];

pub(crate) fn digest(bytes: &[u8]) -> Digest {
    Sha256::digest(bytes).into()
}

/// Of a module in an archive: of the archive's bytes and of its own, since the two are read one after the other and
/// the archive may be another by then.
pub(crate) fn digest_within(archive: &Digest, module: &Digest) -> Digest {
    digest(&[*archive, *module].concat())
}
