//! In a steady state nothing is allocated: not by a sequential training step, not by `predict`, not
//! by any kernel. An allocator counts what the testing thread asks for.
//!
//! On the portable instruction set, products are `matrixmultiply`'s, which allocates a packing
//! buffer in each call; there the count must be exactly the number of those calls, one for each group of up
//! to 40 steps of k, or 12 in `f64`.

mod common;

use common::losses::{Ignored, LossArguments, LossCase, TargetKind};
use common::{Layout, Random, Strided, to_type};
use gradkern::dense::{self, Grad, Gradients};
use gradkern::dense_cross_entropy::{Head, Workspace};
use gradkern::gemm::{gemm, gemm_batched};
use gradkern::isa::{self, Isa};
use gradkern::optimizer::{self, Adam, Momentum};
use gradkern::{
    Float, Init, MatMut, Mlp, Par, Reduction, cross_entropy, metrics, relu, softmax,
    softmax_cross_entropy,
};
use std::alloc::{GlobalAlloc, Layout as MemoryLayout, System};
use std::cell::Cell;

thread_local! {
    static COUNT: Cell<usize> = const { Cell::new(0) };
}

/// The system's allocator, counting the calls of each thread that ask for memory.
struct Counting;

fn count() {
    // A thread that is ending has no counter any more; nobody asks for it either.
    let _ = COUNT.try_with(|count| count.set(count.get() + 1));
}

// SAFETY: every call is passed on to the system's allocator as it is.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: MemoryLayout) -> *mut u8 {
        count();
        // SAFETY: the caller keeps `alloc`'s contract.
        unsafe { System.alloc(layout) }
    }

    unsafe fn alloc_zeroed(&self, layout: MemoryLayout) -> *mut u8 {
        count();
        // SAFETY: the caller keeps `alloc_zeroed`'s contract.
        unsafe { System.alloc_zeroed(layout) }
    }

    unsafe fn realloc(&self, memory: *mut u8, layout: MemoryLayout, size: usize) -> *mut u8 {
        count();
        // SAFETY: the caller keeps `realloc`'s contract; `memory` came from the same allocator.
        unsafe { System.realloc(memory, layout, size) }
    }

    unsafe fn dealloc(&self, memory: *mut u8, layout: MemoryLayout) {
        // SAFETY: the caller keeps `dealloc`'s contract; `memory` came from the same allocator.
        unsafe { System.dealloc(memory, layout) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

/// The allocations of `f`.
fn allocations(f: impl FnOnce()) -> usize {
    let before = COUNT.get();
    f();
    COUNT.get() - before
}

/// How many allocations products of so many steps of k make, each in one panel.
fn of_products<T: Float>(steps: &[usize]) -> usize {
    let group = if size_of::<T>() == 4 { 40 } else { 12 };
    let is_portable = isa::current() == Ok(Isa::Portable);
    if is_portable { steps.iter().map(|k| k.div_ceil(group)).sum() } else { 0 }
}

/// Asserts that `f`, once it has run, allocates nothing but what products of so many `steps` do.
#[track_caller]
fn assert_steady<T: Float>(what: &str, steps: &[usize], mut f: impl FnMut()) {
    f();
    let expected = of_products::<T>(steps);
    for _ in 0..3 {
        assert_eq!(allocations(&mut f), expected, "allocations of {what}");
    }
}

#[test]
fn allocations_are_counted() {
    assert_eq!(allocations(|| drop(Vec::<u8>::with_capacity(100))), 1);
    let mut grown = vec![0_u8; 100];
    assert_eq!(allocations(|| grown.reserve_exact(100)), 1);
    assert_eq!(allocations(|| drop(vec![0_u64; 100])), 1);
    assert_eq!(allocations(|| ()), 0);
}

fn random<T: Float>(rows: usize, cols: usize, layout: Layout) -> Strided<T> {
    Strided::of(&Random::new(3).matrix::<T>(rows, cols, 1.0), layout)
}

/// A batch of 100 in a network whose products fit in one panel each.
fn network<T: Float>() {
    let (batch, classes, learning_rate) = (100, 10, T::from_f64(0.1));
    let inputs = random::<T>(batch, 64, Layout::Rows);
    let inputs = inputs.view();
    let labels: Vec<u8> = (0..batch).map(|i| (i % classes) as u8).collect();
    let mut mlp = Mlp::<T>::new(&[64, 128, 65, classes], Init::HeNormal, 1).unwrap();
    // Three layers: three outputs, two gradients of inputs, three of weights.
    let steps = [64, 128, 65, classes, 65, batch, batch, batch];
    assert_steady::<T>("train_step", &steps, || {
        mlp.train_step(inputs, (&labels).into(), learning_rate).unwrap();
    });
    assert_steady::<T>("train_step_with_accuracy", &steps, || {
        mlp.train_step_with_accuracy(inputs, (&labels).into(), learning_rate).unwrap();
    });
    assert_steady::<T>("loss_and_gradients", &steps, || {
        mlp.loss_and_gradients(inputs, (&labels).into()).unwrap();
    });
    let mut p = vec![T::ZERO; batch * classes];
    assert_steady::<T>("predict", &steps[..3], || {
        mlp.predict(inputs, MatMut::new(&mut p, batch, classes).unwrap()).unwrap();
    });
    // Smaller batches use the same memory.
    let part = inputs.row_range(0..33).unwrap();
    let found = allocations(|| {
        mlp.train_step(part, (&labels[..33]).into(), learning_rate).unwrap();
    });
    let expected = of_products::<T>(&[64, 128, 65, classes, 65, 33, 33, 33]);
    assert_eq!(found, expected, "allocations of a smaller batch");
    // So does the first step after `reserve`, but for the scratch that the thread keeps.
    let mut reserved = mlp.clone();
    reserved.reserve(batch).unwrap();
    let found = allocations(|| {
        reserved.train_step(inputs, (&labels).into(), learning_rate).unwrap();
    });
    assert_eq!(found, of_products::<T>(&steps), "allocations of the first step after reserve");
}

#[test]
fn training_and_prediction() {
    network::<f32>();
    network::<f64>();
}

fn products<T: Float>(layout: Layout) {
    let (a, b) = (random::<T>(100, 70, layout), random::<T>(70, 130, layout));
    let (x, w, g) =
        (random::<T>(100, 70, layout), random::<T>(70, 130, layout), random::<T>(100, 130, layout));
    let (x, w, g) = (x.view(), w.view(), g.view());
    let mut biases: Vec<T> = to_type(&Random::new(1).numbers::<T>(130, 1.0));
    let kept = biases.clone();
    let mut output = random::<T>(100, 130, layout);
    let (mut grad_inputs, mut grad_weights) =
        (random::<T>(100, 70, layout), random::<T>(70, 130, layout));
    let half = T::from_f64(0.5);
    let (long_a, long_b) = (random::<T>(100, 170, layout), random::<T>(170, 130, layout));
    assert_steady::<T>("gemm of many steps", &[170], || {
        let (a, b) = (long_a.view(), long_b.view());
        gemm(half, a, b, half, output.view_mut(), Par::Seq).unwrap();
    });
    assert_steady::<T>("gemm", &[70], || {
        gemm(half, a.view(), b.view(), half, output.view_mut(), Par::Seq).unwrap();
    });
    assert_steady::<T>("gemm_batched", &[70], || {
        let (a, b, mut c) = ([a.view()], [b.view()], [output.view_mut()]);
        gemm_batched(T::ONE, &a, &b, T::ZERO, &mut c, Par::Seq).unwrap();
    });
    assert_steady::<T>("dense::forward", &[70], || {
        dense::forward(x, w, &kept, output.view_mut(), Par::Seq).unwrap();
    });
    assert_steady::<T>("dense::forward_relu", &[70], || {
        dense::forward_relu(x, w, &kept, output.view_mut(), Par::Seq).unwrap();
    });
    assert_steady::<T>("dense::backward", &[130, 100], || {
        let gradients = Gradients {
            inputs: Grad::Write(grad_inputs.view_mut()),
            weights: Grad::Add(grad_weights.view_mut()),
            biases: Grad::Write(&mut biases),
            inputs_are_relu: true,
        };
        dense::backward(x, w, g, gradients, Par::Seq).unwrap();
    });
    assert_steady::<T>("dense::sgd_step", &[100], || {
        let to = grad_weights.view_mut();
        dense::sgd_step(x, g, half, to, &mut biases, Par::Seq).unwrap();
    });
}

#[test]
fn products_and_layers() {
    for layout in Layout::OUTPUTS {
        products::<f32>(layout);
        products::<f64>(layout);
    }
}

/// A product that packs nothing takes no memory, though it is its thread's first.
fn small_product<T: Float>() {
    let (a, b) = (random::<T>(16, 20, Layout::Rows), random::<T>(20, 32, Layout::Rows));
    let mut c = random::<T>(16, 32, Layout::Rows);
    let expected = of_products::<T>(&[20]);
    let mut product = || {
        let product = || gemm(T::ONE, a.view(), b.view(), T::ZERO, c.view_mut(), Par::Seq).unwrap();
        allocations(product)
    };
    let found = std::thread::scope(|scope| scope.spawn(&mut product).join().unwrap());
    assert_eq!(found, expected, "allocations of a small product");
}

#[test]
fn small_products_take_no_memory() {
    small_product::<f32>();
    small_product::<f64>();
}

fn case(batch: usize, classes: usize, target: TargetKind) -> LossCase {
    LossCase {
        batch,
        classes,
        target,
        layout: Layout::PaddedColumns,
        ignored: if target.is_label() { Ignored::Class0 } else { Ignored::Nothing },
        reduction: Reduction::Mean,
        smoothing: if target == TargetKind::U8 { 0.0 } else { 0.1 },
        weighted: true,
        clip: Some(1e-7),
        upstream_per_sample: true,
        seed: 2,
    }
}

fn rows<T: Float>(batch: usize, classes: usize, layout: Layout) {
    let (x, g) = (random::<T>(batch, classes, layout), random::<T>(batch, classes, layout));
    let (x, g) = (x.view(), g.view());
    let mut output = random::<T>(batch, classes, layout);
    let seq = Par::Seq;
    assert_steady::<T>("relu", &[], || {
        relu::forward(x, output.view_mut(), seq).unwrap();
        relu::forward_in_place(output.view_mut(), seq).unwrap();
        relu::backward(x, g, output.view_mut(), seq).unwrap();
        relu::backward_in_place(x, output.view_mut(), seq).unwrap();
    });
    assert_steady::<T>("softmax", &[], || {
        softmax::forward(x, output.view_mut(), seq).unwrap();
        softmax::forward_in_place(output.view_mut(), seq).unwrap();
        softmax::backward(x, g, output.view_mut(), seq).unwrap();
        softmax::backward_in_place(x, output.view_mut(), seq).unwrap();
    });
    let (mut losses, mut indices) = (vec![T::ZERO; batch], vec![0; batch]);
    for target in [TargetKind::U8, TargetKind::I32, TargetKind::OneHot, TargetKind::Probabilities] {
        let arguments = LossArguments::<T>::new(case(batch, classes, target));
        let (targets, options, upstream) =
            (arguments.targets(), arguments.options(), arguments.upstream());
        let losses = &mut losses;
        assert_steady::<T>("softmax_cross_entropy", &[], || {
            use softmax_cross_entropy as fused;
            fused::forward(x, targets, &options, losses, seq).unwrap();
            let mut to = output.view_mut();
            fused::forward_backward(x, targets, &options, losses, to.reborrow(), seq).unwrap();
            fused::backward(x, targets, &options, upstream, to.reborrow(), seq).unwrap();
            fused::forward_backward_in_place(to, targets, &options, losses, seq).unwrap();
        });
        assert_steady::<T>("cross_entropy", &[], || {
            cross_entropy::forward(x, targets, &options, losses, seq).unwrap();
            let to = output.view_mut();
            cross_entropy::backward(x, targets, &options, upstream, to, seq).unwrap();
        });
        assert_steady::<T>("metrics", &[], || {
            metrics::accuracy(x, targets, options.ignore_index).unwrap();
            metrics::argmax(x, &mut indices).unwrap();
        });
    }
}

#[test]
fn rows_and_losses() {
    for layout in Layout::OUTPUTS {
        for (batch, classes) in [(101, 3), (101, 10), (37, 130)] {
            rows::<f32>(batch, classes, layout);
            rows::<f64>(batch, classes, layout);
        }
    }
}

fn heads<T: Float>() {
    let (batch, n_inputs, classes) = (50, 40, 130);
    let (inputs, weights) =
        (random::<T>(batch, n_inputs, Layout::Rows), random::<T>(n_inputs, classes, Layout::Rows));
    let biases = vec![T::ONE; classes];
    let arguments = LossArguments::<T>::new(case(batch, classes, TargetKind::U32));
    let head = Head {
        inputs: inputs.view(),
        weights: weights.view(),
        biases: &biases,
        targets: arguments.targets(),
        options: arguments.options(),
    };
    let (mut losses, mut workspace) = (vec![T::ZERO; batch], Workspace::new());
    let (mut grad_inputs, mut grad_weights, mut grad_biases) =
        (inputs.clone(), weights.clone(), biases.clone());
    assert_steady::<T>("dense_cross_entropy", &[n_inputs, classes, batch], || {
        let gradients = Gradients {
            inputs: Grad::Write(grad_inputs.view_mut()),
            weights: Grad::Write(grad_weights.view_mut()),
            biases: Grad::Write(&mut grad_biases),
            inputs_are_relu: false,
        };
        head.forward_backward(&mut losses, gradients, &mut workspace, Par::Seq).unwrap();
    });
}

#[test]
fn large_heads() {
    heads::<f32>();
    heads::<f64>();
}

fn updates<T: Float>() {
    let [mut p, g, mut first, mut second] = [1, 2, 3, 4].map(|_| vec![T::ONE; 1001]);
    let momentum = Momentum { nesterov: true, ..Momentum::default() };
    let mut step = 0;
    assert_steady::<T>("optimizers", &[], || {
        step += 1;
        optimizer::sgd(&mut p, &g, T::from_f64(0.1)).unwrap();
        momentum.update(&mut p, &g, &mut first).unwrap();
        Adam::default().update(&mut p, &g, &mut first, &mut second, step).unwrap();
    });
}

#[test]
fn optimizers() {
    updates::<f32>();
    updates::<f64>();
}
