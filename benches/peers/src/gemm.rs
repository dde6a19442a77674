//! C ← A·B, row-major, plain and transposed, by gradkern and by each library that multiplies.

use crate::data::{Buffer, matrix_mut};
use crate::limits::Work;
use crate::measure::Contender;
use crate::python::Python;
use crate::training::NETWORKS;
use candle_core::{Device, Tensor};
use gradkern::{MatRef, Par};
use serde::Serialize;
use std::cell::RefCell;
use std::rc::Rc;

/// What a product computes in a network.
#[derive(Clone, Copy, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Layout {
    /// inputs·weights: both operands as they lie.
    Plain,
    /// inputsᵀ·grad_output: the first operand's transpose lies in memory.
    ATransposed,
    /// grad_output·weightsᵀ: the second operand's.
    BTransposed,
}

/// One product: A is m × k, B is k × n.
#[derive(Clone, Copy, PartialEq, Serialize)]
pub struct Case {
    pub m: usize,
    pub n: usize,
    pub k: usize,
    pub layout: Layout,
}

/// m, n, k.
const PLAIN: [(usize, usize, usize); 10] = [
    (300, 64, 2),
    (300, 3, 64),
    (1, 1024, 1024),
    (8, 1024, 1024),
    (32, 512, 784),
    (128, 512, 784),
    (128, 10, 512),
    (256, 1024, 1024),
    (1024, 1024, 1024),
    (2048, 2048, 2048),
];

/// The plain products, then those of the networks' gradients.
pub fn cases() -> Vec<Case> {
    let plain = PLAIN.map(|(m, n, k)| Case { m, n, k, layout: Layout::Plain });
    let grad_weights = NETWORKS.iter().flat_map(|network| {
        network.layers().map(|(n_inputs, n_neurons)| Case {
            m: n_inputs,
            n: n_neurons,
            k: network.batch,
            layout: Layout::ATransposed,
        })
    });
    let grad_inputs = NETWORKS.iter().flat_map(|network| {
        network.layers().skip(1).map(|(n_inputs, n_neurons)| Case {
            m: network.batch,
            n: n_inputs,
            k: n_neurons,
            layout: Layout::BTransposed,
        })
    });
    plain.into_iter().chain(grad_weights).chain(grad_inputs).collect()
}

impl Case {
    pub fn table(&self) -> &'static str {
        match self.layout {
            Layout::Plain => "gemm, plain",
            Layout::ATransposed => "gemm, inputsᵀ·grad_output",
            Layout::BTransposed => "gemm, grad_output·weightsᵀ",
        }
    }

    pub fn name(&self) -> String {
        format!("m{} n{} k{}", self.m, self.n, self.k)
    }

    pub fn work(&self) -> Work {
        let Case { m, n, k, .. } = self;
        Work { flops: (2 * m * n * k) as f64, bytes: 4 * (m * k + k * n + m * n) }
    }

    fn a<'a>(&self, data: &'a [f32]) -> Operand<'a> {
        Operand::new(data, self.m, self.k, self.layout == Layout::ATransposed)
    }

    fn b<'a>(&self, data: &'a [f32]) -> Operand<'a> {
        Operand::new(data, self.k, self.n, self.layout == Layout::BTransposed)
    }
}

/// A matrix to read: its elements, row-major or, transposed, column-major.
#[derive(Clone, Copy)]
pub struct Operand<'a> {
    data: &'a [f32],
    rows: usize,
    cols: usize,
    row_stride: usize,
    col_stride: usize,
}

impl<'a> Operand<'a> {
    pub fn new(data: &'a [f32], rows: usize, cols: usize, transposed: bool) -> Self {
        assert_eq!(data.len(), rows * cols);
        let (row_stride, col_stride) = if transposed { (1, rows) } else { (cols, 1) };
        Operand { data, rows, cols, row_stride, col_stride }
    }

    /// The first element's address, the row stride and the column stride.
    fn raw(self) -> (*const f32, isize, isize) {
        (self.data.as_ptr(), self.row_stride as isize, self.col_stride as isize)
    }
}

/// A library's product of two matrices into the third, with a number of threads.
pub type Product = fn(Operand<'_>, Operand<'_>, &mut [f32], usize);

pub const LIBRARIES: [(&str, Product); 5] = [
    ("gradkern", gradkern),
    ("matrixmultiply", matrixmultiply),
    ("gemm", gemm),
    ("faer", faer),
    ("gemmkit", gemmkit),
];

/// All who compute this product, in the same memory; gradkern is the first.
pub fn contenders<'a>(case: Case, threads: usize, python: Option<&Python>) -> Vec<Contender<'a>> {
    let memory = Memory {
        a: Buffer::normal(case.m * case.k),
        b: Buffer::normal(case.k * case.n),
        c: Buffer::zeros(case.m * case.n),
    };
    let memory = Rc::new(RefCell::new(memory));
    let mut expected = Vec::new();
    let mut contenders = Vec::new();
    for (name, library) in LIBRARIES {
        memory.borrow_mut().c.fill(f32::NAN);
        memory.borrow_mut().product(case, library, threads);
        if name == "gradkern" {
            expected = memory.borrow().c.to_vec();
        }
        memory.borrow().check(name, case, &memory.borrow().c, &expected);
        let memory = memory.clone();
        contenders.push(Contender::new(name, move || {
            memory.borrow_mut().product(case, library, threads);
        }));
    }
    contenders.push(candle(case, &memory.borrow(), &expected).expect("a product by candle"));
    contenders.extend(python.iter().flat_map(|python| python.contenders("gemm", &case)));
    contenders
}

/// The elements of a product's three matrices.
struct Memory {
    a: Buffer,
    b: Buffer,
    c: Buffer,
}

impl Memory {
    fn product(&mut self, case: Case, library: Product, threads: usize) {
        library(case.a(&self.a), case.b(&self.b), &mut self.c, threads);
    }

    /// Panics if a library did not compute the product that gradkern computed: then it was called
    /// wrongly, and its time says nothing.
    fn check(&self, name: &str, case: Case, found: &[f32], expected: &[f32]) {
        let largest = |data: &[f32]| data.iter().fold(0.0_f32, |largest, x| largest.max(x.abs()));
        // An element of |A|·|B| at most; each library is within (k + 2)·ε of it.
        let scale = case.k as f32 * largest(&self.a) * largest(&self.b);
        let bound = 2.0 * (case.k + 2) as f32 * f32::EPSILON * scale;
        let agree = found.iter().zip(expected).all(|(a, b)| (a - b).abs() <= bound);
        assert!(
            agree && found.len() == expected.len(),
            "{name} computes another product of {}",
            case.name()
        );
    }
}

fn gradkern(a: Operand<'_>, b: Operand<'_>, c: &mut [f32], threads: usize) {
    fn view(from: Operand<'_>) -> MatRef<'_, f32> {
        let Operand { data, rows, cols, row_stride, col_stride } = from;
        MatRef::with_strides(data, rows, cols, row_stride, col_stride).expect("a matrix")
    }
    let c = matrix_mut(c, a.rows, b.cols);
    let par = if threads == 1 { Par::Seq } else { Par::Rayon };
    gradkern::gemm::gemm(1.0, view(a), view(b), 0.0, c, par).expect("shapes that fit");
}

fn matrixmultiply(a: Operand<'_>, b: Operand<'_>, c: &mut [f32], _: usize) {
    let (m, k, n) = (a.rows, a.cols, b.cols);
    assert_eq!(c.len(), m * n);
    let ((a, rsa, csa), (b, rsb, csb)) = (a.raw(), b.raw());
    let c = c.as_mut_ptr();
    // SAFETY: a and b have these shapes and strides, and c has m × n elements.
    unsafe {
        ::matrixmultiply::sgemm(m, k, n, 1.0, a, rsa, csa, b, rsb, csb, 0.0, c, n as isize, 1);
    }
}

fn gemm(a: Operand<'_>, b: Operand<'_>, c: &mut [f32], threads: usize) {
    let (m, k, n) = (a.rows, a.cols, b.cols);
    assert_eq!(c.len(), m * n);
    let ((a, rsa, csa), (b, rsb, csb)) = (a.raw(), b.raw());
    let (c, rsc, csc) = (c.as_mut_ptr(), n as isize, 1);
    let parallelism = match threads {
        1 => ::gemm::Parallelism::None,
        threads => ::gemm::Parallelism::Rayon(threads),
    };
    // SAFETY: a and b have these shapes and strides, and c has m × n elements.
    unsafe {
        ::gemm::gemm(
            m,
            n,
            k,
            c,
            csc,
            rsc,
            false,
            a,
            csa,
            rsa,
            b,
            csb,
            rsb,
            0.0,
            1.0,
            false,
            false,
            false,
            parallelism,
        );
    }
}

fn faer(a: Operand<'_>, b: Operand<'_>, c: &mut [f32], threads: usize) {
    use ::faer::{Accum, Par, linalg::matmul::matmul};
    fn view(from: Operand<'_>) -> ::faer::MatRef<'_, f32> {
        let Operand { data, rows, cols, .. } = from;
        if from.col_stride == 1 {
            ::faer::MatRef::from_row_major_slice(data, rows, cols)
        } else {
            ::faer::MatRef::from_column_major_slice(data, rows, cols)
        }
    }
    let c = ::faer::MatMut::from_row_major_slice_mut(c, a.rows, b.cols);
    let par = if threads == 1 { Par::Seq } else { Par::rayon(threads) };
    matmul(c, Accum::Replace, view(a), view(b), 1.0, par);
}

fn gemmkit(a: Operand<'_>, b: Operand<'_>, c: &mut [f32], threads: usize) {
    use ::gemmkit::{MatMut, Parallelism};
    fn view(from: Operand<'_>) -> ::gemmkit::MatRef<'_, f32> {
        let (_, row_stride, col_stride) = from.raw();
        ::gemmkit::MatRef::new(from.data, from.rows, from.cols, row_stride, col_stride)
    }
    let c = MatMut::from_row_major(c, a.rows, b.cols);
    let parallelism = if threads == 1 { Parallelism::Serial } else { Parallelism::Rayon(threads) };
    ::gemmkit::gemm(1.0, view(a), view(b), 0.0, c, parallelism);
}

/// candle's tensors are immutable: a product makes a new one.
fn candle<'a>(case: Case, memory: &Memory, expected: &[f32]) -> candle_core::Result<Contender<'a>> {
    let tensor = |from: Operand<'_>| {
        if from.col_stride == 1 {
            Tensor::from_slice(from.data, (from.rows, from.cols), &Device::Cpu)
        } else {
            Tensor::from_slice(from.data, (from.cols, from.rows), &Device::Cpu)?.t()
        }
    };
    let a = tensor(case.a(&memory.a))?;
    let b = tensor(case.b(&memory.b))?;
    memory.check("candle", case, &a.matmul(&b)?.flatten_all()?.to_vec1()?, expected);
    Ok(Contender::new("candle", move || {
        std::hint::black_box(a.matmul(&b).expect("shapes that fit"));
    }))
}
