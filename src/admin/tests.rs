//! The page and the CSV of a made-up node, and both doors over real sockets.

mod calls;
mod doors;
mod page;
mod sample;
mod spending;
