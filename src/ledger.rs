//! The ledger: what every call took and cost, kept on disk so that a restart forgets nothing.
