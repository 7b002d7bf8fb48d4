//! A fake notification server.

use std::collections::HashMap;
use std::future;

use zbus::Message;
use zbus::wire::OwnedVariant;

use super::{Call, Harness, Notifications, SERVER, Server, lock};

pub(super) const NAME: &str = "org.freedesktop.Notifications";

/// The server, with the id of its last notification.
pub(super) struct NotificationServer(Server, u32);

impl NotificationServer {
    pub(super) fn new(server: Server) -> Self {
        Self(server, 0)
    }
}

#[zbus::interface(name = "org.freedesktop.Notifications")]
impl NotificationServer {
    fn get_capabilities(&self) -> Vec<&str> {
        vec!["actions", "body", "body-markup"]
    }

    #[expect(
        clippy::too_many_arguments,
        reason = "the method has that number of arguments"
    )]
    async fn notify(
        &mut self,
        _program: String,
        replaced: u32,
        _icon: String,
        summary: String,
        body: String,
        _actions: Vec<String>,
        _hints: HashMap<String, OwnedVariant>,
        _expires: i32,
    ) -> u32 {
        if lock(&self.0.peers).notifications == Notifications::Hanging {
            future::pending::<()>().await;
        }
        self.0.note(Call::Show(replaced, summary, body));
        if replaced == 0 {
            self.1 += 1;
            self.1
        } else {
            replaced
        }
    }

    fn close_notification(&self, id: u32) {
        self.0.note(Call::Close(id));
    }
}

impl Harness {
    /// Starts a notification server.
    pub(crate) async fn server_comes(&self) {
        self.peers().notifications = Notifications::Shown;
        self.user_name_is(NAME, SERVER).await;
    }

    /// Reports that the user pressed a button.
    pub(crate) async fn press(&self, id: u32, key: &str) {
        let path = "/org/freedesktop/Notifications";
        let signal = Message::signal(path, NAME, "ActionInvoked").sender(SERVER);
        self.signal_user(&signal.build(&(id, key)).unwrap()).await;
    }
}
