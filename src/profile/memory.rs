//! Peak memory of the process.

use std::fs;

/// Peak resident memory of the process in bytes; `None` on systems without `/proc/self/status`, which is Linux's.
pub fn peak() -> Option<u64> {
    parse(&fs::read_to_string("/proc/self/status").ok()?)
}

fn parse(status: &str) -> Option<u64> {
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
    let kib: u64 = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
    Some(kib * 1024)
}

#[cfg(test)]
mod tests {
    use super::parse;

    #[test]
    fn the_peak_is_that_of_resident_memory() {
        assert_eq!(parse("VmPeak:\t  900 kB\nVmHWM:\t   12345 kB\nVmRSS:\t  11 kB\n"), Some(12345 * 1024));
        assert_eq!(parse("VmPeak:\t  900 kB\n"), None);
    }
}
