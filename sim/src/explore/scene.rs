//! Where a search begins, and what may go wrong in it.

use landfall_core::config::{Bootstrap, Config, GateConfig, WorkspaceConfig};
use landfall_core::id::RemoteId;

use crate::world::UNIT;

/// One small world to search.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Scene {
    /// Its name on the command line.
    pub name: &'static str,
    /// One line for a person.
    pub about: &'static str,
    /// How many actions deep it is searched, if nobody says otherwise.
    pub depth: usize,
    /// The names of the two files.
    pub names: [&'static str; 2],
    /// Whether the search begins with both files in step, and not with the first start.
    pub in_step: bool,
    /// Whether the server has a feed.
    pub feed: bool,
    /// How the first bootstrap begins.
    pub bootstrap: Bootstrap,
    /// How often each class of trouble may come.
    pub budget: Budget,
}

/// How often each class of trouble may come.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub struct Budget {
    /// The other client changes or deletes a file.
    pub edits: u8,
    /// A person saves or deletes a file in the mirror.
    pub people: u8,
    /// `kill -9`, a power cut, SIGTERM.
    pub ends: u8,
    /// A request goes wrong.
    pub net: u8,
    /// The server says something that is not so, or forgets.
    pub lies: u8,
    /// The disk refuses.
    pub disk: u8,
}

const NONE: Budget = Budget { edits: 0, people: 0, ends: 0, net: 0, lies: 0, disk: 0 };

const BASE: Scene = Scene {
    name: "",
    about: "",
    depth: 0,
    names: ["/a", "/b"],
    in_step: false,
    feed: true,
    bootstrap: Bootstrap::Export,
    budget: NONE,
};

/// What `--scope small` searches.
pub const SMALL: &[Scene] = &[
    Scene {
        name: "first",
        about: "the first start, with every class of trouble once",
        depth: 10,
        budget: Budget { edits: 1, people: 1, ends: 1, net: 1, lies: 1, disk: 1 },
        ..BASE
    },
    Scene {
        name: "tree",
        about: "the first start by the tree",
        depth: 11,
        bootstrap: Bootstrap::Tree,
        budget: Budget { edits: 1, ends: 1, net: 1, lies: 1, ..NONE },
        ..BASE
    },
    Scene {
        name: "follow",
        about: "in step, and then edits on both sides",
        depth: 11,
        in_step: true,
        budget: Budget { edits: 2, people: 1, ends: 1, net: 1, lies: 0, disk: 1 },
        ..BASE
    },
    Scene {
        name: "doubt",
        about: "in step, and then a server that forgets its feed and lists what is not so",
        depth: 20,
        in_step: true,
        budget: Budget { edits: 1, lies: 4, ..NONE },
        ..BASE
    },
    Scene {
        name: "outage",
        about: "the first start by the tree, over a link that fails again and again",
        depth: 15,
        bootstrap: Bootstrap::Tree,
        budget: Budget { edits: 1, net: 3, ..NONE },
        ..BASE
    },
    Scene {
        name: "no-feed",
        about: "a server without a feed",
        depth: 14,
        feed: false,
        budget: Budget { edits: 1, ends: 1, lies: 1, ..NONE },
        ..BASE
    },
    Scene {
        name: "hostile",
        about: "one of the names climbs out of the root",
        depth: 12,
        names: ["/a", "/../b"],
        budget: Budget { edits: 2, ends: 1, ..NONE },
        ..BASE
    },
    Scene {
        name: "control",
        about: "one of the names lies in a control directory",
        depth: 12,
        names: ["/a", "/.Relay/b"],
        budget: Budget { edits: 2, ends: 1, ..NONE },
        ..BASE
    },
];

impl Scene {
    /// What the machine is built from. The stream is off: it has a clock of its own, which
    /// would make each state differ from every other.
    pub fn config(&self) -> Config {
        Config {
            seed: 1,
            remotes: vec![(RemoteId(0), GateConfig { concurrency: 2, per_second: 2_000 })],
            workspaces: vec![(
                UNIT,
                WorkspaceConfig {
                    stream: false,
                    bootstrap: self.bootstrap,
                    ..WorkspaceConfig::default()
                },
            )],
        }
    }

    /// Whether a name is one that may be placed.
    pub fn is_good(&self, file: usize) -> bool {
        self.names[file].matches('/').count() == 1
    }

    /// Whether a name lies in a control directory.
    pub fn is_control(&self, file: usize) -> bool {
        self.names[file].to_lowercase().starts_with("/.relay/")
    }
}
