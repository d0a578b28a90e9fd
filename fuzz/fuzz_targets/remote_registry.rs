#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| ba_agent_core::fuzz::remote_registry(data));
