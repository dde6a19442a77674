//! No kernel touches memory beyond its operands: each of these ends where a page begins that nobody
//! may access, or begins where such a page ends, and the processor stops the test at the first
//! access. For every extent up to two tiles and beyond, every transpose and every kernel.
//!
//! `GRADKERN_ISA` chooses the instruction set, as everywhere.

#![cfg(unix)]

#[path = "guard_pages/products.rs"]
mod products;
#[path = "guard_pages/region.rs"]
mod region;
#[path = "guard_pages/rows.rs"]
mod rows;

use region::{Place, Region};
use std::os::unix::process::ExitStatusExt;

/// What makes the child process of `a_guard_page_stops_the_process` touch a guard page.
const TOUCH: &str = "GRADKERN_TOUCH_GUARD_PAGE";

/// The other tests would pass if the guard pages were none: here one is touched on purpose.
#[test]
fn a_guard_page_stops_the_process() {
    for place in Place::BOTH {
        if std::env::var(TOUCH).as_deref() == Ok(place.name()) {
            let mut region = Region::new();
            let slice = region.slice(3, place, |i| i as f32);
            // SAFETY: none; this is the access that must end the process.
            let beyond = unsafe {
                match place {
                    Place::AtEnd => slice.as_ptr().add(3).read_volatile(),
                    Place::AtStart => slice.as_ptr().sub(1).read_volatile(),
                }
            };
            panic!("there is {beyond} beyond the slice");
        }
    }
    if std::env::var_os(TOUCH).is_some() {
        return;
    }
    for place in Place::BOTH {
        let test = std::env::current_exe().expect("this program");
        let mut child = std::process::Command::new(test);
        child.args(["--exact", "a_guard_page_stops_the_process"]).env(TOUCH, place.name());
        let output = child.output().expect("this program runs");
        let signal = output.status.signal();
        assert!(matches!(signal, Some(libc::SIGSEGV | libc::SIGBUS)), "{place:?}: {output:?}");
    }
}
