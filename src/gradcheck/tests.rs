mod kinks;

use super::*;

/// A check with the default options.
fn checked(f: impl FnMut(&[f64]) -> f64, point: &[f64], analytical: &[f64]) -> Report {
    let mut moved = point.to_vec();
    let report = check(f, &mut moved, analytical, &CheckOptions::default()).unwrap();
    assert!(moved.iter().zip(point).all(|(a, b)| a.to_bits() == b.to_bits()));
    assert_eq!(report.elements, point.len());
    report
}

/// A check of a function of one number.
fn checked_at(f: impl Fn(f64) -> f64, x: f64, analytical: f64) -> Report {
    checked(|p| f(p[0]), &[x], &[analytical])
}

fn relu(x: f64) -> f64 {
    x.max(0.0)
}

/// Right, and not for being near a kink.
fn is_right(report: &Report) -> bool {
    report.passed() && report.kinks.is_empty()
}

fn is_kink(report: &Report) -> bool {
    report.passed() && report.kinks == [0]
}

fn is_wrong(report: &Report) -> bool {
    !report.passed() && report.kinks.is_empty()
}

#[test]
fn the_books_derivative() {
    // Chapter 7: the slope of 2x² at 1, and at 0 to 4.
    let f = |x: f64| 2.0 * x * x;
    assert_eq!(derivative(f, 1.0, Difference::forward()), 4.0001999999987845);
    for x in 0..5 {
        let x = f64::from(x);
        // The book's own expression, with x2 = x1 + delta.
        let x2 = x + 0.0001;
        let expected = (f(x2) - f(x)) / (x2 - x);
        assert_eq!(derivative(f, x, Difference::forward()), expected);
        assert!((derivative(f, x, Difference::central()) - 4.0 * x).abs() <= 1e-9);
    }
}

#[test]
fn differences_err_as_documented() {
    for x in [-2.0, -0.3, 0.0, 0.7, 3.0_f64] {
        let forward = derivative(f64::exp, x, Difference::forward());
        assert!((forward - x.exp() * (1.0 + 0.5e-4)).abs() <= 1e-8 * x.exp());
        let central = derivative(f64::exp, x, Difference::central());
        // δ²/6, and rounding of half a unit in two values over 2δ, plus that of x ± δ.
        assert!((central - x.exp()).abs() <= 1e-10 * x.exp());
    }
    let slope = derivative(|x: f32| x * x, 3.0, Difference::Central { delta: 0.01 });
    assert!((slope - 6.0).abs() <= 1e-3);
    assert!(derivative(f64::exp, 1.0, Difference::Central { delta: 0.0 }).is_nan());
    assert!(derivative(f64::exp, 1e20, Difference::forward()).is_nan());
}

#[test]
fn gradients_leave_the_point_as_it_was() {
    let original = [1.0 / 3.0, -0.0, 1e300, f64::MIN_POSITIVE, 0.1];
    for difference in [Difference::forward(), Difference::central()] {
        let (mut point, mut slopes) = (original, [f64::NAN; 5]);
        let f = |p: &[f64]| {
            let moved = (0..5).filter(|&i| p[i].to_bits() != original[i].to_bits()).count();
            assert!(moved <= 1);
            p[0] + 2.0 * p[1] - 3.0 * p[4]
        };
        gradient(f, &mut point, difference, &mut slopes).unwrap();
        assert_eq!(point.map(f64::to_bits), original.map(f64::to_bits));
        // δ vanishes beside 1e300: both points are one, so the slope is 0 / 0.
        assert!(slopes[2].is_nan());
        for (i, expected) in [(0, 1.0), (1, 2.0), (3, 0.0), (4, -3.0)] {
            assert!((slopes[i] - expected).abs() <= 1e-10, "{slopes:?}");
        }
    }
}

#[test]
fn gradients_take_n_plus_1_or_2n_calls() {
    for (difference, expected) in [(Difference::forward(), 6), (Difference::central(), 10)] {
        let mut calls = 0;
        let f = |p: &[f64]| {
            calls += 1;
            p.iter().sum()
        };
        gradient(f, &mut [1.0; 5], difference, &mut [0.0; 5]).unwrap();
        assert_eq!(calls, expected);
    }
}

#[test]
fn gradients_of_no_elements_need_no_call() {
    let f = |_: &[f64]| panic!("called");
    gradient(f, &mut [], Difference::forward(), &mut []).unwrap();
    let report = checked(f, &[], &[]);
    assert!(report.passed() && report.worst.is_none());
}

#[test]
fn bad_arguments_are_refused_before_the_first_call() {
    let f = |_: &[f64]| panic!("called");
    let (mut point, mut slopes) = ([1.0, 2.0], [7.0; 3]);
    let error = gradient(f, &mut point, Difference::forward(), &mut slopes).unwrap_err();
    assert_eq!(error.to_string(), "`gradient`: expected 2 elements, found 3");
    let options = CheckOptions::default();
    let error = check(f, &mut point, &[1.0], &options).unwrap_err();
    assert_eq!(error.to_string(), "`analytical`: expected 2 elements, found 1");

    for bad in [0.0, -1e-5, f64::NAN, f64::INFINITY] {
        for difference in [Difference::Forward { delta: bad }, Difference::Central { delta: bad }] {
            let expected = format!("`delta`: expected a finite number above 0, found {bad}");
            let error = gradient(f, &mut point, difference, &mut slopes[..2]).unwrap_err();
            assert_eq!(error.to_string(), expected);
            let options = CheckOptions { difference, ..options };
            let error = check(f, &mut point, &[1.0; 2], &options).unwrap_err();
            assert_eq!(error.to_string(), expected);
        }
    }
    for bad in [-1e-9, f64::NAN, f64::INFINITY] {
        let not = |name| format!("`{name}`: expected a finite number of at least 0, found {bad}");
        let error = check(f, &mut point, &[1.0; 2], &CheckOptions { rtol: bad, ..options });
        assert_eq!(error.unwrap_err().to_string(), not("rtol"));
        let error = check(f, &mut point, &[1.0; 2], &CheckOptions { atol: bad, ..options });
        assert_eq!(error.unwrap_err().to_string(), not("atol"));
    }
    assert_eq!((point, slopes), ([1.0, 2.0], [7.0; 3]));
}

#[test]
fn wrong_elements_are_named_and_the_worst_described() {
    let f = |p: &[f64]| p[0] * p[0] + p[1] * p[2] + p[3].sin();
    let (point, right) = ([1.0, 2.0, 3.0, 0.0], [2.0, 3.0, 2.0, 1.0]);
    let report = checked(f, &point, &right);
    assert!(is_right(&report), "{report}");

    let report = checked(f, &point, &[2.0, 3.3, 2.001, 1.0]);
    assert_eq!(report.wrong, [1, 2]);
    let worst = report.worst.unwrap();
    assert_eq!((worst.index, worst.analytical), (1, 3.3));
    assert!((worst.numerical - 3.0).abs() <= 1e-9);
    assert!((worst.absolute_error - 0.3).abs() <= 1e-9);
    assert!((worst.relative_error - 0.3 / 3.3).abs() <= 1e-9);

    // Worst is measured in tolerances: 2e-6 off 1e-3 is further off than 1e-4 off 1e3.
    let f = |p: &[f64]| 1e-3 * p[0] + 1e3 * p[1];
    let options = CheckOptions { rtol: 1e-9, atol: 0.0, ..CheckOptions::default() };
    let report = check(f, &mut [0.0, 0.0], &[1e-3 + 2e-6, 1e3 + 1e-4], &options).unwrap();
    assert_eq!((report.worst.unwrap().index, report.passed()), (0, false));
}

#[test]
fn zero_gradients_agree() {
    let report = checked(|_| 4.2, &[1.0, 2.0], &[0.0, -0.0]);
    assert!(is_right(&report));
    let worst = report.worst.unwrap();
    assert_eq!((worst.index, worst.absolute_error, worst.relative_error), (0, 0.0, 0.0));
    let options = CheckOptions { rtol: 0.0, atol: 0.0, ..CheckOptions::default() };
    assert!(check(|_| 4.2, &mut [1.0], &[0.0], &options).unwrap().passed());
    assert!(!check(|_| 4.2, &mut [1.0], &[1e-300], &options).unwrap().passed());
}

#[test]
fn values_that_are_not_finite_are_wrong() {
    for bad in [f64::NAN, f64::INFINITY, f64::NEG_INFINITY] {
        let wrong = [
            checked_at(|x| x, 1.0, bad),
            checked_at(|_| bad, 1.0, 0.0),
            checked_at(|_| bad, 1.0, bad),
            checked_at(|x| if x > 1.0 { bad } else { x }, 1.0, 1.0),
            checked_at(|x| if x < 1.0 { bad } else { x }, 1.0, 1.0),
            checked_at(|x| if x == 1.0 { bad } else { relu(x - 1.0) }, 1.0, 0.3),
            checked_at(|x| x, bad, 1.0),
        ];
        for report in wrong {
            assert!(is_wrong(&report), "{report}");
            assert_eq!(report.worst.unwrap().index, 0);
        }
    }
    // Among others that are wrong, it is the worst, wherever it comes.
    for analytical in [[5.0, f64::NAN, 7.0], [5.0, f64::INFINITY, 7.0]] {
        let report = checked(|p| p.iter().sum(), &[1.0; 3], &analytical);
        assert_eq!((report.wrong.len(), report.worst.unwrap().index), (3, 1));
    }
    let infinite = CheckOptions { difference: Difference::forward(), ..CheckOptions::default() };
    let step = |p: &[f64]| if p[0] > 0.0 { f64::INFINITY } else { 0.0 };
    assert!(!check(step, &mut [0.0], &[f64::INFINITY], &infinite).unwrap().passed());
}

#[test]
fn forward_differences_are_checked_with_looser_tolerances() {
    let difference = Difference::forward();
    let options = CheckOptions { difference, rtol: 1e-3, atol: 1e-3 };
    let f = |p: &[f64]| p[0].exp() + relu(p[1]);
    for (gradient, wrong, kinks) in [
        ([1.0, 0.0], vec![], vec![1]),
        ([1.0, 1.0], vec![], vec![]),
        ([1.01, 1.5], vec![0, 1], vec![]),
    ] {
        let report = check(f, &mut [0.0, 0.0], &gradient, &options).unwrap();
        assert_eq!((report.wrong, report.kinks), (wrong, kinks), "{gradient:?}");
    }
    // With the strict tolerances, curvature misleads it, and a closer look does not.
    let strict = CheckOptions { difference, ..CheckOptions::default() };
    assert!(is_right(&check(f, &mut [0.0, 0.5], &[1.0, 1.0], &strict).unwrap()));
    assert_eq!(check(f, &mut [0.0, 0.5], &[1.00001, 1.0], &strict).unwrap().wrong, [0]);
}

#[test]
fn reports_say_what_they_found() {
    let f = |p: &[f64]| p.iter().map(|&x| relu(x)).sum::<f64>();
    let exact = |x: f64| f64::from(x > 0.0);
    let point: Vec<f64> = (0..30).map(|i| if i < 12 { 0.0 } else { f64::from(i) }).collect();
    let mut gradient: Vec<f64> = point.iter().map(|&x| exact(x)).collect();
    let report = checked(f, &point[12..14], &gradient[12..14]).to_string();
    let begin =
        "the gradient is right in all of its 2 elements; the worst is element 0: analytical 1e0";
    assert!(report.starts_with(begin), "{report}");
    let report = checked(f, &point, &gradient).to_string();
    let begin = "the gradient is right in all of its 30 elements; 12 are near a kink \
        (0, 1, 2, 3, 4, 5, 6, 7, 8, 9 and 2 more); the worst is element ";
    assert!(report.starts_with(begin), "{report}");
    gradient[20] = 1.5;
    gradient[21] = f64::NAN;
    let report = checked(f, &point[18..], &gradient[18..]).to_string();
    let begin = "the gradient is wrong in 2 of its 12 elements (2, 3); the worst is element 3: \
        analytical NaN, numerical ";
    assert!(report.starts_with(begin), "{report}");
    assert!(report.ends_with(", absolute error NaN, relative error NaN"), "{report}");
    assert_eq!(checked(f, &[], &[]).to_string(), "the gradient is right in all of its 0 elements");
}
