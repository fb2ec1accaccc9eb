//! Any bytes as samples, records or packet headers of an sFlow datagram.
#![no_main]

#[path = "../exercise.rs"]
mod exercise;
#[path = "../wrap.rs"]
mod wrap;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| exercise::datagrams([&wrap::datagram(bytes)[..]].into_iter()));
