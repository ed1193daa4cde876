//! The modules of tidegate that read bytes from outside, without Pingora and without I/O (see `build.rs`), and the
//! entries over them. The crate bears the name of the main one, so that the entries name the modules alike in both.

extern crate self as tidegate;

pub mod entries;

include!(concat!(env!("OUT_DIR"), "/src/root.rs"));
