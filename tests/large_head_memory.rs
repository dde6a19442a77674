//! A head of 32000 classes trains on 4096 samples in under 64 MiB, where its logits alone are 500 MiB.
//! Alone in its binary, as the peak of memory is that of the whole process.

#![cfg(target_os = "linux")]

use gradkern::dense::{Grad, Gradients};
use gradkern::dense_cross_entropy::{Head, Workspace};
use gradkern::{LossOptions, MatMut, MatRef, Par};

const BATCH: usize = 4096;
const INPUTS: usize = 8;
const CLASSES: usize = 32_000;

/// The most physical memory that this process has had at a time, in bytes.
fn peak() -> usize {
    let status = std::fs::read_to_string("/proc/self/status").expect("a process's status");
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).expect("its peak");
    1024 * line.trim().trim_end_matches(" kB").parse::<usize>().expect("a number")
}

#[test]
fn a_large_head_is_never_held_whole() {
    let inputs: Vec<f32> = (0..BATCH * INPUTS).map(|i| (i % 13) as f32 / 13.0).collect();
    let weights: Vec<f32> = (0..INPUTS * CLASSES).map(|i| (i % 31) as f32 / 310.0).collect();
    let biases = vec![0.0; CLASSES];
    let labels: Vec<u32> = (0..BATCH as u32).map(|i| i * 7 % CLASSES as u32).collect();
    let mut losses = vec![1.0; BATCH];
    let (mut grad_inputs, mut grad_weights) =
        (vec![1.0; BATCH * INPUTS], vec![1.0; INPUTS * CLASSES]);
    let mut grad_biases = vec![1.0; CLASSES];
    let head = Head {
        inputs: MatRef::new(&inputs, BATCH, INPUTS).unwrap(),
        weights: MatRef::new(&weights, INPUTS, CLASSES).unwrap(),
        biases: &biases,
        targets: (&labels).into(),
        options: LossOptions::default(),
    };
    let gradients = Gradients {
        inputs: Grad::Write(MatMut::new(&mut grad_inputs, BATCH, INPUTS).unwrap()),
        weights: Grad::Write(MatMut::new(&mut grad_weights, INPUTS, CLASSES).unwrap()),
        biases: Grad::Write(&mut grad_biases),
        inputs_are_relu: false,
    };
    let mut workspace = Workspace::new();
    let before = peak();
    let loss = head.forward_backward(&mut losses, gradients, &mut workspace, Par::Seq).unwrap();
    let grown = peak() - before;
    assert!((loss - (CLASSES as f32).ln()).abs() < 0.5, "{loss}");
    println!("{} MiB, of which the workspace has {}", grown >> 20, workspace.bytes() >> 20);
    assert!(workspace.bytes() > 16 << 20, "there are several chunks to hold");
    assert!(grown < 64 << 20, "{} MiB", grown >> 20);
}
