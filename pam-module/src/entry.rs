//! The two functions that libpam calls, the only exported symbols of the library.
//!
//! Panics are caught here: a panic that unwinds out of an `extern "C"` function aborts the process,
//! which is sshd or login.

#![expect(
    unsafe_code,
    reason = "these two are called from C, by name, and with C's pointers"
)]

use std::ffi::{CStr, c_char, c_int};
use std::panic::{AssertUnwindSafe, catch_unwind, set_hook};

use pam_sys::types::PamHandle;

use crate::client::exchange;
use crate::ffi::{Handle, arguments};
use crate::pam::{Flags, Pam, PamCode, Priority};
use crate::session::{close_session, open_session};

/// A PAM session is opened; pam_sm_open_session(3).
///
/// # Safety
/// As libpam calls it: `pamh` is a live handle, and `argv` points to `argc` C strings.
#[unsafe(no_mangle)]
unsafe extern "C" fn pam_sm_open_session(
    pamh: *mut PamHandle,
    flags: c_int,
    argc: c_int,
    argv: *const *const c_char,
) -> c_int {
    // SAFETY: the arguments are passed on unchanged from libpam.
    unsafe {
        call(pamh, argc, argv, |pam, arguments| {
            open_session(pam, Flags::new(flags), arguments, exchange)
        })
    }
}

/// A PAM session is closed; pam_sm_close_session(3).
///
/// # Safety
/// As libpam calls it: `pamh` is a live handle, and `argv` points to `argc` C strings.
#[unsafe(no_mangle)]
unsafe extern "C" fn pam_sm_close_session(
    pamh: *mut PamHandle,
    _flags: c_int,
    argc: c_int,
    argv: *const *const c_char,
) -> c_int {
    // SAFETY: the arguments are passed on unchanged from libpam.
    unsafe {
        call(pamh, argc, argv, |pam, arguments| {
            close_session(pam, arguments, exchange)
        })
    }
}

/// Runs `work` for one call of libpam.
///
/// # Safety
/// `pamh` is null or a live PAM handle, and `argv` null or `argc` C strings, until this returns.
unsafe fn call(
    pamh: *mut PamHandle,
    argc: c_int,
    argv: *const *const c_char,
    work: impl FnOnce(&mut Handle, &[&CStr]) -> PamCode,
) -> c_int {
    // SAFETY: the handle is from libpam, and live until this function returns.
    let Some(mut handle) = (unsafe { Handle::new(pamh) }) else {
        return PamCode::Ignore.as_raw();
    };
    let code = guard(|| {
        // The default hook prints to stderr, which is the user's terminal under su, and opens
        // files if that user's environment has RUST_BACKTRACE.
        set_hook(Box::new(|_| ()));
        // SAFETY: the pointer is from libpam, and live until the enclosing function returns.
        let arguments = unsafe { arguments(argc, argv) };
        work(&mut handle, &arguments)
    });
    code.unwrap_or_else(|Panicked| {
        handle.log(Priority::Error, "internal error, going on without it");
        PamCode::Ignore
    })
    .as_raw()
}

/// A panic was caught.
#[derive(Debug, PartialEq, Eq)]
struct Panicked;

/// Runs `work`, and turns a panic into an error.
fn guard<T>(work: impl FnOnce() -> T) -> Result<T, Panicked> {
    // A panic may leave data of this one call inconsistent, which is not used afterwards.
    catch_unwind(AssertUnwindSafe(work)).map_err(|_| Panicked)
}

#[cfg(test)]
mod tests {
    use std::ptr;

    use super::*;

    #[test]
    fn a_panic_does_not_cross_the_entry_point() {
        assert_eq!(guard(|| -> PamCode { panic!("on purpose") }), Err(Panicked));
        assert_eq!(guard(|| PamCode::Success), Ok(PamCode::Success));
    }

    #[test]
    fn without_a_handle_nothing_is_done() {
        // SAFETY: these functions accept null.
        let codes = unsafe {
            [
                pam_sm_open_session(ptr::null_mut(), 0, 0, ptr::null()),
                pam_sm_close_session(ptr::null_mut(), 0, 1, ptr::null()),
            ]
        };
        assert_eq!(codes, [PamCode::Ignore.as_raw(); 2]);
    }
}
