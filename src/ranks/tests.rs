use super::threads::on_ranks;
use super::*;
use crate::model::params::{Init, weight};
use crate::model::{Hidden, ModelSpec};

const SHAPE: ModelSpec = ModelSpec { inputs: 5, hidden: Hidden::new(&[3]), classes: 2 };

fn models(ranks: &Ranks) -> Vec<Params> {
    (0..2).map(|model| Params::init(&SHAPE, 10 * ranks.rank() as u64 + model, Init::Report)).collect()
}

fn averaged(count: usize) -> Vec<Vec<Params>> {
    let signals = Signals::default();
    on_ranks(count, |ranks| {
        let mut params = models(&ranks);
        ranks.average(&mut params, 7, &signals).unwrap();
        params
    })
}

#[test]
fn all_ranks_get_the_mean_of_their_weights() {
    let all = averaged(3);
    assert!(all.iter().all(|params| *params == all[0]));
    for (model, params) in all[0].iter().enumerate() {
        for (place, value) in params.values[weight(0)].iter().enumerate() {
            let of = |rank: u64| {
                f64::from(Params::init(&SHAPE, 10 * rank + model as u64, Init::Report).values[weight(0)][place])
            };
            assert_eq!(*value, ((of(0) + of(1) + of(2)) / 3.0) as f32);
        }
    }
    assert_eq!(averaged(3), all);
}

#[test]
fn alone_the_weights_are_unchanged() {
    let ranks = Ranks::alone();
    let mut params = models(&ranks);
    ranks.average(&mut params, 7, &Signals::default()).unwrap();
    assert_eq!(params, models(&ranks));
}

#[test]
fn ranks_at_different_steps_are_an_internal_error() {
    let signals = Signals::default();
    let all = on_ranks(2, |ranks| {
        let step = ranks.rank() as u64;
        if ranks.is_first() {
            return ranks.average(&mut models(&ranks), step, &signals).unwrap_err().to_string();
        }
        ranks.send(0, &step).map(|()| String::new()).unwrap()
    });
    assert!(all[0].contains("rank 1 averages at step 1, rank 0 at 0"), "{}", all[0]);
}

#[test]
fn an_error_on_one_rank_reaches_all() {
    let all = on_ranks(3, |ranks| {
        let mine = if ranks.rank() == 2 { Err(Error::Gpu("no GPU".into())) } else { Ok(()) };
        ranks.agree(mine, |()| String::new()).unwrap_err()
    });
    for error in all {
        assert_eq!((error.exit_code(), error.to_string()), (5, "rank 2: no GPU".into()));
    }
}

#[test]
fn ranks_with_other_images_are_refused() {
    for (digests, agree) in [(["a", "a", "a"], true), (["a", "b", "a"], false)] {
        let all = on_ranks(3, |ranks| ranks.agree(Ok(digests[ranks.rank()]), ToString::to_string));
        assert!(all.iter().all(|one| one.is_ok() == agree));
        if let Err(error) = &all[2] {
            assert!(error.to_string().contains("rank 1: has other images"), "{error}");
        }
    }
}

#[test]
fn the_first_ranks_result_or_error_reaches_all() {
    let made = on_ranks(3, |ranks| {
        let made = ranks.first(|| Ok(ranks.rank())).unwrap();
        (made, ranks.tell(made.map(|_| 17)).unwrap())
    });
    assert_eq!(made, [(Some(0), Some(17)), (None, Some(17)), (None, Some(17))]);
    let failed = on_ranks(2, |ranks| ranks.first(|| -> Result<()> { Err(Error::Usage("no".into())) }).unwrap_err());
    assert!(failed.iter().all(|error| error.exit_code() == 2 && error.to_string() == "no"));
}

#[test]
fn processes_that_cannot_join_are_refused() {
    let two = |name: &str| (name == "OMPI_COMM_WORLD_SIZE").then(|| "2".to_owned());
    let error = Ranks::alone().expect_joined(two).unwrap_err();
    assert!(error.exit_code() == 2 && error.to_string().contains("--features mpi"), "{error}");
    assert!(Ranks::alone().expect_joined(|_| Some("1".into())).is_ok());
    assert!(Ranks::alone().expect_joined(|_| None).is_ok());
    assert!(on_ranks(2, |ranks| ranks.expect_joined(two).is_ok()).iter().all(|joined| *joined));
}
