//! Every public function, and every way in which what it is given can be wrong: a message that names
//! the argument, what was expected and what was found, and outputs of which no byte has changed.
//!
//! `cargo test --test bad_input -- --nocapture` prints how many calls that are. What counts as a
//! public function is read from the sources, so that a new one fails here until it has its calls.

mod common;
#[path = "bad_input/instruction_set.rs"]
mod instruction_set;
#[path = "bad_input/kernels.rs"]
mod kernels;
#[path = "bad_input/losses.rs"]
mod losses;
#[path = "bad_input/public.rs"]
mod public;
#[path = "bad_input/table.rs"]
mod table;
#[path = "bad_input/total.rs"]
mod total;
#[path = "bad_input/training.rs"]
mod training;
#[path = "bad_input/views.rs"]
mod views;

use common::every_par;
use gradkern::Float;
use std::collections::BTreeSet;
use table::Table;

/// Every bad call for an element type.
fn refuse_all<T: Float>(t: &Table) {
    views::views::<T>(t);
    for par in every_par() {
        kernels::products::<T>(t, par);
        kernels::layers::<T>(t, par);
        kernels::steps::<T>(t, par);
        kernels::elementwise::<T>(t, par);
        losses::bad_shapes::<T>(t, par);
        losses::bad_heads::<T>(t, par);
    }
    kernels::metrics::<T>(t);
    losses::bad_targets::<T>(t);
    losses::bad_options::<T>(t);
    training::sizes::<T>(t);
    training::layers::<T>(t);
    training::steps::<T>(t);
    training::predictions::<T>(t);
    training::descent::<T>(t);
    training::adam::<T>(t);
    training::points::<T>(t);
}

#[test]
fn every_public_function_refuses_what_is_wrong() {
    let table = Table::default();
    refuse_all::<f32>(&table);
    refuse_all::<f64>(&table);
    training::gradient_checks(&table);
    let total = total::cases();
    total.iter().for_each(|(_, call)| call());

    let mut refusing: BTreeSet<&str> = table.functions().into_iter().collect();
    println!("refused: {} calls of {} functions", table.cases(), refusing.len());
    println!("nothing to refuse: {} functions", total.len());
    refusing.extend(instruction_set::calls::<f32>().iter().map(|(name, _)| name));
    let total: BTreeSet<&str> = total.iter().map(|(name, _)| *name).collect();

    let public = public::functions();
    let of_kind = |can_fail: bool| -> BTreeSet<&str> {
        let functions = public.iter().filter(|function| function.can_fail == can_fail);
        functions.map(|function| function.name.as_str()).collect()
    };
    assert_eq!(refusing, of_kind(true), "those with calls here, and those that return a Result");
    assert_eq!(total, of_kind(false), "those with calls here, and those that return no Result");
}
