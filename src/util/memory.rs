//! Asking the system for memory before it is needed: a `Vec` that gets none aborts the process.
//!
//! A system that promises more than it has, as Linux may, is believed. A limit (`ulimit -v`) is found out.

use std::hint::black_box;

use crate::error::{Error, Result};
use crate::util::text::bytes;

/// The most that is asked for in vain before [`available`] is content.
const FINE: usize = 1 << 20;

/// Demands that the system would give so many bytes more, for the thing `of`. Nothing is kept.
pub fn expect(needed: u128, of: &str) -> Result<()> {
    match usize::try_from(needed) {
        Ok(needed) if gives(needed) => Ok(()),
        _ => Err(lacking(needed, of)),
    }
}

/// So many zeros, for the thing `of`.
pub fn zeros(len: usize, of: &str) -> Result<Vec<u8>> {
    // Asked for and given back: `vec!` gets pages that cost nothing until they are written.
    expect(len as u128, of)?;
    Ok(vec![0; len])
}

/// Makes room for so many bytes more, for the thing `of`.
pub fn reserve(values: &mut Vec<u8>, more: usize, of: &str) -> Result<()> {
    values.try_reserve_exact(more).map_err(|_| lacking(more as u128, of))
}

fn lacking(needed: u128, of: &str) -> Error {
    let available = bytes(available(usize::try_from(needed).unwrap_or(usize::MAX)) as u128);
    Error::Resources(format!(
        "{} of memory are needed for {of}, and the system gives {available}: end other programs, or raise the limit \
         (ulimit -v)",
        bytes(needed)
    ))
}

/// The most that the system would give, below a number of bytes that it does not.
fn available(refused: usize) -> usize {
    let (mut given, mut refused) = (0, refused);
    while refused - given > FINE {
        let middle = given + (refused - given) / 2;
        if gives(middle) { given = middle } else { refused = middle }
    }
    given
}

fn gives(bytes: usize) -> bool {
    // The compiler may leave out an allocation that nothing is written to, and then takes it for granted.
    black_box(&mut Vec::<u8>::new()).try_reserve_exact(bytes).is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_no_machine_has_is_refused_with_what_is_there() {
        expect(1 << 20, "a test").unwrap();
        for needed in [1 << 60, u128::MAX] {
            let error = expect(needed, "a test").unwrap_err();
            assert_eq!(error.exit_code(), 10);
            let message = error.to_string();
            assert!(message.starts_with(&format!("{} of memory are needed for a test", bytes(needed))), "{message}");
        }
        let most = available(1 << 60);
        assert!(most > 1 << 20 && gives(most) && !gives(most + 2 * FINE), "{most}");
        assert_eq!(reserve(&mut vec![0; 3], usize::MAX / 2, "a test").unwrap_err().exit_code(), 10);
        assert_eq!(zeros(3, "a test").unwrap(), [0; 3]);
    }
}
