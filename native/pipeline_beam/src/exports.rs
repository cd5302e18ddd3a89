use crate::error::ReadError;

/// One export: the index of the function's name in the atom table, and the arity.
pub(crate) type Export = (u32, u32);

/// The exports of a chunk `ExpT`: a count, then name, arity and label of each, 32 bits wide.
pub(crate) fn exports(chunk: &[u8]) -> Result<impl Iterator<Item = Export>, ReadError> {
    let (count, entries) = chunk
        .split_first_chunk::<4>()
        .ok_or(ReadError::ExportTable)?;
    let (entries, rest) = entries.as_chunks::<12>();
    if !rest.is_empty() || u32::from_be_bytes(*count) as usize != entries.len() {
        return Err(ReadError::ExportTable);
    }
    Ok(entries.iter().map(|[a, b, c, d, e, f, g, h, ..]| {
        (
            u32::from_be_bytes([*a, *b, *c, *d]),
            u32::from_be_bytes([*e, *f, *g, *h]),
        )
    }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_names_and_arities() {
        let mut chunk = 2_u32.to_be_bytes().to_vec();
        for word in [7_u32, 0, 3, 9, 2, 5] {
            chunk.extend(word.to_be_bytes());
        }
        assert_eq!(
            exports(&chunk).unwrap().collect::<Vec<_>>(),
            [(7, 0), (9, 2)]
        );
        chunk.pop();
        assert_eq!(exports(&chunk).err().unwrap().reason(), "export_table");
    }
}
