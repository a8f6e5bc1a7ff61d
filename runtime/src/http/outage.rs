//! Why the server can not be reached, told once.

use std::sync::{Mutex, PoisonError};

/// What the system said last, as long as no answer came since. The machine knows only that a link
/// broke; a person wants to know that the name is not known or the certificate not trusted.
#[derive(Debug, Default)]
pub(super) struct Outage(Mutex<Option<String>>);

impl Outage {
    /// A request got no answer. Whether that is for another reason than the last one.
    pub fn is_news(&self, why: &str) -> bool {
        let mut last = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let news = last.as_deref() != Some(why);
        if news {
            *last = Some(why.to_owned());
        }
        news
    }

    /// An answer came.
    pub fn is_over(&self) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = None;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_reason_is_told_once_for_each_outage() {
        let outage = Outage::default();
        assert!(outage.is_news("connection refused"));
        assert!(!outage.is_news("connection refused"));
        assert!(outage.is_news("no route to host"));
        outage.is_over();
        assert!(outage.is_news("no route to host"));
    }
}
