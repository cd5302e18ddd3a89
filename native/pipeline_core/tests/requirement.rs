//! Requirements: the table of GROUND and the messages.

use pipeline_core::requirement::{AllowPre, MatchError, Requirement, is_match, parse_version};

/// Expectation of one pair: the answers for `allow_pre: true` and `false`, or which text is at fault.
#[derive(Debug, PartialEq)]
enum Answer {
    Match(bool, bool),
    InvalidVersion,
    InvalidRequirement,
}

fn answer(version: &str, requirement: &str) -> Answer {
    let yes = is_match(version, requirement, AllowPre::Yes);
    let no = is_match(version, requirement, AllowPre::No);
    match (yes, no) {
        (Ok(yes), Ok(no)) => Answer::Match(yes, no),
        (Err(MatchError::Version(_)), Err(MatchError::Version(_))) => Answer::InvalidVersion,
        (Err(MatchError::Requirement(_)), Err(MatchError::Requirement(_))) => {
            Answer::InvalidRequirement
        }
        other => {
            panic!("the error of {version:?} and {requirement:?} depends on allow_pre: {other:?}")
        }
    }
}

#[track_caller]
fn refuses_requirement(text: &str, message: &str) {
    assert_eq!(
        text.parse::<Requirement>().unwrap_err().to_string(),
        message
    );
}

#[track_caller]
fn refuses_version(text: &str, message: &str) {
    assert_eq!(parse_version(text).unwrap_err().to_string(), message);
}

#[test]
fn answers_as_elixir_does() {
    use Answer::{InvalidRequirement, InvalidVersion, Match};
    let table = [
        ("2.0.0-0", "~> 1.2", Match(false, false)),
        ("2.0.0-rc.1", "< 2.0.0", Match(true, true)),
        ("2.0.0-rc.1", ">= 1.2.0 and < 2.0.0", Match(true, false)),
        ("1.9.0-rc", "~> 1.2", Match(true, false)),
        ("1.9.0-rc", "~> 1.2-dev", Match(true, true)),
        ("1.5.0-rc", ">= 1.0.0 or < 2.0.0", Match(true, true)),
        ("1.5.0-rc", "!= 1.5.0", Match(true, true)),
        ("1.0.0+b1", "== 1.0.0+b2", Match(true, true)),
        ("3.0.0", "1.0.0 or 3.0.0 and < 2.0.0", Match(false, false)),
        ("1.5.0-rc10", "> 1.5.0-rc9", Match(false, false)),
        ("1.0.0-01", ">= 0.0.0", InvalidVersion),
        ("1.0.0", ">=1.0.0 and<2.0.0", InvalidRequirement),
        ("1.0.0", ">=1.0.0 and   <2.0.0", Match(true, true)),
        ("1.0.0-or", "1.0.0-or or 2.0.0", Match(true, true)),
        ("1.0.1", "! 1.0.0", Match(true, true)),
        ("1.3.0", "~> 1.2.3", Match(false, false)),
        ("1.2.9", "~> 1.2.3", Match(true, true)),
        ("1.3.0-0", "~> 1.2.3", Match(false, false)),
        ("1.0.0+007", "1.0.0", Match(true, true)),
        ("x", "y", InvalidRequirement),
        ("99999999999999.0.0", "> 1.0.0", Match(true, true)),
        (
            "99999999999999.1.0",
            "~> 99999999999999.0",
            Match(true, true),
        ),
        ("100000000000000.0.0", "> 1.0.0", InvalidVersion),
        ("1.0.0-100000000000000", "> 1.0.0-0", InvalidVersion),
        ("1.0.0", "< 100000000000000.0.0", InvalidRequirement),
        ("1.0.0+100000000000000", "1.0.0", Match(true, true)),
    ];
    for (version, requirement, expected) in table {
        assert_eq!(
            answer(version, requirement),
            expected,
            "{version:?} against {requirement:?}"
        );
    }
}

#[test]
fn says_what_is_wrong_with_a_requirement() {
    refuses_requirement(
        "",
        r#"the requirement is empty: write for example "~> 1.0""#,
    );
    refuses_requirement(
        "   ",
        r#"the requirement is empty: write for example "~> 1.0""#,
    );
    refuses_requirement(">=", r#"">=" has no version after ">=""#);
    refuses_requirement(">= <= 1.0.0", r#"">= <= 1.0.0" has no version after ">=""#);
    refuses_requirement("1.0.0 and ", r#""1.0.0 and " has no version after "and""#);
    refuses_requirement(
        "1.0.0 and  or 2.0.0",
        r#""1.0.0 and  or 2.0.0" has no version after "and""#,
    );
    refuses_requirement(
        " or 1.0.0",
        r#"" or 1.0.0" starts with "or": put a comparison ahead of it"#,
    );
    refuses_requirement(
        "1.0.0 2.0.0",
        r#""1.0.0 2.0.0" does not join "2.0.0" to what stands before it: write " and " or " or " between them"#,
    );
    refuses_requirement(
        ">=1.0.0<2.0.0",
        r#"">=1.0.0<2.0.0" does not join "<" to what stands before it: write " and " or " or " between them"#,
    );
    refuses_requirement(
        ">= 1.2",
        r#""1.2" in ">= 1.2" has no patch number, which only ~> may leave out"#,
    );
    refuses_requirement(
        "~> 1",
        r#""~> 1" is not a requirement: "1" has no minor number: write a version as MAJOR.MINOR.PATCH"#,
    );
    refuses_requirement(
        "^1.0.0",
        r#""^1.0.0" is not a requirement: "^1" in "^1.0.0" is not a number: the major number is made of the digits 0 to 9"#,
    );
}

#[test]
fn says_what_is_wrong_with_a_version() {
    refuses_version(
        "1.2",
        r#""1.2" has no patch number: write a version as MAJOR.MINOR.PATCH"#,
    );
    refuses_version(
        "",
        r#""" has no major number: write a version as MAJOR.MINOR.PATCH"#,
    );
    refuses_version(
        "1.2.3.4",
        r#""1.2.3.4" has more than three numbers: write a version as MAJOR.MINOR.PATCH"#,
    );
    refuses_version(
        "1.x.3",
        r#""x" in "1.x.3" is not a number: the minor number is made of the digits 0 to 9"#,
    );
    refuses_version(
        "1.02.3",
        r#""02" in "1.02.3" starts with a zero: drop the leading zeros"#,
    );
    refuses_version(
        "1.2.123456789012345",
        r#""123456789012345" in "1.2.123456789012345" has more than 14 digits: use a smaller number"#,
    );
    refuses_version(
        "1.2.3-",
        r#"the pre-release of "1.2.3-" has an empty identifier: put letters or digits between the dots"#,
    );
    refuses_version(
        "1.2.3+a_b",
        r#""a_b" in the build metadata of "1.2.3+a_b" is not an identifier: use ASCII letters, digits and -"#,
    );
}

#[test]
fn keeps_its_text() {
    let text = ">=1.0.0 and   <2.0.0";
    let requirement: Requirement = text.parse().unwrap();
    assert_eq!(requirement.to_string(), text);
    let json = serde_json::to_string(&requirement).unwrap();
    assert_eq!(json, format!("{text:?}"));
    assert_eq!(
        serde_json::from_str::<Requirement>(&json).unwrap(),
        requirement
    );
    let error = serde_json::from_str::<Requirement>("\"~> 1\"").unwrap_err();
    assert!(
        error
            .to_string()
            .starts_with(r#""~> 1" is not a requirement"#),
        "{error}"
    );
}

#[test]
fn long_texts_are_refused_unread() {
    let digits = |count| "9".repeat(count);
    let version = format!("1.0.0-{}.a", vec!["9"; 124].join("."));
    assert_eq!(version.len(), 255);
    assert!(parse_version(&version).is_ok());
    refuses_version(
        &format!("1.0.0+{}", digits(251)),
        "a version of 257 bytes is too long: 256 are allowed, shorten its pre-release or build metadata",
    );
    let requirement = format!("== 1.0.0{}", " or == 1.0.0".repeat(84));
    assert_eq!(requirement.len(), 1016);
    assert!(requirement.parse::<Requirement>().is_ok());
    refuses_requirement(
        &format!("{requirement} or 1.0.0"),
        "a requirement of 1025 bytes is too long: 1024 are allowed, use fewer comparisons",
    );
    // Of a million bytes as fast, and without the text in the message.
    for text in [
        digits(1_000_000),
        " ".repeat(1_000_000),
        ">".repeat(1_000_000),
    ] {
        assert!(text.parse::<Requirement>().unwrap_err().to_string().len() < 200);
        assert!(parse_version(&text).unwrap_err().to_string().len() < 200);
    }
    refuses_requirement(
        &format!("~> 1.{}", digits(300)),
        &format!(
            "\"~> 1.{}\" is not a requirement: a version of 302 bytes is too long: 256 are allowed, shorten its pre-release \
             or build metadata",
            digits(300)
        ),
    );
}
