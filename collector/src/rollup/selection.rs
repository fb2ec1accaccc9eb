//! Which rollups are made.

use crate::batch::rollups::TABLES;

/// Some of the rollups.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Selection([bool; TABLES.len()]);

/// A name that no rollup has.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unknown(pub String);

impl Default for Selection {
    fn default() -> Self {
        Self([true; TABLES.len()])
    }
}

impl Selection {
    /// Those of these names.
    ///
    /// # Errors
    /// [`Unknown`] for the first that is none.
    pub fn of<S: AsRef<str>>(names: &[S]) -> Result<Self, Unknown> {
        let mut selected = [false; TABLES.len()];
        for name in names.iter().map(AsRef::as_ref) {
            let place = TABLES.iter().position(|table| table.name == name);
            selected[place.ok_or_else(|| Unknown(name.to_owned()))?] = true;
        }
        Ok(Self(selected))
    }

    /// Names of those that are made, in the order of [`TABLES`].
    pub fn names(self) -> impl Iterator<Item = &'static str> {
        self.places().map(|place| TABLES[place].name)
    }

    /// Names of those that are not.
    pub fn left_out(self) -> impl Iterator<Item = &'static str> {
        TABLES.iter().zip(self.0).filter(|(_, is_selected)| !is_selected).map(|(table, _)| table.name)
    }

    /// Places of those that are made, in [`TABLES`].
    pub(super) fn places(self) -> impl Iterator<Item = usize> {
        (0..TABLES.len()).filter(move |place| self.0[*place])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rollups_are_selected_by_name() {
        let all = TABLES.map(|table| table.name);
        assert_eq!(Selection::of(&all), Ok(Selection::default()));
        for (names, expected) in [(&[][..], &[][..]), (&["hosts_1h", "as_5m", "as_5m"], &["as_5m", "hosts_1h"])] {
            let selection = Selection::of(names).expect("they are rollups");
            assert_eq!(selection.names().collect::<Vec<_>>(), expected);
            assert_eq!(selection.left_out().count(), all.len() - expected.len());
        }
        assert_eq!(Selection::of(&["as_5m", "flows"]), Err(Unknown("flows".to_owned())));
    }
}
