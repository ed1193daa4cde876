//! Floor 2: which events a person is told of, when, and how often.
