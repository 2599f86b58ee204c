#![allow(clippy::float_cmp, reason = "ends of ranges and listed values are exact")]

use super::*;

fn space(sample: Sample, axes: &[&str], trials: Option<usize>) -> Space {
    Space::new(sample, axes.iter().map(|axis| axis.parse().unwrap()).collect(), trials).unwrap()
}

fn refused(sample: Sample, axes: &[&str], trials: Option<usize>) -> String {
    let error = Space::new(sample, axes.iter().map(|axis| axis.parse().unwrap()).collect(), trials).unwrap_err();
    assert_eq!(error.exit_code(), 2);
    error.to_string()
}

fn column(points: &[Vec<Value>], axis: usize) -> Vec<f64> {
    let number = |value: &Value| if let Value::Number(value) = value { *value } else { panic!("{value:?}") };
    points.iter().map(|point| number(&point[axis])).collect()
}

fn numbers(values: &[f64]) -> Vec<Value> {
    values.iter().copied().map(Value::Number).collect()
}

#[test]
fn several_ranges_of_a_parameter_share_the_trials() {
    let points = space(Sample::Uniform, &["1:2", "5:6", "8:9"], Some(7)).points(3);
    let range = |value: f64| [1.0, 5.0, 8.0].iter().position(|low| (*low..=low + 1.0).contains(&value)).unwrap();
    let ranges: Vec<_> = column(&points, 0).into_iter().map(range).collect();
    assert_eq!(ranges, [0, 0, 0, 1, 1, 2, 2]);
}

#[test]
fn powers_of_ten_are_equally_likely() {
    let points = space(Sample::LogUniform, &["1e-5:1e-1"], Some(4000)).points(0);
    for power in -5..-1 {
        let within = |value: &f64| *value >= 10_f64.powi(power) && *value < 10_f64.powi(power + 1);
        let count = column(&points, 0).iter().filter(|value| within(value)).count();
        // 1,000 are expected; the deviation is 27.
        assert!((865..1135).contains(&count), "{count} values from 1e{power}");
    }
    assert!(column(&points, 0).iter().all(|value| (1e-5..=1e-1).contains(value)));
}

#[test]
fn a_trials_values_depend_on_the_seed_and_its_number_alone() {
    let few = space(Sample::LogUniform, &["1e-5:1e-1"], Some(3)).points(7);
    let many = space(Sample::LogUniform, &["1e-5:1e-1"], Some(11)).points(7);
    assert_eq!(few, many[..3]);
    assert_ne!(few, space(Sample::LogUniform, &["1e-5:1e-1"], Some(3)).points(8));
}

#[test]
fn a_grid_has_both_ends_and_even_steps_in_the_logarithm() {
    let points = column(&space(Sample::Grid, &["1e-4:1e-1"], Some(4)).points(0), 0);
    assert_eq!((points[0], points[3]), (1e-4, 1e-1));
    approx::assert_relative_eq!(points[1], 1e-3, max_relative = 1e-12);
    approx::assert_relative_eq!(points[2], 1e-2, max_relative = 1e-12);
}

#[test]
fn a_grid_over_two_parameters_is_their_product() {
    let points = space(Sample::Grid, &["lambda=1e-4:1e-2", "hidden=10:90"], Some(9)).points(0);
    assert_eq!(column(&points, 1), [10.0, 30.0, 90.0].repeat(3));
    assert_eq!([points[0][0].clone(), points[8][0].clone()][..], numbers(&[1e-4, 1e-2]));
    let error = refused(Sample::Grid, &["lambda=1e-4:1e-2", "hidden=10:90"], Some(10));
    assert!(error.contains("--trials 10") && error.contains("9 would work"), "{error}");
}

#[test]
fn lists_combine_and_count_themselves() {
    let space = space(Sample::List, &["seed=4,5", "lambda=0,0.1,0.2"], None);
    assert_eq!(space.trials, 6);
    assert_eq!(space.parameters(), [Parameter::SEED, Parameter::LAMBDA]);
    let points = [[4.0, 0.0], [4.0, 0.1], [4.0, 0.2], [5.0, 0.0]];
    assert_eq!(space.points(0)[..4], points.map(|point| numbers(&point)));
}

#[test]
fn integers_are_rounded_within_their_range() {
    let points = space(Sample::LogUniform, &["half-cycle=3:8"], Some(40)).points(1);
    assert!(column(&points, 0).iter().all(|value| value.fract() == 0.0 && (3.0..=8.0).contains(value)));
}

#[test]
fn the_best_regions_reach_to_their_neighbours() {
    let space = space(Sample::LogUniform, &["1:1000"], Some(5));
    // Best first; 20 lies inside the region of 10, from 2 to 20.
    let ranked = [[10.0], [20.0], [500.0], [2.0], [100.0]].map(|point| numbers(&point));
    let points = column(&space.refined_points(&ranked, 2, 0, 5), 0);
    assert_eq!(points.len(), 5);
    assert!(points[..3].iter().all(|value| (2.0..=20.0).contains(value)), "{points:?}");
    assert!(points[3..].iter().all(|value| (100.0..=1000.0).contains(value)), "{points:?}");
}

#[test]
fn a_region_stays_in_its_own_range() {
    let space = space(Sample::Uniform, &["1:2", "8:9"], Some(4));
    let ranked = [[1.9], [8.5], [1.2], [8.1]].map(|point| numbers(&point));
    let points = column(&space.refined_points(&ranked, 1, 0, 4), 0);
    assert!(points.iter().all(|value| (1.2..=2.0).contains(value)), "{points:?}");
}

#[test]
fn what_cannot_be_sampled_is_refused_by_name() {
    for (axis, part) in [
        ("lambda=1", "1"),
        ("hiden=1:2", "no parameter hiden"),
        ("2:1", "lambda=1:2"),
        ("a:b", "\"a\" is not a number"),
        ("-1:1", "0 or more"),
        ("nan:1", "0 or more"),
        ("hidden=1.5:3", "an integer"),
        ("1e400:2", "finite"),
        ("hidden=50-:3", "layers joined by -"),
        ("hidden=50-60:3", "50-60 is no end of a range"),
        ("schedule=cosin", "expected one of `triangular`"),
        ("schedule=step:cosine", "list the values"),
        ("momentum=x", "\"x\" is not a number"),
    ] {
        match axis.parse::<Axis>() {
            Ok(axis) => assert_eq!(axis.span, Span::Values(numbers(&[1.0]))),
            Err(error) => assert!(error.to_string().contains(part), "{part} in: {error}"),
        }
    }
    assert!(refused(Sample::LogUniform, &["0:1"], None).contains("no logarithm"));
    assert!(refused(Sample::Uniform, &["1,2"], None).contains("--sample list"));
    assert!(refused(Sample::List, &["1:2"], None).contains("--sample list takes values"));
    assert!(refused(Sample::List, &["1,2"], Some(3)).contains("--trials 3"));
    assert!(refused(Sample::Uniform, &["1:2", "3:4"], Some(1)).contains("expected 2 or more"));
    assert!(refused(Sample::Uniform, &[], None).contains("--range"));
}

#[test]
fn an_axis_is_read_back_as_it_was_written() {
    for text in [
        "lambda=1e-5:1e-1",
        "hidden=10:300",
        "seed=0,1,2",
        "hidden=50,512-256,none",
        "flip=none,random",
        "lambda=1.68608400995603e-5,2e-3",
    ] {
        assert_eq!(text.parse::<Axis>().unwrap().to_string(), text);
    }
}

#[test]
fn listed_values_are_drawn_beside_a_range_each_as_likely() {
    let space = space(Sample::LogUniform, &["lambda=1e-4:1e-1", "hidden=50,512-256,none"], Some(300));
    let points = space.points(0);
    for value in [Value::Number(50.0), Value::Word("512-256".into()), Value::Word("none".into())] {
        let count = points.iter().filter(|point| point[1] == value).count();
        // 100 are expected; the deviation is 8.
        assert!((60..140).contains(&count), "{count} of {value:?}");
    }
    assert!(column(&points, 0).iter().all(|value| (1e-4..=1e-1).contains(value)));
    let best = vec![Value::Number(1e-2), Value::Word("none".into())];
    let refined = space.refined_points(&[best, numbers(&[1e-1, 50.0]), numbers(&[1e-3, 50.0])], 1, 0, 300);
    assert!(refined.iter().all(|point| point[1] == Value::Word("none".into())));
    assert!(column(&refined, 0).iter().all(|value| (1e-3..=1e-1).contains(value)));
}
