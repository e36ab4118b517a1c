//! Leaving a mark in one's memory, and finding one that another run left.
//!
//! The mark comes and is sought backwards: else a guest would find its own argument.

/// Leave the mark for whoever gets this memory next.
pub fn remember(mark: &str) -> String {
    let mut bytes: Vec<u8> = mark.bytes().collect();
    bytes.reverse();
    String::from_utf8_lossy(bytes.leak()).chars().count().to_string()
}

/// Say whether the mark is anywhere in the linear memory.
pub fn recall(mark: &str) -> String {
    let mark = mark.as_bytes();
    let end = core::arch::wasm32::memory_size(0) * 65536;
    // Byte by byte from the mark's end: no copy of it the right way round is ever made.
    let found = (1024..end - mark.len()).any(|at| {
        (0..mark.len()).all(|step| {
            // SAFETY: inside of the linear memory, all of which may be read.
            let byte = unsafe { core::ptr::read_volatile((at + step) as *const u8) };
            byte == mark[mark.len() - 1 - step]
        })
    });
    if found { "found".into() } else { "not found".into() }
}
