//! The functions that have nothing to refuse: whatever they are given, they return.

use gradkern::dense_cross_entropy::Workspace;
use gradkern::gradcheck::{CheckOptions, Difference, check, derivative};
use gradkern::{Init, Labels, MatMut, MatRef, Mlp, Par, Rng, datasets, isa};

/// A function's name, and calls of it with the largest and smallest arguments it takes.
type Case = (&'static str, fn());

/// All of them.
pub fn cases() -> Vec<Case> {
    [views(), mutable_views(), networks(), others()].concat()
}

/// 3 × 2 elements; none of 2⁶³ − 1 rows; 2⁵⁰ × 2⁵⁰, all in one place.
fn readable() -> [MatRef<'static, f32>; 3] {
    [
        MatRef::with_strides(&[1.0; 9], 3, 2, 3, 2).expect("a spread matrix"),
        MatRef::new(&[], usize::MAX, 0).expect("a matrix without columns"),
        MatRef::with_strides(&[1.0], 1 << 50, 1 << 50, 0, 0).expect("a number, again and again"),
    ]
}

/// Extents that lie inside, at the end, and far outside.
const PLACES: [usize; 4] = [0, 1, 3, usize::MAX];

fn views() -> Vec<Case> {
    vec![
        ("MatRef::t", || readable().iter().for_each(|m| assert_eq!(m.t().t().shape(), m.shape()))),
        ("MatRef::get", || {
            for m in readable() {
                assert!(PLACES.iter().all(|&i| m.get(i, usize::MAX).is_none()));
                assert!(PLACES.iter().all(|&i| m.get(usize::MAX, i).is_none()));
            }
        }),
        ("MatRef::row", || {
            for m in readable() {
                assert!(PLACES.iter().all(|&i| m.row(i).is_none_or(<[f32]>::is_empty)));
            }
        }),
        ("MatRef::as_slice", || {
            let empty = readable().map(|m| m.as_slice().map(<[f32]>::len));
            assert_eq!(empty, [None, Some(0), None]);
        }),
        ("MatRef::rows", || assert_eq!(readable().map(|m| m.rows()), [3, usize::MAX, 1 << 50])),
        ("MatRef::cols", || assert_eq!(readable().map(|m| m.cols()), [2, 0, 1 << 50])),
        ("MatRef::shape", || assert_eq!(readable()[0].shape(), (3, 2))),
        ("MatRef::row_stride", || assert_eq!(readable().map(|m| m.row_stride()), [3, 0, 0])),
        ("MatRef::col_stride", || assert_eq!(readable().map(|m| m.col_stride()), [2, 1, 0])),
        ("MatRef::is_empty", || assert_eq!(readable().map(|m| m.is_empty()), [false, true, false])),
        ("MatRef::rows_are_slices", || {
            assert_eq!(readable().map(|m| m.rows_are_slices()), [false, true, false]);
        }),
    ]
}

/// Calls `f` with 3 × 2 elements, and with none of 2⁶⁴ − 1 rows.
fn writable(f: impl Fn(MatMut<'_, f32>)) {
    f(MatMut::with_strides(&mut [1.0; 9], 3, 2, 3, 2).expect("a spread matrix"));
    f(MatMut::new(&mut [], usize::MAX, 0).expect("a matrix without columns"));
}

fn mutable_views() -> Vec<Case> {
    vec![
        ("MatMut::t", || writable(|m| assert!(m.t().t().rows() > 2))),
        ("MatMut::as_ref", || writable(|m| assert_eq!(m.as_ref().shape(), m.shape()))),
        ("MatMut::reborrow", || writable(|mut m| assert_eq!(m.reborrow().shape(), m.shape()))),
        ("MatMut::get_mut", || {
            writable(|mut m| assert!(PLACES.iter().all(|&i| m.get_mut(i, usize::MAX).is_none())));
            writable(|mut m| assert!(PLACES.iter().all(|&i| m.get_mut(usize::MAX, i).is_none())));
        }),
        ("MatMut::row_mut", || {
            writable(|mut m| {
                assert!(PLACES.iter().all(|&i| m.row_mut(i).is_none_or(|row| row.is_empty())));
            });
        }),
        ("MatMut::into_slice", || {
            writable(|m| assert!(m.into_slice().is_none_or(|slice| slice.is_empty())));
        }),
        ("MatMut::fill", || writable(|mut m| m.fill(f32::NAN))),
        ("MatMut::rows", || writable(|m| assert!([3, usize::MAX].contains(&m.rows())))),
        ("MatMut::cols", || writable(|m| assert!([2, 0].contains(&m.cols())))),
        ("MatMut::shape", || writable(|m| assert_eq!(m.shape(), (m.rows(), m.cols())))),
        ("MatMut::row_stride", || writable(|m| assert!([3, 0].contains(&m.row_stride())))),
        ("MatMut::col_stride", || writable(|m| assert!([2, 1].contains(&m.col_stride())))),
        ("MatMut::is_empty", || writable(|m| assert_eq!(m.is_empty(), m.cols() == 0))),
        ("MatMut::rows_are_slices", || {
            writable(|m| assert_eq!(m.rows_are_slices(), m.is_empty()));
        }),
        ("Init::fill", || {
            for init in [Init::Book, Init::HeNormal, Init::HeUniform, Init::GlorotUniform] {
                writable(|m| init.fill(m, &mut Rng::new(0)));
                writable(|m| init.fill(m.t(), &mut Rng::new(0)));
            }
        }),
    ]
}

/// A small network, and those without inputs, neurons or classes.
fn mlps() -> Vec<Mlp<f64>> {
    let sizes: [&[usize]; 5] = [&[2, 4, 3], &[0, 0], &[0, 3], &[1 << 62, 0, 5], &[1, 0]];
    sizes.map(|sizes| Mlp::new(sizes, Init::HeNormal, u64::MAX).expect("sizes that fit")).into()
}

fn networks() -> Vec<Case> {
    vec![
        ("Mlp::set_par", || mlps().iter_mut().for_each(|mlp| mlp.set_par(Par::Seq))),
        ("Mlp::sizes", || mlps().iter().for_each(|mlp| assert!(mlp.sizes().len() > 1))),
        ("Mlp::layers", || mlps().iter().for_each(|mlp| assert!(mlp.layers() > 0))),
        ("Mlp::parameters", || assert_eq!(mlps()[3].parameters(), [0.0; 5])),
        ("Mlp::parameters_mut", || assert!(mlps()[4].parameters_mut().is_empty())),
        ("Mlp::gradients", || mlps().iter().for_each(|mlp| assert!(mlp.gradients().is_empty()))),
        ("Mlp::parameters_and_gradients", || {
            for mut mlp in mlps() {
                assert!(mlp.parameters_and_gradients().1.is_empty());
            }
        }),
    ]
}

fn others() -> Vec<Case> {
    vec![
        ("Rng::new", || assert_ne!(Rng::new(0), Rng::new(u64::MAX))),
        ("Rng::normal", || assert!(Rng::new(u64::MAX).normal().is_finite())),
        ("Rng::uniform", || assert!(Rng::new(u64::MAX).uniform() < 1.0)),
        ("Rng::below", || {
            assert_eq!([0, 1].map(|n| Rng::new(0).below(n)), [0, 0]);
            assert!(Rng::new(0).below(usize::MAX) < usize::MAX);
        }),
        ("Rng::shuffle", || {
            Rng::new(0).shuffle::<u8>(&mut []);
            Rng::new(0).shuffle(&mut [1]);
        }),
        ("Workspace::new", || assert_eq!(Workspace::<f32>::new().bytes(), 0)),
        ("Workspace::bytes", || assert_eq!(Workspace::<f64>::default().bytes(), 0)),
        ("Dataset::inputs", || {
            let mut data = datasets::spiral::<f32>(1, 1, 0).expect("a point");
            data.inputs.push(0.5);
            assert_eq!(data.inputs().shape(), (1, 2));
        }),
        ("Dataset::samples", || {
            assert_eq!(datasets::vertical::<f32>(0, 0, 0).expect("nothing").samples(), 0);
        }),
        ("Isa::name", || isa::available().for_each(|isa| assert!(!isa.name().is_empty()))),
        ("isa::available", || assert!(isa::available().count() > 0)),
        ("Labels::len", || assert_eq!(Labels::Usize(&[usize::MAX]).len(), 1)),
        ("Labels::is_empty", || assert!(Labels::I64(&[]).is_empty())),
        ("Difference::forward", || assert!(slope(Difference::forward()).is_finite())),
        ("Difference::central", || assert!(slope(Difference::central()).is_finite())),
        ("gradcheck::derivative", || {
            for delta in [0.0, -1.0, f64::NAN, f64::INFINITY] {
                slope(Difference::Forward { delta });
                slope(Difference::Central { delta });
            }
        }),
        ("Report::passed", || {
            let options = CheckOptions::default();
            let report = check(|_| f64::NAN, &mut [f64::NAN], &[f64::NAN], &options);
            assert!(!report.expect("a report").passed());
        }),
    ]
}

fn slope(difference: Difference<f64>) -> f64 {
    derivative(|x| x * x, 1.0, difference)
}
