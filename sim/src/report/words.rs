//! Which sentences of a story are of what kind, and which of them led to its end.

use landfall_core::time::Tick;

/// Who a sentence is about.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[repr(u8)]
pub enum Class {
    /// The machine decided something.
    Decision,
    /// The world did something to it.
    Fault,
    /// The process was started, killed or stopped.
    Process,
    /// Somebody edited, there or here.
    People,
}

impl Class {
    /// The class of a sentence.
    pub fn of(line: &str) -> Self {
        const CLASSES: &[(&str, Class)] = &[
            ("Landfall: ", Class::Decision),
            ("The other client ", Class::People),
            ("A person ", Class::People),
            ("What was to be taken back", Class::People),
            ("The process ", Class::Process),
            ("A second process ", Class::Process),
            ("kill -9", Class::Process),
            ("The power fails", Class::Process),
            ("SIGTERM", Class::Process),
            ("The world is healed", Class::Process),
        ];
        let class = CLASSES.iter().find(|(start, _)| line.starts_with(start));
        class.map_or(Class::Fault, |(_, class)| *class)
    }
}

/// At most so many sentences tell what led to the end.
const TRAIL: usize = 16;

/// The sentences that led to the end: those about the item that broke, those about the
/// process, and what the world did to it. Where there are too many, the first is kept, and
/// the last ones; those about the item are kept before the others.
pub fn trail(lines: &[(Tick, String)], item: &str) -> Vec<usize> {
    let about = |line: &str| item.len() > 1 && line.contains(item);
    let mut chosen: Vec<usize> = (0..lines.len()).filter(|n| about(&lines[*n].1)).collect();
    if chosen.len() > TRAIL {
        chosen.drain(1..chosen.len() - TRAIL + 1);
    }
    let others = lines.iter().enumerate().rev().filter(|(_, (_, line))| {
        !about(line) && matches!(Class::of(line), Class::Fault | Class::Process)
    });
    let room = TRAIL - chosen.len();
    chosen.extend(others.take(room).map(|(n, _)| n));
    chosen.sort_unstable();
    chosen
}
