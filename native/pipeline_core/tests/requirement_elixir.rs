//! Answers of `requirement` against those of Elixir's own `Version`, on generated pairs.
//!
//! Runs where `elixir` is on the PATH and says so where it is not.

use std::io::Write;
use std::process::{Command, Stdio};

use pipeline_core::requirement::{AllowPre, MatchError, RequirementError, VersionError, is_match};
use proptest::prelude::Rng;
use proptest::test_runner::{RngAlgorithm, TestRng};

const PAIRS: usize = 150_000;

/// Reads lines of two words in base 16, version and requirement; answers a line of two letters each:
/// `t`rue, `f`alse, invalid `v`ersion or `r`equirement, for `allow_pre` true and false.
const SCRIPT: &str = r#"
answer = fn version, requirement, allow_pre ->
  try do
    if Version.match?(version, requirement, allow_pre: allow_pre), do: "t", else: "f"
  rescue
    Version.InvalidVersionError -> "v"
    Version.InvalidRequirementError -> "r"
  end
end

System.fetch_env!("PAIRS")
|> File.stream!()
|> Stream.map(fn line ->
  [version, requirement] =
    line |> String.trim_trailing("\n") |> String.split(" ") |> Enum.map(&Base.decode16!(&1, case: :lower))
  [answer.(version, requirement, true), answer.(version, requirement, false), "\n"]
end)
|> Enum.into([])
|> IO.binwrite()
"#;

/// Writes texts that are mostly well formed and often about the same few versions.
struct Generator(TestRng);

impl Generator {
    fn below(&mut self, limit: u32) -> u32 {
        self.0.next_u32() % limit
    }

    fn one_in(&mut self, count: u32) -> bool {
        self.below(count) == 0
    }

    fn pick(&mut self, from: &[&'static str]) -> &'static str {
        from[self.0.next_u32() as usize % from.len()]
    }

    fn number(&mut self) -> String {
        if self.one_in(150) {
            let odd = [
                "00",
                "01",
                "",
                "x",
                "-1",
                "99999999999999",
                "12345678901234",
                "123456789012345",
                "18446744073709551616",
                "1_0",
                "٣",
            ];
            return self.pick(&odd).to_owned();
        }
        let limit = if self.one_in(10) { 30 } else { 3 };
        self.below(limit).to_string()
    }

    fn identifiers(&mut self) -> String {
        let usual = [
            "0", "1", "2", "10", "rc", "rc1", "rc9", "rc10", "dev", "a", "A", "b", "alpha", "-",
            "1a",
        ];
        let odd = [
            "or",
            "and",
            "01",
            "0a",
            "00a",
            "--",
            "",
            "é",
            "_",
            "99999999999999",
            "100000000000000",
        ];
        let count = if self.one_in(3) { 1 + self.below(3) } else { 1 };
        let parts: Vec<_> = (0..count)
            .map(|_| {
                if self.one_in(30) {
                    self.pick(&odd)
                } else {
                    self.pick(&usual)
                }
            })
            .collect();
        parts.join(".")
    }

    fn version(&mut self, parts: u32) -> String {
        let parts = if self.one_in(60) {
            1 + self.below(4)
        } else {
            parts
        };
        let mut version = (0..parts)
            .map(|_| self.number())
            .collect::<Vec<_>>()
            .join(".");
        if self.one_in(2) {
            version = format!("{version}-{}", self.identifiers());
        }
        if self.one_in(8) {
            version = format!("{version}+{}", self.identifiers());
        }
        version
    }

    fn operator(&mut self) -> &'static str {
        match self.below(50) {
            0 => self.pick(&["=", "~", "=>", "^", "!==", "===", "<>", ">= ="]),
            1..4 => self.pick(&["!=", "!"]),
            4..20 => "~>",
            _ => self.pick(&[">", ">=", "<", "<=", "==", ""]),
        }
    }

    fn comparator(&mut self) -> String {
        let operator = self.operator();
        let space = match self.below(50) {
            0 => self.pick(&["  ", "\t", "\u{a0}"]),
            1..10 => "",
            _ => " ",
        };
        let parts = if operator == "~>" {
            2 + self.below(2)
        } else {
            3
        };
        format!("{operator}{space}{}", self.version(parts))
    }

    fn requirement(&mut self) -> String {
        let mut requirement = self.comparator();
        while self.one_in(3) {
            let connective = if self.one_in(15) {
                self.pick(&[
                    "  and   ",
                    " or  ",
                    " and",
                    "and ",
                    " AND ",
                    ", ",
                    " ",
                    "",
                    " and and ",
                    " or and ",
                    "\nor ",
                ])
            } else {
                self.pick(&[" and ", " or "])
            };
            requirement = requirement + connective + &self.comparator();
        }
        if self.one_in(60) {
            requirement = self.pick(&[" ", " and ", "("]).to_owned() + &requirement;
        }
        if self.one_in(60) {
            requirement += self.pick(&[" ", " and ", ")"]);
        }
        requirement
    }

    fn pair(&mut self) -> (String, String) {
        if !self.one_in(3) {
            return (self.version(3), self.requirement());
        }
        // Near a bound there is more to get wrong than anywhere else.
        let version = self.version(3);
        let numbers = version.split(['-', '+']).next().unwrap_or_default();
        let operator = self.pick(&["~>", ">", ">=", "<", "<=", "==", "!="]);
        (
            format!("{numbers}-{}", self.identifiers()),
            format!("{operator} {version}"),
        )
    }
}

fn letter(answer: &Result<bool, MatchError>) -> u8 {
    match answer {
        Ok(true) => b't',
        Ok(false) => b'f',
        Err(MatchError::Version(_)) => b'v',
        Err(MatchError::Requirement(_)) => b'r',
    }
}

/// Refused for the length of a number, which Elixir before 1.20.1 accepts.
fn is_long_number(answer: &Result<bool, MatchError>) -> bool {
    let error = match answer {
        Err(MatchError::Version(error)) => error,
        Err(MatchError::Requirement(RequirementError::Version { source, .. })) => source,
        _ => return false,
    };
    matches!(error, VersionError::TooManyDigits { .. })
}

fn hex(text: &str) -> String {
    text.bytes()
        .fold(String::new(), |hex, byte| hex + &format!("{byte:02x}"))
}

#[test]
fn agrees_with_elixir() {
    if Command::new("elixir")
        .arg("--version")
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status()
        .is_err()
    {
        eprintln!("elixir is not on the PATH: not compared");
        return;
    }

    let mut generator = Generator(TestRng::deterministic_rng(RngAlgorithm::ChaCha));
    let pairs: Vec<(String, String)> = (0..PAIRS).map(|_| generator.pair()).collect();

    let path = std::env::temp_dir().join(format!("pipeline-requirement-{}", std::process::id()));
    let mut file = std::io::BufWriter::new(std::fs::File::create(&path).unwrap());
    for (version, requirement) in &pairs {
        writeln!(file, "{} {}", hex(version), hex(requirement)).unwrap();
    }
    file.into_inner().unwrap();

    // Standard error carries a warning for each `!`.
    let output = Command::new("elixir")
        .args(["-e", SCRIPT])
        .env("PAIRS", &path)
        .stderr(Stdio::null())
        .output()
        .unwrap();
    std::fs::remove_file(&path).unwrap();
    assert!(
        output.status.success(),
        "elixir ended with {}",
        output.status
    );

    let answers: Vec<&[u8]> = output
        .stdout
        .split(|byte| *byte == b'\n')
        .filter(|line| !line.is_empty())
        .collect();
    assert_eq!(answers.len(), pairs.len());
    let mut seen = std::collections::BTreeMap::<&[u8], usize>::new();
    let mut skipped = 0;
    for ((version, requirement), expected) in pairs.iter().zip(answers) {
        let ours = [AllowPre::Yes, AllowPre::No]
            .map(|allow_pre| is_match(version, requirement, allow_pre));
        if ours.iter().any(is_long_number) {
            skipped += 1;
            continue;
        }
        *seen.entry(expected).or_default() += 1;
        assert_eq!(
            ours.each_ref().map(letter).map(char::from),
            [char::from(expected[0]), char::from(expected[1])],
            "{version:?} against {requirement:?}"
        );
    }
    // Guards the generator: each kind of answer has to occur often enough to mean something.
    for kind in [&b"tt"[..], b"ff", b"tf", b"vv", b"rr"] {
        let count = seen.get(kind).copied().unwrap_or(0);
        assert!(
            count >= 2_000,
            "only {count} answers {}",
            String::from_utf8_lossy(kind)
        );
    }
    assert!(skipped < PAIRS / 5, "{skipped} pairs have long numbers");
    println!(
        "{} pairs agree, {skipped} skipped for long numbers: {seen:?}",
        PAIRS - skipped
    );
}
