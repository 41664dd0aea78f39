//! Ctrl-C: the first asks for a clean end, the second ends at once.

use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, Ordering};

static INTERRUPTED: AtomicBool = AtomicBool::new(false);
static INSTALLED: OnceLock<()> = OnceLock::new();

/// Whether Ctrl-C (or SIGTERM) came since the first call, which installs the handler.
pub fn interrupted() -> bool {
    interrupt_flag().load(Ordering::SeqCst)
}

/// What Ctrl-C sets, for what waits elsewhere. The first call installs the handler.
pub fn interrupt_flag() -> &'static AtomicBool {
    INSTALLED.get_or_init(|| {
        // Without a handler the program ends at once, as any program does.
        let _ = ctrlc::set_handler(|| {
            if INTERRUPTED.swap(true, Ordering::SeqCst) {
                std::process::exit(super::Exit::Interrupted.code() as i32);
            }
        });
    });
    &INTERRUPTED
}
