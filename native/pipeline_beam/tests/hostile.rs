//! Files that are damaged or forged: whatever they are, reading them ends in a result. All of it
//! runs on a stack smaller than that of a dirty scheduler.

mod compiled;
mod encoder;

use encoder::{attributes, plugin_file};
use pipeline_beam::{Limits, Term, TermError, decode, read_module};
use proptest::prelude::*;

/// Runs `test` with 256 KiB of stack; an overflow ends the test program.
fn on_a_small_stack(test: impl FnOnce() + Send) {
    std::thread::scope(|scope| {
        let thread = std::thread::Builder::new().stack_size(256 << 10);
        let handle = thread.spawn_scoped(scope, test).expect("a thread");
        if let Err(panic) = handle.join() {
            std::panic::resume_unwind(panic);
        }
    });
}

/// `levels` lists of one element, one within the other.
fn nested(levels: usize) -> Vec<u8> {
    let mut bytes = b"l\0\0\0\x01".repeat(levels);
    bytes.resize(bytes.len() + 1 + levels, b'j');
    bytes
}

#[test]
fn a_million_levels_are_refused_or_read_over() {
    on_a_small_stack(|| {
        let deep = nested(1_000_000);
        let error = decode(&[b"\x83", &deep[..]].concat(), &Limits::default()).unwrap_err();
        assert_eq!(error, TermError::Depth { limit: 64 });
        let error = read_module(&plugin_file(&attributes(&deep)), &Limits::default()).unwrap_err();
        assert_eq!(error.reason(), "manifest_too_large");
        let error = read_module(
            &plugin_file(&attributes(&nested(1_000))),
            &Limits::default(),
        )
        .unwrap_err();
        assert_eq!(error.reason(), "term_too_deep");
        let other = [b"\x83l\0\0\0\x01h\x02w\x05other", &deep[..], b"j"].concat();
        assert_eq!(
            read_module(&plugin_file(&other), &Limits::default()).unwrap(),
            None
        );
    });
}

#[test]
fn the_deepest_term_fits_the_stack() {
    on_a_small_stack(|| {
        let limits = Limits {
            depth: usize::MAX,
            ..Limits::default()
        };
        let levels = Limits::MAX_DEPTH;
        let deepest = [b"\x83", &nested(levels)[..]].concat();
        let term = decode(&deepest, &limits).unwrap();
        assert_eq!(term.clone(), term);
        assert_eq!(format!("{term:?}").matches("List").count(), levels + 1);
        drop(term);
        let deeper = [b"\x83", &nested(levels + 1)[..]].concat();
        assert_eq!(
            decode(&deeper, &limits).unwrap_err(),
            TermError::Depth { limit: levels }
        );
        // As a key of a map it is hashed as well.
        let key = [b"\x83t\0\0\0\x01", &nested(levels - 1)[..], b"j"].concat();
        assert!(matches!(decode(&key, &limits).unwrap(), Term::Map(_)));
    });
}

#[test]
fn a_file_cut_anywhere_is_refused() {
    let Some(plain) = compiled::file("Elixir.Fixture.Plugin.beam") else {
        return;
    };
    let gzip = compiled::file("gzip.beam").unwrap();
    on_a_small_stack(|| {
        for file in [plain, gzip, plugin_file(&attributes(b"t\0\0\0\0"))] {
            assert!(read_module(&file, &Limits::default()).unwrap().is_some());
            for end in 0..file.len() {
                let read = read_module(&file[..end], &Limits::default());
                assert!(read.is_err(), "{end} of {}: {read:?}", file.len());
            }
        }
    });
}

#[test]
fn a_flipped_bit_never_panics() {
    let Some(plain) = compiled::file("Elixir.Fixture.Plugin.beam") else {
        return;
    };
    let gzip = compiled::file("gzip.beam").unwrap();
    on_a_small_stack(|| {
        for mut file in [plain, gzip] {
            for bit in 0..file.len() * 8 {
                file[bit / 8] ^= 1 << (bit % 8);
                let _ = read_module(&file, &Limits::default());
                file[bit / 8] ^= 1 << (bit % 8);
            }
            assert!(read_module(&file, &Limits::default()).unwrap().is_some());
        }
    });
}

#[test]
fn every_length_may_lie() {
    let Some(file) = compiled::file("Elixir.Fixture.Plugin.beam") else {
        return;
    };
    on_a_small_stack(|| {
        for at in 0..file.len() - 4 {
            for lie in [0, 1, 0x7fff_ffff, 0x8000_0000, u32::MAX - 3, u32::MAX] {
                let mut lying = file.clone();
                lying[at..at + 4].copy_from_slice(&lie.to_be_bytes());
                let _ = read_module(&lying, &Limits::default());
            }
        }
    });
}

#[test]
fn a_file_of_nothing_but_chunks_is_refused() {
    on_a_small_stack(|| {
        let mut file = b"FOR1\0\0\0\0BEAM".to_vec();
        file.extend(b"Junk\0\0\0\0".repeat(1 << 18));
        let size = u32::try_from(file.len() - 8).unwrap();
        file[4..8].copy_from_slice(&size.to_be_bytes());
        let error = read_module(&file, &Limits::default()).unwrap_err();
        assert_eq!(error.reason(), "too_many_chunks");
    });
}

proptest! {
    #[test]
    fn arbitrary_bytes_never_panic(bytes in prop::collection::vec(any::<u8>(), 0..400)) {
        let _ = read_module(&bytes, &Limits::default());
        let _ = read_module(&[b"FOR1\0\0\x01\0BEAM", &bytes[..]].concat(), &Limits::default());
        let _ = read_module(&[b"\x1f\x8b\x08\0", &bytes[..]].concat(), &Limits::default());
        let _ = read_module(&plugin_file(&bytes), &Limits::default());
        let _ = read_module(&plugin_file(&attributes(&bytes)), &Limits::default());
    }

    #[test]
    fn damaged_files_never_panic(
        damage in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..12),
        cut in any::<prop::sample::Index>(),
    ) {
        for name in ["Elixir.Fixture.Plugin.beam", "otp28.beam", "gzip.beam"] {
            let Some(mut file) = compiled::file(name) else { return Ok(()) };
            for (at, byte) in &damage {
                let at = at.index(file.len());
                file[at] = *byte;
            }
            let _ = read_module(&file, &Limits::default());
            let _ = read_module(&file[..cut.index(file.len())], &Limits::default());
        }
    }
}
