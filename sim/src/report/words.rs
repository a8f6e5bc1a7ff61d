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

/// So many of them are kept for what is not about the item, if there is so much.
const OTHERS: usize = 5;

/// The sentences that led to the end: those about the item that broke, those about the
/// process, and what the world did to it. Where there are too many, the first is kept, and
/// the last ones.
pub fn trail(lines: &[(Tick, String)], item: &str) -> Vec<usize> {
    let about = |n: &usize| item.len() > 1 && lines[*n].1.contains(item);
    let (mut chosen, others): (Vec<usize>, Vec<usize>) = (0..lines.len())
        .filter(|n| about(n) || matches!(Class::of(&lines[*n].1), Class::Fault | Class::Process))
        .partition(about);
    let room = TRAIL - others.len().min(OTHERS);
    if chosen.len() > room {
        chosen.drain(1..chosen.len() - room + 1);
    }
    let room = TRAIL - chosen.len();
    chosen.extend(others.iter().rev().take(room));
    chosen.sort_unstable();
    chosen
}
