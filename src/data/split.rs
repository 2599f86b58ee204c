//! Training, validation and test images.

use rand::seq::SliceRandom;

use super::dataset::Dataset;
use super::spec::{DataSpec, Pick, Validation};
use crate::error::{Error, Result};
use crate::util::random::{Purpose, stream};

/// Disjoint sets of rows of a data set, each in ascending order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Split {
    /// Training images; the standardisation is computed from them.
    pub train: Vec<u32>,
    /// Validation images, to compare settings by.
    pub validation: Vec<u32>,
    /// All the test images.
    pub test: Vec<u32>,
}

impl Split {
    /// The split that `spec` asks for. [`Error::Usage`] for batches that do not exist, are repeated or overlap, and for
    /// empty parts.
    pub fn new(dataset: &Dataset, spec: &DataSpec) -> Result<Self> {
        let mut train = if dataset.batches.is_empty() {
            if spec.train_batches != DataSpec::ALL_BATCHES {
                return Err(no_batches(dataset, "--train-batches", &spec.train_batches));
            }
            (0..dataset.train as u32).collect()
        } else {
            rows_of(dataset, "--train-batches", &spec.train_batches)?
        };
        let mut validation = match &spec.validation {
            Validation::Images { count, pick } => take(&mut train, *count, *pick)?,
            Validation::Batches(batches) if dataset.batches.is_empty() => {
                return Err(no_batches(dataset, "--val-batches", batches));
            }
            Validation::Batches(batches) => {
                if let Some(both) = batches.iter().find(|batch| spec.train_batches.contains(batch)) {
                    return Err(Error::Usage(format!(
                        "--train-batches {} --val-batches {}: batch {both} is in both",
                        comma(&spec.train_batches),
                        comma(batches)
                    )));
                }
                rows_of(dataset, "--val-batches", batches)?
            }
        };
        train.sort_unstable();
        validation.sort_unstable();
        Ok(Self { train, validation, test: (dataset.train as u32..dataset.labels.len() as u32).collect() })
    }
}

/// The rows of some batches, numbered from 1, in ascending order.
fn rows_of(dataset: &Dataset, flag: &str, batches: &[usize]) -> Result<Vec<u32>> {
    let usage = |what: String| Error::Usage(format!("{flag} {}: {what}", comma(batches)));
    if batches.is_empty() {
        return Err(usage("expected at least one batch".into()));
    }
    let mut batches = batches.to_vec();
    batches.sort_unstable();
    if let Some([twice, _]) = batches.windows(2).find(|pair| pair[0] == pair[1]) {
        return Err(usage(format!("batch {twice} is repeated")));
    }
    let mut rows = Vec::new();
    for batch in &batches {
        let range = batch.checked_sub(1).and_then(|place| dataset.batches.get(place));
        let range = range.ok_or_else(|| usage(format!("batch {batch}: expected 1 to {}", dataset.batches.len())))?;
        rows.extend(range.clone());
    }
    Ok(rows)
}

/// Removes `count` images from `train` and returns them.
fn take(train: &mut Vec<u32>, count: usize, pick: Pick) -> Result<Vec<u32>> {
    if count == 0 || count >= train.len() {
        return Err(Error::Usage(format!(
            "--val-images {count}: expected 1 to {}, so that some of the {} images are left for training",
            train.len().saturating_sub(1),
            train.len()
        )));
    }
    match pick {
        Pick::Last => {}
        Pick::First => train.rotate_left(count),
        // The seed is fixed: runs with different seeds validate on the same images and can be compared.
        Pick::Random => train.shuffle(&mut stream(0, Purpose::Validation, 0)),
    }
    Ok(train.split_off(train.len() - count))
}

fn no_batches(dataset: &Dataset, flag: &str, batches: &[usize]) -> Error {
    Error::Usage(format!(
        "{flag} {}: {} does not come in batches; omit the flag and use --val-images",
        comma(batches),
        dataset.name
    ))
}

/// `1,2,3`, as the flag takes them.
fn comma(batches: &[usize]) -> String {
    batches.iter().map(usize::to_string).collect::<Vec<_>>().join(",")
}

#[cfg(test)]
mod tests {
    use super::*;

    /// 5 batches of 4 training images and 3 test images.
    fn in_batches() -> Dataset {
        plain().in_batches_of(4)
    }

    fn plain() -> Dataset {
        let classes = vec!["a".into(), "b".into()];
        Dataset::in_memory("tiny", classes, 1, (0..23).collect(), vec![1; 23], 20)
    }

    fn spec(train_batches: &[usize], validation: Validation) -> DataSpec {
        DataSpec { train_batches: train_batches.to_vec(), validation, ..DataSpec::default() }
    }

    fn images(count: usize, pick: Pick) -> Validation {
        Validation::Images { count, pick }
    }

    #[test]
    fn the_last_the_first_or_random_images_are_held_out() {
        let split = |pick| Split::new(&in_batches(), &spec(&[4, 2], images(3, pick))).unwrap();
        let last = split(Pick::Last);
        assert_eq!((&last.train[..], &last.validation[..]), (&[4, 5, 6, 7, 12][..], &[13, 14, 15][..]));
        assert_eq!(last.test, [20, 21, 22]);
        let first = split(Pick::First);
        assert_eq!((&first.train[..], &first.validation[..]), (&[7, 12, 13, 14, 15][..], &[4, 5, 6][..]));
        let random = split(Pick::Random);
        assert_eq!(random, split(Pick::Random));
        assert!(random.validation != last.validation && random.validation != first.validation);
    }

    #[test]
    fn whole_batches_are_held_out() {
        let split = Split::new(&in_batches(), &spec(&[1], Validation::Batches(vec![5, 2]))).unwrap();
        assert_eq!(split.train, [0, 1, 2, 3]);
        assert_eq!(split.validation, [4, 5, 6, 7, 16, 17, 18, 19]);
    }

    #[test]
    fn no_image_is_in_two_parts() {
        for dataset in [in_batches(), plain()] {
            for pick in [Pick::Last, Pick::First, Pick::Random] {
                for count in [1, 7, 19] {
                    let split = Split::new(&dataset, &spec(&DataSpec::ALL_BATCHES, images(count, pick))).unwrap();
                    assert_eq!((split.train.len(), split.validation.len()), (20 - count, count));
                    let mut rows = [split.train, split.validation, split.test].concat();
                    rows.sort_unstable();
                    assert_eq!(rows, (0..23).collect::<Vec<_>>());
                }
            }
        }
    }

    #[test]
    fn a_split_that_cannot_be_made_is_refused() {
        let one = || images(1, Pick::Last);
        let whole = |batches: &[usize]| Validation::Batches(batches.to_vec());
        let [no_training, no_validation] = ["--train-batches 1,2", "--val-batches 5"]
            .map(|flag| format!("{flag}: tiny does not come in batches; omit the flag and use --val-images"));
        for (dataset, train, validation, expected) in [
            (in_batches(), &[][..], one(), "--train-batches : expected at least one batch"),
            (in_batches(), &[1], whole(&[]), "--val-batches : expected at least one batch"),
            (in_batches(), &[1, 0], one(), "--train-batches 1,0: batch 0: expected 1 to 5"),
            (in_batches(), &[6], one(), "--train-batches 6: batch 6: expected 1 to 5"),
            (in_batches(), &[3, 1, 3], one(), "--train-batches 3,1,3: batch 3 is repeated"),
            (in_batches(), &[1], whole(&[9]), "--val-batches 9: batch 9: expected 1 to 5"),
            (in_batches(), &[1, 2], whole(&[3, 2]), "--train-batches 1,2 --val-batches 3,2: batch 2 is in both"),
            (plain(), &[1, 2], one(), &no_training),
            (plain(), &DataSpec::ALL_BATCHES, whole(&[5]), &no_validation),
        ] {
            let error = Split::new(&dataset, &spec(train, validation)).unwrap_err();
            assert_eq!((error.exit_code(), error.to_string().as_str()), (2, expected));
        }
        for count in [0, 8, 9, usize::MAX] {
            let error = Split::new(&in_batches(), &spec(&[1, 2], images(count, Pick::Last))).unwrap_err();
            let range = ": expected 1 to 7, so that some of the 8 images are left for training";
            assert_eq!((error.exit_code(), error.to_string()), (2, format!("--val-images {count}{range}")));
        }
    }
}
