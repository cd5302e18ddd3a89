//! The vocabularies of `count_tokens`, in a quarter of the bytes that they take in tiktoken-rs.
//!
//! A file holds, compressed by zlib, the number of tokens (32 bits, little-endian), the length of each token
//! in a byte, and the tokens one after the other, in the order of their ranks. The test `write_vocabularies`
//! makes the files from those of tiktoken-rs.

use std::io::Read;
use std::sync::OnceLock;

use flate2::read::ZlibDecoder;
use serde::Deserialize;
use tiktoken_rs::{CoreBPE, O200K_BASE_PAT_STR};

/// A vocabulary, by the name that its makers gave it.
#[derive(Clone, Copy, Default, Deserialize)]
pub(super) enum Vocabulary {
    #[default]
    #[serde(rename = "cl100k_base")]
    Cl100kBase,
    #[serde(rename = "o200k_base")]
    O200kBase,
}

const CL100K_BASE: &[u8] = include_bytes!("../../vocabularies/cl100k_base.zlib");
const O200K_BASE: &[u8] = include_bytes!("../../vocabularies/o200k_base.zlib");

/// How text is split before its parts are looked up. tiktoken-rs has no name for this one.
const CL100K_BASE_PATTERN: &str = "'(?i:[sdmt]|ll|ve|re)|[^\\r\\n\\p{L}\\p{N}]?+\\p{L}++|\\p{N}{1,3}+| ?[^\\s\\p{L}\\p{N}]++[\\r\\n]*+|\\s++$|\\s*[\\r\\n]|\\s+(?!\\S)|\\s";

impl Vocabulary {
    /// The encoder, without special tokens. The first call takes a tenth of a second.
    pub(super) fn encoder(self) -> &'static CoreBPE {
        static CL100K: OnceLock<CoreBPE> = OnceLock::new();
        static O200K: OnceLock<CoreBPE> = OnceLock::new();
        match self {
            Self::Cl100kBase => CL100K.get_or_init(|| encoder(CL100K_BASE, CL100K_BASE_PATTERN)),
            Self::O200kBase => O200K.get_or_init(|| encoder(O200K_BASE, O200K_BASE_PAT_STR)),
        }
    }
}

fn encoder(compressed: &[u8], pattern: &str) -> CoreBPE {
    let tokens = (0..).zip(tokens(compressed));
    let encoder = tokens.map(|(rank, token)| (token, rank)).collect();
    CoreBPE::new(encoder, std::iter::empty().collect(), pattern)
        .expect("the pattern is a constant that compiles")
}

/// The tokens of a vocabulary of ours, by rank.
fn tokens(compressed: &[u8]) -> Vec<Vec<u8>> {
    let mut bytes = Vec::new();
    ZlibDecoder::new(compressed)
        .read_to_end(&mut bytes)
        .expect("the file is a zlib stream");
    let (count, rest) = bytes
        .split_first_chunk()
        .expect("the file begins with a number");
    let count = u32::from_le_bytes(*count) as usize;
    let (lengths, mut rest) = rest.split_at(count);
    lengths
        .iter()
        .map(|&length| {
            let (token, others) = rest.split_at(length.into());
            rest = others;
            token.to_vec()
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use std::fs::File;
    use std::io::Write;
    use std::path::Path;

    use flate2::Compression;
    use flate2::write::ZlibEncoder;
    use tiktoken_rs::{CoreBPE, cl100k_base_singleton, o200k_base_singleton};

    use super::{CL100K_BASE, O200K_BASE, Vocabulary, tokens};

    fn theirs(encoder: &CoreBPE, count: u32) -> Vec<Vec<u8>> {
        let token = |rank| encoder.decode_bytes(&[rank]).unwrap();
        (0..count).map(token).collect()
    }

    #[test]
    fn the_tokens_are_those_of_tiktoken() {
        assert!(tokens(CL100K_BASE) == theirs(cl100k_base_singleton(), 100_256));
        assert!(tokens(O200K_BASE) == theirs(o200k_base_singleton(), 199_998));
    }

    #[test]
    fn text_is_split_as_tiktoken_does() {
        let texts = [
            "tiktoken is great!",
            "I'LL say: 12345 x  \r\n\r\n  Übergröße, 你好 🙂\t<|endoftext|>  ",
            "fn main() { println!(\"{}\", 1_000_000); }\n\n\n",
        ];
        for text in texts {
            let ours = Vocabulary::Cl100kBase.encoder().encode_ordinary(text);
            assert_eq!(
                ours,
                cl100k_base_singleton().encode_ordinary(text),
                "{text}"
            );
            let ours = Vocabulary::O200kBase.encoder().encode_ordinary(text);
            assert_eq!(ours, o200k_base_singleton().encode_ordinary(text), "{text}");
        }
    }

    #[test]
    #[ignore = "writes the files in vocabularies/"]
    fn write_vocabularies() {
        let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("vocabularies");
        let vocabularies = [
            ("cl100k_base", cl100k_base_singleton(), 100_256),
            ("o200k_base", o200k_base_singleton(), 199_998),
        ];
        for (name, encoder, count) in vocabularies {
            let tokens = theirs(encoder, count);
            let length = |token: &Vec<u8>| u8::try_from(token.len()).unwrap();
            let lengths: Vec<u8> = tokens.iter().map(length).collect();
            let file = File::create(directory.join(name).with_extension("zlib")).unwrap();
            let mut file = ZlibEncoder::new(file, Compression::best());
            file.write_all(&count.to_le_bytes()).unwrap();
            file.write_all(&lengths).unwrap();
            file.write_all(&tokens.concat()).unwrap();
            file.finish().unwrap();
        }
    }
}
