//! The most memory that a program had, as the kernel counted it.

use std::process::Command;

/// Runs a program to its end; largest resident set in bytes, files mapped into memory included, and
/// the exit code. Linux counts this process's own largest set in, up to the moment the program
/// starts: keep it small.
///
/// # Panics
/// When the program cannot be run or is killed.
#[cfg(unix)]
#[allow(clippy::zombie_processes)] // `wait4` waits; `Child::wait` tells nothing of memory
pub fn peak_bytes(command: &mut Command) -> (u64, i32) {
    let child = command.spawn().unwrap();
    let mut status = 0;
    // SAFETY: both pointers are to values of this frame that the call fills; zeros are a valid
    // `rusage`. Nothing else waits for the child: `child` is not used again.
    let usage = unsafe {
        let mut usage: libc::rusage = std::mem::zeroed();
        assert_eq!(libc::wait4(child.id() as i32, &mut status, 0, &mut usage), child.id() as i32);
        usage
    };
    assert!(libc::WIFEXITED(status), "{command:?} was killed");
    // Kilobytes, but for Apple's systems.
    let unit = if cfg!(target_vendor = "apple") { 1 } else { 1024 };
    (usage.ru_maxrss as u64 * unit, libc::WEXITSTATUS(status))
}
