//! What active checks have found of one endpoint.

/// What active checks have found of one endpoint. The first result counts by itself; after that it
/// takes several in a row to change the picture.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Checked {
    is_healthy: Option<bool>,
    /// Results in a row that contradict it.
    against: u32,
    why: Option<String>,
}

impl Checked {
    /// Whether it is healthy; `None`: not known yet.
    pub fn is_healthy(&self) -> Option<bool> {
        self.is_healthy
    }

    /// Why the last check failed, if it did.
    pub fn why(&self) -> Option<&str> {
        self.why.as_deref()
    }

    /// Notes a result; `up` and `down` are how many in a row it takes. `true`: the picture changes.
    pub fn note(&mut self, result: Result<(), String>, up: u32, down: u32) -> bool {
        let is_well = result.is_ok();
        self.why = result.err();
        if self.is_healthy == Some(is_well) {
            self.against = 0;
            return false;
        }
        self.against = self.against.saturating_add(1);
        let needed = if is_well { up } else { down };
        if self.is_healthy.is_some() && self.against < needed {
            return false;
        }
        self.is_healthy = Some(is_well);
        self.against = 0;
        true
    }

    /// Nothing is known any more: nobody checks.
    pub fn forget(&mut self) {
        *self = Self::default();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bad() -> Result<(), String> {
        Err("503".to_owned())
    }

    #[test]
    fn the_first_result_counts_by_itself() {
        for (result, healthy) in [(Ok(()), true), (bad(), false)] {
            let mut checked = Checked::default();
            assert!(checked.note(result, 3, 3));
            assert_eq!(checked.is_healthy(), Some(healthy));
        }
    }

    #[test]
    fn it_takes_results_in_a_row_to_change_the_picture() {
        let mut checked = Checked::default();
        checked.note(Ok(()), 2, 3);
        for result in [bad(), bad(), Ok(()), bad(), bad()] {
            assert!(!checked.note(result, 2, 3));
        }
        assert_eq!(checked.is_healthy(), Some(true));
        assert!(checked.note(bad(), 2, 3), "the third in a row");
        assert_eq!(checked.is_healthy(), Some(false));
        assert!(!checked.note(Ok(()), 2, 3));
        assert!(checked.note(Ok(()), 2, 3), "the second in a row");
        assert_eq!(checked.is_healthy(), Some(true));
    }

    #[test]
    fn why_the_last_one_failed_is_told() {
        let mut checked = Checked::default();
        checked.note(bad(), 1, 1);
        assert_eq!(checked.why(), Some("503"));
        checked.note(Ok(()), 1, 1);
        assert_eq!(checked.why(), None);
    }
}
