//! What a load balancer that knows AI APIs knows.

pub mod path;
