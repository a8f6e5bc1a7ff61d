//! The named cases of the disk port.

/// One step of a case.
#[derive(Debug)]
pub(super) enum Step {
    /// A person saves a file.
    Saves(&'static str, &'static str),
    /// A person makes a link that leads out of the mirror.
    Links(&'static str),
    /// A run stages a blob.
    Stages(u32, usize, &'static str),
    /// A run asks for an operation, and this is the answer.
    Asks(u32, Op, Says),
    /// This and nothing else is there.
    Has {
        files: &'static [(&'static str, &'static str)],
        conflicts: &'static [(&'static str, &'static str)],
        trash: &'static [(u64, &'static str, &'static str)],
        staged: usize,
    },
}

/// An operation. Blobs are named by their part; bytes stand for their hash.
#[derive(Debug)]
pub(super) enum Op {
    Clean,
    /// Clean, but for the blob of a run.
    CleanBut(u32, usize),
    Root,
    Stage(&'static str, &'static str),
    Seal,
    Look(&'static str),
    Place(&'static str, usize),
    Replace(&'static str, usize, &'static str),
    ReplaceAndKeep(&'static str, usize, &'static str),
    Trash(&'static str, &'static str, u64),
    SetAside(&'static str, &'static str),
    Drop(usize),
}

/// An answer.
#[derive(Debug)]
pub(super) enum Says {
    Placed,
    PlacedAndKept(&'static str),
    Occupied(See),
    Sees(See),
    Removed,
    Dropped,
    Sealed,
    Cleaned(u32),
    Rooted,
    Staged(u64),
    NoDirectory,
}

/// What is at a path.
#[derive(Debug)]
pub(super) enum See {
    Nothing,
    File(&'static str),
    Directory,
    Link,
}

use Op::*;
use Says::*;
use See::*;
use Step::*;

pub(super) const CASES: &[(&str, &[Step])] = &[
    (
        "a file is copied to the stage, and stays where it is",
        &[
            Saves("/d/a", "mine"),
            Asks(1, Op::Stage("/d/a", "mine"), Says::Staged(4)),
            Has { files: &[("/d/a", "mine")], conflicts: &[], trash: &[], staged: 1 },
        ],
    ),
    (
        "a file that is something else by now is not copied",
        &[
            Saves("/a", "newer"),
            Links("/link"),
            Asks(1, Op::Stage("/a", "mine"), Occupied(File("newer"))),
            Asks(1, Op::Stage("/b", "mine"), Occupied(Nothing)),
            Asks(1, Op::Stage("/link", "mine"), Occupied(Link)),
            Has { files: &[("/a", "newer")], conflicts: &[], trash: &[], staged: 0 },
        ],
    ),
    (
        "what waits to be sent outlives its run",
        &[
            Stages(1, 0, "sent"),
            Stages(1, 1, "not sent"),
            Asks(2, CleanBut(1, 0), Cleaned(1)),
            Has { files: &[], conflicts: &[], trash: &[], staged: 1 },
            Asks(3, Clean, Cleaned(1)),
            Has { files: &[], conflicts: &[], trash: &[], staged: 0 },
        ],
    ),
    ("the root is the root", &[Asks(1, Root, Rooted)]),
    (
        "a new file is placed with the directories above it",
        &[
            Stages(1, 0, "new"),
            Asks(1, Place("/d/e/a", 0), Placed),
            Asks(1, Look("/d/e/a"), Sees(File("new"))),
            Asks(1, Look("/d"), Sees(Directory)),
            Asks(1, Seal, Sealed),
            Has { files: &[("/d/e/a", "new")], conflicts: &[], trash: &[], staged: 0 },
        ],
    ),
    (
        "a new file never replaces anything, and its bytes wait",
        &[
            Saves("/a", "mine"),
            Stages(1, 0, "new"),
            Asks(1, Place("/a", 0), Occupied(File("mine"))),
            Has { files: &[("/a", "mine")], conflicts: &[], trash: &[], staged: 1 },
            Asks(1, Place("/b", 0), Placed),
            Has { files: &[("/a", "mine"), ("/b", "new")], conflicts: &[], trash: &[], staged: 0 },
        ],
    ),
    (
        "what was expected is replaced and gone",
        &[
            Saves("/d/a", "old"),
            Stages(1, 0, "new"),
            Asks(1, Replace("/d/a", 0, "old"), Placed),
            Has { files: &[("/d/a", "new")], conflicts: &[], trash: &[], staged: 0 },
        ],
    ),
    (
        "what was not expected is replaced and kept",
        &[
            Saves("/d/a", "edited"),
            Stages(1, 0, "new"),
            Asks(1, Replace("/d/a", 0, "old"), PlacedAndKept("edited")),
            Has {
                files: &[("/d/a", "new")],
                conflicts: &[("/d/a", "edited")],
                trash: &[],
                staged: 0,
            },
        ],
    ),
    (
        "a person's bytes are kept even when they were expected",
        &[
            Saves("/a", "mine"),
            Stages(1, 0, "new"),
            Asks(1, ReplaceAndKeep("/a", 0, "mine"), PlacedAndKept("mine")),
            Has { files: &[("/a", "new")], conflicts: &[("/a", "mine")], trash: &[], staged: 0 },
        ],
    ),
    (
        "equal bytes are no conflict",
        &[
            Saves("/a", "same"),
            Stages(1, 0, "same"),
            Asks(1, ReplaceAndKeep("/a", 0, "other"), Placed),
            Has { files: &[("/a", "same")], conflicts: &[], trash: &[], staged: 0 },
        ],
    ),
    (
        "the same bytes are kept once",
        &[
            Saves("/a", "mine"),
            Stages(1, 0, "new"),
            Asks(1, Replace("/a", 0, "old"), PlacedAndKept("mine")),
            Saves("/a", "mine"),
            Asks(1, SetAside("/a", "mine"), Removed),
            Has { files: &[], conflicts: &[("/a", "mine")], trash: &[], staged: 0 },
        ],
    ),
    (
        "a file that is gone is not replaced",
        &[
            Stages(1, 0, "new"),
            Asks(1, Replace("/d/a", 0, "old"), Occupied(Nothing)),
            Has { files: &[], conflicts: &[], trash: &[], staged: 1 },
            Asks(1, Op::Drop(0), Dropped),
            Asks(1, Op::Drop(0), Dropped),
            Has { files: &[], conflicts: &[], trash: &[], staged: 0 },
        ],
    ),
    (
        "what is no file is left alone",
        &[
            Saves("/d/a", "mine"),
            Links("/l"),
            Stages(1, 0, "new"),
            Asks(1, Place("/d", 0), Occupied(Directory)),
            Asks(1, Replace("/d", 0, "mine"), Occupied(Directory)),
            Asks(1, Place("/l", 0), Occupied(Link)),
            Asks(1, Replace("/l", 0, "mine"), Occupied(Link)),
            Asks(1, Trash("/l", "mine", 1), Occupied(Link)),
            Asks(1, Look("/l"), Sees(Link)),
            Has { files: &[("/d/a", "mine")], conflicts: &[], trash: &[], staged: 1 },
        ],
    ),
    (
        "there is nothing below a file or a link, and nothing is placed there",
        &[
            Saves("/a", "mine"),
            Links("/l"),
            Stages(1, 0, "new"),
            Asks(1, Look("/a/b"), Sees(Nothing)),
            Asks(1, Look("/l/b"), Sees(Nothing)),
            Asks(1, Trash("/a/b", "mine", 1), Occupied(Nothing)),
            Asks(1, Place("/a/b", 0), NoDirectory),
            Asks(1, Place("/l/b", 0), NoDirectory),
            Asks(1, Replace("/a/b/c", 0, "old"), NoDirectory),
            Has { files: &[("/a", "mine")], conflicts: &[], trash: &[], staged: 1 },
        ],
    ),
    (
        "what the remote deleted goes to the trash, and its empty directories go",
        &[
            Saves("/d/e/a", "old"),
            Saves("/d/b", "stays"),
            Asks(1, Trash("/d/e/a", "old", 7), Removed),
            Asks(1, Look("/d/e"), Sees(Nothing)),
            Asks(1, Look("/d"), Sees(Directory)),
            Has {
                files: &[("/d/b", "stays")],
                conflicts: &[],
                trash: &[(7, "/d/e/a", "old")],
                staged: 0,
            },
        ],
    ),
    (
        "a batch of trash keeps every version",
        &[
            Saves("/a", "one"),
            Asks(1, Trash("/a", "one", 7), Removed),
            Saves("/a", "two"),
            Asks(1, Trash("/a", "two", 7), Removed),
            Has {
                files: &[],
                conflicts: &[],
                trash: &[(7, "/a", "one"), (7, "/a", "two")],
                staged: 0,
            },
        ],
    ),
    (
        "a file that was edited is not taken away",
        &[
            Saves("/a", "edited"),
            Asks(1, Trash("/a", "old", 1), Occupied(File("edited"))),
            Asks(1, SetAside("/a", "old"), Occupied(File("edited"))),
            Asks(1, Trash("/b", "old", 1), Occupied(Nothing)),
            Has { files: &[("/a", "edited")], conflicts: &[], trash: &[], staged: 0 },
        ],
    ),
    (
        "a start removes what earlier runs staged, and nothing of its own",
        &[
            Stages(1, 0, "old"),
            Stages(1, 1, "old"),
            Stages(2, 0, "mine"),
            Asks(2, Clean, Cleaned(2)),
            Has { files: &[], conflicts: &[], trash: &[], staged: 1 },
            Asks(2, Place("/a", 0), Placed),
            Has { files: &[("/a", "mine")], conflicts: &[], trash: &[], staged: 0 },
        ],
    ),
];
