//! How much of the host a case takes, so that cases which run at once leave each other time.

/// What a case does to the host. Those of which few may run at once come first, and start first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Load {
    /// A login manager and Plasma draw their screens with the processor, on the host's virtual
    /// terminals.
    LoginManager,
    /// GNOME draws its screen with the processor.
    Gnome,
    /// It uses the host's virtual terminals.
    VirtualTerminals,
    /// It has thousands of sessions or processes, or floods a service.
    Busy,
    /// It shows a desktop of one or two programs.
    Desktop,
    /// It boots a machine, and waits for most of its time.
    Light,
}

impl Load {
    /// As how many light cases it counts.
    pub(crate) const fn weight(self) -> usize {
        match self {
            Self::Light | Self::Desktop | Self::Busy | Self::VirtualTerminals => 1,
            Self::Gnome | Self::LoginManager => 2,
        }
    }

    /// How many cases of this load run at once at most, on any host.
    pub(crate) const fn at_once(self) -> usize {
        match self {
            Self::LoginManager | Self::VirtualTerminals | Self::Gnome | Self::Busy => 1,
            Self::Desktop => 2,
            Self::Light => usize::MAX,
        }
    }

    /// Whether it keeps a processor busy for seconds.
    pub(crate) const fn is_heavy(self) -> bool {
        matches!(self, Self::LoginManager | Self::Gnome | Self::Busy)
    }

    /// Whether a case of this load counts towards [`Self::at_once`] of `other`: a host has one set
    /// of virtual terminals.
    pub(crate) fn excludes(self, other: Self) -> bool {
        let on_terminals = |load| matches!(load, Self::LoginManager | Self::VirtualTerminals);
        self == other || (on_terminals(self) && on_terminals(other))
    }
}
