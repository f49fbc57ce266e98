#![no_main]
libfuzzer_sys::fuzz_target!(init: fuzzing::prepare(), |bytes: &[u8]| fuzzing::pickle(bytes));
