//! The operating system and the runtime: clocks, files, threads, and queues. Knows nothing of
//! sessions but their users.

pub(crate) mod async_fd;
pub(crate) mod atomic_file;
pub(crate) mod blocking_pool;
pub(crate) mod clock;
pub(crate) mod inotify;
pub(crate) mod job_queue;
pub(crate) mod threads;
pub(crate) mod user_queue;
pub(crate) mod watchdog;
