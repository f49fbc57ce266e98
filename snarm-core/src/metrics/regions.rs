//! The 8-connected regions of a mask.

/// Finds regions; keeps its tables from mask to mask.
#[derive(Debug, Default)]
pub(super) struct Regions {
    /// For each pixel of the mask its label, 0 outside regions.
    labels: Vec<u32>,
    /// Label to label it was merged into; the root of a region points at itself.
    parents: Vec<u32>,
    /// Pixels of each root.
    areas: Vec<u32>,
}

impl Regions {
    /// Reads rows of `width` and returns the number of regions.
    pub(super) fn run(&mut self, mask: impl Iterator<Item = bool>, width: usize) -> u64 {
        self.labels.clear();
        self.parents.clear();
        self.parents.push(0);
        for (i, marked) in mask.enumerate() {
            let label = if marked { self.label(i, width) } else { 0 };
            self.labels.push(label);
        }
        self.areas.clear();
        self.areas.resize(self.parents.len(), 0);
        for label in &mut self.labels {
            *label = root(&self.parents, *label);
            self.areas[*label as usize] += 1;
        }
        self.areas[0] = 0;
        self.areas.iter().filter(|area| **area > 0).count() as u64
    }

    /// For each pixel the size of the region that it lies in, 0 outside regions.
    pub(super) fn areas(&self) -> impl Iterator<Item = u32> + '_ {
        self.labels.iter().map(|label| self.areas[*label as usize])
    }

    /// The label of marked pixel `i`, from its neighbours on the left and above.
    fn label(&mut self, i: usize, width: usize) -> u32 {
        let (x, above) = (i % width, i.checked_sub(width));
        let neighbours = [
            (x > 0).then(|| i - 1),
            above.filter(|_| x > 0).map(|at| at - 1),
            above,
            above.filter(|_| x + 1 < width).map(|at| at + 1),
        ];
        let mut found = 0;
        for at in neighbours.into_iter().flatten() {
            let label = root(&self.parents, self.labels[at]);
            if label == 0 || label == found {
                continue;
            }
            if found == 0 {
                found = label;
            } else {
                let (low, high) = (found.min(label), found.max(label));
                self.parents[high as usize] = low;
                found = low;
            }
        }
        if found == 0 {
            found = self.parents.len() as u32;
            self.parents.push(found);
        }
        found
    }
}

fn root(parents: &[u32], mut label: u32) -> u32 {
    while parents[label as usize] != label {
        label = parents[label as usize];
    }
    label
}

#[cfg(test)]
mod tests {
    use super::*;

    fn areas(text: &str) -> (u64, Vec<u32>) {
        let width = text.find(' ').unwrap_or(text.len());
        let mut regions = Regions::default();
        let count = regions.run(text.chars().filter(|c| *c != ' ').map(|c| c == '#'), width);
        (count, regions.areas().filter(|area| *area > 0).collect())
    }

    #[test]
    fn corners_connect_and_rows_do_not_wrap() {
        assert_eq!(areas("#. .#"), (1, vec![2, 2]));
        assert_eq!(areas(".# #."), (1, vec![2, 2]));
        assert_eq!(areas("..# #.."), (2, vec![1, 1]));
        assert_eq!(areas("... ..."), (0, vec![]));
    }

    #[test]
    fn branches_that_meet_below_are_one_region() {
        assert_eq!(areas("#.#.# #.#.# #####"), (1, vec![11; 11]));
        assert_eq!(areas("##### #...# #.#.# #...# #####").0, 2);
        assert_eq!(areas("#...# .#.#. ..#.. .#.#.").0, 1);
    }
}
