//! The application's interface of libpam, and a few system calls for tests.

#![expect(unsafe_code, reason = "libpam is a C library")]

use std::ffi::{CStr, CString, c_char, c_int, c_void};
use std::os::unix::net::UnixListener;
use std::ptr;
use std::thread;

use nix::libc;
use nix::sys::signal::{SaFlags, SigAction, SigHandler, SigSet, Signal, sigaction};
use nix::sys::socket::{Backlog, listen};
use pam_sys::raw;
use pam_sys::types::{PamConversation, PamHandle, PamItemType, PamMessage, PamResponse};

// pam_appl.h, since Linux-PAM 1.3.1; pam-sys does not cover it.
unsafe extern "C" {
    fn pam_start_confdir(
        service: *const c_char,
        user: *const c_char,
        conversation: *const PamConversation,
        confdir: *const c_char,
        pamh: *mut *mut PamHandle,
    ) -> c_int;
}

/// A call of the application to a stack.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Entry {
    Authenticate,
    SetCred,
    AcctMgmt,
    OpenSession,
    CloseSession,
    ChAuthTok,
}

/// How the application handles messages.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Conversation {
    /// It shows them.
    Works,
    /// It shows them, and replies with an unsolicited text.
    Chatters,
    /// It reports an error.
    Fails,
    /// It has no function for them.
    Missing,
}

/// The data of the conversation function.
struct Messages {
    conversation: Conversation,
    seen: Vec<(c_int, CString)>,
    /// The transaction; null before it has begun.
    pamh: *mut PamHandle,
    /// The PAM data for pam_systemd at the time of the last message.
    runtime_max: Option<CString>,
}

/// A PAM transaction, as in sshd.
pub(crate) struct Transaction {
    pamh: *mut PamHandle,
    messages: *mut Messages,
}

impl Transaction {
    pub(crate) fn start(
        service: &CStr,
        user: Option<&CStr>,
        confdir: &CStr,
        conversation: Conversation,
    ) -> Self {
        let messages = Box::into_raw(Box::new(Messages {
            conversation,
            seen: Vec::new(),
            pamh: ptr::null_mut(),
            runtime_max: None,
        }));
        let application = PamConversation {
            conv: (conversation != Conversation::Missing).then_some(converse),
            data_ptr: messages.cast(),
        };
        let mut pamh = ptr::null_mut();
        // SAFETY: C strings, a structure that libpam copies, and a pointer for the handle.
        let code = unsafe {
            pam_start_confdir(
                service.as_ptr(),
                user.map_or(ptr::null(), CStr::as_ptr),
                &raw const application,
                confdir.as_ptr(),
                &raw mut pamh,
            )
        };
        assert_eq!(code, 0, "pam_start_confdir");
        // SAFETY: the data is owned here, and the conversation function does not run now.
        unsafe { (*messages).pamh = pamh };
        Self { pamh, messages }
    }

    pub(crate) fn call(&mut self, entry: Entry, flags: c_int) -> c_int {
        // SAFETY: the handle is live until `self` is dropped.
        unsafe {
            match entry {
                Entry::Authenticate => raw::pam_authenticate(self.pamh, flags),
                Entry::SetCred => raw::pam_setcred(self.pamh, flags),
                Entry::AcctMgmt => raw::pam_acct_mgmt(self.pamh, flags),
                Entry::OpenSession => raw::pam_open_session(self.pamh, flags),
                Entry::CloseSession => raw::pam_close_session(self.pamh, flags),
                Entry::ChAuthTok => raw::pam_chauthtok(self.pamh, flags),
            }
        }
    }

    pub(crate) fn set_item(&mut self, kind: PamItemType, text: &CStr) {
        // SAFETY: the handle is live, and libpam copies the text.
        let code = unsafe { raw::pam_set_item(self.pamh, kind as c_int, text.as_ptr().cast()) };
        assert_eq!(code, 0, "pam_set_item");
    }

    /// A text item.
    pub(crate) fn item(&self, kind: PamItemType) -> Option<CString> {
        let mut text: *const c_void = ptr::null();
        // SAFETY: the handle is live, and `text` is a local variable.
        let code = unsafe { raw::pam_get_item(self.pamh, kind as c_int, &raw mut text) };
        assert_eq!(code, 0, "pam_get_item");
        // SAFETY: it is not null, and so it is a C string.
        (!text.is_null()).then(|| unsafe { CStr::from_ptr(text.cast()) }.to_owned())
    }

    pub(crate) fn put_environment(&mut self, variable: &CStr) {
        // SAFETY: the handle is live, and libpam copies the text.
        let code = unsafe { raw::pam_putenv(self.pamh, variable.as_ptr()) };
        assert_eq!(code, 0, "pam_putenv");
    }

    /// The PAM environment.
    pub(crate) fn environment(&self) -> Vec<CString> {
        let mut variables = Vec::new();
        // SAFETY: the handle is live; the list ends with a null, and this code has
        // to free the list and its texts.
        unsafe {
            let list = raw::pam_getenvlist(self.pamh);
            assert!(!list.is_null(), "pam_getenvlist");
            let mut next = list;
            while !(*next).is_null() {
                variables.push(CStr::from_ptr(*next).to_owned());
                libc::free((*next).cast_mut().cast());
                next = next.add(1);
            }
            libc::free(list.cast_mut().cast());
        }
        variables
    }

    /// The messages that the application was given, each with its style.
    pub(crate) fn seen(&self) -> Vec<(c_int, CString)> {
        // SAFETY: the data is owned here, and the conversation function does not run now.
        unsafe { (*self.messages).seen.clone() }
    }

    /// The PAM data for pam_systemd at the time of the last message.
    pub(crate) fn runtime_max(&self) -> Option<CString> {
        // SAFETY: the data is owned here, and the conversation function does not run now.
        unsafe { (*self.messages).runtime_max.clone() }
    }
}

impl Drop for Transaction {
    fn drop(&mut self) {
        // SAFETY: both are live, and not used after this.
        unsafe {
            raw::pam_end(self.pamh, 0);
            drop(Box::from_raw(self.messages));
        }
    }
}

/// The conversation function; pam_conv(3).
extern "C" fn converse(
    count: c_int,
    messages: *mut *mut PamMessage,
    responses: *mut *mut PamResponse,
    data: *mut c_void,
) -> c_int {
    const CONV_ERR: c_int = 19;
    let count = usize::try_from(count).unwrap();
    // SAFETY: libpam passes `count` messages, a pointer for as many responses (which are from
    // malloc(3), since the module frees them), and the data of `Transaction::start`.
    unsafe {
        let data = &mut *data.cast::<Messages>();
        data.runtime_max = runtime_max(data.pamh);
        for index in 0..count {
            let message = **messages.add(index);
            let text = CStr::from_ptr(message.msg).to_owned();
            data.seen.push((message.msg_style, text));
        }
        if data.conversation == Conversation::Fails {
            return CONV_ERR;
        }
        let answers: *mut PamResponse = libc::calloc(count, size_of::<PamResponse>()).cast();
        if data.conversation == Conversation::Chatters {
            (*answers).resp = libc::strdup(c"hello".as_ptr());
        }
        *responses = answers;
    }
    0
}

/// The PAM data for pam_systemd. libpam returns PAM data only to modules, and to the application
/// only while a module calls it.
///
/// # Safety
/// The handle is live, and a module's call is under way.
unsafe fn runtime_max(pamh: *const PamHandle) -> Option<CString> {
    let mut text: *const c_void = ptr::null();
    // SAFETY: the handle is live, the name is a C string, and `text` is a local variable.
    let code =
        unsafe { raw::pam_get_data(pamh, c"systemd.runtime_max_sec".as_ptr(), &raw mut text) };
    // SAFETY: a C string, by pam_systemd(8).
    (code == 0 && !text.is_null()).then(|| unsafe { CStr::from_ptr(text.cast()) }.to_owned())
}

/// Makes a listener appear as that of another user: SO_PEERCRED reports the process that called
/// listen(2) last. Only root can do that.
pub(crate) fn listen_as(listener: &UnixListener, uid: libc::uid_t) {
    let listen_in_a_thread = || {
        // SAFETY: three numbers. The bare system call changes this one thread (setresuid(2), "C
        // library/kernel differences"), which ends at once.
        let code = unsafe { libc::syscall(libc::SYS_setresuid, uid, uid, uid) };
        assert_eq!(code, 0, "setresuid");
        listen(listener, Backlog::MAXCONN).unwrap();
    };
    thread::scope(|scope| scope.spawn(listen_in_a_thread).join().unwrap());
}

/// Installs a handler for a signal that only interrupts system calls.
pub(crate) fn interrupt_with(signal: Signal) {
    extern "C" fn nothing(_: c_int) {}
    act_on(signal, SigHandler::Handler(nothing));
}

/// Restores the default disposition of a signal.
pub(crate) fn default_action_of(signal: Signal) {
    act_on(signal, SigHandler::SigDfl);
}

fn act_on(signal: Signal, handler: SigHandler) {
    let action = SigAction::new(handler, SaFlags::empty(), SigSet::empty());
    // SAFETY: the handler, if it is one, does nothing.
    unsafe { sigaction(signal, &action) }.unwrap();
}
