//! The instruction set that is forced is the one the kernels run on.

use gradkern::isa;

#[test]
fn the_forced_instruction_set_is_in_use() {
    let current = isa::current().expect("GRADKERN_ISA names a set this processor has").name();
    match std::env::var("GRADKERN_ISA") {
        Ok(forced) => assert_eq!(current, forced),
        Err(_) => assert_eq!(Some(current), isa::available().last().map(|isa| isa.name())),
    }
}
