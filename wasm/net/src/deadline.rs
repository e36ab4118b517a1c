//! When a tool has to have its answer: some seconds before it would be ended without one.

use wasip2::clocks::monotonic_clock::{now, subscribe_duration};
use wasip2::io::poll::{Pollable, poll};

const MILLISECOND: u64 = 1_000_000; // in the clock's nanoseconds

#[derive(Clone, Copy)]
pub struct Deadline(u64);

impl Deadline {
    pub fn after(milliseconds: u64) -> Self {
        Self(now().saturating_add(milliseconds * MILLISECOND))
    }

    /// Milliseconds until then.
    pub fn left(self) -> u64 {
        self.0.saturating_sub(now()) / MILLISECOND
    }

    /// Wait for something; false where the time was up first.
    pub fn wait(self, event: &Pollable) -> bool {
        let timer = subscribe_duration(self.0.saturating_sub(now()));
        poll(&[event, &timer]);
        event.ready()
    }
}
