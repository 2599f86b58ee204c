//! Memory asked for before it is used: a plain `Vec` aborts the process when the system gives it none.
//!
//! This finds a limit (`ulimit -v`). It does not find out that Linux has promised more memory than there is.

use std::hint::black_box;

use crate::error::{Error, Result};
use crate::util::text::bytes;

/// Fails unless `needed` more bytes can be allocated. They are for `what`, and are not kept.
pub fn expect(needed: u128, what: &str) -> Result<()> {
    let size = usize::try_from(needed).unwrap_or(usize::MAX);
    // Without the black box the compiler may drop an allocation that is never written to, and assume that it succeeds.
    black_box(&mut Vec::<u8>::new()).try_reserve_exact(size).map_err(|_| {
        let needed = bytes(needed);
        Error::Resources(format!(
            "not enough memory: {needed} needed for {what}. Close other programs, or raise the limit (ulimit -v)"
        ))
    })
}

/// `len` zeros for `what`.
pub fn zeros(len: usize, what: &str) -> Result<Vec<u8>> {
    expect(len as u128, what)?;
    // Unlike `resize` after a reservation, `vec!` gets pages that cost nothing until they are written to.
    Ok(vec![0; len])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn more_memory_than_any_machine_has_is_refused_with_exit_code_10() {
        expect(1 << 20, "a test").unwrap();
        for needed in [1 << 60, u128::MAX] {
            let error = expect(needed, "a test").unwrap_err();
            assert_eq!(error.exit_code(), 10);
            let expected = format!("not enough memory: {} needed for a test", bytes(needed));
            assert!(error.to_string().starts_with(&expected), "{error}");
        }
        assert_eq!(zeros(3, "a test").unwrap(), [0; 3]);
        assert_eq!(zeros(usize::MAX / 2, "a test").unwrap_err().exit_code(), 10);
    }
}
