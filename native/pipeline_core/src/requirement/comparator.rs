use std::cmp::Ordering;

use semver::{BuildMetadata, Prerelease, Version};

/// Whether pre-releases count, as the option `allow_pre` of Elixir's `Version.match?/3`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum AllowPre {
    /// Pre-releases are versions like any other (Elixir's default).
    Yes,
    /// `~>`, `>` and `>=` refuse pre-releases unless the version they compare with is one.
    No,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Operator {
    Equal,
    NotEqual,
    Greater,
    GreaterOrEqual,
    Less,
    LessOrEqual,
    Compatible,
}

impl Operator {
    pub(super) fn text(self) -> &'static str {
        match self {
            Self::Equal => "==",
            Self::NotEqual => "!=",
            Self::Greater => ">",
            Self::GreaterOrEqual => ">=",
            Self::Less => "<",
            Self::LessOrEqual => "<=",
            Self::Compatible => "~>",
        }
    }
}

/// An operator with the version it compares with.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct Comparator {
    operator: Operator,
    operand: Version,
    /// For `~>`: the `.0-0` version that is just out of reach.
    upper: Option<Version>,
}

impl Comparator {
    /// `has_patch` tells whether the operand was written with a patch number.
    pub(super) fn new(operator: Operator, operand: Version, has_patch: bool) -> Self {
        let upper = (operator == Operator::Compatible).then(|| {
            let (major, minor) = if has_patch {
                (operand.major, operand.minor + 1)
            } else {
                (operand.major + 1, 0)
            };
            Version {
                major,
                minor,
                patch: 0,
                pre: first_pre_release(),
                build: BuildMetadata::EMPTY,
            }
        });
        Self {
            operator,
            operand,
            upper,
        }
    }

    pub(super) fn names_pre_release(&self) -> bool {
        !self.operand.pre.is_empty()
    }

    pub(super) fn matches(&self, version: &Version, allow_pre: AllowPre) -> bool {
        let order = version.cmp_precedence(&self.operand);
        let pre_is_fine =
            || allow_pre == AllowPre::Yes || version.pre.is_empty() || self.names_pre_release();
        match self.operator {
            Operator::Equal => order == Ordering::Equal,
            Operator::NotEqual => order != Ordering::Equal,
            Operator::Less => order == Ordering::Less,
            Operator::LessOrEqual => order != Ordering::Greater,
            Operator::Greater => order == Ordering::Greater && pre_is_fine(),
            Operator::GreaterOrEqual => order != Ordering::Less && pre_is_fine(),
            Operator::Compatible => {
                let below = |upper: &Version| version.cmp_precedence(upper) == Ordering::Less;
                order != Ordering::Less && self.upper.as_ref().is_some_and(below) && pre_is_fine()
            }
        }
    }
}

/// `0`, the lowest pre-release there is.
fn first_pre_release() -> Prerelease {
    Prerelease::new("0").unwrap_or(Prerelease::EMPTY)
}
