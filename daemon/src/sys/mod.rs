//! The operating system and the runtime: clocks, files, threads, and queues. It depends on nothing
//! else in the daemon.

pub(crate) mod async_fd;
pub(crate) mod atomic_file;
pub(crate) mod blocking_pool;
pub(crate) mod clock;
pub(crate) mod inotify;
pub(crate) mod job_queue;
pub(crate) mod threads;
pub(crate) mod user_queue;
pub(crate) mod watchdog;
