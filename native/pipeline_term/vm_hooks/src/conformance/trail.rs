use pipeline_term::Data;

use super::program_error::ProgramError;

/// Puts a mark at the end of the trail of a context.
pub(super) fn mark(context: &mut Data, trail: &Data, mark: &Data) -> Result<(), ProgramError> {
    match field(context, trail)? {
        Data::List(marks) => marks.push(mark.clone()),
        empty @ Data::Nil => *empty = Data::List(vec![mark.clone()]),
        other => return Err(ProgramError::WrongField(other.kind())),
    }
    Ok(())
}

/// Adds to a number of a context.
pub(super) fn add(context: &mut Data, name: &Data, number: i64) -> Result<(), ProgramError> {
    match field(context, name)? {
        Data::Int(sum) => *sum = sum.wrapping_add(number),
        empty @ Data::Nil => *empty = Data::Int(number),
        other => return Err(ProgramError::WrongField(other.kind())),
    }
    Ok(())
}

/// The field of a map, which is made where it is not there.
fn field<'d>(context: &'d mut Data, name: &Data) -> Result<&'d mut Data, ProgramError> {
    let Data::Map(entries) = context else {
        return Err(ProgramError::NoMap(context.kind()));
    };
    let place = entries.iter().position(|(key, _)| key == name);
    let place = place.unwrap_or_else(|| {
        entries.push((name.clone(), Data::Nil));
        entries.len() - 1
    });
    Ok(&mut entries[place].1)
}
