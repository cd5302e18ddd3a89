use rustler::types::tuple::get_tuple;
use rustler::{Binary, MapIterator, Term, TermType};

/// The bytes that a copy of `term` takes, or `None` if those are more than `most`. Of a function native code
/// cannot tell: it counts as `function`.
///
/// A copy holds a value as often as the term refers to it, so a small term may have a copy that no memory
/// holds. The walk ends where the copy would be too large.
pub(crate) fn size_of_copy(term: Term<'_>, most: usize, function: Option<usize>) -> Option<usize> {
    let mut left = most;
    let mut waiting = vec![term];
    while let Some(mut term) = waiting.pop() {
        let bytes = match term.get_type() {
            TermType::List => {
                // Along the list, so that a long one does not wait whole.
                while let Ok((head, tail)) = term.list_get_cell() {
                    left = left.checked_sub(2 * WORD)?;
                    waiting.push(head);
                    term = tail;
                }
                waiting.extend((!term.is_empty_list()).then_some(term));
                0
            }
            TermType::Tuple => {
                let elements = get_tuple(term).ok()?;
                waiting.extend(&elements);
                (1 + elements.len()) * WORD
            }
            TermType::Map => {
                let entries = term.map_size().ok()?;
                // Before they are all put into the list of what waits.
                let bytes = entries.checked_mul(4 * WORD)?;
                if bytes > left {
                    return None;
                }
                waiting.extend(MapIterator::new(term)?.flat_map(|(key, value)| [key, value]));
                bytes
            }
            TermType::Binary => Binary::from_term(term).map_or(8, |binary| binary.len()) + 3 * WORD,
            // Small ones are one word; how large another is, its external form tells.
            TermType::Integer if term.decode::<i64>().is_err() => term.to_binary().as_slice().len(),
            TermType::Fun => function?,
            TermType::Pid | TermType::Port | TermType::Ref => 8 * WORD,
            _ => WORD,
        };
        left = left.checked_sub(bytes)?;
    }
    Some(most - left)
}

const WORD: usize = size_of::<usize>();
