use super::comparator::Operator;

/// A piece of a requirement's text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Token<'a> {
    Operator(Operator),
    And,
    Or,
    Version(&'a str),
}

/// In the order they are tried: a longer one stands ahead of its own beginning.
const FIXED: [(&str, Token<'static>); 10] = [
    (">=", Token::Operator(Operator::GreaterOrEqual)),
    ("<=", Token::Operator(Operator::LessOrEqual)),
    ("~>", Token::Operator(Operator::Compatible)),
    (">", Token::Operator(Operator::Greater)),
    ("<", Token::Operator(Operator::Less)),
    ("==", Token::Operator(Operator::Equal)),
    (" or ", Token::Or),
    (" and ", Token::And),
    ("!=", Token::Operator(Operator::NotEqual)),
    ("!", Token::Operator(Operator::NotEqual)),
];

/// Splits a requirement's text; what is neither operator, connective nor space is part of a version.
pub(super) fn tokens(text: &str) -> Vec<Token<'_>> {
    let mut tokens = Vec::new();
    let mut version_start = None;
    let mut at = 0;
    let bytes = text.as_bytes();

    while at < bytes.len() {
        // All separators are ASCII, so a match never starts inside a character and slices stay on boundaries.
        let fixed = FIXED
            .iter()
            .find(|(literal, _)| bytes[at..].starts_with(literal.as_bytes()));
        let (width, token) = match fixed {
            Some((literal, token)) => (literal.len(), Some(*token)),
            None if bytes[at] == b' ' => (1, None),
            None => {
                version_start.get_or_insert(at);
                at += 1;
                continue;
            }
        };
        if let Some(start) = version_start.take() {
            tokens.push(Token::Version(&text[start..at]));
        }
        tokens.extend(token);
        at += width;
    }
    if let Some(start) = version_start {
        tokens.push(Token::Version(&text[start..]));
    }
    tokens
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_spaces_of_a_connective_belong_to_it() {
        assert_eq!(
            tokens("1.0.0 and and 2.0.0"),
            [
                Token::Version("1.0.0"),
                Token::And,
                Token::Version("and"),
                Token::Version("2.0.0")
            ]
        );
        assert_eq!(
            tokens("1.0.0-or or 2"),
            [Token::Version("1.0.0-or"), Token::Or, Token::Version("2")]
        );
    }

    #[test]
    fn operators_end_a_version_without_a_space() {
        assert_eq!(
            tokens(">=1.0.0!=é"),
            [
                Token::Operator(Operator::GreaterOrEqual),
                Token::Version("1.0.0"),
                Token::Operator(Operator::NotEqual),
                Token::Version("é")
            ]
        );
    }
}
