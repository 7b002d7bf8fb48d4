//! The calls into libpam: all of the module's unsafe code except for the entry points.
//!
//! A pointer is dereferenced only after libpam has reported success, and if it is not null. Strings
//! of libpam are copied before any other call.

#![expect(unsafe_code, reason = "libpam is a C library")]

use std::ffi::{CStr, CString, c_char, c_int, c_void};
use std::ptr::{self, NonNull};
use std::slice;

use pam_sys::raw::{pam_get_data, pam_get_item, pam_getenv, pam_set_data};
use pam_sys::types::{PamHandle, PamItemType, PamMessageStyle, PamReturnCode};

use crate::pam::{Item, NotLeft, Pam, Priority};

// From pam_ext.h, which pam-sys does not cover.
unsafe extern "C" {
    fn pam_prompt(
        pamh: *mut PamHandle,
        style: c_int,
        response: *mut *mut c_char,
        format: *const c_char,
        ...
    ) -> c_int;

    fn pam_syslog(pamh: *const PamHandle, priority: c_int, format: *const c_char, ...);
}

/// The format that prints a text unchanged.
const FORMAT_TEXT: &CStr = c"%s";

/// The PAM transaction of one call.
pub(crate) struct Handle(NonNull<PamHandle>);

impl Handle {
    /// From the handle that libpam has passed; `None` if it is null.
    ///
    /// # Safety
    /// `pamh` is null, or a live PAM handle for as long as the result is used.
    pub(crate) unsafe fn new(pamh: *mut PamHandle) -> Option<Self> {
        NonNull::new(pamh).map(Self)
    }
}

impl Pam for Handle {
    fn item(&self, item: Item) -> Option<&CStr> {
        let kind = match item {
            Item::User => PamItemType::USER,
            Item::Service => PamItemType::SERVICE,
            Item::Tty => PamItemType::TTY,
            Item::RemoteHost => PamItemType::RHOST,
        };
        let mut text: *const c_void = ptr::null();
        // SAFETY: the handle is live, and `text` is a local variable.
        let code = unsafe { pam_get_item(self.0.as_ptr(), kind as c_int, &raw mut text) };
        if code != PamReturnCode::SUCCESS as c_int || text.is_null() {
            return None;
        }
        // SAFETY: these four items are C strings (pam_get_item(3)), which live until the item is
        // set again; that takes a call that borrows `self` mutably.
        Some(unsafe { CStr::from_ptr(text.cast()) })
    }

    fn environment(&self, name: &CStr) -> Option<&CStr> {
        // SAFETY: the handle is live, and `name` is a C string.
        let text = unsafe { pam_getenv(self.0.as_ptr(), name.as_ptr()) };
        if text.is_null() {
            return None;
        }
        // SAFETY: pam_getenv(3) returns a C string of libpam, which lives until the variable is
        // set again; that takes a call that borrows `self` mutably.
        Some(unsafe { CStr::from_ptr(text) })
    }

    fn has_data(&self, name: &CStr) -> bool {
        let mut data: *const c_void = ptr::null();
        // SAFETY: the handle is live, `name` is a C string, and `data` is a local variable.
        // The pointer that it gets belongs to another module, and is not dereferenced.
        let code = unsafe { pam_get_data(self.0.as_ptr(), name.as_ptr(), &raw mut data) };
        code == PamReturnCode::SUCCESS as c_int && !data.is_null()
    }

    fn leave(&mut self, name: &CStr, text: CString) -> Result<(), NotLeft> {
        let text = text.into_raw();
        // SAFETY: the handle is live, and `name` is a C string, which libpam copies. libpam
        // owns `text` from here on: it passes it to `free_text` once, in pam_end(3) at the latest,
        // and unloads this library only after that.
        let code =
            unsafe { pam_set_data(self.0.as_ptr(), name.as_ptr(), text.cast(), Some(free_text)) };
        if code == PamReturnCode::SUCCESS as c_int {
            return Ok(());
        }
        // SAFETY: it is from `into_raw` above, and libpam does not own it (pam_set_data(3)).
        drop(unsafe { CString::from_raw(text) });
        Err(NotLeft)
    }

    fn show(&mut self, line: &CStr) {
        // SAFETY: the handle is live, and the format takes the one C string that follows it.
        // Without a pointer for the response libpam frees it. The result is ignored: libpam logs a
        // conversation that fails, and a login does not depend on it.
        unsafe {
            pam_prompt(
                self.0.as_ptr(),
                PamMessageStyle::TEXT_INFO as c_int,
                ptr::null_mut(),
                FORMAT_TEXT.as_ptr(),
                line.as_ptr(),
            );
        }
    }

    fn log(&self, priority: Priority, line: &str) {
        let Ok(line) = CString::new(line) else { return };
        // SAFETY: the handle is live, and the format takes the one C string that follows it.
        unsafe {
            pam_syslog(
                self.0.as_ptr(),
                priority.as_raw(),
                FORMAT_TEXT.as_ptr(),
                line.as_ptr(),
            );
        }
    }
}

/// Frees a text of [`Handle::leave`]: the cleanup function for pam_set_data(3).
///
/// It contains nothing that can panic.
extern "C" fn free_text(_pamh: *mut PamHandle, data: *mut c_void, _status: c_int) {
    if !data.is_null() {
        // SAFETY: libpam passes the pointer of `leave`, which is from `CString::into_raw`, once;
        // other modules that get it must not change it (pam_get_data(3)), so that its length is
        // unchanged.
        drop(unsafe { CString::from_raw(data.cast()) });
    }
}

/// The arguments of the module on its line in `/etc/pam.d`.
///
/// # Safety
/// `argv` is null, or points to `argc` pointers that are null or C strings, all of which outlive
/// the result.
pub(crate) unsafe fn arguments<'a>(argc: c_int, argv: *const *const c_char) -> Vec<&'a CStr> {
    let Ok(count) = usize::try_from(argc) else {
        return Vec::new();
    };
    if argv.is_null() {
        return Vec::new();
    }
    // SAFETY: the caller guarantees `count` pointers.
    let words = unsafe { slice::from_raw_parts(argv, count) };
    words
        .iter()
        .filter(|word| !word.is_null())
        // SAFETY: it is not null, and so it is a C string.
        .map(|&word| unsafe { CStr::from_ptr(word) })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn arguments_are_read_up_to_their_count() {
        let words = [c"quiet".as_ptr(), ptr::null(), c"debug".as_ptr()];
        // SAFETY: the length is right, and the strings are static.
        let read = |count, words| unsafe { arguments(count, words) };
        assert_eq!(read(3, words.as_ptr()), [c"quiet", c"debug"]);
        assert_eq!(read(1, words.as_ptr()), [c"quiet"]);
        assert!(read(0, words.as_ptr()).is_empty());
        assert!(read(-1, words.as_ptr()).is_empty());
        assert!(read(3, ptr::null()).is_empty());
    }

    #[test]
    fn a_text_is_freed_as_it_was_left() {
        let text = CString::from(c"90000s").into_raw();
        free_text(ptr::null_mut(), text.cast(), 0);
        free_text(ptr::null_mut(), ptr::null_mut(), 0);
    }

    #[test]
    fn no_handle_is_made_of_null() {
        // SAFETY: null is allowed.
        assert!(unsafe { Handle::new(ptr::null_mut()) }.is_none());
    }
}
