#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| ba_agent_system::fuzz::cache(data));
