//! The ledger, seen from outside: every call once, whatever happens to it, to the disk or to the process.

mod disk;
mod kept;
mod killed;
mod load;
mod nothing_secret;
mod switched;
mod usage;
